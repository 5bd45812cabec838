// SteppedWorkers: all workers of a runtime on one thread, one step at a time, in an order that a
// seed decides. The same seed gives the same run, and the same trace: for tests, and for pictures
// that one wants to look at twice.
//
//   auto parks = std::make_unique<SteppedParks>(3);
//   SteppedWorkers order(*parks, /*seed=*/7);
//   …                                           // Make a scheduler of these parks; spawn.
//   order.run_until_stalled([&](std::size_t worker) { return scheduler.step(worker); });
//
// A worker that sleeps takes no step until it is unparked. That needs no thread of its own, since a
// sleep is the end of a step, and waking up the beginning of the next.
//
// Thread safety: none. One thread steps, spawns and wakes.
//
// Invariants
//   1. Any worker that is awake may be next, and none is left out for ever.
//   2. A token that comes while the worker is awake ends its next sleep: rt/platform/park.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "rt/platform/fast_random.h"
#include "rt/platform/park.h"
#include "rt/runtime/worker_parks.h"
#include "rt/trace/trace.h"

namespace rt {

// Parks that note who sleeps, and return at once.
class SteppedParks final : public WorkerParks {
 public:
  // `driver`: brings the events. The last worker that is awake sleeps in it, and so does the
  // thread. Without one there are no events.
  explicit SteppedParks(std::size_t workers, Park* driver = nullptr) : driver_(driver) {
    for (std::size_t i = 0; i < workers; ++i) parks_.emplace_back(*this);
  }

  Park& of(std::size_t worker) override { return parks_[worker]; }
  std::size_t size() const noexcept { return parks_.size(); }
  bool is_asleep(std::size_t worker) const noexcept { return parks_[worker].is_asleep; }

 private:
  struct Stepped final : Park {
    explicit Stepped(SteppedParks& p) noexcept : all(p) {}
    void park() override {
      is_asleep = !std::exchange(has_token, false);
      if (all.driver_ == nullptr || !all.all_sleep()) return;
      all.driver_->park();
      is_asleep = false;
    }
    void unpark() override {
      if (!std::exchange(is_asleep, false)) has_token = true;
    }
    void look() override {
      if (all.driver_ != nullptr) all.driver_->look();
    }

    SteppedParks& all;
    bool is_asleep = false;
    bool has_token = false;
  };

  bool all_sleep() const noexcept {
    for (const Stepped& park : parks_) {
      if (!park.is_asleep) return false;
    }
    return true;
  }

  Park* const driver_;
  std::deque<Stepped> parks_;
};

class SteppedWorkers {
 public:
  // `parks` outlives this object.
  SteppedWorkers(const SteppedParks& parks, std::uint64_t seed)
      : parks_(parks), random_(seed), has_ended_(parks.size(), false) {}

  // Whose turn it is, or none: all sleep, or have ended.
  std::optional<std::size_t> next() {
    able_.clear();
    for (std::size_t i = 0; i < parks_.size(); ++i) {
      if (!has_ended_[i] && !parks_.is_asleep(i)) able_.push_back(i);
    }
    if (able_.empty()) return std::nullopt;
    return able_[random_.below(static_cast<std::uint32_t>(able_.size()))];
  }

  // Calls `step` with the worker whose turn it is, again and again, until all sleep. A worker whose
  // step says false has ended. Each turn of another worker is a mark in the trace.
  void run_until_stalled(absl::FunctionRef<bool(std::size_t)> step) {
    std::optional<std::size_t> before;
    while (const std::optional<std::size_t> worker = next()) {
      if (worker != before && trace::enabled()) trace::mark("worker " + std::to_string(*worker));
      before = worker;
      if (!step(*worker)) has_ended_[*worker] = true;
    }
  }

 private:
  const SteppedParks& parks_;
  FastRandom random_;
  std::vector<bool> has_ended_;
  std::vector<std::size_t> able_;  // Those that may be next.
};

}  // namespace rt
