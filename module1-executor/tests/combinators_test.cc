#include "rt/future/combinators.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using testkit::step;
using testkit::TestTask;

// TestTask::live() counts the task's own waker too.
constexpr int kOnlyItsOwn = 1;

template <class T>
class Child;

// The test's end of a child: it says when the child is ready, and what is known about the child.
template <class T>
class Source {
 public:
  explicit Source(std::string name) : name_(std::move(name)) {}
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  Child<T> child() { return Child<T>(*this); }

  // From now on the child is ready.
  void give(rt::NonVoid<T> output = {}) {
    step(name_ + " has its output");
    output_ = std::move(output);
    if (waker_.has_value()) std::move(*std::exchange(waker_, std::nullopt)).wake();
  }
  // From now on the child throws.
  void fail() {
    step(name_ + " has failed");
    failed_ = true;
  }

  int polls() const { return polls_; }
  bool dropped() const { return children_ == 0; }
  const std::string& name() const { return name_; }

 private:
  friend class Child<T>;

  const std::string name_;
  std::optional<rt::NonVoid<T>> output_;
  std::optional<rt::Waker> waker_;
  bool failed_ = false;
  int polls_ = 0;
  int children_ = 0;
};

// A child that watches how it is treated: it is not moved once it was polled, and not polled once
// it was ready. It keeps the newest waker, and takes it back when it is dropped.
template <class T>
class Child {
 public:
  using Output = T;

  explicit Child(Source<T>& source) : source_(&source) { ++source_->children_; }
  Child(Child&& other) noexcept : source_(std::exchange(other.source_, nullptr)) {
    if (other.polled_at_ != nullptr && source_ != nullptr) {
      ADD_FAILURE() << source_->name_ << " was moved after it had been polled.\n"
                    << "A future that was polled stays where it is: others may know its address.";
    }
  }
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (source_ == nullptr) return;
    --source_->children_;
    source_->waker_.reset();
    step(source_->name_ + " dropped");
  }

  Poll<T> poll(Context& cx) {
    ++source_->polls_;
    if (polled_at_ != nullptr && polled_at_ != this) {
      ADD_FAILURE() << source_->name_ << " is polled at another address than the first time.";
    }
    polled_at_ = this;
    if (was_ready_) {
      ADD_FAILURE() << source_->name_ << " was polled again after it had been ready.";
      throw std::logic_error(source_->name_ + " was polled after it was ready");
    }
    if (source_->failed_) {
      step(source_->name_ + " polled: it throws");
      throw std::runtime_error(source_->name_ + " failed");
    }
    if (!source_->output_.has_value()) {
      step(source_->name_ + " polled: pending");
      if (!source_->waker_.has_value() || !source_->waker_->will_wake(cx.waker())) {
        source_->waker_ = cx.waker().clone();
      }
      return kPending;
    }
    step(source_->name_ + " polled: ready");
    was_ready_ = true;
    if constexpr (std::is_void_v<T>) {
      return kReady;
    } else {
      return std::move(*source_->output_);
    }
  }

 private:
  Source<T>* source_;
  const Child* polled_at_ = nullptr;
  bool was_ready_ = false;
};
static_assert(rt::Future<Child<int>> && rt::Future<Child<void>>);
static_assert(!std::is_copy_constructible_v<Child<int>> && !std::is_move_assignable_v<Child<int>>);

// Some sources of one kind, and their children in a vector.
template <class T>
class Sources {
 public:
  explicit Sources(int n) {
    for (int i = 0; i < n; ++i) sources_.emplace_back("child " + std::to_string(i));
  }
  std::vector<Child<T>> children() {
    std::vector<Child<T>> children;
    for (Source<T>& source : sources_) children.push_back(source.child());
    return children;
  }
  Source<T>& operator[](int i) { return sources_[static_cast<std::size_t>(i)]; }
  std::vector<int> polls() const {
    std::vector<int> polls;
    for (const Source<T>& source : sources_) polls.push_back(source.polls());
    return polls;
  }
  int alive() const {
    int alive = 0;
    for (const Source<T>& source : sources_) alive += source.dropped() ? 0 : 1;
    return alive;
  }

 private:
  std::deque<Source<T>> sources_;
};

// Polls a future that has to be ready now. (Matchers would do as well. But each is compiled anew
// for each type of combinator, and this file has many.)
template <rt::Future F>
rt::NonVoid<rt::OutputOf<F>> output_of(TestTask& task, F& future) {
  Poll<rt::OutputOf<F>> poll = task.poll(future);
  if (poll.is_pending()) throw std::runtime_error("it is pending, and should be ready");
  return rt::detail::take_output(std::move(poll));
}

// A future whose place in memory has to be a multiple of 64.
class alignas(64) Aligned {
 public:
  using Output = int;
  Aligned() noexcept {}
  Aligned(Aligned&&) noexcept {}

  Poll<int> poll(Context&) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(this) % 64, 0u) << "alignas(64) is not kept.";
    return 64;
  }
};

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
