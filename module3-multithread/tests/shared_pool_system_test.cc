// The pool with its threads. Where a test needs two of them at once, they wait for each other.
#include <atomic>
#include <barrier>
#include <csignal>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "rt/future/future.h"
#include "rt/runtime/block_on.h"
#include "rt/runtime/shared_pool.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::poll_fn;
using rt::SharedPool;
using testkit::LifeCounter;

// One type of future for all tasks: each new one costs compile time.
using Body = absl::AnyInvocable<Poll<void>(Context&)>;
void task(SharedPool& pool, Body body) { pool.spawn_detached(poll_fn(std::move(body))); }

TEST(SharedPool, NoWorkersIsAnErrorAndOneIsEnough) {
  EXPECT_THROW(SharedPool(0), std::invalid_argument);
  std::barrier<> done(2);  // Before the pool: a worker may be the last to leave it.
  SharedPool pool(1);
  task(pool, [&done](Context&) -> Poll<void> {
    done.arrive_and_wait();
    return kReady;
  });
  done.arrive_and_wait();
}

// Bug it is here for: memory for each of a trillion workers, until the machine has no more.
TEST(SharedPool, TooManyWorkersIsAnErrorThatSaysHowManyItMayHave) {
  for (const std::size_t workers :
       {SharedPool::kMostWorkers + 1, std::size_t{1} << 40, ~std::size_t{0}}) {
    try {
      SharedPool pool(workers);
      ADD_FAILURE() << workers;
    } catch (const std::invalid_argument& error) {
      EXPECT_EQ(std::string(error.what()),
                "SharedPool: " + std::to_string(workers) + " workers; it may have 32768 at most");
    }
  }
  SharedPool(1).block_on(poll_fn([](Context&) -> Poll<void> { return kReady; }));
}

// Bug it is here for: a worker that sleeps is not told that it is over.
TEST(SharedPool, EndsWithWorkersThatSleep) {
  for (const std::size_t workers : {1u, 4u}) {
    SharedPool pool(workers);
    pool.block_on(poll_fn([](Context&) -> Poll<void> { return kReady; }));
  }
}

// Bug it is here for: whatever comes, one worker is roused, and it runs one task after the other.
// Here each task waits for the others.
TEST(SharedPool, TasksRunAtTheSameTime) {
  constexpr int kWorkers = 3;
  std::barrier<> together(kWorkers + 1);
  SharedPool pool(kWorkers);
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < kWorkers; ++i) {
      task(pool, [&together](Context&) -> Poll<void> {
        together.arrive_and_wait();
        return kReady;
      });
    }
    together.arrive_and_wait();
  }
}

TEST(SharedPool, BlockOnPollsOnTheCallersThread) {
  SharedPool pool(2);
  const std::thread::id caller = std::this_thread::get_id();
  int polls = 0;
  const int answer = pool.block_on(poll_fn([&](Context& cx) -> Poll<int> {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_EQ(rt::current_scheduler(), &pool);
    if (++polls == 3) return 42;
    // Wakes us from a worker.
    task(pool, [waker = cx.waker().clone(), caller](Context&) -> Poll<void> {
      EXPECT_NE(std::this_thread::get_id(), caller);
      waker.wake_by_ref();
      return kReady;
    });
    return kPending;
  }));
  EXPECT_EQ(answer, 42);
  EXPECT_EQ(rt::current_scheduler(), nullptr);
  EXPECT_THROW(pool.block_on(poll_fn(
                   [](Context&) -> Poll<void> { throw std::runtime_error("of the future"); })),
               std::runtime_error);
  EXPECT_EQ(rt::current_scheduler(), nullptr);
}

// A worker that blocks runs nobody else: so it is told.
TEST(SharedPool, BlockOnInsideATaskIsAnError) {
  SharedPool pool(1);
  std::string errors;
  pool.block_on(poll_fn([&, polls = 0](Context& cx) mutable -> Poll<void> {
    if (++polls == 2) return kReady;
    task(pool, [&, waker = cx.waker().clone()](Context&) -> Poll<void> {
      const auto nothing = [](Context&) -> Poll<void> { return kReady; };
      try {
        pool.block_on(poll_fn(nothing));
      } catch (const std::logic_error& e) {
        errors = e.what();
      }
      EXPECT_THROW(rt::block_on(poll_fn(nothing)), std::logic_error);
      waker.wake_by_ref();
      return kReady;
    });
    return kPending;
  }));
  EXPECT_TRUE(errors.starts_with("block_on: this thread runs the tasks")) << errors;
}

// Bug it is here for: shutdown() returns while a poll is under way, and what that poll uses goes.
TEST(SharedPool, ShutdownWaitsForThePollThatIsUnderWay) {
  auto pool = std::make_unique<SharedPool>(1);
  std::barrier<> begun(2), go(2);
  std::atomic<bool> over{false};
  LifeCounter life;
  {
    auto long_poll = [&, token = life.token()](Context&) -> Poll<void> {
      begun.arrive_and_wait();
      go.arrive_and_wait();
      EXPECT_FALSE(over.load());
      return kPending;
    };
    task(*pool, std::move(long_poll));
  }
  begun.arrive_and_wait();
  std::thread other([&] {
    pool->shutdown();
    over.store(true);
  });
  go.arrive_and_wait();
  pool->shutdown();  // Of two that call it each returns when it is over.
  EXPECT_EQ(life.live(), 0);
  other.join();
}

// Bug it is here for: it would wait for itself, or be gone while its block_on() goes on.
TEST(SharedPoolDeathTest, DestroyedInOneOfItsTasksOrInItsBlockOnEndsTheProgram) {
  constexpr char kMessage[] = "rt::SharedPool: destroyed inside one of its own tasks";
  EXPECT_DEATH(
      {
        std::signal(SIGABRT, SIG_DFL);  // The end is what is wanted, and no report of a crash.
        auto pool = std::make_unique<SharedPool>(1);
        task(*pool, [&pool](Context&) -> Poll<void> {
          pool.reset();
          return kReady;
        });
        rt::block_on(poll_fn([](Context&) -> Poll<void> { return kPending; }));
      },
      kMessage);
  EXPECT_DEATH(
      {
        std::signal(SIGABRT, SIG_DFL);
        auto pool = std::make_unique<SharedPool>(1);
        pool->block_on(poll_fn([&pool](Context&) -> Poll<void> {
          pool.reset();
          return kReady;
        }));
      },
      kMessage);
}

}  // namespace
