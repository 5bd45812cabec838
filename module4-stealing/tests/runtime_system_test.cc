// The runtime with its threads, sockets and timers. Where a test needs two threads at a certain
// place, they wait for each other.
#include <pthread.h>

#include <atomic>
#include <barrier>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <exception>
#include <functional>
#include <latch>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rt/driver/driver_handle.h"
#include "rt/future/async.h"
#include "rt/future/future.h"
#include "rt/platform/clock.h"
#include "rt/runtime/block_on.h"
#include "rt/runtime/runtime.h"
#include "rt/task/spawn.h"
#include "rt/time/sleep.h"
#include "testkit/testkit.h"

namespace {

using rt::Async;
using rt::Context;
using rt::JoinHandle;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::poll_fn;
using rt::Runtime;
using testkit::LifeCounter;

std::unique_ptr<Runtime> make(std::size_t workers = 2) { return Runtime::create(workers).value(); }

// One type of future for all tasks: each new one costs compile time.
using Body = absl::AnyInvocable<Poll<void>(Context&)>;
void task(Runtime& runtime, Body body) { runtime.spawn_detached(poll_fn(std::move(body))); }

Async<int> answer() { co_return 42; }
Async<> join_it(JoinHandle<void> handle) { co_await std::move(handle); }
Async<> wait_for_ever(testkit::Token) { co_await rt::sleep(absl::Hours(1'000)); }

// --- Building ------------------------------------------------------------------------------------

TEST(RuntimeBuilder, SaysWhichNumberIsNone) {
  const auto what = [](const Runtime::Builder& builder) {
    return std::string(builder.build().status().message());
  };
  EXPECT_EQ(what(Runtime::Builder().worker_threads(0)),
            "Runtime: worker_threads is 0; it needs one or more");
  EXPECT_EQ(what(Runtime::Builder().max_blocking_threads(0)),
            "Runtime: max_blocking_threads is 0; it needs one or more");
  EXPECT_EQ(what(Runtime::Builder().global_queue_interval(0)),
            "Runtime: global_queue_interval is 0; it needs one or more");
  EXPECT_EQ(what(Runtime::Builder().event_interval(0)),
            "Runtime: event_interval is 0; it needs one or more");
  EXPECT_EQ(what(Runtime::Builder()), "");
}

// Bug it is here for: memory for each of a trillion workers, until the machine has no more.
TEST(RuntimeBuilder, SaysWhichNumberIsTooLargeAndWhatItMayBe) {
  const auto what = [](const Runtime::Builder& builder) {
    const absl::Status status = builder.build().status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  static_assert(Runtime::Builder::kMostThreads == 32'768);
  EXPECT_EQ(what(Runtime::Builder().worker_threads(32'769)),
            "Runtime: worker_threads is 32769; it may be 32768 at most");
  EXPECT_EQ(what(Runtime::Builder().worker_threads(std::size_t{1} << 40)),
            "Runtime: worker_threads is 1099511627776; it may be 32768 at most");
  EXPECT_EQ(what(Runtime::Builder().worker_threads(std::numeric_limits<std::size_t>::max())),
            "Runtime: worker_threads is 18446744073709551615; it may be 32768 at most");
  EXPECT_EQ(what(Runtime::Builder().max_blocking_threads(std::size_t{1} << 40)),
            "Runtime: max_blocking_threads is 1099511627776; it may be 32768 at most");
  EXPECT_TRUE(absl::IsInvalidArgument(Runtime::create(std::size_t{1} << 40).status()));
  EXPECT_TRUE(Runtime::Builder().worker_threads(1).max_blocking_threads(32'768).build().ok());
}

TEST(RuntimeBuilder, NamesItsThreadsAndCallsTheHooksOnThem) {
  std::mutex mutex;
  std::multiset<std::string> started, stopped;  // Guarded by the mutex.
  const auto note = [&mutex](std::multiset<std::string>& names) {
    char name[32] = "";
    ::pthread_getname_np(::pthread_self(), name, sizeof name);
    EXPECT_EQ(rt::current_scheduler(), nullptr);
    const std::lock_guard lock(mutex);
    names.emplace(name);
  };
  Runtime::Builder builder;
  builder.worker_threads(2).thread_name("a very long name");
  builder.on_thread_start([&] { note(started); }).on_thread_stop([&] { note(stopped); });
  std::unique_ptr<Runtime> runtime = builder.build().value();
  EXPECT_EQ(runtime->block_on(runtime->spawn(answer())), 42);
  runtime.reset();
  EXPECT_EQ(started, (std::multiset<std::string>{"a very long n 0", "a very long n 1"}));
  EXPECT_EQ(stopped, started);
}

// Bug it is here for: a start that fails half-way leaves the first threads behind, or waits for
// those that never were.
TEST(RuntimeBuilder, AStartThatFailsHalfWayEndsWhatWasStarted) {
  for (const int fails_at : {0, 2}) {
    int starts = 0;
    std::atomic<int> stops{0};
    const auto built = Runtime::Builder()
                           .worker_threads(4)
                           .on_thread_stop([&] { stops.fetch_add(1); })
                           .start_thread([&](std::function<void()> body) {
                             if (starts == fails_at) {
                               throw std::system_error(EAGAIN, std::generic_category());
                             }
                             ++starts;
                             return std::thread(std::move(body));
                           })
                           .build();
    ASSERT_FALSE(built.ok());
    EXPECT_EQ(std::string(built.status().message()), "Runtime: start worker " +
                                                         std::to_string(fails_at + 1) +
                                                         " of 4: Resource temporarily unavailable");
    EXPECT_EQ(stops.load(), fails_at);
  }
}

// With an interval of one, what comes from outside is before what the worker has of its own.
TEST(RuntimeBuilder, ItsNumbersReachTheWorkers) {
  std::string diary;  // Of one worker.
  std::latch begun(1), go(1), done(2);
  const std::unique_ptr<Runtime> runtime =
      Runtime::Builder().worker_threads(1).global_queue_interval(1).build().value();
  const auto spawn = [&](char name) {
    task(*runtime, [&diary, &done, name](Context&) -> Poll<void> {
      diary += name;
      done.count_down();
      return kReady;
    });
  };
  task(*runtime, [&](Context&) -> Poll<void> {
    spawn('b');
    begun.count_down();
    go.wait();
    return kReady;
  });
  begun.wait();
  spawn('a');
  go.count_down();
  done.wait();
  runtime->shutdown();
  EXPECT_EQ(diary, "ab");
}

// The runtime was made before: its ticks must not lie between those of the paused clock. An advance
// by the length of a sleep ends it, also if the sleep had begun.
TEST(RuntimeBuilder, MayStartWithThePausedClock) {
  const std::unique_ptr<Runtime> runtime =
      Runtime::Builder().worker_threads(2).start_paused(true).build().value();
  EXPECT_TRUE(rt::clock::is_paused());
  const rt::Instant before = rt::clock::now();
  std::latch sleeps(1);
  rt::Sleep sleep = rt::sleep(absl::Hours(1));
  JoinHandle<void> sleeper = runtime->spawn(poll_fn([&](Context& cx) -> Poll<void> {
    const Poll<void> polled = sleep.poll(cx);
    if (polled.is_pending()) sleeps.count_down();
    return polled;
  }));
  sleeps.wait();
  rt::clock::advance(absl::Hours(1));
  runtime->block_on(std::move(sleeper));
  EXPECT_EQ(rt::clock::now() - before, absl::Hours(1));
  rt::clock::resume();
}

// Bugs it is here for: a detached task fails, and nobody ever hears of it; or a joiner hears of it,
// and the hook does too.
TEST(RuntimeBuilder, TellsTheHookWhatTasksThrowThatNobodyJoins) {
  const auto throwing = [](const char* what) {
    return poll_fn([what](Context&) -> Poll<void> { throw std::runtime_error(what); });
  };
  std::mutex mutex;
  std::multiset<std::string> unheard;  // Guarded by the mutex.
  const auto note = [&](std::exception_ptr thrown) {
    try {
      std::rethrow_exception(std::move(thrown));
    } catch (const std::exception& error) {
      const std::lock_guard lock(mutex);
      unheard.insert(error.what());
    }
  };
  {
    const std::unique_ptr<Runtime> runtime =
        Runtime::Builder().worker_threads(2).on_unhandled_exception(note).build().value();
    runtime->spawn_detached(throwing("detached"));
    runtime->spawn(throwing("dropped")).detach();
    JoinHandle<void> joined = runtime->spawn(throwing("joined"));
    JoinHandle<void> ended = runtime->spawn(throwing("dropped late"));
    JoinHandle<void> aborted =
        runtime->spawn(poll_fn([](Context&) -> Poll<void> { return kPending; }));
    aborted.abort();
    // Throws Cancelled at its end, since it joins the aborted one: that is no failure.
    runtime->spawn(join_it(std::move(aborted))).detach();
    EXPECT_THROW(runtime->block_on(std::move(joined)), std::runtime_error);
    while (runtime->alive() > 0) std::this_thread::yield();
    ended.detach();
  }
  EXPECT_EQ(unheard, (std::multiset<std::string>{"detached", "dropped", "dropped late"}));
}

TEST(RuntimeBuilder, WithoutAHookAnExceptionThatNobodyJoinsIsALineOnStderr) {
  make(1)->shutdown();  // An exercise that is not written says so here.
  testing::internal::CaptureStderr();
  {
    const std::unique_ptr<Runtime> runtime = make(1);
    task(*runtime, [](Context&) -> Poll<void> { throw std::runtime_error("of nobody"); });
    while (runtime->alive() > 0) std::this_thread::yield();
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "rt: a task that nobody joins has thrown an exception: of nobody\n");
}

// --- Who runs what -------------------------------------------------------------------------------

TEST(RuntimeSystem, TasksRunAtTheSameTime) {
  constexpr int kWorkers = 3;
  std::barrier<> together(kWorkers + 1);
  const std::unique_ptr<Runtime> runtime = make(kWorkers);
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < kWorkers; ++i) {
      task(*runtime, [&together](Context&) -> Poll<void> {
        together.arrive_and_wait();
        return kReady;
      });
    }
    together.arrive_and_wait();
  }
}

// Bug it is here for: what a worker has spawned waits for that worker, while others have nothing to
// do. Each of the tasks waits for all.
TEST(RuntimeSystem, WhatOneTaskSpawnsIsStolen) {
  constexpr int kWorkers = 3;
  std::barrier<> together(kWorkers);
  const std::unique_ptr<Runtime> runtime = make(kWorkers);
  const auto meet = [&]() -> Async<> {
    together.arrive_and_wait();
    co_return;
  };
  const auto spawn_all = [&]() -> Async<> {
    std::vector<JoinHandle<void>> tasks;
    // One more: the last to be spawned stands in the slot, where nobody takes it, until we await.
    for (int i = 0; i < kWorkers; ++i) tasks.push_back(rt::spawn(meet()));
    for (JoinHandle<void>& one : tasks) co_await std::move(one);
  };
  for (int round = 0; round < 20; ++round) runtime->block_on(runtime->spawn(spawn_all()));
}

TEST(RuntimeSystem, BlockOnPollsOnTheCallersThread) {
  const std::unique_ptr<Runtime> runtime = make();
  const std::thread::id caller = std::this_thread::get_id();
  int polls = 0;
  const int got = runtime->block_on(poll_fn([&](Context& cx) -> Poll<int> {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_NE(rt::current_scheduler(), nullptr);
    EXPECT_EQ(&rt::current_driver(), &runtime->driver());
    if (++polls == 3) return 42;
    task(*runtime, [waker = cx.waker().clone(), caller](Context&) -> Poll<void> {
      EXPECT_NE(std::this_thread::get_id(), caller);
      waker.wake_by_ref();
      return kReady;
    });
    return kPending;
  }));
  EXPECT_EQ(got, 42);
  EXPECT_EQ(rt::current_scheduler(), nullptr);
  const auto throws = [](Context&) -> Poll<void> { throw std::runtime_error("of the future"); };
  EXPECT_THROW(runtime->block_on(poll_fn(throws)), std::runtime_error);
  EXPECT_EQ(rt::current_scheduler(), nullptr);
}

TEST(RuntimeSystem, WaitingInsideATaskIsAnError) {
  const std::unique_ptr<Runtime> runtime = make(1);
  std::string block_on, shutdown;
  const auto wait = [&]() -> Async<> {
    try {
      runtime->block_on(answer());
    } catch (const std::logic_error& error) {
      block_on = error.what();
    }
    try {
      runtime->shutdown();
    } catch (const std::logic_error& error) {
      shutdown = error.what();
    }
    co_return;
  };
  runtime->block_on(runtime->spawn(wait()));
  EXPECT_TRUE(block_on.starts_with("block_on: this thread runs the tasks")) << block_on;
  EXPECT_TRUE(shutdown.starts_with("shutdown: a task of this runtime")) << shutdown;
  EXPECT_EQ(runtime->block_on(runtime->spawn(answer())), 42) << "the runtime has gone on";
}

TEST(RuntimeSystem, AJoinHandleMayBeAwaitedAnywhere) {
  const std::unique_ptr<Runtime> runtime = make(), other = make();
  EXPECT_EQ(other->block_on(runtime->spawn(answer())), 42);
  EXPECT_EQ(rt::block_on(runtime->spawn(answer())), 42) << "outside of any runtime";
  EXPECT_EQ(other->block_on(other->spawn(runtime->spawn(answer()))), 42) << "by a task of another";
}

// --- Handles -------------------------------------------------------------------------------------

TEST(RuntimeHandle, SpawnsFromAnyThread) {
  const std::unique_ptr<Runtime> runtime = make();
  int got = 0;
  std::thread([&got, handle = runtime->handle()] {
    const Runtime::Handle copy(handle);
    got = rt::block_on(copy.spawn(answer()));
  }).join();
  EXPECT_EQ(got, 42);
}

// Bug it is here for: a handle that points to what is gone.
TEST(RuntimeHandle, OutlivesItsRuntime) {
  LifeCounter life;
  std::optional<Runtime::Handle> handle;
  {
    const std::unique_ptr<Runtime> runtime = make();
    handle.emplace(runtime->handle());
  }
  JoinHandle<void> late = handle->spawn(wait_for_ever(life.token()));
  EXPECT_EQ(life.live(), 0);
  EXPECT_THROW(rt::block_on(std::move(late)), rt::Cancelled);
  EXPECT_EQ(handle->alive(), 0u);
}

// Bug it is here for: a task that has a handle of its own runtime keeps it for ever.
TEST(RuntimeHandle, MayBelongToATask) {
  LifeCounter life;
  std::optional<JoinHandle<Runtime::Handle>> output;
  {
    const std::unique_ptr<Runtime> runtime = make();
    const auto keep = [](Runtime::Handle mine, testkit::Token token) -> Async<> {
      co_await mine.spawn(wait_for_ever(std::move(token)));
    };
    runtime->spawn_detached(keep(runtime->handle(), life.token()));
    const auto give = [](Runtime::Handle mine) -> Async<Runtime::Handle> { co_return mine; };
    output.emplace(runtime->spawn(give(runtime->handle())));
    runtime->block_on(runtime->spawn(answer()));
  }
  EXPECT_EQ(life.live(), 0);
  output.reset();  // With it goes the last that is left of the runtime.
}

// --- The end -------------------------------------------------------------------------------------

// Bug it is here for: a handle whose task is neither run nor dropped waits for ever.
TEST(RuntimeEnd, TasksThatAreLeftOrComeTooLateAreCancelled) {
  LifeCounter life;
  const std::unique_ptr<Runtime> runtime = make();
  std::vector<JoinHandle<void>> left;
  for (int i = 0; i < 10; ++i) left.push_back(runtime->spawn(wait_for_ever(life.token())));
  runtime->shutdown();
  EXPECT_EQ(life.live(), 0);
  left.push_back(runtime->spawn(wait_for_ever(life.token())));
  EXPECT_EQ(life.live(), 0);
  for (JoinHandle<void>& handle : left) {
    EXPECT_THROW(rt::block_on(std::move(handle)), rt::Cancelled);
  }
  runtime->shutdown();
  EXPECT_TRUE(runtime->shutdown_for(absl::ZeroDuration()));
}

// Bug it is here for: shutdown() returns while a poll is under way, and what that poll uses goes.
TEST(RuntimeEnd, ShutdownWaitsForThePollThatIsUnderWay) {
  const std::unique_ptr<Runtime> runtime = make();
  std::barrier<> begun(2), go(2);
  std::atomic<bool> over{false};
  LifeCounter life;
  task(*runtime, [&, token = life.token()](Context&) -> Poll<void> {
    begun.arrive_and_wait();
    go.arrive_and_wait();
    EXPECT_FALSE(over.load());
    return kPending;
  });
  begun.arrive_and_wait();
  std::thread other([&] {
    runtime->shutdown();
    over.store(true);
  });
  go.arrive_and_wait();
  runtime->shutdown();  // Of two that call it each returns when it is over.
  EXPECT_EQ(life.live(), 0);
  other.join();
}

// Bugs it is here for: the deadline passes, and the destructor waits all the same; or nobody drops
// the tasks any more, and nobody frees what the workers use.
TEST(RuntimeEnd, ATaskThatHogsItsWorkerIsLeftToItself) {
  const testkit::PausedClock clock;
  LifeCounter life;
  std::latch begun(1), go(1), threads_gone(2);
  // Waited for by name: these threads are nobody's in the end.
  const auto start_thread = [&](std::function<void()> body) {
    return std::thread([body = std::move(body), &threads_gone]() mutable {
      body();
      body = nullptr;
      threads_gone.count_down();
    });
  };
  std::unique_ptr<Runtime> runtime =
      Runtime::Builder().worker_threads(2).start_thread(start_thread).build().value();
  const Runtime::Handle handle = runtime->handle();
  JoinHandle<void> waits = runtime->spawn(wait_for_ever(life.token()));
  task(*runtime, [&, token = life.token()](Context&) -> Poll<void> {
    begun.count_down();
    go.wait();
    return kPending;
  });
  begun.wait();
  std::optional<bool> ended;
  std::thread owner([&] {
    ended = runtime->shutdown_for(absl::Seconds(10));
    runtime.reset();
  });
  while (rt::clock::sleepers() == 0) std::this_thread::yield();
  rt::clock::advance(absl::Seconds(9));
  while (rt::clock::sleepers() == 0) std::this_thread::yield();
  EXPECT_FALSE(ended.has_value());
  rt::clock::advance(absl::Seconds(1));
  owner.join();
  EXPECT_EQ(ended, false);
  EXPECT_EQ(life.live(), 2) << "the worker is still there";
  go.count_down();
  threads_gone.wait();
  EXPECT_EQ(life.live(), 0);
  EXPECT_THROW(rt::block_on(std::move(waits)), rt::Cancelled);
}

TEST(RuntimeEnd, ADeadlineThatIsNotNeeded) {
  const testkit::PausedClock clock;
  LifeCounter life;
  const std::unique_ptr<Runtime> runtime = make();
  runtime->spawn_detached(wait_for_ever(life.token()));
  EXPECT_TRUE(runtime->shutdown_for(absl::Seconds(1)));
  EXPECT_EQ(life.live(), 0);
}

// Bug it is here for: a task is dropped where no driver is entered, or after it has gone.
TEST(RuntimeEnd, TasksAreDroppedInsideTheirRuntime) {
  struct LooksInItsEnd {
    explicit LooksInItsEnd(std::atomic<int>& s) noexcept : seen(&s) {}
    LooksInItsEnd(LooksInItsEnd&& other) noexcept : seen(std::exchange(other.seen, nullptr)) {}
    ~LooksInItsEnd() {
      if (seen == nullptr) return;
      rt::current_driver();
      rt::spawn(answer()).detach();
      seen->fetch_add(1);
    }
    std::atomic<int>* seen;
  };
  std::atomic<int> seen{0};
  {
    const std::unique_ptr<Runtime> runtime = make();
    for (int i = 0; i < 4; ++i) {
      task(*runtime, [mine = LooksInItsEnd(seen)](Context&) -> Poll<void> { return kPending; });
    }
  }
  EXPECT_EQ(seen.load(), 4);
}

// Bug it is here for: it would wait for itself.
TEST(RuntimeEnd, InsideOneOfItsOwnTasksEndsTheProgram) {
  make(1)->shutdown();  // An exercise that is not written ends here, and not in the other process.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        std::signal(SIGABRT, SIG_DFL);  // The end is what is wanted, and no report of a crash.
        std::unique_ptr<Runtime> runtime = make(1);
        task(*runtime, [&runtime](Context&) -> Poll<void> {
          runtime.reset();
          return kReady;
        });
        rt::block_on(poll_fn([](Context&) -> Poll<void> { return kPending; }));
      },
      "destroyed inside one of its own tasks");
}

// Bug it is here for: block_on() goes on with a runtime that is gone.
TEST(RuntimeEnd, InsideItsOwnBlockOnEndsTheProgram) {
  make(1)->shutdown();
  EXPECT_DEATH(
      {
        std::signal(SIGABRT, SIG_DFL);
        std::unique_ptr<Runtime> runtime = make(1);
        runtime->block_on(poll_fn([&runtime](Context&) -> Poll<void> {
          runtime.reset();
          return kReady;
        }));
      },
      "rt::Runtime: destroyed inside one of its own tasks, or in its own block_on");
}

// Bugs it is here for: a leak, a hang, or a use after the end, in a combination of states that
// nobody has thought of.
TEST(RuntimeEnd, AThousandRuntimesWithTasksInEveryState) {
  constexpr int kRounds = 1'000;
  LifeCounter life;
  for (int round = 0; round < kRounds; ++round) {
    const std::unique_ptr<Runtime> runtime = make(1 + static_cast<std::size_t>(round % 2));
    JoinHandle<void> joined = runtime->spawn(wait_for_ever(life.token()));
    const auto busy = [](testkit::Token token, int depth, auto& self) -> Async<> {
      if (depth == 0) co_return;
      JoinHandle<void> left = rt::spawn(self(token, depth - 1, self));
      JoinHandle<void> right = rt::spawn(self(token, depth - 1, self));
      rt::spawn(wait_for_ever(token)).detach();
      co_await std::move(left);
      co_await std::move(right);
    };
    JoinHandle<void> tree = runtime->spawn(busy(life.token(), 3, busy));
    std::thread outside([&life, handle = runtime->handle()] {
      for (int i = 0; i < 4; ++i) handle.spawn_detached(wait_for_ever(life.token()));
    });
    if (round % 3 == 0) runtime->block_on(std::move(tree));
    runtime->shutdown();
    outside.join();
    ASSERT_EQ(life.live(), 0) << "round " << round;
  }
  EXPECT_EQ(life.destroyed_twice(), 0);
}

}  // namespace
