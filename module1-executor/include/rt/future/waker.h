// Waker: a handle by which anybody, on any thread, says "poll that task again".
//
// A waker is two words: a pointer to something, and a table of four functions that know what the
// pointer means. So one Waker type serves every executor, and a future never learns who runs it.
//
// Thread safety: one Waker belongs to one thread at a time. Different clones may be used by
// different threads at once, so the four functions must allow that.
//
// Invariants
//   1. A Waker that holds data owns one reference to it, and gives it back exactly once: by drop,
//      or by wake() &&, which consumes it.
//   2. clone() makes a second owner. A Waker that was moved from or used up owns nothing: it may be
//      destroyed or assigned to, and that is all.
//   3. Two wakers that will_wake() each other wake the same task.
//   4. When the table is asked to take a reference back, this Waker has let go of it already. What
//      runs there may look at this Waker again, or destroy the place in which it stands.
//   5. None of the four functions throws. Who wakes has often taken several wakers from under a
//      lock, and those behind one that throws would be lost, and their tasks asleep for ever. So
//      waking, cloning and dropping are noexcept: an exception there ends the program
//      (std::terminate), in the place where it was thrown.
//
// The idea is Rust's std::task::{Waker, RawWakerVTable}.
#pragma once

#include <utility>

#include "rt/platform/todo.h"

namespace rt {

// What a waker's data pointer means. None of the four may throw.
struct WakerVTable {
  constexpr WakerVTable(void* (*clone_fn)(void*), void (*wake_fn)(void*),
                        void (*wake_by_ref_fn)(void*), void (*drop_fn)(void*)) noexcept
      : clone(clone_fn), wake(wake_fn), wake_by_ref(wake_by_ref_fn), drop(drop_fn) {}

  void* (*clone)(void* data);       // Makes a second owner; returns the data for it.
  void (*wake)(void* data);         // Wakes, and gives the reference back: no drop follows.
  void (*wake_by_ref)(void* data);  // Wakes, and keeps the reference.
  void (*drop)(void* data);         // Gives the reference back without waking.
};

class Waker {
 public:
  // Takes over one reference to `data`.
  Waker(void* data, const WakerVTable* vtable) noexcept : data_(data), vtable_(vtable) {}

  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  Waker(Waker&& other) noexcept : data_(other.data_), vtable_(other.vtable_) {
    RT_TODO("1.2");
  }

  Waker& operator=(Waker&& other) noexcept {
    RT_TODO("1.2");
  }

  ~Waker() {
    RT_TODO("1.2");
  }

  // A second waker for the same task.
  Waker clone() const noexcept {
    RT_TODO("1.2");
  }

  // Wakes the task and uses this waker up: `std::move(waker).wake()`.
  void wake() && noexcept {
    RT_TODO("1.2");
  }

  // Wakes the task; this waker stays usable.
  void wake_by_ref() const noexcept {
    RT_TODO("1.2");
  }

  // True when both words are the same: then waking either wakes the same task. Two wakers for the
  // same task may have different data, and then this is false.
  bool will_wake(const Waker& other) const noexcept {
    RT_TODO("1.2");
  }

 private:
  void* data_;
  const WakerVTable* vtable_;  // null: this waker was moved from, or used up, and owns nothing.
};

}  // namespace rt
