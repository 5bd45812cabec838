// LifoCap: how often in a row a worker may take its next task from its slot.
//
// The task that was made ready last is in the slot, and goes first: what it was woken for is still
// in the caches. Two tasks that wake each other are in the slot by turns, for ever, and the queue
// behind them would never move. So after kMost polls in a row from the slot the queue goes first,
// once; if it is empty, the slot does, and the queue is asked again before the next.
//
//   polled       slot   slot   slot   queue   slot   slot   slot   queue
//   in a row        1      2      3       0      1      2      3       0
//   is_reached()   no     no    yes      no     no     no    yes      no
//
// Thread safety: one thread at a time, the worker's.
//
// Invariants
//   1. is_reached() after kMost polls or more of the slot since the last of another task; else not.
//      However many more: a worker that has nothing in its queue may poll for years.
//
// The idea is the cap on LIFO polls of Tokio's workers, and so is the number.
#pragma once

#include <cstdint>

#include "rt/platform/todo.h"

namespace rt {

class LifoCap {
 public:
  static constexpr std::uint32_t kMost = 3;

  LifoCap() noexcept {}

  // The worker polls a task: the one of its slot, or another.
  void polls(bool is_of_slot) noexcept {
    RT_TODO("5.3");
  }

  // The queue comes first, if there is a task in it.
  bool is_reached() const noexcept {
    RT_TODO("5.3");
  }

 private:
  // Yours.
};

}  // namespace rt
