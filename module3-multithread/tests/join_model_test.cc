// Every interleaving of a task that ends and of a handle that is polled, dropped, or used to abort.
#include "rt/task/join.h"

#include <atomic>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "rt/task/task_cell.h"
#include "testkit/model/block_on.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::Poll;
using rt::TaskRef;
using rt::Waker;
using testkit::model::block_on;
using testkit::model::check;
using testkit::model::cost_of;
using testkit::model::Outcomes;
using testkit::model::Thread;
using testkit::model::Tracked;

// What a task gives. Destroyed once, and read after it was written.
struct Output : Tracked {
  explicit Output(int n) : number(n) {}
  int number;
};
using JoinedOutput = Output;

// Pending `waits` times, each time woken by itself; then ready, or throwing.
class Task : Tracked {
 public:
  using Output = JoinedOutput;
  explicit Task(int waits, bool throws = false) : waits_(waits), throws_(throws) {}

  Poll<Output> poll(Context& cx) {
    use();
    if (waits_-- > 0) {
      cx.waker().wake_by_ref();
      return kPending;
    }
    if (throws_) throw std::runtime_error("broken");
    return Output(7);
  }

 private:
  int waits_;
  bool throws_;
};

// Wakes a task once.
class Event {
 public:
  void set() {
    std::optional<Waker> waker;
    {
      const rt::sync::Lock lock(mutex_);
      is_set_ = true;
      waker.swap(waker_);
    }
    if (waker.has_value()) std::move(*waker).wake();
  }
  bool poll_set(Context& cx) {
    std::optional<Waker> mine(cx.waker().clone());
    const rt::sync::Lock lock(mutex_);
    if (!is_set_) mine.swap(waker_);
    return is_set_;
  }

 private:
  rt::sync::Mutex mutex_;
  bool is_set_ = false;
  std::optional<Waker> waker_;
};

// Ready when the event is set.
class Waits : Tracked {
 public:
  using Output = JoinedOutput;
  explicit Waits(Event& event) : event_(&event) {}
  Poll<Output> poll(Context& cx) {
    use();
    if (!event_->poll_set(cx)) return kPending;
    return Output(7);
  }

 private:
  Event* event_;
};

// A task, and the one place where it is when it is scheduled. A runner takes it from there.
class Scheduler final : public rt::TaskScheduler {
 public:
  ~Scheduler() { MODEL_REQUIRE(is_freed_); }

  template <class F>
  rt::JoinHandle<typename F::Output> spawn(F future) {
    rt::NewTask parts = rt::TaskCell::create(&future, rt::kFutureVTable<F>, *this, true);
    owned_ = std::move(parts.owned);
    scheduled_.write() = std::move(parts.scheduled);
    return rt::JoinHandle<typename F::Output>(rt::join_handle(std::move(parts.joined)));
  }

  // Runs the task until it has ended, in this thread.
  void run() {
    while (true) {
      TaskRef task;
      {
        rt::sync::Lock lock(mutex_);
        while (!scheduled_.read() && !has_ended_) changed_.wait(lock);
        if (!scheduled_.read()) return;
        task = std::move(scheduled_.write());
      }
      std::move(task).run();
    }
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
    has_ended_ = true;
    std::move(owned_).into_raw();
    return true;
  }
  void task_freed() noexcept override { is_freed_ = true; }

 private:
  rt::sync::Mutex mutex_;
  rt::sync::CondVar changed_;
  rt::sync::Cell<TaskRef> scheduled_;
  TaskRef owned_;
  bool has_ended_ = false;
  bool is_freed_ = false;
};

// What the joiner gets.
const char* join(rt::JoinHandle<Output> handle) {
  try {
    const Output output = block_on(std::move(handle));
    output.use();
    MODEL_REQUIRE(output.number == 7);
    return "the output";
  } catch (const rt::Cancelled&) {
    return "cancelled";
  } catch (const std::runtime_error&) {
    return "the error";
  }
}

// A waker that wakes nobody, and that has to be given back.
class Passer {
 public:
  Context& cx() { return cx_; }

 private:
  static void* clone(void*) { return new Tracked; }
  static void wake_by_ref(void*) {}
  static void drop(void* data) { delete static_cast<Tracked*>(data); }
  static constexpr rt::WakerVTable kVTable{&clone, &drop, &wake_by_ref, &drop};

  Waker waker_{new Tracked, &kVTable};
  Context cx_{waker_};
};

// Bugs it is here for: an end that comes between the handle's look and its waker; two that touch
// the waker, or the output, at the same time.
TEST(JoinModel, TheEndMeetsAPoll) {
  check([] {
    Scheduler scheduler;
    auto handle = scheduler.spawn(Task(0));
    Thread runner([&] { scheduler.run(); });
    MODEL_REQUIRE(join(std::move(handle)) == std::string_view("the output"));
    runner.join();
  });
}

TEST(JoinModel, AnErrorMeetsAPoll) {
  check([] {
    Scheduler scheduler;
    auto handle = scheduler.spawn(Task(0, true));
    Thread runner([&] { scheduler.run(); });
    MODEL_REQUIRE(join(std::move(handle)) == std::string_view("the error"));
    runner.join();
  });
}

// Bug it is here for: a handle that replaces its waker while the task takes it. The second poll may
// come from another task, on another thread.
TEST(JoinModel, TheEndMeetsAPollWithAnotherWaker) {
  Outcomes seen;
  check([&seen] {
    Scheduler scheduler;
    auto handle = scheduler.spawn(Task(0));
    Thread runner([&] { scheduler.run(); });
    Passer passer;
    Poll<Output> polled = handle.poll(passer.cx());
    seen.add(polled.is_ready() ? "ready at the first poll" : "pending");
    if (polled.is_pending()) {
      Thread other(
          [&] { MODEL_REQUIRE(join(std::move(handle)) == std::string_view("the output")); });
      other.join();
    }
    runner.join();
  });
  EXPECT_EQ(seen, Outcomes({"pending", "ready at the first poll"}));
}

// Bugs it is here for: an output that both drop, or neither; a waker that both drop, or neither; a
// task that is freed under the other's hands.
TEST(JoinModel, TheEndMeetsADroppedHandle) {
  check([] {
    Scheduler scheduler;
    auto handle = scheduler.spawn(Task(0));
    Thread runner([&] { scheduler.run(); });
    handle.detach();
    runner.join();
  });
}

TEST(JoinModel, TheEndMeetsAHandleThatIsDroppedWhileItWaits) {
  Outcomes seen;
  check([&seen] {
    Scheduler scheduler;
    auto handle = scheduler.spawn(Task(0));
    Thread runner([&] { scheduler.run(); });
    {
      Passer passer;
      Poll<Output> polled = handle.poll(passer.cx());
      seen.add(polled.is_ready() ? "ready at the first poll" : "pending");
    }
    handle.detach();
    runner.join();
  });
  EXPECT_EQ(seen, Outcomes({"pending", "ready at the first poll"}));
}

// An output that says whether it is alive.
class Counted : Tracked {
 public:
  explicit Counted(rt::sync::Atomic<int>& alive) : alive_(&alive) { add(1); }
  Counted(Counted&& other) : Tracked(other), alive_(other.alive_) { add(1); }
  ~Counted() { add(-1); }

 private:
  void add(int n) { alive_->fetch_add(n, std::memory_order_relaxed); }
  rt::sync::Atomic<int>* alive_;
};

// Leaves a waker for another thread, and is ready at its second poll.
class LeavesAWaker : Tracked {
 public:
  using Output = Counted;
  struct Place {
    std::optional<Waker> take() {
      const rt::sync::Lock lock(mutex);
      return std::exchange(waker.write(), std::nullopt);
    }
    rt::sync::Mutex mutex;
    rt::sync::Cell<std::optional<Waker>> waker;
  };
  LeavesAWaker(Place& place, rt::sync::Atomic<int>& outputs) : place_(&place), outputs_(&outputs) {}
  Poll<Output> poll(Context& cx) {
    use();
    if (std::exchange(has_left_one_, true)) return Output(*outputs_);
    {
      std::optional<Waker> mine(cx.waker().clone());
      const rt::sync::Lock lock(place_->mutex);
      mine.swap(place_->waker.write());
    }
    cx.waker().wake_by_ref();
    return kPending;
  }

 private:
  Place* place_;
  rt::sync::Atomic<int>* outputs_;
  bool has_left_one_ = false;
};

// Bugs it is here for: who counts on being the last to let go of the task: the runner, or the
// handle. The third has a waker, and may be the last of all; the output does not wait for that.
TEST(JoinModel, AWakerOutlivesTheTaskAndItsHandle) {
  for (const bool joins : {false, true}) {
    Outcomes seen;
    check([&seen, joins] {
      Scheduler scheduler;
      LeavesAWaker::Place place;
      rt::sync::Atomic<int> outputs(0);
      auto handle = scheduler.spawn(LeavesAWaker(place, outputs));
      Thread runner([&] { scheduler.run(); });
      Thread waker([&] {
        std::optional<Waker> mine = place.take();
        seen.add(mine.has_value() ? "a waker" : "none yet");
        if (mine.has_value()) std::move(*mine).wake();
      });
      if (joins) {
        (void)block_on(std::move(handle));
      } else {
        handle.detach();
      }
      waker.join();
      runner.join();
      MODEL_REQUIRE(outputs.load() == 0);
      [[maybe_unused]] const auto last = place.take();
    });
    EXPECT_EQ(seen, Outcomes({"a waker", "none yet"}));
  }
}

// What the header says of the costs.
TEST(JoinModel, CostsNoMoreUpdatesThanItHasTo) {
  check(testkit::model::Options().needless_failures(0), [] {
    Passer passer;
    {
      Scheduler scheduler;
      auto handle = scheduler.spawn(Task(0));
      const auto poll = [&] { MODEL_REQUIRE(handle.poll(passer.cx()).is_pending()); };
      MODEL_REQUIRE(cost_of(poll).updates <= 1);
      MODEL_REQUIRE(cost_of(poll).updates <= 2);
      scheduler.run();
      MODEL_REQUIRE(cost_of([&] { MODEL_REQUIRE(handle.poll(passer.cx()).is_ready()); }).updates ==
                    0);
    }
    Scheduler scheduler;
    auto handle = scheduler.spawn(Task(0));
    MODEL_REQUIRE(cost_of([&] { handle.detach(); }).updates <= 1);
    scheduler.run();
  });
}

// Bug it is here for: abort against end: a joiner that gets neither, or waits for ever.
TEST(JoinModel, AnAbortMeetsTheEnd) {
  for (const int waits : {0, 1}) {
    Outcomes seen;
    check([&seen, waits] {
      Scheduler scheduler;
      auto handle = scheduler.spawn(Task(waits));
      Thread runner([&] { scheduler.run(); });
      handle.abort();
      seen.add(join(std::move(handle)));
      runner.join();
    });
    EXPECT_EQ(seen, Outcomes({"cancelled", "the output"})) << waits << " waits";
  }
}

// Bug it is here for: an abort of a task that is idle, and that is woken at that moment: it is in
// the queue twice, or never.
TEST(JoinModel, AnAbortMeetsAWake) {
  Outcomes seen;
  check([&seen] {
    Scheduler scheduler;
    Event event;
    auto handle = scheduler.spawn(Waits(event));
    Thread runner([&] { scheduler.run(); });
    Thread setter([&] { event.set(); });
    handle.abort();
    seen.add(join(std::move(handle)));
    runner.join();
    setter.join();
  });
  EXPECT_EQ(seen, Outcomes({"cancelled", "the output"}));
}

}  // namespace
