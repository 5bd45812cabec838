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
    // BEGIN SOLUTION 1.9
    const sync::Lock lock(mutex_);
    if (!ended_) task_.emplace(std::move(task));
    // END SOLUTION
  }

  bool is_aborted() const {
    // BEGIN SOLUTION 1.9
    const sync::Lock lock(mutex_);
    return aborted_;
    // END SOLUTION
  }

  // The task has ended, with one of the two. Called once.
  void end(std::optional<ErasedOutput> output, TaskError error) {
    // BEGIN SOLUTION 1.9
    std::optional<Waker> joiner, task;  // Before the lock, as all that is dropped here.
    {
      const sync::Lock lock(mutex_);
      ended_ = true;
      task.swap(task_);
      output_ = std::move(output);
      error_ = std::move(error);
      joiner.swap(joiner_);
    }
    if (joiner.has_value()) std::move(*joiner).wake();
    // END SOLUTION
  }

  // --- For the JoinHandle: see JoinVTable ---

  bool poll_join(Context& cx, void* output) {
    // BEGIN SOLUTION 1.9
    std::optional<ErasedOutput> result;
    TaskError error;
    std::optional<Waker> newest;  // What is left in it at the end is dropped after the lock.
    for (;;) {
      {
        const sync::Lock lock(mutex_);
        if (ended_) {
          result.swap(output_);
          error = std::move(error_);
          break;
        }
        if (joiner_.has_value() && joiner_->will_wake(cx.waker())) return false;
        if (newest.has_value()) {
          newest.swap(joiner_);
          return false;
        }
      }
      newest.emplace(cx.waker().clone());  // Then look again: the task may have ended.
    }
    if (error != nullptr) std::move(error).rethrow();
    result->move_to(output);
    return true;
    // END SOLUTION
  }

  void detach() noexcept {
    // BEGIN SOLUTION 1.9
    // What the task leaves, or has left, goes with this state, when both sides have let go of it.
    std::optional<Waker> joiner;
    const sync::Lock lock(mutex_);
    joiner.swap(joiner_);
    // END SOLUTION
  }

  void abort() noexcept {
    // BEGIN SOLUTION 1.9
    std::optional<Waker> task;
    {
      const sync::Lock lock(mutex_);
      if (ended_) return;
      aborted_ = true;
      task.swap(task_);
    }
    if (task.has_value()) std::move(*task).wake();
    // END SOLUTION
  }

 private:
  // BEGIN SOLUTION 1.9
  // STUB: // Yours: what the task and the handle share, and what guards it.
  mutable sync::Mutex mutex_;  // Guards the rest.
  bool ended_ = false;
  bool aborted_ = false;
  std::optional<ErasedOutput> output_;
  TaskError error_;
  std::optional<Waker> joiner_;  // Of the newest pending poll_join.
  std::optional<Waker> task_;    // Until the first abort, or the end.
  // END SOLUTION
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
    // BEGIN SOLUTION 1.9
    end(std::nullopt, std::make_exception_ptr(Cancelled()));
    // END SOLUTION
  }

  // Throws nothing: what the future throws is for the joiner.
  Poll<void> poll(Context& cx) {
    // BEGIN SOLUTION 1.9
    std::optional<ErasedOutput> output;
    TaskError error;
    if (state_->is_aborted()) {
      error = std::make_exception_ptr(Cancelled());
    } else {
      try {
        output = future_.poll(cx);
      } catch (...) {
        error = std::current_exception();
      }
      if (!output.has_value() && error == nullptr) return kPending;
    }
    end(std::move(output), std::move(error));
    return kReady;
    // END SOLUTION
  }

 private:
  // BEGIN SOLUTION 1.9
  // STUB: // Yours, if you want helpers.
  void end(std::optional<ErasedOutput> output, TaskError error) {
    future_.reset();
    // Let go of first: the end is told once, whatever the joiner does when it is woken.
    const sync::Arc<JoinState> state = std::exchange(state_, sync::Arc<JoinState>());
    state->end(std::move(output), std::move(error));
  }
  // END SOLUTION

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
  // BEGIN SOLUTION 1.9
  detail::JoinedTask task(ErasedFuture(future, vtable), state);
  state->set_task(executor.spawn(BoxFuture<void>(std::move(task))));
  // END SOLUTION
  return RawJoinHandle(std::move(state).into_raw(), &detail::JoinCalls::kVTable);
}

// Runs tasks until each one waits or has ended. Returns how many polls that took. Never sleeps.
inline std::size_t run_until_stalled(LocalExecutor& executor) {
  // BEGIN SOLUTION 1.9
  std::size_t polls = 0;
  while (executor.run_one()) ++polls;
  return polls;
  // END SOLUTION
}

}  // namespace rt
