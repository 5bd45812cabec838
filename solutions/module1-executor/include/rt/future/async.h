// Async<T>: a coroutine that is a Future, and may co_await any Future.
//
//   Async<int> twice(Async<int> inner) { co_return 2 * co_await inner; }
//
// An Async that is polled, and every Async that it awaits, form one stack of frames. Only the
// innermost frame runs. When it awaits a future that is pending, the awaiter leaves its address in
// the stack as *the leaf*, and the whole stack is suspended. The next poll asks the leaf first, and
// resumes the innermost frame only once the leaf is ready. So a needless wake costs one poll of one
// leaf and resumes nothing, and a coroutine keeps the same contract as a future written by hand.
//
//   poll() ──> first poll? ──yes──> push its own frame: it is the innermost one
//                 │ no                         │
//                 ├────────────────────────────┘
//                 v
//              leaf set? ──yes──> poll the leaf ──pending──> return pending
//                 │ no                  │ ready, or it threw:
//                 │                     │ there is no leaf any more
//                 └──────────┬──────────┘
//                            v
//              ┌──> resume the innermost frame
//              │             │ it suspended, because …
//              │             ├─ it awaits a child Async:  the child is the innermost frame now ─┐
//              ├─────────────┼──────────────────────────────────────────────────────────────────┘
//              │             ├─ it has ended:  its parent is the innermost frame now ─┐
//              ├─────────────┼────────────────────────────────────────────────────────┘
//              │             ├─ it has ended and has no parent:  finish, and return ready or throw
//              │             └─ it awaits a pending future:  that is the leaf, return pending
//
// The loop is called a trampoline: frames never call each other, they suspend and let the loop
// resume the next. C++ offers symmetric transfer for the same purpose, but g++ 12 makes it a tail
// call only when optimizing and without sanitizers; elsewhere each await would eat stack.
//
// Thread safety: none needed. One thread at a time polls a task, and what moves a task to another
// thread orders the two.
//
// Invariants
//   1. While a stack is suspended, stack_.top is its innermost frame, and stack_.leaf what that
//      frame awaits. stack_.context is set at the start of every poll, and valid during it.
//   2. A frame belongs to the Async that made it until it is pushed on a stack; from then on to the
//      stack. It is destroyed exactly once, whether it returned, threw or was dropped half-way; an
//      inner frame before the one that awaits it.
//   3. An Async does not move after its first poll: its frames point to the stack inside it.
//   4. When poll() returns ready, or throws, the frame is gone, with its parameters and locals.
//   5. A coroutine with an output that runs off its end without a co_return throws std::logic_error
//      there, as if its body had. (Promise::take_output does. Compilers warn at most.)
//
// BEGIN SOLUTION 1.8
// STUB: // Write it in this order; the tests are in the same one.
// STUB: //   1. A frame that awaits nothing: Async::poll with one resume(), FinalAwaiter,
// STUB: //      unhandled_exception, finish, the move and the destructor.
// STUB: //   2. A leaf: FutureAwaiter, and what poll does with a leaf.
// STUB: //   3. A child: ChildAwaiter, and the loops in poll and in the destructor.
// STUB: //
// END SOLUTION
// The shape of the idea: Rust's async fn; the promise and awaiter types: C++20's coroutines.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "rt/future/future.h"
#include "rt/platform/blocks.h"

namespace rt {

template <class T>
class Async;

namespace detail {

// A future that a suspended frame waits for.
class Leaf {
 public:
  // Polls the future once more. True when the frame can go on: the future is ready, or has thrown.
  virtual bool poll_again(Context& cx) noexcept = 0;

 protected:
  Leaf() = default;
  ~Leaf() = default;  // Lives in a frame and is never deleted through this class.
};

class FrameBase;

// The frames of one polled Async.
struct AsyncStack {
  FrameBase* top = nullptr;    // The innermost frame; null when the outermost has ended.
  Leaf* leaf = nullptr;        // What `top` waits for; null while it can run.
  Context* context = nullptr;  // Of the poll in progress. Async::poll sets it, each time.
};

// What every promise has, whatever its T.
class FrameBase {
 public:
  // Hands control back to the loop in Async::poll, with the parent as the frame to run next.
  struct FinalAwaiter {
    FinalAwaiter() noexcept {}
    bool await_ready() const noexcept { return false; }
    // `ended` has run to its end. What it leaves (an output or an error) is fetched later,
    // by whoever awaits it.
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      // BEGIN SOLUTION 1.8
      FrameBase& frame = ended.promise();
      frame.stack->top = frame.parent;
      // END SOLUTION
    }
    void await_resume() const noexcept {}
  };

  // Where frames lie.
  static void* operator new(std::size_t size) { return blocks::allocate(size); }
  static void operator delete(void* frame, std::size_t size) noexcept {
    blocks::deallocate(frame, size);
  }

  // A coroutine does nothing until it is polled.
  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }

  // Called in place of a return, while the exception is being handled.
  void unhandled_exception() noexcept {
    // BEGIN SOLUTION 1.8
    error = std::current_exception();
    // END SOLUTION
  }

  template <class F>
  auto await_transform(F&& future);

  std::coroutine_handle<> handle;  // This frame.
  FrameBase* parent = nullptr;     // The frame that awaits this one.
  AsyncStack* stack = nullptr;     // Set when the frame is pushed.
  std::exception_ptr error;        // What the body threw.

 protected:
  FrameBase() = default;
  ~FrameBase() = default;
};

template <class T>
class Promise final : public FrameBase {
 public:
  Async<T> get_return_object() noexcept;

  template <class U>
  requires std::constructible_from<T, U>
  void return_value(U&& value) { output.emplace(std::forward<U>(value)); }

  T take_output() {
    if (!output.has_value()) {
      throw std::logic_error("Async: the coroutine has run off its end without a co_return");
    }
    return std::move(*output);
  }

  std::optional<T> output;
};

template <>
class Promise<void> final : public FrameBase {
 public:
  inline Async<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void take_output() noexcept {}
};

// Awaits a future by polling it.
template <Future F>
class FutureAwaiter final : public Leaf {
 public:
  FutureAwaiter(F& future, AsyncStack& stack) noexcept : future_(future), stack_(stack) {}
  FutureAwaiter(const FutureAwaiter&) = delete;
  FutureAwaiter& operator=(const FutureAwaiter&) = delete;

  // Polls at once: a future that is ready costs no suspension.
  bool await_ready() {
    // BEGIN SOLUTION 1.8
    result_.emplace(future_.poll(*stack_.context));
    return result_->is_ready();
    // END SOLUTION
  }

  // Called when await_ready() said false. Control is then back in Async::poll, after its resume().
  // The awaiter lives in the frame: its address is good until the frame goes on.
  void await_suspend(std::coroutine_handle<>) noexcept {
    // BEGIN SOLUTION 1.8
    stack_.leaf = this;
    // END SOLUTION
  }

  // Called by Async::poll, each time it is polled while this is the leaf.
  bool poll_again(Context& cx) noexcept override {
    // BEGIN SOLUTION 1.8
    // Thrown out of here, the exception would pass through the loop in poll and miss the frame that
    // awaits this future and may catch it.
    try {
      result_.emplace(future_.poll(cx));
    } catch (...) {
      error_ = std::current_exception();
    }
    return error_ != nullptr || result_->is_ready();
    // END SOLUTION
  }

  // Called when the frame goes on; what it returns or throws is what co_await does.
  OutputOf<F> await_resume() {
    // BEGIN SOLUTION 1.8
    if (error_ != nullptr) std::rethrow_exception(std::move(error_));
    return std::move(*result_).take();
    // END SOLUTION
  }

 private:
  F& future_;
  AsyncStack& stack_;
  // Filled with emplace(): an output may be movable and still not assignable.
  std::optional<Poll<OutputOf<F>>> result_;
  std::exception_ptr error_;
};

// Awaits an Async that was never polled: its frame is pushed on the stack of the awaiting one, and
// its own stack stays unused. (An Async that was polled before is awaited as any future is.)
template <class T>
class ChildAwaiter {
 public:
  ChildAwaiter(Async<T>& child, FrameBase& parent) noexcept
      : child_(child), parent_(parent), as_leaf_(child, *parent.stack) {}
  ChildAwaiter(const ChildAwaiter&) = delete;
  ChildAwaiter& operator=(const ChildAwaiter&) = delete;

  bool await_ready();  // A child that was never polled is never ready: it has to run first.
  void await_suspend(std::coroutine_handle<> awaiting) noexcept;  // Pushes the child's frame.
  T await_resume();  // The child has ended: its output, or what it threw.

 private:
  Async<T>& child_;
  FrameBase& parent_;
  FutureAwaiter<Async<T>> as_leaf_;
  std::coroutine_handle<Promise<T>> pushed_;  // Null when the child is awaited as a leaf.
};

// Moves the output out of an ended frame, or throws what its body threw; and destroys the frame
// after that, on every way out: also when the move throws.
template <class T>
T finish(std::coroutine_handle<Promise<T>> ended);

}  // namespace detail

template <class T = void>
class [[nodiscard]] Async {
  static_assert(alignof(detail::Promise<T>) <= 16, "g++ 12 aligns coroutine frames to 16 bytes");

 public:
  using Output = T;
  using promise_type = detail::Promise<T>;

  // Before the first poll only. `other` is left without a frame.
  Async(Async&& other) noexcept : frame_(other.frame_) {
    // BEGIN SOLUTION 1.8
    other.frame_ = nullptr;
    // END SOLUTION
  }
  Async& operator=(Async&&) = delete;

  // Destroys the frames that are left, innermost first, in a loop: a million suspended frames
  // would overflow any recursion.
  ~Async() {
    // BEGIN SOLUTION 1.8
    if (!frame_) return;
    detail::FrameBase* frame = was_polled() ? stack_.top : &frame_.promise();
    while (frame != nullptr) {
      detail::FrameBase* parent = frame->parent;
      frame->handle.destroy();
      frame = parent;
    }
    // END SOLUTION
  }

  // Runs the coroutine until it ends or has to wait. Throws what its body threw, and
  // std::logic_error when polled after it was ready.
  Poll<T> poll(Context& cx) {
    // BEGIN SOLUTION 1.8
    if (!frame_) throw std::logic_error("Async: polled after it was ready, or moved from");
    stack_.context = &cx;
    if (!was_polled()) {
      frame_.promise().stack = &stack_;
      stack_.top = &frame_.promise();
    }
    if (stack_.leaf != nullptr && !stack_.leaf->poll_again(cx)) return kPending;
    stack_.leaf = nullptr;
    while (stack_.top != nullptr) {
      stack_.top->handle.resume();
      if (stack_.leaf != nullptr) return kPending;
    }
    const std::coroutine_handle<promise_type> ended = std::exchange(frame_, nullptr);
    if constexpr (std::is_void_v<T>) {
      detail::finish<T>(ended);
      return kReady;
    } else {
      return detail::finish<T>(ended);
    }
    // END SOLUTION
  }

 private:
  template <class>
  friend class detail::Promise;
  template <class>
  friend class detail::ChildAwaiter;

  explicit Async(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

  // Null frame_: moved from, pushed on another's stack, or ended.
  bool was_polled() const noexcept { return !frame_ || frame_.promise().stack != nullptr; }

  std::coroutine_handle<promise_type> frame_;
  detail::AsyncStack stack_;
};

namespace detail {

template <class T>
Async<T> Promise<T>::get_return_object() noexcept {
  const auto frame = std::coroutine_handle<Promise>::from_promise(*this);
  handle = frame;
  return Async<T>(frame);
}

inline Async<void> Promise<void>::get_return_object() noexcept {
  const auto frame = std::coroutine_handle<Promise>::from_promise(*this);
  handle = frame;
  return Async<void>(frame);
}

template <class T>
T finish(std::coroutine_handle<Promise<T>> ended) {
  // BEGIN SOLUTION 1.8
  // Destroys the frame on every way out, after the output has been moved.
  struct DestroyFrame {
    explicit DestroyFrame(std::coroutine_handle<> f) noexcept : frame(f) {}
    ~DestroyFrame() { frame.destroy(); }
    std::coroutine_handle<> frame;
  };
  const DestroyFrame destroy_frame(ended);
  Promise<T>& promise = ended.promise();
  if (promise.error != nullptr) std::rethrow_exception(std::move(promise.error));
  return promise.take_output();
  // END SOLUTION
}

template <class T>
bool ChildAwaiter<T>::await_ready() {
  // BEGIN SOLUTION 1.8
  return child_.was_polled() && as_leaf_.await_ready();
  // END SOLUTION
}

template <class T>
void ChildAwaiter<T>::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  // BEGIN SOLUTION 1.8
  if (child_.was_polled()) return as_leaf_.await_suspend(awaiting);
  pushed_ = std::exchange(child_.frame_, nullptr);
  FrameBase& frame = pushed_.promise();
  frame.parent = &parent_;
  frame.stack = parent_.stack;
  parent_.stack->top = &frame;
  // END SOLUTION
}

template <class T>
T ChildAwaiter<T>::await_resume() {
  // BEGIN SOLUTION 1.8
  return pushed_ ? finish<T>(pushed_) : as_leaf_.await_resume();
  // END SOLUTION
}

template <class T>
struct IsAsync : std::false_type {};
template <class T>
struct IsAsync<Async<T>> : std::true_type {
  using Output = T;
};

template <class F>
auto FrameBase::await_transform(F&& future) {
  using Awaited = std::remove_reference_t<F>;
  static_assert(Future<Awaited>,
                "co_await takes a Future: a type with an Output and Poll<Output> poll(Context&)");
  // The awaiter refers to `future`, which outlives it: a variable, or a temporary of the expression
  // with co_await, which ends after it.
  if constexpr (IsAsync<Awaited>::value) {
    return ChildAwaiter<typename IsAsync<Awaited>::Output>(future, *this);
  } else {
    return FutureAwaiter<Awaited>(future, *stack);
  }
}

}  // namespace detail
}  // namespace rt
