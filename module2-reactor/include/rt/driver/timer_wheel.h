// TimerWheel: a set of timers, in which to insert one, to cancel one and to find the next one take
// a handful of instructions each, however many there are.
//
// It is six wheels of 64 slots, like the hands of a clock. A slot of level 0 is one tick, one of
// level 1 is 64 ticks, and so on: 6 bits of the tick's number for each level.
//
//   level          5       4       3       2       1       0
//   bits         35..30  29..24  23..18  17..12  11..6   5..0
//   a slot is    2^30    2^24    2^18    4,096   64      1     ticks
//   a turn is    2^36    2^30    2^24    2^18    4,096   64    ticks
//
// A timer waits in the level of the highest digit in which its tick differs from elapsed(), in the
// slot of that digit. When the time comes to the first tick of a slot above level 0, its timers are
// put in again, and land lower. So a timer is moved five times at most, and most are cancelled
// before that.
//
// It knows nothing of clocks, wakers and threads: ticks are numbers.
//
// Thread safety: none. Who shares it holds a lock.
//
// Invariants
//   1. A timer is given out once, by the first poll(now) with now >= when: never early. A cancelled
//      one is not given out.
//   2. A node in the wheel is linked into one slot, or into the list of those that are due. A bit
//      says of each slot whether it has any.
//   3. In levels 0 to 4 each timer's slot lies ahead of elapsed()'s digit. In level 5 the slots go
//      round: the slot of elapsed()'s own digit comes last, a whole turn later. Timers that are due
//      after more than a turn wait there too, and are put in again each time their slot comes.
//   4. elapsed() never goes backwards.
//
// The idea is that of Varghese and Lauck, 1987; the shape is that of Tokio's runtime::time::wheel.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "rt/driver/timer_node.h"
#include "rt/platform/todo.h"

namespace rt {

class TimerWheel {
 public:
  static constexpr unsigned kLevels = 6;
  static constexpr unsigned kBits = 6;  // Of the tick's number, for each level.
  static constexpr unsigned kSlots = 1u << kBits;

  TimerWheel() noexcept = default;
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // The tick up to which poll() has looked.
  std::uint64_t elapsed() const noexcept {
    RT_TODO("2.5");
  }

  // Puts `node` in, to be given out at tick `when`. False, and not put in: it is due already,
  // when <= elapsed(). Any `when` will do. REQUIRES: `node` is not in a wheel.
  bool insert(TimerNode& node, std::uint64_t when) noexcept {
    RT_TODO("2.5");
  }

  // Takes `node` out, also when it is due and was not given out yet. False: it is not in the wheel.
  bool cancel(TimerNode& node) noexcept {
    RT_TODO("2.5");
  }

  // The tick at which poll() should be called next; nothing if the wheel is empty. It is never
  // later than the first timer's, and not earlier either, unless a timer was cancelled since.
  // Always later than elapsed(), unless timers are due that poll() has not given out yet: then it
  // is elapsed().
  std::optional<std::uint64_t> next_expiry() const noexcept {
    RT_TODO("2.5");
  }

  // The next timer that is due at `now`, taken out of the wheel, and elapsed() has come to its
  // tick; null when there is no more, and then elapsed() has come to `now`. They come in the order
  // of their ticks. Between two calls timers may be inserted and cancelled. A `now` that lies
  // before elapsed() counts as elapsed(). REQUIRES: now < 2^63.
  TimerNode* poll(std::uint64_t now) noexcept {
    RT_TODO("2.5");
  }

 private:
  // A slot of a level, and the tick at which its time comes next.
  struct Slot {
    Slot(unsigned l, unsigned i, std::uint64_t s) noexcept : level(l), index(i), start(s) {}
    unsigned level, index;
    std::uint64_t start;
  };

  static constexpr std::uint64_t bit(unsigned slot) noexcept { return std::uint64_t{1} << slot; }
  // The digit of `tick` for a level.
  static constexpr unsigned digit(std::uint64_t tick, unsigned level) noexcept {
    return static_cast<unsigned>(tick >> (level * kBits)) % kSlots;
  }

  // Yours: the levels, each with its slots and a bit for each; and where the time is.
};

}  // namespace rt
