// Sleep itself. What is built on it, timeout and interval, is in sleep_system_test.cc.
#include "rt/time/sleep.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/timers.h"
#include "rt/future/future.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "rt/task/spawn.h"
#include "sleep_parts.h"
#include "testkit/testkit.h"

namespace {

using absl::Hours;
using absl::Milliseconds;
using absl::Nanoseconds;
using absl::Seconds;
using rt::Instant;
using rt::Sleep;
using sleep_parts::kOnlyItsOwn;
using testkit::IsPending;
using testkit::IsReady;
using testkit::step;
using testkit::TestTask;

static_assert(std::is_same_v<rt::OutputOf<Sleep>, void>);
static_assert(std::is_nothrow_move_constructible_v<Sleep>);
static_assert(!std::is_copy_constructible_v<Sleep>);

class SleepTest : public sleep_parts::OnTimers, public testing::Test {};

// --- The time ------------------------------------------------------------------------------------

TEST_F(SleepTest, IsReadyWhenTheTimeHasCome) {
  TestTask task;
  Sleep timer = rt::sleep(Seconds(10));
  ASSERT_THAT(task.poll(timer), IsPending());
  EXPECT_EQ(pass(Seconds(9)), 0u);
  EXPECT_EQ(pass(Seconds(1)), 1u);
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_THAT(task.poll(timer), IsReady());
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

// Bug it is here for: a deadline that is rounded down.
TEST_F(SleepTest, IsNeverEarlyAndLessThanATickLate) {
  for (const absl::Duration more :
       {Nanoseconds(0), Nanoseconds(0.25), Nanoseconds(1), Nanoseconds(499'999),
        Nanoseconds(500'001), Nanoseconds(999'999), Nanoseconds(1'000'001)}) {
    const absl::Duration time = Seconds(10) + more;
    TestTask task;
    clock.advance(Nanoseconds(123'457));
    Sleep timer = rt::sleep(time);
    ASSERT_THAT(task.poll(timer), IsPending());
    pass(absl::Floor(time, Nanoseconds(1)) - Nanoseconds(1));
    ASSERT_EQ(task.wakes(), 0) << "early, of " << time;
    ASSERT_THAT(task.poll(timer), IsPending()) << "early, of " << time;
    pass(rt::Timers::kTick + Nanoseconds(1));
    ASSERT_EQ(task.wakes(), 1) << "late by a tick, of " << time;
    ASSERT_THAT(task.poll(timer), IsReady());
  }
}

// The ticks of timers that were made before the pause must not lie between those of the clock.
TEST(SleepOnAClockPausedLater, IsReadyWhenTheTimeHasCome) {
  const auto timers = rt::sync::Arc<rt::Timers>::make([] {});
  const rt::EnterDriver inside(timers);
  testkit::PausedClock clock;
  TestTask task;
  Sleep timer = rt::sleep(Seconds(10));
  ASSERT_THAT(task.poll(timer), IsPending());
  clock.advance(Seconds(10));
  EXPECT_EQ(timers->fire(clock.now()), 1u);
  EXPECT_THAT(task.poll(timer), IsReady());
}

// Bug it is here for: a deadline counted from where the sleep was made. A future does nothing until
// polled.
TEST_F(SleepTest, ADurationCountsFromTheFirstPoll) {
  TestTask task;
  Sleep timer = rt::sleep(Seconds(10));
  pass(Seconds(60));
  ASSERT_THAT(task.poll(timer), IsPending()) << "its ten seconds begin here";
  pass(Seconds(6));
  ASSERT_THAT(task.poll(timer), IsPending()) << "four of ten seconds are left";
  pass(Seconds(4));
  EXPECT_EQ(task.wakes(), 1) << "later polls change nothing about the deadline";
  EXPECT_THAT(task.poll(timer), IsReady());
}

TEST_F(SleepTest, SleepUntilIsAnInstant) {
  TestTask task;
  Sleep timer = rt::sleep_until(clock.now() + Seconds(10));
  pass(Seconds(6));
  ASSERT_THAT(task.poll(timer), IsPending());
  pass(Seconds(4) - Nanoseconds(1));
  EXPECT_EQ(task.wakes(), 0);
  pass(rt::Timers::kTick);
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_THAT(task.poll(timer), IsReady());
}

// Bug it is here for: a timer of nothing that waits for the next tick.
TEST_F(SleepTest, ATimeThatHasComeIsReadyAtOnce) {
  const Instant now = clock.now();
  std::vector<Sleep> timers;
  for (const absl::Duration duration :
       {absl::ZeroDuration(), -Nanoseconds(1), -Hours(1), -absl::InfiniteDuration()}) {
    timers.push_back(rt::sleep(duration));
    timers.push_back(rt::sleep_until(now + duration));
  }
  for (Sleep& timer : timers) {
    TestTask task;
    EXPECT_THAT(task.poll(timer), IsReady()) << "there is nothing to wait for";
    EXPECT_EQ(task.clones(), 0) << "nobody has to be woken";
    EXPECT_THROW((void)task.poll(timer), std::logic_error) << "it has said ready once";
  }
  EXPECT_TRUE(no_timer_left());
}

// Bug it is here for: a huge duration that overflows into the past.
TEST_F(SleepTest, HugeAndInfiniteTimesWait) {
  const absl::Duration kYear = Hours(24) * 365;
  for (const absl::Duration duration : {kYear * 3, kYear * 200, kYear * 100'000,
                                        absl::Seconds(INT64_MAX), absl::InfiniteDuration()}) {
    TestTask task;
    Sleep relative = rt::sleep(duration);
    Sleep absolute = rt::sleep_until(clock.now() + duration);
    ASSERT_THAT(task.poll(relative), IsPending()) << duration;
    ASSERT_THAT(task.poll(absolute), IsPending()) << duration;
    EXPECT_GE(next(), std::min(duration, kYear * 290));
    pass(kYear * 2);
    EXPECT_EQ(task.wakes(), 0) << duration;
    EXPECT_THAT(task.poll(relative), IsPending()) << duration;
  }
  EXPECT_TRUE(no_timer_left());
}

TEST_F(SleepTest, PolledAfterReadyThrows) {
  TestTask task;
  Sleep timer = rt::sleep(Seconds(1));
  ASSERT_THAT(task.poll(timer), IsPending());
  pass(Seconds(1));
  ASSERT_THAT(task.poll(timer), IsReady());
  EXPECT_THROW((void)task.poll(timer), std::logic_error);
  pass(Hours(1));
  EXPECT_THROW((void)task.poll(timer), std::logic_error);
  EXPECT_EQ(task.wakes(), 1);
}

TEST_F(SleepTest, EachHasATimeOfItsOwn) {
  TestTask tasks[5];
  const int seconds[5] = {300, 20, 1, 4000, 20};
  std::vector<Sleep> timers;
  for (const int time : seconds) timers.push_back(rt::sleep(Seconds(time)));
  for (std::size_t i = 0; i < 5; ++i) ASSERT_THAT(tasks[i].poll(timers[i]), IsPending());
  EXPECT_EQ(pass(Seconds(1)), 1u);
  EXPECT_EQ(pass(Seconds(19)), 2u);
  EXPECT_EQ(pass(Seconds(280)), 1u);
  EXPECT_THAT(tasks[3].poll(timers[3]), IsPending());
  EXPECT_EQ(pass(Seconds(3700)), 1u);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(tasks[i].wakes(), 1);
    EXPECT_THAT(tasks[i].poll(timers[i]), IsReady());
  }
}

TEST_F(SleepTest, MovedBeforeItsFirstPoll) {
  TestTask task;
  std::optional<Sleep> made_here(rt::sleep(Seconds(10)));
  Sleep timer = std::move(*made_here);
  made_here.reset();
  ASSERT_THAT(task.poll(timer), IsPending());
  EXPECT_EQ(pass(Seconds(10)), 1u);
  EXPECT_THAT(task.poll(timer), IsReady());
}

// --- Wakers --------------------------------------------------------------------------------------

// Bug it is here for: the waker of the first poll is the one that is woken.
TEST_F(SleepTest, WakesTheNewestWakerOnly) {
  TestTask a("a"), b("b");
  Sleep timer = rt::sleep(Seconds(10));
  ASSERT_THAT(a.poll(timer), IsPending());
  ASSERT_THAT(b.poll(timer), IsPending());
  EXPECT_EQ(a.live(), kOnlyItsOwn) << "b's waker has taken the place of a's";
  pass(Seconds(10));
  EXPECT_EQ(a.wakes(), 0) << "a does not wait for this any more";
  EXPECT_EQ(b.wakes(), 1) << "b polled last";
}

TEST_F(SleepTest, TheSameTasksWakerIsNotClonedAgain) {
  TestTask task;
  Sleep timer = rt::sleep(Seconds(10));
  for (int i = 0; i < 3; ++i) ASSERT_THAT(task.poll(timer), IsPending());
  EXPECT_EQ(task.clones(), 1);
}

// Bug it is here for: a waker that runs with the timers locked. It would hang here.
TEST_F(SleepTest, AWakeMayPollSetAndDropTimers) {
  TestTask task, other("other");
  Sleep timer = rt::sleep(Seconds(10)), another = rt::sleep(Seconds(5));
  std::optional<Sleep> dropped(rt::sleep(Seconds(60)));
  ASSERT_THAT(task.poll(timer), IsPending());
  ASSERT_THAT(other.poll(*dropped), IsPending());
  bool was_ready = false;
  task.on_wake([&] {
    step("inside the wake:");
    was_ready = task.poll(timer).is_ready();
    EXPECT_THAT(other.poll(another), IsPending());
    dropped.reset();
  });
  pass(Seconds(10));
  EXPECT_TRUE(was_ready) << "the time has come before its waiter is woken";
  EXPECT_EQ(pass(Seconds(50)), 1u);
  EXPECT_EQ(other.wakes(), 1);
}

// Bug it is here for: a timer of the same tick is dropped by the waker of another.
TEST_F(SleepTest, AWakeMayDropWhoIsDueToo) {
  constexpr std::size_t kCount = 100;
  std::vector<std::unique_ptr<Sleep>> timers;
  TestTask task;
  for (std::size_t i = 0; i < kCount; ++i) {
    timers.push_back(std::make_unique<Sleep>(rt::sleep(Seconds(10))));
    ASSERT_THAT(task.poll(*timers.back()), IsPending());
  }
  task.on_wake([&] { timers.clear(); });
  const std::size_t fired = pass(Seconds(10));
  EXPECT_EQ(task.wakes(), static_cast<int>(fired));
  EXPECT_LT(fired, kCount) << "the first wake has dropped those that were not taken out yet";
  EXPECT_EQ(task.live(), kOnlyItsOwn);
  EXPECT_TRUE(no_timer_left());
}

// Bug it is here for: a waker that is cloned under the lock of the timers.
TEST_F(SleepTest, TheTimeMayComeWhileAWakerIsCloned) {
  TestTask first("first"), second("second");
  Sleep timer = rt::sleep(Seconds(10));
  ASSERT_THAT(first.poll(timer), IsPending());
  second.on_clone([&] { pass(Seconds(10)); });
  EXPECT_THAT(second.poll(timer), IsReady()) << "it has fired since it was looked at";
  EXPECT_EQ(first.wakes(), 1);
  EXPECT_EQ(first.live() + second.live(), 2 * kOnlyItsOwn);
}

// --- Dropping ------------------------------------------------------------------------------------

// Bug it is here for: a dropped Sleep that leaves its timer in the wheel.
TEST_F(SleepTest, DroppedBeforeItsTime) {
  TestTask task;
  {
    Sleep timer = rt::sleep(Seconds(10));
    ASSERT_THAT(task.poll(timer), IsPending());
    step("the sleep is dropped");
  }
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "a dropped sleep takes its waker back";
  EXPECT_TRUE(no_timer_left()) << "nobody waits for a time";
  EXPECT_EQ(pass(Seconds(10)), 0u);
  EXPECT_EQ(task.wakes(), 0);
}

TEST_F(SleepTest, DroppedAfterItHasFired) {
  TestTask task;
  {
    Sleep timer = rt::sleep(Seconds(10));
    ASSERT_THAT(task.poll(timer), IsPending());
    pass(Seconds(10));
    step("the sleep is dropped");
  }
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

TEST_F(SleepTest, NeverPolledItHasNoTimer) {
  const Sleep timer = rt::sleep(Seconds(10));
  EXPECT_TRUE(no_timer_left()) << "a future does nothing until it is polled";
}

// Bug it is here for: dropping the replaced waker with the timers locked.
TEST_F(SleepTest, DropsWakersWithNoLockHeld) {
  TestTask a("a"), b("b");
  int drops = 0;
  a.on_drop([&] {
    ++drops;
    fire();
  });
  b.on_drop([&] {
    ++drops;
    fire();
  });
  {
    Sleep timer = rt::sleep(Seconds(10));
    ASSERT_THAT(a.poll(timer), IsPending());
    ASSERT_THAT(b.poll(timer), IsPending());
    EXPECT_EQ(drops, 1) << "b's waker has taken the place of a's";
  }
  EXPECT_EQ(drops, 2) << "the sleep was dropped, and b's waker with it";
  a.on_drop(nullptr);
  b.on_drop(nullptr);
}

// --- The runtime ---------------------------------------------------------------------------------

TEST_F(SleepTest, OutsideOfARuntimeItThrows) {
  inside_.reset();
  TestTask task;
  Sleep timer = rt::sleep(Seconds(10));
  EXPECT_THROW((void)task.poll(timer), std::logic_error);
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

// Bug it is here for: a sleep that asks for a runtime before it knows that it has to wait.
TEST_F(SleepTest, OutsideOfARuntimeATimeThatHasComeIsReady) {
  inside_.reset();
  TestTask task;
  Sleep timer = rt::sleep(absl::ZeroDuration());
  EXPECT_THAT(task.poll(timer), IsReady());
}

// Bug it is here for: a first poll that throws, and has begun to count all the same. The next poll
// adds the duration once more.
TEST_F(SleepTest, CountsOnceAlsoIfItsFirstPollThrew) {
  inside_.reset();
  TestTask task;
  Sleep timer = rt::sleep(Seconds(10));
  EXPECT_THROW((void)task.poll(timer), std::logic_error);
  step("now there is a runtime");
  inside_.emplace(timers_);
  ASSERT_THAT(task.poll(timer), IsPending());
  EXPECT_EQ(pass(Seconds(10)), 1u) << "ten seconds after its first poll, or its first that waits";
  EXPECT_THAT(task.poll(timer), IsReady());
}

// Bug it is here for: an infinite sleep that says pending and leaves no waker. Nobody tells it that
// the runtime goes.
TEST_F(SleepTest, AnInfiniteOneWaitsLikeAnyOther) {
  TestTask task;
  Sleep timer = rt::sleep(absl::InfiniteDuration());
  ASSERT_THAT(task.poll(timer), IsPending());
  step("the runtime goes");
  timers_->shutdown();
  EXPECT_EQ(task.wakes(), 1) << "whoever waits is told";
  EXPECT_THROW((void)task.poll(timer), rt::Cancelled);
  inside_.reset();
  Sleep outside = rt::sleep(absl::InfiniteDuration());
  EXPECT_THROW((void)task.poll(outside), std::logic_error);
}

// Bug it is here for: the timers of whoever polls last, or of whoever drops.
TEST_F(SleepTest, StaysWithTheTimersOfItsFirstPoll) {
  TestTask task;
  auto others = rt::sync::Arc<rt::Timers>::make([] {});
  {
    Sleep timer = rt::sleep(Seconds(10));
    ASSERT_THAT(task.poll(timer), IsPending());
    inside_.emplace(others);
    ASSERT_THAT(task.poll(timer), IsPending());
    inside_.reset();
    ASSERT_THAT(task.poll(timer), IsPending());
    EXPECT_EQ(others->begin_sleep(), Instant::infinite_future());
    step("the sleep is dropped");
  }
  EXPECT_TRUE(no_timer_left());
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

// Bug it is here for: the timers go with the runtime, and a sleep that is left still names them.
TEST_F(SleepTest, MayOutliveItsRuntime) {
  TestTask task, late("late");
  Sleep timer = rt::sleep(Seconds(10)), fired = rt::sleep(Seconds(1)),
        other = rt::sleep(Seconds(1));
  ASSERT_THAT(task.poll(timer), IsPending());
  ASSERT_THAT(task.poll(fired), IsPending());
  pass(Seconds(1));
  ASSERT_EQ(task.wakes(), 1);
  step("the runtime goes");
  timers_->shutdown();
  EXPECT_EQ(task.wakes(), 2) << "whoever waits is told";
  EXPECT_THROW((void)late.poll(other), rt::Cancelled);
  inside_.reset();
  timers_ = rt::sync::Arc<rt::Timers>();
  EXPECT_THROW((void)task.poll(timer), rt::Cancelled);
  EXPECT_THROW((void)task.poll(timer), rt::Cancelled) << "and again";
  EXPECT_THAT(task.poll(fired), IsReady()) << "its time came before";
  EXPECT_EQ(task.live() + late.live(), 2 * kOnlyItsOwn);
}

// Bug it is here for: a timer that comes before the end of the driver's sleep.
TEST_F(SleepTest, AnEarlierTimerEndsTheDriversSleep) {
  TestTask task;
  Sleep hour = rt::sleep(Hours(1)), second = rt::sleep(Seconds(1)),
        tick = rt::sleep(Milliseconds(1));
  Sleep day = rt::sleep(Hours(24)), now = rt::sleep(absl::ZeroDuration());
  ASSERT_THAT(task.poll(hour), IsPending());
  EXPECT_EQ(unparks_, 0) << "the driver does not sleep";
  EXPECT_EQ(timers_->begin_sleep() - clock.now(), Hours(1));
  ASSERT_THAT(task.poll(day), IsPending());
  ASSERT_THAT(task.poll(now), IsReady());
  ASSERT_THAT(task.poll(hour), IsPending());
  EXPECT_EQ(unparks_, 0) << "the sleep is not too long";
  ASSERT_THAT(task.poll(second), IsPending());
  EXPECT_EQ(unparks_, 1) << "the sleep is too long";
  ASSERT_THAT(task.poll(tick), IsPending());
  EXPECT_EQ(unparks_, 1) << "once is enough";
  timers_->end_sleep();
}

}  // namespace
