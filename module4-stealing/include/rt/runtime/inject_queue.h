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
#include "rt/platform/todo.h"
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
    RT_TODO("4.3");
  }

  // The same for many, in their order.
  void push_batch(TaskFifo batch) noexcept {
    RT_TODO("4.3");
  }

  // The task that has waited longest, or none.
  TaskRef pop() noexcept {
    RT_TODO("4.3");
  }

  // The `most` that have waited longest, or as many as there are.
  TaskFifo pop_batch(std::size_t most) noexcept {
    RT_TODO("4.3");
  }

  // From here on nothing comes in.
  void close() noexcept {
    RT_TODO("4.3");
  }

  // How many tasks are in it, or were a moment ago.
  std::size_t size() const noexcept {
    RT_TODO("4.3");
  }
  bool empty() const noexcept { return size() == 0; }

 private:
  // Yours: the tasks, and how many there are for those who only ask.
};

}  // namespace rt
