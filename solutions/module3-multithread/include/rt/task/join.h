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
    // BEGIN SOLUTION 3.5
    // One load for both bits: complete() changes the two at once.
    const Bits now = word_.load();
    if (is_complete(now)) return Found::kComplete;
    return (now & TaskWord::kJoinWaker) != 0 ? Found::kTasksPlace : Found::kOwnPlace;
    // END SOLUTION
  }

  // REQUIRES: look() has found kTasksPlace.
  bool reclaim() noexcept {
    // BEGIN SOLUTION 3.5
    return word_.update([](Bits before, Bits& after) {
      if (is_complete(before)) return false;
      after = before & ~TaskWord::kJoinWaker;
      return true;
    });
    // END SOLUTION
  }

  // REQUIRES: a waker is in its place, and the place is the handle's.
  bool hand_over() noexcept {
    // BEGIN SOLUTION 3.5
    return word_.update([](Bits before, Bits& after) {
      if (is_complete(before)) return false;
      after = before | TaskWord::kJoinWaker;
      return true;
    });
    // END SOLUTION
  }

  enum class Leave {
    kGone,       // The handle's reference is given back: touch nothing more.
    kFree,       // The same, and it was the last: free the task.
    kDropWaker,  // The waker's place is the handle's. It still has its reference.
    kComplete,   // What the task left is the handle's. It still has its reference.
  };
  Leave leave() noexcept {
    // BEGIN SOLUTION 3.5
    return word_.update([](Bits before, Bits& after) {
      if (is_complete(before)) return Leave::kComplete;
      after = before & ~(TaskWord::kJoinInterest | TaskWord::kJoinWaker);
      if ((before & TaskWord::kJoinWaker) != 0) return Leave::kDropWaker;
      after -= TaskWord::kReference;
      return TaskWord::references(after) == 0 ? Leave::kFree : Leave::kGone;
    });
    // END SOLUTION
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
    // BEGIN SOLUTION 3.5
    HandleState state(task.state.word());
    // Looking first saves the step when the task is complete, and it stays that.
    const bool is_complete = state.look() == HandleState::Found::kComplete;
    switch (is_complete ? HandleState::Leave::kComplete : state.leave()) {
      case HandleState::Leave::kGone:
        return;
      case HandleState::Leave::kFree:
        return task.vtable->free(task);
      case HandleState::Leave::kDropWaker:
        task.join_waker.write() = Waker(nullptr, nullptr);
        break;
      case HandleState::Leave::kComplete:
        task.vtable->drop_output(task);
        break;
    }
    if (task.state.release()) task.vtable->free(task);
    // END SOLUTION
  }

  static void abort(void* handle) noexcept {
    [[maybe_unused]] TaskHeader& task = *static_cast<TaskHeader*>(handle);
    // BEGIN SOLUTION 3.5
    if (task.state.cancel() == TaskState::Wake::kSchedule) {
      task.scheduler->schedule(TaskRef::from_raw(&task));
    }
    // END SOLUTION
  }

  static constexpr JoinVTable kVTable{&poll_join, &detach, &abort};

 private:
  // False when the task is complete. Else its complete() will wake `waker`.
  static bool waits(TaskHeader& task, const Waker& waker) {
    // BEGIN SOLUTION 3.5
    HandleState state(task.state.word());
    const HandleState::Found found = state.look();
    if (found == HandleState::Found::kComplete) return false;
    const bool has_one = found == HandleState::Found::kTasksPlace;
    if (has_one && !state.reclaim()) return false;
    Waker& stored = task.join_waker.write();
    if (!has_one || !stored.will_wake(waker)) stored = waker.clone();
    if (state.hand_over()) return true;
    stored = Waker(nullptr, nullptr);
    return false;
    // END SOLUTION
  }
};

}  // namespace detail

// The untyped JoinHandle of a task, on the reference that TaskCell::create() made for it.
inline RawJoinHandle join_handle(TaskRef joined) noexcept {
  return RawJoinHandle(std::move(joined).into_raw(), &detail::TaskJoin::kVTable);
}

}  // namespace rt
