// Cooperation: what keeps one task from hogging a thread. In modules 1 to 4 it does nothing; module
// 5 replaces this header by one that counts. The calls already stand where they belong.
//
// Thread safety: each function concerns the task that the calling thread polls.
//
// The idea is Tokio's coop module.
#pragma once

#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"

namespace rt::coop {

// What a leaf future holds while it tries to make progress. Destroyed without made_progress(), it
// gives back the unit of budget that poll_proceed() took.
class [[nodiscard]] Progress {
 public:
  Progress() noexcept {}
  void made_progress() noexcept {}
};

// Called by a leaf future before it does anything. Pending: the task's budget is spent, its waker
// is taken care of, and the leaf returns pending too.
inline Poll<Progress> poll_proceed(Context&) { return Progress(); }

// Gives the task that is polled next a fresh budget.
class [[nodiscard]] BudgetScope {
 public:
  BudgetScope() noexcept {}
};

// Wakes a task that gave way of its own will, once the others have had their turn.
inline void defer(const Waker& waker) { waker.wake_by_ref(); }

// True when the slot for the newest task was used too often in a row, and the queue comes first.
inline bool lifo_is_exhausted() noexcept { return false; }

// Says that this worker has begun to poll a task, for the watchdog.
inline void heartbeat() noexcept {}

}  // namespace rt::coop
