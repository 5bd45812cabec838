// Real threads, for ThreadSanitizer: sleeps that are polled, woken and dropped while another thread
// fires, and while the runtime goes. It counts, and never measures a time.
#include "rt/time/sleep.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/timers.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "testkit/testkit.h"

namespace {

using absl::Milliseconds;
using rt::Sleep;
using testkit::TestTask;

constexpr int kThreads = 3;

class SleepStressTest : public testing::Test {
 protected:
  // Calls `work(i)` on so many threads, while this one moves the clock and fires, until all have
  // ended.
  template <class Work>
  void run(Work work) {
    std::atomic<int> running = kThreads;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        {
          const rt::EnterDriver inside(timers_);
          work(i);
        }
        --running;
      });
    }
    while (running > 0) {
      timers_->begin_sleep();
      clock_.advance(Milliseconds(1));
      timers_->end_sleep();
      timers_->fire(clock_.now());
      std::this_thread::yield();
    }
    for (std::thread& thread : threads) thread.join();
  }

  testkit::PausedClock clock_;
  std::atomic<int> unparks_ = 0;
  rt::sync::Arc<rt::Timers> timers_ = rt::sync::Arc<rt::Timers>::make([this] { ++unparks_; });
};

// Bug it is here for: a timer that is touched when its sleep has seen that it fired, and has gone.
TEST_F(SleepStressTest, EachIsWokenOnceAndGoesAtOnce) {
  constexpr int kRounds = 200;
  std::atomic<int> wakes = 0, at_once = 0;
  run([&](int thread) {
    for (int round = 0; round < kRounds; ++round) {
      TestTask task;
      auto timer = std::make_unique<Sleep>(rt::sleep(Milliseconds(1 + (round + thread) % 70)));
      if (task.poll(*timer).is_ready()) {
        ++at_once;  // The time has come between its look at the clock and the timers.
        continue;
      }
      if (round % 2 == 0) {
        task.wait_for_wakes(1);
        ASSERT_TRUE(task.poll(*timer).is_ready());
      } else {
        // Spurious polls, until one finds it ready.
        while (task.poll(*timer).is_pending()) std::this_thread::yield();
        task.wait_for_wakes(1);
      }
      timer.reset();
      wakes += task.wakes();
    }
  });
  EXPECT_EQ(wakes + at_once, kThreads * kRounds);
}

// Bug it is here for: a cancel beside a fire, of which both have the waker, or neither.
TEST_F(SleepStressTest, DroppedWhileItFires) {
  constexpr int kRounds = 300;
  run([](int thread) {
    for (int round = 0; round < kRounds; ++round) {
      TestTask task, other("other");
      {
        Sleep timer = rt::sleep(Milliseconds(1 + (round + thread) % 3));
        if (task.poll(timer).is_ready()) continue;
        if (round % 3 == 0) (void)other.poll(timer);
        for (int i = 0; i < round % 5; ++i) std::this_thread::yield();
      }
      // A wake may still be on its way, from a fire that came before the drop.
      while (task.live() + other.live() > 2) std::this_thread::yield();
      ASSERT_LE(task.wakes() + other.wakes(), 1);
    }
  });
}

// Bug it is here for: a runtime that goes while its timers are set, polled and dropped elsewhere.
TEST_F(SleepStressTest, TheRuntimeGoes) {
  constexpr int kCount = 100;
  std::atomic<int> set = 0, told = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const rt::EnterDriver inside(timers_);
      for (;;) {
        TestTask task;
        std::vector<std::unique_ptr<Sleep>> timers;
        try {
          for (int j = 0; j < kCount; ++j) {
            timers.push_back(std::make_unique<Sleep>(rt::sleep(Milliseconds(1000 * j + 1))));
            (void)task.poll(*timers.back());
            ++set;
          }
        } catch (const rt::Cancelled&) {
          // Whoever had been set is told, each by a wake.
          task.wait_for_wakes(static_cast<int>(timers.size()) - 1);
          ++told;
          return;
        }
      }
    });
  }
  while (set < 3 * kThreads * kCount) std::this_thread::yield();
  timers_->shutdown();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(told, kThreads);
}

}  // namespace
