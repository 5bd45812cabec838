// yield_now: a future that lets other tasks have their turn. Here its task is woken at once, and so
// comes behind those that are ready. Module 5 puts a header in its place (exercise 5.2) that sees
// to it that events have their turn as well.
//
// Thread safety: like any future; gave_way() and begin_poll() concern the task that the calling
// thread polls.
//
// The idea is Tokio's tokio::task::yield_now.
#pragma once

#include <utility>

#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"

namespace rt {
namespace coop {

// Whoever polls a task says that a poll begins.
inline void begin_poll() noexcept {}

// Whether the task has given way in the poll that this thread has begun last. Whoever schedules a
// task that was woken in its own poll asks this, and lets it wait for more than others do.
inline bool gave_way() noexcept { return false; }

// The task could go on, and gives way. Its poll says pending after this, and it is woken.
inline void defer(const Waker& waker) { waker.wake_by_ref(); }

}  // namespace coop

// Pending once.
class [[nodiscard]] YieldNow {
 public:
  using Output = void;

  YieldNow() noexcept {}

  Poll<void> poll(Context& cx) {
    if (std::exchange(has_yielded_, true)) return kReady;
    coop::defer(cx.waker());
    return kPending;
  }

 private:
  bool has_yielded_ = false;
};

static_assert(Future<YieldNow>);

// Before the task goes on, those that are ready now have had their turn.
inline YieldNow yield_now() noexcept { return YieldNow(); }

}  // namespace rt
