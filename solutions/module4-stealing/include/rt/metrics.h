// Metrics: what a runtime has done, in numbers. Each worker counts for itself; whoever asks adds
// up.
//
// Thread safety: a Counter is added to by one thread, its owner, and read by any.
#pragma once

#include <atomic>
#include <cstdint>

#include "rt/sync.h"

namespace rt {

// Counts what one thread does.
class Counter {
 public:
  Counter() noexcept = default;

  void add(std::uint64_t n = 1) noexcept {
    // BEGIN SOLUTION 4.7
    // Two relaxed steps in place of a read-modify-write: nobody else writes it.
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    // END SOLUTION
  }

  std::uint64_t value() const noexcept {
    // BEGIN SOLUTION 4.7
    return value_.load(std::memory_order_relaxed);
    // END SOLUTION
  }

 private:
  sync::Atomic<std::uint64_t> value_{0};
};

// What one worker counts.
struct WorkerCounters {
  WorkerCounters() noexcept {}

  Counter polls;
  Counter steals;            // Tasks that it has stolen.
  Counter steal_operations;  // How often it stole.
  Counter parks;
  Counter overflows;  // How often its own queue was full.
};

}  // namespace rt
