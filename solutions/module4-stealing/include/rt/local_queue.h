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
    // BEGIN SOLUTION 4.1
    // Relaxed: only we write it.
    const std::uint32_t tail = ring_.tail.load(std::memory_order_relaxed);
    ring_.slot(tail).write() = std::move(task).into_raw();
    // Publishes the slot: pairs with the acquire of the tail in steal().
    ring_.tail.store(tail + 1);
    return true;
    // END SOLUTION
  }

  // Puts all of `tasks` at the back, in their order, in one step. REQUIRES: there is room.
  void push_all(TaskFifo tasks) noexcept {
    // BEGIN SOLUTION 4.1
    std::uint32_t tail = ring_.tail.load(std::memory_order_relaxed);
    while (TaskRef task = tasks.pop()) ring_.slot(tail++).write() = std::move(task).into_raw();
    ring_.tail.store(tail);  // As in push().
    // END SOLUTION
  }

  // The task that has waited longest, or none.
  TaskRef pop() noexcept {
    // BEGIN SOLUTION 4.1
    // Acquire: pairs with the thief's release, when it has copied; we may write those slots.
    std::uint64_t before = ring_.head.load(std::memory_order_acquire);
    const std::uint32_t tail = ring_.tail.load(std::memory_order_relaxed);
    while (true) {
      const TaskRing::Head head = TaskRing::unpack(before);
      if (head.real == tail) return TaskRef();
      const std::uint32_t next = head.real + 1;
      const TaskRing::Head after(head.is_stolen_from() ? head.steal : next, next);
      if (ring_.head.compare_exchange_weak(before, TaskRing::pack(after), std::memory_order_acq_rel,
                                           std::memory_order_acquire)) {
        TaskHeader* const task = ring_.slot(head.real).read();
        trace::dequeue(task->id, "local", tail - next);
        return TaskRef::from_raw(task);
      }
    }
    // END SOLUTION
  }

  // How many tasks a push() will take for sure.
  std::uint32_t room() const noexcept {
    // BEGIN SOLUTION 4.1
    const std::uint32_t tail = ring_.tail.load(std::memory_order_relaxed);
    const TaskRing::Head head = TaskRing::unpack(ring_.head.load(std::memory_order_acquire));
    return TaskRing::kCapacity - (tail - head.steal);
    // END SOLUTION
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
