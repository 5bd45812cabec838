// yield_now: a future that lets other tasks, and events, have their turn.
//
// A task that is woken while it is polled goes to the back of its worker's queue. For one that gave
// way that is not enough: where no other task is ready it would be polled again at once, for ever,
// and the sockets of those that sleep would be looked at by nobody. So defer() leaves a mark, and
// the worker, which asks gave_way() when the poll has ended, lets it wait for a look at the driver:
//
//   poll ends, woken meanwhile    others are ready                 none is
//   --------------------------    ----------------                 -------
//   gave_way()                    stands aside; comes back with    a look for events, then it is
//                                 the events of the next look      the next
//   not                           back of the queue                the next
//
// (The worker's part is Worker::yield() and Worker::run(). Executors that ask nothing put it at the
// back of their queue.)
//
// Thread safety: like any future; gave_way() and begin_poll() concern the task that the calling
// thread polls.
//
// Invariants
//   1. A YieldNow is pending at its first poll and ready at its second.
//   2. defer() wakes the task, on any thread, in a runtime or outside of one: nobody else would.
//   3. gave_way() is true from defer() until the next begin_poll() of this thread. No other thread
//      sees it.
//
// The idea is Tokio's tokio::task::yield_now, and its list of deferred wakers.
#pragma once

#include <utility>

#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"

namespace rt {
namespace coop {
// BEGIN SOLUTION 5.2
// STUB: // Yours: the mark. Each thread has its own: sync::ThreadLocal.
namespace detail {
struct GaveWay {
  static bool& get() noexcept { return sync::ThreadLocal<bool, GaveWay>::get(); }
};
}  // namespace detail
// END SOLUTION

// Whoever polls a task says that a poll begins.
inline void begin_poll() noexcept {
  // BEGIN SOLUTION 5.2
  detail::GaveWay::get() = false;
  // END SOLUTION
}

// Whether the task has given way in the poll that this thread has begun last. Whoever schedules a
// task that was woken in its own poll asks this, and lets it wait for more than others do.
inline bool gave_way() noexcept {
  // BEGIN SOLUTION 5.2
  return detail::GaveWay::get();
  // END SOLUTION
}

// The task could go on, and gives way. Its poll says pending after this, and it is woken.
inline void defer(const Waker& waker) {
  // BEGIN SOLUTION 5.2
  detail::GaveWay::get() = true;
  waker.wake_by_ref();
  // END SOLUTION
}

}  // namespace coop

// Pending once.
class [[nodiscard]] YieldNow {
 public:
  using Output = void;

  YieldNow() noexcept {}

  Poll<void> poll(Context& cx) {
    // BEGIN SOLUTION 5.2
    if (std::exchange(has_yielded_, true)) return kReady;
    coop::defer(cx.waker());
    return kPending;
    // END SOLUTION
  }

 private:
  // BEGIN SOLUTION 5.2
  // STUB: // Yours.
  bool has_yielded_ = false;
  // END SOLUTION
};

static_assert(Future<YieldNow>);

// Before the task goes on, those that are ready now have had their turn, and events were looked
// for.
inline YieldNow yield_now() noexcept { return YieldNow(); }

}  // namespace rt
