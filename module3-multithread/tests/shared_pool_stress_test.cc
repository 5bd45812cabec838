// Real threads, for ThreadSanitizer: tasks, wakes and the end of the pool from everywhere at once.
// It counts, and never measures a time. A task that is left in the queue is a hang.
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "rt/future/future.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "rt/runtime/shared_pool.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::poll_fn;
using rt::SharedPool;
using rt::Waker;
using testkit::LifeCounter;

constexpr std::size_t kThreads = 3;

// A number that tasks and threads count down, and that block_on() waits for.
class Countdown {
 public:
  using Output = void;

  explicit Countdown(int count) : left_(count) {}

  // The last one touches nothing of this object once poll() may say that it is ready.
  void count() {
    std::optional<Waker> waker;
    {
      const rt::sync::Lock lock(mutex_);
      if (--left_ > 0) return;
      waker.swap(waker_);
    }
    if (waker.has_value()) std::move(*waker).wake();
  }

  Poll<void> poll(Context& cx) {
    const rt::sync::Lock lock(mutex_);
    if (left_ == 0) return kReady;
    waker_.emplace(cx.waker().clone());
    return kPending;
  }

 private:
  rt::sync::Mutex mutex_;
  int left_;
  std::optional<Waker> waker_;
};

void wait_for(SharedPool& pool, Countdown& countdown) {
  pool.block_on(poll_fn([&countdown](Context& cx) { return countdown.poll(cx); }));
}

// Bugs it is here for: a task that is lost, or run twice; a worker that sleeps beside a task.
TEST(SharedPoolStress, EveryTaskRunsOnce) {
  constexpr int kTasks = 1'500;  // For each thread; each spawns another.
  SharedPool pool(kThreads);
  Countdown done(static_cast<int>(kThreads) * kTasks * 2);
  std::deque<std::atomic<int>> runs(kThreads * kTasks);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < kTasks; ++i) {
        std::atomic<int>& mine = runs[t * kTasks + i];
        pool.spawn_detached(poll_fn([&](Context&) -> Poll<void> {
          mine.fetch_add(1);
          pool.spawn_detached(poll_fn([&](Context&) -> Poll<void> {
            done.count();
            return kReady;
          }));
          done.count();
          return kReady;
        }));
      }
    });
  }
  wait_for(pool, done);
  for (std::thread& thread : threads) thread.join();
  for (const std::atomic<int>& run : runs) ASSERT_EQ(run.load(), 1);
}

// Bug it is here for: the sleep that begins when the last task is taken and the next is not yet
// there. One task at a time, so that workers fall asleep and are woken all the time.
TEST(SharedPoolStress, NoTaskIsLeftWhileAWorkerSleeps) {
  constexpr int kRounds = 1'500;
  SharedPool pool(2);
  for (int round = 0; round < kRounds; ++round) {
    Countdown done(1);
    pool.spawn_detached(poll_fn([&done](Context&) -> Poll<void> {
      done.count();
      return kReady;
    }));
    wait_for(pool, done);
  }
}

// Bug it is here for: a wake during the poll, by another thread. A task must not be polled by two
// workers, nor stay asleep. The counter has no lock: ThreadSanitizer sees two polls at once.
TEST(SharedPoolStress, ATaskIsPolledByOneWorkerAtATime) {
  constexpr int kWakes = 1'000;
  SharedPool pool(kThreads);
  Countdown done(1);
  std::atomic<int> wakes{0};
  std::atomic<bool> has_waker{false};
  std::optional<Waker> waker;
  int polls = 0;  // No atomic.
  pool.spawn_detached(poll_fn([&](Context& cx) -> Poll<void> {
    if (polls++ == 0) {
      waker.emplace(cx.waker().clone());
      has_waker.store(true);
    }
    if (wakes.load() < static_cast<int>(kThreads) * kWakes) return kPending;
    done.count();
    return kReady;
  }));
  while (!has_waker.load()) std::this_thread::yield();
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&wakes, mine = waker->clone()] {
      for (int i = 0; i < kWakes; ++i) {
        wakes.fetch_add(1);
        mine.wake_by_ref();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  wait_for(pool, done);
  pool.shutdown();
  EXPECT_LE(polls, wakes.load() + 1);
}

// Bugs it is here for: a task that is spawned while the pool ends, and is neither run nor dropped;
// or both.
TEST(SharedPoolStress, SpawnsRaceWithTheShutdown) {
  constexpr int kRounds = 60;
  constexpr int kTasks = 40;
  for (int round = 0; round < kRounds; ++round) {
    LifeCounter life;
    SharedPool pool(2);
    std::atomic<std::size_t> begun{0};
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        begun.fetch_add(1);
        for (int i = 0; i < kTasks; ++i) {
          auto task = [token = life.token(), ends = i % 2 == 0](Context&) -> Poll<void> {
            if (ends) return kReady;
            return kPending;
          };
          pool.spawn_detached(poll_fn(std::move(task)));
        }
      });
    }
    while (begun.load() < 2) std::this_thread::yield();
    pool.shutdown();
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(life.live(), 0);
    EXPECT_EQ(life.destroyed_twice(), 0);
    EXPECT_EQ(pool.alive(), 0u);
  }
}

// Bug it is here for: futures are dropped without an order after what came before shutdown(), or
// before what comes after it in the other thread that waits there. What their destructors read and
// write has no lock: ThreadSanitizer sees the race.
TEST(SharedPoolStress, DroppedFuturesSeeWhatCameBeforeTheShutdown) {
  constexpr int kRounds = 40;
  for (int round = 0; round < kRounds; ++round) {
    int written = 0;  // No atomic, as the next.
    int seen = 0;
    SharedPool pool(2);
    std::atomic<int> busy{0};
    for (int i = 0; i < 2; ++i) {
      pool.spawn_detached(poll_fn([&busy, begun = false](Context& cx) mutable -> Poll<void> {
        if (!std::exchange(begun, true)) busy.fetch_add(1);
        cx.waker().wake_by_ref();
        return kPending;
      }));
    }
    pool.spawn_detached(poll_fn([looks = absl::MakeCleanup([&] { seen = written; })](
                                    Context&) -> Poll<void> { return kPending; }));
    while (busy.load() < 2) std::this_thread::yield();
    written = 42;
    std::thread other([&] {
      pool.shutdown();
      EXPECT_EQ(seen, 42);
    });
    pool.shutdown();
    EXPECT_EQ(seen, 42);
    other.join();
  }
}

// Bug it is here for: a wake that is still on its way when the pool goes. What it needs of the pool
// goes with the last task, and not before.
TEST(SharedPoolStress, WakesRaceWithTheEndOfThePool) {
  constexpr int kRounds = 200;
  for (int round = 0; round < kRounds; ++round) {
    auto pool = std::make_unique<SharedPool>(1);
    std::atomic<bool> has_waker{false};
    std::optional<Waker> waker;
    pool->spawn_detached(poll_fn([&](Context& cx) -> Poll<void> {
      if (has_waker.load()) return kReady;
      waker.emplace(cx.waker().clone());
      has_waker.store(true);
      return kPending;
    }));
    while (!has_waker.load()) std::this_thread::yield();
    std::thread other([mine = std::move(waker)]() mutable { std::move(*mine).wake(); });
    if (round % 2 == 0) std::this_thread::yield();
    pool.reset();
    other.join();
  }
}

}  // namespace
