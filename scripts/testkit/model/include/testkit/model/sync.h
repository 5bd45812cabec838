// Cell, Mutex, Lock, CondVar, Thread, ThreadLocal and Global as the model checker has them. In a
// target with RT_MODEL_CHECKED, rt/platform/sync.h gives these to the runtime under the same names.
//
// Invariants
//   1. Taking a mutex, waiting, notifying, starting and joining are points where any other thread
//      may go on. Accesses to a Cell are none: a race is found from the order that there is between
//      the two threads, not from the order of this execution.
//   2. A mutex that nobody holds goes to any of those who want it.
//   3. wait() may return for no reason, and a timed wait may time out, each as often as Options
//      say. notify_one() wakes any of those who wait.
//   4. A thread that waits only for a notify is not saved by a wait that returns for no reason: if
//      nobody else can go on, that is a deadlock.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <tuple>
#include <type_traits>
#include <utility>

#include "testkit/model/object.h"

namespace testkit::model {

// In a loop that waits for another thread: lets the others go on, and asks that what this thread
// has read by now be not read again where there is something newer.
void yield(Place place = Place::current());

// The checker's clock. It stands still but for timed waits: one that times out sets it to its
// deadline.
struct SteadyClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<SteadyClock>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept;
};

namespace detail {

class CellBase : public Object {
 protected:
  explicit CellBase(Place place) noexcept : Object(Kind::kCell, place) {}
  ~CellBase() = default;
  void reading(Place place) const noexcept;
  void writing(Place place) noexcept;
};

}  // namespace detail

// Plain data that several threads reach. Two accesses, one of them a write, that nothing orders are
// a data race, and end the execution.
template <class T>
class Cell : public detail::CellBase {
 public:
  explicit Cell(Place place = Place::current()) : CellBase(place), value_() {}
  template <class... Args>
  requires(sizeof...(Args) > 0 && std::is_constructible_v<T, Args...>) explicit Cell(Args&&... args)
      : CellBase(Place()), value_(std::forward<Args>(args)...) {}

  const T& read(Place place = Place::current()) const noexcept {
    reading(place);
    return value_;
  }
  T& write(Place place = Place::current()) noexcept {
    writing(place);
    return value_;
  }

 private:
  T value_;
};

class Mutex : public detail::Object {
 public:
  explicit Mutex(Place place = Place::current()) noexcept : Object(detail::Kind::kMutex, place) {}

  void lock(Place place = Place::current());
  bool try_lock(Place place = Place::current());
  void unlock(Place place = Place::current());

 private:
  friend class CondVar;
};

// std::unique_lock<Mutex>, with the caller's place.
class Lock {
 public:
  Lock() noexcept = default;
  explicit Lock(Mutex& mutex, Place place = Place::current()) : mutex_(&mutex), place_(place) {
    lock(place);
  }
  Lock(Mutex& mutex, std::defer_lock_t) noexcept : mutex_(&mutex) {}
  Lock(Mutex& mutex, std::adopt_lock_t) noexcept : mutex_(&mutex), owns_(true) {}
  Lock(Mutex& mutex, std::try_to_lock_t, Place place = Place::current())
      : mutex_(&mutex), owns_(mutex.try_lock(place)), place_(place) {}
  Lock(Lock&& other) noexcept
      : mutex_(std::exchange(other.mutex_, nullptr)),
        owns_(std::exchange(other.owns_, false)),
        place_(other.place_) {}
  Lock& operator=(Lock&& other) {
    if (owns_) unlock(place_);
    mutex_ = std::exchange(other.mutex_, nullptr);
    owns_ = std::exchange(other.owns_, false);
    place_ = other.place_;
    return *this;
  }
  ~Lock() {
    if (owns_) unlock(place_);
  }

  void lock(Place place = Place::current()) {
    mutex_->lock(place);
    owns_ = true;
  }
  bool try_lock(Place place = Place::current()) { return owns_ = mutex_->try_lock(place); }
  void unlock(Place place = Place::current()) {
    mutex_->unlock(place);
    owns_ = false;
  }
  Mutex* release() noexcept {
    owns_ = false;
    return std::exchange(mutex_, nullptr);
  }
  bool owns_lock() const noexcept { return owns_; }
  explicit operator bool() const noexcept { return owns_; }
  Mutex* mutex() const noexcept { return mutex_; }

 private:
  Mutex* mutex_ = nullptr;
  bool owns_ = false;
  Place place_;
};

class CondVar : public detail::Object {
 public:
  explicit CondVar(Place place = Place::current()) noexcept
      : Object(detail::Kind::kCondVar, place) {}

  void notify_one(Place place = Place::current()) noexcept;
  void notify_all(Place place = Place::current()) noexcept;

  void wait(Lock& lock, Place place = Place::current()) {
    wait_on(*lock.mutex(), false, std::chrono::nanoseconds(0), place);
  }
  template <class Ready>
  void wait(Lock& lock, Ready ready, Place place = Place::current()) {
    while (!ready()) wait(lock, place);
  }

  template <class Clock, class Duration>
  std::cv_status wait_until(Lock& lock, const std::chrono::time_point<Clock, Duration>& deadline,
                            Place place = Place::current()) {
    const auto at =
        std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch());
    return wait_on(*lock.mutex(), true, at, place) ? std::cv_status::no_timeout
                                                   : std::cv_status::timeout;
  }
  template <class Clock, class Duration, class Ready>
  bool wait_until(Lock& lock, const std::chrono::time_point<Clock, Duration>& deadline, Ready ready,
                  Place place = Place::current()) {
    while (!ready()) {
      if (wait_until(lock, deadline, place) == std::cv_status::timeout) return ready();
    }
    return true;
  }
  template <class Rep, class Period>
  std::cv_status wait_for(Lock& lock, const std::chrono::duration<Rep, Period>& duration,
                          Place place = Place::current()) {
    return wait_until(lock, SteadyClock::now() + duration, place);
  }
  template <class Rep, class Period, class Ready>
  bool wait_for(Lock& lock, const std::chrono::duration<Rep, Period>& duration, Ready ready,
                Place place = Place::current()) {
    return wait_until(lock, SteadyClock::now() + duration, std::move(ready), place);
  }

 private:
  // False: it timed out.
  bool wait_on(Mutex& mutex, bool is_timed, std::chrono::nanoseconds deadline, Place place);
};

namespace detail {

// What a thread runs. A function object of any kind, also one that can only be moved.
class Body {
 public:
  virtual ~Body() = default;
  virtual void run() = 0;
};

template <class F>
class BodyOf final : public Body {
 public:
  explicit BodyOf(F f) : f_(std::move(f)) {}
  void run() override { f_(); }

 private:
  F f_;
};

int start_thread(std::unique_ptr<Body> body, Place place);
void join_thread(int thread, Place place);
[[noreturn]] void dropped_thread(int thread, Place place);
int this_thread() noexcept;  // -1 outside of a scenario.

template <class F>
std::unique_ptr<Body> body_of(F&& f) {
  return std::make_unique<BodyOf<std::decay_t<F>>>(std::forward<F>(f));
}

}  // namespace detail

// std::thread. A scenario has at most Options::kMostThreads of them, itself included.
class Thread {
 public:
  using id = int;

  Thread() noexcept = default;
  template <class F>
  requires std::is_invocable_v < std::decay_t<F>
  & > explicit Thread(F&& f, Place place = Place::current())
      : thread_(detail::start_thread(detail::body_of(std::forward<F>(f)), place)),
  place_(place) {}
  template <class F, class First, class... Rest>
  requires(!std::is_same_v<std::decay_t<First>, Place>) Thread(F&& f, First&& first, Rest&&... rest)
      : thread_(detail::start_thread(
            detail::body_of(
                [f = std::decay_t<F>(std::forward<F>(f)),
                 args = std::tuple<std::decay_t<First>, std::decay_t<Rest>...>(
                     std::forward<First>(first), std::forward<Rest>(rest)...)]() mutable {
                  std::apply(f, std::move(args));
                }),
            Place())) {}
  Thread(Thread&& other) noexcept
      : thread_(std::exchange(other.thread_, kNone)), place_(other.place_) {}
  Thread& operator=(Thread&& other) noexcept {
    if (joinable()) detail::dropped_thread(thread_, place_);
    thread_ = std::exchange(other.thread_, kNone);
    place_ = other.place_;
    return *this;
  }
  ~Thread() {
    if (joinable()) detail::dropped_thread(thread_, place_);
  }

  bool joinable() const noexcept { return thread_ != kNone; }
  void join(Place place = Place::current()) {
    detail::join_thread(thread_, place);
    thread_ = kNone;
  }
  void detach() noexcept { thread_ = kNone; }
  id get_id() const noexcept { return thread_; }
  static unsigned hardware_concurrency() noexcept { return 2; }

 private:
  static constexpr int kNone = -1;
  int thread_ = kNone;
  Place place_;
};

inline Thread::id this_thread_id() noexcept { return detail::this_thread(); }

namespace detail {

// A flag to wait for, in one step: what block_on sleeps on. What happened before set() happens
// before what follows the wait() that it ends.
class Signal : public Object {
 public:
  explicit Signal(Place place) noexcept : Object(Kind::kSignal, place) {}
  void set(Place place);
  void wait(Place place);  // Until it is set; takes it back.
};

// The value of `key` that belongs to a thread, or to all of this execution if `is_global`; made by
// `make` at its first use, destroyed by `destroy` when the thread, or the execution, ends.
void* local_value(const void* key, bool is_global, void* (*make)(), void (*destroy)(void*));

template <class T, class Tag>
T& local(bool is_global) {
  static char key = 0;  // Its address is the key.
  return *static_cast<T*>(local_value(
      &key, is_global, []() -> void* { return new T(); },
      [](void* value) { delete static_cast<T*>(value); }));
}

}  // namespace detail

// One T for each thread and each Tag.
template <class T, class Tag>
class ThreadLocal {
 public:
  static T& get() { return detail::local<T, Tag>(false); }
};

// One T for each execution and each Tag: what a static variable is to a program.
template <class T, class Tag>
class Global {
 public:
  static T& get() { return detail::local<T, Tag>(true); }
};

}  // namespace testkit::model
