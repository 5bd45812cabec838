// Budgets, spent by hand and by tasks. That every leaf future of the modules before asks for its
// unit is in budget_system_test.cc.
#include "rt/future/budget.h"

#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "budget_parts.h"
#include "rt/future/async.h"
#include "rt/future/box_future.h"
#include "rt/future/combinators.h"
#include "rt/future/cooperative.h"
#include "rt/future/future.h"
#include "rt/future/leaf.h"
#include "rt/future/manual_event.h"
#include "rt/runtime/local_runtime.h"
#include "testkit/testkit.h"

namespace {

namespace coop = rt::coop;
using budget_parts::kMany;
using budget_parts::left;
using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using testkit::IsPending;
using testkit::IsReadyWith;
using testkit::TestTask;

void take(int units) {
  for (int i = 0; i < units; ++i) ASSERT_TRUE(coop::Unit().was_there()) << "unit " << i;
}

// --- Units and scopes ----------------------------------------------------------------------------

TEST(Budget, APollHas128Units) {
  const coop::BudgetScope poll;
  take(128);
  EXPECT_FALSE(coop::Unit().was_there());
  EXPECT_FALSE(coop::Unit().was_there()) << "Nor is there one at the next try.";
}

TEST(Budget, EachPollHasItsOwn) {
  {
    const coop::BudgetScope poll;
    take(128);
  }
  const coop::BudgetScope next;
  EXPECT_EQ(left(), 128);
}

TEST(Budget, OutsideOfAPollThereIsNoEnd) {
  EXPECT_EQ(left(), kMany);
  take(kMany);
  EXPECT_TRUE(coop::Unit().was_there());
}

TEST(Budget, AUnitThatIsGivenBackIsThereAgain) {
  const coop::BudgetScope poll;
  take(3);
  coop::Unit unit;
  EXPECT_EQ(left(), 124);
  unit.give_back();
  EXPECT_EQ(left(), 125);
}

TEST(Budget, TheLastUnitCanBeGivenBackToo) {
  const coop::BudgetScope poll;
  take(127);
  coop::Unit last;
  ASSERT_TRUE(last.was_there());
  last.give_back();
  EXPECT_TRUE(coop::has_budget_remaining());
  EXPECT_EQ(left(), 1);
}

TEST(Budget, WhatWasTakenSinceIsGivenBackWithIt) {
  const coop::BudgetScope poll;
  take(3);
  coop::Unit of_a_leaf_that_polls_others;
  take(20);
  of_a_leaf_that_polls_others.give_back();
  EXPECT_EQ(left(), 125);
}

TEST(Budget, WhereThereWasNoUnitNothingIsGivenBack) {
  const coop::BudgetScope poll;
  take(128);
  coop::Unit none;
  ASSERT_FALSE(none.was_there());
  none.give_back();
  EXPECT_EQ(left(), 0);
}

TEST(Budget, OutsideOfAPollAUnitMayBeGivenBack) {
  coop::Unit unit;
  unit.give_back();
  EXPECT_EQ(left(), kMany);
  const coop::BudgetScope poll;
  EXPECT_EQ(left(), 128) << "A unit was given back before this poll.";
}

TEST(Budget, SomethingRemainsUntilTheLastUnitIsTaken) {
  EXPECT_TRUE(coop::has_budget_remaining()) << "Outside of a poll.";
  const coop::BudgetScope poll;
  EXPECT_TRUE(coop::has_budget_remaining());
  take(127);
  EXPECT_TRUE(coop::has_budget_remaining());
  take(1);
  EXPECT_FALSE(coop::has_budget_remaining());
}

TEST(Budget, ToAskWhetherSomethingRemainsTakesNothing) {
  const coop::BudgetScope poll;
  for (int i = 0; i < kMany; ++i) ASSERT_TRUE(coop::has_budget_remaining());
  EXPECT_EQ(left(), 128);
}

TEST(Budget, APollInsideOfAPollLeavesTheOuterOneItsOwn) {
  const coop::BudgetScope outer;
  take(28);
  {
    const coop::BudgetScope inner;
    EXPECT_EQ(left(), 128);
    take(128);
  }
  EXPECT_EQ(left(), 100);
}

TEST(Budget, WithTheLastScopeThereIsNoEndAgain) {
  {
    const coop::BudgetScope poll;
    take(128);
  }
  EXPECT_EQ(left(), kMany);
}

TEST(Budget, AnExceptionLeavesTheBudgetThatItFound) {
  const coop::BudgetScope outer;
  take(28);
  try {
    const coop::BudgetScope inner;
    take(128);
    throw std::runtime_error("in a poll");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(left(), 100);
}

TEST(Budget, UnconstrainedTakesNothing) {
  const coop::BudgetScope poll;
  take(28);
  {
    const coop::UnconstrainedScope scope;
    EXPECT_EQ(left(), kMany);
    take(kMany);
    EXPECT_TRUE(coop::has_budget_remaining());
  }
  EXPECT_EQ(left(), 100);
}

TEST(Budget, UnconstrainedHelpsATaskWithNothingLeft) {
  const coop::BudgetScope poll;
  take(128);
  {
    const coop::UnconstrainedScope scope;
    take(kMany);
  }
  EXPECT_EQ(left(), 0);
}

TEST(Budget, AnExceptionEndsUnconstrainedToo) {
  const coop::BudgetScope poll;
  take(28);
  try {
    const coop::UnconstrainedScope scope;
    throw std::runtime_error("in a poll");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(left(), 100);
}

TEST(Budget, APollInsideOfUnconstrainedHasABudget) {
  const coop::UnconstrainedScope outer;
  {
    const coop::BudgetScope poll;
    EXPECT_EQ(left(), 128);
  }
  EXPECT_EQ(left(), kMany);
}

TEST(Budget, WhatAnotherThreadPollsIsNoneOfOurs) {
  const coop::BudgetScope poll;
  take(128);
  int found = 0;
  std::thread([&found] {
    {
      const coop::BudgetScope poll_there;
      take(28);
    }
    found = left();
  }).join();
  EXPECT_EQ(found, kMany) << "That thread is in no poll.";
  EXPECT_EQ(left(), 0);
}

// --- Leaves --------------------------------------------------------------------------------------

// A leaf that is ready, and counts how often it was looked at.
class Ready {
 public:
  using Output = int;
  explicit Ready(int& looks) noexcept : looks_(&looks) {}
  Poll<int> poll(Context& cx) {
    return as_leaf(cx, [&]() -> Poll<int> { return ++*looks_; });
  }

 private:
  int* looks_;
};

TEST(Leaf, AnAnswerCostsAUnit) {
  TestTask task;
  int looks = 0;
  const coop::BudgetScope poll;
  Ready leaf(looks);
  EXPECT_THAT(task.poll(leaf), IsReadyWith(1));
  EXPECT_EQ(left(), 127);
}

TEST(Leaf, PendingCostsNothing) {
  TestTask task;
  rt::ManualEvent event;
  rt::ManualEvent::Wait wait = event.wait();
  const coop::BudgetScope poll;
  for (int i = 0; i < kMany; ++i) ASSERT_THAT(task.poll(wait), IsPending());
  EXPECT_EQ(left(), 128);
  EXPECT_EQ(task.wakes(), 0);
}

TEST(Leaf, AThrowCostsAUnit) {
  // Else a task that catches it and tries again would never give way.
  TestTask task;
  auto leaf = rt::poll_fn([](Context& cx) {
    return as_leaf(cx, []() -> Poll<int> { throw std::runtime_error("no"); });
  });
  const coop::BudgetScope poll;
  EXPECT_THROW((void)task.poll(leaf), std::runtime_error);
  EXPECT_EQ(left(), 127);
}

TEST(Leaf, WithNothingLeftItIsNotLookedAtAndItsTaskIsWoken) {
  TestTask task;
  int looks = 0;
  Ready leaf(looks);
  {
    const coop::BudgetScope poll;
    take(128);
    EXPECT_THAT(task.poll(leaf), IsPending());
    EXPECT_EQ(looks, 0);
    EXPECT_EQ(task.wakes(), 1) << "Nobody else will wake it.";
  }
  const coop::BudgetScope next;
  EXPECT_THAT(task.poll(leaf), IsReadyWith(1));
}

TEST(Leaf, OneThatPollsOthersAndIsPendingHasCostNothing) {
  TestTask task;
  int looks = 0;
  Ready inner(looks);
  auto outer = rt::poll_fn([&](Context& cx) {
    return as_leaf(cx, [&]() -> Poll<int> {
      for (int i = 0; i < 20; ++i) (void)inner.poll(cx);
      return kPending;
    });
  });
  const coop::BudgetScope poll;
  EXPECT_THAT(task.poll(outer), IsPending());
  EXPECT_EQ(looks, 20);
  EXPECT_EQ(left(), 128);
}

TEST(Leaf, AThousandCombinatorsCostWhatTheirLeafCosts) {
  TestTask task;
  int looks = 0;
  rt::BoxFuture<int> future(Ready{looks});
  for (int i = 0; i < 1000; ++i) {
    future = rt::BoxFuture<int>(rt::map(std::move(future), [](int n) { return n; }));
  }
  const coop::BudgetScope poll;
  EXPECT_THAT(task.poll(future), IsReadyWith(1));
  EXPECT_EQ(left(), 127);
}

TEST(Leaf, TenThousandInOneFutureTakeManyPolls) {
  TestTask task;
  int looks = 0;
  auto all = rt::join_all(std::vector<Ready>(10'000, Ready(looks)));
  int polls = 0;
  for (bool ends = false; !ends && polls < kMany; ++polls) {
    const coop::BudgetScope poll;
    ends = task.poll(all).is_ready();
    EXPECT_LE(looks, 128 * (polls + 1));
  }
  EXPECT_EQ(looks, 10'000);
  EXPECT_EQ(polls, 79) << "10,000 / 128, and the rest.";
}

TEST(Leaf, ConsumeBudgetIsOne) {
  TestTask task;
  const coop::BudgetScope poll;
  for (int i = 0; i < 128; ++i) {
    coop::ConsumeBudget one = coop::consume_budget();
    ASSERT_TRUE(task.poll(one).is_ready()) << "unit " << i;
  }
  coop::ConsumeBudget last = coop::consume_budget();
  EXPECT_TRUE(task.poll(last).is_pending());
  EXPECT_EQ(task.wakes(), 1);
}

TEST(Leaf, UnconstrainedIsNotCutShort) {
  TestTask task;
  int looks = 0;
  auto many = coop::unconstrained(rt::poll_fn([&](Context& cx) -> Poll<int> {
    Ready leaf(looks);
    for (int i = 0; i < kMany; ++i) {
      if (leaf.poll(cx).is_pending()) return kPending;
    }
    return looks;
  }));
  const coop::BudgetScope poll;
  take(28);
  EXPECT_THAT(task.poll(many), IsReadyWith(kMany));
  EXPECT_EQ(left(), 100);
}

// --- Tasks ---------------------------------------------------------------------------------------

// Finds `count` leaves ready, and says after each of them how often the others were polled.
rt::Async<> never_waits(int count, int& other_polls, std::vector<int>& seen) {
  int looks = 0;
  for (int i = 0; i < count; ++i) {
    co_await Ready(looks);
    seen.push_back(other_polls);
  }
}

TEST(BudgetOfATask, OthersHaveTheirTurnAfter128Leaves) {
  rt::LocalRuntime runtime;
  int other_polls = 0;
  std::vector<int> seen;
  runtime.spawn(never_waits(300, other_polls, seen)).detach();
  runtime
      .spawn(rt::poll_fn([&](Context& cx) -> Poll<void> {
        if (++other_polls == 10) return kReady;
        cx.waker().wake_by_ref();
        return kPending;
      }))
      .detach();
  runtime.run_until_stalled();
  ASSERT_EQ(seen.size(), 300U);
  EXPECT_EQ(seen[127], 0) << "The other task has had its turn before the budget was spent.";
  EXPECT_EQ(seen[128], 1);
  EXPECT_EQ(seen[255], 1);
  EXPECT_EQ(seen[256], 2);
}

TEST(BudgetOfATask, EachTaskHasItsOwn) {
  rt::LocalRuntime runtime;
  std::vector<int> found;
  for (int i = 0; i < 3; ++i) {
    runtime
        .spawn(rt::poll_fn([&](Context&) -> Poll<void> {
          found.push_back(left());
          take(100);
          return kReady;
        }))
        .detach();
  }
  runtime.run_until_stalled();
  EXPECT_EQ(found, (std::vector<int>{128, 128, 128}));
}

TEST(BudgetOfATask, OneThatThrowsLeavesTheNextItsOwn) {
  rt::LocalRuntime runtime;
  int found = 0;
  auto thrower = runtime.spawn(rt::poll_fn([&](Context&) -> Poll<void> {
    take(100);
    throw std::runtime_error("no");
  }));
  runtime
      .spawn(rt::poll_fn([&](Context&) -> Poll<void> {
        found = left();
        return kReady;
      }))
      .detach();
  runtime.run_until_stalled();
  EXPECT_EQ(found, 128);
  EXPECT_EQ(left(), kMany) << "Outside of the tasks.";
  EXPECT_THROW(runtime.block_on(std::move(thrower)), std::runtime_error);
}

TEST(BudgetOfATask, ARaceOfTwoThatAreAlwaysReadyGivesWayToo) {
  rt::LocalRuntime runtime;
  int other_polls = 0;
  std::vector<int> seen;
  const auto races = [&]() -> rt::Async<> {
    int looks = 0;
    for (int i = 0; i < 200; ++i) {
      auto inner = rt::race(Ready(looks), Ready(looks));
      auto outer = rt::race(std::move(inner), Ready(looks));
      co_await std::move(outer);
      seen.push_back(other_polls);
    }
  };
  runtime.spawn(races()).detach();
  runtime
      .spawn(rt::poll_fn([&](Context&) -> Poll<void> {
        ++other_polls;
        return kReady;
      }))
      .detach();
  runtime.run_until_stalled();
  ASSERT_EQ(seen.size(), 200U);
  EXPECT_EQ(seen.front(), 0);
  EXPECT_EQ(seen[128], 1);
}

}  // namespace
