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

#include "rt/platform/todo.h"
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

// Yours, if you want helpers: the three steps.

// Takes the older half of what is in `victim`, rounded up: the newest of them is returned, and the
// others are at the back of `own`, in their order. Nothing, if the victim is empty, if another
// thief is at it, or if `own` has room for less than half a ring.
inline Stolen steal(LocalQueue& victim, LocalQueue& own) noexcept {
  RT_TODO("4.2");
}

}  // namespace rt
