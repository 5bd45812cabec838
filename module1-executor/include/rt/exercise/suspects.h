// Four events, each written by somebody who was sure of it. Each is wrong in one way.
//
// They have the face of ManualEvent: set() completes the event, and wait() gives a future that is
// ready from then on. All of them work when one task polls once, waits, and is woken by set().
// Exercise 1.11 is to find out what is wrong with the others' work without changing it. Try without
// reading on first: the contract in the lesson says all that you need.
//
// Thread safety: none; they are for one thread.
#pragma once

#include <optional>
#include <utility>

#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"

namespace rt {

// The future that a suspect's wait() gives.
template <class Event>
class [[nodiscard]] WaitOn {
 public:
  using Output = void;

  explicit WaitOn(Event& event) noexcept : event_(&event) {}
  WaitOn(WaitOn&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  WaitOn& operator=(WaitOn&&) = delete;
  ~WaitOn() {
    if (event_ != nullptr) event_->stop_waiting();
  }

  Poll<void> poll(Context& cx) { return event_->poll(cx); }

 private:
  Event* event_;
};

class SuspectA {
 public:
  SuspectA() = default;
  SuspectA(const SuspectA&) = delete;
  SuspectA& operator=(const SuspectA&) = delete;

  WaitOn<SuspectA> wait() { return WaitOn<SuspectA>(*this); }
  void set() {
    is_set_ = true;
    if (waker_.has_value()) std::move(*waker_).wake();
    waker_.reset();
  }

 private:
  friend class WaitOn<SuspectA>;

  Poll<void> poll(Context& cx) {
    if (is_set_) return kReady;
    if (!waker_.has_value()) waker_ = cx.waker().clone();
    return kPending;
  }
  void stop_waiting() { waker_.reset(); }

  bool is_set_ = false;
  std::optional<Waker> waker_;
};

class SuspectB {
 public:
  SuspectB() = default;
  SuspectB(const SuspectB&) = delete;
  SuspectB& operator=(const SuspectB&) = delete;

  WaitOn<SuspectB> wait() { return WaitOn<SuspectB>(*this); }
  void set() {
    if (!waker_.has_value()) return;
    is_set_ = true;
    std::move(*waker_).wake();
    waker_.reset();
  }

 private:
  friend class WaitOn<SuspectB>;

  Poll<void> poll(Context& cx) {
    if (is_set_) return kReady;
    waker_ = cx.waker().clone();
    return kPending;
  }
  void stop_waiting() { waker_.reset(); }

  bool is_set_ = false;
  std::optional<Waker> waker_;
};

class SuspectC {
 public:
  SuspectC() = default;
  SuspectC(const SuspectC&) = delete;
  SuspectC& operator=(const SuspectC&) = delete;

  WaitOn<SuspectC> wait() { return WaitOn<SuspectC>(*this); }
  void set() { is_set_ = true; }

 private:
  friend class WaitOn<SuspectC>;

  Poll<void> poll(Context& cx) {
    if (is_set_) return kReady;
    cx.waker().wake_by_ref();
    return kPending;
  }
  void stop_waiting() {}

  bool is_set_ = false;
};

class SuspectD {
 public:
  SuspectD() = default;
  SuspectD(const SuspectD&) = delete;
  SuspectD& operator=(const SuspectD&) = delete;

  WaitOn<SuspectD> wait() { return WaitOn<SuspectD>(*this); }
  void set() {
    is_set_ = true;
    if (waker_.has_value()) std::move(*waker_).wake();
    waker_.reset();
  }

 private:
  friend class WaitOn<SuspectD>;

  Poll<void> poll(Context& cx) {
    if (is_set_) return kReady;
    waker_ = cx.waker().clone();
    return kPending;
  }
  void stop_waiting() {}

  bool is_set_ = false;
  std::optional<Waker> waker_;
};

}  // namespace rt
