// check(): an exploration as a part of a GoogleTest test.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "engine.h"
#include "report.h"
#include "testkit/internal/printer.h"

namespace testkit::model {
namespace {

// With what else is said, this fits the 60 lines that the course's runner shows of a message.
constexpr std::size_t kMostLines = 44;

std::string running_test() {
  const testing::TestInfo* const test = testing::UnitTest::GetInstance()->current_test_info();
  return test == nullptr ? "" : std::string(test->test_suite_name()) + "." + test->name();
}

const char* variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? nullptr : value;
}

// The running test's checks, counted.
struct Checks {
  std::string test;
  int count = 0;
  std::uint64_t executions = 0;
};

Checks& checks() {
  static Checks* const all = new Checks;
  if (std::string test = running_test(); test != all->test) *all = Checks{std::move(test), 0, 0};
  return *all;
}

// A schedule as a person passes it on: which check of the test, the bound, the choices.
struct Schedule {
  int check;
  int bound;
  std::string choices;
};

std::optional<Schedule> schedule_of(const char* text) {
  if (text == nullptr) return std::nullopt;
  int check = 0;
  int bound = 0;
  int read = 0;
  if (std::sscanf(text, "%d-%d-%n", &check, &bound, &read) != 2 || read == 0) {
    ADD_FAILURE() << "TESTKIT_MODEL_REPLAY=" << text << " is not a schedule such as 1-2-00102";
    return std::nullopt;
  }
  return Schedule{check, bound, text + read};
}

std::string executable() {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path - 1);
  return size <= 0 ? "TEST-BINARY"
                   : internal::short_path(std::string(path, static_cast<std::size_t>(size)));
}

std::string trace_note(const Result& result) {
  const char* const where = variable("TESTKIT_MODEL_TRACE");
  if (where == nullptr) return "";
  std::string path = where;
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    path += "/" + running_test() + ".json";
  }
  return detail::write_trace(path, result.rows) ? "It is in " + path + " for the visualizer.\n"
                                                : path + " cannot be written.\n";
}

std::string text_of(const Result& result, int check) {
  std::string text = result.what + "\n";
  if (result.rows.empty()) return text;
  text += "\n" + detail::table_of(result.rows, kMostLines) + "\n";
  const char* const plural = result.preemptions == 1 ? "" : "s";
  text += "Execution " + std::to_string(result.executions) + " found it, with " +
          std::to_string(result.preemptions) + " preemption" + plural + ". Again, in full:\n" +
          "  TESTKIT_MODEL_REPLAY=" + std::to_string(check) + "-" +
          std::to_string(result.preemptions) + "-" + result.schedule + " \\\n  " + executable() +
          " \\\n  --gtest_filter=" + running_test() + "\n";
  return text + trace_note(result);
}

}  // namespace

Result explore(const Options& options, detail::Scenario scenario) {
  return detail::Engine::get().explore(options, scenario);
}

Result check(const Options& options, detail::Scenario scenario, Place place) {
  Checks& mine = checks();
  ++mine.count;
  Result result;
  const std::optional<Schedule> replayed = schedule_of(variable("TESTKIT_MODEL_REPLAY"));
  if (replayed.has_value()) {
    if (replayed->check != mine.count) return result;
    Options bounded = options;
    bounded.preemptions(replayed->bound);
    result = detail::Engine::get().replay(bounded, scenario, replayed->choices);
    std::printf("%s\n%s", result.passed() ? "This execution passes." : result.what.c_str(),
                detail::table_of(result.rows, result.rows.size() * 20 + 1).c_str());
  } else {
    const auto begin = std::chrono::steady_clock::now();
    result = explore(options, scenario);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    mine.executions += result.executions;
    testing::Test::RecordProperty("model_executions", std::to_string(mine.executions));
    if (variable("TESTKIT_MODEL_STATS") != nullptr) {
      std::printf("model: check %d: %llu executions, %llu states, %s %d%s, %.3f s\n", mine.count,
                  static_cast<unsigned long long>(result.executions),
                  static_cast<unsigned long long>(result.states),
                  result.passed() ? "bound" : "failed with preemptions:", result.preemptions,
                  result.is_complete ? " (complete)" : "", took.count());
    }
  }
  if (!result.passed()) {
    const bool has_place = result.line > 0;
    ADD_FAILURE_AT(has_place ? result.file.c_str() : place.file_name(),
                   has_place ? result.line : static_cast<int>(place.line()))
        << text_of(result, mine.count);
  }
  return result;
}

const char* name_of(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kPassed:
      return "passed";
    case Verdict::kAssertion:
      return "assertion";
    case Verdict::kExpectation:
      return "expectation";
    case Verdict::kDataRace:
      return "data race";
    case Verdict::kDeadlock:
      return "deadlock";
    case Verdict::kLivelock:
      return "livelock";
    case Verdict::kLeak:
      return "leak";
    case Verdict::kUseAfterEnd:
      return "use after end";
    case Verdict::kMisuse:
      return "misuse";
    case Verdict::kException:
      return "exception";
    case Verdict::kNotDeterministic:
      return "not deterministic";
    case Verdict::kTooLarge:
      return "too large";
  }
  return "?";
}

}  // namespace testkit::model
