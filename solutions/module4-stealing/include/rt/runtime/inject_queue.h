// InjectQueue: tasks that belong to no worker. Here comes what is woken or spawned outside of the
// runtime, and what a worker's own queue has no room for, if it has run before. Workers come here
// when they have nothing of their own, and every so many polls in any case.
//
//   who                            brings or takes            locks
//   ---                            ---------------            -----
//   a thread outside: push()       one                        one
//   an overflow: push_batch()      up to half a ring and one  one for all of them
//   a worker: pop_batch()          its share                  one for all of them; none if empty
//
// One mutex is enough: the ways of most tasks do not lead here, and those that do come in batches.
//
// Thread safety: all functions by any thread.
//
// Invariants
//   1. First in, first out. A batch is not torn apart.
//   2. After close() nothing comes in: it is let go of. What was in comes out.
//   3. No lock is held while a task is let go of: that may run any destructor, and come back here.
//   4. Nobody takes the lock to learn that the queue is empty.
//   5. Once push() has returned, its task is seen by every thread that looks at size() later in the
//      one order of all seq_cst operations, as with LocalQueue.
//
// The idea is Tokio's runtime::scheduler::inject.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "rt/platform/sync.h"
#include "rt/task/task_fifo.h"
#include "rt/task/task_header.h"

namespace rt {

class InjectQueue {
 public:
  InjectQueue() = default;
  InjectQueue(const InjectQueue&) = delete;
  InjectQueue& operator=(const InjectQueue&) = delete;

  // To the back.
  void push(TaskRef task) noexcept {
    // BEGIN SOLUTION 4.3
    const sync::Lock lock(mutex_);
    Tasks& tasks = tasks_.write();
    if (tasks.closed) return;  // A parameter outlives the lock: the task is let go of after it.
    tasks.ready.push(std::move(task));
    size_.store(tasks.ready.size());  // Seq_cst: invariant 5.
    // END SOLUTION
  }

  // The same for many, in their order.
  void push_batch(TaskFifo batch) noexcept {
    // BEGIN SOLUTION 4.3
    if (batch.empty()) return;
    const sync::Lock lock(mutex_);
    Tasks& tasks = tasks_.write();
    if (tasks.closed) return;  // As in push().
    tasks.ready.push_batch(batch);
    size_.store(tasks.ready.size());  // Seq_cst: invariant 5.
    // END SOLUTION
  }

  // The task that has waited longest, or none.
  TaskRef pop() noexcept {
    // BEGIN SOLUTION 4.3
    if (empty()) return TaskRef();
    const sync::Lock lock(mutex_);
    Tasks& tasks = tasks_.write();
    TaskRef task = tasks.ready.pop();
    note_size(tasks);
    return task;
    // END SOLUTION
  }

  // The `most` that have waited longest, or as many as there are.
  TaskFifo pop_batch(std::size_t most) noexcept {
    // BEGIN SOLUTION 4.3
    if (empty()) return TaskFifo("share");
    const sync::Lock lock(mutex_);
    Tasks& tasks = tasks_.write();
    TaskFifo batch = tasks.ready.pop_batch(most, "share");
    note_size(tasks);
    return batch;
    // END SOLUTION
  }

  // From here on nothing comes in.
  void close() noexcept {
    // BEGIN SOLUTION 4.3
    const sync::Lock lock(mutex_);
    tasks_.write().closed = true;
    // END SOLUTION
  }

  // How many tasks are in it, or were a moment ago.
  std::size_t size() const noexcept {
    // BEGIN SOLUTION 4.3
    return size_.load();  // Seq_cst: invariant 5.
    // END SOLUTION
  }
  bool empty() const noexcept { return size() == 0; }

 private:
  // BEGIN SOLUTION 4.3
  // STUB: // Yours: the tasks, and how many there are for those who only ask.
  struct Tasks {
    TaskFifo ready{"inject"};  // Named for the trace.
    bool closed = false;
  };

  // After something was taken out. Relaxed: who still reads the larger number comes in vain.
  void note_size(const Tasks& tasks) noexcept {
    size_.store(tasks.ready.size(), std::memory_order_relaxed);
  }

  sync::Mutex mutex_;
  sync::Cell<Tasks> tasks_{};          // Guarded by the mutex.
  sync::Atomic<std::size_t> size_{0};  // Written under the mutex, read without it.
  // END SOLUTION
};

}  // namespace rt
