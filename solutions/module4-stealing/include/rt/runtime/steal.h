// steal: takes the older half of another worker's queue, while its owner pushes and pops, and while
// other thieves try the same. The three steps of a thief, and what the head is between them:
//
//      step       head of the victim       what it means for the others
//      ----       ------------------       ----------------------------
//   1  claim      real += n                owner and thieves take behind them; the slots are not
//                                          free yet; the next thief finds that somebody is at it
//   2  copy       stays, or the owner      the owner pops on, behind what was claimed
//                 pops: real += 1
//   3  free       steal := real            the owner may write to the slots; thieves may come
//
// What was copied is published in the thief's own queue after that, as a push is.
//
// Thread safety: steal() by the owner of `own`. Several thieves, and the victim itself, at the same
// time.
//
// Invariants: those of TaskRing and LocalQueue, and
//   1. Nobody waits. A thief who finds another one at it goes away; one whose claim fails because
//      the owner has popped tries again with what is left. The owner is never kept from anything
//      but the slots that are being copied.
//   2. A task that is claimed is the thief's: it is in `own`, or returned, when steal() returns.
//
// Costs: two compare-and-exchanges of the victim's head for up to 128 tasks, and none for an empty
// victim.
//
// The idea is Tokio's Steal::steal_into.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "rt/runtime/local_queue.h"
#include "rt/runtime/task_ring.h"
#include "rt/task/task_header.h"

namespace rt {

// What a thief has got: one task to run at once, and the others in its own queue.
struct Stolen {
  Stolen() noexcept {}
  Stolen(TaskRef t, std::uint32_t c) noexcept : task(std::move(t)), count(c) {}
  TaskRef task;
  std::uint32_t count = 0;  // With `task`.
};

// BEGIN SOLUTION 4.2
// STUB: // Yours, if you want helpers: the three steps.
namespace detail {

// The tasks that a thief has claimed: `count` of them from the index `first` on.
struct Claim {
  Claim() noexcept {}
  Claim(std::uint32_t f, std::uint32_t c) noexcept : first(f), count(c) {}
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

inline Claim claim_half(TaskRing& from) noexcept {
  // Acquire: pairs with the release of whoever has moved the head. So the tail that is read next is
  // not older than the head.
  std::uint64_t before = from.head.load(std::memory_order_acquire);
  while (true) {
    const TaskRing::Head head = TaskRing::unpack(before);
    if (head.is_stolen_from()) return Claim();
    // Acquire: pairs with the store of the tail in push(). We are about to read those slots.
    const std::uint32_t size = from.tail.load(std::memory_order_acquire) - head.real;
    if (size == 0) return Claim();
    // A tail that is newer than the head may be more than a ring ahead of it. Then the head has
    // changed, and this fails.
    const std::uint32_t count = size - size / 2;
    const TaskRing::Head claimed(head.steal, head.real + count);
    // Release: as in pop(). Acquire: as above, for the next try.
    if (from.head.compare_exchange_weak(before, TaskRing::pack(claimed), std::memory_order_release,
                                        std::memory_order_acquire)) {
      return Claim(head.real, count);
    }
  }
}

inline void free_slots(TaskRing& from) noexcept {
  // Relaxed: it is the owner who moves `real` meanwhile, and we only pass the number on.
  std::uint64_t before = from.head.load(std::memory_order_relaxed);
  while (true) {
    const std::uint32_t real = TaskRing::unpack(before).real;
    // Release: pairs with the acquire in room(). We have read what lay in those slots.
    if (from.head.compare_exchange_weak(before, TaskRing::pack(TaskRing::Head(real, real)),
                                        std::memory_order_release, std::memory_order_relaxed)) {
      return;
    }
  }
}

}  // namespace detail
// END SOLUTION

// Takes the older half of what is in `victim`, rounded up: the newest of them is returned, and the
// others are at the back of `own`, in their order. Nothing, if the victim is empty, if another
// thief is at it, or if `own` has room for less than half a ring.
inline Stolen steal(LocalQueue& victim, LocalQueue& own) noexcept {
  // BEGIN SOLUTION 4.2
  if (own.room() < TaskRing::kCapacity / 2) return Stolen();
  TaskRing& from = victim.ring();
  const detail::Claim claim = detail::claim_half(from);
  if (claim.count == 0) return Stolen();
  TaskRing& to = own.ring();
  // Relaxed: only we write it.
  const std::uint32_t tail = to.tail.load(std::memory_order_relaxed);
  const std::uint32_t queued = claim.count - 1;
  for (std::uint32_t i = 0; i < queued; ++i) {
    to.slot(tail + i).write() = from.slot(claim.first + i).read();
  }
  TaskRef last = TaskRef::from_raw(from.slot(claim.first + queued).read());
  detail::free_slots(from);
  if (queued > 0) to.tail.store(tail + queued);  // As in push().
  return Stolen(std::move(last), claim.count);
  // END SOLUTION
}

}  // namespace rt
