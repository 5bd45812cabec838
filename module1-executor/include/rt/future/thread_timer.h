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
#include "rt/platform/todo.h"

namespace rt {

class [[nodiscard]] ThreadTimer {
 public:
  using Output = void;

  explicit ThreadTimer(absl::Duration duration) noexcept : duration_(duration) {}

  // Before the first poll only. (A mutex cannot be moved: it has to stand elsewhere.)
  ThreadTimer(ThreadTimer&&) noexcept = default;
  ThreadTimer& operator=(ThreadTimer&&) = delete;

  ~ThreadTimer() {
    RT_TODO("1.4");
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
    RT_TODO("1.4");
  }

  absl::Duration duration_;
  // Your members: the thread, and what it shares with the future.
};

static_assert(Future<ThreadTimer>);

}  // namespace rt
