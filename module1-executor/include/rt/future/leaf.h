// as_leaf: one poll of a future at the bottom of a task: one that waits for something that is not a
// future, such as an event, a message or a permit. Each costs the task a unit of its budget
// (rt/future/budget.h), so that a task whose leaves are always ready gives way all the same.
//
//   Poll<void> poll(Context& cx) {
//     return as_leaf(cx, [&] { return poll_event(cx); });
//   }
//
// Thread safety: none needed; it is part of a poll.
//
// The idea is Tokio's tokio::task::coop::poll_proceed.
#pragma once

#include "rt/future/budget.h"
#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/yield_now.h"
#include "rt/trace/trace.h"

namespace rt {

namespace detail {

// The budget is spent: the task gives way, and the leaf says pending.
template <class P>
P give_way(Context& cx) {
  trace::forced_yield();
  coop::defer(cx.waker());
  return kPending;
}

}  // namespace detail

// What poll() answers or throws, which is called once: it takes nothing and returns a Poll. Where
// the budget is spent it is not called: the task gives way, and the answer is pending. An answer
// and a throw cost a unit, pending costs nothing.
//
// Inlined always: g++ would make it a function of its own, and two tasks that send each other
// messages would take a fifth longer (measured).
template <class Fn>
[[gnu::always_inline]] inline auto as_leaf(Context& cx, Fn&& poll) -> decltype(poll()) {
  coop::Unit unit;
  // Not by two returns: g++ would copy the answer.
  auto result = unit.was_there() ? poll() : detail::give_way<decltype(poll())>(cx);
  if (result.is_pending()) {
    unit.give_back();
  } else if (trace::enabled() && !coop::has_budget_remaining()) {
    trace::budget_spent();
  }
  return result;
}

}  // namespace rt
