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
constexpr std::size_t kLongestRound = 4;  // Lines of a loop's body that are still seen as one.
constexpr std::size_t kRounds = 3;        // As often, at least, before they are folded.

struct Line {
  std::size_t number;  // From 1.
  std::size_t times;   // Equal lines in a row are one line, with a count.
  std::string text;
  std::size_t round =
      0;  // Not 0: this line and those before it, `round` in all, are a loop's body,
  std::size_t rounds = 1;  // and came so often.
};

struct Log {
  std::mutex mutex;
  std::deque<Line> lines;  // The first kKeepFirst and the last kKeepLast.
  std::size_t count = 0;   // Of all lines, the dropped ones too.
  std::size_t shown = 0;   // Lines up to this number have been returned by new_steps().
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

// Whether the `size` lines that end `back` lines before the newest are the newest `size` again.
// REQUIRES: log.mutex is held.
bool same_round(const Log& log, std::size_t size, std::size_t back) {
  if (log.lines.size() < back + size) return false;
  for (std::size_t i = 1; i <= size; ++i) {
    const Line& a = log.lines[log.lines.size() - i];
    const Line& b = log.lines[log.lines.size() - back - i];
    const bool is_end_of_round = i == 1 && b.round == size;
    if (a.text != b.text || a.times != b.times || a.round != 0) return false;
    // A line that was shown, or is on the far side of a gap, stays as it is.
    if ((b.round != 0 && !is_end_of_round) || b.number <= log.shown) return false;
    if (a.number - b.number != back) return false;
  }
  return true;
}

// REQUIRES: log.mutex is held.
void take_back(Log& log, std::size_t count) {
  log.lines.erase(log.lines.end() - static_cast<std::ptrdiff_t>(count), log.lines.end());
  log.count -= count;
}

// Folds the newest lines, if they are what a loop has done again and again. (Single lines are
// counted where they are added.) REQUIRES: log.mutex is held.
void fold(Log& log) {
  for (std::size_t size = 2; size <= kLongestRound; ++size) {
    if (!same_round(log, size, size)) continue;
    if (log.lines[log.lines.size() - size - 1].round == size) {
      take_back(log, size);
      ++log.lines.back().rounds;
      return;
    }
    bool enough = true;
    for (std::size_t i = 2; i < kRounds; ++i) enough = enough && same_round(log, size, i * size);
    if (!enough) continue;
    take_back(log, (kRounds - 1) * size);
    log.lines.back().round = size;
    log.lines.back().rounds = kRounds;
    return;
  }
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
  if (line.round == 0) return;
  out.append(width + 4, ' ');
  out += "(steps " + std::to_string(line.number - line.round + 1) +
         (line.round == 2 ? " and " : " to ") + number + ": " + std::to_string(line.rounds) +
         " times)\n";
}

// Lines with numbers above `after`. REQUIRES: log.mutex is held.
std::string lines(const Log& log, std::size_t after) {
  std::string out;
  const std::size_t width = std::to_string(log.count).size();
  std::size_t before = 0;  // The number of the line before.
  for (const Line& line : log.lines) {
    const std::size_t left_out = line.number - before - 1;
    before = line.number;
    if (line.number <= after) continue;
    if (left_out > 0) out += "  … " + std::to_string(left_out) + " steps are left out here …\n";
    append(out, line, width);
  }
  return out;
}

}  // namespace

void step(std::string text) {
  const UnseenByTsan unseen;
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  text.insert(0, thread_prefix(log));
  Line* const newest = log.lines.empty() ? nullptr : &log.lines.back();
  if (newest != nullptr && newest->number > log.shown && newest->round == 0 &&
      newest->text == text) {
    ++newest->times;
  } else {
    log.lines.push_back(Line{++log.count, 1, std::move(text)});
  }
  fold(log);
  if (log.lines.size() > kKeepFirst + kKeepLast) log.lines.erase(log.lines.begin() + kKeepFirst);
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
  log.lines.clear();
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
