// CancellationToken: asks work to end. Whoever has the token may cancel it, once and for all;
// whoever does the work has a copy of it and awaits it beside the work, or asks now and then.
//
//   CancellationToken stop;
//   spawn(serve(listener, stop.child_token()));            // a child: what stop says goes for it
//   …
//   auto request = co_await stop.run_until_cancelled(read_request(stream));
//   if (!request.has_value()) co_return;                    // stop was cancelled
//
// Copies are the same token. A child_token() is another one: it is cancelled with its parent, and
// it may be cancelled alone.
//
// Thread safety: all const functions by any thread; different copies by different threads, like a
// std::shared_ptr. A Cancelled, and a RunUntilCancelled, belongs to one thread at a time.
//
// Invariants
//   1. A token that is cancelled stays so. When cancel() returns, the token and all that descend
//      from it are cancelled, whoever else cancels at the same time; its parent and its siblings
//      are not.
//   2. A child of a cancelled token is born cancelled. One that is made while its parent is being
//      cancelled is cancelled, too.
//   3. A Cancelled is ready from its next poll on, and its task is woken, when its token is
//      cancelled: whether it was made, polled first, or polled again before or after that.
//   4. Whoever sees that a token is cancelled sees what was done before it was.
//   5. Wakers are cloned, woken and dropped with no lock held, and so are futures and outputs. What
//      they run may cancel, make or drop any token of the tree, also the one that is being
//      cancelled.
//   6. A token without a copy and without a Cancelled is freed at once, also if it has children:
//      these hang from its parent then.
//   7. Nothing here is recursive, and cancel() allocates nothing: a tree may be as deep as memory
//      allows.
//
// A tree has one mutex. It guards every ring of children, every list of waiters, and the step from
// "not cancelled" to "cancelled".
//
//   event                      under the mutex                            then, without it
//   -----                      ---------------                            ----------------
//   child_token()              parent cancelled: the child is, too;       -
//                              else it joins its parent's ring
//   cancel()                   it and all below it: cancelled, out of     the waiters are woken,
//                              their rings; their waiters in one list     one after another
//   the last copy goes         its children take its place in the ring    it is freed
//   Cancelled polled, first    not cancelled: it joins the waiters        -
//   Cancelled dropped          it leaves whichever list it is in          its waker is dropped
//
// The idea is Tokio's: tokio_util::sync::CancellationToken. Its nodes have a mutex each.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>

#include "rt/future/combinators.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/leaf.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "rt/platform/todo.h"
#include "rt/sync/sibling.h"
#include "rt/sync/wait_list.h"

namespace rt {

class CancellationToken {
 public:
  class Cancelled;
  class DropGuard;
  template <Future F>
  class RunUntilCancelled;

  // The root of a new tree. It allocates, and so does a child; what that throws, goes out.
  CancellationToken();

  // A token that is cancelled when this one is. The child may be cancelled alone.
  CancellationToken child_token() const;

  bool is_cancelled() const noexcept;

  // Cancels this token and all that descend from it. This token may be gone when it returns: what a
  // waker runs may have dropped it.
  void cancel() const noexcept;

  // A future that is ready when the token is cancelled. It counts as a copy of the token.
  Cancelled cancelled() const noexcept;

  // A future that polls `future` until that is ready, or the token is cancelled. Its output is what
  // `future` has given (std::monostate for void), or nothing.
  template <Future F>
  RunUntilCancelled<F> run_until_cancelled(F future) const;

  // Cancels the token when it goes out of scope: the work below ends when this function does.
  DropGuard drop_guard() const noexcept;

 private:
  class Node;

  explicit CancellationToken(sync::Arc<Node> node) noexcept : node_(std::move(node)) {}

  sync::Arc<Node> node_;
};

// What the copies of a token share. Its base is its place among its parent's children.
class CancellationToken::Node : public Sibling {
 public:
  explicit Node(sync::Arc<sync::Mutex> mutex_of_the_tree) noexcept
      : mutex(std::move(mutex_of_the_tree)) {}

  // When the last reference has gone. Its children go on, below its parent if it has one.
  ~Node() {
    RT_TODO("5.6");
  }

  bool is_cancelled() const noexcept {
    RT_TODO("5.6");
  }

  const sync::Arc<sync::Mutex> mutex;   // One for the tree.
  sync::Atomic<bool> cancelled{false};  // Changes once, with the mutex held.
  Sibling children;                     // The head of their ring; each other one in it is a Node.
  WaitList<Cancelled> waiters;
};

// The future that cancelled() gives.
class [[nodiscard]] CancellationToken::Cancelled : private Waiter {
 public:
  using Output = void;

  // Before the first poll only.
  Cancelled(Cancelled&& other) noexcept : node_(std::move(other.node_)) {}
  Cancelled& operator=(Cancelled&&) = delete;

  ~Cancelled() { leave(); }

  // Ready when the token is cancelled. Throws std::logic_error when polled after it was ready.
  Poll<void> poll(Context& cx) {
    return as_leaf(cx, [&] { return poll_cancelled(cx); });
  }

 private:
  friend class CancellationToken;
  template <class W>
  friend class rt::WaitList;

  enum class State : std::uint8_t { kNew, kWaiting, kDone };

  explicit Cancelled(sync::Arc<Node> node) noexcept : node_(std::move(node)) {}

  Poll<void> poll_cancelled(Context& cx) {
    RT_TODO("5.6");
  }

  // True if the newest waker is stored where cancel() will find it; false if that came first.
  bool wait(Context& cx) {
    RT_TODO("5.6");
  }

  // Takes back what wait() has left. Also while cancel() is at work on the list: then it is out of
  // it, or it has been taken out already.
  void leave() noexcept {
    RT_TODO("5.6");
  }

  sync::Arc<Node> node_;
  State state_ = State::kNew;
};

// The future that run_until_cancelled() gives.
//
// Invariants
//   1. Once the token is cancelled the future is not polled any more; not even once, if the token
//      was cancelled before. It is destroyed before poll() says ready.
//   2. An output that the future has given counts, also if the token was cancelled in that very
//      poll. It is not lost.
//   3. What the future throws goes out of poll().
//   4. It looks at the token in each poll, also when the task's budget is spent.
template <Future F>
class [[nodiscard]] CancellationToken::RunUntilCancelled {
 public:
  using Output = std::optional<NonVoid<OutputOf<F>>>;

  RunUntilCancelled(F future, Cancelled cancelled)
      : future_(std::move(future)), cancelled_(std::move(cancelled)) {}

  // Throws std::logic_error when polled after it was ready.
  Poll<Output> poll(Context& cx) {
    RT_TODO("5.6");
  }

 private:
  std::optional<F> future_;  // Empty: said ready.
  Cancelled cancelled_;
};

// Cancels its token at its end, unless it was disarmed or moved from.
class [[nodiscard]] CancellationToken::DropGuard {
 public:
  explicit DropGuard(CancellationToken token) noexcept : token_(std::move(token)) {}
  DropGuard(DropGuard&& other) noexcept : token_(std::exchange(other.token_, std::nullopt)) {}
  DropGuard& operator=(DropGuard&&) = delete;
  ~DropGuard() {
    RT_TODO("5.6");
  }

  // Nothing will be cancelled. For once.
  void disarm() noexcept {
    RT_TODO("5.6");
  }

 private:
  std::optional<CancellationToken> token_;
};

inline CancellationToken::CancellationToken()
    : node_(sync::Arc<Node>::make(sync::Arc<sync::Mutex>::make())) {}

inline CancellationToken CancellationToken::child_token() const {
  RT_TODO("5.6");
}

inline bool CancellationToken::is_cancelled() const noexcept { return node_->is_cancelled(); }

inline void CancellationToken::cancel() const noexcept {
  RT_TODO("5.6");
}

inline CancellationToken::Cancelled CancellationToken::cancelled() const noexcept {
  return Cancelled(node_);
}

template <Future F>
CancellationToken::RunUntilCancelled<F> CancellationToken::run_until_cancelled(F future) const {
  return RunUntilCancelled<F>(std::move(future), cancelled());
}

inline CancellationToken::DropGuard CancellationToken::drop_guard() const noexcept {
  return DropGuard(*this);
}

static_assert(Future<CancellationToken::Cancelled>);

}  // namespace rt
