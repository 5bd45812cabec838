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
#include "rt/todo.h"

namespace rt {

class Idle {
 public:
  explicit Idle(std::size_t workers) : workers_(workers) { sleepers_.write().reserve(workers); }
  Idle(const Idle&) = delete;
  Idle& operator=(const Idle&) = delete;

  // There is work that somebody else could do. The worker to unpark for it, if any: it is awake
  // from here on, and searches.
  std::optional<std::size_t> worker_to_wake() noexcept {
    RT_TODO("4.4");
  }

  // The worker has found nothing of its own. True: it may search. At most half of them do.
  bool try_search() noexcept {
    RT_TODO("4.4");
  }

  // The worker has found a task in its search. True: it was the last that searched, and has to look
  // whether there is more, for somebody else.
  [[nodiscard]] bool stop_search() noexcept {
    RT_TODO("4.4");
  }

  // The worker is about to sleep. True: it was the last that searched, and has to look through
  // all queues once more.
  [[nodiscard]] bool fall_asleep(std::size_t worker, bool is_searching) noexcept {
    RT_TODO("4.4");
  }

  // The worker is awake again. True: worker_to_wake() has chosen it, and it searches. False: it
  // woke by itself, and does not.
  bool wake_up(std::size_t worker) noexcept {
    RT_TODO("4.4");
  }

 private:
  // Yours: who sleeps, and how many search.

  const std::size_t workers_;
  sync::Atomic<std::uint64_t> state_{0};
  sync::Mutex mutex_;
  sync::Cell<std::vector<std::size_t>> sleepers_{};
};

}  // namespace rt
