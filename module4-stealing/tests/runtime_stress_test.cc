// Real threads, for ThreadSanitizer: tasks, wakes and the end of the scheduler from everywhere at
// once. It counts, and never measures a time. A task that is left in a queue is a hang.
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/functional/any_invocable.h"
#include "rt/future/future.h"
#include "rt/future/waker.h"
#include "rt/platform/parker.h"
#include "rt/runtime/stealing_scheduler.h"
#include "rt/runtime/worker_parks.h"
#include "rt/runtime/worker_shared.h"
#include "rt/task/spawn.h"
#include "rt/task/task_cell.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::StealingScheduler;
using rt::Waker;
using testkit::LifeCounter;

constexpr std::size_t kWorkers = 3;

// One type of future for all tasks: each new one costs compile time.
using Body = absl::AnyInvocable<Poll<void>(Context&)>;

// A scheduler with threads.
class Pool {
 public:
  explicit Pool(std::size_t workers)
      : scheduler_(new StealingScheduler(workers, std::make_unique<rt::PlainParks>(workers))) {
    for (std::size_t i = 0; i < workers; ++i) {
      threads_.emplace_back([this, i] {
        if (scheduler_->work(i)) ends_.fetch_add(1);
      });
    }
  }
  ~Pool() {
    shutdown();
    scheduler_->leave();
  }

  // How many workers were the last.
  int shutdown() {
    scheduler_->close();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    return ends_.load();
  }
  void spawn(Body body) {
    auto future = rt::poll_fn(std::move(body));
    rt::NewTask task =
        rt::TaskCell::create(&future, rt::kFutureVTable<decltype(future)>, *scheduler_, false);
    scheduler_->spawn(std::move(task.owned), std::move(task.scheduled));
  }
  std::size_t alive() const { return scheduler_->alive(); }

 private:
  StealingScheduler* const scheduler_;
  std::atomic<int> ends_{0};
  std::vector<std::thread> threads_;
};

// A number that tasks count down, and that a thread waits for.
class Countdown {
 public:
  explicit Countdown(int count) : left_(count) {}
  void count() {
    if (left_.fetch_sub(1) == 1) parker_.unpark();
  }
  void wait() { parker_.park(); }

 private:
  std::atomic<int> left_;
  rt::Parker parker_;
};

// Bugs it is here for: a task that is lost, or run twice, where it goes from outside to a worker
// and from that to another.
TEST(RuntimeStress, EveryTaskRunsOnce) {
  constexpr int kTasks = 400;  // For each thread; each spawns four.
  Countdown done(static_cast<int>(kWorkers) * kTasks * 5);
  std::deque<std::atomic<int>> runs(kWorkers * kTasks);
  Pool pool(kWorkers);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kWorkers; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < kTasks; ++i) {
        std::atomic<int>& mine = runs[t * kTasks + i];
        pool.spawn([&](Context&) -> Poll<void> {
          mine.fetch_add(1);
          for (int child = 0; child < 4; ++child) {
            pool.spawn([&](Context&) -> Poll<void> {
              done.count();
              return kReady;
            });
          }
          done.count();
          return kReady;
        });
      }
    });
  }
  done.wait();
  for (std::thread& thread : threads) thread.join();
  for (const std::atomic<int>& run : runs) ASSERT_EQ(run.load(), 1);
}

// Bug it is here for: the sleep that begins when the last task is taken and the next is not yet
// there. One task at a time, so that workers fall asleep and are woken all the time.
TEST(RuntimeStress, NoTaskIsLeftWhileAWorkerSleeps) {
  constexpr int kRounds = 1'000;
  Pool pool(2);
  for (int round = 0; round < kRounds; ++round) {
    Countdown done(2);
    pool.spawn([&](Context&) -> Poll<void> {
      pool.spawn([&](Context&) -> Poll<void> {
        done.count();
        return kReady;
      });
      done.count();
      return kReady;
    });
    done.wait();
    // The last one to count may still be in unpark(): it holds the parker until it has run.
    while (pool.alive() > 0) std::this_thread::yield();
  }
}

// Bug it is here for: a task that is polled by two workers, or stays asleep. The counter has no
// lock: ThreadSanitizer sees two polls at once.
TEST(RuntimeStress, ATaskIsPolledByOneWorkerAtATime) {
  constexpr int kWakes = 1'000;
  Countdown done(1);
  std::atomic<int> wakes{0};
  std::atomic<bool> has_waker{false};
  std::optional<Waker> waker;
  int polls = 0;  // No atomic.
  Pool pool(kWorkers);
  pool.spawn([&](Context& cx) -> Poll<void> {
    if (polls++ == 0) {
      waker.emplace(cx.waker().clone());
      has_waker.store(true);
    }
    if (wakes.load() < static_cast<int>(kWorkers) * kWakes) return kPending;
    done.count();
    return kReady;
  });
  while (!has_waker.load()) std::this_thread::yield();
  // Half of those who wake are threads, the others tasks.
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kWorkers; ++t) {
    auto wake_all = [&wakes, mine = waker->clone()] {
      for (int i = 0; i < kWakes; ++i) {
        wakes.fetch_add(1);
        mine.wake_by_ref();
      }
    };
    if (t % 2 == 0) {
      threads.emplace_back(std::move(wake_all));
    } else {
      pool.spawn([wake = std::move(wake_all)](Context&) -> Poll<void> {
        wake();
        return kReady;
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
  done.wait();
  pool.shutdown();
  EXPECT_LE(polls, wakes.load() + 1);
}

// Bugs it is here for: a task that is spawned while the runtime ends, and is neither run nor
// dropped; or both. Tasks of all ages stand in the slots and queues.
TEST(RuntimeStress, SpawnsRaceWithTheEnd) {
  constexpr int kRounds = 60;
  constexpr int kTasks = 40;
  for (int round = 0; round < kRounds; ++round) {
    LifeCounter life;
    Pool pool(2);
    std::atomic<std::size_t> begun{0};
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        begun.fetch_add(1);
        for (int i = 0; i < kTasks; ++i) {
          pool.spawn([&pool, token = life.token(), ends = i % 3 == 0](Context& cx) -> Poll<void> {
            for (int child = 0; child < 3; ++child) {
              pool.spawn([mine = token](Context&) -> Poll<void> { return kPending; });
            }
            if (ends) return kReady;
            cx.waker().wake_by_ref();
            return kPending;
          });
        }
      });
    }
    while (begun.load() < 2) std::this_thread::yield();
    EXPECT_EQ(pool.shutdown(), 1);
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(life.live(), 0);
    EXPECT_EQ(life.destroyed_twice(), 0);
    EXPECT_EQ(pool.alive(), 0u);
  }
}

// Bug it is here for: the last worker is busy when the end comes, sees it without an order, and
// runs the destructors of futures. What they read has no lock: ThreadSanitizer sees the race.
TEST(RuntimeStress, DroppedFuturesSeeWhatCameBeforeTheEnd) {
  constexpr int kRounds = 40;
  for (int round = 0; round < kRounds; ++round) {
    int written = 0;  // No atomic, as the next.
    int seen = 0;
    const std::size_t workers = 1 + static_cast<std::size_t>(round) % 2;
    Pool pool(workers);
    std::atomic<std::size_t> busy{0};
    for (std::size_t i = 0; i < workers; ++i) {
      pool.spawn([&busy, begun = false](Context& cx) mutable -> Poll<void> {
        if (!std::exchange(begun, true)) busy.fetch_add(1);
        cx.waker().wake_by_ref();
        return kPending;
      });
    }
    pool.spawn([looks = absl::MakeCleanup([&] { seen = written; })](Context&) -> Poll<void> {
      return kPending;
    });
    while (busy.load() < workers) std::this_thread::yield();
    written = 42;
    pool.shutdown();
    EXPECT_EQ(seen, 42);
  }
}

// Bug it is here for: a wake that is still on its way when the runtime goes. What it needs of it
// goes with the last task, and not before.
TEST(RuntimeStress, WakesRaceWithTheEnd) {
  constexpr int kRounds = 200;
  for (int round = 0; round < kRounds; ++round) {
    std::atomic<bool> has_waker{false};
    std::optional<Waker> waker;
    auto pool = std::make_unique<Pool>(1);
    pool->spawn([&](Context& cx) -> Poll<void> {
      if (has_waker.load()) return kReady;
      waker.emplace(cx.waker().clone());
      has_waker.store(true);
      return kPending;
    });
    while (!has_waker.load()) std::this_thread::yield();
    std::thread other([mine = std::move(waker)]() mutable { std::move(*mine).wake(); });
    if (round % 2 == 0) std::this_thread::yield();
    pool.reset();
    other.join();
  }
}

}  // namespace
