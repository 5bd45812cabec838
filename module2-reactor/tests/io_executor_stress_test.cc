// Real threads and the real kernel, for ThreadSanitizer: whatever ends a sleep comes from
// everywhere at once. It counts, and never measures a time. A sleep that is not ended is a hang.
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "driver_parts.h"
#include "rt/driver/driver.h"
#include "rt/driver/reactor.h"
#include "rt/driver/timers.h"
#include "rt/platform/sync.h"
#include "rt/runtime/io_executor.h"
#include "rt/task/spawn.h"
#include "testkit/sockets.h"
#include "testkit/testkit.h"

namespace {

using driver_parts::Nap;
using rt::Context;
using rt::Direction;
using rt::Driver;
using rt::IoExecutor;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::poll_fn;
using testkit::TestTask;

constexpr std::size_t kThreads = 3;

// Bug it is here for: an unpark that falls between two of the sleeper's steps.
TEST(DriverStress, NoUnparkIsLost) {
  constexpr int kRounds = 1'500;
  const std::unique_ptr<Driver> driver = Driver::create().value();
  std::vector<std::atomic<int>> said(kThreads), heard(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 1; round <= kRounds; ++round) {
        said[t].store(round);
        driver->unpark();
        while (heard[t].load() < round) std::this_thread::yield();
      }
    });
  }
  const auto all_heard = [&] {
    bool all = true;
    for (std::size_t t = 0; t < kThreads; ++t) {
      heard[t].store(said[t].load());
      all = all && heard[t].load() == kRounds;
    }
    return all;
  };
  while (!all_heard()) driver->park();
  for (std::thread& thread : threads) thread.join();
}

// Bug it is here for: an unpark that orders nothing (Park, invariant 2).
TEST(DriverStress, WhatCameBeforeAnUnparkIsVisibleAfterThePark) {
  constexpr int kRounds = 300;
  for (int round = 0; round < kRounds; ++round) {
    const std::unique_ptr<Driver> driver = Driver::create().value();
    int plain = 0;  // No atomic: ThreadSanitizer reports it if the unpark does not order it.
    std::thread other([&] {
      plain = 1;
      driver->unpark();
    });
    driver->park();  // Nothing but that unpark ends it.
    EXPECT_EQ(plain, 1);
    other.join();
  }
}

// Bug it is here for: a timer that another thread sets, and that does not shorten the sleep. The
// thread would sleep for an hour.
TEST(DriverStress, TimersFromOtherThreadsEndTheSleep) {
  constexpr int kTimersEach = 60;
  const std::unique_ptr<Driver> driver = Driver::create().value();
  const rt::EnterDriver inside(driver->handle());
  TestTask never("never");
  Nap hour(absl::Hours(1));
  ASSERT_TRUE(never.poll(hour).is_pending());
  std::atomic<std::size_t> done{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const rt::EnterDriver there(driver->handle());
      for (int i = 0; i < kTimersEach; ++i) {
        TestTask task;
        Nap timer = Nap(absl::Microseconds(200 * (i % 5 + 1)));
        if (task.poll(timer).is_ready()) continue;
        if (i % 7 == 0) continue;  // Dropped while it may fire.
        task.wait_for_wakes(1);
        EXPECT_TRUE(task.poll(timer).is_ready()) << "thread " << t << ", timer " << i;
      }
      done.fetch_add(1);
      driver->unpark();
    });
  }
  while (done.load() < kThreads) driver->park();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(never.wakes(), 0);
}

// Bug it is here for: registrations and events that race with the turn.
TEST(DriverStress, SocketsFromOtherThreadsEndTheSleep) {
  constexpr int kSocketsEach = 100;
  const std::unique_ptr<Driver> driver = Driver::create().value();
  std::atomic<std::size_t> done{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kSocketsEach; ++i) {
        auto [ours, theirs] = testkit::socket_pair(SOCK_NONBLOCK);
        TestTask task;
        rt::Registration registration =
            rt::Reactor::add(driver->handle().reactor, ours.get()).value();
        if (i % 3 == 0) testkit::send_all(theirs, "x");
        if (registration.io().poll_ready(Direction::kRead, task.cx()).is_ready()) continue;
        if (i % 5 == 0) continue;  // Dropped while its event may come.
        if (i % 3 != 0) testkit::send_all(theirs, "x");
        task.wait_for_wakes(1);
        EXPECT_TRUE(registration.io().poll_ready(Direction::kRead, task.cx()).is_ready());
      }
      done.fetch_add(1);
      driver->unpark();
    });
  }
  while (done.load() < kThreads) driver->park();
  for (std::thread& thread : threads) thread.join();
}

// Bug it is here for: a driver that goes while others still use its timers.
TEST(DriverStress, TimersMayBeSetWhileTheDriverGoes) {
  constexpr int kRounds = 150;
  for (int round = 0; round < kRounds; ++round) {
    std::unique_ptr<Driver> driver = Driver::create().value();
    std::atomic<std::size_t> ready{0};
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 2; ++t) {
      threads.emplace_back([&ready, handle = driver->handle()] {
        const rt::EnterDriver there(handle);
        ready.fetch_add(1);
        for (int i = 3; i > 0; --i) {
          TestTask task;
          Nap timer(absl::Hours(i));
          try {
            if (task.poll(timer).is_pending()) task.wait_for_wakes(1);
            EXPECT_THROW((void)task.poll(timer), rt::Cancelled);
          } catch (const rt::Cancelled&) {
          }
        }
      });
    }
    while (ready.load() < threads.size()) std::this_thread::yield();
    driver->park_timeout(absl::Microseconds(50));
    driver.reset();
    for (std::thread& thread : threads) thread.join();
  }
}

// Bug it is here for: a wake by another thread that finds the executor between two steps.
TEST(IoExecutorStress, WakesFromOtherThreadsAndTimersTogether) {
  constexpr int kWakes = 400;
  const std::unique_ptr<IoExecutor> executor = IoExecutor::create().value();
  std::atomic<int> wakes{0};
  std::optional<std::thread> waker_thread;
  int timers = 0;
  for (int i = 0; i < 20; ++i) {
    auto few_naps = [&timers, left = 5,
                     timer = std::optional<Nap>()](Context& cx) mutable -> Poll<void> {
      for (; left > 0; --left, ++timers) {
        if (!timer) timer.emplace(absl::Milliseconds(1));
        if (timer->poll(cx).is_pending()) return kPending;
        timer.reset();
      }
      return kReady;
    };
    executor->spawn(poll_fn(std::move(few_naps))).detach();
  }
  int polls = 0;
  executor->block_on(poll_fn([&](Context& cx) -> Poll<void> {
    if (wakes.load() == kWakes && timers == 100) return kReady;
    if (polls++ == 0) {
      waker_thread.emplace([&wakes, all = kWakes, waker = cx.waker().clone()] {
        for (int i = 0; i < all; ++i) {
          wakes.fetch_add(1);
          waker.wake_by_ref();
        }
      });
    } else if (timers < 100 && wakes.load() == kWakes) {
      cx.waker().wake_by_ref();
    }
    return kPending;
  }));
  waker_thread->join();
  EXPECT_EQ(timers, 100);
}

// Bug it is here for: a waker that unparks a driver that is gone.
TEST(IoExecutorStress, WakesRaceWithTheEndOfTheExecutor) {
  constexpr int kRounds = 200;
  for (int round = 0; round < kRounds; ++round) {
    std::unique_ptr<IoExecutor> executor = IoExecutor::create().value();
    std::optional<rt::Waker> waker;
    executor
        ->spawn(poll_fn([&waker](Context& cx) -> Poll<void> {
          waker = cx.waker().clone();
          return kPending;
        }))
        .detach();
    executor->run_until_stalled();
    std::thread other([mine = std::move(*waker)] {
      for (int i = 0; i < 20; ++i) mine.wake_by_ref();
    });
    executor->run_until_stalled();
    executor.reset();
    other.join();
  }
}

}  // namespace
