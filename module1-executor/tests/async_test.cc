// One Async at a time: its loop, its end, its leaves, and a child that it awaits. In the order in
// which the lesson proposes to write it. Stacks of many frames are in async_system_test.cc.
#include "rt/future/async.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "async_parts.h"

namespace {

using async_parts::Door;
using async_parts::Log;
using async_parts::note;
using async_parts::poll;
using async_parts::Through;
using rt::Async;
using rt::Context;
using rt::kPending;
using rt::Poll;
using testkit::LifeCounter;
using testkit::TestTask;
using testkit::Token;

static_assert(rt::Future<Async<int>> && rt::Future<Async<void>>);
static_assert(std::is_same_v<rt::OutputOf<Async<>>, void>);
static_assert(std::is_nothrow_move_constructible_v<Async<int>>);
static_assert(!std::is_copy_constructible_v<Async<int>>);

// --- A frame that awaits nothing ----------------------------------------------------------------

Async<int> logs_and_returns(Log& log, int value) {
  note(log, "ran");
  co_return value;
}

// g++ says nothing about it, and clang warns.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wreturn-type"
Async<std::unique_ptr<int>> forgets_one_co_return(bool yes, Token) {
  if (yes) co_return std::make_unique<int>(7);
}
#pragma GCC diagnostic pop

// Bug it is here for: a coroutine that starts when it is called.
TEST(Async, DoesNothingUntilPolled) {
  Log log;
  TestTask task;
  Async<int> async = logs_and_returns(log, 7);
  EXPECT_THAT(log, "");
  EXPECT_THAT(poll(task, async), "ready with 7");
  EXPECT_THAT(log, "ran");
}

// Bug it is here for: a frame that is resumed once more after its end.
TEST(Async, PolledAfterReadyThrows) {
  Log log;
  TestTask task;
  Async<int> async = logs_and_returns(log, 7);
  EXPECT_THAT(poll(task, async), "ready with 7");
  EXPECT_THROW((void)task.poll(async), std::logic_error);
  EXPECT_THAT(log, "ran");
}

// Bug it is here for: an output that nobody has made.
TEST(Async, RunningOffTheEndWithoutACoReturnThrows) {
  LifeCounter life("frame");
  TestTask task;
  Async<std::unique_ptr<int>> async = forgets_one_co_return(false, life.token());
  EXPECT_THROW((void)task.poll(async), std::logic_error);
  EXPECT_EQ(life.live(), 0) << "its frame is gone, as after any other throw";
  const auto awaits = [](Token token) -> Async<int> {
    co_return *co_await forgets_one_co_return(false, std::move(token));
  };
  Async<int> parent = awaits(life.token());
  EXPECT_THROW((void)task.poll(parent), std::logic_error);
  EXPECT_EQ(life.live(), 0);
}

Async<> throws_from_void(Token) {
  throw std::runtime_error("thrown by the body");
  co_return;
}

// Bugs it is here for: an exception that ends the program, or is lost; a frame kept for its sake.
TEST(Async, PollThrowsWhatTheBodyThrew) {
  LifeCounter life("frame");
  TestTask task;
  Async<> async = throws_from_void(life.token());
  EXPECT_THAT(poll(task, async), "threw: thrown by the body");
  EXPECT_EQ(life.live(), 0) << "when poll throws, the frame is gone: finish() destroys it on this "
                               "way out too";
  EXPECT_THROW((void)task.poll(async), std::logic_error) << "it has ended";
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// Cannot be moved, though it says so.
class Stuck {
 public:
  explicit Stuck(int) noexcept {}
  Stuck(Stuck&&) { throw std::runtime_error("stuck"); }
  Stuck(const Stuck&) = delete;
};
Async<Stuck> returns_stuck(Token) { co_return 1; }

// Bug it is here for: finish() that moves the output out and then destroys the frame, in two
// statements. When the move throws, the second one is not reached.
TEST(Async, AnOutputWhoseMoveThrowsLeavesNoFrame) {
  LifeCounter life("frame");
  {
    TestTask task;
    Async<Stuck> async = returns_stuck(life.token());
    EXPECT_THAT(poll(task, async), "threw: stuck");
  }
  EXPECT_EQ(life.live(), 0) << "moving the output out of the frame threw, and nobody destroyed the "
                               "frame: let an object with a destructor do it, on every way out";
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// --- The life of a frame ------------------------------------------------------------------------

Async<int> holds(Token) { co_return 7; }

// Bug it is here for: a frame that only its own end destroys.
TEST(Async, DroppedBeforeItsFirstPoll) {
  LifeCounter life("parameter");
  {
    const Async<int> async = holds(life.token());
    EXPECT_EQ(life.live(), 1);
  }
  EXPECT_EQ(life.live(), 0) << "dropping an Async that was never polled destroys its frame";
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// Bug it is here for: an Async that still owns its frame after it was moved from.
TEST(Async, MovedBeforeItsFirstPoll) {
  LifeCounter life("parameter");
  TestTask task;
  {
    Async<int> first = holds(life.token());
    auto second = std::make_unique<Async<int>>(std::move(first));
    Async<int> third = std::move(*second);
    second.reset();
    EXPECT_EQ(life.live(), 1);
    EXPECT_THROW((void)task.poll(first), std::logic_error) << "a moved-from Async has no frame";
    EXPECT_THAT(poll(task, third), "ready with 7");
  }
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// Bug it is here for: a frame that lives as long as its Async. Its parameters live on with it, and
// a task that waits for one of them to go (the other end of a channel) waits for ever.
TEST(Async, WhenPollIsReadyTheFrameAndItsParametersAreGone) {
  LifeCounter life("parameter");
  TestTask task;
  Async<int> async = holds(life.token());
  EXPECT_THAT(poll(task, async), "ready with 7");
  EXPECT_EQ(life.live(), 0) << "a parameter of the coroutine outlived the poll that was ready";
}

// --- A leaf -------------------------------------------------------------------------------------

Async<int> goes_through_three(Door& a, Door& b, Door& c) {
  const int first = co_await Through(a);
  const int second = co_await Through(b);
  const int third = co_await Through(c);
  co_return 100 * first + 10 * second + third;
}

std::string polls_of(const Door& a, const Door& b, const Door& c) {
  return std::to_string(a.polls()) + " " + std::to_string(b.polls()) + " " +
         std::to_string(c.polls());
}

// Bug it is here for: an awaiter that always suspends. Then the task says pending although nothing
// will ever wake it.
TEST(Async, AReadyLeafCostsNoSuspension) {
  Door a("a"), b("b"), c("c");
  a.open(1);
  b.open(2);
  c.open(3);
  TestTask task;
  Async<int> async = goes_through_three(a, b, c);
  EXPECT_THAT(poll(task, async), "ready with 123")
      << "all three were ready at once: nothing would ever wake a task that waits for them";
  EXPECT_THAT(polls_of(a, b, c), "1 1 1");
}

Async<int> logs_around(Log& log, Door& door) {
  note(log, "before");
  const int value = co_await Through(door);
  note(log, "after");
  co_return value;
}

// Bug it is here for: a frame that is resumed by a needless wake, and goes on without its value.
TEST(Async, ASpuriousPollAsksTheLeafAndResumesNothing) {
  Log log;
  Door door;
  TestTask task;
  Async<int> async = logs_around(log, door);
  ASSERT_THAT(poll(task, async), "pending");
  ASSERT_EQ(door.polls(), 1)
      << "the first poll: the leaf was asked when it was awaited; do not ask "
         "a new leaf again in the same poll";
  for (int polls = 2; polls <= 5; ++polls) {
    ASSERT_THAT(poll(task, async), "pending")
        << "the leaf is pending, so the frame stays where it is: it has no value to go on with";
    ASSERT_EQ(door.polls(), polls) << "a later poll asks the leaf that was left, once";
  }
  EXPECT_THAT(log, "before");
  door.open(7);
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_THAT(poll(task, async), "ready with 7");
  EXPECT_EQ(door.polls(), 6);
  EXPECT_THAT(log, "before, after");
}

// Bugs it is here for: a new leaf that is polled when it is awaited and again before poll returns;
// a leaf that is still asked after it was ready.
TEST(Async, PollsEachLeafOncePerPoll) {
  Door a("a"), b("b"), c("c");
  TestTask task;
  Async<int> async = goes_through_three(a, b, c);
  ASSERT_THAT(poll(task, async), "pending");
  ASSERT_THAT(polls_of(a, b, c), "1 0 0")
      << "a is new: it was asked when it was awaited; do not ask it again in the same poll";
  a.open(1);
  ASSERT_THAT(poll(task, async), "pending");
  ASSERT_THAT(polls_of(a, b, c), "2 1 0")
      << "a was the leaf: it is asked at the start of the poll, and then forgotten. b is new: it "
         "was "
         "asked when it was awaited; do not ask it again in the same poll";
  c.open(3);
  b.open(2);
  ASSERT_THAT(poll(task, async), "ready with 123");
  ASSERT_THAT(polls_of(a, b, c), "2 2 1") << "a leaf that was ready is not asked again";
}

// Bug it is here for: the context of the first poll kept, though it lived only during that poll.
TEST(Async, ALeafGetsTheContextOfTheNewestPoll) {
  Door a("a"), b("b"), c("c");
  TestTask first("first"), second("second"), third("third");
  Async<int> async = goes_through_three(a, b, c);
  EXPECT_THAT(poll(first, async), "pending");
  EXPECT_THAT(poll(second, async), "pending");
  a.open(1);  // The waker that the leaf was given last.
  EXPECT_EQ(first.wakes(), 0);
  EXPECT_EQ(second.wakes(), 1);

  EXPECT_THAT(poll(third, async), "pending");  // This poll reaches a new leaf.
  b.open(2);
  EXPECT_EQ(third.wakes(), 1) << "the new leaf was polled with the context of an earlier poll";
  EXPECT_EQ(first.wakes(), 0);
  EXPECT_EQ(second.wakes(), 1);
}

// A future that remembers where it was polled first.
class Homebody {
 public:
  using Output = int;

  Homebody() noexcept {}

  Poll<int> poll(Context&) {
    if (home_ == nullptr) home_ = this;
    if (home_ != this) return 0;
    return ++polls_ < 3 ? Poll<int>(kPending) : Poll<int>(1);
  }

 private:
  const Homebody* home_ = nullptr;
  int polls_ = 0;
};

Async<int> awaits_homebodies(Homebody parameter) {
  const int first = co_await parameter;
  const int second = co_await Homebody();
  co_return first + second;
}

// Bugs it is here for: a leaf that is moved into its awaiter after it was polled; a coroutine that
// wakes its task itself, or keeps wakers of its own.
TEST(Async, MovesNoLeafAndTouchesNoWaker) {
  TestTask task;
  Async<int> async = awaits_homebodies(Homebody());
  for (int i = 0; i < 4; ++i) EXPECT_THAT(poll(task, async), "pending");
  EXPECT_THAT(poll(task, async), "ready with 2") << "less than 2: a leaf was moved after a poll";
  EXPECT_EQ(task.wakes(), 0);
  EXPECT_EQ(task.clones(), 0);
}

Async<int> tries_two_doors(Log& log, Door& door, Door& next) {
  try {
    co_await Through(door);
  } catch (const std::runtime_error& e) {
    note(log, e.what());
  }
  co_return co_await Through(next);
}

// Bug it is here for: an exception of a leaf's later poll, thrown through the loop inside poll. It
// then passes by the frame that awaits the leaf, and this frame's catch never sees it.
TEST(Async, ALeafThatThrowsIsCaughtByTheFrameThatAwaitsIt) {
  for (const int polls_before : {0, 1, 3}) {
    Log log;
    Door door("door"), next("next");
    TestTask task;
    Async<int> async = tries_two_doors(log, door, next);
    for (int i = 0; i < polls_before; ++i) ASSERT_THAT(poll(task, async), "pending");
    door.jam();
    ASSERT_THAT(poll(task, async), "pending")
        << "the leaf was pending " << polls_before
        << " times, then threw. The frame that awaits it "
        << "catches this, and waits for the next door. An exception that comes out of poll went by "
        << "that frame: keep it until the frame runs, and throw it there";
    ASSERT_THAT(log, "door is jammed");
    EXPECT_EQ(next.polls(), 1);
    next.open(7);
    ASSERT_THAT(poll(task, async), "ready with 7");
    ASSERT_EQ(door.polls(), polls_before + 1) << "a leaf that threw is not asked again";
  }
}

// Can be moved, and nothing else: not made from nothing, not copied, not assigned to.
class Awkward {
 public:
  explicit Awkward(Token token) noexcept : token_(std::move(token)) {}
  Awkward(Awkward&&) = default;
  Awkward(const Awkward&) = delete;
  Awkward& operator=(const Awkward&) = delete;
  Awkward& operator=(Awkward&&) = delete;

 private:
  Token token_;
};

class AwkwardLeaf {
 public:
  using Output = Awkward;

  explicit AwkwardLeaf(Token token) noexcept : token_(std::move(token)) {}
  Poll<Awkward> poll(Context&) { return Awkward(std::move(token_)); }

 private:
  Token token_;
};
Async<Awkward> makes_awkward(Token token) { co_return co_await AwkwardLeaf(std::move(token)); }

// Bug it is here for: an output that is copied or assigned, or of which a part stays behind.
TEST(Async, OutputThatCanOnlyBeMoved) {
  LifeCounter life("output");
  TestTask task;
  Async<Awkward> async = makes_awkward(life.token());
  {
    const Poll<Awkward> result = task.poll(async);
    EXPECT_TRUE(result.is_ready());
    EXPECT_EQ(life.live(), 1);
  }
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// --- A child ------------------------------------------------------------------------------------

Async<int> adds_two_children(Log& log, Door& a, Door& b) {
  int sum = 0;
  for (Door* door : {&a, &b}) {
    Async<int> child = logs_around(log, *door);
    Async<int> moved = std::move(child);  // Not polled yet, so it may still be moved.
    sum += co_await moved;
    note(log, "sum " + std::to_string(sum));
  }
  co_return sum;
}

// Bugs it is here for: a child that is never run; a parent that is not resumed when its child has
// ended.
TEST(Async, AwaitsOneChildAfterAnother) {
  Log log;
  Door a("a"), b("b");
  TestTask task;
  Async<int> async = adds_two_children(log, a, b);
  EXPECT_THAT(poll(task, async), "pending");
  EXPECT_THAT(log, "before") << "the child runs in the poll that awaits it";
  a.open(1);
  EXPECT_THAT(poll(task, async), "pending");
  EXPECT_EQ(b.polls(), 1) << "the parent goes on in the poll in which its child ended";
  b.open(2);
  EXPECT_THAT(poll(task, async), "ready with 3");
  EXPECT_THAT(log, "before, after, sum 1, before, after, sum 3");
}

Async<int> awaits(Async<int>& other) { co_return 10 * co_await other; }

// Bug it is here for: a child that is always taken for new, so that its leaf is forgotten.
TEST(Async, AwaitsAnAsyncThatWasPolledBefore) {
  Log log;
  Door door;
  TestTask earlier("earlier"), task;
  Async<int> inner = logs_around(log, door);
  EXPECT_THAT(poll(earlier, inner), "pending");

  Async<int> outer = awaits(inner);
  ASSERT_THAT(poll(task, outer), "pending")
      << "the child was polled before it was awaited: it has a stack and a leaf of its own, so it "
         "is polled as any future is, and not resumed";
  EXPECT_EQ(door.polls(), 2) << "awaiting it polls it, and it asks its leaf";
  door.open(7);
  EXPECT_EQ(earlier.wakes(), 0);
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_THAT(poll(task, outer), "ready with 70");
  EXPECT_EQ(door.polls(), 3);
  EXPECT_THAT(log, "before, after");
}

Async<int> awaits_twice(Log& log) {
  Async<int> child = logs_and_returns(log, 1);
  co_await child;
  try {
    co_return co_await child;
  } catch (const std::logic_error&) {
    co_return 2;
  }
}

// Bug it is here for: a child without a frame that is pushed all the same.
TEST(Async, AwaitingOneThatHasEndedThrowsInTheAwaitingFrame) {
  Log log;
  TestTask task;
  Async<int> async = awaits_twice(log);
  EXPECT_THAT(poll(task, async), "ready with 2")
      << "the second co_await of a child that has ended throws std::logic_error, and the frame "
         "that awaits catches it";
  EXPECT_THAT(log, "ran");
}

Async<int> waits_with(Token, Door& door) { co_return co_await Through(door); }

Async<int> counts_after_its_child(LifeCounter& life, Door& door) {
  Async<int> child = waits_with(life.token(), door);
  co_await child;
  co_return life.live();
}

// Bug it is here for: a child's frame that nobody owns once its Async gave it away.
TEST(Async, WhenAChildHasBeenAwaitedItsFrameIsGone) {
  LifeCounter life("parameter of the child");
  Door door;
  TestTask task;
  Async<int> async = counts_after_its_child(life, door);
  EXPECT_THAT(poll(task, async), "pending");
  door.open(7);
  EXPECT_THAT(poll(task, async), "ready with 0")
      << "the child has ended and was awaited, and this many of its parameters still live";
  EXPECT_EQ(life.destroyed_twice(), 0);
}

}  // namespace
