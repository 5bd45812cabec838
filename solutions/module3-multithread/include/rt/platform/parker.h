// Parker: puts one thread to sleep until another hands it a token.
//
//   state       means                                park()               unpark()
//   kEmpty      no token, and nobody sleeps          -> kParked, sleeps   -> kNotified
//   kParked     the owner sleeps, or is about to     -                    -> kNotified, wakes it
//   kNotified   there is a token                     -> kEmpty, returns   stays; written again
//
// ThreadParker keeps the token under a mutex, so every unpark() takes the lock. Here the token is
// one atomic word, and the mutex is for those who sleep, and for those who wake them.
//
// Thread safety: park() by the owning thread only; unpark() by any thread, any number of times.
//
// Invariants
//   1. At most one token exists. unpark() on a parker that has one changes nothing.
//   2. An unpark() that happens before park() is never lost: that park() returns at once.
//   3. park() may return only by consuming the token, so its caller needs no loop.
//   4. Everything that happened before an unpark() is visible after the park() that consumes its
//      token, also when the token was there already.
//
// Costs: park() with a token there, and unpark() with nobody asleep: one read-modify-write each.
//
// The idea is that of Rust's std::thread::park and of Tokio's runtime::park.
#pragma once

#include <atomic>
#include <cstdint>

#include "rt/platform/park.h"
#include "rt/platform/sync.h"

namespace rt {

class Parker final : public Park {
 public:
  // Sleeps until there is a token, and consumes it.
  void park() override {
    // BEGIN SOLUTION 3.1
    std::uint32_t expected = kNotified;
    // Acquire: pairs with the exchange in unpark(), as every read of kNotified here.
    if (state_.compare_exchange_strong(expected, kEmpty, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      return;
    }
    sync::Lock lock(mutex_);
    expected = kEmpty;
    // Relaxed: an unpark() that reads kParked needs nothing of what the owner did before.
    if (state_.compare_exchange_strong(expected, kParked, std::memory_order_relaxed,
                                       std::memory_order_relaxed)) {
      // Relaxed: only asked, and read once more below.
      while (state_.load(std::memory_order_relaxed) != kNotified) condition_.wait(lock);
    }
    // An exchange and not a store: it reads the newest unpark(), and so sees what came before it.
    state_.exchange(kEmpty, std::memory_order_acquire);
    // END SOLUTION
  }

  // Leaves a token, and wakes the owner if it sleeps.
  void unpark() override {
    // BEGIN SOLUTION 3.1
    // Release, also when a token is there already: pairs with park(), which may see what happened
    // before this call.
    if (state_.exchange(kNotified, std::memory_order_release) != kParked) return;
    // The owner holds the mutex from its last look until it sleeps. Whoever has had it since knows
    // that the owner sleeps, or has seen the token.
    { const sync::Lock lock(mutex_); }
    condition_.notify_one();
    // END SOLUTION
  }

 private:
  enum State : std::uint32_t { kEmpty, kParked, kNotified };

  sync::Atomic<std::uint32_t> state_{kEmpty};
  sync::Mutex mutex_;  // Held by the owner from its last look at the state until it sleeps.
  sync::CondVar condition_;
};

}  // namespace rt
