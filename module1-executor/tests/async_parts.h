// What the tests of 1.8 share: a thing to wait for, a log, and a poll whose answer is text.
//
// Text, because an exception is an answer too, and a test that expects "pending" can then say what
// should have been. It also compiles in half the time of a matcher for each type.
#pragma once

#include <gmock/gmock-matchers.h>
#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "rt/future/async.h"
#include "testkit/life_counter.h"
#include "testkit/steps.h"
#include "testkit/test_task.h"

namespace async_parts {

// What happened, in order: "before, after".
using Log = std::string;

inline void note(Log& log, const std::string& line) {
  if (!log.empty()) log += ", ";
  log += line;
}

// What one poll gave: "pending", "ready", "ready with 7", or "threw: " and the exception's text.
template <class T>
std::string poll(testkit::TestTask& task, rt::Async<T>& async) {
  try {
    return testing::PrintToString(task.poll(async));
  } catch (const std::exception& e) {
    return std::string("threw: ") + e.what();
  }
}

// Something that happens when the test says so, and what is known about the future that waits.
class Door {
 public:
  explicit Door(std::string name = "door") : name_(std::move(name)) {}
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  void open(int value) {
    testkit::step(name_ + " opens");
    value_ = value;
    wake();
  }
  // From now on each poll throws.
  void jam() {
    testkit::step(name_ + " jams");
    jammed_ = true;
    wake();
  }
  int polls() const { return polls_; }
  bool has_waiter() const { return waiting_.has_value(); }

 private:
  friend class Through;

  void wake() {
    if (waiting_.has_value()) std::move(*waiting_).wake();
    waiting_.reset();
  }

  const std::string name_;
  std::optional<int> value_;
  bool jammed_ = false;
  int polls_ = 0;
  std::optional<rt::Waker> waiting_;
};

// The future that is ready when the door is open. It keeps the newest waker, and takes it back when
// it is dropped.
class Through {
 public:
  using Output = int;

  explicit Through(Door& door) noexcept : door_(door) {}
  Through(const Through&) = delete;
  Through(Through&&) = default;
  ~Through() { door_.waiting_.reset(); }

  rt::Poll<int> poll(rt::Context& cx) {
    ++door_.polls_;
    if (door_.jammed_) {
      testkit::step(door_.name_ + " polled: it throws");
      throw std::runtime_error(door_.name_ + " is jammed");
    }
    if (door_.value_.has_value()) {
      testkit::step(door_.name_ + " polled: ready");
      return *door_.value_;
    }
    testkit::step(door_.name_ + " polled: pending");
    door_.waiting_ = cx.waker().clone();
    return rt::kPending;
  }

 private:
  Door& door_;
};
static_assert(rt::Future<Through>);

}  // namespace async_parts
