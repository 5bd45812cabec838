// What MODEL_REQUIRE is given: `a == b` is taken apart, so that a failure can tell both values.
//
// `Condition() <= a == b` is `(Condition() <= a) == b`: whatever compares binds less tightly than
// what computes, and as tightly as <= or less. With && or || the parts are only asked.
//
// Thread safety: no state; objects of one expression.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include "testkit/model/object.h"
#include "testkit/values.h"

namespace testkit::model::detail {

template <class T>
constexpr bool is_number = std::is_integral_v<T> && !std::is_same_v<T, bool>;

// In words, or "" for what has none.
template <class T>
std::string shown(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (is_number<T>) {
    return std::to_string(value);
  } else if constexpr (NamedEnum<T>) {
    return name_of(value);
  } else {
    return "";
  }
}

// What came of a condition. `values`: "3 == 4", or "" where there is nothing to tell.
struct Decided {
  bool is_true;
  std::string values = {};
  explicit operator bool() const { return is_true; }
};

template <class L, class R>
Decided decided(bool is_true, const L& left, const char* how, const R& right) {
  Decided result{is_true};
  if (is_true) return result;
  const std::string first = shown(left);
  const std::string second = shown(right);
  if (!first.empty() && !second.empty()) result.values = first + how + second;
  return result;
}

template <class L>
class Left {
 public:
  explicit Left(const L& value) : value_(value) {}
  explicit operator bool() const { return static_cast<bool>(value_); }

// Numbers of both signs are compared as numbers: a literal is an int.
#define TESTKIT_COMPARES(op, as_numbers)                                              \
  template <class R>                                                                  \
  Decided operator op(const R& right) const {                                         \
    if constexpr (is_number<L> && is_number<R>) {                                     \
      return decided(std::as_numbers(value_, right), value_, " " #op " ", right);     \
    } else {                                                                          \
      return decided(static_cast<bool>(value_ op right), value_, " " #op " ", right); \
    }                                                                                 \
  }
  TESTKIT_COMPARES(==, cmp_equal)
  TESTKIT_COMPARES(!=, cmp_not_equal)
  TESTKIT_COMPARES(<, cmp_less)
  TESTKIT_COMPARES(<=, cmp_less_equal)
  TESTKIT_COMPARES(>, cmp_greater)
  TESTKIT_COMPARES(>=, cmp_greater_equal)
#undef TESTKIT_COMPARES

 private:
  const L& value_;
};

struct Condition {
  template <class L>
  Left<L> operator<=(const L& value) const {
    return Left<L>(value);
  }
};

[[noreturn]] void require_failed(const char* condition, const std::string& values, Place place);

inline void require(const Decided& decided, const char* condition, Place place) {
  if (!decided.is_true) require_failed(condition, decided.values, place);
}
template <class T>
void require(const T& condition, const char* text, Place place) {
  if (!static_cast<bool>(condition)) require_failed(text, "", place);
}

}  // namespace testkit::model::detail
