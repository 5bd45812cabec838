// poll_task: how an executor polls the future of a task: with a fresh budget, and with a line in
// the trace.
//
// Thread safety: by the thread that runs the task.
#pragma once

#include "rt/future/budget.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/yield_now.h"
#include "rt/trace/trace.h"

namespace rt {

// What future.poll(cx) answers or throws.
template <Future F>
Poll<OutputOf<F>> poll_task(trace::TaskId id, F& future, Context& cx) {
  const coop::BudgetScope budget;
  coop::begin_poll();
  trace::PollScope traced(id);
  Poll<OutputOf<F>> result = future.poll(cx);
  traced.ended(result.is_ready());
  return result;
}

}  // namespace rt
