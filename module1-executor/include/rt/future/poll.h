// Poll: the answer of one call to a future's poll(): pending, or ready with a value.
//
// Thread safety: a plain value, like std::optional.
//
// Invariants
//   1. A Poll is pending or ready, and stays what it was made.
//   2. value() and take() are for a ready Poll only; on a pending one they throw std::logic_error.
//
// The idea is Rust's std::task::Poll.
#pragma once

#include <concepts>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace rt {

struct PendingTag {
  constexpr explicit PendingTag() noexcept = default;
};
struct ReadyTag {
  constexpr explicit ReadyTag() noexcept = default;
};

inline constexpr PendingTag kPending{};  // `return kPending;` from any poll().
inline constexpr ReadyTag kReady{};      // `return kReady;` from a poll() whose Output is void.

template <class T>
class [[nodiscard]] Poll {
  static_assert(std::is_object_v<T>, "Poll holds a value: for a reference, hold a pointer");

 public:
  Poll(PendingTag) noexcept {}
  template <class U = T>
  requires(std::constructible_from<T, U> && !std::same_as<std::remove_cvref_t<U>, Poll> &&
           !std::same_as<std::remove_cvref_t<U>, PendingTag>) Poll(U&& value)
      : value_(std::forward<U>(value)) {}

  bool is_pending() const noexcept { return !value_.has_value(); }
  bool is_ready() const noexcept { return value_.has_value(); }

  const T& value() const {
    require_ready();
    return *value_;
  }
  T take() && {
    require_ready();
    return std::move(*value_);
  }

 private:
  void require_ready() const {
    if (is_pending()) throw std::logic_error("Poll: the value of a pending Poll was asked for");
  }

  std::optional<T> value_;
};

template <>
class [[nodiscard]] Poll<void> {
 public:
  Poll(PendingTag) noexcept : ready_(false) {}
  Poll(ReadyTag) noexcept : ready_(true) {}

  bool is_pending() const noexcept { return !ready_; }
  bool is_ready() const noexcept { return ready_; }

  void take() && {
    if (!ready_) throw std::logic_error("Poll: the value of a pending Poll was asked for");
  }

 private:
  bool ready_;
};

}  // namespace rt
