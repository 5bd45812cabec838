// Ring: a bounded queue for many threads that push and one that pops. No lock, no allocation after
// its construction, and nobody waits for anybody. Where one side has to sleep, it leaves a mark,
// and the other side finds it in the very step that makes the mark wrong.
//
//   slots      | free | 9: value | 10: value | 11: being filled | free | free |
//                       ^ head = 9                                ^ tail = 12
//
// Positions count up for ever (63 bits: at one a nanosecond, for 292 years); the slot of a position
// is position % size. A slot says by its stamp which position's value it holds, so a value of an
// earlier round is never taken for a new one.
//
// Thread safety: try_push(), seal(), await_room() by any thread. try_pop(), await_value() and
// is_drained() by one thread at a time, the consumer; if it changes, something else orders the two.
//
// Invariants
//   1. Values come out in the order in which their positions were claimed; each once. Two pushes of
//      which one has returned before the other began come out in that order.
//   2. At most `capacity` values are in the ring. A pop that has returned makes room for a push.
//   3. After seal() nothing is pushed; what was in, or on its way in, still comes out.
//   4. A slot is written by the push that claimed its position, after the value of one round
//      earlier was popped; and read by the consumer, after it was published.
//   5. The mark "the consumer waits" is on the stamp of the slot at head. The push that publishes
//      this slot learns of it, or the consumer does not wait after all.
//   6. The mark "a pusher waits" is on head. The pop that moves head learns of it, or the pusher
//      sees the room. While it is set, only try_push(value, kAfterWaiting) finds room.
//
//   word     63 … 1             0        who changes it
//   tail     position           sealed   pushers: claim a position, by compare-exchange
//   head     position           mark     the consumer: + 1, by fetch_add
//   stamp    position + 1       mark     the push that claimed the position, by exchange
//
// What it costs, and what each trick buys (2.4 GHz, the line at home; see scripts/bench/mpsc.cc):
//
//   trick                                 costs   buys
//   claim by compare-exchange             5 ns    no lock: 10 ns on each side
//   publish by exchange, not a store      5 ns    no flag "the consumer sleeps" beside it
//   make room by fetch_add, not a store   5 ns    no flag "a pusher sleeps" beside it
//   known_head_, beside tail              0       a miss on the consumer's line for each push
//   room by head alone, no stamp "free"   0       the consumer writes to no slot's line
//
// The idea is Dmitry Vyukov's bounded queue, with its head as the only thing that says "free".
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "rt/platform/sync.h"

namespace rt {

// The most values that a ring may have room for. More is a mistake of whoever asks, and is refused
// before memory is asked for it.
inline constexpr std::size_t kMaxRingCapacity = std::size_t{1} << 30;

// Memory for one T, which whoever owns the slot constructs and destroys.
template <class T>
class RawSlot {
 public:
  RawSlot() noexcept {}
  void put(T&& value) noexcept { new (bytes_) T(std::move(value)); }
  // Moves the T out, and destroys what is left of it.
  T take() noexcept {
    T* const place = std::launder(reinterpret_cast<T*>(bytes_));
    T taken(std::move(*place));
    place->~T();
    return taken;
  }

 private:
  alignas(T) std::byte bytes_[sizeof(T)];
};

template <class T>
class Ring {
  static_assert(std::is_nothrow_move_constructible_v<T>,
                "a position that is claimed has to be filled: wrap a T whose move may throw into a "
                "std::unique_ptr");

 public:
  enum class Push {
    kPushed,
    kPushedAndAwaited,  // And the consumer waits for it: wake it.
    kFull,
    kSealed,
  };
  enum class Who { kNewcomer, kAfterWaiting };

  // Throws std::invalid_argument for a capacity of 0, std::length_error for one of more than
  // kMaxRingCapacity, and std::bad_alloc for one that memory does not have.
  explicit Ring(std::size_t capacity)
      : capacity_(checked(capacity)),
        mask_(std::bit_ceil(capacity) - 1),
        slots_(std::make_unique<Slot[]>(mask_ + 1)) {}
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() {
    while (try_pop().value.has_value()) {
    }
  }

  std::size_t capacity() const noexcept { return static_cast<std::size_t>(capacity_); }

  // Moves `value` in, if there is room: it is moved from only if this says that it was pushed.
  Push try_push(T& value, Who who = Who::kNewcomer) noexcept {
    // BEGIN SOLUTION 3.8
    std::uint64_t tail = tail_.load(std::memory_order_relaxed);  // Compared, and nothing else.
    do {
      if ((tail & kSealed) != 0) return Push::kSealed;
      if (!has_room(tail / 2, who)) return Push::kFull;
      // Relaxed: a position is all that is claimed. What orders the value is its stamp.
    } while (!tail_.compare_exchange_weak(tail, tail + 2, std::memory_order_relaxed,
                                          std::memory_order_relaxed));
    const std::uint64_t position = tail / 2;
    Slot& slot = slot_of(position);
    slot.value.write().put(std::move(value));
    // Release: pairs with try_pop(), for the value. Acquire: pairs with await_value().
    const std::uint64_t before = slot.stamp.exchange(stamp_of(position), std::memory_order_acq_rel);
    return (before & kMark) != 0 ? Push::kPushedAndAwaited : Push::kPushed;
    // END SOLUTION
  }

  struct Popped {
    Popped() noexcept = default;
    Popped(T&& v, bool waits) noexcept : value(std::move(v)), pusher_waits(waits) {}
    std::optional<T> value;
    bool pusher_waits = false;  // There is room now, and a pusher waits for it.
  };

  // The oldest value, if it is there.
  Popped try_pop() noexcept {
    // BEGIN SOLUTION 3.8
    const std::uint64_t position = head_.load(std::memory_order_relaxed) / 2;  // Our own.
    Slot& slot = slot_of(position);
    // Acquire: pairs with try_push(), for the value.
    if ((slot.stamp.load(std::memory_order_acquire) & ~kMark) != stamp_of(position)) return {};
    T value = slot.value.write().take();
    // Release: pairs with has_room(), for the slot. Acquire: pairs with await_room().
    const std::uint64_t before = head_.fetch_add(2, std::memory_order_acq_rel);
    return Popped(std::move(value), (before & kMark) != 0);
    // END SOLUTION
  }

  // For a consumer that found nothing: whoever pushes the next value will learn that it waits.
  // False if that value has come meanwhile.
  bool await_value() noexcept {
    // BEGIN SOLUTION 3.8
    const std::uint64_t position = head_.load(std::memory_order_relaxed) / 2;
    sync::Atomic<std::uint64_t>& stamp = slot_of(position).stamp;
    std::uint64_t seen = stamp.load(std::memory_order_relaxed);  // Compared, and nothing else.
    while ((seen & ~kMark) != stamp_of(position)) {
      // Release: pairs with the exchange in try_push().
      if (stamp.compare_exchange_weak(seen, seen | kMark, std::memory_order_release,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
    // END SOLUTION
  }

  // Marks that a pusher waits: each pop will learn of it until nobody_awaits_room().
  void await_room() noexcept {
    head_.fetch_or(kMark, std::memory_order_acq_rel);  // Pairs with the fetch_add in try_pop().
  }
  void nobody_awaits_room() noexcept { head_.fetch_and(~kMark, std::memory_order_relaxed); }

  // From now on nothing is pushed. True if it was this call that made it so.
  bool seal() noexcept {
    return (tail_.fetch_or(kSealed, std::memory_order_release) & kSealed) == 0;
  }
  bool is_sealed() const noexcept {
    return (tail_.load(std::memory_order_acquire) & kSealed) != 0;  // Pairs with seal().
  }

  // For the consumer: sealed, and everything that was pushed has been popped.
  bool is_drained() const noexcept {
    const std::uint64_t head = head_.load(std::memory_order_relaxed) / 2;  // Our own.
    return tail_.load(std::memory_order_acquire) == (head * 2 | kSealed);  // Pairs with seal().
  }

 private:
  static constexpr std::uint64_t kMark = 1;
  static constexpr std::uint64_t kSealed = 1;

  struct Slot {
    sync::Atomic<std::uint64_t> stamp{0};  // 0: no value yet; positions' stamps begin at 2.
    sync::Cell<RawSlot<T>> value;
  };

  static std::uint64_t checked(std::size_t capacity) {
    if (capacity == 0) throw std::invalid_argument("a channel of capacity 0: nothing would fit");
    if (capacity > kMaxRingCapacity) {
      throw std::length_error("a channel of capacity " + std::to_string(capacity) +
                              ": it may hold " + std::to_string(kMaxRingCapacity) +
                              " values at most");
    }
    return capacity;
  }

  static std::uint64_t stamp_of(std::uint64_t position) noexcept { return (position + 1) * 2; }
  Slot& slot_of(std::uint64_t position) noexcept {
    return slots_[static_cast<std::size_t>(position) & mask_];
  }

  // Is there room for a value at `position`? Asks the consumer's line only if what is known does
  // not say so already.
  bool has_room(std::uint64_t position, Who who) noexcept {
    // BEGIN SOLUTION 3.8
    // Acquire: pairs with the release below, of another pusher, and so with try_pop().
    if (who == Who::kNewcomer && is_within(position, known_head_.load(std::memory_order_acquire))) {
      return true;
    }
    const std::uint64_t head = head_.load(std::memory_order_acquire);  // Pairs with try_pop().
    if (who == Who::kNewcomer && (head & kMark) != 0) return false;
    if (!is_within(position, head / 2)) return false;
    // No waiter is passed by what is known: it is not made known while they do.
    if (who == Who::kNewcomer) known_head_.store(head / 2, std::memory_order_release);
    return true;
    // END SOLUTION
  }

  // Less than 0, when `position` is an old one: then the claim will fail, and not for want of room.
  bool is_within(std::uint64_t position, std::uint64_t head) const noexcept {
    return static_cast<std::int64_t>(position - head) < static_cast<std::int64_t>(capacity_);
  }

  // Three lines: one that nobody writes, one of the pushers, one of the consumer.
  static constexpr std::size_t kLine = 64;
  const std::uint64_t capacity_;
  const std::size_t mask_;
  const std::unique_ptr<Slot[]> slots_;
  alignas(kLine) sync::Atomic<std::uint64_t> tail_{0};
  sync::Atomic<std::uint64_t> known_head_{0};  // Head was here once: it may be further by now.
  alignas(kLine) sync::Atomic<std::uint64_t> head_{0};
};

}  // namespace rt
