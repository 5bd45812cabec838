// BorrowedWaker: a Waker for the time of one poll, which owns no reference. Whoever polls a task
// has a reference to it already; to count a second one for each poll, and to give it back, would
// cost two read-modify-writes of the task's word.
//
// Thread safety: for the thread that polls.
//
// Invariant
//   The Waker inside is never destroyed, so it gives back nothing. Clones of it own what they hold.
//
// The idea is Tokio's waker_ref.
#pragma once

#include <cstddef>
#include <new>

#include "rt/future/waker.h"

namespace rt {

class BorrowedWaker {
 public:
  // REQUIRES: what `data` refers to lives as long as this object.
  BorrowedWaker(void* data, const WakerVTable* vtable) noexcept
      : waker_(new (place_) Waker(data, vtable)) {}
  BorrowedWaker(const BorrowedWaker&) = delete;
  BorrowedWaker& operator=(const BorrowedWaker&) = delete;

  const Waker& get() const noexcept { return *waker_; }

 private:
  alignas(Waker) std::byte place_[sizeof(Waker)];
  const Waker* waker_;
};

}  // namespace rt
