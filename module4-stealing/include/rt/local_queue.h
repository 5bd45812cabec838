// LocalQueue: the tasks of one worker, first in, first out, in a ring of 256. Its owner pushes and
// pops without a lock; other workers steal from it (rt/steal.h).
//
// Thread safety: push(), push_all(), pop() and room() by the owner. size() by any thread.
//
// Invariants: as TaskRing, and
//   1. Each task that was pushed is taken once: by pop(), by a thief, or by an overflow.
//   2. Whatever a push() has put in is seen by every thread that looks at the queue later in the
//      one order of all seq_cst steps. Who goes to sleep counts on it: see rt/idle.h.
//
// Costs: push() one exchange of a word that only its owner writes; pop() one compare-exchange of
// the head.
//
// The idea is Tokio's runtime::scheduler::multi_thread::queue::Local.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "rt/sync.h"
#include "rt/task_fifo.h"
#include "rt/task_header.h"
#include "rt/task_ring.h"
#include "rt/todo.h"
#include "rt/trace.h"

namespace rt {

class LocalQueue {
 public:
  // `first`: see TaskRing.
  explicit LocalQueue(std::uint32_t first = 0) noexcept : ring_(first) {}
  // Lets go of the tasks that are left.
  ~LocalQueue() {
    while (pop()) {
    }
  }

  // Puts the task at the back. False: there is no room, and `task` is still the caller's.
  [[nodiscard]] bool push(TaskRef& task) noexcept {
    if (room() == 0) return false;
    trace::enqueue(task->id, "local", size() + 1);
    RT_TODO("4.1");
  }

  // Puts all of `tasks` at the back, in their order, in one step. REQUIRES: there is room.
  void push_all(TaskFifo tasks) noexcept {
    RT_TODO("4.1");
  }

  // The task that has waited longest, or none.
  TaskRef pop() noexcept {
    RT_TODO("4.1");
  }

  // How many tasks a push() will take for sure.
  std::uint32_t room() const noexcept {
    RT_TODO("4.1");
  }

  // How many tasks there are to take. Seq_cst: invariant 2.
  std::uint32_t size() const noexcept {
    const TaskRing::Head head = TaskRing::unpack(ring_.head.load());
    const std::uint32_t size = ring_.tail.load() - head.real;
    return std::min(size, TaskRing::kCapacity);  // The head is older than the tail.
  }
  bool empty() const noexcept { return size() == 0; }

  TaskRing& ring() noexcept { return ring_; }

 private:
  TaskRing ring_;
};

}  // namespace rt
