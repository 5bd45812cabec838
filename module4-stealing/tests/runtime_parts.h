// What the tests of the scheduler share: parks that say when they go, and a scheduler whose workers
// a test steps by hand.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "rt/future/future.h"
#include "rt/runtime/stealing_scheduler.h"
#include "rt/task/spawn.h"
#include "rt/task/task_cell.h"
#include "rt/task/task_header.h"
#include "testkit/fake_parks.h"
#include "testkit/testkit.h"

namespace runtime_parts {

// One type of future for all tasks: each new one costs compile time.
using Body = absl::AnyInvocable<rt::Poll<void>(rt::Context&)>;

// Parks that say when they go, and with them their scheduler.
class MortalParks final : public testkit::FakeParks {
 public:
  MortalParks(std::size_t workers, bool& gone) : FakeParks(workers), gone_(gone) {}
  ~MortalParks() override { gone_ = true; }

 private:
  bool& gone_;
};

// A scheduler, and what its Runtime would do with it.
class ByHand {
 public:
  explicit ByHand(std::size_t workers) : left_(workers) {
    auto made = std::make_unique<MortalParks>(workers, is_gone);
    parks = made.get();
    scheduler_ =
        new rt::StealingScheduler(workers, std::move(made), rt::WorkerOptions(), /*shards=*/1);
  }
  ByHand(const ByHand&) = delete;
  ~ByHand() { leave(); }

  rt::StealingScheduler& operator*() { return *scheduler_; }
  rt::StealingScheduler* operator->() { return scheduler_; }

  // Gives a reference to the new task, as a JoinHandle has.
  rt::TaskRef spawn_watched(Body body) {
    auto future = rt::poll_fn(std::move(body));
    rt::NewTask task = rt::TaskCell::create(&future, rt::kFutureVTable<decltype(future)>,
                                            *scheduler_, /*joined=*/false);
    rt::TaskRef watched = task.owned.clone();
    scheduler_->spawn(std::move(task.owned), std::move(task.scheduled));
    return watched;
  }
  void spawn(Body body) { static_cast<void>(spawn_watched(std::move(body))); }
  // A task that does this once, and ends.
  void spawn_once(std::function<void()> act) {
    spawn([act = std::move(act)](rt::Context&) -> rt::Poll<void> {
      act();
      return rt::kReady;
    });
  }

  bool step_of(std::size_t worker) {
    testkit::step("worker " + std::to_string(worker) + " takes a step");
    const rt::StealingScheduler::Here here(*scheduler_, worker);
    return scheduler_->step(worker);
  }
  // As if a task did it that this worker polls.
  void as_worker(std::size_t worker, const std::function<void()>& act) {
    const rt::StealingScheduler::Here here(*scheduler_, worker);
    act();
  }

  // The life of one worker, on this thread.
  bool work(std::size_t worker) {
    testkit::step("worker " + std::to_string(worker) + " works until the end");
    --left_;
    return scheduler_->work(worker);
  }
  // The end of one worker.
  bool end_worker() {
    testkit::step("a worker ends");
    --left_;
    return scheduler_->end_worker();
  }
  // All that is missing of the end, but for leave().
  void end() {
    scheduler_->close();
    while (left_ > 0) end_worker();
  }
  void leave() {
    if (scheduler_ == nullptr) return;
    end();
    std::exchange(scheduler_, nullptr)->leave();
  }

  bool is_gone = false;  // The scheduler, and all of its tasks.
  testkit::FakeParks* parks = nullptr;

 private:
  std::size_t left_;
  rt::StealingScheduler* scheduler_;
};

}  // namespace runtime_parts
