// Real threads, for ThreadSanitizer: wakes and drops from everywhere, while the executor runs.
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "rt/runtime/local_executor.h"
#include "testkit/testkit.h"

namespace {

using rt::BoxFuture;
using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::LocalExecutor;
using rt::Poll;
using rt::poll_fn;
using rt::Waker;

// A cell that one thread fills and one task empties.
class Mailbox {
 public:
  void put(int value) {
    std::optional<Waker> waker;
    {
      rt::sync::Lock lock(mutex_);
      values_.push_back(value);
      waker.swap(waker_);
    }
    if (waker.has_value()) std::move(*waker).wake();
  }

  Poll<int> poll_take(Context& cx) {
    rt::sync::Lock lock(mutex_);
    if (values_.empty()) {
      waker_ = cx.waker().clone();
      return kPending;
    }
    const int value = values_.front();
    values_.pop_front();
    return value;
  }

 private:
  rt::sync::Mutex mutex_;
  std::deque<int> values_;
  std::optional<Waker> waker_;
};

// Bugs it is here for: a wake lost between poll and sleep (it hangs); a task in the queue twice; a
// queue that is touched without its lock.
TEST(LocalExecutorStress, NoWakeIsLost) {
  constexpr int kTasks = 4;
  constexpr int kValues = 5'000;
  std::deque<Mailbox> mailboxes(kTasks);
  std::vector<int> received(kTasks, 0);
  std::vector<int> polls(kTasks, 0);
  LocalExecutor executor;
  for (std::size_t t = 0; t < kTasks; ++t) {
    executor.spawn(BoxFuture<void>(poll_fn([&, t](Context& cx) -> Poll<void> {
      ++polls[t];
      while (received[t] < kValues) {
        const Poll<int> value = mailboxes[t].poll_take(cx);
        if (value.is_pending()) return kPending;
        ++received[t];
        EXPECT_EQ(value.value(), received[t]);
      }
      return kReady;
    })));
  }
  std::vector<std::thread> senders;
  for (std::size_t t = 0; t < kTasks; ++t) {
    senders.emplace_back([&, t] {
      for (int i = 1; i <= kValues; ++i) mailboxes[t].put(i);
    });
  }
  executor.run();
  for (std::thread& sender : senders) sender.join();
  for (std::size_t t = 0; t < kTasks; ++t) {
    EXPECT_EQ(received[t], kValues);
    EXPECT_LE(polls[t], kValues + 1) << "more polls than wakes";
  }
}

// Bug it is here for: two wakes at once that both put the task into the queue.
TEST(LocalExecutorStress, WakesAtOnceNeverLeadToMorePollsThanWakes) {
  constexpr std::size_t kThreads = 3;
  constexpr int kWakes = 5'000;
  LocalExecutor executor;
  std::atomic<int> wakes{0};
  std::atomic<bool> done{false};
  int polls = 0;
  std::optional<Waker> waker = executor.spawn(BoxFuture<void>(poll_fn([&](Context&) -> Poll<void> {
    ++polls;
    if (done.load()) return kReady;
    return kPending;
  })));
  std::vector<std::thread> wakers;
  for (std::size_t t = 0; t < kThreads; ++t) {
    wakers.emplace_back([&, mine = waker->clone()] {
      for (int i = 0; i < kWakes; ++i) {
        wakes.fetch_add(1);
        mine.wake_by_ref();
      }
    });
  }
  std::thread last([&] {
    for (std::thread& thread : wakers) thread.join();
    done.store(true);
    wakes.fetch_add(1);
    waker->wake_by_ref();
  });
  executor.run();
  last.join();
  EXPECT_LE(polls, wakes.load() + 1);
  waker.reset();
}

// Bug it is here for: wakers that use the executor, its queue or its parker after their end.
TEST(LocalExecutorStress, WakesAndDropsRaceWithTheEndOfTheExecutor) {
  constexpr int kRounds = 500;
  constexpr std::size_t kThreads = 2;
  testkit::LifeCounter life("a future");
  for (int round = 0; round < kRounds; ++round) {
    auto executor = std::make_unique<LocalExecutor>();
    std::vector<std::thread> threads;
    std::atomic<bool> go{false};
    for (std::size_t t = 0; t < kThreads; ++t) {
      auto future = [token = life.token()](Context&) -> Poll<void> { return kPending; };
      Waker waker = executor->spawn(BoxFuture<void>(poll_fn(std::move(future))));
      threads.emplace_back([&go, waker = std::move(waker)]() mutable {
        while (!go.load()) std::this_thread::yield();
        waker.wake_by_ref();
        Waker another = waker.clone();
        std::move(waker).wake();
      });
    }
    go.store(true);
    executor->run_one();
    executor.reset();
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(life.live(), 0);
}

}  // namespace
