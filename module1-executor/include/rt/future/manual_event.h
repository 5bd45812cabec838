// ManualEvent: a flag that one side sets and the other side awaits. It is the smallest future that
// keeps rule 2 of the contract: pending means that the newest waker is where the event finds it.
//
//   ManualEvent event;
//   co_await event.wait();   // somewhere
//   event.set();             // somewhere else, on any thread
//
// Thread safety: set(), reset(), is_set() and wait() by any thread. A Wait belongs to one thread at
// a time, like any future. The event outlives its Waits, but for those that were ready.
//
// Invariants
//   1. A poll that says pending has stored its waker before any later set() looks for it: so no
//      set() is lost, at whatever moment it comes.
//   2. At most one waker is stored: that of the newest pending poll. An event has one waiter at a
//      time; if two Waits are polled, the one that was polled last is woken.
//   3. Somebody's code runs when a waker is woken or dropped. It runs without a lock held, so it
//      may come straight back to this event. (When one is cloned, too. But it may be cloned under
//      the lock here: the clones of this runtime's wakers count, and do no more.)
//   4. set() touches nothing of the event after it has woken the waiter, who may destroy it.
//
// The idea is .NET's ManualResetEvent, as a future; the one stored waker is Tokio's AtomicWaker.
#pragma once

#include <optional>
#include <stdexcept>
#include <utility>

#include "rt/future/future.h"
#include "rt/future/leaf.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "rt/platform/todo.h"

namespace rt {

class ManualEvent {
 public:
  class Wait;

  ManualEvent() noexcept {}
  ManualEvent(const ManualEvent&) = delete;
  ManualEvent& operator=(const ManualEvent&) = delete;

  // A future that is ready when the event is set. Making it does nothing yet.
  Wait wait() noexcept;

  // From now on every Wait is ready. Wakes the waiter, if there is one. On an event that is set
  // already, it does nothing.
  void set() {
    RT_TODO("1.3");
  }

  // The event is as new. A Wait that was not polled between set() and reset() has missed it.
  void reset() {
    RT_TODO("1.3");
  }

  bool is_set() const {
    RT_TODO("1.3");
  }

 private:
  // Your members: what the setter and the waiter share, and what guards it.
};

class [[nodiscard]] ManualEvent::Wait {
 public:
  using Output = void;

  // Before the first poll only.
  Wait(Wait&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Wait& operator=(Wait&&) = delete;

  // Takes its waker back, if the event still has it; another Wait's waker stays where it is.
  ~Wait() {
    RT_TODO("1.3");
  }

  // Ready when the event is set. Else keeps the newest waker, and clones it only when the one that
  // is stored would not wake the same task. Throws std::logic_error when polled after it was ready.
  Poll<void> poll(Context& cx) {
    return as_leaf(cx, [&] { return poll_event(cx); });
  }

 private:
  friend class ManualEvent;
  explicit Wait(ManualEvent& event) noexcept : event_(&event) {}

  // What poll() does: as_leaf() calls it once, and counts it in the budget of its task.
  Poll<void> poll_event(Context& cx) {
    RT_TODO("1.3");
  }

  ManualEvent* event_;  // Null: moved from, or it was ready. It does not touch the event any more.
};

inline ManualEvent::Wait ManualEvent::wait() noexcept { return Wait(*this); }

static_assert(Future<ManualEvent::Wait>);

}  // namespace rt
