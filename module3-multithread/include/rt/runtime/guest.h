// run_as_guest: how a thread that is no worker waits for a future of a runtime on several threads:
// it polls the future itself, and sleeps on a Parker of its own in between.
//
// Thread safety: by any thread that runs no tasks. Wakers of the future by any.
#pragma once

#include <stdexcept>
#include <utility>

#include "rt/future/arc_waker.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/parker.h"
#include "rt/platform/sync.h"
#include "rt/task/poll_task.h"
#include "rt/task/spawn.h"
#include "rt/trace/trace.h"

namespace rt {
namespace detail {

// What the waker of a guest points to.
struct Sleeper {
  static void wake_by_ref(const sync::Arc<Sleeper>& self) { self->parker.unpark(); }
  Parker parker;
};

}  // namespace detail

// Throws std::logic_error inside a task of a runtime: to wait there would stop its thread.
inline void require_no_runtime() {
  if (EnterScheduler::may_block()) return;
  throw std::logic_error(
      "block_on: this thread runs the tasks of a runtime already; inside a task, co_await the "
      "future instead");
}

// Polls `future` until it is ready, and destroys it. Returns its output or throws what it throws.
template <Future F>
OutputOf<F> run_as_guest(F future) {
  F guest(std::move(future));  // Destroyed here, whatever the caller leaves after this.
  [[maybe_unused]] const trace::TaskId id = trace::new_task_id();
  trace::spawn(id);
  const auto sleeper = sync::Arc<detail::Sleeper>::make();
  const Waker waker = waker_from(sleeper);
  Context cx(waker);
  while (true) {
    Poll<OutputOf<F>> result = poll_task(id, guest, cx);
    if (result.is_ready()) return std::move(result).take();
    const trace::ParkScope traced;
    sleeper->parker.park();
  }
}

}  // namespace rt
