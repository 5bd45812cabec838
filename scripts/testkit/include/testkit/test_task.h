// TestTask: a task that a test plays by hand. It polls a future with a counting waker of its own,
// and writes each poll and its answer into the step log.
//
//   TestTask a("a"), b("b");
//   EXPECT_THAT(a.poll(future), IsPending());
//   EXPECT_THAT(b.poll(future), IsPending());   // the future moves to another task
//   event.set();
//   EXPECT_EQ(b.wakes(), 1);
//   EXPECT_EQ(a.wakes(), 0);
//
// Thread safety: for one thread; the wakers it hands out, for any.
#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "testkit/counting_waker.h"
#include "testkit/poll_matchers.h"

namespace testkit {

namespace internal {
// A poll of the task `name`, for the step log: its answer, or what is being thrown.
void log_poll(const std::string& name, const std::string& answer);
void log_throw(const std::string& name);

// What a poll said, with the value where that is a number or a text. To print a tuple or a variant
// costs more time of the compiler than the test that polls for it.
template <class T>
std::string answer_of(const rt::Poll<T>& poll) {
  if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return testing::PrintToString(poll);
  } else {
    return poll.is_ready() ? "ready" : "pending";
  }
}
}  // namespace internal

class TestTask {
 public:
  explicit TestTask(std::string name = "task")
      : counter_(std::move(name)), waker_(counter_.waker()), context_(waker_) {}
  TestTask(const TestTask&) = delete;
  TestTask& operator=(const TestTask&) = delete;

  template <rt::Future F>
  rt::Poll<rt::OutputOf<F>> poll(F& future) {
    try {
      rt::Poll<rt::OutputOf<F>> result = future.poll(context_);
      internal::log_poll(name(), internal::answer_of(result));
      return result;
    } catch (...) {
      internal::log_throw(name());
      throw;
    }
  }

  const std::string& name() const { return counter_.name(); }
  rt::Context& cx() { return context_; }
  const rt::Waker& waker() const { return waker_; }
  CountingWaker& counter() { return counter_; }

  int clones() const { return counter_.clones(); }
  int wakes() const { return counter_.wakes(); }
  int drops() const { return counter_.drops(); }
  // Of this task's wakers, the task's own among them: 1 when nobody else holds any.
  int live() const { return counter_.live(); }
  void wait_for_wakes(int n) { counter_.wait_for_wakes(n); }
  void on_clone(std::function<void()> hook) { counter_.on_clone(std::move(hook)); }
  void on_wake(std::function<void()> hook) { counter_.on_wake(std::move(hook)); }
  void on_drop(std::function<void()> hook) { counter_.on_drop(std::move(hook)); }

 private:
  CountingWaker counter_;
  rt::Waker waker_;
  rt::Context context_;
};

}  // namespace testkit
