#include "rt/future/combinators.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "combinators_parts.h"
#include "testkit/testkit.h"

namespace {

using combinators_parts::Aligned;
using combinators_parts::Child;
using combinators_parts::kOnlyItsOwn;
using combinators_parts::output_of;
using combinators_parts::Source;
using combinators_parts::Sources;
using rt::Context;
using rt::Poll;
using testkit::step;
using testkit::TestTask;

// --- map -----------------------------------------------------------------------------------------

TEST(Map, IsReadyWithWhatTheFunctionMakesOfTheOutput) {
  Source<int> source("child");
  TestTask task;
  auto mapped = rt::map(source.child(), [](int x) { return "<" + std::to_string(x) + ">"; });
  static_assert(std::is_same_v<rt::OutputOf<decltype(mapped)>, std::string>);
  EXPECT_EQ(source.polls(), 0) << "It does nothing until it is polled.";
  EXPECT_TRUE(task.poll(mapped).is_pending());
  source.give(7);
  EXPECT_EQ(task.wakes(), 1) << "The child was given the waker of the task that polls the map.";
  EXPECT_EQ(output_of(task, mapped), "<7>");
}

// Bug it is here for: a function that is called with every poll.
TEST(Map, CallsItsFunctionOnceAndOnlyWhenReady) {
  Source<int> source("child");
  TestTask task;
  int calls = 0;
  auto mapped = rt::map(source.child(), [&calls](int x) {
    ++calls;
    return x;
  });
  EXPECT_TRUE(task.poll(mapped).is_pending());
  EXPECT_TRUE(task.poll(mapped).is_pending());
  EXPECT_EQ(calls, 0) << "There is no output yet that the function could be called with.";
  source.give(7);
  EXPECT_EQ(output_of(task, mapped), 7);
  EXPECT_EQ(calls, 1);
}

TEST(Map, DropsItsChildWhenReady) {
  Source<int> source("child");
  TestTask task;
  auto mapped = rt::map(source.child(), [](int x) { return x; });
  source.give(7);
  EXPECT_EQ(output_of(task, mapped), 7);
  EXPECT_TRUE(source.dropped()) << "The child has ended. It is dropped before the map is ready.";
}

TEST(Map, PolledAfterReadyThrows) {
  Source<int> source("child");
  TestTask task;
  auto mapped = rt::map(source.child(), [](int x) { return x; });
  source.give(7);
  EXPECT_EQ(output_of(task, mapped), 7);
  EXPECT_THROW((void)task.poll(mapped), std::logic_error);
  EXPECT_EQ(source.polls(), 1) << "The child was ready. It is not polled again.";
}

TEST(Map, FromVoidAndToVoid) {
  Source<void> source("child"), another("another");
  TestTask task;
  auto from_void = rt::map(source.child(), [] { return 7; });
  source.give();
  EXPECT_EQ(output_of(task, from_void), 7);

  int seen = 0;
  auto to_void = rt::map(rt::ready(8), [&seen](int x) { seen = x; });
  static_assert(std::is_void_v<rt::OutputOf<decltype(to_void)>>);
  EXPECT_TRUE(task.poll(to_void).is_ready());
  EXPECT_EQ(seen, 8);

  auto void_to_void = rt::map(another.child(), [&seen] { seen = 9; });
  EXPECT_TRUE(task.poll(void_to_void).is_pending());
  EXPECT_EQ(seen, 8) << "The child is pending, so the function is not called yet.";
  another.give();
  EXPECT_TRUE(task.poll(void_to_void).is_ready());
  EXPECT_EQ(seen, 9);
}

TEST(Map, MovesWhatCannotBeCopied) {
  Source<std::unique_ptr<int>> source("child");
  TestTask task;
  auto mapped = rt::map(source.child(), [ten = std::make_unique<int>(10)](std::unique_ptr<int> x) {
    *x += *ten;
    return x;
  });
  source.give(std::make_unique<int>(7));
  Poll<std::unique_ptr<int>> result = task.poll(mapped);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(*std::move(result).take(), 17);
}

TEST(Map, WhatIsThrownGoesOutOfPoll) {
  Source<int> source("child");
  TestTask task;
  int calls = 0;
  auto mapped = rt::map(source.child(), [&calls](int) { return ++calls; });
  EXPECT_TRUE(task.poll(mapped).is_pending());
  source.fail();
  EXPECT_THROW((void)task.poll(mapped), std::runtime_error);
  EXPECT_EQ(calls, 0);

  auto throws = rt::map(rt::ready(7), [](int) -> int { throw std::runtime_error("no"); });
  EXPECT_THROW((void)task.poll(throws), std::runtime_error);
}

// Bug it is here for: the child kept until the function has returned. If that throws, the child has
// been ready and is polled again.
TEST(Map, AFunctionThatThrowsFindsTheChildGone) {
  Source<int> source("child");
  TestTask task;
  auto mapped = rt::map(source.child(), [](int) -> int { throw std::runtime_error("no"); });
  source.give(7);
  EXPECT_THROW((void)task.poll(mapped), std::runtime_error);
  EXPECT_TRUE(source.dropped()) << "The child was ready: it is dropped at once.";
  EXPECT_ANY_THROW((void)task.poll(mapped)) << "There is no output that it could be ready with.";
  EXPECT_EQ(source.polls(), 1) << "The child was ready. It is not polled again.";
}

TEST(Map, DroppedHalfWayItDropsItsChild) {
  Source<int> source("child");
  TestTask task;
  {
    auto mapped = rt::map(source.child(), [](int x) { return x; });
    EXPECT_TRUE(task.poll(mapped).is_pending());
    EXPECT_EQ(task.live(), kOnlyItsOwn + 1);
    step("the map is dropped");
  }
  EXPECT_TRUE(source.dropped());
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "The child has taken its waker back.";
}

// --- join ----------------------------------------------------------------------------------------

// Bug it is here for: outputs in the order in which they came.
TEST(Join, IsReadyWithAllOutputsInTheOrderInWhichTheyWereNamed) {
  Source<int> number("number");
  Source<std::string> word("word");
  TestTask task;
  auto both = rt::join(number.child(), word.child());
  EXPECT_EQ(number.polls() + word.polls(), 0) << "It does nothing until it is polled.";
  EXPECT_TRUE(task.poll(both).is_pending());
  word.give("seven");
  EXPECT_TRUE(task.poll(both).is_pending()) << "One of the two has its output, the other has not.";
  number.give(7);
  EXPECT_EQ(output_of(task, both), std::tuple(7, std::string("seven")));
}

// Bug it is here for: `a.poll(cx) && b.poll(cx)`. While the first is pending the second is not
// polled: it has not begun, and it wakes nobody.
TEST(Join, PollsEveryChildAtTheFirstPoll) {
  Source<int> first("first"), second("second"), third("third");
  TestTask task;
  auto all = rt::join(first.child(), second.child(), third.child());
  EXPECT_TRUE(task.poll(all).is_pending());
  EXPECT_EQ(first.polls(), 1);
  EXPECT_EQ(second.polls(), 1) << "That the first is pending is no reason not to start the second.";
  EXPECT_EQ(third.polls(), 1) << "That others are pending is no reason not to start the third.";
  EXPECT_EQ(task.clones(), 3) << "Each of the three waits by itself, with a waker of its own.";
  third.give(3);
  EXPECT_EQ(task.wakes(), 1) << "Any of the three wakes the task.";
}

// Bug it is here for: a child that is polled after it was ready.
TEST(Join, PollsAReadyChildNeverAgain) {
  Source<int> first("first"), second("second");
  TestTask task;
  auto both = rt::join(first.child(), second.child());
  first.give(1);
  EXPECT_TRUE(task.poll(both).is_pending());
  EXPECT_TRUE(task.poll(both).is_pending());
  EXPECT_TRUE(task.poll(both).is_pending());
  EXPECT_EQ(first.polls(), 1) << "The first child was ready at its first poll.";
  EXPECT_EQ(second.polls(), 3) << "The second is pending: each poll of the join polls it once.";
  second.give(2);
  EXPECT_EQ(output_of(task, both), std::tuple(1, 2));
}

// A child's resources go when the child ends, not when its slowest sibling does.
TEST(Join, DropsAReadyChildAtOnce) {
  Source<int> first("first"), second("second");
  TestTask task;
  auto both = rt::join(first.child(), second.child());
  EXPECT_TRUE(task.poll(both).is_pending());
  first.give(1);
  EXPECT_TRUE(task.poll(both).is_pending());
  EXPECT_TRUE(first.dropped()) << "For each child, a join keeps the future or its output.";
  EXPECT_FALSE(second.dropped());
  second.give(2);
  EXPECT_EQ(output_of(task, both), std::tuple(1, 2));
  EXPECT_TRUE(second.dropped()) << "Every child is gone when the join is ready.";
}

TEST(Join, AllReadyAtOnce) {
  TestTask task;
  auto both = rt::join(rt::ready(1), rt::ready(std::string("two")));
  EXPECT_EQ(output_of(task, both), std::tuple(1, std::string("two")));
}

TEST(Join, OfOneAndOfNone) {
  TestTask task;
  auto of_one = rt::join(rt::ready(1));
  EXPECT_EQ(output_of(task, of_one), std::tuple(1));
  auto of_none = rt::join();
  EXPECT_TRUE(task.poll(of_none).is_ready()) << "There is nothing that it could wait for.";
}

TEST(Join, AVoidOutputIsAMonostate) {
  Source<void> source("void child");
  TestTask task;
  auto both = rt::join(source.child(), rt::ready(7));
  static_assert(std::is_same_v<rt::OutputOf<decltype(both)>, std::tuple<std::monostate, int>>);
  EXPECT_TRUE(task.poll(both).is_pending());
  source.give();
  EXPECT_EQ(output_of(task, both), std::tuple(std::monostate(), 7));
}

TEST(Join, MovesWhatCannotBeCopied) {
  Source<std::unique_ptr<int>> first("first"), second("second");
  TestTask task;
  auto both = rt::join(first.child(), second.child());
  second.give(std::make_unique<int>(2));
  EXPECT_TRUE(task.poll(both).is_pending());
  first.give(std::make_unique<int>(1));
  auto result = task.poll(both);
  ASSERT_TRUE(result.is_ready());
  const auto [one, two] = std::move(result).take();
  EXPECT_EQ(*one, 1);
  EXPECT_EQ(*two, 2);
}

TEST(Join, PolledAfterReadyThrows) {
  TestTask task;
  auto both = rt::join(rt::ready(1), rt::ready(2));
  EXPECT_TRUE(task.poll(both).is_ready());
  EXPECT_THROW((void)task.poll(both), std::logic_error);
}

// Bug it is here for: a child that was given the Context of the first poll.
TEST(Join, HandsTheNewestWakerDown) {
  Source<int> first("first"), second("second");
  TestTask a("a"), b("b");
  auto both = rt::join(first.child(), second.child());
  EXPECT_TRUE(a.poll(both).is_pending());
  EXPECT_TRUE(b.poll(both).is_pending());
  first.give(1);
  second.give(2);
  EXPECT_EQ(b.wakes(), 2) << "Task b polled last, and is woken by each of the two children.";
  EXPECT_EQ(a.wakes(), 0) << "Task a does not wait for this any more.";
}

TEST(Join, DroppedHalfWayItDropsChildrenAndOutputs) {
  testkit::LifeCounter outputs("output");
  Source<std::optional<testkit::Token>> first("first"), second("second");
  TestTask task;
  {
    auto both = rt::join(first.child(), second.child());
    first.give(outputs.token());
    EXPECT_TRUE(task.poll(both).is_pending());
    EXPECT_EQ(outputs.live(), 1) << "The output of the first child waits for that of the second.";
    step("the join is dropped");
  }
  EXPECT_EQ(outputs.live(), 0) << "An output that nobody will fetch is dropped with the join.";
  EXPECT_TRUE(second.dropped());
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "The second child has taken its waker back.";
}

TEST(Join, WhatAChildThrowsGoesOutOfPoll) {
  Source<int> first("first"), second("second");
  TestTask task;
  {
    auto both = rt::join(first.child(), second.child());
    EXPECT_TRUE(task.poll(both).is_pending());
    second.fail();
    EXPECT_THROW((void)task.poll(both), std::runtime_error);
    step("the join is dropped");
  }
  EXPECT_TRUE(first.dropped() && second.dropped());
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

// Bug it is here for: what a child throws is kept until all the others are ready.
TEST(Join, WhatAChildThrowsWaitsForNobody) {
  Source<int> first("first"), second("second");
  TestTask task;
  {
    auto both = rt::join(first.child(), second.child());
    first.fail();
    EXPECT_THROW((void)task.poll(both), std::runtime_error)
        << "The second is pending, and the first has failed: that is for whoever polls, now.";
    step("the join is dropped");
  }
  EXPECT_TRUE(first.dropped() && second.dropped());
}

// Bug it is here for: children that are moved to another place between two polls. (Each child in
// these tests looks for that.)
TEST(Join, MayBeMovedBeforeItsFirstPoll) {
  Source<int> first("first"), second("second");
  TestTask task;
  auto made_here = rt::join(first.child(), second.child());
  auto both = std::move(made_here);
  EXPECT_TRUE(task.poll(both).is_pending());
  first.give(1);
  EXPECT_TRUE(task.poll(both).is_pending());
  second.give(2);
  EXPECT_EQ(output_of(task, both), std::tuple(1, 2));
}

TEST(Join, KeepsAlignment) {
  TestTask task;
  auto both = rt::join(rt::ready('x'), Aligned());
  EXPECT_EQ(output_of(task, both), std::tuple('x', 64));
}

// --- join_all ------------------------------------------------------------------------------------

TEST(JoinAll, IsReadyWithAllOutputsInTheOrderOfTheVector) {
  Sources<int> sources(3);
  TestTask task;
  auto all = rt::join_all(sources.children());
  EXPECT_TRUE(task.poll(all).is_pending());
  EXPECT_EQ(sources.polls(), (std::vector{1, 1, 1}))
      << "Each child is polled by the first poll, whatever the others say.";
  sources[2].give(30);
  EXPECT_TRUE(task.poll(all).is_pending());
  EXPECT_EQ(sources.alive(), 2) << "A child that was ready is dropped at once.";
  sources[0].give(10);
  EXPECT_TRUE(task.poll(all).is_pending());
  sources[1].give(20);
  EXPECT_EQ(task.wakes(), 3) << "Each of the three children wakes the task once.";
  EXPECT_EQ(output_of(task, all), (std::vector{10, 20, 30}));
  EXPECT_EQ(sources.polls(), (std::vector{3, 4, 2}))
      << "Each poll of the join polls each child once, until that child is ready.";
  EXPECT_EQ(sources.alive(), 0) << "Every child is gone when the join is ready.";
}

TEST(JoinAll, OfNothingIsReadyAtOnce) {
  TestTask task;
  auto all = rt::join_all(std::vector<Child<int>>());
  EXPECT_EQ(output_of(task, all), std::vector<int>())
      << "There is nothing that it could wait for, and nobody who would wake it.";
  EXPECT_THROW((void)task.poll(all), std::logic_error) << "It has said ready once.";
}

TEST(JoinAll, PolledAfterReadyThrows) {
  Sources<int> sources(2);
  TestTask task;
  auto all = rt::join_all(sources.children());
  sources[0].give(1);
  sources[1].give(2);
  EXPECT_EQ(output_of(task, all), (std::vector{1, 2}));
  EXPECT_THROW((void)task.poll(all), std::logic_error);
}

TEST(JoinAll, HandsTheNewestWakerDown) {
  Sources<int> sources(2);
  TestTask a("a"), b("b");
  auto all = rt::join_all(sources.children());
  EXPECT_TRUE(a.poll(all).is_pending());
  EXPECT_TRUE(b.poll(all).is_pending());
  sources[0].give(1);
  sources[1].give(2);
  EXPECT_EQ(b.wakes(), 2) << "Task b polled last, and is woken by each of the two children.";
  EXPECT_EQ(a.wakes(), 0) << "Task a does not wait for this any more.";
}

TEST(JoinAll, OfVoidAndOfWhatCannotBeCopied) {
  Sources<void> voids(2);
  Sources<std::unique_ptr<int>> pointers(2);
  TestTask task;
  auto all_voids = rt::join_all(voids.children());
  voids[1].give();
  EXPECT_TRUE(task.poll(all_voids).is_pending());
  voids[0].give();
  EXPECT_EQ(output_of(task, all_voids).size(), 2u);

  auto all_pointers = rt::join_all(pointers.children());
  pointers[0].give(std::make_unique<int>(1));
  EXPECT_TRUE(task.poll(all_pointers).is_pending());
  pointers[1].give(std::make_unique<int>(2));
  const std::vector<std::unique_ptr<int>> outputs = output_of(task, all_pointers);
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(*outputs[0], 1);
  EXPECT_EQ(*outputs[1], 2);
}

// A hundred children that are ready one after another, the last first.
TEST(JoinAll, CountsItsPolls) {
  constexpr int kChildren = 100;
  Sources<int> sources(kChildren);
  TestTask task;
  auto all = rt::join_all(sources.children());
  std::vector<int> outputs, polls;
  for (int i = 0; i < kChildren; ++i) {
    EXPECT_TRUE(task.poll(all).is_pending());
    sources[kChildren - 1 - i].give(kChildren - 1 - i);
    outputs.push_back(i);
    polls.push_back(kChildren + 1 - i);
  }
  EXPECT_EQ(output_of(task, all), outputs);
  EXPECT_EQ(sources.polls(), polls) << "A child is polled until it is ready, and never after.";
  EXPECT_EQ(task.wakes(), kChildren);
}

// Bug it is here for: what a child throws is kept until all the others are ready.
TEST(JoinAll, WhatAChildThrowsGoesOutOfPoll) {
  Sources<int> sources(3);
  TestTask task;
  {
    auto all = rt::join_all(sources.children());
    EXPECT_TRUE(task.poll(all).is_pending());
    sources[1].fail();
    EXPECT_THROW((void)task.poll(all), std::runtime_error)
        << "Two are pending, and one has failed: that is for whoever polls, now.";
    step("the join is dropped");
  }
  EXPECT_EQ(sources.alive(), 0);
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "The children have taken their wakers back.";
}

TEST(JoinAll, DroppedHalfWayItDropsItsChildren) {
  Sources<int> sources(3);
  TestTask task;
  {
    auto all = rt::join_all(sources.children());
    sources[1].give(1);
    EXPECT_TRUE(task.poll(all).is_pending());
    step("the join is dropped");
  }
  EXPECT_EQ(sources.alive(), 0);
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "The children have taken their wakers back.";
}

}  // namespace
