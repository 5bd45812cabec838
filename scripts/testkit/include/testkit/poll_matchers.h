// Matchers on what poll() returns, and how a Poll is printed.
//
//   EXPECT_THAT(task.poll(future), IsPending());
//   EXPECT_THAT(task.poll(future), IsReady());
//   EXPECT_THAT(task.poll(future), IsReadyWith(7));
//   EXPECT_THAT(task.poll(future), IsReadyWith(testing::HasSubstr("reset")));
//
// A Poll prints as "pending", "ready" or "ready with 7".
#pragma once

#include <gmock/gmock-matchers.h>
#include <gtest/gtest.h>

#include <ostream>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>

#include "rt/future/poll.h"

namespace testkit {
namespace internal {

// A value that GoogleTest prints as more than its bytes.
template <class T>
concept Printable = requires(std::ostream& os, const T& value) {
  os << value;
}
|| requires(std::ostream& os, const T& value) { PrintTo(value, &os); }
|| requires(const T& value) { value.begin() != value.end(); }
|| requires(const T& value) { *value; }
|| requires { std::tuple_size<T>::value; };

template <class T>
concept StatusOrLike = requires(const T& value) {
  { value.ok() } -> std::convertible_to<bool>;
  value.status();
  value.value();
};

template <class T>
void print_value(const T& value, std::ostream& os) {
  if constexpr (StatusOrLike<T>) {
    if (!value.ok()) {
      os << "the error " << value.status();
    } else {
      print_value(value.value(), os);
    }
  } else if constexpr (Printable<T>) {
    testing::internal::UniversalPrint(value, &os);
  } else {
    os << "a value of type " << testing::internal::GetTypeName<T>();
  }
}

// As GoogleTest words it.
testing::AssertionResult not_as_expected(const char* text, const std::string& expected,
                                         const std::string& actual);

}  // namespace internal

class IsPendingMatcher {
 public:
  using is_gtest_matcher = void;
  template <class T>
  bool MatchAndExplain(const rt::Poll<T>& poll, std::ostream*) const {
    return poll.is_pending();
  }
  void DescribeTo(std::ostream* os) const { *os << "pending"; }
  void DescribeNegationTo(std::ostream* os) const { *os << "ready"; }
};

class IsReadyMatcher {
 public:
  using is_gtest_matcher = void;
  template <class T>
  bool MatchAndExplain(const rt::Poll<T>& poll, std::ostream*) const {
    return poll.is_ready();
  }
  void DescribeTo(std::ostream* os) const { *os << "ready"; }
  void DescribeNegationTo(std::ostream* os) const { *os << "pending"; }
};

template <class Inner>
class IsReadyWithMatcher {
 public:
  explicit IsReadyWithMatcher(Inner inner) : inner_(std::move(inner)) {}

  template <class T>
  operator testing::Matcher<rt::Poll<T>>() const {
    return testing::Matcher<rt::Poll<T>>(new Impl<const rt::Poll<T>&, T>(inner_));
  }
  template <class T>
  operator testing::Matcher<const rt::Poll<T>&>() const {
    return testing::Matcher<const rt::Poll<T>&>(new Impl<const rt::Poll<T>&, T>(inner_));
  }

 private:
  template <class P, class T>
  class Impl : public testing::MatcherInterface<P> {
   public:
    explicit Impl(const Inner& inner) : inner_(testing::SafeMatcherCast<const T&>(inner)) {}
    bool MatchAndExplain(P poll, testing::MatchResultListener* listener) const override {
      return poll.is_ready() && inner_.MatchAndExplain(poll.value(), listener);
    }
    void DescribeTo(std::ostream* os) const override {
      *os << "ready with a value that ";
      inner_.DescribeTo(os);
    }
    void DescribeNegationTo(std::ostream* os) const override {
      *os << "pending, or ready with a value that ";
      inner_.DescribeNegationTo(os);
    }

   private:
    const testing::Matcher<const T&> inner_;
  };

  friend class testing::internal::PredicateFormatterFromMatcher<IsReadyWithMatcher>;
  Inner inner_;
};

inline IsPendingMatcher IsPending() { return {}; }
inline IsReadyMatcher IsReady() { return {}; }

// Ready, with a value that equals `inner` or, if `inner` is a matcher, that it matches.
template <class Inner>
IsReadyWithMatcher<std::decay_t<Inner>> IsReadyWith(Inner&& inner) {
  return IsReadyWithMatcher<std::decay_t<Inner>>(std::forward<Inner>(inner));
}

}  // namespace testkit

// What EXPECT_THAT() asks for a matcher. GoogleTest's own makes three Matcher classes for each type
// of Poll, and that was a third of the compiler's time in the tests of this course.
namespace testing::internal {

template <>
class PredicateFormatterFromMatcher<testkit::IsPendingMatcher> {
 public:
  explicit PredicateFormatterFromMatcher(testkit::IsPendingMatcher) {}
  template <class T>
  AssertionResult operator()(const char* text, const rt::Poll<T>& poll) const {
    if (poll.is_pending()) return AssertionSuccess();
    return testkit::internal::not_as_expected(text, "pending", PrintToString(poll));
  }
};

template <>
class PredicateFormatterFromMatcher<testkit::IsReadyMatcher> {
 public:
  explicit PredicateFormatterFromMatcher(testkit::IsReadyMatcher) {}
  template <class T>
  AssertionResult operator()(const char* text, const rt::Poll<T>& poll) const {
    if (poll.is_ready()) return AssertionSuccess();
    return testkit::internal::not_as_expected(text, "ready", "pending");
  }
};

template <class Inner>
class PredicateFormatterFromMatcher<testkit::IsReadyWithMatcher<Inner>> {
 public:
  explicit PredicateFormatterFromMatcher(testkit::IsReadyWithMatcher<Inner> matcher)
      : matcher_(std::move(matcher)) {}
  template <class T>
  AssertionResult operator()(const char* text, const rt::Poll<T>& poll) const {
    if constexpr (requires { poll.value() == matcher_.inner_; }) {
      if (poll.is_ready() && poll.value() == matcher_.inner_) return AssertionSuccess();
      return testkit::internal::not_as_expected(
          text, "ready with a value that is equal to " + PrintToString(matcher_.inner_),
          PrintToString(poll));
    } else {
      const Matcher<const rt::Poll<T>&> matcher = matcher_;
      if (matcher.Matches(poll)) return AssertionSuccess();
      std::stringstream expected;
      matcher.DescribeTo(&expected);
      return testkit::internal::not_as_expected(text, expected.str(), PrintToString(poll));
    }
  }

 private:
  const testkit::IsReadyWithMatcher<Inner> matcher_;
};

}  // namespace testing::internal

namespace rt {

// Here because GoogleTest finds it by argument-dependent look-up.
template <class T>
void PrintTo(const Poll<T>& poll, std::ostream* os) {
  if (poll.is_pending()) {
    *os << "pending";
    return;
  }
  *os << "ready";
  if constexpr (!std::is_void_v<T>) {
    *os << " with ";
    testkit::internal::print_value(poll.value(), *os);
  }
}

}  // namespace rt
