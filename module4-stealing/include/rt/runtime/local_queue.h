// LocalQueue: the tasks of one worker, first in, first out, in a ring of 256. Its owner pushes and
// pops without a lock, while other workers take from it (rt/runtime/steal.h). What stands where in
// the ring, and which step may change what, is the table in rt/runtime/task_ring.h.
//
// Thread safety: push(), push_all(), pop() and room() by the owner. size() and empty() by any
// thread.
//
// Invariants: those of TaskRing, and
//   1. Each task that was pushed is taken once: by pop(), by a thief, or by an overflow.
//   2. pop() gives the tasks in the order in which they were pushed.
//   3. Once push() has returned, its task is seen by every thread that looks at size() later in the
//      one order of all seq_cst operations. A worker that goes to sleep counts on it:
//
//        who pushes                            who goes to sleep
//        tail.store          (seq_cst)         says so in Idle's word   (seq_cst)
//        reads Idle's word   (seq_cst)         size(): tail.load        (seq_cst)
//
//      Whoever's second step comes last sees the other's first: the pusher sees a sleeper and wakes
//      him, or the sleeper sees a task and stays awake. With a release store both could miss.
//
// Costs: push() one exchange of a word that only its owner writes (a seq_cst store on x86-64);
// pop() one compare-and-exchange of the head. Both lines are at home unless somebody steals.
//
// What it bought, in ratios of one run: the seq_cst store makes push and pop together 1.13 times as
// long as a release store. Tokio has the release store, and asks for sleepers by a fetch_add(0) of
// the word that all workers share. With one thread that is the same; with two on two cores, each in
// its own queue, push, look and pop take 4 to 5 times as long that way.
//
// The idea is Tokio's runtime::scheduler::multi_thread::queue::Local.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "rt/platform/sync.h"
#include "rt/platform/todo.h"
#include "rt/runtime/task_ring.h"
#include "rt/task/task_fifo.h"
#include "rt/task/task_header.h"
#include "rt/trace/trace.h"

namespace rt {

class LocalQueue {
 public:
  // `first`: see TaskRing.
  explicit LocalQueue(std::uint32_t first = 0) noexcept : ring_(first) {}
  // Lets go of the tasks that are left. REQUIRES: nobody steals any more.
  ~LocalQueue() {
    while (pop()) {
    }
  }

  // --- For the owner ---

  // Puts the task at the back. False: there is no room, and `task` is still the caller's. Once it
  // is in, it may be run, and freed, by a thief before this returns.
  [[nodiscard]] bool push(TaskRef& task) noexcept {
    RT_TODO("4.1");
  }

  // Puts all of `tasks` at the back, in their order, and publishes them in one step. REQUIRES: not
  // more than room().
  void push_all(TaskFifo tasks) noexcept {
    RT_TODO("4.1");
  }

  // The task that has waited longest, or none.
  TaskRef pop() noexcept {
    RT_TODO("4.1");
  }

  // How many tasks can be pushed. Thieves can only make it more.
  std::uint32_t room() const noexcept {
    RT_TODO("4.1");
  }

  // --- For everybody ---

  // How many tasks there are to take: for the owner, at most so many; for the others, a moment ago.
  std::uint32_t size() const noexcept {
    // Acquire: pairs with whoever has moved the head. The tail that is read next is not older.
    const TaskRing::Head head = TaskRing::unpack(ring_.head.load(std::memory_order_acquire));
    // Seq_cst: invariant 3. This tail may be newer than the head, and then more than a ring ahead.
    return std::min(ring_.tail.load() - head.real, TaskRing::kCapacity);
  }
  bool empty() const noexcept { return size() == 0; }

  // --- For the steps that are written elsewhere: rt/runtime/steal.h, rt/runtime/overflow.h ---

  TaskRing& ring() noexcept { return ring_; }

  // Into the free slot of `index`, not yet published.
  void put(std::uint32_t index, TaskRef task) noexcept {
    if (trace::enabled()) trace::enqueue(task->id, "local", length_with(index));
    ring_.slot(index).write() = std::move(task).into_raw();
  }
  // Out of the slot of `index`, which the caller has claimed.
  TaskRef take(std::uint32_t index) noexcept {
    TaskHeader* const task = ring_.slot(index).read();
    if (trace::enabled()) trace::dequeue(task->id, "local", size());
    return TaskRef::from_raw(task);
  }

 private:
  // For the trace: how long the queue is, once what stands at `index` is the last one.
  std::uint32_t length_with(std::uint32_t index) const noexcept {
    return index + 1 - TaskRing::unpack(ring_.head.load(std::memory_order_relaxed)).real;
  }

  TaskRing ring_;
};

}  // namespace rt
