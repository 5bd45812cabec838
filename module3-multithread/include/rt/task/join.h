// join: the JoinHandle of a task that may end on another thread. What the two sides have to say to
// each other is in the task's word; the output lies in the task's memory, and so does the waker of
// whoever joins.
//
// The waker's place has one owner at a time, and the bit *join waker* says which:
//
//   join waker   complete   the waker's place belongs to
//   ----------   --------   ----------------------------
//   0            0          the JoinHandle: it may put a waker there, or take one out
//   1            0          the task: nobody else looks at it
//   -            1          whoever it belonged to at that moment. complete() takes the bit away,
//                           and the waker with it
//
//   step            complete: 0                             complete: 1
//   ----            -----------                             -----------
//   look()          kOwnPlace, or kTasksPlace               kComplete
//   reclaim()       - join waker. True: the place is        false: the task has the waker
//                   the handle's
//   hand_over()     + join waker. True: the place is        false: the handle keeps the place
//                   the task's
//   leave()         - join interest, - join waker           kComplete: nothing changes, and the
//                   no waker there: -1 ref, kGone, or       handle has the output
//                   kFree when it was the last
//                   a waker there:  kDropWaker
//
// Thread safety: a JoinHandle belongs to one thread at a time; the task may run on another.
//
// Invariants
//   1. The joiner gets exactly one of: the output, what the task threw, Cancelled. A poll that says
//      pending has left its waker where complete() finds it, and complete() wakes it once.
//   2. The output is destroyed once: by the handle, when the task was complete before it left; else
//      by the thread that completes the task.
//   3. A stored waker that would wake the same task is not cloned again.
//   4. abort() asks, and does not wait. A task that ends before it is next run keeps its output.
//
// Costs, in read-modify-writes of the word: a join that finds the task complete, and is the last to
// let go, none; one that has to wait, one, and two more for each further poll that finds it
// pending. detach() one, as long as no waker is there.
//
// The idea is Tokio's JoinHandle, and its protocol of the JOIN_WAKER bit.
#pragma once

#include <utility>

#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/todo.h"
#include "rt/task/spawn.h"
#include "rt/task/task_header.h"
#include "rt/task/task_word.h"

namespace rt {
namespace detail {

// The handle's steps.
class HandleState {
 public:
  explicit HandleState(TaskWord& word) noexcept : word_(word) {}

  // What the handle finds.
  enum class Found {
    kOwnPlace,    // Not complete, and the waker's place is the handle's.
    kTasksPlace,  // Not complete, and the waker's place was the task's: see reclaim().
    kComplete,    // What the task left is the handle's.
  };
  Found look() const noexcept {
    RT_TODO("3.5");
  }

  // REQUIRES: look() has found kTasksPlace.
  bool reclaim() noexcept {
    RT_TODO("3.5");
  }

  // REQUIRES: a waker is in its place, and the place is the handle's.
  bool hand_over() noexcept {
    RT_TODO("3.5");
  }

  enum class Leave {
    kGone,       // The handle's reference is given back: touch nothing more.
    kFree,       // The same, and it was the last: free the task.
    kDropWaker,  // The waker's place is the handle's. It still has its reference.
    kComplete,   // What the task left is the handle's. It still has its reference.
  };
  Leave leave() noexcept {
    RT_TODO("3.5");
  }

 private:
  using Bits = TaskWord::Bits;
  static bool is_complete(Bits bits) noexcept { return (bits & TaskWord::kComplete) != 0; }

  TaskWord& word_;
};

// A JoinHandle's calls: see JoinVTable.
class TaskJoin {
 public:
  static bool poll_join(void* handle, Context& cx, void* output) {
    TaskHeader& task = *static_cast<TaskHeader*>(handle);
    if (waits(task, cx.waker())) return false;
    task.vtable->take_output(task, output);
    return true;
  }

  static void detach(void* handle) noexcept {
    [[maybe_unused]] TaskHeader& task = *static_cast<TaskHeader*>(handle);
    RT_TODO("3.5");
  }

  static void abort(void* handle) noexcept {
    [[maybe_unused]] TaskHeader& task = *static_cast<TaskHeader*>(handle);
    RT_TODO("3.5");
  }

  static constexpr JoinVTable kVTable{&poll_join, &detach, &abort};

 private:
  // False when the task is complete. Else its complete() will wake `waker`.
  static bool waits(TaskHeader& task, const Waker& waker) {
    RT_TODO("3.5");
  }
};

}  // namespace detail

// The untyped JoinHandle of a task, on the reference that TaskCell::create() made for it.
inline RawJoinHandle join_handle(TaskRef joined) noexcept {
  return RawJoinHandle(std::move(joined).into_raw(), &detail::TaskJoin::kVTable);
}

}  // namespace rt
