// What the tests of the executors are made of: tasks and sleeps that do what the test tells them.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "rt/future/box_future.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/park.h"
#include "testkit/testkit.h"

namespace executor_parts {

// What a test knows of a task, and what it tells the task to do. The task may outlive it, and then
// does nothing of what the test has planned.
class Probe {
 public:
  explicit Probe(std::string name) : shared_(std::make_shared<Shared>()) {
    shared_->name = std::move(name);
  }
  // Each poll writes the name into the log.
  Probe(std::string name, std::string* log) : Probe(std::move(name)) {
    shared_->note = [log](const std::string& polled) { *log += polled; };
  }
  Probe(std::string name, std::vector<std::string>* log) : Probe(std::move(name)) {
    shared_->note = [log](const std::string& polled) { log->push_back(polled); };
  }
  ~Probe() {
    shared_->note = nullptr;
    shared_->on_poll = nullptr;
    shared_->on_destroy = nullptr;
    shared_->waker.reset();
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  // The next poll, and each after it, is ready.
  void finish_at_next_poll() { shared_->ready = true; }
  void wake_itself_in_each_poll() {
    on_poll([](rt::Context& cx) { cx.waker().wake_by_ref(); });
  }
  // Called in each poll, and when the future is destroyed.
  void on_poll(std::function<void(rt::Context&)> hook) { shared_->on_poll = std::move(hook); }
  void on_destroy(std::function<void()> hook) { shared_->on_destroy = std::move(hook); }

  int polls() const { return shared_->polls; }
  int live() const { return shared_->life.live(); }
  // Of the newest poll. REQUIRES: it was polled.
  const rt::Waker& waker() const { return shared_->waker.value(); }
  void wake() {
    testkit::step("task " + shared_->name + " is woken");
    waker().wake_by_ref();
  }
  void wake_on_another_thread() {
    testkit::step("task " + shared_->name + " is woken by another thread");
    std::thread([this] { waker().wake_by_ref(); }).join();
  }
  void drop_waker() { shared_->waker.reset(); }

  rt::BoxFuture<void> future() { return rt::BoxFuture<void>(Probed(shared_)); }

 private:
  struct Shared {
    std::string name;
    std::function<void(const std::string&)> note;
    bool ready = false;
    int polls = 0;
    std::optional<rt::Waker> waker;
    std::function<void(rt::Context&)> on_poll;
    std::function<void()> on_destroy;
    testkit::LifeCounter life;
  };

  // Keeps its waker in the Probe: no task is kept alive by it.
  class Probed {
   public:
    using Output = void;

    explicit Probed(std::shared_ptr<Shared> shared)
        : shared_(std::move(shared)), token_(shared_->life.token()) {}
    Probed(Probed&&) noexcept = default;
    ~Probed() {
      if (shared_ == nullptr) return;
      testkit::step("the future of " + shared_->name + " is destroyed");
      if (shared_->on_destroy) shared_->on_destroy();
    }

    rt::Poll<void> poll(rt::Context& cx) {
      Shared& s = *shared_;
      ++s.polls;
      testkit::step("task " + s.name + ", poll " + std::to_string(s.polls));
      if (s.note) s.note(s.name);
      s.waker = cx.waker().clone();
      if (s.on_poll) s.on_poll(cx);
      if (!s.ready) return rt::kPending;
      return rt::kReady;
    }

   private:
    std::shared_ptr<Shared> shared_;
    testkit::Token token_;
  };

  const std::shared_ptr<Shared> shared_;
};

// Does not sleep, but does what the test has planned for that time.
class FakePark final : public rt::Park {
 public:
  // What happens during the first sleep that has no plan yet.
  void plan(std::function<void()> during) { plans_.push_back(std::move(during)); }

  // Called by each unpark, on its thread.
  void on_unpark(std::function<void()> hook) { on_unpark_ = std::move(hook); }

  int parks() const { return parks_; }
  int unparks() const { return unparks_; }

  void park() override {
    ++parks_;
    testkit::step("the executor's thread parks");
    if (plans_.empty()) throw std::logic_error("the executor parked, and nothing will wake it");
    std::function<void()> during = std::move(plans_.front());
    plans_.pop_front();
    during();
  }
  void unpark() override {
    testkit::step("the executor's thread is unparked");
    ++unparks_;
    if (on_unpark_) on_unpark_();
  }

 private:
  int parks_ = 0;
  std::atomic<int> unparks_{0};
  std::deque<std::function<void()>> plans_;
  std::function<void()> on_unpark_;
};

inline void on_another_thread(const std::function<void()>& work) {
  testkit::step("on another thread:");
  std::thread(work).join();
}

}  // namespace executor_parts
