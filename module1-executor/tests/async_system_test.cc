// Many frames: children inside children, combinators, stacks that are dropped half-way, and a
// million of each.
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "async_parts.h"
#include "rt/future/async.h"

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
using testkit::step;
using testkit::TestTask;
using testkit::Token;

// --- Children inside children -------------------------------------------------------------------

Async<int> one_inside(Log& log, Door& door) {
  note(log, "inner before");
  const int value = co_await Through(door);
  note(log, "inner after");
  co_return value + 1;
}

Async<int> two_inside(Log& log, Door& door) {
  note(log, "middle before");
  const int value = co_await one_inside(log, door);
  note(log, "middle after");
  co_return value + 1;
}

Async<int> three_inside(Log& log, Door& door) {
  note(log, "outer before");
  const int value = co_await two_inside(log, door);
  note(log, "outer after");
  co_return value + 1;
}

// Bugs it is here for: a child that costs a visit to the scheduler; a parent that is not resumed
// when its child has ended.
TEST(AsyncStack, AReadyChildCostsNoSuspension) {
  Log log;
  Door door;
  door.open(1);
  TestTask task;
  Async<int> async = three_inside(log, door);
  EXPECT_THAT(poll(task, async), "ready with 4");
  EXPECT_EQ(door.polls(), 1);
  EXPECT_THAT(log,
              "outer before, middle before, inner before, inner after, middle after, outer after");
}

// Bug it is here for: the outermost frame resumed in place of the innermost.
TEST(AsyncStack, APollGoesStraightToTheInnermostLeaf) {
  Log log;
  Door door;
  TestTask task;
  Async<int> async = three_inside(log, door);
  for (int polls = 1; polls <= 10; ++polls) {
    ASSERT_THAT(poll(task, async), "pending");
    ASSERT_EQ(door.polls(), polls) << "each poll of the task asks the leaf once";
  }
  EXPECT_THAT(log, "outer before, middle before, inner before");
  log.clear();
  door.open(1);
  EXPECT_THAT(poll(task, async), "ready with 4");
  EXPECT_EQ(door.polls(), 11);
  EXPECT_THAT(log, "inner after, middle after, outer after");
}

Async<int> fibonacci(int n) {
  if (n < 2) co_return n;
  const int a = co_await fibonacci(n - 1);
  co_return a + co_await fibonacci(n - 2);
}

TEST(AsyncStack, ATreeOfChildren) {
  TestTask task;
  Async<int> async = fibonacci(12);
  EXPECT_THAT(poll(task, async), "ready with 144");
}

// Bug it is here for: state kept for each thread and not in the Async.
TEST(AsyncStack, EachPollMayComeFromAnotherThread) {
  Log log;
  Door door;
  TestTask task;
  std::optional<Async<int>> async(three_inside(log, door));
  EXPECT_THAT(poll(task, *async), "pending");
  std::thread([&] { EXPECT_THAT(poll(task, *async), "pending"); }).join();
  EXPECT_EQ(door.polls(), 2);
  std::thread([&] { async.reset(); }).join();
  EXPECT_FALSE(door.has_waiter());
}

// --- Several stacks in one task -----------------------------------------------------------------

// Two futures at once, one poll each per poll: what a combinator does.
class Both {
 public:
  using Output = int;

  Both(Async<int> a, Async<int> b) noexcept : a_(std::move(a)), b_(std::move(b)) {}

  Poll<int> poll(Context& cx) {
    poll_one(a_, first_, cx);
    poll_one(b_, second_, cx);
    if (!first_.has_value() || !second_.has_value()) return kPending;
    return *first_ + *second_;
  }

 private:
  static void poll_one(Async<int>& future, std::optional<int>& result, Context& cx) {
    if (result.has_value()) return;
    Poll<int> answer = future.poll(cx);
    if (answer.is_ready()) result = std::move(answer).take();
  }

  Async<int> a_, b_;
  std::optional<int> first_, second_;
};

using Doors = std::vector<std::unique_ptr<Door>>;

Async<int> sum_of_leaves(Doors& doors, std::size_t from, std::size_t to, Token token) {
  if (to - from == 1) co_return co_await Through(*doors[from]);
  const std::size_t half = from + (to - from) / 2;
  Both both(sum_of_leaves(doors, from, half, token), sum_of_leaves(doors, half, to, token));
  co_return co_await both;
}

// Bug it is here for: one stack shared by all that a task runs. A combinator's children have one
// each, else the second child's leaf takes the place of the first one's.
TEST(AsyncStack, JoinsSixDeep) {
  LifeCounter life("frame");
  Doors doors;
  for (int i = 0; i < 64; ++i) doors.push_back(std::make_unique<Door>(std::to_string(i)));
  TestTask task;
  {
    Async<int> async = sum_of_leaves(doors, 0, 64, life.token());
    for (std::size_t i = 0; i < 64; ++i) {
      ASSERT_THAT(poll(task, async), "pending");
      doors[(i * 37) % 64]->open(1);
    }
    EXPECT_THAT(poll(task, async), "ready with 64");
    EXPECT_EQ(life.live(), 0);
  }
  for (std::size_t i = 0; i < 64; ++i) {
    const std::size_t door = (i * 37) % 64;
    EXPECT_EQ(doors[door]->polls(), static_cast<int>(i) + 2) << "door " << door;
  }
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// --- Exceptions ---------------------------------------------------------------------------------

// Writes a line when it is destroyed.
class Farewell {
 public:
  Farewell(Log& log, std::string line) : log_(&log), line_(std::move(line)) {}
  Farewell(Farewell&& other) noexcept
      : log_(std::exchange(other.log_, nullptr)), line_(std::move(other.line_)) {}
  Farewell(const Farewell&) = delete;
  ~Farewell() {
    if (log_ == nullptr) return;
    step(line_ + " is destroyed");
    note(*log_, line_);
  }

 private:
  Log* log_;
  std::string line_;
};

Async<int> throws_after(Door& door, Token) {
  co_await Through(door);
  throw std::runtime_error("thrown by the body");
}

Async<int> lets_it_pass(Log& log, Door& door, Token token) {
  const Farewell local(log, "local of the frame between");
  co_return co_await throws_after(door, std::move(token));
}

Async<int> catches(Log& log, Door& door, Token token, Door& next) {
  try {
    co_await lets_it_pass(log, door, std::move(token));
  } catch (const std::runtime_error& e) {
    note(log, e.what());
  }
  co_return co_await Through(next);  // The frame goes on as if nothing had been.
}

// Bug it is here for: an exception that goes from the frame that threw to the poll, past the frames
// that await.
TEST(AsyncStack, AnExceptionPassesThroughFramesToTheOneThatCatches) {
  LifeCounter life("frame that threw");
  Log log;
  Door door("door"), next("next");
  TestTask task;
  Async<int> async = catches(log, door, life.token(), next);
  EXPECT_THAT(poll(task, async), "pending");
  door.open(0);
  ASSERT_THAT(poll(task, async), "pending")
      << "the outermost frame catches what the innermost threw, and waits for the next door";
  EXPECT_THAT(log, "local of the frame between, thrown by the body");
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(next.polls(), 1);
  next.open(7);
  EXPECT_THAT(poll(task, async), "ready with 7");
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// Bug it is here for: frames that are left when nobody catches.
TEST(AsyncStack, PollThrowsWhatALeafThrewAndNobodyCaught) {
  for (const int polls_before : {0, 2}) {
    Log log;
    Door door;
    TestTask task;
    Async<int> async = three_inside(log, door);
    for (int i = 0; i < polls_before; ++i) ASSERT_THAT(poll(task, async), "pending");
    door.jam();
    ASSERT_THAT(poll(task, async), "threw: door is jammed")
        << "after the leaf was pending " << polls_before << " times";
    EXPECT_THROW((void)task.poll(async), std::logic_error) << "it has ended";
    ASSERT_EQ(door.polls(), polls_before + 1) << "a leaf that threw is not asked again";
  }
}

// --- Void ---------------------------------------------------------------------------------------

Async<void> sets(bool& done, Door& door) {
  co_await Through(door);
  done = true;
}
Async<> awaits_a_void_child(bool& done, Door& door) { co_await sets(done, door); }

TEST(AsyncStack, Void) {
  Door door;
  bool done = false;
  TestTask task;
  Async<> async = awaits_a_void_child(done, door);
  EXPECT_THAT(poll(task, async), "pending");
  EXPECT_FALSE(done);
  door.open(0);
  EXPECT_THAT(poll(task, async), "ready");
  EXPECT_TRUE(done);
  EXPECT_THROW((void)task.poll(async), std::logic_error);
}

// --- The life of frames -------------------------------------------------------------------------

Async<int> inner_of_three(Log& log, Door& door, Farewell) {
  const Farewell local(log, "inner local");
  co_return co_await Through(door);
}
Async<int> middle_of_three(Log& log, Door& door, Farewell) {
  const Farewell local(log, "middle local");
  co_return co_await inner_of_three(log, door, Farewell(log, "inner parameter"));
}
Async<int> outer_of_three(Log& log, Door& door, Farewell) {
  const Farewell local(log, "outer local");
  co_return co_await middle_of_three(log, door, Farewell(log, "middle parameter"));
}

// Bugs it is here for: only the outermost frame destroyed; or the outermost first, so that an inner
// frame's destructors see locals of the frame that awaits it which are gone.
TEST(AsyncStack, DroppedHalfWayDestroysTheInnermostFrameFirst) {
  Log log;
  Door door;
  TestTask task;
  {
    Async<int> async = outer_of_three(log, door, Farewell(log, "outer parameter"));
    EXPECT_THAT(poll(task, async), "pending");
    EXPECT_THAT(log, "");
    EXPECT_TRUE(door.has_waiter());
    step("the task drops its future");
  }
  EXPECT_THAT(log,
              "inner local, inner parameter, middle local, middle parameter, outer local, "
              "outer parameter");
  EXPECT_FALSE(door.has_waiter()) << "dropping a future takes back what it registered";
  EXPECT_EQ(task.live(), 1);
}

Async<int> waits_with(Token, Door& door) { co_return co_await Through(door); }

Async<int> two_steps(Token token, Door& first, Door& second) {
  co_await waits_with(token, first);
  co_return co_await waits_with(token, second);
}

// Bug it is here for: a frame that has ended and is destroyed again with the rest.
TEST(AsyncStack, DroppedWhenOnlyAnInnerFrameHasEnded) {
  Door a("a"), b("b");
  LifeCounter life("frame");
  TestTask task;
  {
    Async<int> async = two_steps(life.token(), a, b);
    EXPECT_THAT(poll(task, async), "pending");
    EXPECT_EQ(life.live(), 2);
    a.open(1);
    EXPECT_THAT(poll(task, async), "pending");
    EXPECT_EQ(life.live(), 2) << "the first child is gone, the second is there";
  }
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
}

Async<int> never_awaits(Token token, Door& door) {
  const Async<int> forgotten = waits_with(std::move(token), door);
  co_return 1;
}

// Bug it is here for: an inner frame that is taken for a part of the stack before it is awaited.
TEST(AsyncStack, AChildThatNobodyAwaitsIsDroppedUnrun) {
  LifeCounter life("frame");
  Door door;
  TestTask task;
  Async<int> async = never_awaits(life.token(), door);
  EXPECT_THAT(poll(task, async), "ready with 1");
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
  EXPECT_EQ(door.polls(), 0);
}

// --- The native stack ---------------------------------------------------------------------------
// 8 MB of stack hold fewer than 150,000 of the smallest call frames that could stand for one await.

Async<int> adds_one(int value) { co_return value + 1; }

Async<int> awaits_in_a_loop(int times) {
  int sum = 0;
  for (int i = 0; i < times; ++i) sum = co_await adds_one(sum);
  co_return sum;
}

// Bug it is here for: a frame that resumes its parent, which awaits the next child, which resumes …
TEST(AsyncStack, AMillionChildrenOneAfterAnother) {
  TestTask task;
  Async<int> async = awaits_in_a_loop(1'000'000);
  EXPECT_THAT(poll(task, async), "ready with 1000000");
}

Async<int> chain(int length, Door& door) {
  if (length == 0) co_return co_await Through(door);
  co_return 1 + co_await chain(length - 1, door);
}

// Bug it is here for: a frame that resumes its child, which awaits a child, which resumes …
TEST(AsyncStack, AChainOfChildrenThatAllComplete) {
  Door door;
  TestTask task;
  Async<int> async = chain(150'000, door);
  EXPECT_THAT(poll(task, async), "pending");
  EXPECT_THAT(poll(task, async), "pending");
  EXPECT_EQ(door.polls(), 2);
  door.open(0);
  EXPECT_THAT(poll(task, async), "ready with 150000");
}

// Bug it is here for: a frame destroyed by the destructor of the frame that awaits it.
TEST(AsyncStack, AMillionSuspendedFramesAreDropped) {
  Door door;
  TestTask task;
  {
    Async<int> async = chain(1'000'000, door);
    EXPECT_THAT(poll(task, async), "pending");
    EXPECT_EQ(door.polls(), 1);
  }
  EXPECT_FALSE(door.has_waiter());
}

}  // namespace
