// The second half of the unit tests of combinators: races.
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "combinators_parts.h"
#include "rt/future/combinators.h"
#include "testkit/testkit.h"

namespace {

using combinators_parts::Child;
using combinators_parts::kOnlyItsOwn;
using combinators_parts::output_of;
using combinators_parts::Source;
using combinators_parts::Sources;
using rt::Poll;
using testkit::step;
using testkit::TestTask;

// --- race ----------------------------------------------------------------------------------------

TEST(Race, IsReadyWithTheFirstOutput) {
  Source<int> number("number");
  Source<std::string> word("word");
  TestTask task;
  auto either = rt::race(number.child(), word.child());
  static_assert(std::is_same_v<rt::OutputOf<decltype(either)>, std::variant<int, std::string>>);
  EXPECT_EQ(number.polls() + word.polls(), 0) << "It does nothing until it is polled.";
  EXPECT_TRUE(task.poll(either).is_pending());
  EXPECT_EQ(number.polls(), 1);
  EXPECT_EQ(word.polls(), 1) << "Both run. That the first is pending does not hold the second up.";
  word.give("seven");
  EXPECT_EQ(task.wakes(), 1) << "Either of the two wakes the task.";
  EXPECT_EQ(output_of(task, either), (std::variant<int, std::string>("seven")));
}

// The two may have the same type: then only the index says which has won.
TEST(Race, TheIndexSaysWhoHasWon) {
  Source<int> first("first"), second("second"), third("third"), fourth("fourth");
  TestTask task;
  auto either = rt::race(first.child(), second.child());
  second.give(2);
  Poll<std::variant<int, int>> result = task.poll(either);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(result.value().index(), 1u) << "The second has won, so the index is 1.";
  EXPECT_EQ(std::get<1>(result.value()), 2);

  auto another = rt::race(third.child(), fourth.child());
  third.give(3);
  result = task.poll(another);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(result.value().index(), 0u) << "The first has won, so the index is 0.";
  EXPECT_EQ(std::get<0>(result.value()), 3);
}

// Bug it is here for: both are polled and then one output is thrown away. What the loser has got,
// say bytes from a socket, is lost.
TEST(Race, WithTwoReadyTheFirstNamedWinsAndTheOtherIsNotPolled) {
  Source<int> first("first"), second("second");
  TestTask task;
  auto either = rt::race(first.child(), second.child());
  EXPECT_TRUE(task.poll(either).is_pending());
  second.give(2);
  first.give(1);
  const Poll<std::variant<int, int>> result = task.poll(either);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(result.value().index(), 0u) << "Both are ready; the one that was named first wins.";
  EXPECT_EQ(second.polls(), 1) << "The race was decided before it came to the second.";
}

// Bug it is here for: losers that live as long as the race itself. Whoever sees the
// output may rely on it that the loser does nothing any more.
TEST(Race, TheLoserIsDroppedBeforeTheRaceIsReady) {
  Source<int> first("first"), second("second");
  TestTask task;
  auto either = rt::race(first.child(), second.child());
  EXPECT_TRUE(task.poll(either).is_pending());
  first.give(1);
  EXPECT_TRUE(task.poll(either).is_ready());
  EXPECT_TRUE(second.dropped()) << "The race is ready, and the loser still lives.";
  EXPECT_TRUE(first.dropped()) << "The race is ready, and the winner's future still lives.";
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "The loser has taken its waker back.";
}

TEST(Race, TheLoserIsDroppedAlsoWhenItWasNamedFirst) {
  Source<int> first("first"), second("second");
  TestTask task;
  auto either = rt::race(first.child(), second.child());
  second.give(2);
  EXPECT_TRUE(task.poll(either).is_ready());
  EXPECT_TRUE(first.dropped()) << "The race is ready, and the loser still lives.";
  EXPECT_TRUE(second.dropped()) << "The race is ready, and the winner's future still lives.";
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "The loser has taken its waker back.";
}

TEST(Race, APollWithoutAReasonPollsBothAgain) {
  Source<int> first("first"), second("second");
  TestTask a("a"), b("b");
  auto either = rt::race(first.child(), second.child());
  EXPECT_TRUE(a.poll(either).is_pending());
  EXPECT_TRUE(b.poll(either).is_pending());
  EXPECT_EQ(first.polls(), 2);
  EXPECT_EQ(second.polls(), 2);
  second.give(2);
  EXPECT_EQ(b.wakes(), 1) << "Task b polled last, so b has to be woken.";
  EXPECT_EQ(a.wakes(), 0) << "Task a does not wait for this any more.";
  EXPECT_TRUE(b.poll(either).is_ready());
}

TEST(Race, PolledAfterReadyThrows) {
  Source<int> loser("loser");
  TestTask task;
  auto either = rt::race(rt::ready(1), loser.child());
  EXPECT_TRUE(task.poll(either).is_ready());
  EXPECT_THROW((void)task.poll(either), std::logic_error);
  EXPECT_EQ(loser.polls(), 0) << "A loser is never polled again.";
}

TEST(Race, OfVoidAndOfWhatCannotBeCopied) {
  Source<void> nothing("void child");
  Source<std::unique_ptr<int>> pointer("pointer");
  TestTask task;
  auto either = rt::race(nothing.child(), pointer.child());
  using Output = std::variant<std::monostate, std::unique_ptr<int>>;
  static_assert(std::is_same_v<rt::OutputOf<decltype(either)>, Output>);
  EXPECT_TRUE(task.poll(either).is_pending());
  pointer.give(std::make_unique<int>(7));
  Poll<Output> result = task.poll(either);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(*std::get<1>(result.value()), 7);

  Source<void> one("one"), two("two");
  auto voids = rt::race(one.child(), two.child());
  two.give();
  const auto who = task.poll(voids);
  ASSERT_TRUE(who.is_ready());
  EXPECT_EQ(who.value().index(), 1u) << "Two outputs without a value: the index tells them apart.";
}

TEST(Race, WhatAChildThrowsGoesOutOfPoll) {
  Source<int> first("first"), second("second");
  TestTask task;
  {
    auto either = rt::race(first.child(), second.child());
    EXPECT_TRUE(task.poll(either).is_pending());
    second.fail();
    EXPECT_THROW((void)task.poll(either), std::runtime_error);
    step("the race is dropped");
  }
  EXPECT_TRUE(first.dropped() && second.dropped());
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

// Bug it is here for: a racer that throws taken for one that has lost.
TEST(Race, WhatTheFirstThrowsGoesOutThoughTheSecondIsReady) {
  Source<int> first("first"), second("second");
  TestTask task;
  auto either = rt::race(first.child(), second.child());
  EXPECT_TRUE(task.poll(either).is_pending());
  second.give(2);
  first.fail();
  EXPECT_THROW((void)task.poll(either), std::runtime_error)
      << "They are polled in the order in which they were named, and the first throws.";
  EXPECT_EQ(second.polls(), 1);
}

TEST(Race, MayBeMovedBeforeItsFirstPollAndDroppedHalfWay) {
  Source<int> first("first"), second("second");
  TestTask task;
  {
    auto made_here = rt::race(first.child(), second.child());
    auto either = std::move(made_here);
    EXPECT_TRUE(task.poll(either).is_pending());
    EXPECT_TRUE(task.poll(either).is_pending());
    step("the race is dropped");
  }
  EXPECT_TRUE(first.dropped() && second.dropped());
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "The children have taken their wakers back.";
}

// --- race_all ------------------------------------------------------------------------------------

TEST(RaceAll, IsReadyWithTheFirstOutputAndItsIndex) {
  Sources<std::string> sources(4);
  TestTask task;
  auto any = rt::race_all(sources.children());
  EXPECT_TRUE(task.poll(any).is_pending());
  EXPECT_EQ(sources.polls(), (std::vector{1, 1, 1, 1})) << "All of them run.";
  sources[2].give("two");
  EXPECT_EQ(task.wakes(), 1);
  const auto result = task.poll(any);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(result.value().index, 2u);
  EXPECT_EQ(result.value().output, "two");
  EXPECT_EQ(sources.alive(), 0) << "The race is ready, and children of it still live.";
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "The losers have taken their wakers back.";
}

TEST(RaceAll, WithSomeReadyTheFirstNamedWinsAndNoneAfterItIsPolled) {
  Sources<int> sources(4);
  TestTask task;
  auto any = rt::race_all(sources.children());
  EXPECT_TRUE(task.poll(any).is_pending());
  sources[3].give(3);
  sources[1].give(1);
  const auto result = task.poll(any);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(result.value().index, 1u) << "1 and 3 are ready; the one that was named first wins.";
  EXPECT_EQ(result.value().output, 1);
  EXPECT_EQ(sources.polls(), (std::vector{2, 2, 1, 1}))
      << "The race was decided at 1: those after it are not polled any more.";
}

// Bug it is here for: a racer that throws taken for one that has lost.
TEST(RaceAll, WhatAChildThrowsGoesOutOfPoll) {
  Sources<int> sources(3);
  TestTask task;
  {
    auto any = rt::race_all(sources.children());
    EXPECT_TRUE(task.poll(any).is_pending());
    sources[1].fail();
    EXPECT_THROW((void)task.poll(any), std::runtime_error);
    step("the race is dropped");
  }
  EXPECT_EQ(sources.alive(), 0);
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "The children have taken their wakers back.";
}

TEST(RaceAll, HandsTheNewestWakerDown) {
  Sources<int> sources(2);
  TestTask a("a"), b("b");
  auto any = rt::race_all(sources.children());
  EXPECT_TRUE(a.poll(any).is_pending());
  EXPECT_TRUE(b.poll(any).is_pending());
  sources[1].give(1);
  EXPECT_EQ(b.wakes(), 1) << "Task b polled last, so b has to be woken.";
  EXPECT_EQ(a.wakes(), 0) << "Task a does not wait for this any more.";
  EXPECT_TRUE(b.poll(any).is_ready());
}

TEST(RaceAll, PolledAfterReadyThrows) {
  Sources<int> sources(2);
  TestTask task;
  auto any = rt::race_all(sources.children());
  sources[0].give(0);
  EXPECT_TRUE(task.poll(any).is_ready());
  EXPECT_THROW((void)task.poll(any), std::logic_error);
  EXPECT_EQ(sources.polls(), (std::vector{1, 0})) << "Neither winner nor loser is polled again.";
}

// Bug it is here for: a race that nobody can win says pending, and nobody will ever wake the task.
TEST(RaceAll, OfNothingThrows) {
  TestTask task;
  auto any = rt::race_all(std::vector<Child<int>>());
  EXPECT_THROW((void)task.poll(any), std::logic_error)
      << "Nobody runs, so nobody wins: pending would be a promise that nobody keeps.";
}

TEST(RaceAll, OfVoidAndOfWhatCannotBeCopied) {
  Sources<void> voids(2);
  Sources<std::unique_ptr<int>> pointers(2);
  TestTask task;
  auto any_void = rt::race_all(voids.children());
  voids[1].give();
  const auto who = task.poll(any_void);
  ASSERT_TRUE(who.is_ready());
  EXPECT_EQ(who.value().index, 1u);

  auto any_pointer = rt::race_all(pointers.children());
  EXPECT_TRUE(task.poll(any_pointer).is_pending());
  pointers[0].give(std::make_unique<int>(7));
  auto result = task.poll(any_pointer);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(*std::move(result).take().output, 7);
}

TEST(RaceAll, DroppedHalfWayItDropsItsChildren) {
  Sources<int> sources(3);
  TestTask task;
  {
    auto any = rt::race_all(sources.children());
    EXPECT_TRUE(task.poll(any).is_pending());
    EXPECT_TRUE(task.poll(any).is_pending());
    step("the race is dropped");
  }
  EXPECT_EQ(sources.alive(), 0);
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "The children have taken their wakers back.";
}

// --- Of each other -------------------------------------------------------------------------------

TEST(Combinators, AreFuturesAndCanBeCombined) {
  Source<int> a("a"), b("b");
  Source<void> stop("stop");
  TestTask task;
  auto sum = rt::map(rt::join(a.child(), b.child()), [](std::tuple<int, int> both) {
    return std::get<0>(both) + std::get<1>(both);
  });
  auto race = rt::race(std::move(sum), stop.child());
  EXPECT_TRUE(task.poll(race).is_pending());
  a.give(3);
  EXPECT_TRUE(task.poll(race).is_pending());
  b.give(4);
  EXPECT_EQ(output_of(task, race), (std::variant<int, std::monostate>(7)));
  EXPECT_TRUE(stop.dropped());
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

}  // namespace
