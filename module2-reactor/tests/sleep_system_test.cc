// What is built on Sleep: timeout and interval. Sleep itself is in sleep_test.cc.
#include <algorithm>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/poll.h"
#include "rt/platform/clock.h"
#include "rt/time/sleep.h"
#include "sleep_parts.h"
#include "testkit/testkit.h"

namespace {

using absl::Hours;
using absl::Milliseconds;
using absl::Nanoseconds;
using absl::Seconds;
using rt::Context;
using rt::Instant;
using rt::Interval;
using rt::kPending;
using rt::MissedTickBehavior;
using rt::Poll;
using rt::Sleep;
using sleep_parts::kOnlyItsOwn;
using sleep_parts::OnTimers;
using testkit::step;
using testkit::TestTask;

static_assert(std::is_same_v<rt::OutputOf<rt::Timeout<Sleep>>, absl::Status>);

// A future that is ready when the test says so.
template <class T>
class Gate {
 public:
  using Output = T;
  struct State {
    std::optional<T> output = std::nullopt;
    bool throws = false;
    int polls = 0;
    std::function<void()> on_drop = nullptr;
  };

  explicit Gate(std::shared_ptr<State> state) : state_(std::move(state)) {}
  Gate(Gate&&) = default;
  ~Gate() {
    if (state_ != nullptr && state_->on_drop) state_->on_drop();
  }
  Poll<T> poll(Context&) {
    ++state_->polls;
    if (state_->throws) throw std::runtime_error("the future's own");
    if (!state_->output.has_value()) return kPending;
    return *state_->output;
  }

 private:
  std::shared_ptr<State> state_;
};
using IntGate = Gate<int>;

class TimeoutTest : public OnTimers, public testing::Test {};
class IntervalTest : public OnTimers, public testing::Test {};

// --- timeout -------------------------------------------------------------------------------------

struct Parts {
  std::shared_ptr<IntGate::State> state = std::make_shared<IntGate::State>();
  rt::Timeout<IntGate> within(absl::Duration limit) { return rt::timeout(limit, IntGate(state)); }
};

TEST_F(TimeoutTest, GivesTheOutputWhenItIsReadyInTime) {
  TestTask task;
  Parts gate;
  auto limited = gate.within(Seconds(10));
  ASSERT_TRUE(task.poll(limited).is_pending());
  pass(Seconds(9));
  gate.state->output = 42;
  Poll<absl::StatusOr<int>> polled = task.poll(limited);
  ASSERT_TRUE(polled.is_ready());
  const absl::StatusOr<int> output = std::move(polled).take();
  ASSERT_TRUE(output.ok());
  EXPECT_EQ(*output, 42);
  EXPECT_TRUE(no_timer_left()) << "it is ready: its timer is taken back";
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

TEST_F(TimeoutTest, SaysDeadlineExceededWhenTheTimeIsUp) {
  TestTask task;
  Parts gate;
  auto limited = gate.within(Seconds(10));
  ASSERT_TRUE(task.poll(limited).is_pending());
  EXPECT_EQ(pass(Seconds(10)), 1u);
  EXPECT_EQ(task.wakes(), 1) << "the timer wakes, although the future does not";
  Poll<absl::StatusOr<int>> polled = task.poll(limited);
  ASSERT_TRUE(polled.is_ready());
  EXPECT_EQ(std::move(polled).take().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THROW((void)task.poll(limited), std::logic_error);
}

// Bug it is here for: the time is looked at first. What is there in time is then thrown away.
TEST_F(TimeoutTest, PollsTheFutureFirst) {
  TestTask task;
  Parts gate;
  auto limited = gate.within(Seconds(10));
  ASSERT_TRUE(task.poll(limited).is_pending());
  pass(Seconds(20));
  gate.state->output = 7;
  Poll<absl::StatusOr<int>> polled = task.poll(limited);
  ASSERT_TRUE(polled.is_ready());
  EXPECT_TRUE(std::move(polled).take().ok()) << "both are ready, and the future goes first";
}

// Bug it is here for: a limit of nothing, with which the future never gets its one chance.
TEST_F(TimeoutTest, AReadyFutureNeedsNoTime) {
  for (const absl::Duration limit : {absl::ZeroDuration(), -Seconds(1), absl::InfiniteDuration()}) {
    TestTask task;
    Parts gate;
    gate.state->output = 1;
    auto limited = gate.within(limit);
    Poll<absl::StatusOr<int>> polled = task.poll(limited);
    ASSERT_TRUE(polled.is_ready()) << limit;
    EXPECT_TRUE(std::move(polled).take().ok()) << limit;
    EXPECT_EQ(task.clones(), 0) << "nobody waits for anything";
  }
  EXPECT_TRUE(no_timer_left());
}

TEST_F(TimeoutTest, ALimitOfNothingIsUpAtOnce) {
  TestTask task;
  Parts gate;
  auto limited = gate.within(absl::ZeroDuration());
  Poll<absl::StatusOr<int>> polled = task.poll(limited);
  ASSERT_TRUE(polled.is_ready());
  EXPECT_EQ(std::move(polled).take().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(gate.state->polls, 1);
}

// Bug it is here for: the limit begins anew with each poll.
TEST_F(TimeoutTest, TheLimitCountsFromTheFirstPoll) {
  TestTask task;
  Parts gate;
  auto limited = gate.within(Seconds(10));
  pass(Seconds(100));
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(task.poll(limited).is_pending()) << "after " << i << " of ten seconds";
    pass(Seconds(1));
  }
  EXPECT_TRUE(task.poll(limited).is_ready());
}

TEST_F(TimeoutTest, AtAnInstant) {
  TestTask task;
  Parts gate;
  auto limited = rt::timeout_at(clock.now() + Seconds(10), IntGate(gate.state));
  pass(Seconds(6));
  ASSERT_TRUE(task.poll(limited).is_pending());
  pass(Seconds(4));
  EXPECT_TRUE(task.poll(limited).is_ready());
}

// Bug it is here for: the loser is dropped some time, and not before its defeat is told. (The task
// may use the socket of a read that is still registered.)
TEST_F(TimeoutTest, TheFutureIsDroppedBeforeTheTimeIsCalledUp) {
  for (const bool in_time : {true, false}) {
    TestTask task;
    Parts gate;
    int dropped = 0;
    auto limited = gate.within(Seconds(10));
    gate.state->on_drop = [&dropped] { ++dropped; };
    ASSERT_TRUE(task.poll(limited).is_pending());
    if (in_time) {
      gate.state->output = 1;
    } else {
      pass(Seconds(10));
    }
    ASSERT_TRUE(task.poll(limited).is_ready());
    EXPECT_EQ(dropped, 1);
    gate.state->on_drop = nullptr;
  }
}

TEST_F(TimeoutTest, DroppedItLeavesNothing) {
  TestTask task;
  Parts gate;
  {
    auto limited = gate.within(Seconds(10));
    ASSERT_TRUE(task.poll(limited).is_pending());
  }
  EXPECT_TRUE(no_timer_left());
  EXPECT_EQ(task.live(), kOnlyItsOwn);
  EXPECT_EQ(gate.state.use_count(), 1) << "the future was dropped with it";
}

TEST_F(TimeoutTest, WhatTheFutureThrowsComesOut) {
  TestTask task;
  Parts gate;
  auto limited = gate.within(Seconds(10));
  ASSERT_TRUE(task.poll(limited).is_pending());
  gate.state->throws = true;
  EXPECT_THROW((void)task.poll(limited), std::runtime_error);
}

// What is a status already gets no status around it; and a future without an output has one.
TEST_F(TimeoutTest, OutputsThatAreStatusesStayWhatTheyAre) {
  TestTask task;
  auto state = std::make_shared<Gate<absl::Status>::State>();
  state->output = absl::NotFoundError("the future's own");
  auto limited = rt::timeout(Seconds(1), Gate<absl::Status>(state));
  EXPECT_EQ(task.poll(limited).take().code(), absl::StatusCode::kNotFound);
  auto nap = rt::timeout(Seconds(2), rt::sleep(Seconds(1)));
  ASSERT_TRUE(task.poll(nap).is_pending());
  pass(Seconds(1));
  EXPECT_TRUE(task.poll(nap).take().ok());
  auto twice = rt::timeout(Seconds(1), rt::timeout(Seconds(2), rt::sleep(Seconds(3))));
  static_assert(std::is_same_v<decltype(twice)::Output, absl::Status>);
  ASSERT_TRUE(task.poll(twice).is_pending());
  pass(Seconds(1));
  EXPECT_EQ(task.poll(twice).take().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(no_timer_left());
}

// --- interval ------------------------------------------------------------------------------------

class IntervalRun : public OnTimers {
 public:
  // The ticks of an interval of ten seconds that begins now; each line is one tick: when it was
  // asked for, when it was due and when it came, in seconds from the beginning. Between some of the
  // ticks the task is busy.
  std::vector<std::string> run(MissedTickBehavior behavior, std::initializer_list<double> busy) {
    TestTask task;
    const Instant start = clock.now();
    const auto since = [&](Instant t) {
      return absl::FormatDuration(absl::Trunc(t - start, Milliseconds(1)));
    };
    Interval interval = rt::interval(Seconds(10));
    interval.set_missed_tick_behavior(behavior);
    std::vector<std::string> lines;
    for (const double seconds : busy) {
      auto tick = interval.tick();
      for (int waits = 0;; ++waits) {
        Poll<Instant> polled = task.poll(tick);
        if (polled.is_ready()) {
          lines.push_back(since(std::move(polled).take()) + " at " + since(clock.now()));
          break;
        }
        if (waits > 2) return lines;
        pass(std::min(next(), absl::Duration(Hours(1))));
      }
      pass(Seconds(seconds));
    }
    return lines;
  }
};

class IntervalRunTest : public IntervalRun, public testing::Test {};
using Lines = std::vector<std::string>;

TEST_F(IntervalRunTest, InTimeTheTicksAreAPeriodApart) {
  for (const MissedTickBehavior behavior :
       {MissedTickBehavior::kBurst, MissedTickBehavior::kDelay, MissedTickBehavior::kSkip}) {
    EXPECT_EQ(run(behavior, {0, 3, 9, 0, 0}),
              (Lines{"0 at 0", "10s at 10s", "20s at 20s", "30s at 30s", "40s at 40s"}));
  }
}

// Bug they are here for: one missed-tick behaviour taken for another; the remainder of the period.
TEST_F(IntervalRunTest, BurstMakesUpForAll) {
  EXPECT_EQ(
      run(MissedTickBehavior::kBurst, {33, 0, 0, 0, 0, 0}),
      (Lines{"0 at 0", "10s at 33s", "20s at 33s", "30s at 33s", "40s at 40s", "50s at 50s"}));
}
TEST_F(IntervalRunTest, DelayBeginsAnew) {
  EXPECT_EQ(run(MissedTickBehavior::kDelay, {33, 0, 4, 0}),
            (Lines{"0 at 0", "10s at 33s", "43s at 43s", "53s at 53s"}));
}
TEST_F(IntervalRunTest, SkipLeavesOutWhatIsGone) {
  EXPECT_EQ(run(MissedTickBehavior::kSkip, {33, 0, 0, 0}),
            (Lines{"0 at 0", "10s at 33s", "40s at 40s", "50s at 50s"}));
  EXPECT_EQ(run(MissedTickBehavior::kSkip, {30, 0, 0}),
            (Lines{"0 at 0", "10s at 30s", "40s at 40s"}))
      << "exactly a multiple late: the tick of now counts as gone";
  EXPECT_EQ(run(MissedTickBehavior::kSkip, {12, 0, 0}),
            (Lines{"0 at 0", "10s at 12s", "20s at 20s"}));
}
TEST_F(IntervalRunTest, BurstIsWhatItDoesUntold) {
  EXPECT_EQ(rt::interval(Seconds(1)).missed_tick_behavior(), MissedTickBehavior::kBurst);
  TestTask task;
  Interval interval = rt::interval(Seconds(1));
  auto tick = interval.tick();
  EXPECT_TRUE(task.poll(tick).is_ready());
}

// Bug it is here for: a little late is late, and with kDelay each tick moves all that follow.
TEST_F(IntervalRunTest, AFewMillisecondsAreNotLate) {
  EXPECT_EQ(run(MissedTickBehavior::kDelay, {10.005, 10.004, 0, 0}),
            (Lines{"0 at 0", "10s at 10.005s", "20s at 20.009s", "30.009s at 30.009s"}));
}

TEST_F(IntervalTest, TheFirstTickIsDueAtOnceOrWhenItIsTold) {
  TestTask task;
  Interval now = rt::interval(Seconds(10));
  pass(Seconds(3));
  auto first = now.tick();
  Poll<Instant> polled = task.poll(first);
  ASSERT_TRUE(polled.is_ready()) << "the first tick is due at its first poll";
  EXPECT_EQ(std::move(polled).take(), clock.now());
  const Instant start = clock.now() + Seconds(5);
  Interval later = rt::interval_at(start, Seconds(10));
  auto tick = later.tick();
  ASSERT_TRUE(task.poll(tick).is_pending());
  pass(Seconds(5));
  EXPECT_EQ(task.poll(tick).take(), start);
}

// Bug it is here for: a tick that is dropped while it waits has used up its turn, or leaves its
// timer.
TEST_F(IntervalTest, ADroppedTickTakesNothing) {
  TestTask task;
  const Instant start = clock.now();
  Interval interval = rt::interval_at(start + Seconds(10), Seconds(10));
  for (int i = 0; i < 3; ++i) {
    auto tick = interval.tick();
    ASSERT_TRUE(task.poll(tick).is_pending());
    step("the tick is dropped");
  }
  EXPECT_TRUE(no_timer_left());
  EXPECT_EQ(task.live(), kOnlyItsOwn);
  pass(Seconds(10));
  auto tick = interval.tick();
  EXPECT_EQ(task.poll(tick).take(), start + Seconds(10));
}

// Bug it is here for: polled again after ready, a tick answers, and a turn is lost.
TEST_F(IntervalTest, ATickIsReadyOnce) {
  TestTask task;
  Interval interval = rt::interval(Seconds(10));
  auto tick = interval.tick();
  ASSERT_TRUE(task.poll(tick).is_ready());
  EXPECT_THROW((void)task.poll(tick), std::logic_error);
}

TEST_F(IntervalTest, AnInfinitePeriodTicksOnce) {
  for (const MissedTickBehavior behavior :
       {MissedTickBehavior::kBurst, MissedTickBehavior::kDelay, MissedTickBehavior::kSkip}) {
    TestTask task;
    Interval interval = rt::interval_at(clock.now() - Seconds(60), absl::InfiniteDuration());
    interval.set_missed_tick_behavior(behavior);
    auto first = interval.tick();
    ASSERT_TRUE(task.poll(first).is_ready());
    auto second = interval.tick();
    ASSERT_TRUE(task.poll(second).is_pending());
    pass(Hours(100'000));
    EXPECT_EQ(task.wakes(), 0);
  }
}

TEST_F(IntervalTest, NoPeriodIsAMistake) {
  EXPECT_THROW((void)rt::interval(absl::ZeroDuration()), std::invalid_argument);
  EXPECT_THROW((void)rt::interval(-Seconds(1)), std::invalid_argument);
  TestTask task;
  Interval interval = rt::interval(Nanoseconds(1));
  auto tick = interval.tick();
  EXPECT_TRUE(task.poll(tick).is_ready());
}

}  // namespace
