// What the tests of tasks share: a scheduler that a test pumps by hand, and futures that do what
// the test says.
#pragma once

#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/task/spawn.h"
#include "rt/task/task_cell.h"
#include "rt/task/task_header.h"
#include "testkit/testkit.h"

namespace task_parts {

// What a task's future gives. `number` says which; the token counts it.
struct Output {
  Output(int n, testkit::Token t) : number(n), token(std::move(t)) {}
  int number;
  testkit::Token token;
};

// A future whose poll() is a function. One type for all, so that a test compiles quickly.
class Body {
 public:
  using Output = task_parts::Output;
  using Poll = rt::Poll<Output>;

  Body(std::function<Poll(rt::Context&)> poll, testkit::Token token)
      : poll_(std::move(poll)), token_(std::move(token)) {}
  Poll poll(rt::Context& cx) { return poll_(cx); }

 private:
  std::function<Poll(rt::Context&)> poll_;
  testkit::Token token_;
};

// Keeps scheduled tasks until run_one(), and all tasks that have not ended. Its numbers say what
// it was told.
class HandScheduler final : public rt::TaskScheduler {
 public:
  HandScheduler() = default;
  ~HandScheduler() { close(); }

  template <class F>
  void spawn(F future) {
    start(rt::TaskCell::create(&future, rt::kFutureVTable<F>, *this, /*joined=*/false));
  }

  // Returns the reference for a JoinHandle.
  template <class F>
  rt::TaskRef spawn_joined(F future) {
    rt::NewTask task = rt::TaskCell::create(&future, rt::kFutureVTable<F>, *this, /*joined=*/true);
    rt::TaskRef joined = std::move(task.joined);
    start(std::move(task));
    return joined;
  }

  // The references of a new task go where they belong.
  void start(rt::NewTask task) {
    owned_.emplace(&*task.owned, std::move(task.owned));
    schedule(std::move(task.scheduled));
  }

  // Runs the task that was scheduled first. False when none is.
  bool run_one() {
    if (queue_.empty()) return false;
    rt::TaskRef task = std::move(queue_.front());
    queue_.pop_front();
    testkit::step("the scheduler runs a task");
    std::move(task).run();
    return true;
  }

  void run_all() {
    while (run_one()) {
    }
  }

  // Shuts every task down, and forgets what is in the queue.
  void close() {
    while (!owned_.empty()) {
      rt::TaskRef task = std::move(owned_.extract(owned_.begin()).mapped());
      testkit::step("the scheduler shuts a task down");
      std::move(task).shutdown();
    }
    queue_.clear();
  }

  // Runs each task at once, inside schedule().
  void run_in_schedule() { runs_at_once_ = true; }

  void schedule(rt::TaskRef task) noexcept override {
    ++schedules;
    if (runs_at_once_) return std::move(task).run();
    queue_.push_back(std::move(task));
  }
  void yield(rt::TaskRef task) noexcept override {
    ++yields;
    queue_.push_back(std::move(task));
  }
  bool release(rt::TaskHeader& task) noexcept override {
    const auto found = owned_.find(&task);
    if (found == owned_.end()) return false;
    std::move(found->second).into_raw();
    owned_.erase(found);
    return true;
  }
  void task_created() noexcept override { ++created; }
  void task_freed() noexcept override { ++freed; }
  void unhandled(std::exception_ptr thrown) noexcept override {
    unheard.push_back(std::move(thrown));
  }

  std::size_t scheduled() const { return queue_.size(); }
  std::size_t alive() const { return owned_.size(); }

  int schedules = 0;  // Calls of schedule(), spawn() among them.
  int yields = 0;
  int created = 0;
  int freed = 0;
  std::vector<std::exception_ptr> unheard;  // What tasks threw that nobody joins.

 private:
  std::deque<rt::TaskRef> queue_;
  std::map<rt::TaskHeader*, rt::TaskRef> owned_;
  bool runs_at_once_ = false;
};

}  // namespace task_parts
