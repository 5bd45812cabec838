// CountingWaker: makes wakers that wake nobody and count everything that is done to them.
//
// Thread safety: the wakers may be used by any thread, as real ones are. waker(), on_wake() and
// on_drop() are for the test's thread, before the wakers are given away.
//
// Invariants
//   1. live() = waker() calls + clones() - drops() - wakers used up by wake() &&.
//   2. The wakers may outlive the CountingWaker.
//   3. A waker that is used after it was given back is a failure that says so, and where that was.
//   4. Everything before a wake is visible after the wakes() or wait_for_wakes() that saw it; else
//      the counting orders nothing, so that ThreadSanitizer still sees the races of the code
//      tested.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "rt/waker.h"
#include "testkit/internal/stacks.h"
#include "testkit/steps.h"

namespace testkit {

class CountingWaker {
 public:
  explicit CountingWaker(std::string name = "waker") : state_(new State(std::move(name))) {}
  ~CountingWaker() { state_->unreference(); }
  CountingWaker(const CountingWaker&) = delete;
  CountingWaker& operator=(const CountingWaker&) = delete;

  // A new waker. All that one CountingWaker makes will_wake() each other.
  rt::Waker waker() {
    state_->live.fetch_add(1, std::memory_order_relaxed);
    state_->reference();
    return rt::Waker(state_, &kVTable);
  }

  int clones() const { return state_->clones.load(std::memory_order_relaxed); }
  int wakes() const { return state_->wakes.load(std::memory_order_acquire); }
  int drops() const { return state_->drops.load(std::memory_order_relaxed); }
  int live() const { return state_->live.load(std::memory_order_relaxed); }
  const std::string& name() const { return state_->name; }

  // Blocks until there have been `n` wakes since the beginning. If they never come, the hang watch
  // ends the test and says so.
  void wait_for_wakes(int n) {
    step("waiting until " + state_->quoted() + " has been woken " + times(n));
    int seen = wakes();
    while (seen < n) {
      state_->wakes.wait(seen, std::memory_order_acquire);
      seen = wakes();
    }
  }

  // `hook` is called inside each wake, after it was counted; or inside each drop (of a waker that
  // was not used up). It may call into the code under test, as a real executor's wake does.
  void on_wake(std::function<void()> hook) { state_->on_wake = std::move(hook); }
  void on_drop(std::function<void()> hook) { state_->on_drop = std::move(hook); }

 private:
  struct State {
    explicit State(std::string n) : name(std::move(n)) {}

    std::string quoted() const { return "waker \"" + name + "\""; }

    void reference() { references.fetch_add(1, std::memory_order_relaxed); }
    void unreference() {
      // Acquire and release: the last owner destroys the hooks after all the others used them.
      if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    // False, and a failure, if no waker is left that this could have been done to.
    bool is_live(const char* deed) const {
      if (live.load(std::memory_order_relaxed) > 0) return true;
      ADD_FAILURE()
          << quoted() << " was " << deed
          << ", but every one of its wakers had been given back already.\n"
          << "Each waker is given back exactly once: by its destructor, or by wake() &&.\n"
          << "This was done\n"
          << internal::called_from("  ") << "The last of them had been given back\n"
          << last_given_back();
      return false;
    }

    // One waker fewer. Returns how many are left.
    int give_back() {
      const int left = live.fetch_sub(1, std::memory_order_relaxed) - 1;
      if (left == 0) {
        const UnseenByTsan unseen;
        const std::lock_guard lock(mutex);
        last_give_back = internal::capture_here(nullptr);
      }
      return left;
    }

    std::string last_given_back() const {
      internal::Stack stack;
      {
        const UnseenByTsan unseen;
        const std::lock_guard lock(mutex);
        stack = last_give_back;
      }
      return internal::called_from(stack, "  ");
    }

    const std::string name;
    std::atomic<int> references{1};  // The CountingWaker, and each live waker.
    std::atomic<int> live{0};
    std::atomic<int> clones{0};
    std::atomic<int> wakes{0};
    std::atomic<int> drops{0};
    std::function<void()> on_wake;
    std::function<void()> on_drop;
    mutable std::mutex mutex;
    internal::Stack last_give_back;  // Under `mutex`.
  };

  static std::string times(int n) {
    return n == 1 ? "once" : n == 2 ? "twice" : std::to_string(n) + " times";
  }
  static std::string alive(int n) { return " (" + std::to_string(n) + " alive)"; }

  static void* clone(void* data) {
    State& s = *static_cast<State*>(data);
    if (!s.is_live("cloned")) return data;
    s.clones.fetch_add(1, std::memory_order_relaxed);
    s.reference();
    step(s.quoted() + " cloned" + alive(s.live.fetch_add(1, std::memory_order_relaxed) + 1));
    return data;
  }

  static void wake(void* data) {
    State& s = *static_cast<State*>(data);
    if (!s.is_live("woken")) return;
    step(s.quoted() + " woken and used up" + alive(s.give_back()));
    count_wake(s);
    s.unreference();
  }

  static void wake_by_ref(void* data) {
    State& s = *static_cast<State*>(data);
    if (!s.is_live("woken")) return;
    step(s.quoted() + " woken");
    count_wake(s);
  }

  static void count_wake(State& s) {
    // Release: pairs with the acquire in wakes() and wait_for_wakes().
    s.wakes.fetch_add(1, std::memory_order_release);
    s.wakes.notify_all();
    if (s.on_wake) s.on_wake();
  }

  static void drop(void* data) {
    State& s = *static_cast<State*>(data);
    if (!s.is_live("dropped")) return;
    s.drops.fetch_add(1, std::memory_order_relaxed);
    step(s.quoted() + " dropped" + alive(s.give_back()));
    if (s.on_drop) s.on_drop();
    s.unreference();
  }

  static constexpr rt::WakerVTable kVTable{&clone, &wake, &wake_by_ref, &drop};

  State* const state_;
};

}  // namespace testkit
