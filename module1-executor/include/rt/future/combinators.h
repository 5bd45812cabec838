// Combinators: futures that are made of futures.
//
//   map(f, fn)       fn(output of f)
//   join(a, b, …)    all outputs, as a tuple         join_all(v)  … as a vector, in the order of v
//   race(a, b)       the first output, as a variant  race_all(v)  … with the index of the winner
//
// A combinator arranges no wake of its own: it hands its Context down, so that whatever wakes a
// child wakes the task in which they all are.
//
// Thread safety: none needed; one owner polls it, like any future.
//
// Invariants
//   1. Children are polled in place, and not moved after the first poll.
//   2. A child that was ready, or that has lost, is not polled again. It is dropped at once, before
//      the combinator says ready; so whoever sees the output knows that the losers are cancelled.
//   3. A pending combinator has polled, with the newest waker, each child that it still waits for.
//   4. Children are polled in the order in which they were named. The first that is ready wins a
//      race, and those named after it are not polled any more: nothing that a loser has got is
//      lost.
//   5. What a child throws goes out of poll(). The other children are dropped with the combinator.
//
// Where a void output has to be a value (in a tuple, vector or variant) it is a std::monostate.
//
// The ideas are those of Rust's futures crate: FutureExt::map, join!, join_all, select, select_all.
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "rt/future/future.h"
#include "rt/platform/todo.h"

namespace rt {

template <class T>
using NonVoid = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

namespace detail {

// The output of a poll that was ready.
template <class T>
NonVoid<T> take_output(Poll<T>&& ready) {
  if constexpr (std::is_void_v<T>) {
    return std::monostate();
  } else {
    return std::move(ready).take();
  }
}

// Calls `fn` with the output of a poll that was ready (with nothing, if that is void). What fn
// returns is the output of the poll that this returns.
template <class Fn, class T>
auto call_with_output(Fn& fn, Poll<T>&& ready) {
  const auto call = [&]() -> decltype(auto) {
    if constexpr (std::is_void_v<T>) {
      return fn();
    } else {
      return fn(std::move(ready).take());
    }
  };
  using Result = decltype(call());
  if constexpr (std::is_void_v<Result>) {
    call();
    return Poll<void>(kReady);
  } else {
    return Poll<Result>(call());
  }
}

template <class Fn, class T>
using MapOutput = decltype(call_with_output(std::declval<Fn&>(), std::declval<Poll<T>>()).take());

// A child of a join: first the future, later its output. Never both, and never neither.
template <Future F>
class Child {
 public:
  explicit Child(F future) : state_(std::in_place_index<0>, std::move(future)) {}

  // Polls the future, unless its output is there already. True when the output is there.
  bool poll(Context& cx) {
    RT_TODO("1.5");
  }

  // For once, after poll() has said true.
  NonVoid<OutputOf<F>> take() { return std::get<1>(std::move(state_)); }

 private:
  std::variant<F, NonVoid<OutputOf<F>>> state_;
};

}  // namespace detail

// --- map -----------------------------------------------------------------------------------------

template <Future F, class Fn>
class [[nodiscard]] Map {
 public:
  using Output = detail::MapOutput<Fn, OutputOf<F>>;

  Map(F future, Fn fn) : future_(std::move(future)), fn_(std::move(fn)) {}

  // Throws std::logic_error when polled after it was ready.
  Poll<Output> poll(Context& cx) {
    RT_TODO("1.5");
  }

 private:
  std::optional<F> future_;
  Fn fn_;
};

// Ready with fn(output of `future`), when that is ready; `fn` is called once, or never. If the
// output is void, fn takes nothing; if fn returns nothing, the map's output is void.
template <Future F, class Fn>
Map<F, Fn> map(F future, Fn fn) {
  return Map<F, Fn>(std::move(future), std::move(fn));
}

// --- join ----------------------------------------------------------------------------------------

template <Future... Fs>
class [[nodiscard]] Join {
 public:
  using Output = std::tuple<NonVoid<OutputOf<Fs>>...>;

  explicit Join(Fs... futures) : children_(std::move(futures)...) {}

  // Throws std::logic_error when polled after it was ready.
  Poll<Output> poll(Context& cx) {
    // std::apply(fn, children_) calls fn with all the children of the tuple at once, and
    // in a lambda that takes `auto&... child`, (f(child), ...) calls f for one after another.
    RT_TODO("1.5");
  }

 private:
  std::tuple<detail::Child<Fs>...> children_;
  bool done_ = false;  // Said ready.
};

// Ready with all outputs, in the order in which the futures were named, once the last is ready.
// A join of nothing is ready at once.
template <Future... Fs>
Join<Fs...> join(Fs... futures) {
  return Join<Fs...>(std::move(futures)...);
}

template <Future F>
class [[nodiscard]] JoinAll {
 public:
  using Output = std::vector<NonVoid<OutputOf<F>>>;

  explicit JoinAll(std::vector<F> futures) {
    children_.reserve(futures.size());
    for (F& future : futures) children_.emplace_back(std::move(future));
  }

  // Throws std::logic_error when polled after it was ready.
  Poll<Output> poll(Context& cx) {
    RT_TODO("1.5");
  }

 private:
  std::vector<detail::Child<F>> children_;  // Never grows, so a child stays where it is.
  bool done_ = false;                       // Said ready.
};

// Ready with all outputs, in the order of `futures`, once the last is ready. A join of nothing is
// ready at once.
template <Future F>
JoinAll<F> join_all(std::vector<F> futures) {
  return JoinAll<F>(std::move(futures));
}

// --- race ----------------------------------------------------------------------------------------

template <Future A, Future B>
class [[nodiscard]] Race {
 public:
  using Output = std::variant<NonVoid<OutputOf<A>>, NonVoid<OutputOf<B>>>;

  Race(A a, B b) : racers_(std::in_place, std::move(a), std::move(b)) {}

  // Throws std::logic_error when polled after it was ready.
  Poll<Output> poll(Context& cx) {
    // The output of the first: Output(std::in_place_index<0>, …); of the second: <1>.
    RT_TODO("1.5");
  }

 private:
  std::optional<std::pair<A, B>> racers_;  // Empty: said ready.
};

// Ready with the first output. Which of the two it is, the variant's index() says.
template <Future A, Future B>
Race<A, B> race(A a, B b) {
  return Race<A, B>(std::move(a), std::move(b));
}

template <class T>
struct RaceWinner {
  RaceWinner(std::size_t index_of_winner, T its_output)
      : index(index_of_winner), output(std::move(its_output)) {}
  std::size_t index;  // In the vector that was given to race_all.
  T output;
};

template <Future F>
class [[nodiscard]] RaceAll {
 public:
  using Output = RaceWinner<NonVoid<OutputOf<F>>>;

  explicit RaceAll(std::vector<F> racers) noexcept : racers_(std::move(racers)) {}

  // Throws std::logic_error when polled after it was ready, or when there is nobody to win.
  Poll<Output> poll(Context& cx) {
    RT_TODO("1.5");
  }

 private:
  std::vector<F> racers_;  // Never grows, so a racer stays where it is.
};

// Ready with the first output, and the index of whose it is. A race of nothing can never be won: to
// poll it is a mistake, and throws.
template <Future F>
RaceAll<F> race_all(std::vector<F> racers) {
  return RaceAll<F>(std::move(racers));
}

}  // namespace rt
