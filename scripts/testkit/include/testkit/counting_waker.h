// CountingWaker: makes wakers that wake nobody and count everything that is done to them.
//
// Thread safety: the wakers may be used by any thread, as real ones are. waker(), on_clone(),
// on_wake() and on_drop() are for the test's thread, before the wakers are given away.
//
// Invariants
//   1. live() = waker() calls + clones() - drops() - wakers used up by wake() &&.
//   2. The wakers may outlive the CountingWaker.
//   3. A waker that is used after it was given back is a failure that says so, and where that was.
//   4. Everything before a wake is visible after the wakes() or wait_for_wakes() that saw it; else
//      the counting orders nothing, so that ThreadSanitizer still sees the races of the code
//      tested.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>

#include "rt/future/waker.h"
#include "testkit/internal/counted_wakers.h"

namespace testkit {

class CountingWaker {
 public:
  explicit CountingWaker(std::string name = "waker")
      : state_(new internal::CountedWakers(std::move(name))) {}
  ~CountingWaker() { state_->unreference(); }
  CountingWaker(const CountingWaker&) = delete;
  CountingWaker& operator=(const CountingWaker&) = delete;

  // A new waker. All that one CountingWaker makes will_wake() each other.
  rt::Waker waker() { return rt::Waker(state_->new_waker(), &kVTable); }

  int clones() const { return state_->clones.load(std::memory_order_relaxed); }
  int wakes() const { return state_->wakes.load(std::memory_order_acquire); }
  int drops() const { return state_->drops.load(std::memory_order_relaxed); }
  int live() const { return state_->live.load(std::memory_order_relaxed); }
  const std::string& name() const { return state_->name; }

  // Blocks until there have been `n` wakes since the beginning. If they never come, the hang watch
  // ends the test and says so.
  void wait_for_wakes(int n) { state_->wait_for_wakes(n); }

  // `hook` is called inside each clone or wake, after it was counted; or inside each drop (of a
  // waker that was not used up). It may call into the code under test, as a real executor's wake
  // does.
  void on_clone(std::function<void()> hook) { state_->on_clone = std::move(hook); }
  void on_wake(std::function<void()> hook) { state_->on_wake = std::move(hook); }
  void on_drop(std::function<void()> hook) { state_->on_drop = std::move(hook); }

 private:
  static constexpr rt::WakerVTable kVTable{
      &internal::CountedWakers::clone, &internal::CountedWakers::wake,
      &internal::CountedWakers::wake_by_ref, &internal::CountedWakers::drop};

  internal::CountedWakers* const state_;
};

}  // namespace testkit
