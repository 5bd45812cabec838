// What a task leaves behind: its output, or what it threw, for whoever joins it.
//
// A spawned future becomes a JoinedTask, which the executor runs as any other future. It shares a
// JoinState with the JoinHandle (rt/task/spawn.h). Each of the two may be gone first.
//
//   state     means                           poll_join   detach               abort
//   -----     -----                           ---------   ------               -----
//   running   the task has not ended          pending     takes its waker back asks
//   ended     an output or an error waits     takes it    drops it             does nothing
//   taken     the joiner has it               (no call follows)
//
//   the task ends by          the joiner gets
//   ----------------          ---------------
//   an output                 the output
//   an exception              the exception
//   abort, seen by a poll     Cancelled
//   being dropped             Cancelled: its executor is gone
//
// Thread safety: the task belongs to its executor's thread, the handle to any one thread.
//
// Invariants
//   1. The joiner gets exactly one of: the output, what the task threw, or Cancelled.
//   2. The future is destroyed before the joiner is told, and before its output is.
//   3. The output is destroyed once: by the joiner, by detach(), or at the task's end when nobody
//      joins. So is what the task threw: a TaskError that ends unheard reports itself.
//   4. No lock is held while a future is polled, while an output or an error is destroyed, or while
//      a waker is woken or dropped. A stored waker that would wake the same joiner is not cloned
//      again.
//   5. Nothing is locked or published inside a catch block: what was caught is stored, and
//      published after it.
//
// The idea is Tokio's JoinHandle.
#pragma once

#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "rt/future/box_future.h"
#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "rt/platform/todo.h"
#include "rt/runtime/local_executor.h"
#include "rt/task/erased.h"
#include "rt/task/spawn.h"
#include "rt/task/unhandled.h"

namespace rt {
namespace detail {

class JoinState {
 public:
  // --- For the task ---

  // The waker that abort() uses.
  void set_task(Waker task) {
    RT_TODO("1.9");
  }

  bool is_aborted() const {
    RT_TODO("1.9");
  }

  // The task has ended, with one of the two. Called once.
  void end(std::optional<ErasedOutput> output, TaskError error) {
    RT_TODO("1.9");
  }

  // --- For the JoinHandle: see JoinVTable ---

  bool poll_join(Context& cx, void* output) {
    RT_TODO("1.9");
  }

  void detach() noexcept {
    RT_TODO("1.9");
  }

  void abort() noexcept {
    RT_TODO("1.9");
  }

 private:
  // Yours: what the task and the handle share, and what guards it.
};

// What the executor runs: the spawned future, and what becomes of its output.
class JoinedTask {
 public:
  using Output = void;

  JoinedTask(ErasedFuture future, sync::Arc<JoinState> state)
      : future_(std::move(future)), state_(std::move(state)) {}
  JoinedTask(JoinedTask&&) noexcept = default;  // The other is left without a state.
  JoinedTask& operator=(JoinedTask&&) = delete;

  // A task that is dropped before its end was cancelled.
  ~JoinedTask() {
    if (!state_) return;
    RT_TODO("1.9");
  }

  // Throws nothing: what the future throws is for the joiner.
  Poll<void> poll(Context& cx) {
    RT_TODO("1.9");
  }

 private:
  // Yours, if you want helpers.

  ErasedFuture future_;
  sync::Arc<JoinState> state_;  // Null: moved from, or the end was told.
};

// A JoinHandle's calls, on an Arc<JoinState> as a word.
struct JoinCalls {
  static sync::Arc<JoinState> borrow(void* raw) noexcept {
    sync::Arc<JoinState> owned = sync::Arc<JoinState>::from_raw(raw);
    sync::Arc<JoinState> another = owned;
    std::move(owned).into_raw();  // The word still belongs to the handle.
    return another;
  }
  static bool poll_join(void* raw, Context& cx, void* output) {
    return borrow(raw)->poll_join(cx, output);
  }
  static void abort(void* raw) noexcept { borrow(raw)->abort(); }
  static void detach(void* raw) noexcept { sync::Arc<JoinState>::from_raw(raw)->detach(); }

  static constexpr JoinVTable kVTable{&poll_join, &detach, &abort};
};

}  // namespace detail

// Spawns the future at `future` onto `executor`. The caller still destroys what is left there. By
// the executor's thread.
inline RawJoinHandle spawn_with_handle(LocalExecutor& executor, void* future,
                                       const FutureVTable& vtable) {
  auto state = sync::Arc<detail::JoinState>::make();
  RT_TODO("1.9");
  return RawJoinHandle(std::move(state).into_raw(), &detail::JoinCalls::kVTable);
}

// Runs tasks until each one waits or has ended. Returns how many polls that took. Never sleeps.
inline std::size_t run_until_stalled(LocalExecutor& executor) {
  RT_TODO("1.9");
}

}  // namespace rt
