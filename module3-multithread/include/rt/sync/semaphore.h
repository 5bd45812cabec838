// Semaphore: a number of permits, and a queue of those who want some.
//
//   Semaphore connections(100);
//   std::optional<Semaphore::Permit> permit = co_await connections.acquire();
//   …                                     // The permit goes back when it is destroyed.
//
// Thread safety: all functions by any thread. An Acquire and a Permit each belong to one thread at
// a time. The semaphore outlives both.
//
// Invariants
//   1. Permits are neither lost nor doubled: they are free, or held, or in the hands of one who
//      waits for more.
//   2. First come, first served. While somebody waits no permit is free: what comes back goes to
//      the first in the queue, also when it is not yet enough for it. So nobody who comes later,
//      and wants less, overtakes.
//   3. An Acquire that is dropped gives back what it has got, and the next in the queue gets it.
//   4. Wakers are cloned, woken and dropped with no lock held.
//   5. Who holds permits sees what was done by those who held them before.
//
// The word, all of it in one atomic, so that "is a permit free?" and "does anybody wait?" are one
// question:
//
//   63                                2     1        0
//   +----------------------------------+---------+--------+
//   |           free permits           | waiting | closed |
//   +----------------------------------+---------+--------+
//
//   step                     on condition that      free permits       waiting
//   ----                     -----------------      ------------       -------
//   acquire(n), at once      free >= n, 0 waiting   - n
//   acquire(n), with mutex   otherwise              = 0: it takes all  = 1, and joins the queue
//   release(n), at once      0 waiting              + n
//   release(n), with mutex   waiting                = 0: hands over    = 0 at the end of it:
//                                                                      then the rest is free
//
// `waiting` changes with the mutex held only; and it is set exactly while the queue is not empty,
// whenever the mutex is free.
//
// The idea is Tokio's batch_semaphore.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/leaf.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "rt/platform/todo.h"
#include "rt/sync/wait_list.h"

namespace rt {

class Semaphore {
 public:
  class Permit;
  class Acquire;

  // As many as fit into the word.
  static constexpr std::size_t kMaxPermits = std::numeric_limits<std::size_t>::max() >> 2;

  // Throws std::invalid_argument for more than kMaxPermits, as acquire() does.
  explicit Semaphore(std::size_t permits) : word_(as_free(checked(permits))) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  // A future for `n` permits: an std::optional<Permit>, empty if the semaphore was closed. For more
  // permits than there are it waits until so many have been released, and all others behind it. For
  // no permits it is ready at once.
  Acquire acquire(std::size_t n = 1);

  // Permits, if so many are free at once and nobody waits for them.
  std::optional<Permit> try_acquire(std::size_t n = 1);

  // Adds permits: those of a Permit that was forgotten, or new ones. A Permit does this by itself.
  // Throws std::invalid_argument, and makes none free, if more than kMaxPermits would be. (A Permit
  // cannot throw as it goes: then the program ends, with the same message.)
  void release(std::size_t n = 1) {
    checked(n);
    RT_TODO("3.7a");
  }

  // From now on nobody gets a permit, and all who wait are told so. Permits that are held stay
  // valid; and a waiter that got all it waited for has its permits, though it may not have polled
  // since.
  void close() {
    // Relaxed: it publishes nothing. Those who wait hear of it through the mutex.
    word_.fetch_or(kClosed, std::memory_order_relaxed);
    while (true) {
      std::optional<Waker> waker;
      {
        const sync::Lock lock(mutex_);
        if (!take_first_out(waker)) return;
      }
      if (waker.has_value()) std::move(*waker).wake();
    }
  }

  bool is_closed() const noexcept {
    return (word_.load(std::memory_order_relaxed) & kClosed) != 0;  // A hint: it orders nothing.
  }
  // How many were free a moment ago.
  std::size_t available() const noexcept {
    return static_cast<std::size_t>(word_.load(std::memory_order_relaxed) >> 2);
  }

 private:
  static constexpr std::uint64_t kClosed = 1;
  static constexpr std::uint64_t kWaiting = 2;

  static std::size_t checked(std::size_t n) {
    if (n > kMaxPermits) {
      throw std::invalid_argument("Semaphore: more permits than it can count, which is " +
                                  std::to_string(kMaxPermits));
    }
    return n;
  }
  static constexpr std::uint64_t as_free(std::size_t n) noexcept { return std::uint64_t{n} << 2; }

  // `word`, with `n` more that are free. Throws if they are more than it can count.
  static std::uint64_t with_more(std::uint64_t word, std::size_t n) {
    checked(static_cast<std::size_t>(word >> 2) + n);
    return word + as_free(n);
  }

  enum class Taken { kAll, kNotAll, kClosed };

  // Takes `n` permits if so many are free, and nobody waits.
  Taken try_take(std::size_t n) {
    RT_TODO("3.7a");
  }

  // The same, and else takes what is free and joins the queue for the rest. With the mutex held.
  Taken take_or_wait(Acquire& acquire);

  // Gives `n` permits to those who wait, in order, and wakes each that has got all it wants. What
  // nobody waits for is free.
  void hand_over(std::size_t n) {
    RT_TODO("3.7a");
  }

  // Yours, if you want it.

  // With the mutex held: the first in the queue waits no more. False if there was none.
  bool take_first_out(std::optional<Waker>& waker);

  // With the mutex held, by whoever has taken a waiter out.
  void no_longer_waiting_if_empty() noexcept;

  sync::Atomic<std::uint64_t> word_;
  sync::Mutex mutex_;  // Guards the queue, and what is in an Acquire that is in it.
  WaitList<Acquire> waiters_;
};

// Permits that are held. They go back when this is destroyed.
class [[nodiscard]] Semaphore::Permit {
 public:
  Permit(Permit&& other) noexcept
      : semaphore_(std::exchange(other.semaphore_, nullptr)), n_(other.n_) {}
  Permit& operator=(Permit&& other) noexcept {
    Permit taken(std::move(other));
    std::swap(semaphore_, taken.semaphore_);
    std::swap(n_, taken.n_);
    return *this;
  }
  ~Permit() {
    if (semaphore_ != nullptr) semaphore_->release(n_);
  }

  std::size_t count() const noexcept { return semaphore_ == nullptr ? 0 : n_; }

  // They never go back, unless somebody calls release().
  void forget() && noexcept { semaphore_ = nullptr; }

 private:
  friend class Semaphore;
  Permit(Semaphore& semaphore, std::size_t n) noexcept : semaphore_(&semaphore), n_(n) {}

  Semaphore* semaphore_;  // Null: moved from, or forgotten.
  std::size_t n_;
};

class [[nodiscard]] Semaphore::Acquire : private Waiter {
 public:
  using Output = std::optional<Permit>;

  // Before the first poll only.
  Acquire(Acquire&& other) noexcept : semaphore_(other.semaphore_), n_(other.n_) {}
  Acquire& operator=(Acquire&&) = delete;

  // Leaves the queue, and gives back what it has got.
  ~Acquire() {
    RT_TODO("3.7a");
  }

  // Ready with the permits, or with nothing if the semaphore was closed. Throws std::logic_error
  // when polled after it was ready.
  Poll<Output> poll(Context& cx) {
    return as_leaf(cx, [&]() -> Poll<Output> { return poll_acquire(cx); });
  }

 private:
  friend class Semaphore;
  template <class W>
  friend class rt::WaitList;

  enum class State : std::uint8_t { kNew, kWaiting, kDone };

  Acquire(Semaphore& semaphore, std::size_t n) noexcept : semaphore_(&semaphore), n_(n) {}

  Poll<Output> poll_acquire(Context& cx) {
    RT_TODO("3.7a");
  }

  // The future has its answer, and touches the semaphore no more.
  Poll<Output> done(bool has_permits) noexcept {
    state_ = State::kDone;
    if (has_permits) return Output(Permit(*semaphore_, n_));
    return Output();
  }

  Semaphore* semaphore_;
  std::size_t n_;
  State state_ = State::kNew;
  sync::Cell<std::size_t> missing_{n_};  // How many of the n it still waits for.
};

inline Semaphore::Acquire Semaphore::acquire(std::size_t n) { return Acquire(*this, checked(n)); }

inline std::optional<Semaphore::Permit> Semaphore::try_acquire(std::size_t n) {
  if (try_take(checked(n)) != Taken::kAll) return std::nullopt;
  return Permit(*this, n);
}

inline Semaphore::Taken Semaphore::take_or_wait(Acquire& acquire) {
  RT_TODO("3.7a");
}

inline bool Semaphore::take_first_out(std::optional<Waker>& waker) {
  Acquire* const first = waiters_.pop_front();
  if (first == nullptr) return false;
  waker.swap(first->waker.write());
  no_longer_waiting_if_empty();
  return true;
}

inline void Semaphore::no_longer_waiting_if_empty() noexcept {
  // Relaxed: whoever waits next sets it again, with the mutex.
  if (waiters_.empty()) word_.fetch_and(~kWaiting, std::memory_order_relaxed);
}


static_assert(Future<Semaphore::Acquire>);

}  // namespace rt
