// Mutex<T>: a T that one task at a time can reach. A task that has to wait for it lets its thread
// do other work; so the lock may be held across a co_await, and given back on another thread.
//
//   Mutex<std::map<Key, Value>> cache;
//   {
//     Mutex<std::map<Key, Value>>::Guard guard = co_await cache.lock();
//     guard->emplace(key, co_await fetch(key));
//   }  // Given back here.
//
// Where nothing is awaited while it is held, sync::Mutex is the better choice: it is quicker, and
// nobody waits for long.
//
// Thread safety: lock() and try_lock() by any thread. A Guard and a future belong to one thread at
// a time. The mutex outlives both.
//
// Invariants
//   1. At most one Guard is alive at a time, not counting those that were moved from. Only through
//      it can the T be reached; whoever holds it sees what those before it did.
//   2. First come, first served. A future that is dropped while it waits, or after the lock was
//      handed to it, passes it on.
//   3. A Guard that goes because of an exception gives the lock back like any other.
//
// The idea is Tokio's sync::Mutex: a semaphore of one permit.
#pragma once

#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/poll.h"
#include "rt/platform/sync.h"
#include "rt/sync/semaphore.h"

namespace rt {

template <class T>
class Mutex {
 public:
  class Guard;
  class Lock;

  // Makes the T from `args`.
  template <class... Args>
  requires std::constructible_from<T, Args...>
  explicit Mutex(Args&&... args) : value_(std::forward<Args>(args)...) {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  // A future for the Guard.
  Lock lock() { return Lock(*this); }

  // The Guard, if nobody has it and nobody waits for it.
  std::optional<Guard> try_lock() {
    // BEGIN SOLUTION 3.7b
    std::optional<Semaphore::Permit> permit = semaphore_.try_acquire();
    if (!permit.has_value()) return std::nullopt;
    return Guard(*this, *std::move(permit));
    // END SOLUTION
  }

 private:
  // BEGIN SOLUTION 3.7b
  // STUB: // Yours: what says who may reach the value.
  Semaphore semaphore_{1};  // Never closed.
  // END SOLUTION
  sync::Cell<T> value_;
};

// The right to use the T. Gives it back when it is destroyed, and passes it on when it is moved.
template <class T>
class [[nodiscard]] Mutex<T>::Guard {
 public:
  // BEGIN SOLUTION 3.7b
  // STUB: // Yours: moving, and giving back.
  // STUB: Guard(Guard&& other) noexcept {
  // STUB:   RT_TODO("3.7b");
  // STUB: }
  // STUB: Guard& operator=(Guard&& other) noexcept {
  // STUB:   RT_TODO("3.7b");
  // STUB: }
  // STUB: ~Guard() {
  // STUB:   RT_TODO("3.7b");
  // STUB: }
  Guard(Guard&&) noexcept = default;  // A permit that was moved from gives nothing back.
  Guard& operator=(Guard&&) noexcept = default;
  // END SOLUTION

  T& operator*() const noexcept { return value(); }
  T* operator->() const noexcept { return &value(); }

 private:
  friend class Mutex;

  T& value() const noexcept {
    // BEGIN SOLUTION 3.7b
    return mutex_->value_.write();
    // END SOLUTION
  }

  // BEGIN SOLUTION 3.7b
  // STUB: // Yours: what it holds.
  Guard(Mutex& mutex, Semaphore::Permit permit) noexcept
      : mutex_(&mutex), permit_(std::move(permit)) {}

  Mutex* mutex_;
  Semaphore::Permit permit_;
  // END SOLUTION
};

template <class T>
class [[nodiscard]] Mutex<T>::Lock {
 public:
  using Output = Guard;

  // Ready with the Guard. Throws std::logic_error when polled after it was ready.
  Poll<Guard> poll(Context& cx) {
    // BEGIN SOLUTION 3.7b
    Poll<std::optional<Semaphore::Permit>> permit = acquire_.poll(cx);
    if (permit.is_pending()) return kPending;
    return Guard(*mutex_, *std::move(permit).take());
    // END SOLUTION
  }

 private:
  friend class Mutex;
  // BEGIN SOLUTION 3.7b
  // STUB: // Yours: what is being waited for.
  // STUB: explicit Lock(Mutex& mutex) {
  // STUB:   RT_TODO("3.7b");
  // STUB: }
  explicit Lock(Mutex& mutex) : mutex_(&mutex), acquire_(mutex.semaphore_.acquire()) {}

  Mutex* mutex_;
  Semaphore::Acquire acquire_;
  // END SOLUTION
};

}  // namespace rt
