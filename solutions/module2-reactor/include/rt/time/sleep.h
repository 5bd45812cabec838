// sleep, timeout, interval: futures that wait for a time, on the timers of their runtime.
//
//   co_await sleep(absl::Seconds(2));
//   absl::StatusOr<std::size_t> got = co_await timeout(absl::Seconds(5), stream.read(buffer));
//   Interval beat = interval(absl::Seconds(1));
//   for (;;) { co_await beat.tick(); … }
//
// Thread safety: one thread at a time polls and drops each, like any future. It may be another
// thread each time.
//
// Invariants
//   1. A duration counts from the first poll. The timers are those of the runtime that polls first.
//   2. None is ready early. A time that has come is ready at the first poll, and an infinite one
//      never.
//   3. When the time comes, the newest waker is woken, once.
//   4. Whoever is dropped leaves neither a timer nor a waker behind; nor does whoever is ready.
//   5. When the runtime is gone, a sleep that it left waiting throws Cancelled.
//
// The ideas are those of tokio::time.
#pragma once

#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/timers.h"
#include "rt/future/cooperative.h"
#include "rt/future/future.h"
#include "rt/future/leaf.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"

namespace rt {

// --- sleep ---------------------------------------------------------------------------------------

class [[nodiscard]] Sleep {
 public:
  using Output = void;

  explicit Sleep(absl::Duration duration) noexcept : time_(duration), is_from_first_poll_(true) {}
  explicit Sleep(Instant deadline) noexcept : time_(deadline.since_origin()) {}

  Sleep(Sleep&&) noexcept = default;  // Before the first poll only.
  Sleep& operator=(Sleep&&) = delete;

  ~Sleep() {
    // BEGIN SOLUTION 2.6
    if (timers_) timers_->cancel(timer_);
    // END SOLUTION
  }

  // Ready when the time has come. Throws std::logic_error when polled after it was ready, and when
  // it has to wait outside of any runtime; Cancelled when the runtime is gone.
  Poll<void> poll(Context& cx) {
    return as_leaf(cx, [&] { return poll_time(cx); });
  }

 private:
  // What poll() does: as_leaf() calls it once, and counts it in the budget of its task.
  Poll<void> poll_time(Context& cx) {
    // BEGIN SOLUTION 2.6
    if (is_done_) throw std::logic_error("sleep: polled after it was ready");
    if (!timers_) {
      const Instant now = clock::now();
      if (std::exchange(is_from_first_poll_, false)) time_ += now.since_origin();
      if (time_ <= now.since_origin()) {
        is_done_ = true;
        return kReady;
      }
      timers_ = current_timers("sleep");
    }
    if (timers_->poll(timer_, Instant::from_origin(time_), cx).is_pending()) return kPending;
    is_done_ = true;
    return kReady;
    // END SOLUTION
  }

  // Of the deadline: since the clock's origin, or since the first poll. It ends in half a word, in
  // which the next ones stand: a sleep is 72 bytes in place of 88.
  [[no_unique_address]] absl::Duration time_;
  bool is_from_first_poll_ = false;
  // BEGIN SOLUTION 2.6
  // STUB: // Yours: a Timer, the Timers that it is set with, and what else has to be known.
  bool is_done_ = false;      // Said ready.
  sync::Arc<Timers> timers_;  // Null until it waits. A Sleep may outlive its runtime.
  Timer timer_;
  // END SOLUTION
};

static_assert(Future<Sleep>);

// Ready after `duration`, counted from the first poll. Zero or less: at the first poll.
inline Sleep sleep(absl::Duration duration) noexcept { return Sleep(duration); }

// Ready when the clock has come to `deadline`.
inline Sleep sleep_until(Instant deadline) noexcept { return Sleep(deadline); }

// --- timeout -------------------------------------------------------------------------------------

namespace detail {

template <class T>
struct OrStatusOf {
  using Type = absl::StatusOr<T>;
};
template <>
struct OrStatusOf<void> {
  using Type = absl::Status;
};
template <>
struct OrStatusOf<absl::Status> {
  using Type = absl::Status;
};
template <class T>
struct OrStatusOf<absl::StatusOr<T>> {
  using Type = absl::StatusOr<T>;
};

// A T, or what went wrong: absl::StatusOr<T>; absl::Status if T is void. What is a status already
// stays what it is.
template <class T>
using OrStatus = typename OrStatusOf<T>::Type;

// The output of a poll that was ready.
template <class T>
OrStatus<T> take_or_status(Poll<T>&& ready) {
  if constexpr (std::is_void_v<T>) {
    return absl::OkStatus();
  } else {
    return OrStatus<T>(std::move(ready).take());
  }
}

}  // namespace detail

template <Future F>
class [[nodiscard]] Timeout {
 public:
  using Output = detail::OrStatus<OutputOf<F>>;

  Timeout(Sleep limit, F future) : parts_(std::in_place, std::move(future), std::move(limit)) {}

  // Polls the future first: what is ready in time is given out, even if the time has come since.
  // Whichever is ready, both are dropped before this returns. Throws what the future throws, and
  // std::logic_error when polled after it was ready.
  Poll<Output> poll(Context& cx) {
    // BEGIN SOLUTION 2.6
    // STUB: // detail::take_or_status(std::move(polled)) is the output of a poll that was ready.
    // STUB: RT_TODO("2.6");
    if (!parts_.has_value()) throw std::logic_error("timeout: polled after it was ready");
    Poll<OutputOf<F>> polled = parts_->first.poll(cx);
    if (polled.is_ready()) {
      parts_.reset();
      return Output(detail::take_or_status(std::move(polled)));
    }
    if (parts_->second.poll(cx).is_pending()) return kPending;
    parts_.reset();
    return Output(absl::DeadlineExceededError("timeout: the time is up"));
    // END SOLUTION
  }

 private:
  // Empty: said ready. The limit is looked at also when the future has spent the task's budget.
  std::optional<std::pair<F, coop::Unconstrained<Sleep>>> parts_;
};

// The output of `future` if it is ready in time; else absl::StatusCode::kDeadlineExceeded, and the
// future is dropped. The time counts from the first poll.
template <Future F>
Timeout<F> timeout(absl::Duration limit, F future) {
  return Timeout<F>(sleep(limit), std::move(future));
}

template <Future F>
Timeout<F> timeout_at(Instant deadline, F future) {
  return Timeout<F>(sleep_until(deadline), std::move(future));
}

// --- interval ------------------------------------------------------------------------------------

// What an Interval does when a tick was given out late: by more than Interval::kLate.
//
//   ticks are due at 0, 10, 20, 30, 40, …; the second was taken at 33
//
//   kBurst   0, 10 (at 33), 20 and 30 (at once), 40, 50   all come, the late ones at once
//   kDelay   0, 10 (at 33), 43, 53, 63                    a period after the last was taken
//   kSkip    0, 10 (at 33), 40, 50, 60                    the next that is still to come
enum class MissedTickBehavior { kBurst, kDelay, kSkip };

// Ticks, a period apart. It does nothing of its own: a tick() waits, and one that nobody waits for
// is late.
//
// REQUIRES: one Tick at a time; the Interval is not moved while there is one.
class [[nodiscard]] Interval {
 public:
  // Up to this long after its time, a tick counts as in time. The number is Tokio's.
  static constexpr absl::Duration kLate = absl::Milliseconds(5);

  // The first tick is due at `first`; at the first poll of a tick if there is none. Throws
  // std::invalid_argument unless the period is more than zero.
  Interval(std::optional<Instant> first, absl::Duration period)
      : next_(std::move(first)), period_(period) {
    if (period <= absl::ZeroDuration()) {
      throw std::invalid_argument("interval: the period must be more than zero");
    }
  }

  void set_missed_tick_behavior(MissedTickBehavior behavior) noexcept { behavior_ = behavior; }
  MissedTickBehavior missed_tick_behavior() const noexcept { return behavior_; }
  absl::Duration period() const noexcept { return period_; }

  // Ready when the next tick is due, with the time at which it was due. A Tick that is dropped
  // before it was ready has taken nothing: the next waits for the same.
  class [[nodiscard]] Tick {
   public:
    using Output = Instant;

    explicit Tick(Interval& interval) noexcept : interval_(&interval) {}

    // Throws as Sleep does.
    Poll<Instant> poll(Context& cx) {
      // BEGIN SOLUTION 2.6
      if (!sleep_.has_value()) {
        if (!interval_->next_.has_value()) interval_->next_ = clock::now();
        sleep_.emplace(*interval_->next_);
      }
      if (sleep_->poll(cx).is_pending()) return kPending;
      const Instant due = *interval_->next_;
      interval_->next_ = interval_->after(due, clock::now());
      return due;
      // END SOLUTION
    }

   private:
    Interval* interval_;
    // BEGIN SOLUTION 2.6
    // STUB: // Yours.
    std::optional<Sleep> sleep_;  // Made by the first poll.
    // END SOLUTION
  };

  Tick tick() noexcept { return Tick(*this); }

 private:
  // When the tick after the one of `due` is due, if that one was taken `now`.
  Instant after(Instant due, Instant now) const {
    // BEGIN SOLUTION 2.6
    if (now - due <= kLate) return due + period_;
    switch (behavior_) {
      case MissedTickBehavior::kBurst:
        break;
      case MissedTickBehavior::kDelay:
        return now + period_;
      case MissedTickBehavior::kSkip:
        return now + period_ - (now - due) % period_;
    }
    return due + period_;
    // END SOLUTION
  }

  std::optional<Instant> next_;
  absl::Duration period_;
  MissedTickBehavior behavior_ = MissedTickBehavior::kBurst;
};

static_assert(Future<Interval::Tick>);

// The first tick is due at once, the others a period apart.
inline Interval interval(absl::Duration period) { return Interval(std::nullopt, period); }

// The first tick is due at `first`.
inline Interval interval_at(Instant first, absl::Duration period) {
  return Interval(first, period);
}

}  // namespace rt
