// What the tests of 2.6 share: timers that fire when the test says so.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/timers.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "testkit/testkit.h"

namespace sleep_parts {

// TestTask::live() counts the task's own waker too.
constexpr int kOnlyItsOwn = 1;

// A clock that stands, and a driver that this thread is.
class OnTimers {
 protected:
  // The driver looks at the clock: as often as it likes, and late if it likes.
  std::size_t fire() {
    const std::size_t fired = timers_->fire(clock.now());
    testkit::step("the timers fire: " + std::to_string(fired));
    return fired;
  }
  // Time goes by, and the driver sees it.
  std::size_t pass(absl::Duration time) {
    clock.advance(time);
    return fire();
  }
  // The time until the next timer; infinite if there is none.
  absl::Duration next() {
    const rt::Instant until = timers_->begin_sleep();
    timers_->end_sleep();
    return until - clock.now();
  }
  bool no_timer_left() { return next() == absl::InfiniteDuration(); }

  testkit::PausedClock clock;
  int unparks_ = 0;
  rt::sync::Arc<rt::Timers> timers_ = rt::sync::Arc<rt::Timers>::make([this] { ++unparks_; });
  std::optional<rt::EnterDriver> inside_{std::in_place, timers_};
};

}  // namespace sleep_parts
