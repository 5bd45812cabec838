// as_leaf: one poll of a future at the bottom of a task: one that waits for something that is not a
// future, such as a message or a permit. It is counted in the task's budget, once the budget is
// real (module 5): a task whose budget is spent is told "pending", and what is being polled is not
// looked at.
//
// Thread safety: none needed; it is part of a poll.
//
// The idea is Tokio's tokio::task::coop::poll_proceed.
#pragma once

#include <utility>

#include "rt/future/context.h"
#include "rt/future/coop.h"
#include "rt/future/poll.h"

namespace rt {

// `poll` takes nothing and returns a Poll.
template <class Fn>
auto as_leaf(Context& cx, Fn&& poll) -> decltype(poll()) {
  Poll<coop::Progress> proceed = coop::poll_proceed(cx);
  if (proceed.is_pending()) return kPending;
  coop::Progress progress = std::move(proceed).take();
  auto result = poll();
  if (result.is_ready()) progress.made_progress();
  return result;
}

}  // namespace rt
