// Atomic: std::atomic under the model checker. fence: std::atomic_thread_fence.
//
// What a load may read follows [intro.races] and [atomics.order] of C++20; src/memory.cc names the
// rule at each step.
//
// Invariants
//   1. Before each operation any other thread may go on.
//   2. The modification order of an atomic is the order in which its stores were executed. A store
//      never slips in front of one that was executed earlier.
//   3. A load may read every store that coherence, happens-before and the order of the seq_cst
//      operations leave it: the newest, or an older one, of the last eight.
//   4. A read-modify-write reads the newest store. A compare_exchange that fails is a load, and may
//      read an older one; compare_exchange_weak may fail for no reason. Each as often as Options
//      say.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "testkit/model/object.h"

namespace testkit::model {

void fence(std::memory_order order, Place place = Place::current()) noexcept;

namespace detail {

enum class Update : std::uint8_t { kExchange, kAdd, kSubtract, kAnd, kOr, kXor };

// An Atomic without its type: a word of up to 64 bits.
class AtomicWord : public Object {
 protected:
  AtomicWord(std::uint64_t value, Shape shape, Place place) noexcept;
  ~AtomicWord() = default;

  std::uint64_t load_word(std::memory_order order, Place place) const noexcept;
  void store_word(std::uint64_t value, std::memory_order order, Place place) noexcept;
  std::uint64_t update_word(Update how, std::uint64_t operand, std::memory_order order,
                            Place place) noexcept;
  bool compare_exchange_word(std::uint64_t& expected, std::uint64_t desired,
                             std::memory_order success, std::memory_order failure, bool is_weak,
                             Place place) noexcept;

 private:
  friend class Engine;
  mutable std::uint64_t outside_;  // The value outside of any scenario.
  Shape shape_;
};

template <class T>
constexpr Shape shape_of() noexcept {
  const auto bytes = static_cast<std::uint8_t>(sizeof(T));
  if constexpr (std::is_same_v<T, bool>) return {bytes, Form::kBool};
  if constexpr (std::is_pointer_v<T>) return {bytes, Form::kPointer};
  if constexpr (std::is_signed_v<T>) return {bytes, Form::kSigned};
  return {bytes, Form::kUnsigned};
}

constexpr std::memory_order failure_order(std::memory_order success) noexcept {
  if (success == std::memory_order_acq_rel) return std::memory_order_acquire;
  if (success == std::memory_order_release) return std::memory_order_relaxed;
  return success;
}

}  // namespace detail

template <class T>
class Atomic : public detail::AtomicWord {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8,
                "the model checker knows atomics of up to eight bytes");
  static constexpr std::memory_order kSeqCst = std::memory_order_seq_cst;

 public:
  using value_type = T;
  static constexpr bool is_always_lock_free = true;

  Atomic(T value = T(), Place place = Place::current()) noexcept
      : AtomicWord(word(value), detail::shape_of<T>(), place) {}

  T load(std::memory_order order = kSeqCst, Place place = Place::current()) const noexcept {
    return value(load_word(order, place));
  }
  void store(T desired, std::memory_order order = kSeqCst,
             Place place = Place::current()) noexcept {
    store_word(word(desired), order, place);
  }
  T exchange(T desired, std::memory_order order = kSeqCst,
             Place place = Place::current()) noexcept {
    return value(update_word(detail::Update::kExchange, word(desired), order, place));
  }

  bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                               std::memory_order failure, Place place = Place::current()) noexcept {
    return compare_exchange(expected, desired, success, failure, false, place);
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order order = kSeqCst,
                               Place place = Place::current()) noexcept {
    return compare_exchange(expected, desired, order, detail::failure_order(order), false, place);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure, Place place = Place::current()) noexcept {
    return compare_exchange(expected, desired, success, failure, true, place);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order order = kSeqCst,
                             Place place = Place::current()) noexcept {
    return compare_exchange(expected, desired, order, detail::failure_order(order), true, place);
  }

  T fetch_add(T operand, std::memory_order order = kSeqCst,
              Place place = Place::current()) noexcept requires std::is_integral_v<T> {
    return value(update_word(detail::Update::kAdd, word(operand), order, place));
  }
  T fetch_sub(T operand, std::memory_order order = kSeqCst,
              Place place = Place::current()) noexcept requires std::is_integral_v<T> {
    return value(update_word(detail::Update::kSubtract, word(operand), order, place));
  }
  T fetch_and(T operand, std::memory_order order = kSeqCst,
              Place place = Place::current()) noexcept requires std::is_integral_v<T> {
    return value(update_word(detail::Update::kAnd, word(operand), order, place));
  }
  T fetch_or(T operand, std::memory_order order = kSeqCst,
             Place place = Place::current()) noexcept requires std::is_integral_v<T> {
    return value(update_word(detail::Update::kOr, word(operand), order, place));
  }
  T fetch_xor(T operand, std::memory_order order = kSeqCst,
              Place place = Place::current()) noexcept requires std::is_integral_v<T> {
    return value(update_word(detail::Update::kXor, word(operand), order, place));
  }

  bool is_lock_free() const noexcept { return true; }

  // Operators cannot be told where they stand, so a table shows them without a place.
  T operator=(T desired) noexcept {
    store_word(word(desired), kSeqCst, Place());
    return desired;
  }
  operator T() const noexcept { return value(load_word(kSeqCst, Place())); }
  T operator++() noexcept requires std::is_integral_v<T> {
    return static_cast<T>(fetch_add(1, kSeqCst, Place()) + 1);
  }
  T operator++(int) noexcept requires std::is_integral_v<T> {
    return fetch_add(1, kSeqCst, Place());
  }
  T operator--() noexcept requires std::is_integral_v<T> {
    return static_cast<T>(fetch_sub(1, kSeqCst, Place()) - 1);
  }
  T operator--(int) noexcept requires std::is_integral_v<T> {
    return fetch_sub(1, kSeqCst, Place());
  }
  T operator+=(T operand) noexcept requires std::is_integral_v<T> {
    return static_cast<T>(fetch_add(operand, kSeqCst, Place()) + operand);
  }
  T operator-=(T operand) noexcept requires std::is_integral_v<T> {
    return static_cast<T>(fetch_sub(operand, kSeqCst, Place()) - operand);
  }

 private:
  static std::uint64_t word(T value) noexcept {
    std::uint64_t result = 0;
    std::memcpy(&result, &value, sizeof(T));
    return result;
  }
  static T value(std::uint64_t word) noexcept {
    T result;
    std::memcpy(&result, &word, sizeof(T));
    return result;
  }

  bool compare_exchange(T& expected, T desired, std::memory_order success,
                        std::memory_order failure, bool is_weak, Place place) noexcept {
    std::uint64_t seen = word(expected);
    const bool done = compare_exchange_word(seen, word(desired), success, failure, is_weak, place);
    if (!done) expected = value(seen);
    return done;
  }
};

}  // namespace testkit::model
