// The step log: what a test has done so far, as numbered lines.
//
// A failure, a hang or a crash prints the log, so that the reader can replay the test in words:
//
//   The steps so far:
//     1. task "a" polled: pending
//     2. waker "a" cloned (2 alive)
//     3. event.set()
//
// CountingWaker, TestTask and PausedClock log by themselves; step() adds a line of the test's own.
//
// Thread safety: all of it may be used by any thread.
//
// Invariants
//   1. The log is empty at the start of each test.
//   2. It is bounded: of a very long log, the first and the last lines are kept. A line that comes
//      again at once is one line with a count, and so are two to four lines that come thrice.
//   3. ThreadSanitizer does not see it. A log that synchronised its callers would hide the races
//      that the tests are there to find.
#pragma once

#include <string>

namespace testkit {

// Adds one numbered line. Lines of a thread other than the test's own say which thread.
void step(std::string text);

// "The steps so far:" and the numbered lines, each ending in a newline; "" if there are none.
std::string steps_so_far();

// Everything a thread does while one of these lives is invisible to ThreadSanitizer: its accesses
// are not checked, and its locks order nothing. Elsewhere it does nothing.
class UnseenByTsan {
 public:
  UnseenByTsan();
  ~UnseenByTsan();
  UnseenByTsan(const UnseenByTsan&) = delete;
  UnseenByTsan& operator=(const UnseenByTsan&) = delete;
};

namespace internal {

// Empties the log and names the calling thread "the test's thread".
void reset_steps();

// The lines that no earlier call of this function has returned, under a heading; "" if none.
std::string new_steps();

}  // namespace internal
}  // namespace testkit
