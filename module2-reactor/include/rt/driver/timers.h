// Timers: the timer wheel of a runtime, for any thread. It turns Instants into ticks and back,
// knows who is to be woken, and tells a driver that sleeps when it would sleep too long.
//
// A Timer is the entry that a future has in it. It is in one of four states:
//
//   state    means                        poll()                 fire(), if due   cancel()
//   idle     is in no wheel               -> armed, or is ready  -                stays
//   armed    in the wheel, with a waker   keeps the newest       -> fired         -> idle
//   fired    its time has come            is ready               -                -> idle
//   lost     there was a shutdown()       throws Cancelled       -                stays
//
//   the driver's thread                       any thread
//   -------------------                       ----------
//   until = begin_sleep()                     poll(timer, deadline, cx), and deadline < until:
//   sleeps until then, or until an unpark        unpark
//   end_sleep()
//   fire(now)
//
// Thread safety: all of Timers is for any thread. A Timer belongs to one thread at a time, that
// polls and cancels it.
//
// Invariants
//   1. Never early: a timer fires by a fire(now) with now >= deadline. Never late by a whole tick:
//      it fires by the first fire(now) with now >= deadline + kTick.
//   2. A timer wakes its newest waker, once. Wakers are cloned, run and dropped with no lock held;
//   what
//      they run may poll, cancel and destroy any timer.
//   3. After a cancel() the timer is touched by nobody, and may be destroyed.
//   4. Between begin_sleep() and end_sleep(), a timer that comes before the sleep's end calls
//      `unpark`, with no lock held; the first that does is enough.
//   5. A deadline too far for the clock to count in nanoseconds (292 years) is for ever.
//
// The idea is Tokio's runtime::time::Driver.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "rt/driver/timer_node.h"
#include "rt/driver/timer_wheel.h"
#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "rt/task/spawn.h"
#include "rt/trace/trace.h"

namespace rt {

class Timer : private TimerNode {
 public:
  Timer() noexcept {}
  // Makes an idle one. REQUIRES: `other` is idle.
  Timer(Timer&& other) noexcept { other.require_out("moved"); }
  Timer& operator=(Timer&&) = delete;
  ~Timer() { require_out("destroyed"); }

 private:
  friend class Timers;
  enum State : std::uint8_t { kIdle, kArmed, kFired, kLost };

  // In place of a wheel with a hole in it, which would be found much later.
  void require_out(const char* what) const noexcept {
    // Relaxed: it only matters what its own thread did.
    if (state_.load(std::memory_order_relaxed) != kArmed) [[likely]]
      return;
    std::fprintf(stderr, "rt::Timer: %s while it is in the wheel. Cancel it before.\n", what);
    std::abort();
  }

  // First, so that it stands in what the node leaves over of its last word.
  sync::Atomic<State> state_{kIdle};
  sync::Cell<Waker> waker_{nullptr, nullptr};  // Owns nothing, unless armed. Guarded by the lock.
};

#ifndef RT_MODEL_CHECKED
static_assert(sizeof(Timer) <= 48);
#endif

class Timers {
 public:
  static constexpr absl::Duration kTick = absl::Nanoseconds(clock::kTickNs);

  // `unpark` ends the sleep of the thread that called begin_sleep(), or keeps it from sleeping.
  explicit Timers(absl::AnyInvocable<void() const> unpark)
      : start_ns_(absl::ToInt64Nanoseconds(absl::Floor(clock::now().since_origin(), kTick))),
        unpark_(std::move(unpark)) {}
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  // Ready when the timer has fired, or if its tick is behind us at the first poll. Else sets it, at
  // the first poll, and will wake cx's waker. `deadline` counts at the first poll only. Throws
  // Cancelled after a shutdown(). REQUIRES: `timer` is polled with these Timers only.
  Poll<void> poll(Timer& timer, Instant deadline, Context& cx) {
    // Acquire: pairs with the release in take(), whose thread has let go of the timer before.
    switch (timer.state_.load(std::memory_order_acquire)) {
      case Timer::kIdle:
        return arm(timer, deadline, cx);
      case Timer::kArmed:
        return poll_armed(timer, cx);
      case Timer::kFired:
        return kReady;
      case Timer::kLost:
        break;
    }
    throw Cancelled();
  }

  // Takes the timer out, if it is in. From here on it is idle, wakes nobody, and may be used again.
  void cancel(Timer& timer) noexcept {
    // Acquire: as in poll().
    const Timer::State state = timer.state_.load(std::memory_order_acquire);
    if (state == Timer::kIdle || state == Timer::kLost) return;
    if (state == Timer::kArmed) {
      Waker unused(nullptr, nullptr);  // Before the lock: dropped after it.
      const sync::ShortLock lock(mutex_);
      if (wheel_.write().cancel(timer)) {
        count(-1);
        unused = std::move(timer.waker_.write());
      }
      // Relaxed: its own thread's, and the lock's.
      timer.state_.store(Timer::kIdle, std::memory_order_relaxed);
      return;
    }
    timer.state_.store(Timer::kIdle, std::memory_order_relaxed);  // Its own thread's, once fired.
  }

  // When the next timer is due: never too late, and too early at most if one was cancelled.
  // infinite_future() if there is none. From here to end_sleep(), an earlier timer unparks.
  Instant begin_sleep() {
    const sync::ShortLock lock(mutex_);
    const std::uint64_t next = wheel_.read().next_expiry().value_or(kForever);
    sleeps_until_.write() = next;
    if (next == kForever) return Instant::infinite_future();
    const auto ticks = static_cast<std::int64_t>(next);
    return Instant::from_origin(absl::Nanoseconds(start_ns_) + absl::Milliseconds(ticks));
  }

  void end_sleep() {
    const sync::ShortLock lock(mutex_);
    sleeps_until_.write() = kAwake;
  }

  // Wakes whoever waits for a tick that has come by `now`, and returns how many those are.
  std::size_t fire(Instant now) {
    // Rounded down, and deadlines up: so nobody is early.
    const std::int64_t since_start = absl::ToInt64Nanoseconds(now.since_origin()) - start_ns_;
    if (since_start < 0) return 0;
    return take_all(static_cast<std::uint64_t>(since_start / clock::kTickNs), Timer::kFired);
  }

  // Wakes all. Whoever polls from here on gets Cancelled, unless his timer had fired before.
  void shutdown() {
    {
      const sync::ShortLock lock(mutex_);
      is_shut_down_.write() = true;
    }
    take_all(kForever, Timer::kLost);
  }

  // How many timers are set at this moment.
  std::size_t armed() const noexcept {
    return armed_.load(std::memory_order_relaxed);  // A number, and nothing with it.
  }

  // For the report of a hang: ticks as clock::describe() counts them. Takes no lock.
  std::string describe() const {
    const auto said = [this](std::uint64_t tick) {
      return std::to_string(static_cast<std::int64_t>(tick) + start_ns_ / clock::kTickNs);
    };
    const std::optional<std::uint64_t> next = wheel_.read().next_expiry();
    const std::uint64_t until = sleeps_until_.read();
    return "next at tick " + (next.has_value() ? said(*next) : "none") + ", a sleep until tick " +
           (until == kAwake     ? "none"
            : until == kForever ? "infinity"
                                : said(until));
  }

 private:
  static constexpr std::uint64_t kAwake = 0;  // No tick is earlier, so nobody is unparked.
  // Later than any tick of a clock that counts 2^63 nanoseconds.
  static constexpr std::uint64_t kForever = std::uint64_t{1} << 44;

  // Wakers on their way from under the lock to where they may run.
  class Batch {
   public:
    Batch() noexcept {}
    bool is_full() const noexcept { return size_ == wakers_.size(); }
    std::size_t size() const noexcept { return size_; }
    void add(Waker waker) noexcept { wakers_[size_++].emplace(std::move(waker)); }
    void wake_all() noexcept {
      for (std::size_t i = 0; i < size_; ++i) std::move(*wakers_[i]).wake();
    }

   private:
    std::array<std::optional<Waker>, 32> wakers_;
    std::size_t size_ = 0;
  };

  // Of armed_. Under the lock, so a load and a store do.
  void count(int difference) noexcept {
    const std::size_t now = armed_.load(std::memory_order_relaxed);
    armed_.store(now + static_cast<std::size_t>(difference), std::memory_order_relaxed);
  }

  // The first tick that is not before `deadline`.
  std::uint64_t tick_of(Instant deadline) const noexcept {
    const absl::Duration since_origin = deadline.since_origin();
    std::int64_t ns = absl::ToInt64Nanoseconds(since_origin);
    if (ns == std::numeric_limits<std::int64_t>::max()) return kForever;
    if (absl::Nanoseconds(ns) < since_origin) ++ns;  // A duration has quarters of nanoseconds.
    if (ns <= start_ns_) return 0;
    return static_cast<std::uint64_t>((ns - start_ns_ - 1) / clock::kTickNs) + 1;
  }

  Poll<void> arm(Timer& timer, Instant deadline, Context& cx) {
    const std::uint64_t when = tick_of(deadline);
    if (trace::enabled()) trace::timer_set(trace_id(timer), deadline);
    Waker waker = cx.waker().clone();  // Before the lock: if it is not used, dropped after it.
    {
      const sync::ShortLock lock(mutex_);
      if (is_shut_down_.read()) {
        timer.state_.store(Timer::kLost, std::memory_order_relaxed);  // The lock orders it.
        throw Cancelled();
      }
      if (!wheel_.write().insert(timer, when)) {
        timer.state_.store(Timer::kFired, std::memory_order_relaxed);  // Its own thread's.
        return kReady;
      }
      count(1);
      timer.waker_.write() = std::move(waker);
      timer.state_.store(Timer::kArmed, std::memory_order_relaxed);  // The lock orders it.
      if (when >= sleeps_until_.read()) return kPending;
      sleeps_until_.write() = kAwake;  // Once is enough.
    }
    unpark_();
    return kPending;
  }

  Poll<void> poll_armed(Timer& timer, Context& cx) {
    std::optional<Waker> newest;  // What is left in it at the end is dropped after the lock.
    for (;;) {
      {
        const sync::ShortLock lock(mutex_);
        // Relaxed: the lock orders it. It may have changed before we had the lock.
        const Timer::State state = timer.state_.load(std::memory_order_relaxed);
        if (state == Timer::kFired) return kReady;
        if (state == Timer::kLost) throw Cancelled();
        Waker& stored = timer.waker_.write();
        if (stored.will_wake(cx.waker())) return kPending;
        if (newest.has_value()) {
          std::swap(stored, *newest);
          return kPending;
        }
      }
      newest.emplace(cx.waker().clone());
    }
  }

  // Wakes all that are due at `tick`, a batch at a time.
  std::size_t take_all(std::uint64_t tick, Timer::State becomes) {
    std::size_t woken = 0;
    for (bool is_last = false; !is_last;) {
      Batch batch;
      is_last = take(batch, tick, becomes);
      woken += batch.size();
      batch.wake_all();
    }
    return woken;
  }

  // Moves wakers of timers that are due into `batch`. True: there are no more.
  bool take(Batch& batch, std::uint64_t tick, Timer::State becomes) {
    const sync::ShortLock lock(mutex_);
    while (!batch.is_full()) {
      TimerNode* const node = wheel_.write().poll(tick);
      if (node == nullptr) return true;
      auto& timer = static_cast<Timer&>(*node);
      count(-1);
      if (trace::enabled()) trace::timer_fire(trace_id(timer));
      batch.add(std::move(timer.waker_.write()));
      // Release: pairs with the acquire in poll() and cancel(). The owner may destroy it now.
      timer.state_.store(becomes, std::memory_order_release);
    }
    return false;
  }

  static std::uint64_t trace_id(const Timer& timer) noexcept {
    return reinterpret_cast<std::uintptr_t>(&timer);
  }

  const std::int64_t start_ns_;  // Of tick 0. A whole number of ticks: see clock::pause().
  const absl::AnyInvocable<void() const> unpark_;
  // Guards the rest, and the wakers of armed timers. Held for 32 timers at most; and, which is
  // seldom, while a slot of the wheel is opened.
  sync::ShortMutex mutex_;
  sync::Cell<TimerWheel> wheel_;
  // The tick that ends the sleep of the driver.
  sync::Cell<std::uint64_t> sleeps_until_{kAwake};
  sync::Cell<bool> is_shut_down_{false};
  sync::Atomic<std::size_t> armed_{0};
};

}  // namespace rt
