// Real threads, for ThreadSanitizer: tasks that are woken by one thread and run by others.
#include "rt/task/task_cell.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "task_workers.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::Waker;
using task_parts::Workers;

// Wakers that tasks leave, and that other threads wake.
class Bell {
 public:
  void leave(const Waker& waker) {
    Waker mine = waker.clone();
    const std::lock_guard lock(mutex_);
    wakers_.push_back(std::move(mine));
  }
  // False when there was nobody to wake.
  bool ring() {
    std::vector<Waker> taken;
    {
      const std::lock_guard lock(mutex_);
      taken.swap(wakers_);
    }
    for (Waker& waker : taken) {
      waker.wake_by_ref();
      std::move(waker).wake();
    }
    return !taken.empty();
  }

 private:
  std::mutex mutex_;
  std::vector<Waker> wakers_;
};

// Ready after some polls. What it counts in is plain: only the word of its task orders its polls.
class Counts {
 public:
  using Output = void;
  Counts(Bell& bell, int polls, std::atomic<int>& ended, testkit::Token token)
      : bell_(&bell), polls_(polls), ended_(&ended), token_(std::move(token)) {}

  Poll<void> poll(Context& cx) {
    if (--polls_ == 0) {
      ended_->fetch_add(1, std::memory_order_relaxed);
      return kReady;
    }
    bell_->leave(cx.waker());
    if (polls_ % 3 == 0) cx.waker().wake_by_ref();
    return kPending;
  }

 private:
  Bell* bell_;
  int polls_;
  std::atomic<int>* ended_;
  testkit::Token token_;
};

// Bugs it is here for: a task that two threads poll; a wake that is lost (it hangs); a task that is
// freed while a waker still looks at it.
TEST(TaskCellStress, WokenByOneThreadAndPolledByOthers) {
  constexpr int kTasks = 40, kPolls = 50;
  testkit::LifeCounter futures("the future");
  std::atomic<int> ended{0};
  Bell bell;
  {
    Workers workers(2);
    for (int i = 0; i < kTasks; ++i) workers.spawn(Counts(bell, kPolls, ended, futures.token()));
    while (ended.load(std::memory_order_relaxed) < kTasks) bell.ring();
    workers.wait_until_idle();
    EXPECT_EQ(futures.live(), 0);
    bell.ring();
  }
  EXPECT_EQ(futures.live(), 0);
}

// Bug it is here for: a wake that meets the shutdown. The future is dropped once, whoever has the
// task then: a queue, a waker, or the thread that polls it.
TEST(TaskCellStress, AShutdownInTheMiddleOfItAll) {
  constexpr int kRounds = 30;
  testkit::LifeCounter futures("the future");
  for (int round = 0; round < kRounds; ++round) {
    std::atomic<int> ended{0};
    std::atomic<bool> over{false};
    Bell bell;
    std::optional<Workers> workers(std::in_place, 2);
    for (int i = 0; i < 4; ++i) workers->spawn(Counts(bell, 1'000'000, ended, futures.token()));
    std::thread waker([&] {
      while (!over.load(std::memory_order_relaxed)) bell.ring();
      bell.ring();
    });
    for (int i = 0; i < round; ++i) std::this_thread::yield();
    workers->stop();
    over.store(true, std::memory_order_relaxed);
    waker.join();
    bell.ring();
    workers.reset();
    EXPECT_EQ(futures.live(), 0);
  }
}

}  // namespace
