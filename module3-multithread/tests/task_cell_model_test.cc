// Every interleaving of who runs a task, who wakes it, and who shuts it down.
#include "rt/task/task_cell.h"

#include <optional>
#include <utility>

#include "rt/platform/sync.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::Poll;
using rt::TaskRef;
using rt::Waker;
using testkit::model::check;
using testkit::model::cost_of;
using testkit::model::Options;
using testkit::model::Outcomes;
using testkit::model::Thread;
using testkit::model::Tracked;

// What a task gives. Destroyed once.
using Output = Tracked;

// One waker, for another thread to take.
class Place {
 public:
  void put(Waker waker) {
    std::optional<Waker> mine(std::move(waker));
    const rt::sync::Lock lock(mutex_);
    mine.swap(waker_.write());
    changed_.notify_one();
  }
  Waker wait_and_take() {
    rt::sync::Lock lock(mutex_);
    while (!waker_.read().has_value()) changed_.wait(lock);
    return *std::exchange(waker_.write(), std::nullopt);
  }
  std::optional<Waker> take() {
    std::optional<Waker> taken;
    const rt::sync::Lock lock(mutex_);
    taken.swap(waker_.write());
    return taken;
  }

 private:
  rt::sync::Mutex mutex_;
  rt::sync::CondVar changed_;
  rt::sync::Cell<std::optional<Waker>> waker_;
};

// Leaves a waker in the place, and waits so often; wakes itself, or is woken by who takes it.
class Task : Tracked {
 public:
  using Output = ::Output;
  enum class Woken { kByItself, kByAnother };
  Task(int waits, Place& place, Woken woken) : waits_(waits), place_(&place), woken_(woken) {}

  Poll<Output> poll(Context& cx) {
    use();
    if (waits_-- == 0) return Output();
    place_->put(cx.waker().clone());
    if (woken_ == Woken::kByItself) cx.waker().wake_by_ref();
    return kPending;
  }

 private:
  int waits_;
  Place* place_;
  Woken woken_;
};

// A task, and the one place where it is when it is scheduled. A runner takes it from there.
class Scheduler final : public rt::TaskScheduler {
 public:
  ~Scheduler() {
    scheduled_.write() = TaskRef();
    MODEL_REQUIRE(is_freed_);
  }

  void spawn(Task future) {
    rt::NewTask parts = rt::TaskCell::create(&future, rt::kFutureVTable<Task>, *this, false);
    owned_.write() = std::move(parts.owned);
    scheduled_.write() = std::move(parts.scheduled);
  }

  // Runs the task until it has ended, in this thread.
  void run() {
    while (true) {
      TaskRef task;
      {
        rt::sync::Lock lock(mutex_);
        while (!scheduled_.read() && !has_ended_.read()) changed_.wait(lock);
        if (!scheduled_.read()) return;
        task = std::move(scheduled_.write());
      }
      std::move(task).run();
    }
  }

  // Runs the task once, if it is scheduled.
  bool run_one() {
    TaskRef task;
    {
      const rt::sync::Lock lock(mutex_);
      task = std::move(scheduled_.write());
    }
    if (!task) return false;
    std::move(task).run();
    return true;
  }

  // Shuts the task down, if it has not ended.
  void shutdown() {
    TaskRef task;
    {
      const rt::sync::Lock lock(mutex_);
      task = std::move(owned_.write());
    }
    if (task) std::move(task).shutdown();
  }

  void schedule(TaskRef task) noexcept override {
    const rt::sync::Lock lock(mutex_);
    MODEL_REQUIRE(!scheduled_.read());
    scheduled_.write() = std::move(task);
    changed_.notify_one();
  }
  void yield(TaskRef task) noexcept override { schedule(std::move(task)); }
  bool release(rt::TaskHeader&) noexcept override {
    const rt::sync::Lock lock(mutex_);
    MODEL_REQUIRE(!std::exchange(has_ended_.write(), true));
    changed_.notify_one();
    if (!owned_.read()) return false;
    std::move(owned_.write()).into_raw();
    return true;
  }
  void task_freed() noexcept override { is_freed_ = true; }

 private:
  rt::sync::Mutex mutex_;
  rt::sync::CondVar changed_;
  rt::sync::Cell<TaskRef> scheduled_;
  rt::sync::Cell<TaskRef> owned_;
  rt::sync::Cell<bool> has_ended_{false};
  bool is_freed_ = false;
};

// Bugs it is here for: a wake that is lost; a waker that still looks at the task once it has put it
// into the queue. The task may be freed by then.
TEST(TaskCellModel, TheLastWakerMeetsTheEnd) {
  check([] {
    Scheduler scheduler;
    Place place;
    scheduler.spawn(Task(1, place, Task::Woken::kByAnother));
    Thread waker([&] { place.wait_and_take().wake(); });
    scheduler.run();
    waker.join();
  });
}

// Bug it is here for: who counts on being the last to let go. A waker that nobody needed any more
// may be used, and dropped, at any moment of the end.
TEST(TaskCellModel, AWakerThatIsLeftOverMeetsTheEnd) {
  for (const bool wakes : {true, false}) {
    Outcomes seen;
    check([&seen, wakes] {
      Scheduler scheduler;
      Place place;
      scheduler.spawn(Task(1, place, Task::Woken::kByItself));
      Thread other([&] {
        std::optional<Waker> mine = place.take();
        seen.add(mine.has_value() ? "a waker" : "none yet");
        if (mine.has_value() && wakes) std::move(*mine).wake();
      });
      scheduler.run();
      other.join();
      [[maybe_unused]] const auto last = place.take();
    });
    EXPECT_EQ(seen, Outcomes({"a waker", "none yet"}));
  }
}

// Bugs it is here for: a future that is destroyed under the hands of its poll; twice; or never.
TEST(TaskCellModel, AShutdownMeetsARun) {
  check([] {
    Scheduler scheduler;
    Place place;
    scheduler.spawn(Task(1, place, Task::Woken::kByItself));
    Thread runner([&] { scheduler.run(); });
    scheduler.shutdown();
    runner.join();
    [[maybe_unused]] const auto last = place.take();
  });
}

// The same for a task that waits, and is woken meanwhile.
TEST(TaskCellModel, AShutdownMeetsAWake) {
  check([] {
    Scheduler scheduler;
    Place place;
    scheduler.spawn(Task(1, place, Task::Woken::kByAnother));
    Thread runner([&] { scheduler.run(); });
    Thread waker([&] {
      if (std::optional<Waker> mine = place.take()) std::move(*mine).wake();
    });
    scheduler.shutdown();
    runner.join();
    waker.join();
    [[maybe_unused]] const auto last = place.take();
  });
}

// What task_state.h says of the costs: of a task that is ready at its first poll, and of one that
// waits once.
TEST(TaskCellModel, CostsNoMoreUpdatesThanItHasTo) {
  check(Options().needless_failures(0), [] {
    for (const bool waits : {false, true}) {
      Scheduler scheduler;
      Place place;
      scheduler.spawn(Task(waits ? 1 : 0, place, Task::Woken::kByAnother));
      const auto costs = cost_of([&] {
        MODEL_REQUIRE(scheduler.run_one());
        if (!waits) return;
        place.wait_and_take().wake();
        MODEL_REQUIRE(scheduler.run_one());
      });
      MODEL_REQUIRE(costs.updates <= (waits ? 6 : 2));
    }
  });
}

}  // namespace
