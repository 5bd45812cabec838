// Future: a computation that makes progress only when somebody polls it.
//
// The contract that every future keeps, and every test holds it to:
//   1. It does nothing until it is polled.
//   2. Pending means: the newest waker it was given is stored where the event will find it.
//   3. A poll at any other time is legal, and answers truthfully.
//   4. After its first poll it is not moved. After it was ready it is not polled.
//   5. Dropping it cancels it: its destructor takes back every registration it made.
//
// The idea is Rust's std::future::Future.
#pragma once

#include <concepts>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "rt/future/context.h"
#include "rt/future/poll.h"

namespace rt {

template <class F>
concept Future = std::move_constructible<F> && requires(F& future, Context& cx) {
  typename F::Output;
  { future.poll(cx) } -> std::same_as<Poll<typename F::Output>>;
};

template <Future F>
using OutputOf = typename F::Output;

// A future that is ready with `value` at its first poll.
template <class T>
class [[nodiscard]] Ready {
 public:
  using Output = T;

  explicit Ready(T value) : value_(std::move(value)) {}

  Poll<T> poll(Context&) {
    if (!value_.has_value()) throw std::logic_error("Ready: polled after it was ready");
    Poll<T> result(std::move(*value_));
    value_.reset();
    return result;
  }

 private:
  std::optional<T> value_;
};

template <class T>
Ready<T> ready(T value) {
  return Ready<T>(std::move(value));
}

// A future whose poll() is the function `fn`, which takes a Context& and returns a Poll.
template <class Fn>
class [[nodiscard]] PollFn {
 public:
  using Output = decltype(std::declval<std::invoke_result_t<Fn&, Context&>>().take());

  explicit PollFn(Fn fn) : fn_(std::move(fn)) {}

  Poll<Output> poll(Context& cx) { return fn_(cx); }

 private:
  Fn fn_;
};

template <class Fn>
PollFn<Fn> poll_fn(Fn fn) {
  return PollFn<Fn>(std::move(fn));
}

}  // namespace rt
