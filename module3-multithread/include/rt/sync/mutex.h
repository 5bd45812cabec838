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
#include "rt/platform/todo.h"
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
    RT_TODO("3.7b");
  }

 private:
  // Yours: what says who may reach the value.
  sync::Cell<T> value_;
};

// The right to use the T. Gives it back when it is destroyed, and passes it on when it is moved.
template <class T>
class [[nodiscard]] Mutex<T>::Guard {
 public:
  // Yours: moving, and giving back.
  Guard(Guard&& other) noexcept {
    RT_TODO("3.7b");
  }
  Guard& operator=(Guard&& other) noexcept {
    RT_TODO("3.7b");
  }
  ~Guard() {
    RT_TODO("3.7b");
  }

  T& operator*() const noexcept { return value(); }
  T* operator->() const noexcept { return &value(); }

 private:
  friend class Mutex;

  T& value() const noexcept {
    RT_TODO("3.7b");
  }

  // Yours: what it holds.
};

template <class T>
class [[nodiscard]] Mutex<T>::Lock {
 public:
  using Output = Guard;

  // Ready with the Guard. Throws std::logic_error when polled after it was ready.
  Poll<Guard> poll(Context& cx) {
    RT_TODO("3.7b");
  }

 private:
  friend class Mutex;
  // Yours: what is being waited for.
  explicit Lock(Mutex& mutex) {
    RT_TODO("3.7b");
  }
};

}  // namespace rt
