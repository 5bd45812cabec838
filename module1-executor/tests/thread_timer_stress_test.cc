// Real threads, under ThreadSanitizer. It counts, and never measures a time.
#include <atomic>
#include <deque>
#include <optional>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "rt/future/thread_timer.h"
#include "rt/platform/clock.h"
#include "testkit/testkit.h"

namespace {

using absl::Seconds;
using rt::ThreadTimer;
using testkit::IsPending;
using testkit::IsReady;
using testkit::PausedClock;
using testkit::TestTask;

constexpr int kRounds = 100;

// TestTask::live() counts the task's own waker too.
constexpr int kOnlyItsOwn = 1;

TEST(ThreadTimerStress, ManyTimersWakeEachOfTheirTasksOnce) {
  constexpr int kThreads = 4, kTimersEach = 25;
  PausedClock clock;
  std::vector<std::thread> pollers;
  for (int i = 0; i < kThreads; ++i) {
    pollers.emplace_back([] {
      std::deque<TestTask> tasks;
      std::deque<ThreadTimer> timers;
      for (int n = 0; n < kTimersEach; ++n) {
        ASSERT_THAT(tasks.emplace_back().poll(timers.emplace_back(Seconds(1 + n % 3))),
                    IsPending());
      }
      for (int n = 0; n < kTimersEach; ++n) {
        tasks[n].wait_for_wakes(1);
        EXPECT_THAT(tasks[n].poll(timers[n]), IsReady());
      }
      timers.clear();
      for (const TestTask& task : tasks) {
        EXPECT_EQ(task.wakes(), 1) << "One timer wakes once.";
        EXPECT_EQ(task.live(), kOnlyItsOwn);
      }
    });
  }
  clock.wait_for_sleepers(kThreads * kTimersEach);
  for (int i = 0; i < 3; ++i) clock.advance(Seconds(1));
  for (std::thread& poller : pollers) poller.join();
  EXPECT_EQ(rt::clock::sleepers(), 0u);
}

// Bug it is here for: a waker that is replaced while the timer fires, and then nobody is woken.
TEST(ThreadTimerStress, PolledByAnotherTaskWhileItFires) {
  PausedClock clock;
  for (int round = 0; round < kRounds; ++round) {
    TestTask a("a"), b("b");
    {
      ThreadTimer timer(Seconds(1));
      ASSERT_THAT(a.poll(timer), IsPending());
      std::thread time([&] { rt::clock::advance(Seconds(1)); });
      if (b.poll(timer).is_pending()) {
        b.wait_for_wakes(1);
        EXPECT_THAT(b.poll(timer), IsReady());
      }
      time.join();
    }
    EXPECT_LE(a.wakes() + b.wakes(), 1) << "round " << round << ": one timer wakes once.";
    EXPECT_EQ(a.live(), kOnlyItsOwn);
    EXPECT_EQ(b.live(), kOnlyItsOwn);
  }
}

// Bug it is here for: a thread that still uses the timer, or the waker, after the timer is gone.
TEST(ThreadTimerStress, DroppedWhileItFires) {
  PausedClock clock;
  for (int round = 0; round < kRounds; ++round) {
    int plain = 0;  // No atomic: ThreadSanitizer reports it if the drop does not wait for the wake.
    TestTask task;
    task.on_wake([&plain] { ++plain; });
    std::optional<ThreadTimer> timer(Seconds(1));
    ASSERT_THAT(task.poll(*timer), IsPending());
    std::thread time([&] { rt::clock::advance(Seconds(1)); });
    timer.reset();
    ++plain;
    time.join();
    EXPECT_EQ(plain, 1 + task.wakes());
    EXPECT_LE(task.wakes(), 1) << "round " << round << ": one timer wakes once.";
    EXPECT_EQ(task.live(), kOnlyItsOwn);
  }
}

// Bug it is here for: a destructor that lets its thread go (detach) where it should wait for its
// end. The wake then runs on while the woken task is destroyed.
TEST(ThreadTimerStress, WhenTheDropIsDoneTheWakeIsOver) {
  PausedClock clock;
  for (int round = 0; round < kRounds; ++round) {
    std::atomic<bool> drop_begins = false, wake_is_over = false;
    int plain = 0;  // No atomic, as above.
    TestTask task;
    task.on_wake([&] {
      // Relaxed: it orders nothing, so that only the drop's waiting can.
      while (!drop_begins.load(std::memory_order_relaxed)) std::this_thread::yield();
      for (int i = 0; i < 20; ++i) std::this_thread::yield();
      ++plain;
      wake_is_over.store(true, std::memory_order_relaxed);
    });
    std::optional<ThreadTimer> timer(Seconds(1));
    ASSERT_THAT(task.poll(*timer), IsPending());
    clock.advance(Seconds(1));
    task.wait_for_wakes(1);
    drop_begins.store(true, std::memory_order_relaxed);
    timer.reset();
    const bool was_over = wake_is_over.load(std::memory_order_relaxed);
    while (!wake_is_over.load(std::memory_order_relaxed)) std::this_thread::yield();
    ASSERT_TRUE(was_over) << "round " << round << ": the timer was dropped, and its wake ran on.\n"
                          << "A destructor that has returned promises that nothing comes after it.";
    ++plain;
    EXPECT_EQ(plain, 2);
  }
}

}  // namespace
