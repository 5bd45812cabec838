// push_or_overflow: to the back of a worker's own queue, and when that is full, half of it goes to
// the inject queue.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "rt/inject_queue.h"
#include "rt/local_queue.h"
#include "rt/task_fifo.h"
#include "rt/task_header.h"
#include "rt/task_ring.h"

namespace rt {

// By the owner of `own`. Returns how many tasks went to `inject`.
inline std::uint32_t push_or_overflow(LocalQueue& own, TaskRef task, InjectQueue& inject) noexcept {
  // BEGIN SOLUTION 4.3
  while (!own.push(task)) {
    TaskRing& ring = own.ring();
    std::uint64_t before = ring.head.load(std::memory_order_acquire);
    const TaskRing::Head head = TaskRing::unpack(before);
    if (head.is_stolen_from()) {
      inject.push(std::move(task));
      return 1;
    }
    const std::uint32_t tail = ring.tail.load(std::memory_order_relaxed);
    if (tail - head.steal < TaskRing::kCapacity) continue;
    if (!ring.head.compare_exchange_strong(before, TaskRing::pack(TaskRing::Head(tail, tail)),
                                           std::memory_order_acq_rel, std::memory_order_relaxed)) {
      continue;
    }
    constexpr std::uint32_t kHalf = TaskRing::kCapacity / 2;
    TaskFifo newer("inject");
    for (std::uint32_t i = kHalf; i < TaskRing::kCapacity; ++i) {
      newer.push(TaskRef::from_raw(ring.slot(tail + i).read()));
    }
    newer.push(std::move(task));
    ring.tail.store(tail + kHalf);
    inject.push_batch(std::move(newer));
    return kHalf + 1;
  }
  return 0;
  // END SOLUTION
}

}  // namespace rt
