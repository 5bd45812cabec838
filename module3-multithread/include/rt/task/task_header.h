// TaskHeader, TaskRef, TaskScheduler: what a scheduler sees of a task, and a task of its scheduler.
//
// A task's header stands at the front of its memory; behind it is its future (rt/task/task_cell.h).
// A TaskRef is one counted reference to it. A scheduler passes TaskRefs around and never asks what
// is behind them:
//
//   waker ── wake ──> TaskState: idle -> scheduled ── TaskRef ──> TaskScheduler::schedule()
//                                                                       │ some queue
//   worker <── std::move(task).run() ── polls the future <── TaskRef ───┘
//
// Thread safety: a TaskRef belongs to one thread at a time; different TaskRefs to one task may be
// used by different threads. Each field of the header says who may touch it.
//
// Invariants
//   1. A reference is let go of exactly once: by ~TaskRef(), run(), shutdown(), or whoever takes it
//      back from into_raw(). The last one frees the task.
//   2. A task that has not ended has at most one reference in the scheduler's queues, or on the way
//      there: the *scheduled* one, which schedule() and yield() are given. Only that one is run().
//   3. A scheduler lives until the last of its tasks has been freed: see task_created().
//
// The idea is Tokio's runtime::task.
#pragma once

#include <cstdint>
#include <exception>
#include <source_location>
#include <utility>

#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "rt/task/spawn.h"
#include "rt/task/task_state.h"
#include "rt/task/unhandled.h"
#include "rt/trace/trace.h"

namespace rt {

class TaskRef;
struct TaskHeader;

// Where the tasks of one runtime go. Called by any thread, unless it says otherwise.
class TaskScheduler {
 public:
  TaskScheduler() = default;
  TaskScheduler(const TaskScheduler&) = delete;
  TaskScheduler& operator=(const TaskScheduler&) = delete;

  // The task has become ready. Takes over its scheduled reference, and run()s it once, soon, or
  // lets go of it when the runtime is closed (then shutdown() has been called for the task, or will
  // be). The task may have been run, and freed, by another thread before this call returns.
  virtual void schedule(TaskRef task) noexcept = 0;

  // The same for a task that was woken during its own poll. It goes behind all that are ready, so
  // that they have their turn. By the thread that ran it.
  virtual void yield(TaskRef task) noexcept = 0;

  // The task is about to end. Takes it off the list of all tasks. True: it was there, and the
  // list's reference is now the caller's. By the thread that runs the task, or shuts it down.
  [[nodiscard]] virtual bool release(TaskHeader& task) noexcept = 0;

  // A task has thrown, and nobody will hear of it: see rt/task/unhandled.h. By the thread that
  // found out, with no lock held. The task has ended, and may be gone after this call.
  virtual void unhandled(std::exception_ptr thrown) noexcept {
    report_unhandled(std::move(thrown));
  }

  // A task of this scheduler has been made; it has been freed. For schedulers that are not sure to
  // outlive their tasks, and therefore count them: wakers may outlive a runtime, and a wake may be
  // inside schedule() while the runtime is closed. After task_freed() the task does not call again.
  virtual void task_created() noexcept {}
  virtual void task_freed() noexcept {}

 protected:
  ~TaskScheduler() = default;
};

// The functions behind a header.
struct TaskVTable {
  void (*run)(TaskHeader& task) noexcept;       // Uses the scheduled reference up.
  void (*shutdown)(TaskHeader& task) noexcept;  // Uses one reference up.
  void (*free)(TaskHeader& task) noexcept;      // With what is still in it. By the last reference.
  // What the future left, for the JoinHandle: see JoinVTable::poll_join.
  void (*take_output)(TaskHeader& task, void* output);  // Moves it out, or throws. Once.
  void (*drop_output)(TaskHeader& task) noexcept;       // Destroys it, if it was not taken.
};

// A task's place in the list of all tasks. For that list, guarded by its locks.
struct OwnedLinks {
  OwnedLinks() noexcept {}
  bool is_linked() const noexcept { return previous != nullptr; }
  TaskHeader* next = nullptr;
  TaskHeader* previous = nullptr;  // Of the first task in the list: itself. Null: not in the list.
};

// What every task has. The fields that a run touches come first; what is smaller than a word comes
// last, so that whoever derives from this has the rest of that word.
struct TaskHeader {
  // Without traces an id only says in which shard of a list the task is, and may come round: half
  // a word is enough.
#ifdef RT_NO_TRACE
  using Id = std::uint32_t;
#else
  using Id = trace::TaskId;
#endif

  TaskHeader(const TaskVTable& v, TaskScheduler& s, bool joined) noexcept
      : state(joined), vtable(&v), scheduler(&s), id(static_cast<Id>(trace::new_task_id())) {}
  TaskHeader(const TaskHeader&) = delete;
  TaskHeader& operator=(const TaskHeader&) = delete;

  TaskState state;
  const TaskVTable* const vtable;
  TaskScheduler* const scheduler;
  // The next one in a queue. For whoever holds the scheduled reference: that is the queue.
  sync::Cell<TaskHeader*> queue_next{nullptr};
  sync::Cell<OwnedLinks> owned{};
  // The waker of who joins; one that owns nothing, if there is none. Join waker set: the task's;
  // else the JoinHandle's, until it is complete.
  sync::Cell<Waker> join_waker{nullptr, nullptr};
  const std::source_location spawned_at = SpawnSite::current();
  const Id id;
  // Was never run. As queue_next.
  sync::Cell<bool> is_new{true};

 protected:
  ~TaskHeader() = default;
};

// One counted reference to a task, or none.
class [[nodiscard]] TaskRef {
 public:
  TaskRef() noexcept = default;
  TaskRef(TaskRef&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
  TaskRef& operator=(TaskRef&& other) noexcept {
    TaskRef taken(std::move(other));
    std::swap(task_, taken.task_);
    return *this;
  }
  ~TaskRef() {
    if (task_ != nullptr) let_go(*task_);
  }

  // A second reference.
  TaskRef clone() const noexcept {
    task_->state.retain();
    return from_raw(task_);
  }

  explicit operator bool() const noexcept { return task_ != nullptr; }
  TaskHeader& operator*() const noexcept { return *task_; }
  TaskHeader* operator->() const noexcept { return task_; }

  // Gives the reference away as a pointer; from_raw() takes it back.
  TaskHeader* into_raw() && noexcept { return std::exchange(task_, nullptr); }
  static TaskRef from_raw(TaskHeader* task) noexcept { return TaskRef(task); }

  // Polls the task once, or drops its future if it was cancelled, and does what follows from it.
  // Nothing that the future throws comes out. REQUIRES: this is the scheduled reference.
  void run() && noexcept {
    TaskHeader* const task = std::move(*this).into_raw();
    task->is_new.write() = false;
    task->vtable->run(*task);
  }

  // Cancels the task, and drops its future before this returns, unless a thread is polling it: then
  // that one drops it. Its joiner gets Cancelled. For the end of a runtime, on any reference; the
  // scheduled one may still be in a queue.
  void shutdown() && noexcept {
    TaskHeader* const task = std::move(*this).into_raw();
    task->vtable->shutdown(*task);
  }

 private:
  explicit TaskRef(TaskHeader* task) noexcept : task_(task) {}

  // Not inline: most are empty by their end, and to see that is.
  [[gnu::noinline]] static void let_go(TaskHeader& task) noexcept {
    if (task.state.release()) task.vtable->free(task);
  }

  TaskHeader* task_ = nullptr;
};

// What a new task begins with: one reference for each of its owners.
struct NewTask {
  NewTask(TaskRef o, TaskRef s, TaskRef j) noexcept
      : owned(std::move(o)), scheduled(std::move(s)), joined(std::move(j)) {}

  TaskRef owned;      // For the list of all tasks.
  TaskRef scheduled;  // For schedule().
  TaskRef joined;     // For the JoinHandle; none when nobody joins.
};

}  // namespace rt
