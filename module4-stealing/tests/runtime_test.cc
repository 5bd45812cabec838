// The scheduler without threads: the test steps each worker by hand. A worker that sleeps comes
// back at once.
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "rt/future/future.h"
#include "rt/future/waker.h"
#include "rt/runtime/stealing_scheduler.h"
#include "rt/task/task_header.h"
#include "runtime_parts.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::StealingScheduler;
using rt::TaskRef;
using rt::Waker;
using runtime_parts::ByHand;
using testkit::LifeCounter;
using testkit::step;

class RuntimeTest : public testing::Test {
 protected:
  // A task that says its name when it is polled, and ends.
  void spawn(const std::string& name) {
    step("spawn " + name);
    runtime.spawn_once([this, name] { diary += name; });
  }
  // A task that waits for ever, and leaves its waker.
  TaskRef watch_waiting(std::optional<Waker>& waker, testkit::Token token) {
    return runtime.spawn_watched([&waker, token = std::move(token)](Context& cx) -> Poll<void> {
      waker.emplace(cx.waker().clone());
      return kPending;
    });
  }
  void spawn_waiting(std::optional<Waker>& waker, testkit::Token token) {
    static_cast<void>(watch_waiting(waker, std::move(token)));
  }
  std::size_t injected() { return runtime->shared().inject.size(); }

  std::string diary;
  ByHand runtime{2};
};

// --- Where a task goes ---------------------------------------------------------------------------

TEST_F(RuntimeTest, WhatComesFromOutsideStandsInTheInjectQueue) {
  spawn("a");
  spawn("b");
  EXPECT_EQ(diary, "") << "nothing is polled by spawn";
  EXPECT_EQ(injected(), 2u);
  EXPECT_EQ(runtime->alive(), 2u);
  EXPECT_TRUE(runtime.step_of(1));
  EXPECT_TRUE(runtime.step_of(0));
  EXPECT_EQ(diary, "ab");
  EXPECT_EQ(runtime->alive(), 0u);
}

// Bug it is here for: every task goes through the queue that is common to all.
TEST_F(RuntimeTest, WhatATaskSpawnsStaysWithItsWorker) {
  runtime.spawn_once([this] {
    spawn("a");
    EXPECT_EQ(injected(), 0u);
  });
  runtime.step_of(1);
  runtime.step_of(0);
  EXPECT_EQ(diary, "") << "it is worker 1's next";
  runtime.step_of(1);
  EXPECT_EQ(diary, "a");
}

TEST_F(RuntimeTest, WhatAWorkerWakesStaysWithIt) {
  std::optional<Waker> waker;
  LifeCounter life;
  const TaskRef task = watch_waiting(waker, life.token());
  runtime.step_of(0);
  runtime.as_worker(1, [&] { waker->wake_by_ref(); });
  EXPECT_EQ(injected(), 0u);
  waker.reset();
  runtime.step_of(1);
  EXPECT_TRUE(waker.has_value()) << "worker 1 has polled it";
}

// Bug it is here for: a task comes from outside, and nobody is told.
TEST_F(RuntimeTest, WhatComesFromOutsideUnparksASleeper) {
  runtime.parks->of(0).in_sleep = [this] {
    step("on another thread:");
    std::thread([this] { spawn("a"); }).join();
    EXPECT_EQ(runtime.parks->of(0).unparks, 1);
  };
  runtime.step_of(0);
  runtime.step_of(0);
  EXPECT_EQ(diary, "a");
  EXPECT_EQ(runtime.parks->of(1).unparks, 0);
}

// Bug it is here for: the task is in a queue before it is on the list of all tasks. A worker runs
// it at once; it ends, and is put on the list after that, for ever.
TEST_F(RuntimeTest, ATaskMayEndBeforeItsSpawnReturns) {
  runtime.step_of(0);
  bool is_woken = false;
  runtime.parks->of(0).on_unpark = [&] {
    if (!std::exchange(is_woken, true)) runtime.step_of(0);
  };
  spawn("a");
  runtime.parks->of(0).on_unpark = nullptr;
  EXPECT_EQ(diary, "a");
  EXPECT_EQ(runtime->alive(), 0u);
}

// Bug it is here for: this thread is a worker, so the task goes to it. But of which runtime?
TEST_F(RuntimeTest, AWorkerOfAnotherRuntimeIsOutside) {
  ByHand other(1);
  std::optional<Waker> waker;
  LifeCounter life;
  const TaskRef task = watch_waiting(waker, life.token());
  runtime.step_of(0);
  other.as_worker(0, [&] {
    step("a task of another runtime wakes one of ours, and spawns one");
    waker->wake_by_ref();
    spawn("a");
  });
  EXPECT_EQ(injected(), 2u);
  EXPECT_TRUE(other.step_of(0));
  EXPECT_EQ(diary, "") << "a task of ours was run by the other runtime";
  for (int i = 0; i < 2; ++i) runtime.step_of(0);
  EXPECT_EQ(diary, "a");
}

// One runtime inside a task of another: the outer one is still this thread's.
TEST_F(RuntimeTest, AWorkerThatIsDeeperInIsStillAWorker) {
  ByHand other(1);
  runtime.as_worker(1, [&] {
    other.spawn_once([&] { spawn("a"); });
    other.step_of(0);
  });
  EXPECT_EQ(injected(), 0u);
  runtime.step_of(1);
  EXPECT_EQ(diary, "a");
}

// Bug it is here for: who gives way is the one that was woken last, and so the next.
TEST_F(RuntimeTest, ATaskThatYieldsGoesBehindTheOthers) {
  runtime.spawn([this, polls = 0](Context& cx) mutable -> Poll<void> {
    diary += "A";
    if (polls++ == 0) {
      spawn("b");
      spawn("c");
    }
    if (polls == 3) return kReady;
    cx.waker().wake_by_ref();
    return kPending;
  });
  for (int i = 0; i < 5; ++i) runtime.step_of(0);
  EXPECT_EQ(diary.size(), 5u);
  EXPECT_EQ(diary.front(), 'A');
  EXPECT_EQ(diary.find('A', 1), 3u) << diary << ": it has not let the others go first";
}

// --- The end -------------------------------------------------------------------------------------

// Bug it is here for: the workers run what is left before they end. If each task spawns another,
// they never do.
TEST_F(RuntimeTest, AfterCloseNoTaskIsTaken) {
  spawn("a");
  runtime.as_worker(0, [this] { spawn("b"); });
  runtime->close();
  EXPECT_FALSE(runtime.step_of(0));
  EXPECT_FALSE(runtime.step_of(1));
  runtime.end();
  EXPECT_EQ(diary, "");
}

// Bug it is here for: the first worker that ends drops the tasks, while another one runs them.
TEST_F(RuntimeTest, OnlyTheLastWorkerDropsTheTasks) {
  LifeCounter life;
  std::optional<Waker> waker;
  const TaskRef task = watch_waiting(waker, life.token());
  runtime->close();
  EXPECT_FALSE(runtime.end_worker());
  EXPECT_EQ(life.live(), 1) << "a worker that still runs may be polling it";
  EXPECT_FALSE(task->state.is_complete());
  EXPECT_TRUE(runtime.end_worker());
  EXPECT_EQ(life.live(), 0);
  EXPECT_TRUE(task->state.is_complete());
}

// Bugs it is here for: a place where a task may be is forgotten, and its future lives on; or its
// memory does, and with it the runtime's.
TEST_F(RuntimeTest, TheEndDropsTasksInEveryState) {
  LifeCounter life;
  std::optional<Waker> idle, woken, in_slot, in_queue, in_inject;
  spawn_waiting(idle, life.token());
  spawn_waiting(woken, life.token());
  for (int i = 0; i < 2; ++i) runtime.step_of(0);
  woken->wake_by_ref();
  runtime.as_worker(1, [&] {
    spawn_waiting(in_queue, life.token());
    spawn_waiting(in_slot, life.token());
  });
  runtime.as_worker(0, [&] { spawn_waiting(in_slot, life.token()); });
  spawn_waiting(in_inject, life.token());
  ASSERT_EQ(life.live(), 6);
  ASSERT_EQ(runtime->alive(), 6u);
  runtime.end();
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
  EXPECT_EQ(runtime->alive(), 0u);
  EXPECT_EQ(injected(), 0u);
  EXPECT_FALSE(in_slot || in_queue || in_inject) << "a task was polled during the end";
  idle.reset();
  woken.reset();
  runtime.leave();
  EXPECT_TRUE(runtime.is_gone) << "some queue has a reference still";
}

// Bug it is here for: a task of which only a queue has a reference, since its future has ended
// otherwise: it was aborted, and stands there to be dropped.
TEST_F(RuntimeTest, TheEndEmptiesTheQueues) {
  LifeCounter life;
  std::optional<Waker> first, second;
  spawn_waiting(first, life.token());
  spawn_waiting(second, life.token());
  for (int i = 0; i < 2; ++i) runtime.step_of(0);
  runtime.as_worker(1, [&] { std::move(*first).wake(); });
  runtime.as_worker(0, [&] { std::move(*second).wake(); });
  runtime.leave();
  EXPECT_EQ(life.live(), 0);
  EXPECT_TRUE(runtime.is_gone);
}

// Bug it is here for: the task is refused and let go of, and whoever joins it waits for ever.
TEST_F(RuntimeTest, WhatComesTooLateIsShutDown) {
  LifeCounter life;
  std::optional<Waker> waker;
  runtime.end();
  const TaskRef task = watch_waiting(waker, life.token());
  EXPECT_TRUE(task->state.is_complete());
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(injected(), 0u);
}

TEST_F(RuntimeTest, WhatComesBetweenTheTwoClosingsIsShutDown) {
  runtime->close();
  LifeCounter life;
  std::optional<Waker> waker;
  const TaskRef outside = watch_waiting(waker, life.token());
  TaskRef inside;
  runtime.as_worker(1, [&] { inside = watch_waiting(waker, life.token()); });
  runtime.end();
  EXPECT_TRUE(outside->state.is_complete());
  EXPECT_TRUE(inside->state.is_complete());
  EXPECT_EQ(life.live(), 0);
}

// Does something when it is dropped, and not where it is moved from.
class InItsEnd {
 public:
  explicit InItsEnd(std::function<void()> act) : act_(std::move(act)) {}
  InItsEnd(InItsEnd&& other) noexcept : act_(std::exchange(other.act_, nullptr)) {}
  ~InItsEnd() {
    if (act_) act_();
  }

 private:
  std::function<void()> act_;
};

// Bug it is here for: whoever drops the tasks is nobody in this scheduler, or one of its workers.
// What a task asks for as it is dropped, such as the end of its runtime, depends on it.
TEST_F(RuntimeTest, WhoDropsTheTasksIsInsideAndNoWorker) {
  bool is_in = false, is_worker = true;
  const auto looks = [&] {
    is_in = StealingScheduler::Here::is_in(*runtime);
    is_worker = StealingScheduler::Here::is_worker_of(*runtime);
  };
  runtime.spawn([end = InItsEnd(looks)](Context&) -> Poll<void> { return kPending; });
  runtime.end();
  EXPECT_TRUE(is_in);
  EXPECT_FALSE(is_worker);
}

// Bugs it is here for: the list of all tasks is read once, and what comes during that is left over;
// whoever drops the tasks is taken for a worker.
TEST_F(RuntimeTest, TasksThatAreDroppedMaySpawnAndWake) {
  LifeCounter life;
  std::optional<Waker> waker;
  const TaskRef waiting = watch_waiting(waker, life.token());
  runtime.step_of(0);
  int dropped = 0;
  std::function<void()> again = [&] {
    step("a task is dropped: it wakes one, and spawns two");
    waker->wake_by_ref();
    if (++dropped > 3) return;
    for (int i = 0; i < 2; ++i) {
      runtime.spawn([token = life.token(), end = InItsEnd(again)](Context&) -> Poll<void> {
        ADD_FAILURE() << "polled after the end had begun";
        return kReady;
      });
    }
  };
  runtime.spawn([end = InItsEnd(again)](Context&) -> Poll<void> { return kPending; });
  runtime.step_of(0);
  runtime.end();
  EXPECT_GT(dropped, 3);
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
  EXPECT_EQ(runtime->alive(), 0u);
  EXPECT_EQ(injected(), 0u);
  again = nullptr;
}

// Bug it is here for: a waker that is used when the runtime is gone.
TEST_F(RuntimeTest, WakersMayOutliveTheRuntime) {
  LifeCounter life;
  std::optional<Waker> waker;
  spawn_waiting(waker, life.token());
  runtime.step_of(0);
  std::optional<Waker> another(waker->clone());
  runtime.leave();
  EXPECT_EQ(life.live(), 0) << "a waker keeps the future";
  EXPECT_FALSE(runtime.is_gone) << "what the wakers call is gone";
  waker->wake_by_ref();
  std::move(*another).wake();
  waker.reset();
  EXPECT_TRUE(runtime.is_gone);
}

// --- A worker's life -----------------------------------------------------------------------------

TEST_F(RuntimeTest, AWorkerWorksUntilTheEnd) {
  ByHand alone(1);
  LifeCounter life;
  std::optional<Waker> waker;
  alone.spawn_once([this] { diary += "a"; });
  alone.spawn([&waker, token = life.token()](Context& cx) -> Poll<void> {
    waker.emplace(cx.waker().clone());
    return kPending;
  });
  alone.parks->of(0).in_sleep = [&] {
    EXPECT_EQ(diary, "a");
    EXPECT_TRUE(StealingScheduler::Here::is_worker_of(*alone));
    alone->close();
  };
  EXPECT_TRUE(alone.work(0)) << "it was the last, and has dropped all tasks";
  EXPECT_EQ(alone.parks->of(0).sleeps, 1);
  EXPECT_EQ(life.live(), 0);
  EXPECT_FALSE(StealingScheduler::Here::is_in(*alone));
}

// Bug it is here for: it tells nobody that it has ended, and nobody is the last.
TEST_F(RuntimeTest, EachWorkerEndsOnce) {
  spawn("a");
  runtime->close();
  EXPECT_FALSE(runtime.work(1));
  EXPECT_EQ(runtime->alive(), 1u);
  EXPECT_TRUE(runtime.work(0));
  EXPECT_EQ(runtime->alive(), 0u);
  EXPECT_EQ(diary, "") << "no task begins after close()";
}

}  // namespace
