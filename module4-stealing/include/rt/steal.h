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
#include "rt/todo.h"
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
  RT_TODO("4.2");
}

}  // namespace rt
