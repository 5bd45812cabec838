// LifoCap: how often in a row a worker may take its next task from its slot. Here: always. Module 5
// puts a header in its place that counts (exercise 5.3).
//
// Thread safety: one thread at a time, the worker's.
//
// The idea is the cap on LIFO polls of Tokio's workers.
#pragma once

namespace rt {

class LifoCap {
 public:
  LifoCap() noexcept {}

  // The worker polls a task: the one of its slot, or another.
  void polls(bool is_of_slot) noexcept {}

  // The queue comes first, if there is a task in it.
  bool is_reached() const noexcept { return false; }
};

}  // namespace rt
