// WorkerShared: what the workers of one runtime have in common: a seat for each, with its queue and
// its Park; the inject queue; and who is idle.
//
// Thread safety: as each part says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "rt/idle.h"
#include "rt/inject_queue.h"
#include "rt/local_queue.h"
#include "rt/metrics.h"
#include "rt/park.h"
#include "rt/sync.h"
#include "rt/trace.h"
#include "rt/worker_parks.h"

namespace rt {

struct WorkerOptions {
  WorkerOptions() noexcept {}
  std::uint32_t global_queue_interval = 31;  // Every so many polls, one task from inject first.
  std::uint32_t event_interval = 61;         // Every so many polls, a look for events.
  std::uint64_t seed = 0;                    // Of the order in which victims are tried.
};

class WorkerShared {
 public:
  struct alignas(128) Seat {
    explicit Seat(Park& p) noexcept : park(p) {}
    LocalQueue queue;
    Park& park;
    WorkerCounters counters;
  };

  WorkerShared(std::size_t workers, std::unique_ptr<WorkerParks> given, WorkerOptions o)
      : options(o), idle(workers), parks(std::move(given)) {
    for (std::size_t i = 0; i < workers; ++i) seats.emplace_back(parks->of(i));
  }

  // Wakes a worker, if there is work for one and nobody looks for work already.
  void notify() noexcept {
    if (const std::optional<std::size_t> worker = idle.worker_to_wake()) unpark(*worker);
  }
  void unpark(std::size_t worker) noexcept {
    trace::unpark();
    seats[worker].park.unpark();
  }

  // Whether any queue has a task in it.
  bool has_work() const noexcept {
    if (!inject.empty()) return true;
    for (const Seat& seat : seats) {
      if (!seat.queue.empty()) return true;
    }
    return false;
  }

  // From here on no worker takes a task, and each that sleeps wakes up.
  void close() noexcept {
    inject.close();
    is_closed.store(true);
    for (std::size_t i = 0; i < seats.size(); ++i) unpark(i);
  }

  const WorkerOptions options;
  InjectQueue inject;
  Idle idle;
  const std::unique_ptr<WorkerParks> parks;
  std::deque<Seat> seats;  // Not a vector: a seat does not move.
  sync::Atomic<bool> is_closed{false};
};

}  // namespace rt
