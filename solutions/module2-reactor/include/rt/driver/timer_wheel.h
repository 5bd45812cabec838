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
    // BEGIN SOLUTION 2.5
    return elapsed_;
    // END SOLUTION
  }

  // Puts `node` in, to be given out at tick `when`. False, and not put in: it is due already,
  // when <= elapsed(). Any `when` will do. REQUIRES: `node` is not in a wheel.
  bool insert(TimerNode& node, std::uint64_t when) noexcept {
    // BEGIN SOLUTION 2.5
    if (when <= elapsed_) return false;
    node.when = when;
    place(node);
    return true;
    // END SOLUTION
  }

  // Takes `node` out, also when it is due and was not given out yet. False: it is not in the wheel.
  bool cancel(TimerNode& node) noexcept {
    // BEGIN SOLUTION 2.5
    if (node.place == TimerNode::kNowhere) return false;
    TimerList::remove(node);
    if (node.place != kDue) {
      Level& level = levels_[node.place / kSlots];
      const unsigned slot = node.place % kSlots;
      if (level.slots[slot].empty()) level.occupied &= ~bit(slot);
    }
    node.place = TimerNode::kNowhere;
    return true;
    // END SOLUTION
  }

  // The tick at which poll() should be called next; nothing if the wheel is empty. It is never
  // later than the first timer's, and not earlier either, unless a timer was cancelled since.
  // Always later than elapsed(), unless timers are due that poll() has not given out yet: then it
  // is elapsed().
  std::optional<std::uint64_t> next_expiry() const noexcept {
    // BEGIN SOLUTION 2.5
    if (!due_.empty()) return elapsed_;
    const std::optional<Slot> first = first_slot();
    if (!first.has_value()) return std::nullopt;
    if (first->level == kLevels - 1) return earliest_of_top();
    return levels_[first->level].earliest[first->index];
    // END SOLUTION
  }

  // The next timer that is due at `now`, taken out of the wheel, and elapsed() has come to its
  // tick; null when there is no more, and then elapsed() has come to `now`. They come in the order
  // of their ticks. Between two calls timers may be inserted and cancelled. A `now` that lies
  // before elapsed() counts as elapsed(). REQUIRES: now < 2^63.
  TimerNode* poll(std::uint64_t now) noexcept {
    // BEGIN SOLUTION 2.5
    for (;;) {
      if (TimerNode* const node = due_.pop_front()) {
        node->place = TimerNode::kNowhere;
        return node;
      }
      const std::optional<Slot> next = first_slot();
      if (!next.has_value() || next->start > now) break;
      elapsed_ = next->start;
      open(*next);
    }
    elapsed_ = std::max(elapsed_, now);
    return nullptr;
    // END SOLUTION
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

  // BEGIN SOLUTION 2.5
  // STUB: // Yours: the levels, each with its slots and a bit for each; and where the time is.
  static constexpr std::uint32_t kDue = kLevels * kSlots;  // The place of a node in due_.

  struct Level {
    Level() noexcept {}
    std::uint64_t occupied = 0;  // A bit for each slot that has timers.
    std::array<TimerList, kSlots> slots;
    // No timer of the slot is due earlier. Of an empty slot it means nothing.
    std::array<std::uint64_t, kSlots> earliest;
  };

  // The highest digit in which the two differ. Not that of their distance: then a timer in a lower
  // level might be due after a slot of a higher one has to be opened.
  static constexpr unsigned level_for(std::uint64_t elapsed, std::uint64_t when) noexcept {
    const unsigned highest = static_cast<unsigned>(std::bit_width((elapsed ^ when) | 1)) - 1;
    return std::min(highest / kBits, kLevels - 1);
  }

  // Links a node that is in no list to where it belongs by its `when`.
  void place(TimerNode& node) noexcept {
    if (node.when <= elapsed_) {
      node.place = kDue;
      due_.push_back(node);
      return;
    }
    const unsigned level = level_for(elapsed_, node.when);
    const unsigned slot = digit(node.when, level);
    Level& its = levels_[level];
    const bool is_first = (its.occupied & bit(slot)) == 0;
    its.earliest[slot] = is_first ? node.when : std::min(its.earliest[slot], node.when);
    its.occupied |= bit(slot);
    its.slots[slot].push_back(node);
    node.place = level * kSlots + slot;
  }

  // The slot of this level whose time comes first. The search begins after the digit of elapsed():
  // whatever is in that very slot comes a whole turn later. REQUIRES: the level has timers.
  Slot next_slot(unsigned level) const noexcept {
    const unsigned here = digit(elapsed_, level);
    const std::uint64_t ahead = std::rotr(levels_[level].occupied, static_cast<int>(here) + 1);
    const std::uint64_t distance = static_cast<std::uint64_t>(std::countr_zero(ahead)) + 1;
    const unsigned shift = level * kBits;
    const std::uint64_t start = ((elapsed_ >> shift) + distance) << shift;
    return Slot(level, static_cast<unsigned>(here + distance) % kSlots, start);
  }

  // The slot of all whose time comes first: everything in a level is earlier than what is above it.
  std::optional<Slot> first_slot() const noexcept {
    for (unsigned level = 0; level < kLevels; ++level) {
      if (levels_[level].occupied != 0) return next_slot(level);
    }
    return std::nullopt;
  }

  // What is in the next slot of the top level may be due a turn later than what is in others.
  std::uint64_t earliest_of_top() const noexcept {
    const Level& top = levels_[kLevels - 1];
    std::uint64_t earliest = std::numeric_limits<std::uint64_t>::max();
    for (std::uint64_t left = top.occupied; left != 0; left &= left - 1) {
      earliest = std::min(earliest, top.earliest[static_cast<unsigned>(std::countr_zero(left))]);
    }
    return earliest;
  }

  // The time has come to the start of `slot`. All its timers are taken out first: one that is due a
  // turn later comes back to the same slot.
  void open(const Slot& slot) noexcept {
    Level& level = levels_[slot.level];
    level.occupied &= ~bit(slot.index);
    TimerList taken;
    taken.take_all(level.slots[slot.index]);
    while (TimerNode* const node = taken.pop_front()) place(*node);
  }

  std::uint64_t elapsed_ = 0;
  TimerList due_;  // Due, and not given out yet.
  std::array<Level, kLevels> levels_;
  // END SOLUTION
};

}  // namespace rt
