// The clock: every "what time is it" and every timed wait of the runtime goes through here, so
// that a test can stop time and move it by hand.
//
// Thread safety: all functions may be called by any thread.
//
// Invariants
//   1. now() never goes backwards. What pause() and resume() do in between changes nothing
//      about it.
//   2. While paused, now() changes only by advance(), and a timed wait ends only by its predicate
//      or by an advance() that reaches its deadline. advance() is never missed by a wait.
//   3. The clock never advances by itself. Whoever sleeps for a runtime calls auto_advance(), if
//      the clock auto_advances() and nobody can go on.
//   4. The clock ends 292 years after its origin, and a deadline beyond never comes. An advance()
//      goes half of the way there at most, so that there is always time left.
//
// The ideas of a clock that pauses, and that goes on to the next deadline when all wait for one,
// are Tokio's (tokio::time::pause).
#pragma once

#include <algorithm>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "rt/platform/sync.h"

namespace rt {

// A point on the steady clock. (absl::Time is wall clock, which an administrator may set back.)
// Arithmetic saturates, as that of absl::Duration does.
class Instant {
 public:
  constexpr Instant() noexcept = default;  // The clock's origin.

  static Instant infinite_future() noexcept { return Instant(absl::InfiniteDuration()); }
  static Instant from_origin(absl::Duration since_origin) noexcept { return Instant(since_origin); }
  absl::Duration since_origin() const noexcept { return since_origin_; }

  friend Instant operator+(Instant t, absl::Duration d) noexcept {
    return Instant(t.since_origin_ + d);
  }
  friend Instant operator-(Instant t, absl::Duration d) noexcept {
    return Instant(t.since_origin_ - d);
  }
  friend absl::Duration operator-(Instant a, Instant b) noexcept {
    return a.since_origin_ - b.since_origin_;
  }
  friend bool operator==(Instant a, Instant b) noexcept {
    return a.since_origin_ == b.since_origin_;
  }
  friend std::strong_ordering operator<=>(Instant a, Instant b) noexcept {
    if (a.since_origin_ == b.since_origin_) return std::strong_ordering::equal;
    return a.since_origin_ < b.since_origin_ ? std::strong_ordering::less
                                             : std::strong_ordering::greater;
  }

 private:
  explicit Instant(absl::Duration since_origin) noexcept : since_origin_(since_origin) {}

  absl::Duration since_origin_;
};

namespace clock {

// What timers count in (rt/driver/timers.h), and what a paused clock stands at a whole number of.
inline constexpr std::int64_t kTickNs = 1'000'000;

namespace detail {

// A thread in a timed wait while the clock is paused.
struct Sleeper {
  Sleeper(sync::Mutex& m, sync::CondVar& c) noexcept : mutex(&m), condvar(&c) {}
  sync::Mutex* mutex;
  sync::CondVar* condvar;
  // The time at which it last decided to go on waiting.
  sync::Atomic<std::int64_t> waits_at_ns{std::numeric_limits<std::int64_t>::min()};
};

// Lock order: `mutex` here, then a sleeper's own. So a thread that holds its own mutex reads the
// time without a lock, from the atomics.
struct State {
  sync::Atomic<bool> paused{false};
  sync::Atomic<std::int64_t> paused_at_ns{0};
  sync::Atomic<std::int64_t> offset_ns{0};  // What pauses have put between us and the system.
  sync::Atomic<std::uint64_t> changes{0};   // Odd inside pause() and resume().
  sync::Atomic<bool> auto_advance{false};
  sync::Mutex mutex;
  std::list<Sleeper> sleepers;                     // Guarded by `mutex`.
  std::list<absl::AnyInvocable<void()>*> watches;  // Guarded by `mutex`.
};

inline State& state() noexcept { return sync::Global<State, State>::get(); }

// The last time there is: a whole tick, and one less than would fit, so that it can be rounded up.
inline constexpr std::int64_t kLastNs =
    (std::numeric_limits<std::int64_t>::max() / kTickNs - 1) * kTickNs;

// a + b, or the last time there is if that is earlier. REQUIRES: a and b are not both less than 0.
inline std::int64_t add_ns(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? kLastNs : std::min(sum, kLastNs);
}

inline std::int64_t steady_ns() noexcept {
  const auto since = sync::SteadyClock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

inline std::int64_t running_ns() noexcept { return add_ns(steady_ns(), state().offset_ns.load()); }

inline std::int64_t now_ns() noexcept {
  State& s = state();
  for (;;) {
    const std::uint64_t changes = s.changes.load();
    if (changes % 2 == 0) {
      if (s.paused.load()) return s.paused_at_ns.load();
      const std::int64_t running = running_ns();
      // Else a pause() that has begun meanwhile may stop the clock at an earlier time.
      if (s.changes.load() == changes) return running;
    }
    sync::yield();
  }
}

// pause() or resume() is at work in it: who reads the clock waits, for a few instructions.
// REQUIRES: state().mutex is held.
class [[nodiscard]] Change {
 public:
  Change() noexcept { state().changes.fetch_add(1); }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  ~Change() { state().changes.fetch_add(1); }
};

// Wakes every sleeper to look at the clock again. Taking the sleeper's mutex first closes the gap
// between its look at the clock and its wait. Call with state().mutex held.
inline void wake_sleepers() {
  for (const Sleeper& sleeper : state().sleepers) {
    { sync::Lock gap(*sleeper.mutex); }
    sleeper.condvar->notify_all();
  }
  for (absl::AnyInvocable<void()>* watch : state().watches) (*watch)();
}

// Call with state().mutex held, while the clock is paused.
inline void advance_paused(absl::Duration by) {
  State& s = state();
  const std::int64_t now_ns = s.paused_at_ns.load();
  const std::int64_t most_ns = (kLastNs - now_ns) / 2;
  s.paused_at_ns.store(now_ns + std::clamp<std::int64_t>(absl::ToInt64Nanoseconds(by), 0, most_ns));
  wake_sleepers();
}

}  // namespace detail

// The time.
inline Instant now() noexcept { return Instant::from_origin(absl::Nanoseconds(detail::now_ns())); }

// Stops the clock, at the next whole tick, or leaves it where it stands. For tests, before
// any thread waits. It does not advance by itself until told to.
inline void pause() {
  detail::State& s = detail::state();
  sync::Lock guard(s.mutex);
  s.auto_advance.store(false);
  if (s.paused.load()) return;
  const detail::Change change;
  // So a timer that is set for an hour is due after an advance() by an hour, and not a part of a
  // tick later.
  s.paused_at_ns.store((detail::running_ns() + kTickNs - 1) / kTickNs * kTickNs);
  s.paused.store(true);
}

inline bool is_paused() noexcept { return detail::state().paused.load(); }

// Whether a runtime in which nobody can go on advances the paused clock to its next deadline, in
// place of sleeping. resume() ends it.
inline void set_auto_advance(bool on) noexcept { detail::state().auto_advance.store(on); }
inline bool auto_advances() noexcept { return is_paused() && detail::state().auto_advance.load(); }

// Moves a paused clock forward and wakes the threads whose deadline that reaches. Less than zero is
// zero. Throws std::logic_error if the clock runs: who advances it believes that it stands.
inline void advance(absl::Duration by) {
  sync::Lock guard(detail::state().mutex);
  if (!is_paused()) {
    throw std::logic_error("clock::advance: the clock runs; call clock::pause() first");
  }
  detail::advance_paused(by);
}

// What a runtime in which nobody can go on does with a clock that auto_advances(): advances it.
// Does nothing if another thread has resumed the clock meanwhile. REQUIRES: `by` is not less than
// zero.
inline void auto_advance(absl::Duration by) {
  sync::Lock guard(detail::state().mutex);
  if (auto_advances()) detail::advance_paused(by);
}

// Lets a paused clock run on from where it stands. One that runs is left alone.
inline void resume() {
  detail::State& s = detail::state();
  sync::Lock guard(s.mutex);
  if (!s.paused.load()) return;
  {
    const detail::Change change;
    s.offset_ns.store(s.paused_at_ns.load() - detail::steady_ns());  // Neither is less than zero.
    s.auto_advance.store(false);
    s.paused.store(false);
  }
  detail::wake_sleepers();
}

// For a thread that sleeps where no condition variable can reach it, in epoll: `moved` is called,
// by whoever calls advance() or resume(), each time they have done so. It runs with the clock's
// lock held, so it may ask for the time and nothing else of the clock. When the destructor returns,
// no call is in progress and none follows.
class [[nodiscard]] Watch {
 public:
  explicit Watch(absl::AnyInvocable<void()> moved) : moved_(std::move(moved)) {
    detail::State& s = detail::state();
    sync::Lock guard(s.mutex);
    self_ = s.watches.insert(s.watches.end(), &moved_);
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() {
    detail::State& s = detail::state();
    sync::Lock guard(s.mutex);
    s.watches.erase(self_);
  }

 private:
  absl::AnyInvocable<void()> moved_;
  std::list<absl::AnyInvocable<void()>*>::iterator self_;
};

// How many threads are in a timed wait on the paused clock, and have seen what time it is now:
// their deadline is still to come. After an advance() the number is 0, and then grows as the
// threads look.
inline std::size_t sleepers() {
  detail::State& s = detail::state();
  sync::Lock guard(s.mutex);
  const std::int64_t now_ns = s.paused_at_ns.load();
  return static_cast<std::size_t>(std::count_if(
      s.sleepers.begin(), s.sleepers.end(),
      [now_ns](const detail::Sleeper& sleeper) { return sleeper.waits_at_ns.load() == now_ns; }));
}

// For the report of a hang. Takes no lock.
inline std::string describe() {
  return std::string(is_paused() ? "paused" : "running") + (auto_advances() ? ", advances" : "") +
         ", at tick " + std::to_string(detail::now_ns() / kTickNs);
}

// Waits until `ready()` is true or `deadline` has come, whichever is first; returns ready().
// `ready` is called with `lock` held, any number of times. Notify `condvar` after changing what it
// reads, as with any condition variable. `lock` may be released and taken again before the wait.
template <class Ready>
bool wait_until(sync::Lock& lock, sync::CondVar& condvar, Instant deadline, Ready ready) {
  detail::State& s = detail::state();
  if (s.paused.load()) {
    // Registered before the first look at the clock, so no advance() is missed; with the caller's
    // lock released, for the lock order.
    std::list<detail::Sleeper>::iterator self;
    lock.unlock();
    {
      sync::Lock guard(s.mutex);
      self = s.sleepers.emplace(s.sleepers.end(), *lock.mutex(), condvar);
    }
    lock.lock();
    while (s.paused.load() && !ready()) {
      const std::int64_t now_ns = s.paused_at_ns.load();
      if (Instant::from_origin(absl::Nanoseconds(now_ns)) >= deadline) break;
      self->waits_at_ns.store(now_ns);
      condvar.wait(lock);
    }
    lock.unlock();
    {
      sync::Lock guard(s.mutex);
      s.sleepers.erase(self);
    }
    lock.lock();
  }
  // An hour at a time: the standard clock overflows on an infinite wait.
  constexpr absl::Duration kLongestWait = absl::Hours(1);
  while (!ready()) {
    const absl::Duration left = deadline - now();
    if (left <= absl::ZeroDuration()) return false;
    condvar.wait_until(
        lock, sync::SteadyClock::now() + absl::ToChronoNanoseconds(std::min(left, kLongestWait)));
  }
  return true;
}

}  // namespace clock
}  // namespace rt
