// Metrics: what a runtime has done, in numbers. Each worker counts for itself, in memory that
// nobody else writes; whoever asks reads all of it, and adds up.
//
//   worker 0 ── add() ──> polls, steals, …  ┐
//   worker 1 ── add() ──> polls, steals, …  ├── of() ──> RuntimeMetrics ── total(), since()
//   worker 2 ── add() ──> polls, steals, …  ┘
//
// So counting costs a worker what a plain `++` costs. The price is paid by whoever reads: the
// numbers are not of one moment. While polls are read, the next steal happens; a difference of two
// numbers may be off by what happened in between, and no number ever goes back.
//
// Thread safety: a Counter is added to by one thread, its owner, and read by any. The rest are
// plain values.
//
// Invariants
//   1. No count is lost, and whoever reads a Counter twice reads no less the second time.
//   2. A counter that its owner writes shares a cache line with nothing that another thread writes.
//   3. Counts count from the start of the runtime and never go back. Depths and `alive` say how
//      much there is now.
//
// The idea is Tokio's RuntimeMetrics, and the names are.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "rt/platform/sync.h"

namespace rt {

// Counts what one thread does.
class Counter {
 public:
  Counter() noexcept = default;

  // By the owner.
  void add(std::uint64_t n = 1) noexcept {
    // BEGIN SOLUTION 4.7
    // STUB: // Yours. Nothing yet: a runtime counts also when nobody asks.
    // Two steps in place of a read-modify-write, which is 5 ns and a wait for all stores before it:
    // nobody comes in between, since nobody else writes. Relaxed: the number is all that is told.
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    // END SOLUTION
  }

  // By any thread.
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

// What one worker has counted, or several of them together.
struct WorkerMetrics {
  WorkerMetrics() noexcept {}

  static WorkerMetrics of(const WorkerCounters& counters, std::size_t local_depth) noexcept {
    WorkerMetrics metrics;
    // BEGIN SOLUTION 4.7
    metrics.polls = counters.polls.value();
    metrics.steals = counters.steals.value();
    metrics.steal_operations = counters.steal_operations.value();
    metrics.parks = counters.parks.value();
    metrics.overflows = counters.overflows.value();
    metrics.local_depth = local_depth;
    // END SOLUTION
    return metrics;
  }

  std::uint64_t polls = 0;
  std::uint64_t steals = 0;
  std::uint64_t steal_operations = 0;
  std::uint64_t parks = 0;
  std::uint64_t overflows = 0;
  std::size_t local_depth = 0;  // Tasks in its own queue and backlog. Not the one in the slot.
};

// What a runtime says of itself.
struct RuntimeMetrics {
  RuntimeMetrics() noexcept {}

  // All workers together.
  WorkerMetrics total() const noexcept {
    // BEGIN SOLUTION 4.7
    WorkerMetrics sum;
    for (const WorkerMetrics& worker : workers) {
      sum.polls += worker.polls;
      sum.steals += worker.steals;
      sum.steal_operations += worker.steal_operations;
      sum.parks += worker.parks;
      sum.overflows += worker.overflows;
      sum.local_depth += worker.local_depth;
    }
    return sum;
    // END SOLUTION
  }

  // What was counted since `earlier`, which is of the same runtime. What is a depth stays as it is
  // now.
  RuntimeMetrics since(const RuntimeMetrics& earlier) const {
    // BEGIN SOLUTION 4.7
    RuntimeMetrics between(*this);
    for (std::size_t i = 0; i < workers.size(); ++i) {
      WorkerMetrics& worker = between.workers[i];
      const WorkerMetrics& before = earlier.workers[i];
      worker.polls -= before.polls;
      worker.steals -= before.steals;
      worker.steal_operations -= before.steal_operations;
      worker.parks -= before.parks;
      worker.overflows -= before.overflows;
    }
    return between;
    // END SOLUTION
  }

  std::vector<WorkerMetrics> workers;
  std::size_t inject_depth = 0;  // Tasks that belong to no worker.
  std::size_t alive = 0;         // Tasks that have not ended.
};

}  // namespace rt
