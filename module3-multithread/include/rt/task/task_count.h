// TaskCount: counts the tasks of a runtime that have not been freed, so that what they call is
// freed when the last of them is, and not before. A waker may outlive its runtime; so its task
// does, and what the task's header points to.
//
// Threads that make and free many tasks count in a number of their own, and add it up when they
// end. So workers write nothing for it that another one reads.
//
// Thread safety: all functions by any thread, a Local by its thread only.
//
// Invariants
//   1. One call of freed() or leave() returns true, the last: when the owner has left, and
//      each task has been freed. After that call nothing touches this object.
//   2. A Local is added up before the owner leaves.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "rt/platform/sync.h"

namespace rt {

class TaskCount {
 public:
  // What one thread has counted: less than zero, if it has freed the tasks of others.
  class Local {
   public:
    Local() noexcept = default;

   private:
    friend class TaskCount;
    std::int64_t tasks_ = 0;
  };

  // `local`: this thread's, or null if it has none.
  void created(Local* local) noexcept {
    if (local != nullptr) {
      ++local->tasks_;
    } else {
      // Relaxed: the owner is still there, and nothing is published.
      tasks_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  [[nodiscard]] bool freed(Local* local) noexcept {
    if (local == nullptr) return subtract(1);
    --local->tasks_;
    return false;  // The owner is still there: invariant 2.
  }
  void add(Local& local) noexcept {
    // Relaxed: as created().
    tasks_.fetch_add(std::exchange(local.tasks_, 0), std::memory_order_relaxed);
  }

  // The owner goes.
  [[nodiscard]] bool leave() noexcept { return subtract(kOwner); }

 private:
  // More than there will ever be tasks. Without the Locals the number says little, as long as the
  // owner's share is in it.
  static constexpr std::int64_t kOwner = std::int64_t{1} << 62;

  // Release: pairs with the acquire of whoever comes last, and frees what all have used.
  bool subtract(std::int64_t count) noexcept {
    return tasks_.fetch_sub(count, std::memory_order_acq_rel) == count;
  }

  sync::Atomic<std::int64_t> tasks_{kOwner};
};

}  // namespace rt
