// Real threads, for ThreadSanitizer: what a wake publishes, the thread that is woken can read.
#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "rt/runtime/block_on.h"
#include "testkit/parker_tests.h"
#include "testkit/testkit.h"

namespace {

using rt::block_on;
using rt::Context;
using rt::kPending;
using rt::Poll;
using rt::ThreadParker;
using rt::Waker;

// Bugs it is here for: a lost unpark (it hangs); a token that is read or written without the lock;
// plain data that an unpark does not publish.
TEST(ThreadParkerStress, TwoThreadsTakeTurns) { testkit::two_threads_take_turns<ThreadParker>(); }

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
    if (!waker.has_value()) return;
    ++wakes_;
    std::move(*waker).wake();
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

  int wakes() const { return wakes_; }

 private:
  rt::sync::Mutex mutex_;
  std::deque<int> values_;
  std::optional<Waker> waker_;
  std::atomic<int> wakes_{0};
};

// Bug it is here for: a wake lost between the poll that says pending and the sleep.
TEST(BlockOnStress, NoWakeIsLostAndNoPollIsForNothing) {
  constexpr int kValues = 5'000;
  Mailbox mailbox;
  std::thread sender([&] {
    for (int i = 1; i <= kValues; ++i) mailbox.put(i);
  });
  int polls = 0;
  for (int i = 1; i <= kValues; ++i) {
    const int value = block_on(rt::poll_fn([&](Context& cx) -> Poll<int> {
      ++polls;
      return mailbox.poll_take(cx);
    }));
    ASSERT_EQ(value, i);
  }
  sender.join();
  EXPECT_LE(polls, kValues + mailbox.wakes());
}

// Bug it is here for: a parker or a waker's target that is freed while the last wake still uses it.
TEST(BlockOnStress, WakesRaceWithTheReturn) {
  constexpr int kCalls = 2'000;
  constexpr std::size_t kWakers = 2;
  struct Call {
    std::atomic<int> arrived{0};
    std::array<std::optional<Waker>, kWakers> wakers;
  };
  std::deque<Call> calls(kCalls);
  std::atomic<int> published{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kWakers; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kCalls; ++i) {
        while (published.load() <= i) std::this_thread::yield();
        Call& call = calls[static_cast<std::size_t>(i)];
        call.arrived.fetch_add(1);
        std::move(*call.wakers[t]).wake();
      }
    });
  }
  for (int i = 0; i < kCalls; ++i) {
    Call& call = calls[static_cast<std::size_t>(i)];
    bool given_out = false;
    block_on(rt::poll_fn([&](Context& cx) -> Poll<void> {
      if (!given_out) {
        given_out = true;
        for (std::optional<Waker>& waker : call.wakers) waker = cx.waker().clone();
        published.store(i + 1);
      }
      // Ready with the first: the other's wake may come when the call has returned.
      if (call.arrived.load() > 0) return rt::kReady;
      return kPending;
    }));
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
