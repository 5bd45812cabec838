// steal: takes half of another worker's queue.
//
// Thread safety: by the owner of `own`; several thieves, and the victim itself, at the same time.
//
// The idea is Tokio's Steal::steal_into.
#pragma once

#include <atomic>
#include <cstdint>

#include "rt/local_queue.h"
#include "rt/task_header.h"
#include "rt/task_ring.h"
#include "rt/trace.h"

namespace rt {

// What a thief has got: one task to run at once, and the others in its own queue.
struct Stolen {
  Stolen() noexcept {}
  Stolen(TaskRef t, std::uint32_t c) noexcept : task(std::move(t)), count(c) {}
  TaskRef task;
  std::uint32_t count = 0;  // With `task`.
};

// Takes the older half of `victim`, rounded up. Nothing, if it is empty, if another thief is at it,
// or if `own` is more than half full.
inline Stolen steal(LocalQueue& victim, LocalQueue& own) noexcept {
  // BEGIN SOLUTION 4.2
  TaskRing& from = victim.ring();
  TaskRing& to = own.ring();
  const std::uint32_t tail = to.tail.load(std::memory_order_relaxed);
  if (own.room() < TaskRing::kCapacity / 2) return Stolen();
  std::uint64_t before = from.head.load(std::memory_order_acquire);
  std::uint32_t first, count;
  while (true) {
    const TaskRing::Head head = TaskRing::unpack(before);
    if (head.is_stolen_from()) return Stolen();
    const std::uint32_t size = from.tail.load(std::memory_order_acquire) - head.real;
    if (size == 0 || size > TaskRing::kCapacity) return Stolen();
    count = size - size / 2;
    first = head.real;
    const TaskRing::Head claimed(head.steal, head.real + count);
    if (from.head.compare_exchange_weak(before, TaskRing::pack(claimed), std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
      before = TaskRing::pack(claimed);
      break;
    }
  }
  for (std::uint32_t i = 0; i + 1 < count; ++i) {
    to.slot(tail + i).write() = from.slot(first + i).read();
  }
  TaskRef last = TaskRef::from_raw(from.slot(first + count - 1).read());
  while (true) {
    const std::uint32_t real = TaskRing::unpack(before).real;
    if (from.head.compare_exchange_weak(before, TaskRing::pack(TaskRing::Head(real, real)),
                                        std::memory_order_acq_rel, std::memory_order_acquire)) {
      break;
    }
  }
  if (count > 1) to.tail.store(tail + count - 1);
  return Stolen(std::move(last), count);
  // END SOLUTION
}

}  // namespace rt
