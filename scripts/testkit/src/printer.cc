#include "testkit/internal/printer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "testkit/internal/clip.h"
#include "testkit/internal/events.h"
#include "testkit/internal/hang_watch.h"
#include "testkit/internal/stacks.h"
#include "testkit/steps.h"

namespace testkit::internal {
namespace {

struct Progress {
  std::mutex mutex;
  std::string test;
  std::atomic<bool> all_passed{false};
};

// Never destroyed: a hang or a crash after main still asks.
Progress& progress() {
  static Progress* const it = new Progress;
  return *it;
}

// Without " (of type rt::Poll<…>)" at the end of an "Actual:" line: the value says it, and the
// types of futures fill the screen.
std::string without_types(std::string_view message) {
  std::string out;
  while (!message.empty()) {
    const std::size_t end = message.find('\n');
    std::string_view line = message.substr(0, end);
    message.remove_prefix(end == std::string_view::npos ? message.size() : end + 1);
    const std::size_t type = line.find(" (of type rt::Poll<");
    const std::size_t close = line.rfind('>');
    if (type != std::string_view::npos && close + 1 < line.size() && line[close + 1] == ')') {
      out += line.substr(0, type);
      line.remove_prefix(close + 2);
    }
    out += line;
    if (end != std::string_view::npos) out += '\n';
  }
  return out;
}

// Without the line "Failed" that ADD_FAILURE() and FAIL() begin with, if they say more.
std::string_view without_failed(std::string_view message) {
  constexpr std::string_view kFailed = "Failed\n";
  if (message.substr(0, kFailed.size()) == kFailed) message.remove_prefix(kFailed.size());
  return message;
}

// A stub reached in the child of a death test is as little a wrong answer as one reached here.
void pass_on_todo(std::string_view message) {
  constexpr std::string_view kEnd = " is not written yet";
  const std::size_t end = message.find(kEnd);
  if (end == std::string_view::npos || message.find("[  DEATH   ]") == std::string_view::npos) {
    return;
  }
  const std::size_t begin = message.rfind("exercise ", end);
  if (begin == std::string_view::npos) return;
  const std::string line(message.substr(begin, end + kEnd.size() - begin));
  std::fflush(stdout);
  std::fprintf(stderr, "%s\n", line.c_str());
  std::fflush(stderr);
  ::_exit(42);
}

std::string name_of(const testing::TestInfo& info) {
  return std::string(info.test_suite_name()) + "." + info.name();
}

class Printer : public testing::TestEventListener {
 public:
  explicit Printer(testing::TestEventListener* gtest_printer) : gtest_(gtest_printer) {}

  void OnTestProgramStart(const testing::UnitTest& t) override { gtest_->OnTestProgramStart(t); }
  void OnTestIterationStart(const testing::UnitTest& t, int i) override {
    gtest_->OnTestIterationStart(t, i);
  }
  void OnEnvironmentsSetUpStart(const testing::UnitTest& t) override {
    gtest_->OnEnvironmentsSetUpStart(t);
  }
  void OnEnvironmentsSetUpEnd(const testing::UnitTest& t) override {
    gtest_->OnEnvironmentsSetUpEnd(t);
  }
  void OnTestSuiteStart(const testing::TestSuite& s) override { gtest_->OnTestSuiteStart(s); }

  void OnTestStart(const testing::TestInfo& info) override {
    {
      const UnseenByTsan unseen;
      const std::lock_guard lock(progress().mutex);
      progress().test = name_of(info);
    }
    running_.store(&info, std::memory_order_relaxed);
    reset_steps();
    watch_new_test();
    send_start(name_of(info));
    gtest_->OnTestStart(info);
  }

  void OnTestPartResult(const testing::TestPartResult& part) override {
    if (!part.failed()) {
      gtest_->OnTestPartResult(part);
      return;
    }
    pass_on_todo(part.message());
    const std::string steps = new_steps();
    const char* path = part.file_name();
    int line = std::max(part.line_number(), 0);
    // An exception that leaves the test's body has no place of its own. The test has one.
    // (GoogleTest holds its lock here, so it cannot be asked which test that is.)
    const testing::TestInfo* const test = running_.load(std::memory_order_relaxed);
    if (path == nullptr && test != nullptr && test->file() != nullptr) {
      path = test->file();
      line = test->line();
    }
    std::string file = short_path(path == nullptr ? "" : path);
    // What the test kit has found, it found on behalf of a line of the test.
    if (file.find("scripts/testkit/include/") == 0 || file.find("scripts/testkit/src/") == 0) {
      if (const Place place = place_in_test(); place.line > 0) {
        file = short_path(place.file);
        line = place.line;
      } else if (test != nullptr && test->file() != nullptr) {
        file = short_path(test->file());
        line = test->line();
      }
    }
    const std::string what = clip(without_types(without_failed(part.message())));
    send_failure(current_test(), file, line, steps.empty() ? what : steps + "\n" + what);
    if (!steps.empty()) std::printf("%s\n", steps.c_str());
    if (file.empty()) {
      std::printf("Failure\n%s\n\n", what.c_str());
    } else {
      std::printf("%s:%d: Failure\n%s\n\n", file.c_str(), line, what.c_str());
    }
    std::fflush(stdout);
  }

  void OnTestEnd(const testing::TestInfo& info) override {
    wait_if_hang_is_reported();
    running_.store(nullptr, std::memory_order_relaxed);
    gtest_->OnTestEnd(info);
    std::fflush(stdout);
    send_end(name_of(info), info.result()->Passed() || info.result()->Skipped());
  }

  void OnTestSuiteEnd(const testing::TestSuite& s) override { gtest_->OnTestSuiteEnd(s); }
  void OnEnvironmentsTearDownStart(const testing::UnitTest& t) override {
    gtest_->OnEnvironmentsTearDownStart(t);
  }
  void OnEnvironmentsTearDownEnd(const testing::UnitTest& t) override {
    gtest_->OnEnvironmentsTearDownEnd(t);
  }
  void OnTestIterationEnd(const testing::UnitTest& t, int i) override {
    gtest_->OnTestIterationEnd(t, i);
  }
  void OnTestProgramEnd(const testing::UnitTest& t) override {
    gtest_->OnTestProgramEnd(t);
    progress().all_passed.store(t.Passed(), std::memory_order_relaxed);
  }

 private:
  std::unique_ptr<testing::TestEventListener> gtest_;
  std::atomic<const testing::TestInfo*> running_{nullptr};  // It lives as long as the program.
};

}  // namespace

void install_printer() {
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  listeners.Append(new Printer(listeners.Release(listeners.default_result_printer())));
}

std::string current_test() {
  const UnseenByTsan unseen;
  const std::lock_guard lock(progress().mutex);
  return progress().test;
}

bool all_passed() { return progress().all_passed.load(std::memory_order_relaxed); }

std::string short_path(std::string path) {
  constexpr std::string_view kThisFile = "scripts/testkit/src/printer.cc";
  std::string_view root = __FILE__;
  if (root.size() <= kThisFile.size()) return path;
  root.remove_suffix(kThisFile.size());
  if (path.compare(0, root.size(), root) == 0) path.erase(0, root.size());
  return path;
}

}  // namespace testkit::internal
