// Parker: puts one thread to sleep until another hands it a token.
//
// Thread safety: park() by the owning thread only; unpark() by any thread, any number of times.
//
// Invariants
//   1. At most one token exists. unpark() on a parker that has one changes nothing.
//   2. An unpark() that happens before park() is never lost: that park() returns at once.
//   3. park() may return only by consuming the token, so its caller needs no loop.
//
// The idea is that of Rust's std::thread::park and of Tokio's runtime::park.
#pragma once

#include <atomic>
#include <cstdint>

#include "rt/park.h"
#include "rt/sync.h"
#include "rt/todo.h"

namespace rt {

class Parker final : public Park {
 public:
  void park() override {
    RT_TODO("3.1");
  }

  void unpark() override {
    RT_TODO("3.1");
  }

 private:
  enum State : std::uint32_t { kEmpty, kParked, kNotified };

  sync::Atomic<std::uint32_t> state_{kEmpty};
  sync::Mutex mutex_;
  sync::CondVar condition_;
};

}  // namespace rt
