// Idle: which workers sleep, how many search, and who has to be woken.
//
// Thread safety: worker_to_wake() by any thread; the others by the worker that they are about.
//
// The idea is Tokio's runtime::scheduler::multi_thread::idle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "rt/sync.h"

namespace rt {

class Idle {
 public:
  explicit Idle(std::size_t workers) : workers_(workers) { sleepers_.write().reserve(workers); }
  Idle(const Idle&) = delete;
  Idle& operator=(const Idle&) = delete;

  // There is work that somebody else could do. The worker to unpark for it, if any: it is awake
  // from here on, and searches.
  std::optional<std::size_t> worker_to_wake() noexcept {
    // BEGIN SOLUTION 4.4
    if (!is_wake_needed(state_.load())) return std::nullopt;
    const sync::Lock lock(mutex_);
    if (!is_wake_needed(state_.load())) return std::nullopt;
    std::vector<std::size_t>& sleepers = sleepers_.write();
    const std::size_t worker = sleepers.back();
    sleepers.pop_back();
    state_.fetch_add(kSearching - kSleeping);
    return worker;
    // END SOLUTION
  }

  // The worker has found nothing of its own. True: it may search. At most half of them do.
  bool try_search() noexcept {
    // BEGIN SOLUTION 4.4
    if (2 * searching(state_.load(std::memory_order_relaxed)) >= workers_) return false;
    state_.fetch_add(kSearching);
    return true;
    // END SOLUTION
  }

  // The worker has found a task in its search. True: it was the last that searched, and has to look
  // whether there is more, for somebody else.
  [[nodiscard]] bool stop_search() noexcept {
    // BEGIN SOLUTION 4.4
    return searching(state_.fetch_sub(kSearching)) == 1;
    // END SOLUTION
  }

  // The worker is about to sleep. True: it was the last that searched, and has to look through
  // all queues once more.
  [[nodiscard]] bool fall_asleep(std::size_t worker, bool is_searching) noexcept {
    // BEGIN SOLUTION 4.4
    const sync::Lock lock(mutex_);
    sleepers_.write().push_back(worker);
    const std::uint64_t before =
        state_.fetch_add(is_searching ? kSleeping - kSearching : kSleeping);
    return is_searching && searching(before) == 1;
    // END SOLUTION
  }

  // The worker is awake again. True: worker_to_wake() has chosen it, and it searches. False: it
  // woke by itself, and does not.
  bool wake_up(std::size_t worker) noexcept {
    // BEGIN SOLUTION 4.4
    const sync::Lock lock(mutex_);
    if (std::erase(sleepers_.write(), worker) == 0) return true;
    state_.fetch_sub(kSleeping);
    return false;
    // END SOLUTION
  }

 private:
  // BEGIN SOLUTION 4.4
  // STUB: // Yours: who sleeps, and how many search.
  static constexpr std::uint64_t kSearching = 1;
  static constexpr std::uint64_t kSleeping = std::uint64_t{1} << 32;

  static std::uint64_t searching(std::uint64_t state) noexcept { return state & (kSleeping - 1); }
  static bool is_wake_needed(std::uint64_t state) noexcept {
    return searching(state) == 0 && state >= kSleeping;
  }
  // END SOLUTION

  const std::size_t workers_;
  sync::Atomic<std::uint64_t> state_{0};
  sync::Mutex mutex_;
  sync::Cell<std::vector<std::size_t>> sleepers_{};
};

}  // namespace rt
