// Real threads, for ThreadSanitizer: workers, and tasks from everywhere at once. It counts, and
// never measures a time. A task that is left while all workers sleep is a hang.
#include "rt/runtime/worker.h"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "rt/future/poll.h"
#include "rt/runtime/worker_parks.h"
#include "testkit/fleet.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using testkit::Fleet;

constexpr std::size_t kThreads = 3;

// A number that tasks count down, and that the test's thread waits for.
class Countdown {
 public:
  explicit Countdown(int count) : left_(count) {}
  // With the lock: the last one touches nothing of this object once wait() may return.
  void count() {
    const std::lock_guard lock(mutex_);
    if (--left_ == 0) changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int left_;
};

// The workers, on threads of their own, to the end of the scope.
class Running {
 public:
  explicit Running(std::size_t workers)
      : fleet(workers, std::make_unique<rt::PlainParks>(workers)) {
    for (std::size_t i = 0; i < workers; ++i) threads_.emplace_back([this, i] { fleet.work(i); });
  }
  ~Running() {
    fleet.shared().close();
    for (std::thread& thread : threads_) thread.join();
  }
  Fleet fleet;

 private:
  std::vector<std::thread> threads_;
};

// Bugs it is here for: a task that is lost, or run twice, on its way through the slot, the queue, a
// thief's queue, inject, and a share of it.
TEST(WorkerStress, EveryTaskRunsOnce) {
  constexpr std::size_t kTasks = 12;      // From each of the threads outside.
  constexpr std::size_t kChildren = 300;  // Of each of these tasks: more than its ring holds.
  Countdown done(static_cast<int>(kThreads * kTasks * (kChildren + 1)));
  std::deque<std::atomic<int>> runs(kThreads * kTasks * kChildren);
  {
    Running workers(kThreads);
    Fleet& fleet = workers.fleet;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (std::size_t i = 0; i < kTasks; ++i) {
          fleet.spawn([&, first = (t * kTasks + i) * kChildren](Context&) -> Poll<void> {
            for (std::size_t child = first; child < first + kChildren; ++child) {
              fleet.spawn([&, child, polls = 0](Context& cx) mutable -> Poll<void> {
                if (polls++ == 0 && child % 2 == 0) {
                  cx.waker().wake_by_ref();
                  return kPending;
                }
                runs[child].fetch_add(1);
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
  }
  for (const std::atomic<int>& run : runs) ASSERT_EQ(run.load(), 1);
}

// Bug it is here for: the sleep that begins when the last task is taken and the next is not yet
// there. Two tasks at a time, which need two workers, so that workers fall asleep and are woken all
// the time.
TEST(WorkerStress, NoTaskIsLeftWhileAWorkerSleeps) {
  constexpr int kRounds = 1'000;
  Running workers(2);
  for (int round = 0; round < kRounds; ++round) {
    Countdown done(2);
    std::atomic<int> come{0};
    const auto meet = [&](Context&) -> Poll<void> {
      come.fetch_add(1);
      while (come.load() < 2) std::this_thread::yield();
      done.count();
      return kReady;
    };
    if (round % 2 == 0) {
      workers.fleet.spawn(meet);
      workers.fleet.spawn(meet);
    } else {
      workers.fleet.spawn([&](Context&) -> Poll<void> {
        workers.fleet.spawn(meet);
        workers.fleet.spawn(meet);
        return kReady;
      });
    }
    done.wait();
  }
}

}  // namespace
