// push_or_overflow: to the back of a worker's own queue. When that is full, the newer half of it
// and the task that comes leave it, and the older half stays:
//
//      own, full     | t1 t2 t3 … t128 | t129 … t256 |   and t257 comes
//                      stays             leave, with t257: those that were never polled to the
//                                        backlog, the others to inject; each in one batch
//
// Why half, and not the one task: the next push would find the queue full again, and pay the lock
// again. Why the newer half: the older one has waited longer, and what a worker has just taken from
// inject lies there. Sent back, it could go round and never be run. (Tokio sent the older half
// until its pull request 8029.)
//
//   step        head and tail                       what the others see
//   ----        -------------                       -------------------
//   claim all   steal, real := tail                 an empty queue: no thief can begin
//   put back    tail += kCapacity / 2               the older half, in the slots where it was
//
// The two halves of one ring are the same slots again: index tail and index tail - kCapacity are in
// one place. So the older half stays by moving two numbers, and no task.
// For a moment nobody sees it: so it is published anew, as a push is (LocalQueue, invariant 3).
//
// While a thief copies, nothing can be claimed, and he makes room in a moment: only the task that
// comes goes to one of the two. If he ends between two of our steps, or one comes before our claim,
// there may be room by then: back to the push.
//
// Thread safety: by the owner of `own`, while others steal.
//
// The idea is Tokio's push_back_or_overflow.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "rt/runtime/backlog.h"
#include "rt/runtime/inject_queue.h"
#include "rt/runtime/local_queue.h"
#include "rt/runtime/task_ring.h"
#include "rt/task/task_fifo.h"
#include "rt/task/task_header.h"

namespace rt {

// BEGIN SOLUTION 4.3
// STUB: // Yours, if you want a helper.
namespace detail {

// Those that leave a queue.
struct Leaving {
  Leaving() noexcept {}
  void add(TaskRef task) noexcept {
    TaskFifo& line = task->is_new.read() ? fresh : others;
    line.push(std::move(task));
  }
  TaskFifo fresh{"overflow"};  // Never polled.
  TaskFifo others{"overflow"};
};

// Takes the newer half out of a full queue. False: a thief was quicker, and there may be room.
// REQUIRES: `before` is the head, and nobody is stealing.
inline bool take_newer_half(LocalQueue& own, std::uint64_t before, Leaving& leaving) noexcept {
  constexpr std::uint32_t kHalf = TaskRing::kCapacity / 2;
  TaskRing& ring = own.ring();
  // Relaxed: only we write it, as what lies in the slots.
  const std::uint32_t tail = ring.tail.load(std::memory_order_relaxed);
  // Release: pairs with a thief's acquire of the head, as in pop().
  if (!ring.head.compare_exchange_strong(before, TaskRing::pack(TaskRing::Head(tail, tail)),
                                         std::memory_order_release, std::memory_order_relaxed)) {
    return false;
  }
  for (std::uint32_t i = kHalf; i < TaskRing::kCapacity; ++i) leaving.add(own.take(tail + i));
  ring.tail.store(tail + kHalf);  // As in push().
  return true;
}

}  // namespace detail
// END SOLUTION

// By the owner of `own`. Returns how many tasks went to `inject` and `backlog`.
inline std::uint32_t push_or_overflow(LocalQueue& own, TaskRef task, InjectQueue& inject,
                                      Backlog& backlog) noexcept {
  // BEGIN SOLUTION 4.3
  while (!own.push(task)) {
    // Acquire: pairs with a thief that has copied, as in room().
    const std::uint64_t before = own.ring().head.load(std::memory_order_acquire);
    const TaskRing::Head head = TaskRing::unpack(before);
    if (head.is_stolen_from()) {
      if (task->is_new.read()) {
        backlog.push(std::move(task));
      } else {
        inject.push(std::move(task));
      }
      return 1;
    }
    if (own.room() > 0) continue;
    detail::Leaving leaving;
    if (!detail::take_newer_half(own, before, leaving)) continue;
    leaving.add(std::move(task));
    backlog.push_batch(std::move(leaving.fresh));
    inject.push_batch(std::move(leaving.others));
    return TaskRing::kCapacity / 2 + 1;
  }
  return 0;
  // END SOLUTION
}

}  // namespace rt
