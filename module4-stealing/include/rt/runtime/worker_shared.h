// WorkerShared: what the workers of one runtime have in common: a seat for each, with its queue,
// its backlog and its Park; the inject queue; and who sleeps.
//
//   worker 0              worker 1              whoever is no worker of these
//   --------              --------              -----------------------------
//   slot  t8              slot  -               wakes t5, spawns t9
//   [ t2 t4 t7 ]          [ ]                     │
//     │     ^               │                     v
//     │     └── steals ─────┘                  inject [ t1 t5 t9 ]
//     └── too full ───────────────────────────>   │
//     │         <── a share now and then ─────────┘
//     └── too full of new tasks ──> backlog of worker 0
//
// Thread safety: notify(), unpark(), has_work() and close() by any thread; the parts as they say.
//
// Invariants
//   1. A seat stays where it is, and lives as long as this object.
//   2. notify() is called by whoever has put a task where other workers find it, after that. It
//      writes nothing, if nobody has to be woken.
//   3. After close() no worker begins a task, nothing comes into inject, and nobody sleeps on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "rt/platform/park.h"
#include "rt/platform/sync.h"
#include "rt/runtime/backlog.h"
#include "rt/runtime/idle.h"
#include "rt/runtime/inject_queue.h"
#include "rt/runtime/local_queue.h"
#include "rt/runtime/metrics.h"
#include "rt/runtime/poll_slot.h"
#include "rt/runtime/worker_parks.h"
#include "rt/trace/trace.h"

namespace rt {

// Of a worker's loop. The intervals are greater than 0.
struct WorkerOptions {
  WorkerOptions() noexcept {}
  std::uint32_t global_queue_interval = 31;  // Every so many steps, a task of inject comes first.
  std::uint32_t event_interval = 61;         // Every so many steps, a look for events.
  std::uint64_t seed = 0;                    // Of where a search begins.
};

class WorkerShared {
 public:
  // What others may see of a worker. On cache lines of its own: what one worker writes in each step
  // is beside nothing that another one reads in each step.
  struct alignas(128) Seat {
    explicit Seat(Park& p) noexcept : park(p) {}
    LocalQueue queue;
    Backlog backlog;
    Park& park;
    WorkerCounters counters;
    PollSlot polled;
  };

  WorkerShared(std::size_t workers, std::unique_ptr<WorkerParks> given, WorkerOptions o)
      : options(o), idle(workers), parks(std::move(given)) {
    for (std::size_t i = 0; i < workers; ++i) seats.emplace_back(parks->of(i));
  }

  // A task was put where other workers find it: wakes one, if one sleeps and nobody looks already.
  void notify() noexcept {
    if (const std::optional<std::size_t> worker = idle.worker_to_wake()) unpark(*worker);
  }

  void unpark(std::size_t worker) noexcept {
    trace::unpark();
    seats[worker].park.unpark();
  }

  // The look through all queues that rt/runtime/idle.h asks for: whether any of them has a task.
  // All that was put there before, in the order of all seq_cst steps, is seen.
  bool has_work() const noexcept {
    if (!inject.empty()) return true;
    for (const Seat& seat : seats) {
      if (!seat.queue.empty() || !seat.backlog.empty()) return true;
    }
    return false;
  }

  // From here on no worker takes a task, and each that sleeps wakes up.
  void close() noexcept {
    inject.close();
    is_closed.store(true);
    for (std::size_t i = 0; i < seats.size(); ++i) unpark(i);
  }

  // Each step of a worker reads the options, the seats and is_closed. So they share no line with
  // what is written by those who come from outside, sleep and wake up.
  const WorkerOptions options;
  alignas(64) InjectQueue inject;
  alignas(64) Idle idle;
  alignas(64) const std::unique_ptr<WorkerParks> parks;
  std::deque<Seat> seats;  // Not a vector: a seat does not move.
  sync::Atomic<bool> is_closed{false};
};

}  // namespace rt
