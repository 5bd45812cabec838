// PausedClock: stops rt::clock for a scope, so that time moves only when the test says so.
//
//   PausedClock clock;
//   …start a timer of 10 s…
//   clock.advance(absl::Seconds(10));
//
// Thread safety: for the test's thread. One PausedClock at a time.
//
// Invariant: the clock runs again when the PausedClock is gone.
#pragma once

#include <cstddef>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "rt/platform/clock.h"
#include "testkit/steps.h"

namespace testkit {

class PausedClock {
 public:
  PausedClock() {
    rt::clock::pause();
    step("clock paused");
  }
  ~PausedClock() { rt::clock::resume(); }
  PausedClock(const PausedClock&) = delete;
  PausedClock& operator=(const PausedClock&) = delete;

  // Moves time forward and wakes every wait whose deadline has come.
  void advance(absl::Duration by) {
    step("clock advanced by " + absl::FormatDuration(by));
    rt::clock::advance(by);
  }

  // Returns when at least `n` threads are in a timed wait on the clock and have seen what time it
  // is now: their deadline is still to come.
  void wait_for_sleepers(std::size_t n) const {
    step("waiting until " + std::to_string(n) + (n == 1 ? " thread waits" : " threads wait") +
         " on the clock");
    while (rt::clock::sleepers() < n) std::this_thread::yield();
  }

  rt::Instant now() const { return rt::clock::now(); }
};

}  // namespace testkit
