// ScheduledIo: what is known of one descriptor's readiness, and who waits for it. The reactor sets
// it, operations look at it, and leave their wakers here.
//
// An operation goes like this:
//
//   poll_ready(kRead, cx) --> pending: return pending, the waker is stored
//     ready, with an event --> read(2) --> EAGAIN: clear(event, kRead), and poll_ready once more
//                                      \-> anything else: that is the answer
//
// Thread safety: all functions by any thread. One operation at a time in each direction: of two
// that wait in the same direction, the one that was polled last is woken.
//
// Invariants
//   1. A poll_ready() that says pending has stored its waker before any later set_ready() looks for
//      it. So no event is lost, at whatever moment it comes.
//   2. clear() takes away only what its caller has seen. An event that came after poll_ready() and
//      before clear() stays, however many there were.
//   3. What is closed stays closed, and what is shut down stays shut down.
//   4. Somebody's code runs when a waker is cloned, woken or dropped. It runs with no lock held.
//
// The word, all of it in one atomic, so that "has anything come since?" and "clear" are one step:
//
//   63            32 31           8 7            0
//   +---------------+--------------+--------------+
//   |     tick      |      0       |  readiness   |
//   +---------------+--------------+--------------+
//
//   step                     readiness            tick   on condition that
//   ----                     ---------            ----   -----------------
//   set_ready(r)             | r                  + 1
//   clear(event, direction)  - clearable bits     =      tick == event.tick, else nothing
//   shutdown()               | shutdown           + 1
//
// The idea is Tokio's ScheduledIo.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "rt/driver/readiness.h"
#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "rt/trace/trace.h"

namespace rt {

// What an operation was told, all that is known of both directions; and when: how many events there
// had been. clear() wants it back.
struct ReadyEvent {
  ReadyEvent(Readiness r, std::uint32_t t) noexcept : readiness(r), tick(t) {}

  Readiness readiness;
  std::uint32_t tick;
};

class ScheduledIo {
 public:
  explicit ScheduledIo(int fd = -1) noexcept : fd_(fd) {}  // `fd` is for traces only.
  ScheduledIo(const ScheduledIo&) = delete;
  ScheduledIo& operator=(const ScheduledIo&) = delete;

  // Ready if an operation in this direction is worth a try, and then a waker that this call stored
  // is taken back: a waker keeps its task alive. Else stores the newest waker, and clones it only
  // when the one that is stored would not wake the same task.
  Poll<ReadyEvent> poll_ready(Direction direction, Context& cx) {
    // BEGIN SOLUTION 2.2
    if (const ReadyEvent event = now(); event.readiness.satisfies(direction)) return event;
    store(direction, cx.waker());
    // Once more: set_ready() may have come after the look above, and before there was a waker.
    const ReadyEvent event = now();
    if (!event.readiness.satisfies(direction)) return kPending;
    forget(direction);
    return event;
    // END SOLUTION
  }

  // The operation has found that it would block: `direction` is not ready any more, unless
  // something has come since `event`. Takes Readiness::clearable() away, nothing else.
  void clear(ReadyEvent event, Direction direction) {
    // BEGIN SOLUTION 2.2
    // Relaxed: compared and not used for anything else.
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    std::uint64_t cleared;
    do {
      if (unpack(word).tick != event.tick) return;
      cleared = word & ~std::uint64_t{Readiness::clearable(direction).bits()};
      // Relaxed too: a read-modify-write carries on what the last set_ready() has published.
    } while (!word_.compare_exchange_weak(word, cleared, std::memory_order_relaxed,
                                          std::memory_order_relaxed));
    // END SOLUTION
  }

  // The operation is dropped, and waits no more: drops the waker of this direction, if there is
  // one.
  void forget(Direction direction) {
    // BEGIN SOLUTION 2.2
    [[maybe_unused]] const std::optional<Waker> unused = take(direction);
    // END SOLUTION
  }

  // Adds `readiness` to what is known, and wakes each direction that it satisfies. For the reactor.
  void set_ready(Readiness readiness) {
    trace::io_ready(fd_, readiness.to_string());
    // BEGIN SOLUTION 2.2
    publish(readiness);
    // END SOLUTION
  }

  // The runtime is gone: from now on every poll_ready() is ready, and says so with kShutdown.
  void shutdown() {
    // BEGIN SOLUTION 2.2
    publish(Readiness::kShutdown);
    // END SOLUTION
  }

 private:
  const int fd_;
  // BEGIN SOLUTION 2.2
  // STUB: // Yours: the word, the two wakers, and what guards them.
  static constexpr int kTickShift = 32;

  static ReadyEvent unpack(std::uint64_t word) noexcept {
    return ReadyEvent(Readiness::from_bits(static_cast<std::uint8_t>(word)),
                      static_cast<std::uint32_t>(word >> kTickShift));
  }

  // Acquire: pairs with publish(), so what happened before the event is visible.
  ReadyEvent now() const noexcept { return unpack(word_.load(std::memory_order_acquire)); }

  void publish(Readiness readiness) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);  // Compared, and nothing else.
    std::uint64_t next;
    do {
      next = (word | readiness.bits()) + (std::uint64_t{1} << kTickShift);
      // Release: pairs with now(). Before the mutex: a poll_ready() whose waker is not found below
      // takes the mutex later than take() has it, and so sees this word in its second look.
    } while (!word_.compare_exchange_weak(word, next, std::memory_order_release,
                                          std::memory_order_relaxed));
    for (const Direction direction : {Direction::kRead, Direction::kWrite}) {
      if (!readiness.satisfies(direction)) continue;
      if (std::optional<Waker> waker = take(direction)) std::move(*waker).wake();
    }
  }

  void store(Direction direction, const Waker& waker) {
    {
      const sync::Lock lock(mutex_);
      const std::optional<Waker>& stored = waker_of(direction).read();
      if (stored.has_value() && stored->will_wake(waker)) return;
    }
    std::optional<Waker> newest(waker.clone());  // Outside the lock; and the old one, afterwards.
    const sync::Lock lock(mutex_);
    newest.swap(waker_of(direction).write());
  }

  std::optional<Waker> take(Direction direction) {
    const sync::Lock lock(mutex_);
    return std::exchange(waker_of(direction).write(), std::nullopt);
  }

  sync::Cell<std::optional<Waker>>& waker_of(Direction direction) noexcept {
    return direction == Direction::kRead ? reader_ : writer_;
  }

  sync::Atomic<std::uint64_t> word_{0};
  sync::Mutex mutex_;  // Guards the wakers.
  sync::Cell<std::optional<Waker>> reader_;
  sync::Cell<std::optional<Waker>> writer_;
  // END SOLUTION
};

}  // namespace rt
