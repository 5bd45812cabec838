#include "rt/async.h"

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "testkit/testkit.h"

namespace {

using rt::Async;
using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using testing::ElementsAre;
using testing::IsEmpty;
using testkit::IsPending;
using testkit::IsReady;
using testkit::IsReadyWith;
using testkit::LifeCounter;
using testkit::step;
using testkit::TestTask;
using testkit::Token;

using Log = std::vector<std::string>;

// Something that happens when the test says so, and what is known about the future that waits.
class Door {
 public:
  explicit Door(std::string name = "door") : name_(std::move(name)) {}
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  void open(int value) {
    step(name_ + " opens");
    value_ = value;
    wake();
  }
  // From now on each poll throws.
  void jam() {
    step(name_ + " jams");
    jammed_ = true;
    wake();
  }
  int polls() const { return polls_; }
  bool has_waiter() const { return waiting_.has_value(); }

 private:
  friend class Through;

  void wake() {
    if (waiting_.has_value()) std::move(*waiting_).wake();
    waiting_.reset();
  }

  const std::string name_;
  std::optional<int> value_;
  bool jammed_ = false;
  int polls_ = 0;
  std::optional<rt::Waker> waiting_;
};

// The future that is ready when the door is open. It keeps the newest waker, and takes it back when
// it is dropped.
class Through {
 public:
  using Output = int;

  explicit Through(Door& door) noexcept : door_(door) {}
  Through(const Through&) = delete;
  Through(Through&&) = default;
  ~Through() { door_.waiting_.reset(); }

  Poll<int> poll(Context& cx) {
    ++door_.polls_;
    if (door_.jammed_) {
      step(door_.name_ + " polled: it throws");
      throw std::runtime_error(door_.name_ + " is jammed");
    }
    if (door_.value_.has_value()) {
      step(door_.name_ + " polled: ready");
      return *door_.value_;
    }
    step(door_.name_ + " polled: pending");
    door_.waiting_ = cx.waker().clone();
    return kPending;
  }

 private:
  Door& door_;
};
static_assert(rt::Future<Through>);

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
    log_->push_back(line_);
  }

 private:
  Log* log_;
  std::string line_;
};

static_assert(rt::Future<Async<int>> && rt::Future<Async<void>>);
static_assert(std::is_same_v<rt::OutputOf<Async<>>, void>);
static_assert(std::is_nothrow_move_constructible_v<Async<int>>);
static_assert(!std::is_copy_constructible_v<Async<int>>);

// --- Being polled -------------------------------------------------------------------------------

Async<int> logs_and_returns(Log& log, int value) {
  log.push_back("ran");
  co_return value;
}

// Bug it is here for: a coroutine that starts when it is called.
TEST(Async, DoesNothingUntilPolled) {
  Log log;
  TestTask task;
  Async<int> async = logs_and_returns(log, 7);
  EXPECT_THAT(log, IsEmpty());
  EXPECT_THAT(task.poll(async), IsReadyWith(7));
  EXPECT_THAT(log, ElementsAre("ran"));
}

TEST(Async, PolledAfterReadyThrows) {
  Log log;
  TestTask task;
  Async<int> async = logs_and_returns(log, 7);
  EXPECT_THAT(task.poll(async), IsReadyWith(7));
  EXPECT_THROW((void)task.poll(async), std::logic_error);
  EXPECT_THAT(log, ElementsAre("ran"));
}

Async<int> goes_through_three(Door& a, Door& b, Door& c) {
  const int first = co_await Through(a);
  const int second = co_await Through(b);
  const int third = co_await Through(c);
  co_return 100 * first + 10 * second + third;
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
  EXPECT_THAT(task.poll(async), IsReadyWith(123));
  EXPECT_EQ(a.polls(), 1);
  EXPECT_EQ(b.polls(), 1);
  EXPECT_EQ(c.polls(), 1);
}

Async<int> logs_around(Log& log, Door& door) {
  log.push_back("before");
  const int value = co_await Through(door);
  log.push_back("after");
  co_return value;
}

// Bug it is here for: a frame that is resumed by a needless wake, and goes on without its value.
TEST(Async, ASpuriousPollAsksTheLeafAndResumesNothing) {
  Log log;
  Door door;
  TestTask task;
  Async<int> async = logs_around(log, door);
  for (int polls = 1; polls <= 5; ++polls) {
    EXPECT_THAT(task.poll(async), IsPending());
    EXPECT_EQ(door.polls(), polls) << "each poll of the task asks the leaf once";
  }
  EXPECT_THAT(log, ElementsAre("before"));
  door.open(7);
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_THAT(task.poll(async), IsReadyWith(7));
  EXPECT_EQ(door.polls(), 6);
  EXPECT_THAT(log, ElementsAre("before", "after"));
}

// Bugs it is here for: a new leaf that is polled when it is awaited and again before poll returns;
// a leaf that is still asked after it was ready.
TEST(Async, PollsEachLeafOncePerPoll) {
  Door a("a"), b("b"), c("c");
  TestTask task;
  Async<int> async = goes_through_three(a, b, c);
  const auto polls = [&] { return std::array<int, 3>{a.polls(), b.polls(), c.polls()}; };

  EXPECT_THAT(task.poll(async), IsPending());
  EXPECT_THAT(polls(), ElementsAre(1, 0, 0));
  a.open(1);
  EXPECT_THAT(task.poll(async), IsPending());
  EXPECT_THAT(polls(), ElementsAre(2, 1, 0));
  c.open(3);
  b.open(2);
  EXPECT_THAT(task.poll(async), IsReadyWith(123));
  EXPECT_THAT(polls(), ElementsAre(2, 2, 1));
}

// Bug it is here for: the context of the first poll kept, though it lived only during that poll.
TEST(Async, ALeafGetsTheContextOfTheNewestPoll) {
  Door a("a"), b("b"), c("c");
  TestTask first("first"), second("second"), third("third");
  Async<int> async = goes_through_three(a, b, c);
  EXPECT_THAT(first.poll(async), IsPending());
  EXPECT_THAT(second.poll(async), IsPending());
  a.open(1);  // The waker that the leaf was given last.
  EXPECT_EQ(first.wakes(), 0);
  EXPECT_EQ(second.wakes(), 1);

  EXPECT_THAT(third.poll(async), IsPending());  // This poll reaches a new leaf.
  b.open(2);
  EXPECT_EQ(first.wakes(), 0);
  EXPECT_EQ(second.wakes(), 1);
  EXPECT_EQ(third.wakes(), 1);
}

// A future that remembers where it was polled first.
class Homebody {
 public:
  using Output = bool;

  Homebody() noexcept {}

  Poll<bool> poll(Context&) {
    if (home_ == nullptr) home_ = this;
    if (home_ != this) return false;
    return ++polls_ < 3 ? Poll<bool>(kPending) : Poll<bool>(true);
  }

 private:
  const Homebody* home_ = nullptr;
  int polls_ = 0;
};

Async<bool> awaits_homebodies(Homebody parameter) {
  const bool first = co_await parameter;
  const bool second = co_await Homebody();
  co_return first&& second;
}

// Bug it is here for: a leaf that is moved into its awaiter after it was polled.
TEST(Async, DoesNotMoveWhatItHasPolled) {
  TestTask task;
  Async<bool> async = awaits_homebodies(Homebody());
  for (int i = 0; i < 4; ++i) EXPECT_THAT(task.poll(async), IsPending());
  EXPECT_THAT(task.poll(async), IsReadyWith(true)) << "ready with false: it was moved";
}

// Bug it is here for: a coroutine that wakes its task itself, or keeps wakers of its own.
TEST(Async, TouchesNoWaker) {
  TestTask task;
  int polls = 0;
  const auto never = [](int& count) {
    return rt::poll_fn([&count](Context&) -> Poll<int> {
      ++count;
      return kPending;
    });
  };
  using Never = decltype(never(polls));
  const auto wait = [](Never leaf) -> Async<int> { co_return co_await leaf; };
  Async<int> async = wait(never(polls));
  EXPECT_THAT(task.poll(async), IsPending());
  EXPECT_THAT(task.poll(async), IsPending());
  EXPECT_EQ(polls, 2);
  EXPECT_EQ(task.wakes(), 0);
  EXPECT_EQ(task.clones(), 0);
}

// Bug it is here for: state kept for each thread and not in the Async.
TEST(Async, EachPollMayComeFromAnotherThread) {
  Door a("a"), b("b"), c("c");
  TestTask task;
  std::optional<Async<int>> async(goes_through_three(a, b, c));
  EXPECT_THAT(task.poll(*async), IsPending());
  std::thread([&] {
    a.open(1);
    EXPECT_THAT(task.poll(*async), IsPending());
  }).join();
  EXPECT_EQ(b.polls(), 1);
  std::thread([&] { async.reset(); }).join();
  EXPECT_FALSE(b.has_waiter());
}

// --- Awaiting other coroutines ------------------------------------------------------------------

Async<int> one_inside(Log& log, Door& door) {
  log.push_back("inner before");
  const int value = co_await Through(door);
  log.push_back("inner after");
  co_return value + 1;
}

Async<int> two_inside(Log& log, Door& door) {
  log.push_back("middle before");
  const int value = co_await one_inside(log, door);
  log.push_back("middle after");
  co_return value + 1;
}

Async<int> three_inside(Log& log, Door& door) {
  log.push_back("outer before");
  const int value = co_await two_inside(log, door);
  log.push_back("outer after");
  co_return value + 1;
}

// Bugs it is here for: a child that costs a visit to the scheduler; a parent that is not resumed
// when its child has ended.
TEST(Async, AReadyChildCostsNoSuspension) {
  Log log;
  Door door;
  door.open(1);
  TestTask task;
  Async<int> async = three_inside(log, door);
  EXPECT_THAT(task.poll(async), IsReadyWith(4));
  EXPECT_EQ(door.polls(), 1);
  EXPECT_THAT(log, ElementsAre("outer before", "middle before", "inner before", "inner after",
                               "middle after", "outer after"));
}

// Bug it is here for: the outermost frame resumed in place of the innermost.
TEST(Async, APollGoesStraightToTheInnermostLeaf) {
  Log log;
  Door door;
  TestTask task;
  Async<int> async = three_inside(log, door);
  for (int polls = 1; polls <= 3; ++polls) {
    EXPECT_THAT(task.poll(async), IsPending());
    EXPECT_EQ(door.polls(), polls);
  }
  EXPECT_THAT(log, ElementsAre("outer before", "middle before", "inner before"));
  log.clear();
  door.open(1);
  EXPECT_THAT(task.poll(async), IsReadyWith(4));
  EXPECT_THAT(log, ElementsAre("inner after", "middle after", "outer after"));
}

Async<int> adds_three_children(Log& log, Door& a, Door& b, Door& c) {
  int sum = 0;
  for (Door* door : {&a, &b, &c}) {
    sum += co_await logs_around(log, *door);
    log.push_back("sum " + std::to_string(sum));
  }
  co_return sum;
}

TEST(Async, AwaitsOneChildAfterAnother) {
  Log log;
  Door a("a"), b("b"), c("c");
  TestTask task;
  Async<int> async = adds_three_children(log, a, b, c);
  EXPECT_THAT(task.poll(async), IsPending());
  a.open(1);
  EXPECT_THAT(task.poll(async), IsPending());
  EXPECT_EQ(c.polls(), 0);
  b.open(2);
  c.open(3);
  EXPECT_THAT(task.poll(async), IsReadyWith(6));
  EXPECT_THAT(log, ElementsAre("before", "after", "sum 1", "before", "after", "sum 3", "before",
                               "after", "sum 6"));
}

Async<int> fibonacci(int n) {
  if (n < 2) co_return n;
  const int a = co_await fibonacci(n - 1);
  co_return a + co_await fibonacci(n - 2);
}

TEST(Async, ATreeOfChildren) {
  TestTask task;
  Async<int> async = fibonacci(12);
  EXPECT_THAT(task.poll(async), IsReadyWith(144));
}

Async<int> awaits_named_ones(Log& log, Door& door) {
  Async<int> child = logs_around(log, door);
  Async<int> moved = std::move(child);  // Not polled yet, so it may still be moved.
  log.push_back("made");
  Through leaf(door);
  const int a = co_await leaf;
  const int b = co_await moved;
  co_return 10 * a + b;
}

TEST(Async, AwaitsVariablesAndTemporaries) {
  Log log;
  Door door;
  TestTask task;
  Async<int> async = awaits_named_ones(log, door);
  EXPECT_THAT(task.poll(async), IsPending());
  door.open(3);
  EXPECT_THAT(task.poll(async), IsReadyWith(33));
  EXPECT_THAT(log, ElementsAre("made", "before", "after"));
}

Async<int> awaits(Async<int>& other) { co_return 10 * co_await other; }

// Bug it is here for: a child that is always taken for new, so that its leaf is forgotten.
TEST(Async, AwaitsAnAsyncThatWasPolledBefore) {
  Log log;
  Door door;
  TestTask earlier("earlier"), task;
  Async<int> inner = logs_around(log, door);
  EXPECT_THAT(earlier.poll(inner), IsPending());

  Async<int> outer = awaits(inner);
  EXPECT_THAT(task.poll(outer), IsPending());
  EXPECT_EQ(door.polls(), 2);
  door.open(7);
  EXPECT_EQ(earlier.wakes(), 0);
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_THAT(task.poll(outer), IsReadyWith(70));
  EXPECT_EQ(door.polls(), 3);
  EXPECT_THAT(log, ElementsAre("before", "after"));
}

Async<std::string> awaits_twice(Log& log) {
  Async<int> child = logs_and_returns(log, 1);
  co_await child;
  try {
    co_await child;
  } catch (const std::logic_error&) {
    co_return "caught";
  }
  co_return "the second await returned";
}

TEST(Async, AwaitingOneThatHasEndedThrowsInTheAwaitingFrame) {
  Log log;
  TestTask task;
  Async<std::string> async = awaits_twice(log);
  EXPECT_THAT(task.poll(async), IsReadyWith("caught"));
  EXPECT_THAT(log, ElementsAre("ran"));
}

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

Async<int> sum_of_leaves(std::vector<std::unique_ptr<Door>>& doors, std::size_t from,
                         std::size_t to, Token token) {
  if (to - from == 1) co_return co_await Through(*doors[from]);
  const std::size_t half = from + (to - from) / 2;
  Both both(sum_of_leaves(doors, from, half, token), sum_of_leaves(doors, half, to, token));
  co_return co_await both;
}

// Bug it is here for: one stack shared by all that a task runs. A combinator's children have one
// each, else the second child's leaf takes the place of the first one's.
TEST(Async, JoinsSixDeep) {
  LifeCounter life("frame");
  std::vector<std::unique_ptr<Door>> doors;
  for (int i = 0; i < 64; ++i) doors.push_back(std::make_unique<Door>(std::to_string(i)));
  TestTask task;
  {
    Async<int> async = sum_of_leaves(doors, 0, 64, life.token());
    EXPECT_THAT(task.poll(async), IsPending());
    for (std::size_t i = 0; i < 63; ++i) {
      doors[(i * 37) % 64]->open(1);
      EXPECT_THAT(task.poll(async), IsPending());
    }
    doors[(63 * 37) % 64]->open(1);
    EXPECT_THAT(task.poll(async), IsReadyWith(64));
    EXPECT_EQ(life.live(), 0);
  }
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_EQ(doors[(i * 37) % 64]->polls(), static_cast<int>(i) + 2) << "door " << (i * 37) % 64;
  }
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// --- What a coroutine may return ----------------------------------------------------------------

Async<void> sets(bool& done, Door& door) {
  co_await Through(door);
  done = true;
}
Async<> awaits_a_void_child(bool& done, Door& door) { co_await sets(done, door); }

TEST(Async, Void) {
  Door door;
  bool done = false;
  TestTask task;
  Async<> async = awaits_a_void_child(done, door);
  EXPECT_THAT(task.poll(async), IsPending());
  EXPECT_FALSE(done);
  door.open(0);
  EXPECT_THAT(task.poll(async), IsReady());
  EXPECT_TRUE(done);
  EXPECT_THROW((void)task.poll(async), std::logic_error);
}

// Can be moved, and nothing else: not made from nothing, not copied, not assigned to.
class Awkward {
 public:
  explicit Awkward(int v) noexcept : value(v) {}
  Awkward(Awkward&&) = default;
  Awkward(const Awkward&) = delete;
  Awkward& operator=(const Awkward&) = delete;
  Awkward& operator=(Awkward&&) = delete;

  const int value;
};

Async<Awkward> makes_awkward(Door& door) {
  const int value = co_await Through(door);
  co_return Awkward(value);
}
Async<Awkward> passes_awkward_on(Door& door) {
  Awkward awkward = co_await makes_awkward(door);
  co_return awkward;
}

TEST(Async, OutputThatCanOnlyBeMoved) {
  Door door;
  TestTask task;
  Async<Awkward> async = passes_awkward_on(door);
  EXPECT_THAT(task.poll(async), IsPending());
  door.open(5);
  Poll<Awkward> result = task.poll(async);
  ASSERT_THAT(result, IsReady());
  EXPECT_EQ(std::move(result).take().value, 5);
}

Async<std::string> makes_text(const char* text) { co_return text; }
Async<std::unique_ptr<std::string>> boxes_text() {
  co_return std::make_unique<std::string>(co_await makes_text("converted"));
}

TEST(Async, OutputIsConvertedAsAReturnValueIs) {
  TestTask task;
  Async<std::unique_ptr<std::string>> async = boxes_text();
  Poll<std::unique_ptr<std::string>> result = task.poll(async);
  ASSERT_THAT(result, IsReady());
  EXPECT_EQ(*std::move(result).take(), "converted");
}

Async<Token> returns_token(Token token) { co_return token; }

// Bug it is here for: an output that is copied out, so that one stays behind.
TEST(Async, OutputLeavesNoCopyBehind) {
  LifeCounter life("output");
  TestTask task;
  Async<Token> async = returns_token(life.token());
  {
    Poll<Token> result = task.poll(async);
    EXPECT_THAT(result, IsReady());
    EXPECT_EQ(life.live(), 1);
  }
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// --- Exceptions ---------------------------------------------------------------------------------

Async<int> throws_after(Door& door, Token) {
  co_await Through(door);
  throw std::runtime_error("thrown by the body");
}

// Bugs it is here for: an exception that ends the program, or is lost; a frame kept for its sake.
TEST(Async, PollThrowsWhatTheBodyThrew) {
  LifeCounter life("frame");
  Door door;
  TestTask task;
  Async<int> async = throws_after(door, life.token());
  EXPECT_THAT(task.poll(async), IsPending());
  door.open(0);
  EXPECT_THROW((void)task.poll(async), std::runtime_error);
  EXPECT_EQ(life.live(), 0) << "when poll throws, the frame is gone";
  EXPECT_THROW((void)task.poll(async), std::logic_error) << "it has ended";
  EXPECT_EQ(life.destroyed_twice(), 0);
}

Async<void> throws_from_void() {
  throw std::runtime_error("thrown by the body");
  co_return;
}

TEST(Async, PollThrowsWhatAVoidBodyThrew) {
  TestTask task;
  Async<> async = throws_from_void();
  EXPECT_THROW((void)task.poll(async), std::runtime_error);
}

Async<int> lets_it_pass(Log& log, Door& door, Token token) {
  const Farewell local(log, "local of the frame between");
  co_return co_await throws_after(door, std::move(token));
}

Async<std::string> catches(Log& log, Door& door, Token token, Door& next) {
  try {
    co_await lets_it_pass(log, door, std::move(token));
  } catch (const std::runtime_error& e) {
    log.push_back(std::string("caught: ") + e.what());
  }
  const int value = co_await Through(next);  // The frame goes on as if nothing had been.
  co_return "went on with " + std::to_string(value);
}

TEST(Async, AnExceptionPassesThroughFramesToTheOneThatCatches) {
  LifeCounter life("frame that threw");
  Log log;
  Door door("door"), next("next");
  TestTask task;
  Async<std::string> async = catches(log, door, life.token(), next);
  EXPECT_THAT(task.poll(async), IsPending());
  door.open(0);
  EXPECT_THAT(task.poll(async), IsPending());
  EXPECT_THAT(log, ElementsAre("local of the frame between", "caught: thrown by the body"));
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(next.polls(), 1);
  next.open(7);
  EXPECT_THAT(task.poll(async), IsReadyWith("went on with 7"));
  EXPECT_EQ(life.destroyed_twice(), 0);
}

Async<int> tries_two_doors(Log& log, Door& door, Door& next) {
  try {
    co_await Through(door);
  } catch (const std::runtime_error& e) {
    log.push_back(e.what());
  }
  co_return co_await Through(next);
}

// Bug it is here for: an exception of a leaf's later poll, thrown through the loop inside poll. It
// then passes by the frame that awaits the leaf, and this frame's catch never sees it.
TEST(Async, ALeafThatThrowsIsCaughtByTheFrameThatAwaitsIt) {
  for (const int polls_before : {0, 1, 3}) {
    SCOPED_TRACE("the leaf was pending " + std::to_string(polls_before) + " times before");
    Log log;
    Door door("door"), next("next");
    TestTask task;
    Async<int> async = tries_two_doors(log, door, next);
    for (int i = 0; i < polls_before; ++i) EXPECT_THAT(task.poll(async), IsPending());
    door.jam();
    EXPECT_THAT(task.poll(async), IsPending());
    EXPECT_THAT(log, ElementsAre("door is jammed"));
    EXPECT_EQ(next.polls(), 1);
    next.open(7);
    EXPECT_THAT(task.poll(async), IsReadyWith(7));
    EXPECT_EQ(door.polls(), polls_before + 1) << "a leaf that threw is not asked again";
  }
}

TEST(Async, PollThrowsWhatALeafThrewAndNobodyCaught) {
  for (const int polls_before : {0, 2}) {
    SCOPED_TRACE("the leaf was pending " + std::to_string(polls_before) + " times before");
    Log log;
    Door door;
    TestTask task;
    Async<int> async = three_inside(log, door);
    for (int i = 0; i < polls_before; ++i) EXPECT_THAT(task.poll(async), IsPending());
    door.jam();
    EXPECT_THROW((void)task.poll(async), std::runtime_error);
    EXPECT_THROW((void)task.poll(async), std::logic_error);
    EXPECT_EQ(door.polls(), polls_before + 1);
  }
}

// --- The life of frames -------------------------------------------------------------------------

Async<int> waits_with(Token, Door& door) { co_return co_await Through(door); }

// Bug it is here for: a frame that only its own end destroys.
TEST(Async, DroppedBeforeItsFirstPoll) {
  LifeCounter life("parameter");
  Door door;
  {
    const Async<int> async = waits_with(life.token(), door);
    EXPECT_EQ(life.live(), 1);
  }
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
  EXPECT_EQ(door.polls(), 0);
}

TEST(Async, MovedBeforeItsFirstPoll) {
  LifeCounter life("parameter");
  Door door;
  TestTask task;
  {
    Async<int> first = waits_with(life.token(), door);
    auto second = std::make_unique<Async<int>>(std::move(first));
    std::vector<Async<int>> all;
    all.push_back(std::move(*second));
    second.reset();
    EXPECT_EQ(life.live(), 1);
    EXPECT_THROW((void)task.poll(first), std::logic_error) << "a moved-from Async has no frame";
    EXPECT_THAT(task.poll(all.front()), IsPending());
    door.open(7);
    EXPECT_THAT(task.poll(all.front()), IsReadyWith(7));
  }
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
}

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
TEST(Async, DroppedHalfWayDestroysTheInnermostFrameFirst) {
  Log log;
  Door door;
  TestTask task;
  {
    Async<int> async = outer_of_three(log, door, Farewell(log, "outer parameter"));
    EXPECT_THAT(task.poll(async), IsPending());
    EXPECT_THAT(log, IsEmpty());
    EXPECT_TRUE(door.has_waiter());
    step("the task drops its future");
  }
  EXPECT_THAT(log, ElementsAre("inner local", "inner parameter", "middle local", "middle parameter",
                               "outer local", "outer parameter"));
  EXPECT_FALSE(door.has_waiter()) << "dropping a future takes back what it registered";
  EXPECT_EQ(task.live(), 1);
}

TEST(Async, DroppedWhenOnlyTheInnerFramesHaveEnded) {
  Log log;
  Door a("a"), b("b"), c("c");
  LifeCounter life("frame");
  TestTask task;
  const auto two_steps = [](Token token, Door& first, Door& second) -> Async<int> {
    co_await waits_with(token, first);
    co_return co_await waits_with(token, second);
  };
  {
    Async<int> async = two_steps(life.token(), a, b);
    EXPECT_THAT(task.poll(async), IsPending());
    EXPECT_EQ(life.live(), 2);
    a.open(1);
    EXPECT_THAT(task.poll(async), IsPending());
    EXPECT_EQ(life.live(), 2) << "the first child is gone, the second is there";
  }
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
}

Async<int> never_awaits(Log& log, Token token, Door& door) {
  const Async<int> forgotten = waits_with(std::move(token), door);
  log.push_back("not awaited");
  co_return 1;
}

TEST(Async, AChildThatNobodyAwaitsIsDroppedUnrun) {
  Log log;
  LifeCounter life("frame");
  Door door;
  TestTask task;
  Async<int> async = never_awaits(log, life.token(), door);
  EXPECT_THAT(task.poll(async), IsReadyWith(1));
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
  EXPECT_EQ(door.polls(), 0);
}

// Bug it is here for: a frame that lives as long as its Async. Its parameters live on with it, and
// a task that waits for one of them to go (the other end of a channel) waits for ever.
TEST(Async, WhenPollIsReadyTheFrameAndItsParametersAreGone) {
  LifeCounter life("parameter");
  Door door;
  TestTask task;
  Async<int> async = waits_with(life.token(), door);
  EXPECT_THAT(task.poll(async), IsPending());
  EXPECT_EQ(life.live(), 1);
  door.open(7);
  EXPECT_THAT(task.poll(async), IsReadyWith(7));
  EXPECT_EQ(life.live(), 0);
}

Async<int> counts_after_its_child(LifeCounter& life, Door& door) {
  Async<int> child = waits_with(life.token(), door);
  co_await child;
  co_return life.live();
}

TEST(Async, WhenAChildHasBeenAwaitedItsFrameIsGone) {
  LifeCounter life("parameter of the child");
  Door door;
  TestTask task;
  Async<int> async = counts_after_its_child(life, door);
  EXPECT_THAT(task.poll(async), IsPending());
  door.open(7);
  EXPECT_THAT(task.poll(async), IsReadyWith(0));
  EXPECT_EQ(life.destroyed_twice(), 0);
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
  EXPECT_THAT(task.poll(async), IsReadyWith(1'000'000));
}

Async<int> chain(int length, Door& door) {
  if (length == 0) co_return co_await Through(door);
  co_return 1 + co_await chain(length - 1, door);
}

// Bug it is here for: a frame that resumes its child, which awaits a child, which resumes …
TEST(AsyncStack, AChainOfChildrenThatAllComplete) {
  Door door;
  TestTask task;
  Async<int> async = chain(200'000, door);
  EXPECT_THAT(task.poll(async), IsPending());
  EXPECT_THAT(task.poll(async), IsPending());
  EXPECT_EQ(door.polls(), 2);
  door.open(0);
  EXPECT_THAT(task.poll(async), IsReadyWith(200'000));
}

// Bug it is here for: a frame destroyed by the destructor of the frame that awaits it.
TEST(AsyncStack, AMillionSuspendedFramesAreDropped) {
  Door door;
  TestTask task;
  {
    Async<int> async = chain(1'000'000, door);
    EXPECT_THAT(task.poll(async), IsPending());
    EXPECT_EQ(door.polls(), 1);
  }
  EXPECT_FALSE(door.has_waiter());
}

}  // namespace
