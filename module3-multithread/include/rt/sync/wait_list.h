// Waiter and WaitList: those who wait for the same thing, first come, first served. The link is in
// the future that waits, so waiting allocates nothing, and a future that is dropped takes itself
// out of the middle of the list.
//
//   list <-> future <-> future <-> future <-> (list again)
//
// The list is a ring that goes through its own head. So a waiter always has two neighbours, and is
// taken out by joining them, whichever list it is in.
//
// Thread safety: none. Whoever owns the list has a mutex for it, and for all that is in a Waiter.
// Each link is a sync::Cell, so that the model checker sees an access without that mutex.
//
// Invariants
//   1. A waiter is in one list at most. It is not moved, and not destroyed, while it is in one.
//   2. A list does not own its waiters. It is empty when it is destroyed.
//
// The idea is Tokio's util::linked_list.
#pragma once

#include <optional>

#include "rt/future/context.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"

namespace rt {

class Waiter {
 public:
  Waiter() noexcept : links_(this) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // Under the mutex of the list, as everything here.
  bool is_linked() const noexcept { return links_.read().next != this; }

  // Whom to wake. Whoever takes the waiter out of the list to wake it takes this too.
  sync::Cell<std::optional<Waker>> waker;

  // For a future that was linked by an earlier poll: true if it still is, and then the newest waker
  // is stored. It is cloned with no lock held, and only if the one that is stored will not do.
  // Takes `mutex`, which guards the list.
  bool still_waits(sync::Mutex& mutex, const Context& cx) {
    std::optional<Waker> mine;  // What is left in it at the end is dropped after the lock.
    while (true) {
      {
        const sync::Lock lock(mutex);
        if (!is_linked()) return false;
        std::optional<Waker>& stored = waker.write();
        if (stored.has_value() && stored->will_wake(cx.waker())) return true;
        if (mine.has_value()) {
          stored.swap(mine);
          return true;
        }
      }
      mine.emplace(cx.waker().clone());
    }
  }

 private:
  template <class W>
  friend class WaitList;

  struct Links {
    explicit Links(Waiter* self) noexcept : previous(self), next(self) {}
    Waiter* previous;
    Waiter* next;
  };

  void unlink() noexcept {
    const Links links = links_.read();
    links.previous->links_.write().next = links.next;
    links.next->links_.write().previous = links.previous;
    links_.write() = Links(this);
  }
  void link_before(Waiter& other) noexcept {
    Waiter* const previous = other.links_.read().previous;
    links_.write().previous = previous;
    links_.write().next = &other;
    previous->links_.write().next = this;
    other.links_.write().previous = this;
  }

  sync::Cell<Links> links_;
};

// W is derived from Waiter.
template <class W>
class WaitList {
 public:
  WaitList() noexcept = default;
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;

  bool empty() const noexcept { return !head_.is_linked(); }

  // The longest waiter; null if nobody waits.
  W* front() const noexcept {
    return empty() ? nullptr : static_cast<W*>(head_.links_.read().next);
  }

  // REQUIRES: `waiter` is in no list.
  void push_back(W& waiter) noexcept { static_cast<Waiter&>(waiter).link_before(head_); }

  // Takes the first one out; null if there is none.
  W* pop_front() noexcept {
    W* const first = front();
    if (first != nullptr) remove(*first);
    return first;
  }

  // Takes `waiter` out of the list in which it is. REQUIRES: it is in one.
  static void remove(W& waiter) noexcept { static_cast<Waiter&>(waiter).unlink(); }

  // Moves all that `other` has to this list, in their order, and leaves `other` empty.
  // REQUIRES: this list is empty.
  void take_all(WaitList& other) noexcept {
    if (other.empty()) return;
    head_.link_before(other.head_);
    other.head_.unlink();
  }

 private:
  Waiter head_;  // Its waker is never set.
};

}  // namespace rt
