// For loops and futures that have to do with budgets (rt/future/budget.h) themselves:
//
//   while (parse_one()) co_await coop::consume_budget();   // Gives way now and then.
//   co_await coop::unconstrained(handshake());             // Never gives way before its time.
//
// Thread safety: like any future.
//
// The idea is Tokio's tokio::task::coop.
#pragma once

#include <utility>

#include "rt/future/budget.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/leaf.h"
#include "rt/future/poll.h"

namespace rt::coop {

// Costs a unit of the budget, and is ready; once the budget is spent, pending until the next poll.
class [[nodiscard]] ConsumeBudget {
 public:
  using Output = void;

  ConsumeBudget() noexcept {}

  Poll<void> poll(Context& cx) {
    return as_leaf(cx, []() -> Poll<void> { return kReady; });
  }
};

static_assert(Future<ConsumeBudget>);

// For a loop that computes and awaits nothing.
inline ConsumeBudget consume_budget() noexcept { return ConsumeBudget(); }

// A future whose polls cost nothing, and are not cut short.
template <Future F>
class [[nodiscard]] Unconstrained {
 public:
  using Output = OutputOf<F>;

  explicit Unconstrained(F future) : future_(std::move(future)) {}

  Poll<Output> poll(Context& cx) {
    const UnconstrainedScope scope;
    return future_.poll(cx);
  }

 private:
  F future_;
};

template <Future F>
Unconstrained<F> unconstrained(F future) {
  return Unconstrained<F>(std::move(future));
}

}  // namespace rt::coop
