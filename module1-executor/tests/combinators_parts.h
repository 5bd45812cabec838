// What the tests of combinators share: children that watch how they are treated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "rt/future/combinators.h"
#include "testkit/testkit.h"

namespace combinators_parts {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using testkit::step;
using testkit::TestTask;

// TestTask::live() counts the task's own waker too.
constexpr int kOnlyItsOwn = 1;

template <class T>
class Child;

// The test's end of a child: it says when the child is ready, and what is known about the child.
template <class T>
class Source {
 public:
  explicit Source(std::string name) : name_(std::move(name)) {}
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  Child<T> child() { return Child<T>(*this); }

  // From now on the child is ready.
  void give(rt::NonVoid<T> output = {}) {
    step(name_ + " has its output");
    output_ = std::move(output);
    if (waker_.has_value()) std::move(*std::exchange(waker_, std::nullopt)).wake();
  }
  // From now on the child throws.
  void fail() {
    step(name_ + " has failed");
    failed_ = true;
  }

  int polls() const { return polls_; }
  bool dropped() const { return children_ == 0; }
  const std::string& name() const { return name_; }

 private:
  friend class Child<T>;

  const std::string name_;
  std::optional<rt::NonVoid<T>> output_;
  std::optional<rt::Waker> waker_;
  bool failed_ = false;
  int polls_ = 0;
  int children_ = 0;
};

// A child that watches how it is treated: it is not moved once it was polled, and not polled once
// it was ready. It keeps the newest waker, and takes it back when it is dropped.
template <class T>
class Child {
 public:
  using Output = T;

  explicit Child(Source<T>& source) : source_(&source) { ++source_->children_; }
  Child(Child&& other) noexcept : source_(std::exchange(other.source_, nullptr)) {
    if (other.polled_at_ != nullptr && source_ != nullptr) {
      ADD_FAILURE() << source_->name_ << " was moved after it had been polled.\n"
                    << "A future that was polled stays where it is: others may know its address.";
    }
  }
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (source_ == nullptr) return;
    --source_->children_;
    source_->waker_.reset();
    step(source_->name_ + " dropped");
  }

  Poll<T> poll(Context& cx) {
    ++source_->polls_;
    if (polled_at_ != nullptr && polled_at_ != this) {
      ADD_FAILURE() << source_->name_ << " is polled at another address than the first time.";
    }
    polled_at_ = this;
    if (was_ready_) {
      ADD_FAILURE() << source_->name_ << " was polled again after it had been ready.";
      throw std::logic_error(source_->name_ + " was polled after it was ready");
    }
    if (source_->failed_) {
      step(source_->name_ + " polled: it throws");
      throw std::runtime_error(source_->name_ + " failed");
    }
    if (!source_->output_.has_value()) {
      step(source_->name_ + " polled: pending");
      if (!source_->waker_.has_value() || !source_->waker_->will_wake(cx.waker())) {
        source_->waker_ = cx.waker().clone();
      }
      return kPending;
    }
    step(source_->name_ + " polled: ready");
    was_ready_ = true;
    if constexpr (std::is_void_v<T>) {
      return kReady;
    } else {
      return std::move(*source_->output_);
    }
  }

 private:
  Source<T>* source_;
  const Child* polled_at_ = nullptr;
  bool was_ready_ = false;
};
static_assert(rt::Future<Child<int>> && rt::Future<Child<void>>);
static_assert(!std::is_copy_constructible_v<Child<int>> && !std::is_move_assignable_v<Child<int>>);

// Some sources of one kind, and their children in a vector.
template <class T>
class Sources {
 public:
  explicit Sources(int n) {
    for (int i = 0; i < n; ++i) sources_.emplace_back("child " + std::to_string(i));
  }
  std::vector<Child<T>> children() {
    std::vector<Child<T>> children;
    for (Source<T>& source : sources_) children.push_back(source.child());
    return children;
  }
  Source<T>& operator[](int i) { return sources_[static_cast<std::size_t>(i)]; }
  std::vector<int> polls() const {
    std::vector<int> polls;
    for (const Source<T>& source : sources_) polls.push_back(source.polls());
    return polls;
  }
  int alive() const {
    int alive = 0;
    for (const Source<T>& source : sources_) alive += source.dropped() ? 0 : 1;
    return alive;
  }

 private:
  std::deque<Source<T>> sources_;
};

// Polls a future that has to be ready now. (Matchers would do as well. But each is compiled anew
// for each type of combinator, and this file has many.)
template <rt::Future F>
rt::NonVoid<rt::OutputOf<F>> output_of(TestTask& task, F& future) {
  Poll<rt::OutputOf<F>> poll = task.poll(future);
  if (poll.is_pending()) throw std::runtime_error("it is pending, and should be ready");
  return rt::detail::take_output(std::move(poll));
}

// A future whose place in memory has to be a multiple of 64.
class alignas(64) Aligned {
 public:
  using Output = int;
  Aligned() noexcept {}
  Aligned(Aligned&&) noexcept {}

  Poll<int> poll(Context&) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(this) % 64, 0u) << "alignas(64) is not kept.";
    return 64;
  }
};

}  // namespace combinators_parts
