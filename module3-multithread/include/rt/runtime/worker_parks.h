// WorkerParks: how the workers of a pool sleep, and what their threads are prepared with. A pool
// sleeps through this interface, so that its workers can sleep on condition variables, share a
// driver, and be told how to sleep by a test.
//
// Thread safety: of() by any thread. run() by the worker's own thread.
//
// Invariants
//   1. There is one Park for each worker, and it is always the same. It lives as long as this
//      object, and so may be unparked that long: also when its worker has ended.
//   2. A Park holds what rt/platform/park.h promises, but for this: of the workers that sleep, one
//   need
//      bring the events. The others bring none.
#pragma once

#include <cstddef>
#include <deque>

#include "absl/functional/function_ref.h"
#include "rt/platform/park.h"
#include "rt/platform/parker.h"

namespace rt {

class WorkerParks {
 public:
  WorkerParks() = default;
  WorkerParks(const WorkerParks&) = delete;
  WorkerParks& operator=(const WorkerParks&) = delete;
  virtual ~WorkerParks() = default;

  virtual Park& of(std::size_t worker) = 0;

  // Called on the thread of a worker, and on each that drops its tasks: calls `work`, with whatever
  // the tasks need to find on their thread.
  virtual void run(absl::FunctionRef<void()> work) { work(); }

  // A worker's look() would bring nothing, at this moment. By any thread.
  virtual bool nobody_waits() const noexcept { return false; }
};

// A Parker for each.
class PlainParks final : public WorkerParks {
 public:
  explicit PlainParks(std::size_t workers) : parkers_(workers) {}

  Park& of(std::size_t worker) override { return parkers_[worker]; }

 private:
  std::deque<Parker> parkers_;  // Not a vector: a Parker does not move.
};

}  // namespace rt
