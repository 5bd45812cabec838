// The clock: what is given in rt/platform/clock.h beyond the timed wait, which the tests of 1.4
// use.
#include "rt/platform/clock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <thread>

#include "absl/time/time.h"
#include "testkit/paused_clock.h"

namespace {

namespace clock = rt::clock;

TEST(Clock, SaysWhetherItIsPaused) {
  EXPECT_FALSE(clock::is_paused());
  {
    const testkit::PausedClock paused;
    EXPECT_TRUE(clock::is_paused());
  }
  EXPECT_FALSE(clock::is_paused());
}

TEST(Clock, AdvancesByItselfOnlyWhilePausedAndAsTold) {
  clock::set_auto_advance(true);
  EXPECT_FALSE(clock::auto_advances()) << "a clock that runs needs nobody to advance it";
  clock::pause();
  EXPECT_FALSE(clock::auto_advances()) << "pause() begins without";
  clock::set_auto_advance(true);
  EXPECT_TRUE(clock::auto_advances());
  clock::resume();
  EXPECT_FALSE(clock::auto_advances());
  clock::pause();
  EXPECT_FALSE(clock::auto_advances()) << "resume() has ended it";
  clock::resume();
}

TEST(Clock, StopsAtTheNextWholeMillisecond) {
  for (int i = 0; i < 100; ++i) {
    const rt::Instant before = clock::now();
    const testkit::PausedClock paused;
    EXPECT_EQ(clock::now().since_origin() % absl::Milliseconds(1), absl::ZeroDuration());
    EXPECT_GE(clock::now(), before);
  }
}

TEST(Clock, IsLeftWhereItStandsIfItIsPausedAlready) {
  testkit::PausedClock paused;
  paused.advance(absl::Hours(1));
  const rt::Instant later = clock::now();
  clock::set_auto_advance(true);
  clock::pause();
  EXPECT_EQ(clock::now(), later);
  EXPECT_FALSE(clock::auto_advances());
}

// Bug it is here for: a resume() that moves the clock back by all that has passed since the last.
TEST(Clock, AResumeOfARunningClockChangesNothing) {
  const rt::Instant before = clock::now();
  clock::pause();
  clock::advance(absl::Hours(1));
  clock::resume();
  while (clock::now() < before + absl::Hours(1) + absl::Milliseconds(5)) std::this_thread::yield();
  const rt::Instant later = clock::now();
  clock::resume();
  EXPECT_GE(clock::now(), later);
}

TEST(Clock, DoesNotAdvanceWhileItRuns) {
  const rt::Instant before = clock::now();
  EXPECT_THROW(clock::advance(absl::Hours(1000)), std::logic_error);
  EXPECT_LT(clock::now(), before + absl::Hours(1000));
  clock::auto_advance(absl::Hours(1000));
  EXPECT_LT(clock::now(), before + absl::Hours(1000));
}

TEST(Clock, DoesNotGoBack) {
  const testkit::PausedClock paused;
  const rt::Instant before = clock::now();
  clock::advance(-absl::Nanoseconds(1));
  clock::advance(-absl::InfiniteDuration());
  EXPECT_EQ(clock::now(), before);
}

// Bug it is here for: nanoseconds that wrap, and the clock is in the past. It uses the program's
// time up, so it has a process of its own.
TEST(ClockDeathTest, GoesOnWhateverItIsAdvancedBy) {
  const auto to_the_end = [] {
    clock::pause();
    rt::Instant before = clock::now();
    const auto goes_on = [&before] {
      if (clock::now() < before) std::_Exit(1);
      before = clock::now();
    };
    for (const absl::Duration by : {absl::Hours(24 * 365 * 200), absl::Hours(24 * 365 * 200),
                                    absl::InfiniteDuration(), absl::InfiniteDuration()}) {
      clock::advance(by);
      goes_on();
      const rt::Instant stood = clock::now();
      clock::advance(absl::Seconds(10));
      if (clock::now() != stood + absl::Seconds(10)) std::_Exit(2);
    }
    clock::resume();
    for (int i = 0; i < 3; ++i) {
      const auto later = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
      while (std::chrono::steady_clock::now() < later) std::this_thread::yield();
      goes_on();
      clock::pause();
      goes_on();
      clock::resume();
    }
    std::_Exit(0);
  };
  EXPECT_EXIT(to_the_end(), testing::ExitedWithCode(0), "");
}

TEST(ClockWatch, IsCalledAfterEachAdvanceAndResume) {
  testkit::PausedClock paused;
  int calls = 0;
  rt::Instant seen;
  std::optional<clock::Watch> watch([&] {
    ++calls;
    seen = clock::now();
  });
  EXPECT_EQ(calls, 0);
  paused.advance(absl::Seconds(1));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(seen, clock::now()) << "it sees the new time";
  clock::resume();
  EXPECT_EQ(calls, 2);
  clock::pause();
  EXPECT_EQ(calls, 2) << "nobody sleeps too long because the clock was stopped";
  watch.reset();
  paused.advance(absl::Seconds(1));
  EXPECT_EQ(calls, 2) << "the watch is gone";
}

TEST(ClockWatch, SeveralComeAndGoInAnyOrder) {
  testkit::PausedClock paused;
  int first = 0, second = 0;
  std::optional<clock::Watch> a([&first] { ++first; });
  const clock::Watch b([&second] { ++second; });
  paused.advance(absl::Seconds(1));
  a.reset();
  paused.advance(absl::Seconds(1));
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 2);
}

// For ThreadSanitizer too: no call is in progress when the destructor has returned.
TEST(ClockWatch, MayGoWhileAnotherThreadAdvances) {
  testkit::PausedClock paused;
  std::atomic<bool> stop = false;
  std::thread other([&stop] {
    while (!stop) clock::advance(absl::Nanoseconds(1));
  });
  for (int i = 0; i < 100; ++i) {
    int calls = 0;
    {
      const clock::Watch watch([&calls] { ++calls; });
    }
    EXPECT_GE(calls, 0);
  }
  stop = true;
  other.join();
}

}  // namespace
