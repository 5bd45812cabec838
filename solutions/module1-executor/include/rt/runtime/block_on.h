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
    // BEGIN SOLUTION 1.6
    sync::Lock lock(mutex_);
    condvar_.wait(lock, [this] { return token_; });
    token_ = false;
    // END SOLUTION
  }

  // Leaves a token, and wakes the owner if it sleeps.
  void unpark() override {
    // BEGIN SOLUTION 1.6
    {
      // Under the lock, or it could fall between the owner's look at the token and its sleep.
      sync::Lock lock(mutex_);
      token_ = true;
    }
    condvar_.notify_one();
    // END SOLUTION
  }

 private:
  // BEGIN SOLUTION 1.6
  // STUB: // Yours: what park() and unpark() share.
  sync::Mutex mutex_;
  sync::CondVar condvar_;
  bool token_ = false;  // Guarded by mutex_.
  // END SOLUTION
};

namespace detail {
// BEGIN SOLUTION 1.6
// STUB: // Yours, if you want it: what the waker of a block_on points to.

// The thread that is in block_on. Counted, because wakers may outlive the call.
class BlockedThread {
 public:
  static void wake_by_ref(const sync::Arc<BlockedThread>& self) { self->parker_.unpark(); }
  void park() { parker_.park(); }

 private:
  ThreadParker parker_;
};
// END SOLUTION
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
  // BEGIN SOLUTION 1.6
  const auto thread = sync::Arc<detail::BlockedThread>::make();
  const Waker waker = waker_from(thread);
  Context cx(waker);
  while (true) {
    Poll<OutputOf<F>> result = future.poll(cx);
    if (result.is_ready()) return std::move(result).take();
    thread->park();
  }
  // END SOLUTION
}

}  // namespace rt
