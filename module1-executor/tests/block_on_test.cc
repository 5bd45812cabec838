#include "rt/runtime/block_on.h"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "testkit/parker_tests.h"
#include "testkit/process.h"
#include "testkit/testkit.h"

namespace {

using rt::block_on;
using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::poll_fn;
using rt::ThreadParker;
using rt::Waker;
using testkit::HelperThread;
using testkit::LifeCounter;
using testkit::step;
using testkit::this_thread_id;
using testkit::wait_until_asleep;

// --- ThreadParker -------------------------------------------------------------------------------

// Bugs they are here for: an unpark that only notifies, and leaves nothing to be found by a park
// that comes later; a token that is not taken.
TEST(ThreadParker, AnUnparkBeforeTheParkIsNotLost) {
  testkit::an_unpark_before_the_park_is_not_lost<ThreadParker>();
}

// Bug it is here for: a park that does not wait for the token, so that a pending future is polled
// again and again.
TEST(ThreadParker, ParkSleepsUntilUnparked) { testkit::park_sleeps_until_unparked<ThreadParker>(); }

// Bug it is here for: tokens that are counted. Ten wakes are then ten polls, though the first poll
// has seen what all ten were about.
TEST(ThreadParker, ManyUnparksLeaveOneToken) {
  testkit::many_unparks_leave_one_token<ThreadParker>();
}

// Bug it is here for: a token that is taken only if the thread had to wait for it.
TEST(ThreadParker, AnUnparkThatEndsAParkIsUsedUp) {
  testkit::an_unpark_that_ends_a_park_is_used_up<ThreadParker>();
}

// --- block_on: what comes out -------------------------------------------------------------------

TEST(BlockOn, AReadyFutureIsPolledOnceAndGivesItsOutput) {
  int polls = 0;
  const int output = block_on(poll_fn([&polls](Context&) -> Poll<int> {
    ++polls;
    return 7;
  }));
  EXPECT_EQ(output, 7);
  EXPECT_EQ(polls, 1);
}

TEST(BlockOn, AnOutputMayBeNothing) {
  int polls = 0;
  block_on(poll_fn([&polls](Context&) -> Poll<void> {
    ++polls;
    return kReady;
  }));
  EXPECT_EQ(polls, 1);
}

TEST(BlockOn, AMoveOnlyOutputIsMovedOut) {
  const std::unique_ptr<std::string> output =
      block_on(rt::ready(std::make_unique<std::string>("moved")));
  ASSERT_NE(output, nullptr);
  EXPECT_EQ(*output, "moved");
}

TEST(BlockOn, WhatTheFutureThrowsIsThrown) {
  int polls = 0;
  auto throws = poll_fn([&polls](Context& cx) -> Poll<int> {
    if (++polls == 2) throw std::runtime_error("the second poll threw");
    cx.waker().wake_by_ref();
    return kPending;
  });
  try {
    block_on(std::move(throws));
    FAIL() << "block_on returned, and the future threw";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "the second poll threw");
  }
  EXPECT_EQ(polls, 2);
}

// Bug it is here for: a future that is kept in a place of its own and never destroyed.
TEST(BlockOn, TheFutureAndItsOutputAreDestroyedOnce) {
  LifeCounter futures("the future");
  LifeCounter outputs("the output");
  {
    const testkit::Token output =
        block_on(poll_fn([inside = futures.token(), &outputs](Context&) -> Poll<testkit::Token> {
          return outputs.token();
        }));
    EXPECT_EQ(outputs.live(), 1);
  }
  EXPECT_EQ(futures.live(), 0);
  EXPECT_EQ(outputs.live(), 0);
}

// Remembers where it was when it was polled first.
class StaysInPlace {
 public:
  using Output = bool;  // Whether it is still there.

  explicit StaysInPlace(int polls) : left_(polls) {}

  Poll<bool> poll(Context& cx) {
    if (first_ == nullptr) first_ = this;
    if (first_ != this) return false;
    if (--left_ == 0) return true;
    cx.waker().wake_by_ref();
    return kPending;
  }

 private:
  const void* first_ = nullptr;
  int left_;
};

// Bug it is here for: a future that is moved, say into a helper, between two polls.
TEST(BlockOn, TheFutureIsNotMovedBetweenPolls) {
  EXPECT_TRUE(block_on(StaysInPlace(3))) << "a poll found the future at another address";
}

// --- block_on: when it polls --------------------------------------------------------------------

// Bug it is here for: a wake that arrives before the thread sleeps, and is gone when it does.
TEST(BlockOn, AWakeDuringThePollIsNotLost) {
  int polls = 0;
  block_on(poll_fn([&polls](Context& cx) -> Poll<void> {
    step("poll " + std::to_string(polls + 1));
    if (++polls == 4) return kReady;
    cx.waker().wake_by_ref();
    return kPending;
  }));
  EXPECT_EQ(polls, 4);
}

TEST(BlockOn, ManyWakesDuringOnePollAreOnePoll) {
  // A helper gives the one wake that is due after the second poll, once the thread sleeps.
  const int thread_id = this_thread_id();
  int polls = 0;
  std::atomic<bool> polled_again{false};
  std::atomic<bool> woken{false};
  std::optional<Waker> waker;
  std::optional<HelperThread> helper;
  block_on(poll_fn([&](Context& cx) -> Poll<void> {
    ++polls;
    step("poll " + std::to_string(polls));
    if (polls == 1) {
      step("three wakes");
      for (int i = 0; i < 3; ++i) cx.waker().wake_by_ref();
      return kPending;
    }
    if (polls == 2) {
      waker = cx.waker().clone();
      helper.emplace([&] {
        wait_until_asleep(thread_id, polled_again);
        woken = true;
        waker->wake_by_ref();
      });
      return kPending;
    }
    EXPECT_TRUE(woken) << "poll 3 came without a wake: three wakes before poll 2 led to two polls";
    polled_again = true;
    return kReady;
  }));
  helper.reset();
  EXPECT_EQ(polls, 3);
}

// Bug it is here for: a loop that polls until the future is ready, at 100 % of a core.
TEST(BlockOn, PollsOnlyAfterAWake) {
  constexpr int kWakes = 5;
  const int thread_id = this_thread_id();
  int polls = 0;
  std::atomic<int> wakes{0};
  std::atomic<bool> polled_too_often{false};
  std::optional<Waker> waker;
  std::optional<HelperThread> helper;
  block_on(poll_fn([&](Context& cx) -> Poll<void> {
    if (polls != wakes) polled_too_often = true;
    helper.reset();
    ++polls;
    step("poll " + std::to_string(polls));
    if (polled_too_often || polls == kWakes + 1) return kReady;
    waker = cx.waker().clone();
    helper.emplace([&] {
      wait_until_asleep(thread_id, polled_too_often);
      step("wake " + std::to_string(wakes + 1));
      ++wakes;
      std::move(*waker).wake();
    });
    return kPending;
  }));
  EXPECT_FALSE(polled_too_often) << "poll " << polls
                                 << " came although nobody had woken the thread since poll "
                                 << polls - 1;
}

// --- Wakers -------------------------------------------------------------------------------------

// Bug it is here for: a waker that points to the stack of block_on.
TEST(BlockOn, WakersMayOutliveTheCall) {
  std::vector<Waker> kept;
  block_on(poll_fn([&kept](Context& cx) -> Poll<void> {
    kept.push_back(cx.waker().clone());
    kept.push_back(cx.waker().clone());
    return kReady;
  }));
  step("block_on has returned; its wakers are used");
  kept[0].wake_by_ref();
  std::move(kept[1]).wake();
  kept.push_back(kept[0].clone());
  kept.clear();
}

// Bug it is here for: one parker for each thread. Then the inner call takes the outer one's token.
TEST(BlockOn, ANestedCallTakesNoWakeOfTheOuterOne) {
  int outer_polls = 0;
  block_on(poll_fn([&outer_polls](Context& outer) -> Poll<void> {
    if (++outer_polls == 2) return kReady;
    step("the outer task is woken");
    outer.waker().wake_by_ref();
    int inner_polls = 0;
    block_on(poll_fn([&inner_polls](Context& inner) -> Poll<void> {
      if (++inner_polls == 2) return kReady;
      step("the inner task is woken");
      inner.waker().wake_by_ref();
      return kPending;
    }));
    step("the inner block_on has returned");
    return kPending;
  }));
  EXPECT_EQ(outer_polls, 2);
}

// The check is given. It is here so that nobody removes it unseen.
TEST(BlockOn, ThrowsInsideATaskOfARuntime) {
  class NoScheduler final : public rt::Scheduler {
    rt::RawJoinHandle spawn_raw(void*, const rt::FutureVTable&) override {
      return rt::RawJoinHandle(nullptr, nullptr);
    }
  };
  NoScheduler scheduler;
  {
    const rt::EnterScheduler inside(&scheduler);
    try {
      block_on(rt::ready(1));
      ADD_FAILURE() << "block_on inside a task has to throw";
    } catch (const std::logic_error& error) {
      EXPECT_TRUE(absl::StrContains(error.what(), "co_await")) << error.what();
    }
  }
  EXPECT_EQ(block_on(rt::ready(1)), 1) << "outside of the runtime it works again";
}

}  // namespace
