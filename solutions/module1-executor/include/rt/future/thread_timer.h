// ThreadTimer: a future that is ready after a time, by the most expensive means there is: a thread
// of its own that sleeps until then.
//
//   co_await ThreadTimer(absl::Seconds(2));
//
// Thread safety: one thread at a time polls and drops it, like any future. Its own thread, and the
// lock between the two, are its own business.
//
// Invariants
//   1. The first poll starts the time and the thread; before that there is neither. Later polls
//      start nothing.
//   2. It is never ready early: ready means that rt::clock has reached the deadline. A duration of
//      zero or less is ready at the first poll, without a thread. An infinite one is never ready.
//   3. When the deadline comes, the newest waker is woken, once. Wakers are woken and dropped with
//      no lock held, and a stored one that would wake the same task is not cloned again.
//   4. Dropping it ends its thread without waiting for the deadline. When the destructor returns,
//      the thread has ended, and wakes nobody any more. Only a destructor that runs inside the
//      wake, and so on that very thread, does not wait for its end.
//
// rt/time/sleep.h has the timer that needs no thread.
#pragma once

#include <optional>
#include <stdexcept>
#include <utility>

#include "absl/time/time.h"
#include "rt/future/future.h"
#include "rt/future/leaf.h"
#include "rt/future/waker.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"

namespace rt {

class [[nodiscard]] ThreadTimer {
 public:
  using Output = void;

  explicit ThreadTimer(absl::Duration duration) noexcept : duration_(duration) {}

  // Before the first poll only. (A mutex cannot be moved: it has to stand elsewhere.)
  ThreadTimer(ThreadTimer&&) noexcept = default;
  ThreadTimer& operator=(ThreadTimer&&) = delete;

  ~ThreadTimer() {
    // BEGIN SOLUTION 1.4
    if (!thread_.joinable()) return;
    std::optional<Waker> unused;  // Before the lock: dropped after it.
    {
      const sync::Lock lock(shared_->mutex);
      shared_->cancelled = true;
      unused.swap(shared_->waker);
    }
    shared_->changed.notify_one();
    if (thread_.get_id() == sync::this_thread_id()) {
      thread_.detach();  // We are inside its wake, and a thread cannot wait for its own end.
    } else {
      thread_.join();
    }
    // END SOLUTION
  }

  // Ready when the time has come. Throws std::logic_error when polled after it was ready, and
  // std::system_error when no thread can be had: nothing has begun then, and the next poll tries
  // again.
  Poll<void> poll(Context& cx) {
    return as_leaf(cx, [&] { return poll_time(cx); });
  }

 private:
  // What poll() does: as_leaf() calls it once, and counts it in the budget of its task.
  Poll<void> poll_time(Context& cx) {
    // BEGIN SOLUTION 1.4
    if (done_) throw std::logic_error("ThreadTimer: polled after it was ready");
    if (duration_ <= absl::ZeroDuration()) {
      done_ = true;
      return kReady;
    }
    if (!shared_) {
      auto shared = sync::Arc<Shared>::make();
      shared->waker = cx.waker().clone();
      thread_ = sync::Thread(&sleep_and_wake, shared, clock::now() + duration_);
      shared_ = std::move(shared);  // Last: where no thread can be had, nothing has begun.
      return kPending;
    }
    std::optional<Waker> newest;  // What is left in it at the end is dropped after the lock.
    for (;;) {
      {
        const sync::Lock lock(shared_->mutex);
        if (shared_->fired) {
          done_ = true;
          return kReady;
        }
        if (shared_->waker->will_wake(cx.waker())) return kPending;
        if (newest.has_value()) {
          newest.swap(shared_->waker);
          return kPending;
        }
      }
      newest.emplace(cx.waker().clone());  // Then look again: it may have fired.
    }
    // END SOLUTION
  }

  absl::Duration duration_;
  // BEGIN SOLUTION 1.4
  // STUB: // Your members: the thread, and what it shares with the future.
  // What the future and its thread both use. Either may be the last to do so.
  struct Shared {
    Shared() noexcept {}
    sync::Mutex mutex;  // Guards the rest.
    sync::CondVar changed;
    bool cancelled = false;
    bool fired = false;
    std::optional<Waker> waker;  // The newest; there is one until the timer fires or is cancelled.
  };

  // What the thread does.
  static void sleep_and_wake(const sync::Arc<Shared>& shared, Instant deadline) {
    std::optional<Waker> waker;
    {
      sync::Lock lock(shared->mutex);
      const auto is_cancelled = [&shared] { return shared->cancelled; };
      if (clock::wait_until(lock, shared->changed, deadline, is_cancelled)) return;
      shared->fired = true;
      waker.swap(shared->waker);
    }
    std::move(*waker).wake();
  }

  sync::Arc<Shared> shared_;  // Null until the first poll.
  sync::Thread thread_;
  bool done_ = false;  // Said ready.
  // END SOLUTION
};

static_assert(Future<ThreadTimer>);

}  // namespace rt
