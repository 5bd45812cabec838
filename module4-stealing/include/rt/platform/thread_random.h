// thread_random: this thread's numbers to break ties with, for what has no generator of its own,
// such as a future. A runtime seeds it for each of its workers; so does a test, and then it knows
// what comes.
//
//   const SeedThread seed(7);        // from here to the end of the scope
//   thread_random().below(3);
//
// Thread safety: each thread has its own.
//
// The idea is Tokio's: runtime::context::thread_rng_n, and its RngSeed.
#pragma once

#include <atomic>
#include <cstdint>

#include "rt/platform/fast_random.h"
#include "rt/platform/sync.h"

namespace rt {
namespace detail {

struct ThreadRandom {
  // A thread that nobody has seeded takes the next number: two threads have nothing in common.
  ThreadRandom() noexcept
      : random(sync::Global<sync::Atomic<std::uint64_t>, ThreadRandom>::get().fetch_add(
            1, std::memory_order_relaxed)) {}
  FastRandom random;
};

}  // namespace detail

inline FastRandom& thread_random() noexcept {
  return sync::ThreadLocal<detail::ThreadRandom, detail::ThreadRandom>::get().random;
}

// Seeds this thread's generator for as long as it lives; then that goes on where it was.
class [[nodiscard]] SeedThread {
 public:
  explicit SeedThread(std::uint64_t seed) noexcept : outer_(thread_random()) {
    thread_random() = FastRandom(seed);
  }
  SeedThread(const SeedThread&) = delete;
  SeedThread& operator=(const SeedThread&) = delete;
  ~SeedThread() { thread_random() = outer_; }

 private:
  FastRandom outer_;
};

}  // namespace rt
