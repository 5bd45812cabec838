// Notify: says that something has happened, without saying what. Whoever waits looks for itself.
//
//   while (!queue.has_work()) co_await notify.notified();   // one task, or several
//   queue.push(job); notify.notify_one();                   // somebody else
//
// Thread safety: all functions by any thread. A Notified belongs to one thread at a time. The
// Notify outlives it.
//
// Invariants
//   1. notify_one() reaches one: the longest waiter, or, if nobody waits, the next one that does.
//      It is stored once: two calls with nobody there are one notification.
//   2. notify_all() reaches each Notified that was made before it, polled or not, and no other. It
//      stores nothing.
//   3. A notification that reaches a Notified which is then dropped, without having been ready, is
//      passed on as if notify_one() were called; one by notify_all() is not, since the others have
//      theirs.
//   4. Who is notified sees what was done before the notification; with several notify_one() that
//      are stored as one, what was done before each.
//   5. Wakers are cloned, woken and dropped with no lock held.
//
// The word:
//
//   63                               2 1        0
//   +---------------------------------+----------+
//   |     calls of notify_all()       |  state   |
//   +---------------------------------+----------+
//
//   state       means                       notify_one()          notify_all()  notified(), polled
//   -----       -----                       ------------          ------------  ------------------
//   kEmpty      nobody waits                -> kStored            =             -> kWaiting
//   kStored     one notification is there   = (but see 4)         =             -> kEmpty, ready
//   kWaiting    the queue is not empty      the first leaves it,  all leave it, joins it
//                                           -> kEmpty if last     -> kEmpty
//
// The calls have 62 bits: at one a nanosecond these last for 146 years. `kWaiting` is entered and
// left with the mutex held only.
//
// The idea is Tokio's sync::Notify.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>

#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/leaf.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "rt/sync/wait_list.h"

namespace rt {

class Notify {
 public:
  class Notified;

  Notify() noexcept {}
  Notify(const Notify&) = delete;
  Notify& operator=(const Notify&) = delete;

  // A future that is ready when it is notified. Several may wait.
  Notified notified() noexcept;

  void notify_one() {
    // BEGIN SOLUTION 3.7c
    std::uint64_t word = word_.load(std::memory_order_relaxed);  // Compared, and nothing else.
    while (state_of(word) != kWaiting) {
      // Also where one is stored already, and nothing changes. Release: whoever takes it sees what
      // came before this call too.
      if (word_.compare_exchange_weak(word, with_state(word, kStored), std::memory_order_release,
                                      std::memory_order_relaxed)) {
        return;
      }
    }
    std::optional<Waker> waker;
    {
      const sync::Lock lock(mutex_);
      waker = notify_first();
    }
    if (waker.has_value()) std::move(*waker).wake();
    // END SOLUTION
  }

  void notify_all() {
    // BEGIN SOLUTION 3.7c
    WaitList<Notified> reached;
    {
      const sync::Lock lock(mutex_);
      // Release: pairs with the first look of a Notified that was made before.
      std::uint64_t word = word_.load(std::memory_order_relaxed);
      std::uint64_t next;
      do {
        next = word + kOneCall;
        if (state_of(word) == kWaiting) next = with_state(next, kEmpty);
      } while (!word_.compare_exchange_weak(word, next, std::memory_order_release,
                                            std::memory_order_relaxed));
      reached.take_all(waiters_);
    }
    wake_all(reached);
    // END SOLUTION
  }

 private:
  static constexpr std::uint64_t kEmpty = 0, kStored = 1, kWaiting = 2;
  static constexpr std::uint64_t kOneCall = 4;

  static std::uint64_t state_of(std::uint64_t word) noexcept { return word % kOneCall; }
  static std::uint64_t calls_of(std::uint64_t word) noexcept { return word / kOneCall; }
  static std::uint64_t with_state(std::uint64_t word, std::uint64_t state) noexcept {
    return word - state_of(word) + state;
  }

  // With the mutex held: notifies the longest waiter, and returns its waker; or stores it.
  std::optional<Waker> notify_first();

  // Takes the notification that is stored, or sees a notify_all() since `calls`.
  bool try_take(std::uint64_t calls);

  // With the mutex held: the same, and else it joins the queue, and returns false.
  bool take_or_wait(Notified& notified);

  // Takes one after another out of `reached`, with the mutex, and wakes it without. Those who are
  // dropped meanwhile take themselves out, with the mutex.
  void wake_all(WaitList<Notified>& reached);

  // With the mutex held, by whoever has taken a waiter out of a list.
  void no_longer_waiting_if_empty() noexcept {
    if (waiters_.empty() && state_of(word_.load(std::memory_order_relaxed)) == kWaiting) {
      word_.fetch_sub(kWaiting - kEmpty, std::memory_order_relaxed);
    }
  }

  static std::optional<Waker> take_waker(Notified& notified);

  sync::Atomic<std::uint64_t> word_{kEmpty};
  sync::Mutex mutex_;  // Guards the queue, and what is in a Notified that is in it.
  WaitList<Notified> waiters_;
};

class [[nodiscard]] Notify::Notified : private Waiter {
 public:
  using Output = void;

  // Before the first poll only.
  Notified(Notified&& other) noexcept : notify_(other.notify_), calls_(other.calls_) {}
  Notified& operator=(Notified&&) = delete;

  // Leaves the queue; a notification that has reached only this one is passed on.
  ~Notified() {
    // BEGIN SOLUTION 3.7c
    if (state_ != State::kWaiting) return;
    std::optional<Waker> next;
    {
      const sync::Lock lock(notify_->mutex_);
      if (is_linked()) {
        WaitList<Notified>::remove(*this);
        notify_->no_longer_waiting_if_empty();
      } else if (by_one_.read()) {
        next = notify_->notify_first();
      }
    }
    if (next.has_value()) std::move(*next).wake();
    // END SOLUTION
  }

  // Ready when it is notified. Throws std::logic_error when polled after it was ready.
  Poll<void> poll(Context& cx) {
    return as_leaf(cx, [&] { return poll_notified(cx); });
  }

 private:
  friend class Notify;
  template <class W>
  friend class rt::WaitList;

  enum class State : std::uint8_t { kNew, kWaiting, kDone };

  Notified(Notify& notify, std::uint64_t calls) noexcept : notify_(&notify), calls_(calls) {}

  Poll<void> poll_notified(Context& cx) {
    // BEGIN SOLUTION 3.7c
    if (state_ == State::kDone) throw std::logic_error("Notified: polled after it was ready");
    if (state_ == State::kWaiting) {
      if (still_waits(notify_->mutex_, cx)) return kPending;
    } else if (!notify_->try_take(calls_)) {
      std::optional<Waker> mine(cx.waker().clone());  // Before the lock, and dropped after it.
      const sync::Lock lock(notify_->mutex_);
      if (!notify_->take_or_wait(*this)) {
        waker.write().swap(mine);
        state_ = State::kWaiting;
        return kPending;
      }
    }
    state_ = State::kDone;
    return kReady;
    // END SOLUTION
  }

  Notify* notify_;
  std::uint64_t calls_;  // Of notify_all(), when this was made.
  State state_ = State::kNew;
  sync::Cell<bool> by_one_{false};  // Taken out of the queue by notify_one().
};

inline Notify::Notified Notify::notified() noexcept {
  // Relaxed: a call that happened before this one is counted; of others it makes no promise.
  return Notified(*this, calls_of(word_.load(std::memory_order_relaxed)));
}

inline std::optional<Waker> Notify::notify_first() {
  // BEGIN SOLUTION 3.7c
  Notified* const first = waiters_.pop_front();
  if (first != nullptr) {
    first->by_one_.write() = true;
    no_longer_waiting_if_empty();
    return take_waker(*first);
  }
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  // Release: as in notify_one().
  while (!word_.compare_exchange_weak(word, with_state(word, kStored), std::memory_order_release,
                                      std::memory_order_relaxed)) {
  }
  return std::nullopt;
  // END SOLUTION
}

inline bool Notify::try_take(std::uint64_t calls) {
  // BEGIN SOLUTION 3.7c
  // Acquire: pairs with notify_all(); as in the exchange with notify_one().
  std::uint64_t word = word_.load(std::memory_order_acquire);
  while (calls_of(word) == calls) {
    if (state_of(word) != kStored) return false;
    if (word_.compare_exchange_weak(word, with_state(word, kEmpty), std::memory_order_acquire,
                                    std::memory_order_acquire)) {
      return true;
    }
  }
  return true;
  // END SOLUTION
}

inline bool Notify::take_or_wait(Notified& notified) {
  // BEGIN SOLUTION 3.7c
  std::uint64_t word = kEmpty;
  do {
    if (try_take(notified.calls_)) return true;
    word = word_.load(std::memory_order_relaxed);
  } while (state_of(word) == kStored ||
           !word_.compare_exchange_weak(word, with_state(word, kWaiting), std::memory_order_relaxed,
                                        std::memory_order_relaxed));
  waiters_.push_back(notified);
  return false;
  // END SOLUTION
}

inline std::optional<Waker> Notify::take_waker(Notified& notified) {
  std::optional<Waker> taken;
  taken.swap(notified.waker.write());
  return taken;
}

inline void Notify::wake_all(WaitList<Notified>& reached) {
  while (true) {
    std::optional<Waker> waker;
    {
      const sync::Lock lock(mutex_);
      Notified* const first = reached.pop_front();
      if (first == nullptr) return;
      waker = take_waker(*first);
    }
    if (waker.has_value()) std::move(*waker).wake();
  }
}

static_assert(Future<Notify::Notified>);

}  // namespace rt
