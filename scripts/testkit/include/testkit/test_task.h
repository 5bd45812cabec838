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

#include <exception>
#include <functional>
#include <string>
#include <utility>

#include "rt/context.h"
#include "rt/future.h"
#include "rt/poll.h"
#include "rt/waker.h"
#include "testkit/counting_waker.h"
#include "testkit/poll_matchers.h"
#include "testkit/steps.h"

namespace testkit {

class TestTask {
 public:
  explicit TestTask(std::string name = "task")
      : counter_(std::move(name)), waker_(counter_.waker()), context_(waker_) {}
  TestTask(const TestTask&) = delete;
  TestTask& operator=(const TestTask&) = delete;

  template <rt::Future F>
  rt::Poll<rt::OutputOf<F>> poll(F& future) {
    const std::string polled = "task \"" + counter_.name() + "\" polled";
    try {
      rt::Poll<rt::OutputOf<F>> result = future.poll(context_);
      step(polled + ": " + testing::PrintToString(result));
      return result;
    } catch (const std::exception& e) {
      step(polled + ": it threw \"" + e.what() + "\"");
      throw;
    } catch (...) {
      step(polled + ": it threw something that is no std::exception");
      throw;
    }
  }

  rt::Context& cx() { return context_; }
  const rt::Waker& waker() const { return waker_; }
  CountingWaker& counter() { return counter_; }

  int clones() const { return counter_.clones(); }
  int wakes() const { return counter_.wakes(); }
  int drops() const { return counter_.drops(); }
  // Of this task's wakers, the task's own among them: 1 when nobody else holds any.
  int live() const { return counter_.live(); }
  void wait_for_wakes(int n) { counter_.wait_for_wakes(n); }
  void on_wake(std::function<void()> hook) { counter_.on_wake(std::move(hook)); }
  void on_drop(std::function<void()> hook) { counter_.on_drop(std::move(hook)); }

 private:
  CountingWaker counter_;
  rt::Waker waker_;
  rt::Context context_;
};

}  // namespace testkit
