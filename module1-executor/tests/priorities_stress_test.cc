// Real threads, for ThreadSanitizer: wakes of both priorities, while the executor runs and sleeps.
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "rt/runtime/priorities.h"
#include "testkit/testkit.h"

namespace {

using rt::BoxFuture;
using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::poll_fn;
using rt::Priority;
using rt::PriorityExecutor;
using rt::TaskMetrics;
using rt::Waker;

// Has each task woken by a thread of its own, and each thread wait for the poll that follows.
//
// Bugs it is here for: a sleep that a wake of the other priority does not end (it hangs); a park or
// a parker that is gone when a wake that has begun unparks.
TEST(PrioritiesStress, EachWakeEndsTheSleep) {
  constexpr int kRounds = 60;
  constexpr int kWakes = 20;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::thread> threads;
    std::vector<std::shared_ptr<const TaskMetrics>> metrics;
    {
      PriorityExecutor executor;
      for (const Priority priority : {Priority::kHigh, Priority::kNormal}) {
        const auto polls = std::make_shared<std::atomic<int>>(0);
        auto future = [polls, &threads](Context& cx) -> Poll<void> {
          if (polls->load() == 0) {
            threads.emplace_back([polls, waker = cx.waker().clone()] {
              for (int i = 1; i <= kWakes; ++i) {
                while (polls->load() < i) std::this_thread::yield();
                waker.wake_by_ref();
              }
            });
          }
          if (polls->fetch_add(1) < kWakes) return kPending;
          return kReady;
        };
        metrics.push_back(executor.spawn(priority, BoxFuture<void>(poll_fn(std::move(future)))));
      }
      executor.run();
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& of_task : metrics) {
      ASSERT_NE(of_task, nullptr);
      EXPECT_EQ(of_task->polls, static_cast<std::uint64_t>(kWakes + 1));
      EXPECT_TRUE(of_task->state == TaskMetrics::kEnded);
    }
  }
}

// Bug it is here for: wakers that use what shutdown() has dropped.
TEST(PrioritiesStress, WakesAndDropsRaceWithShutdown) {
  constexpr int kRounds = 200;
  testkit::LifeCounter life("a future");
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::thread> threads;
    std::atomic<bool> go{false};
    {
      PriorityExecutor executor;
      for (const Priority priority : {Priority::kHigh, Priority::kNormal}) {
        auto future = [&go, &threads, token = life.token(), begun = false](Context& cx) mutable {
          if (!std::exchange(begun, true)) {
            threads.emplace_back([&go, waker = cx.waker().clone()]() mutable {
              while (!go.load()) std::this_thread::yield();
              waker.wake_by_ref();
              const Waker another = waker.clone();
              std::move(waker).wake();
            });
          }
          return Poll<void>(kPending);
        };
        executor.spawn(priority, BoxFuture<void>(poll_fn(std::move(future))));
      }
      executor.run_one();
      executor.run_one();
      go.store(true);
      executor.shutdown(3);
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(life.live(), 0);
}

}  // namespace
