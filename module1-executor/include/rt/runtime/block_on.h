// block_on: the smallest executor. It runs one future on the calling thread, which sleeps whenever
// the future is pending.
//
// How it sleeps is ThreadParker's business: one token, which unpark() leaves and park() takes.
//
//   the thread that waits          any thread
//   ~~~~~~~~~~~~~~~~~~~~~          ~~~~~~~~~~
//   poll: pending
//                                  the event happens: wake() ──> unpark(): leaves the token
//   park(): takes the token,
//           and returns at once
//   poll: ready
//
// The token is what makes the order of the two threads unimportant: a wake that comes before the
// sleep is found there.
//
// The ideas are Rust's std::thread::park, and Tokio's Runtime::block_on.
#pragma once

#include <stdexcept>
#include <utility>

#include "rt/future/arc_waker.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/waker.h"
#include "rt/platform/park.h"
#include "rt/platform/sync.h"
#include "rt/platform/todo.h"
#include "rt/task/spawn.h"

namespace rt {

// Puts one thread to sleep on a condition variable until another leaves it a token.
//
// Thread safety: park() by the owning thread only; unpark() by any thread, any number of times.
//
// Invariants
//   1. At most one token exists: unpark() on a parker that has one changes nothing.
//   2. An unpark() that happens before park() is not lost: that park() returns at once.
//   3. park() returns only by taking the token, never for no reason.
//   4. Everything that happened before unpark() is visible after the park() that took its token.
class ThreadParker final : public Park {
 public:
  // Sleeps until there is a token, and takes it.
  void park() override {
    RT_TODO("1.6");
  }

  // Leaves a token, and wakes the owner if it sleeps.
  void unpark() override {
    RT_TODO("1.6");
  }

 private:
  // Yours: what park() and unpark() share.
};

namespace detail {
// Yours, if you want it: what the waker of a block_on points to.
}  // namespace detail

// Polls `future` on this thread until it is ready, and sleeps in between: n wakes lead to at most
// n + 1 polls. Returns its output, or throws what it throws. Its wakers may be used by any thread,
// also after block_on has returned; then they do nothing.
//
// Throws std::logic_error inside a task of a runtime.
template <Future F>
OutputOf<F> block_on(F future) {
  if (!EnterScheduler::may_block()) {
    throw std::logic_error(
        "block_on: this thread runs the tasks of a runtime, and none of them could go on while it "
        "blocks; co_await the future instead");
  }
  RT_TODO("1.6");
}

}  // namespace rt
