// Context: what a future is given each time it is polled. Today it holds one thing, the waker of
// the task that polls.
//
// Thread safety: lives on the stack of one poll; a future that wants to be woken later clones the
// waker and never keeps the Context.
//
// The idea is Rust's std::task::Context.
#pragma once

#include <stdexcept>

namespace rt {

class Waker;

class Context {
 public:
  explicit Context(const Waker& waker) noexcept : waker_(&waker) {}

  // For polling by hand, where nobody is to be woken.
  static Context without_waker() noexcept { return Context(); }

  // The waker of the task that polls, valid during this poll. Throws std::logic_error when there
  // is none.
  const Waker& waker() const {
    if (waker_ == nullptr) throw std::logic_error("Context: this one was made without a waker");
    return *waker_;
  }

 private:
  Context() noexcept = default;

  const Waker* waker_ = nullptr;
};

}  // namespace rt
