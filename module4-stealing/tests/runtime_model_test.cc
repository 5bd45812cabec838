// Every interleaving of workers, of those who spawn and wake from outside, and of the end. One
// shard, so that the same tasks meet the same locks in each execution; or two, and as many tasks in
// each.
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "rt/driver/driver.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/timers.h"
#include "rt/future/future.h"
#include "rt/future/waker.h"
#include "rt/platform/clock.h"
#include "rt/platform/parker.h"
#include "rt/platform/sync.h"
#include "rt/runtime/driver_parks.h"
#include "rt/runtime/guest.h"
#include "rt/runtime/stealing_scheduler.h"
#include "rt/runtime/worker_parks.h"
#include "rt/runtime/worker_shared.h"
#include "rt/task/join.h"
#include "rt/task/spawn.h"
#include "rt/task/task_cell.h"
#include "testkit/model/model.h"
#include "testkit/model_kernel.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Parker;
using rt::Poll;
using rt::poll_fn;
using rt::StealingScheduler;
using rt::Waker;
using rt::sync::Atomic;
using rt::sync::Cell;
using testkit::model::check;
using testkit::model::Options;
using testkit::model::Outcomes;
using testkit::model::Thread;
using testkit::model::Tracked;

class Runtime {
 public:
  explicit Runtime(std::size_t workers, std::size_t shards = 1)
      : Runtime(workers, std::make_unique<rt::PlainParks>(workers), shards) {}
  Runtime(std::size_t workers, std::unique_ptr<rt::WorkerParks> parks, std::size_t shards = 1)
      : scheduler_(new StealingScheduler(workers, std::move(parks), rt::WorkerOptions(), shards)) {}
  Runtime(const Runtime&) = delete;
  // When no worker runs any more.
  ~Runtime() { scheduler_->leave(); }

  StealingScheduler& operator*() { return *scheduler_; }
  StealingScheduler* operator->() { return scheduler_; }

  template <class F>
  void spawn(F f) {
    auto future = poll_fn(std::move(f));
    rt::NewTask task =
        rt::TaskCell::create(&future, rt::kFutureVTable<decltype(future)>, *scheduler_, false);
    scheduler_->spawn(std::move(task.owned), std::move(task.scheduled));
  }
  template <class F>
  rt::JoinHandle<void> spawn_joined(F f) {
    auto future = poll_fn(std::move(f));
    rt::NewTask task =
        rt::TaskCell::create(&future, rt::kFutureVTable<decltype(future)>, *scheduler_, true);
    scheduler_->spawn(std::move(task.owned), std::move(task.scheduled));
    return rt::JoinHandle<void>(rt::join_handle(std::move(task.joined)));
  }

 private:
  StealingScheduler* const scheduler_;
};

// Bug it is here for: a task comes from outside, and is left in the queue while the worker sleeps.
TEST(RuntimeModel, NoTaskFromOutsideIsLeftWhileTheWorkerSleeps) {
  check(Options().spurious_wakeups(0), [] {
    Runtime runtime(1);
    Parker done;
    Thread worker([&] { runtime->work(0); });
    runtime.spawn([&](Context&) -> Poll<void> {
      done.unpark();
      return kReady;
    });
    done.park();
    runtime->close();
    worker.join();
  });
}

// Bug it is here for: the same with two of them, of which each may count on the other.
TEST(RuntimeModel, NoTaskFromOutsideIsLeftWhileBothWorkersSleep) {
  check(Options().spurious_wakeups(0), [] {
    Runtime runtime(2);
    Thread other([&] { runtime->work(1); });
    Thread spawner([&] {
      runtime.spawn([&](Context&) -> Poll<void> {
        runtime->close();
        return kReady;
      });
    });
    runtime->work(0);
    other.join();
    spawner.join();
  });
}

// Bug it is here for: a task that comes with the end is neither run nor dropped, or both.
TEST(RuntimeModel, ATaskThatComesWithTheEndIsRunOrDropped) {
  Outcomes seen;
  check(Options().spurious_wakeups(0), [&seen] {
    Runtime runtime(1);
    bool runs = false;
    Thread worker([&] { runtime->work(0); });
    Thread spawner([&] {
      runtime.spawn([&runs, tracked = Tracked()](Context&) -> Poll<void> {
        tracked.use();
        runs = true;
        return kReady;
      });
    });
    runtime->close();
    worker.join();
    spawner.join();
    MODEL_REQUIRE(runtime->alive() == 0);
    seen.add(runs ? "run" : "dropped");
  });
  EXPECT_EQ(seen, Outcomes({"run", "dropped"}));
}

// Bug it is here for: a task that comes with the end is let go of, and nobody tells whoever joins
// it.
TEST(RuntimeModel, WhoJoinsATaskThatComesWithTheEndHearsOfIt) {
  Outcomes seen;
  check(Options().spurious_wakeups(0), [&seen] {
    Runtime runtime(1);
    bool is_cancelled = false;
    Thread worker([&] { runtime->work(0); });
    Thread joiner([&] {
      auto handle = runtime.spawn_joined([](Context&) -> Poll<void> { return kReady; });
      try {
        rt::run_as_guest(std::move(handle));
      } catch (const rt::Cancelled&) {
        is_cancelled = true;
      }
    });
    runtime->close();
    worker.join();
    joiner.join();
    MODEL_REQUIRE(runtime->alive() == 0);
    seen.add(is_cancelled ? "cancelled" : "run");
  });
  EXPECT_EQ(seen, Outcomes({"run", "cancelled"}));
}

// Bug it is here for: two workers end at once, and each takes itself for the last, or neither does.
TEST(RuntimeModel, OneOfTwoWorkersIsTheLast) {
  check(Options().spurious_wakeups(0), [] {
    Runtime runtime(2);
    runtime->close();
    runtime.spawn([tracked = Tracked()](Context&) -> Poll<void> {
      tracked.use();
      return kReady;
    });
    bool was_last[2];
    Thread other([&] { was_last[1] = runtime->work(1); });
    was_last[0] = runtime->work(0);
    other.join();
    MODEL_REQUIRE(was_last[0] != was_last[1]);
    MODEL_REQUIRE(runtime->alive() == 0);
  });
}

// Bug it is here for: the last worker empties the queue of another one without seeing what that one
// has put there.
TEST(RuntimeModel, TheLastWorkerSeesWhatTheOthersHaveLeft) {
  Outcomes seen;
  check(Options().spurious_wakeups(0), [&seen] {
    Runtime runtime(2);
    runtime->close();
    bool was_last[2];
    Thread other([&] {
      {
        const StealingScheduler::Here here(*runtime, 1);
        for (int i = 0; i < 2; ++i) {  // The second puts the first into the ring.
          runtime.spawn([tracked = Tracked()](Context&) -> Poll<void> { return kPending; });
        }
      }
      was_last[1] = runtime->end_worker();
    });
    was_last[0] = runtime->work(0);
    other.join();
    MODEL_REQUIRE(runtime->alive() == 0);
    seen.add(was_last[0] ? "first" : "second");
  });
  EXPECT_EQ(seen, Outcomes({"first", "second"}));
}

// Bug it is here for: a task that is spawned by one that is dropped, while another one comes from
// outside.
TEST(RuntimeModel, ATaskThatIsSpawnedByADroppedOneIsDropped) {
  struct SpawnsInItsEnd {
    explicit SpawnsInItsEnd(Runtime& r) noexcept : runtime(&r) {}
    SpawnsInItsEnd(SpawnsInItsEnd&& other) noexcept
        : runtime(std::exchange(other.runtime, nullptr)) {}
    ~SpawnsInItsEnd() {
      if (runtime == nullptr) return;
      runtime->spawn([tracked = Tracked()](Context&) -> Poll<void> {
        tracked.use();
        return kReady;
      });
    }
    Runtime* runtime;
  };
  check(Options().spurious_wakeups(0), [] {
    Runtime runtime(1);
    Thread worker([&] { runtime->work(0); });
    Thread spawner([&] {
      runtime.spawn([mine = SpawnsInItsEnd(runtime)](Context&) -> Poll<void> { return kPending; });
    });
    runtime->close();
    worker.join();
    spawner.join();
    MODEL_REQUIRE(runtime->alive() == 0);
  });
}

// Bug it is here for: a task is dropped, and what it spawns belongs to a shard that is still open.
// It is pending until that shard's turn has come, and its spawner is told of no end.
TEST(RuntimeModel, WhatADroppedTaskSpawnsIsCancelledAtOnce) {
  struct JoinsInItsEnd {
    explicit JoinsInItsEnd(Runtime& r) noexcept : runtime(&r) {}
    JoinsInItsEnd(JoinsInItsEnd&& other) noexcept
        : runtime(std::exchange(other.runtime, nullptr)) {}
    ~JoinsInItsEnd() {
      if (runtime == nullptr) return;
      for (int i = 0; i < 2; ++i) MODEL_REQUIRE(is_cancelled_at_once());  // One for each shard.
    }
    bool is_cancelled_at_once() {
      auto handle = runtime->spawn_joined([](Context&) -> Poll<void> { return kPending; });
      testkit::CountingWaker nobody;
      const Waker waker = nobody.waker();
      Context cx(waker);
      try {
        static_cast<void>(handle.poll(cx));
      } catch (const rt::Cancelled&) {
        return true;
      }
      return false;
    }
    Runtime* runtime;
  };
  check(Options().spurious_wakeups(0), [] {
    Runtime runtime(1, /*shards=*/2);
    for (int i = 0; i < 2; ++i) {  // One in each shard.
      runtime.spawn([mine = JoinsInItsEnd(runtime)](Context&) -> Poll<void> { return kPending; });
    }
    Thread worker([&] { runtime->work(0); });
    runtime->close();
    worker.join();
    MODEL_REQUIRE(runtime->alive() == 0);
  });
}

// Bug it is here for: the last worker drops a future whose destructor looks at what was written
// before close(), and nothing orders the two.
TEST(RuntimeModel, DroppedFuturesSeeWhatCameBeforeTheEnd) {
  struct LooksInItsEnd {
    explicit LooksInItsEnd(const Cell<bool>& f) noexcept : flag(&f) {}
    LooksInItsEnd(LooksInItsEnd&& other) noexcept : flag(std::exchange(other.flag, nullptr)) {}
    ~LooksInItsEnd() {
      if (flag != nullptr) MODEL_REQUIRE(flag->read());
    }
    const Cell<bool>* flag;
  };
  check(Options().spurious_wakeups(0), [] {
    Cell<bool> has_come(false);
    Runtime runtime(2);
    runtime.spawn([mine = LooksInItsEnd(has_come)](Context&) -> Poll<void> { return kPending; });
    Thread other([&] { runtime->work(1); });
    Thread worker([&] { runtime->work(0); });
    has_come.write() = true;
    runtime->close();
    other.join();
    worker.join();
  });
}

// Bug it is here for: the task is in the queue, and before somebody is unparked for it the task,
// the runtime and the sleeper are gone.
TEST(RuntimeModel, AWakeMayRaceWithTheEnd) {
  check(Options().spurious_wakeups(0), [] {
    Parker ready;
    std::optional<Waker> waker;  // Ordered by `ready`.
    std::optional<Thread> other;
    {
      Runtime runtime(1);
      runtime.spawn([&](Context& cx) -> Poll<void> {
        if (waker.has_value()) return kReady;
        waker.emplace(cx.waker().clone());
        ready.unpark();
        return kPending;
      });
      Thread worker([&] { runtime->work(0); });
      ready.park();
      other.emplace([mine = std::move(waker)]() mutable { std::move(*mine).wake(); });
      runtime->close();
      worker.join();
    }
    other->join();
  });
}

// Sets a timer of one tick at its first poll, and then says that it has.
class Nap {
 public:
  using Output = void;
  Nap(rt::Timers& timers, Parker& sleeps) noexcept
      : timers_(timers), sleeps_(sleeps), deadline_(rt::clock::now() + rt::Timers::kTick) {}
  ~Nap() { timers_.cancel(timer_); }
  Poll<void> poll(Context& cx) {
    Poll<void> polled = timers_.poll(timer_, deadline_, cx);
    sleeps_.unpark();
    return polled;
  }

 private:
  rt::Timers& timers_;
  Parker& sleeps_;
  const rt::Instant deadline_;
  rt::Timer timer_;
};

// Bug it is here for: a task sets a timer on one worker, while the other falls asleep in the
// driver, and a third thread moves the clock and joins the task. Scheduler, driver, timers and
// clock are all the real ones; only the kernel is not.
TEST(RuntimeModel, ATimerFiresWhileTheWorkersFallAsleep) {
  check(Options().preemptions(1).spurious_wakeups(0), [] {
    testkit::ModelKernel kernel;
    rt::clock::pause();
    auto parks = std::make_unique<rt::DriverParks>(2, rt::Driver::create().value());
    Parker sleeps;
    Nap nap(*parks->driver().handle().timers, sleeps);
    Runtime runtime(2, std::move(parks));
    Thread first([&] { runtime->work(0); }), second([&] { runtime->work(1); });
    auto handle = runtime.spawn_joined([&](Context& cx) { return nap.poll(cx); });
    sleeps.park();
    rt::clock::advance(rt::Timers::kTick);
    rt::run_as_guest(std::move(handle));
    runtime->close();
    first.join();
    second.join();
  });
}

}  // namespace
