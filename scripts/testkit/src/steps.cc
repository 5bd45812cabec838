#include "testkit/steps.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

// Provided by ThreadSanitizer's runtime; null without it.
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line) __attribute__((weak));
void AnnotateIgnoreReadsEnd(const char* file, int line) __attribute__((weak));
void AnnotateIgnoreWritesBegin(const char* file, int line) __attribute__((weak));
void AnnotateIgnoreWritesEnd(const char* file, int line) __attribute__((weak));
void AnnotateIgnoreSyncBegin(const char* file, int line) __attribute__((weak));
void AnnotateIgnoreSyncEnd(const char* file, int line) __attribute__((weak));
}

namespace testkit {

UnseenByTsan::UnseenByTsan() {
  if (AnnotateIgnoreSyncBegin == nullptr) return;
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
}

UnseenByTsan::~UnseenByTsan() {
  if (AnnotateIgnoreSyncBegin == nullptr) return;
  AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

namespace {

constexpr std::size_t kKeepFirst = 20;
constexpr std::size_t kKeepLast = 40;

struct Line {
  std::size_t number;  // From 1.
  std::size_t times;   // Equal lines in a row are one line, with a count.
  std::string text;
};

struct Log {
  std::mutex mutex;
  std::vector<Line> first;  // At most kKeepFirst.
  std::deque<Line> last;    // Those after `first`, at most kKeepLast.
  std::size_t count = 0;    // Of all lines, the dropped ones too.
  std::size_t shown = 0;    // Lines up to this number have been returned by new_steps().
  pid_t test_thread = 0;
  std::vector<pid_t> other_threads;  // In the order of their first line.
};

// Never destroyed: threads that outlive main may still log.
Log& the_log() {
  static Log* const log = new Log;
  return *log;
}

pid_t this_thread() {
  thread_local const pid_t id = static_cast<pid_t>(::syscall(SYS_gettid));
  return id;
}

// "" for the test's own thread, else "[thread 2] ". REQUIRES: log.mutex is held.
std::string thread_prefix(Log& log) {
  const pid_t id = this_thread();
  if (log.test_thread == 0 || id == log.test_thread) return "";
  std::size_t i = 0;
  while (i < log.other_threads.size() && log.other_threads[i] != id) ++i;
  if (i == log.other_threads.size()) log.other_threads.push_back(id);
  return "[thread " + std::to_string(i + 2) + "] ";
}

// REQUIRES: log.mutex is held.
Line* newest(Log& log) {
  if (!log.last.empty()) return &log.last.back();
  if (!log.first.empty()) return &log.first.back();
  return nullptr;
}

// One line, its continuation lines indented under its text.
void append(std::string& out, const Line& line, std::size_t width) {
  const std::string number = std::to_string(line.number);
  out.append(2 + (width > number.size() ? width - number.size() : 0), ' ');
  out += number + ". ";
  for (const char c : line.text) {
    out += c;
    if (c == '\n') out.append(width + 4, ' ');
  }
  if (line.times > 1) out += "  (" + std::to_string(line.times) + " times)";
  out += '\n';
}

// Lines with numbers above `after`. REQUIRES: log.mutex is held.
std::string lines(const Log& log, std::size_t after) {
  std::string out;
  const std::size_t width = std::to_string(log.count).size();
  for (const Line& line : log.first) {
    if (line.number > after) append(out, line, width);
  }
  const std::size_t kept = log.first.size() + log.last.size();
  if (log.count > kept && after < log.count - log.last.size()) {
    out += "  … " + std::to_string(log.count - kept) + " steps are left out here …\n";
  }
  for (const Line& line : log.last) {
    if (line.number > after) append(out, line, width);
  }
  return out;
}

}  // namespace

void step(std::string text) {
  const UnseenByTsan unseen;
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  text.insert(0, thread_prefix(log));
  if (Line* line = newest(log); line != nullptr && line->number > log.shown && line->text == text) {
    ++line->times;
    return;
  }
  Line line{++log.count, 1, std::move(text)};
  if (log.first.size() < kKeepFirst) {
    log.first.push_back(std::move(line));
    return;
  }
  log.last.push_back(std::move(line));
  if (log.last.size() > kKeepLast) log.last.pop_front();
}

std::string steps_so_far() {
  const UnseenByTsan unseen;
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  if (log.count == 0) return "";
  return "The steps so far:\n" + lines(log, 0);
}

namespace internal {

void reset_steps() {
  const UnseenByTsan unseen;
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  log.first.clear();
  log.last.clear();
  log.other_threads.clear();
  log.count = 0;
  log.shown = 0;
  log.test_thread = this_thread();
}

std::string new_steps() {
  const UnseenByTsan unseen;
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  if (log.count == log.shown) return "";
  const char* const heading = log.shown == 0 ? "The steps so far:\n" : "The steps since then:\n";
  std::string text = heading + lines(log, log.shown);
  log.shown = log.count;
  return text;
}

}  // namespace internal
}  // namespace testkit
