// TaskState: where a task is in its life, and who may do what with it.
//
// A task is in one of four states. Its word (rt/task/task_word.h) says which:
//
//   idle       none of the three bits below          waits for a wake
//   scheduled  notified, not running, not complete   one reference of it is in a queue
//   running    running                               a thread polls its future, or drops it
//   complete   complete                              for ever
//
//   step            idle             scheduled         running            complete
//   ----            ----             ---------         -------            --------
//   begin_run()     -                -> running        kNotMine           kNotMine
//   end_run()       -                -                 -> idle, -1 ref    -
//    if notified                                       -> scheduled
//    if cancelled                                      stays, kCancelled
//   complete(n)     -                -                 -> complete,       -
//                                                      - join waker
//   wake_by_ref()   -> scheduled,    nothing           + notified         nothing
//                      +1 ref
//   wake_by_value() -> scheduled     -1 ref            + notified, -1 ref -1 ref
//   cancel()        -> scheduled,    + cancelled       + cancelled        nothing
//                      + cancelled,
//                      +1 ref
//   claim()         -> running,      -> running,       + cancelled        nothing
//                      + cancelled      still notified,
//                                       + cancelled
//
//   -  never happens      nothing  the word stays as it is, and is written all the same
//   +1 ref  by TaskWord::add_reference(), which ends the program before a count begins again at 0
//
// Thread safety: all functions by any thread that has a reference; end_run() and complete() by the
// thread that runs the task.
//
// Invariants
//   1. At most one thread is between a begin_run() or claim() that gave it the task, and the
//      end_run() or complete() that took it back. It alone may touch the future.
//   2. A wake that comes before the end of the task leads to a begin_run() after it: also one while
//      the task runs. However many come before that, the task is in a queue once.
//   3. What happened before a wake, also one that finds the task notified already, is visible to
//      the poll that follows it.
//   4. A task that is complete stays complete, and no step asks for it to be scheduled.
//   5. Each step is one atomic update of the word: between looking and changing nobody comes.
//
// Costs, in read-modify-writes (RMW) of the word: one for each step. A task that is ready at its
// first poll takes two in all from its queue to its end, and one that waits once takes six: of
// these one is the clone of its waker, and one the wake.
//
// The idea is Tokio's runtime::task::state.
#pragma once

#include "rt/task/task_word.h"

namespace rt {

class TaskState {
 public:
  using Bits = TaskWord::Bits;

  // A new task is scheduled. Its references: that of the list of all tasks, that of the queue, and
  // with `joined` that of a JoinHandle.
  explicit TaskState(bool joined) noexcept
      : TaskState(joined ? TaskWord::kNotified | TaskWord::kJoinInterest | 3 * TaskWord::kReference
                         : TaskWord::kNotified | 2 * TaskWord::kReference) {}
  explicit TaskState(Bits bits) noexcept : word_(bits) {}

  // --- For who runs the task ---

  // Before a poll, by whoever has taken the task out of its queue.
  enum class Start {
    kRun,        // Poll it, and then end_run() or complete().
    kCancelled,  // It is yours, to be dropped. Then complete().
    kNotMine,    // Somebody drops it, or it has ended. Let go of the reference.
  };
  Start begin_run() noexcept {
    // BEGIN SOLUTION 3.2
    return word_.update([](Bits before, Bits& after) {
      if ((before & (kRunning | kComplete)) != 0) return Start::kNotMine;
      // A wake from here on is one for the next poll. (Taken away after the poll, it would take
      // those with it that came during the poll.)
      after = (before & ~kNotified) | kRunning;
      return (before & kCancelled) != 0 ? Start::kCancelled : Start::kRun;
    });
    // END SOLUTION
  }

  // After a poll that said pending. The reference of the run is that of the queue.
  enum class Stop {
    kIdle,       // Somebody will wake it. The reference is given back.
    kFree,       // The same, and nobody else has a reference: free it.
    kScheduled,  // It was woken during the poll. The reference is for the queue.
    kCancelled,  // It was cancelled during the poll. Still yours: drop it, and complete().
  };
  Stop end_run() noexcept {
    // BEGIN SOLUTION 3.2
    return word_.update([](Bits before, Bits& after) {
      if ((before & kCancelled) != 0) return Stop::kCancelled;
      after = before & ~kRunning;
      if ((before & kNotified) != 0) return Stop::kScheduled;
      after -= kReference;
      return TaskWord::references(after) == 0 ? Stop::kFree : Stop::kIdle;
    });
    // END SOLUTION
  }

  // The future is gone, and what it left is in its place. What has to be done with that:
  enum class End {
    kHandedOver,  // A JoinHandle will fetch it. `references` are given back: touch nothing more.
    kWakeJoiner,  // The same, and the waker is yours to take and wake. You keep the references.
    kDropOutput,  // Nobody will fetch it: it is yours to destroy. You keep the references.
  };
  End complete(Bits references) noexcept {
    // BEGIN SOLUTION 3.2
    return word_.update([references](Bits before, Bits& after) {
      after = (before & ~(kRunning | kJoinWaker)) | kComplete;
      if ((before & kJoinInterest) == 0) return End::kDropOutput;
      if ((before & kJoinWaker) != 0) return End::kWakeJoiner;
      after -= references * kReference;  // Never the last: the JoinHandle has one.
      return End::kHandedOver;
    });
    // END SOLUTION
  }

  // --- For everybody ---

  enum class Wake {
    kNothing,   // Nothing is to be done.
    kSchedule,  // One reference has been made, or given, for the queue: put the task there.
    kFree,      // The reference that was given up was the last: free the task.
  };

  // By a waker that stays.
  Wake wake_by_ref() noexcept {
    // BEGIN SOLUTION 3.2
    return word_.update([](Bits before, Bits& after) {
      if ((before & (kComplete | kNotified)) != 0) return Wake::kNothing;
      after = before | kNotified;
      if ((before & kRunning) != 0) return Wake::kNothing;  // Its end_run() will see it.
      after = TaskWord::add_reference(after);
      return Wake::kSchedule;
    });
    // END SOLUTION
  }

  // By a waker that is used up: its reference goes into the queue, or is given back.
  Wake wake_by_value() noexcept {
    // BEGIN SOLUTION 3.2
    return word_.update([](Bits before, Bits& after) {
      if ((before & kComplete) == 0) after |= kNotified;
      if ((before & (kComplete | kNotified | kRunning)) == 0) return Wake::kSchedule;
      after -= kReference;
      return TaskWord::references(after) == 0 ? Wake::kFree : Wake::kNothing;
    });
    // END SOLUTION
  }

  // The task is to be dropped by whoever runs it next. A poll that is under way goes to its end.
  Wake cancel() noexcept {
    // BEGIN SOLUTION 3.2
    return word_.update([](Bits before, Bits& after) {
      if ((before & kComplete) != 0) return Wake::kNothing;
      after = before | kCancelled;
      if ((before & (kRunning | kNotified)) != 0) return Wake::kNothing;
      after = TaskWord::add_reference(after | kNotified);
      return Wake::kSchedule;
    });
    // END SOLUTION
  }

  // The runtime goes away. True: the task is the caller's, to be dropped and completed. False: it
  // runs, and who runs it will drop it, or it has ended.
  bool claim() noexcept {
    // BEGIN SOLUTION 3.2
    return word_.update([](Bits before, Bits& after) {
      if ((before & kComplete) != 0) return false;
      after = before | kCancelled | kRunning;
      return (before & kRunning) == 0;
    });
    // END SOLUTION
  }

  // References: as TaskWord.
  void retain() noexcept { word_.retain(); }
  [[nodiscard]] bool release(Bits count = 1) noexcept { return word_.release(count); }

  bool is_complete() const noexcept { return (word_.load() & kComplete) != 0; }
  TaskWord& word() noexcept { return word_; }

 private:
  static constexpr Bits kRunning = TaskWord::kRunning;
  static constexpr Bits kNotified = TaskWord::kNotified;
  static constexpr Bits kComplete = TaskWord::kComplete;
  static constexpr Bits kCancelled = TaskWord::kCancelled;
  static constexpr Bits kJoinInterest = TaskWord::kJoinInterest;
  static constexpr Bits kJoinWaker = TaskWord::kJoinWaker;
  static constexpr Bits kReference = TaskWord::kReference;

  TaskWord word_;
};

}  // namespace rt
