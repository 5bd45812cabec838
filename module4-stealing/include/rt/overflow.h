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
#include "rt/todo.h"

namespace rt {

// By the owner of `own`. Returns how many tasks went to `inject`.
inline std::uint32_t push_or_overflow(LocalQueue& own, TaskRef task, InjectQueue& inject) noexcept {
  RT_TODO("4.3");
}

}  // namespace rt
