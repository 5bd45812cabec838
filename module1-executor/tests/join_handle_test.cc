#include "rt/runtime/join_handle.h"

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "executor_parts.h"
#include "rt/runtime/block_on.h"
#include "testkit/testkit.h"

namespace {

using rt::Cancelled;
using rt::Context;
using rt::JoinHandle;
using rt::kPending;
using rt::kReady;
using rt::LocalExecutor;
using rt::OutputOf;
using rt::Poll;
using rt::poll_fn;
using rt::run_until_stalled;
using rt::Waker;
using testing::HasSubstr;
using testing::Not;
using testkit::IsPending;
using testkit::IsReady;
using testkit::IsReadyWith;
using testkit::LifeCounter;
using testkit::step;
using testkit::TestTask;
using testkit::Token;

template <rt::Future F>
JoinHandle<OutputOf<F>> spawn(LocalExecutor& executor, F future) {
  return JoinHandle<OutputOf<F>>(rt::spawn_with_handle(executor, &future, rt::kFutureVTable<F>));
}

// Something that a task waits for, for one thread.
class Gate {
 public:
  void open() {
    step("the gate opens");
    is_open_ = true;
    if (waker_.has_value()) std::exchange(waker_, std::nullopt)->wake_by_ref();
  }
  Poll<void> poll(Context& cx) {
    if (is_open_) return kReady;
    waker_ = cx.waker().clone();
    return kPending;
  }

 private:
  bool is_open_ = false;
  std::optional<Waker> waker_;
};

// Is ready with what `make` returns, or throws what it throws, when the gate is open. Counts its
// polls, and holds a token.
template <class Make>
class Gated {
 public:
  using Output = std::invoke_result_t<Make>;

  Gated(Gate& gate, Token token, int& polls, Make make)
      : gate_(gate), token_(std::move(token)), polls_(polls), make_(std::move(make)) {}

  Poll<Output> poll(Context& cx) {
    step("the task is polled");
    ++polls_;
    if (gate_.poll(cx).is_pending()) return kPending;
    if constexpr (std::is_void_v<Output>) {
      make_();
      return kReady;
    } else {
      return make_();
    }
  }

 private:
  Gate& gate_;
  Token token_;
  int& polls_;
  Make make_;
};

// An executor, a gate, and what is counted of one task.
class Bench {
 public:
  Bench() : executor_(std::in_place) {}

  template <class Make>
  auto spawn(Make make) {
    step("spawn");
    return ::spawn(*executor_, Gated<Make>(gate, futures.token(), polls, std::move(make)));
  }
  LocalExecutor& executor() { return *executor_; }
  std::size_t run() { return run_until_stalled(*executor_); }
  void destroy_executor() {
    step("the executor is destroyed");
    executor_.reset();
  }

  Gate gate;
  LifeCounter futures{"the future"};
  LifeCounter outputs{"the output"};
  int polls = 0;

 private:
  std::optional<LocalExecutor> executor_;
};

// --- The output ---------------------------------------------------------------------------------

TEST(JoinHandle, AJoinerThatComesLateFindsTheOutput) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([] { return 7; });
  b.gate.open();
  b.run();
  EXPECT_THAT(joiner.poll(handle), IsReadyWith(7));
  EXPECT_EQ(joiner.wakes(), 0);
}

// Bug it is here for: a joiner that is told nothing, and waits for ever.
TEST(JoinHandle, AJoinerThatComesFirstIsWoken) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([] { return 7; });
  EXPECT_THAT(joiner.poll(handle), IsPending());
  b.run();
  EXPECT_THAT(joiner.poll(handle), IsPending());
  EXPECT_EQ(joiner.wakes(), 0) << "the task has not ended";
  b.gate.open();
  b.run();
  EXPECT_EQ(joiner.wakes(), 1);
  EXPECT_THAT(joiner.poll(handle), IsReadyWith(7));
  EXPECT_EQ(joiner.live(), 1) << "the handle has kept a waker";
}

// Bug it is here for: the first joiner's waker kept, though the handle has moved to another task.
TEST(JoinHandle, WakesTheNewestJoiner) {
  Bench b;
  TestTask first("first"), second("second");
  auto handle = b.spawn([] { return 7; });
  EXPECT_THAT(first.poll(handle), IsPending());
  EXPECT_THAT(second.poll(handle), IsPending());
  EXPECT_EQ(first.live(), 1) << "the older waker is of no use any more";
  b.gate.open();
  b.run();
  EXPECT_EQ(first.wakes(), 0);
  EXPECT_EQ(second.wakes(), 1);
}

TEST(JoinHandle, TheSameJoinersWakerIsClonedOnce) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([] { return 7; });
  for (int i = 0; i < 3; ++i) EXPECT_THAT(joiner.poll(handle), IsPending());
  EXPECT_EQ(joiner.clones(), 1);
}

TEST(JoinHandle, AnOutputMayBeNothing) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([] {});
  static_assert(std::is_same_v<decltype(handle), JoinHandle<void>>);
  EXPECT_THAT(joiner.poll(handle), IsPending());
  b.gate.open();
  b.run();
  EXPECT_THAT(joiner.poll(handle), IsReady());
}

TEST(JoinHandle, AMoveOnlyOutputIsMovedOut) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([] { return std::make_unique<std::string>("moved"); });
  b.gate.open();
  b.run();
  const rt::Poll<std::unique_ptr<std::string>> polled = joiner.poll(handle);
  ASSERT_THAT(polled, IsReady());
  EXPECT_EQ(*polled.value(), "moved");
}

struct alignas(64) Wide {
  Wide() {}
  std::uint64_t number = 7;
};

TEST(JoinHandle, AnOutputKeepsItsAlignment) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([] { return Wide(); });
  b.gate.open();
  b.run();
  const Poll<Wide> output = joiner.poll(handle);
  ASSERT_TRUE(output.is_ready());
  EXPECT_EQ(output.value().number, 7U);
}

// Bug it is here for: an output that is copied about, and destroyed more often than it was made.
TEST(JoinHandle, TheOutputIsDestroyedOnce) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([&b] { return b.outputs.token(); });
  b.gate.open();
  b.run();
  EXPECT_EQ(b.outputs.live(), 1) << "the output waits for its joiner";
  {
    const Poll<Token> output = joiner.poll(handle);
    EXPECT_TRUE(output.is_ready());
    EXPECT_EQ(b.outputs.live(), 1);
  }
  EXPECT_EQ(b.outputs.live(), 0);
}

// Bug it is here for: a future that lives until the joiner has taken its output. What it holds (a
// Sender, a lock) is then held on, and its joiner may be what waits for it.
TEST(JoinHandle, TheFutureIsDestroyedBeforeTheJoinerIsTold) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([] { return 7; });
  EXPECT_THAT(joiner.poll(handle), IsPending());
  int live_at_wake = -1;
  joiner.on_wake([&] { live_at_wake = b.futures.live(); });
  b.gate.open();
  b.run();
  EXPECT_EQ(live_at_wake, 0) << "the joiner was woken, and the future was still there";
}

// Remembers in which order a future and its output were destroyed.
class Remembers {
 public:
  Remembers(std::string& order, char name) : order_(&order), name_(name) {}
  Remembers(Remembers&& other) noexcept
      : order_(std::exchange(other.order_, nullptr)), name_(other.name_) {}
  Remembers& operator=(Remembers&&) = delete;
  ~Remembers() {
    if (order_ != nullptr) order_->push_back(name_);
  }

 private:
  std::string* order_;
  char name_;
};

// Bug it is here for: an output that nobody joins destroyed at once, and the future after it.
TEST(JoinHandle, TheFutureIsDestroyedBeforeAnOutputThatNobodyJoins) {
  Bench b;
  std::string order;
  {
    auto handle =
        b.spawn([&order, future = Remembers(order, 'f')] { return Remembers(order, 'o'); });
    b.run();
    step("the handle is dropped");
  }
  b.gate.open();
  b.run();
  EXPECT_EQ(order, "fo") << "f: the future, o: its output. An output may refer to what the future "
                            "was given, and must not be gone before it.";
}

// Bug it is here for: the end told inside a catch block. What the joiner does then, it does in the
// middle of somebody else's exception.
TEST(JoinHandle, TheEndIsToldOutsideOfTheCatchBlock) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([]() -> int { throw std::runtime_error("thrown by the task"); });
  EXPECT_THAT(joiner.poll(handle), IsPending());
  bool inside = false;
  joiner.on_wake([&inside] { inside = std::current_exception() != nullptr; });
  b.gate.open();
  b.run();
  EXPECT_EQ(joiner.wakes(), 1);
  EXPECT_FALSE(inside) << "The joiner was woken while the exception was being handled.";
}

// Bug it is here for: the joiner woken under the lock that poll_join takes.
TEST(JoinHandle, AJoinerMayPollInsideItsWake) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([] { return 7; });
  EXPECT_THAT(joiner.poll(handle), IsPending());
  int output = 0;
  joiner.on_wake([&] {
    Poll<int> polled = handle.poll(joiner.cx());
    if (polled.is_ready()) output = polled.value();
  });
  b.gate.open();
  b.run();
  EXPECT_EQ(output, 7) << "the joiner was woken before there was anything to take";
}

// Bug it is here for: the joiner's older waker dropped under the lock.
TEST(JoinHandle, AJoinersWakerMayUseTheHandleWhenItIsDropped) {
  Bench b;
  TestTask first("first"), second("second");
  auto handle = b.spawn([] { return 7; });
  EXPECT_THAT(first.poll(handle), IsPending());
  first.on_drop([&] { handle.abort(); });
  EXPECT_THAT(second.poll(handle), IsPending());
  b.run();
  EXPECT_THROW((void)second.poll(handle), Cancelled);
  first.on_drop(nullptr);
}

TEST(JoinHandle, TasksMayJoinEachOther) {
  Bench b;
  TestTask joiner("joiner");
  auto inner = b.spawn([] { return 7; });
  auto twice = [handle = std::move(inner)](Context& cx) mutable -> Poll<int> {
    const Poll<int> polled = handle.poll(cx);
    if (polled.is_pending()) return kPending;
    return 2 * polled.value();
  };
  auto outer = spawn(b.executor(), poll_fn(std::move(twice)));
  EXPECT_THAT(joiner.poll(outer), IsPending());
  EXPECT_EQ(b.run(), 2U);
  b.gate.open();
  EXPECT_EQ(b.run(), 2U) << "the inner task, and the outer one that joins it";
  EXPECT_THAT(joiner.poll(outer), IsReadyWith(14));
}

// --- Exceptions ---------------------------------------------------------------------------------

// Bug it is here for: an exception that ends the executor's loop, and with it all the others.
TEST(JoinHandle, WhatTheTaskThrowsIsForTheJoiner) {
  Bench b;
  TestTask joiner("joiner");
  auto bad = b.spawn([]() -> int { throw std::runtime_error("thrown by the task"); });
  auto good = b.spawn([] { return 7; });
  EXPECT_THAT(joiner.poll(bad), IsPending());
  b.gate.open();
  EXPECT_NO_THROW(b.run());
  EXPECT_EQ(b.futures.live(), 0);
  EXPECT_EQ(joiner.wakes(), 1);
  try {
    (void)joiner.poll(bad);
    ADD_FAILURE() << "the joiner got nothing of what the task threw";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "thrown by the task");
  }
  EXPECT_THAT(joiner.poll(good), IsReadyWith(7));
}

TEST(JoinHandle, AnExceptionThatNobodyJoinsHarmsNobody) {
  Bench b;
  TestTask joiner("joiner");
  b.spawn([]() -> int { throw std::runtime_error("nobody hears this"); }).detach();
  auto good = b.spawn([] { return 7; });
  b.gate.open();
  EXPECT_NO_THROW(b.run());
  EXPECT_THAT(joiner.poll(good), IsReadyWith(7));
}

// Bugs it is here for: a task fails, and nobody ever hears of it; or a joiner hears of it, and it
// is reported all the same.
TEST(JoinHandle, AnExceptionIsReportedOnceIfNobodyJoins) {
  const auto throwing = [](const char* what) {
    return [what]() -> int { throw std::runtime_error(what); };
  };
  Bench b;
  TestTask joiner("joiner");
  b.spawn([] { return 7; }).detach();  // An exercise that is not written says so here.
  testing::internal::CaptureStderr();
  b.spawn(throwing("detached before")).detach();
  auto detached = b.spawn(throwing("detached after"));
  auto joined = b.spawn(throwing("joined"));
  auto late = b.spawn(throwing("joined late"));
  auto cancelled = b.spawn([]() -> int { throw rt::Cancelled(); });
  EXPECT_THAT(joiner.poll(joined), IsPending());
  b.gate.open();
  b.run();
  detached.detach();
  cancelled.detach();
  EXPECT_THROW((void)joiner.poll(joined), std::runtime_error);
  EXPECT_THROW((void)joiner.poll(late), std::runtime_error);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said,
              HasSubstr("a task that nobody joins has thrown an exception: detached before\n"));
  EXPECT_THAT(said,
              HasSubstr("a task that nobody joins has thrown an exception: detached after\n"));
  EXPECT_THAT(said, Not(HasSubstr("exception: joined")));
  EXPECT_THAT(said, Not(HasSubstr("cancelled")));
}

// Bug it is here for: an exception that is kept for ever, or thrown twice.
TEST(JoinHandle, TheExceptionIsGoneOnceItWasThrown) {
  class Carries {
   public:
    explicit Carries(Token token) : token_(std::move(token)) {}

   private:
    Token token_;
  };
  Bench b;
  TestTask joiner("joiner");
  auto joined = b.spawn([&b]() -> int { throw Carries(b.outputs.token()); });
  auto dropped = b.spawn([&b]() -> int { throw Carries(b.outputs.token()); });
  b.gate.open();
  b.run();
  EXPECT_EQ(b.outputs.live(), 2);
  EXPECT_THROW((void)joiner.poll(joined), Carries);
  EXPECT_EQ(b.outputs.live(), 1);
  dropped.detach();
  EXPECT_EQ(b.outputs.live(), 0) << "nobody joins: the exception can go";
}

// --- Detach -------------------------------------------------------------------------------------

// Bug it is here for: a handle that takes its task with it.
TEST(JoinHandle, ATaskWhoseHandleIsDroppedRunsOn) {
  Bench b;
  bool ran = false;
  {
    auto handle = b.spawn([&] {
      ran = true;
      return b.outputs.token();
    });
    b.run();
    step("the handle is dropped");
  }
  EXPECT_EQ(b.futures.live(), 1);
  b.gate.open();
  b.run();
  EXPECT_TRUE(ran);
  EXPECT_EQ(b.futures.live(), 0);
  EXPECT_EQ(b.outputs.live(), 0) << "an output that nobody joins is kept";
}

TEST(JoinHandle, AnOutputThatWaitsIsDroppedWithTheHandle) {
  Bench b;
  {
    auto handle = b.spawn([&] { return b.outputs.token(); });
    b.gate.open();
    b.run();
    EXPECT_EQ(b.outputs.live(), 1);
    step("the handle is dropped");
  }
  EXPECT_EQ(b.outputs.live(), 0);
}

// Bug it is here for: a joiner that was dropped, and is woken long afterwards.
TEST(JoinHandle, ADroppedHandleTakesItsWakerBack) {
  Bench b;
  TestTask joiner("joiner");
  {
    auto handle = b.spawn([] { return 7; });
    EXPECT_THAT(joiner.poll(handle), IsPending());
    step("the handle is dropped");
  }
  EXPECT_EQ(joiner.live(), 1);
  b.gate.open();
  b.run();
  EXPECT_EQ(joiner.wakes(), 0);
}

// --- Abort --------------------------------------------------------------------------------------

TEST(JoinHandle, AbortBeforeTheFirstPoll) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([] { return 7; });
  EXPECT_THAT(joiner.poll(handle), IsPending());
  step("abort");
  handle.abort();
  b.gate.open();
  b.run();
  EXPECT_EQ(b.polls, 0) << "it was polled after it was aborted";
  EXPECT_EQ(b.futures.live(), 0);
  EXPECT_EQ(b.executor().alive(), 0U);
  EXPECT_EQ(joiner.wakes(), 1);
  EXPECT_THROW((void)joiner.poll(handle), Cancelled);
}

// Bug it is here for: an abort that only leaves word. Nobody looks there, since the task waits.
TEST(JoinHandle, AbortWhileTheTaskWaits) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([] { return 7; });
  b.run();
  EXPECT_THAT(joiner.poll(handle), IsPending());
  step("abort");
  handle.abort();
  b.run();
  EXPECT_EQ(b.polls, 1);
  EXPECT_EQ(b.futures.live(), 0) << "the task that waits was not told";
  EXPECT_EQ(joiner.wakes(), 1);
  EXPECT_THROW((void)joiner.poll(handle), Cancelled);
}

// Bug it is here for: the task woken under the lock. The wake unparks its executor, and that is
// somebody else's code, which may use the handle.
TEST(JoinHandle, AnAbortMayUseTheHandleInsideItsWake) {
  executor_parts::FakePark park;
  LocalExecutor executor(park);
  TestTask joiner("joiner");
  auto handle = spawn(executor, poll_fn([](Context&) -> Poll<int> { return kPending; }));
  EXPECT_THAT(joiner.poll(handle), IsPending());
  park.on_unpark([&] { handle.abort(); });
  park.plan([&] {
    step("abort, while the executor sleeps");
    handle.abort();
  });
  executor.run();
  EXPECT_GE(park.unparks(), 1);
  EXPECT_THROW((void)joiner.poll(handle), Cancelled);
}

TEST(JoinHandle, AbortByTheTaskItselfTakesEffectAtItsNextPoll) {
  Bench b;
  TestTask joiner("joiner");
  std::optional<JoinHandle<void>> handle;
  int polls = 0;
  auto aborts = [&, token = b.futures.token()](Context&) -> Poll<void> {
    ++polls;
    handle->abort();
    EXPECT_EQ(b.futures.live(), 1) << "a future was destroyed in the middle of its poll";
    return kPending;
  };
  handle = spawn(b.executor(), poll_fn(std::move(aborts)));
  b.run();
  EXPECT_EQ(polls, 1);
  EXPECT_EQ(b.futures.live(), 0);
  EXPECT_THROW((void)joiner.poll(*handle), Cancelled);
}

TEST(JoinHandle, AnAbortDuringTheLastPollComesTooLate) {
  Bench b;
  TestTask joiner("joiner");
  std::optional<JoinHandle<int>> handle;
  handle = spawn(b.executor(), poll_fn([&](Context&) -> Poll<int> {
                   handle->abort();
                   return 7;
                 }));
  b.run();
  EXPECT_THAT(joiner.poll(*handle), IsReadyWith(7));
}

TEST(JoinHandle, AnAbortAfterTheEndDoesNothing) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([] { return 7; });
  b.gate.open();
  b.run();
  handle.abort();
  handle.abort();
  EXPECT_EQ(b.run(), 0U);
  EXPECT_THAT(joiner.poll(handle), IsReadyWith(7));
}

TEST(JoinHandle, AbortTwiceIsAbortOnce) {
  Bench b;
  TestTask joiner("joiner");
  auto handle = b.spawn([] { return 7; });
  b.run();
  EXPECT_THAT(joiner.poll(handle), IsPending());
  handle.abort();
  handle.abort();
  b.run();
  EXPECT_EQ(joiner.wakes(), 1);
  EXPECT_THROW((void)joiner.poll(handle), Cancelled);
}

TEST(JoinHandle, AnAbortedTaskThatNobodyJoinsIsDropped) {
  Bench b;
  {
    auto handle = b.spawn([] { return 7; });
    b.run();
    step("abort, and the handle is dropped");
    handle.abort();
  }
  b.run();
  EXPECT_EQ(b.futures.live(), 0);
  EXPECT_EQ(b.executor().alive(), 0U);
}

// --- The end of the executor --------------------------------------------------------------------

// Bug it is here for: a joiner that waits for a task which will never run again.
TEST(JoinHandle, TheEndOfTheExecutorIsCancelled) {
  Bench b;
  TestTask joiner("joiner");
  auto waiting = b.spawn([] { return 7; });
  b.run();
  EXPECT_THAT(joiner.poll(waiting), IsPending());
  auto queued = b.spawn([] { return 7; });
  b.destroy_executor();
  EXPECT_EQ(b.futures.live(), 0);
  EXPECT_EQ(joiner.wakes(), 1);
  EXPECT_THROW((void)joiner.poll(waiting), Cancelled);
  EXPECT_THROW((void)joiner.poll(queued), Cancelled);
}

TEST(JoinHandle, AHandleMayOutliveTheExecutor) {
  Bench b;
  TestTask joiner("joiner");
  auto ended = b.spawn([&] { return b.outputs.token(); });
  b.gate.open();
  b.run();
  auto never_run = b.spawn([] { return 7; });
  b.destroy_executor();
  never_run.abort();
  never_run.detach();
  EXPECT_TRUE(joiner.poll(ended).is_ready()) << "it ended before the executor did";
  EXPECT_EQ(b.outputs.live(), 0);
}

// Bug it is here for: a circle. The future holds the handle, the handle's state holds the task's
// waker, the waker holds the task, the task holds the future.
TEST(JoinHandle, AFutureThatHoldsItsOwnHandleIsNotLeaked) {
  Bench b;
  auto own = std::make_shared<std::optional<JoinHandle<void>>>();
  auto future = [own, token = b.futures.token()](Context&) -> Poll<void> { return kPending; };
  *own = spawn(b.executor(), poll_fn(std::move(future)));
  own.reset();
  b.run();
  EXPECT_EQ(b.futures.live(), 1);
  b.destroy_executor();
  EXPECT_EQ(b.futures.live(), 0);
}

// --- Another thread -----------------------------------------------------------------------------

TEST(JoinHandle, MayBeJoinedByAnotherThread) {
  Bench b;
  auto handle = b.spawn([] { return std::make_unique<int>(7); });
  std::unique_ptr<int> output;
  std::thread joiner([&] { output = rt::block_on(std::move(handle)); });
  b.gate.open();
  b.run();
  joiner.join();
  ASSERT_NE(output.get(), nullptr);
  EXPECT_EQ(*output, 7);
}

// --- run_until_stalled --------------------------------------------------------------------------

TEST(RunUntilStalled, RunsWhatCanBeRunAndSaysHowManyPollsItTook) {
  LocalExecutor executor;
  EXPECT_EQ(run_until_stalled(executor), 0U);
  int left = 3;
  auto ends = spawn(executor, poll_fn([&](Context& cx) -> Poll<void> {
                      if (--left == 0) return kReady;
                      cx.waker().wake_by_ref();
                      return kPending;
                    }));
  auto waits = spawn(executor, poll_fn([](Context&) -> Poll<void> { return kPending; }));
  EXPECT_EQ(run_until_stalled(executor), 4U);
  EXPECT_EQ(executor.alive(), 1U);
  EXPECT_EQ(run_until_stalled(executor), 0U);
}

}  // namespace
