// The pool without threads: the test steps each worker by hand, and sees who is unparked. A worker
// that sleeps comes back at once, and is still on the list of the idle until its next step.
#include "rt/runtime/shared_pool.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/functional/any_invocable.h"
#include "rt/future/future.h"
#include "rt/future/waker.h"
#include "rt/runtime/shared_queue.h"
#include "rt/task/spawn.h"
#include "rt/task/task_cell.h"
#include "rt/task/task_header.h"
#include "testkit/fake_parks.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::poll_fn;
using rt::SharedPool;
using rt::SharedQueue;
using rt::Waker;
using testkit::FakeParks;
using testkit::LifeCounter;
using testkit::step;

// One type of future for all tasks: each new one costs compile time.
using Body = absl::AnyInvocable<Poll<void>(Context&)>;
void task(SharedPool& pool, Body body) { pool.spawn_detached(poll_fn(std::move(body))); }

class SharedPoolTest : public testing::Test {
 protected:
  // A pool of three, with nothing to do.
  SharedPoolTest() {
    auto parks = std::make_unique<FakeParks>(3);
    fakes = parks.get();
    pool = std::make_unique<SharedPool>(3, std::move(parks), SharedPool::Threads::kByHand);
  }

  bool step_of(std::size_t worker) {
    step("worker " + std::to_string(worker) + " takes a step");
    return pool->step(worker);
  }
  // A task that says its name when it is polled, and ends.
  void spawn(const std::string& name) {
    step("spawn " + name);
    task(*pool, [this, name](Context&) -> Poll<void> {
      diary += name;
      return kReady;
    });
  }
  // A task that waits for ever, and leaves its waker.
  void spawn_waiting(std::optional<Waker>& waker, testkit::Token token) {
    auto wait = [&waker, token = std::move(token)](Context& cx) -> Poll<void> {
      waker.emplace(cx.waker().clone());
      return kPending;
    };
    task(*pool, std::move(wait));
  }

  FakeParks* fakes = nullptr;  // The pool's.
  std::unique_ptr<SharedPool> pool;
  std::string diary;
};

// --- Who runs what -------------------------------------------------------------------------------

TEST_F(SharedPoolTest, RunsTasksInTheOrderInWhichTheyBecameReady) {
  for (const char* name : {"a", "b", "c", "d"}) spawn(name);
  EXPECT_EQ(diary, "") << "nothing is polled by spawn";
  EXPECT_EQ(pool->alive(), 4u);
  for (const std::size_t worker : {1u, 0u, 1u, 2u}) EXPECT_TRUE(step_of(worker));
  EXPECT_EQ(diary, "abcd");
  EXPECT_EQ(pool->alive(), 0u);
}

// Bug it is here for: who yields is polled again before the others.
TEST_F(SharedPoolTest, ATaskThatIsWokenDuringItsPollGoesToTheBack) {
  task(*pool, [this, polls = 0](Context& cx) mutable -> Poll<void> {
    diary += "A";
    if (++polls == 3) return kReady;
    cx.waker().wake_by_ref();
    return kPending;
  });
  spawn("b");
  for (int i = 0; i < 4; ++i) step_of(0);
  EXPECT_EQ(diary, "AbAA");
}

TEST_F(SharedPoolTest, ATaskThatThrowsHarmsNobodyAndIsReported) {
  step_of(0);  // An exercise that is not written says so here.
  testing::internal::CaptureStderr();
  pool->spawn_detached(
      poll_fn([](Context&) -> Poll<void> { throw std::runtime_error("of the task"); }));
  spawn("b");
  EXPECT_TRUE(step_of(0));
  EXPECT_TRUE(step_of(0));
  EXPECT_EQ(diary, "b");
  EXPECT_EQ(pool->alive(), 0u);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("exception: of the task"));
}

// --- Who is woken --------------------------------------------------------------------------------

TEST_F(SharedPoolTest, AWorkerThatFindsNothingSleeps) {
  step_of(0);
  EXPECT_EQ(fakes->of(0).sleeps, 1);
  spawn("a");
  step_of(0);
  EXPECT_EQ(fakes->of(0).sleeps, 1) << "there was something to do";
}

// Bugs it is here for: all workers are woken for one task; or the one that has slept longest is.
TEST_F(SharedPoolTest, ATaskUnparksTheWorkerThatFellAsleepLast) {
  for (const std::size_t worker : {0u, 2u, 1u}) step_of(worker);
  spawn("a");
  EXPECT_EQ(fakes->of(1).unparks, 1);
  EXPECT_EQ(fakes->unparks(), 1);
}

TEST_F(SharedPoolTest, ATaskUnparksNobodyWhereNobodyIsIdle) {
  spawn("a");
  step_of(0);
  spawn("b");
  EXPECT_EQ(fakes->unparks(), 0);
}

// Bug it is here for: a wake for each task. The first to arrive takes all of them.
TEST_F(SharedPoolTest, WhileOneIsOnItsWayNoOtherIsRoused) {
  for (const std::size_t worker : {0u, 1u, 2u}) step_of(worker);
  for (const char* name : {"a", "b", "c"}) spawn(name);
  EXPECT_EQ(fakes->unparks(), 1);
}

// Bug it is here for: any worker that comes to look counts as the one that was on its way.
TEST_F(SharedPoolTest, AWorkerThatWasAwakeIsNotTheOneOnItsWay) {
  for (const std::size_t worker : {0u, 1u}) step_of(worker);
  spawn("a");
  ASSERT_EQ(fakes->of(1).unparks, 1);
  step_of(2);  // Was awake, and is faster.
  spawn("b");
  EXPECT_EQ(fakes->unparks(), 1) << "worker 1 is still on its way";
  step_of(1);
  EXPECT_EQ(diary, "ab");
}

// Bug it is here for: three tasks came at once, one worker was woken, and it does all the work.
TEST_F(SharedPoolTest, WhoTakesATaskAndLeavesSomeRousesTheNext) {
  for (const std::size_t worker : {0u, 1u, 2u}) step_of(worker);
  for (const char* name : {"a", "b", "c"}) spawn(name);
  step_of(2);
  EXPECT_EQ(fakes->of(1).unparks, 1);
  step_of(1);
  EXPECT_EQ(fakes->of(0).unparks, 1);
  step_of(0);
  EXPECT_EQ(fakes->unparks(), 3);
  EXPECT_EQ(diary, "abc");
}

TEST_F(SharedPoolTest, WhoTakesTheLastTaskRousesNobody) {
  for (const std::size_t worker : {0u, 1u, 2u}) step_of(worker);
  spawn("a");
  step_of(2);
  EXPECT_EQ(fakes->unparks(), 1);
}

// Bug it is here for: the roused worker finds that another one was faster, and counts as on its way
// for ever. Nobody is roused any more.
TEST_F(SharedPoolTest, WhoIsRousedForNothingMayBeRousedAgain) {
  step_of(0);
  spawn("a");
  ASSERT_EQ(fakes->of(0).unparks, 1);
  step_of(1);  // Was awake, and is faster.
  step_of(0);
  EXPECT_EQ(fakes->of(0).sleeps, 2);
  spawn("b");
  EXPECT_EQ(fakes->of(0).unparks, 2) << "the task is left in the queue while the worker sleeps";
}

// Bug it is here for: a task comes when the worker has looked for the last time, and is not idle
// yet.
TEST_F(SharedPoolTest, ATaskThatComesBeforeTheSleepUnparks) {
  fakes->of(0).in_sleep = [this] {
    step("on another thread:");
    std::thread([this] { spawn("a"); }).join();
    EXPECT_EQ(fakes->of(0).unparks, 1);
  };
  step_of(0);
  step_of(0);
  EXPECT_EQ(diary, "a");
  EXPECT_EQ(fakes->of(0).sleeps, 1);
}

// Bug it is here for: a Park returns for no reason, and the worker is on the list of the idle
// twice.
TEST_F(SharedPoolTest, AWorkerThatWakesByItselfIsIdleOnce) {
  for (int i = 0; i < 3; ++i) step_of(0);
  task(*pool, [this](Context&) -> Poll<void> {
    spawn("b");
    return kReady;
  });
  EXPECT_EQ(fakes->of(0).unparks, 1);
  step_of(0);
  EXPECT_EQ(fakes->of(0).unparks, 1) << "it was awake: it ran a task";
}

// Bug it is here for: it wakes by itself, takes a task, and is still called idle. Whoever pushes
// wakes it in vain, and a worker that sleeps is left asleep.
TEST_F(SharedPoolTest, AWorkerThatWakesByItselfIsIdleNoMore) {
  step_of(1);
  step_of(0);
  task(*pool, [this](Context&) -> Poll<void> {
    step_of(0);  // Meanwhile: comes in vain, and sleeps.
    task(*pool, [this](Context&) -> Poll<void> {
      spawn("c");
      EXPECT_EQ(fakes->of(1).unparks, 0) << "it is awake, in the middle of a poll";
      return kReady;
    });
    EXPECT_EQ(fakes->of(0).unparks, 2);
    step_of(0);
    return kReady;
  });
  ASSERT_EQ(fakes->of(0).unparks, 1);
  step_of(1);
  step_of(1);
  EXPECT_EQ(diary, "c");
}

// Bug it is here for: a worker brings an event out of its sleep, and wakes another for it, though
// it is awake itself.
TEST_F(SharedPoolTest, WhoBringsAnEventTakesItsTask) {
  LifeCounter life;
  std::optional<Waker> waker;
  spawn_waiting(waker, life.token());
  step_of(0);
  fakes->of(0).in_sleep = [&] {
    step_of(1);  // Falls asleep last.
    step("worker 0 gets an event, and wakes the task");
    waker->wake_by_ref();
    EXPECT_EQ(fakes->of(0).unparks, 1);
    EXPECT_EQ(fakes->of(1).unparks, 0);
  };
  step_of(0);
  pool.reset();
}

// Bug it is here for: a wake-up for a task that its own worker takes next.
TEST_F(SharedPoolTest, AYieldWakesNobody) {
  step_of(0);
  step_of(1);
  task(*pool, [polls = 0](Context& cx) mutable -> Poll<void> {
    if (++polls == 4) return kReady;
    cx.waker().wake_by_ref();
    return kPending;
  });
  ASSERT_EQ(fakes->of(1).unparks, 1);
  for (int i = 0; i < 4; ++i) step_of(1);
  EXPECT_EQ(pool->alive(), 0u);
  EXPECT_EQ(fakes->unparks(), 1);
}

// Bug it is here for: a worker is unparked with the mutex held. If it hangs, that is why.
TEST_F(SharedPoolTest, AWorkerIsUnparkedWithoutHoldingTheLock) {
  for (const std::size_t worker : {0u, 1u, 2u}) step_of(worker);
  int unparks = 0;
  for (const std::size_t worker : {0u, 1u, 2u}) {
    fakes->of(worker).on_unpark = [&] {
      ++unparks;
      spawn("x");
    };
  }
  spawn("a");
  EXPECT_EQ(unparks, 1) << "by who pushes";
  step_of(2);
  EXPECT_EQ(unparks, 2) << "by who takes a task and leaves some";
  pool->shutdown();
  EXPECT_GE(unparks, 3) << "by the end: one sleeps still";
  EXPECT_EQ(pool->alive(), 0u);
}

TEST_F(SharedPoolTest, ABusyWorkerLooksForEventsNowAndThen) {
  constexpr int kInterval = static_cast<int>(SharedQueue::kLookInterval);
  task(*pool, [](Context& cx) -> Poll<void> {
    cx.waker().wake_by_ref();
    return kPending;
  });
  for (int i = 0; i < kInterval; ++i) pool->step(0);
  EXPECT_EQ(fakes->of(0).looks, 1);
  for (int i = 0; i < 2 * kInterval; ++i) pool->step(0);
  EXPECT_EQ(fakes->of(0).looks, 3);
}

// --- The end -------------------------------------------------------------------------------------

TEST_F(SharedPoolTest, ShutdownDropsTasksThatWaitAndTasksThatAreReady) {
  LifeCounter life;
  std::optional<Waker> first, second, third;
  spawn_waiting(first, life.token());
  spawn_waiting(second, life.token());
  step_of(0);
  step_of(1);
  spawn_waiting(third, life.token());
  second->wake_by_ref();
  ASSERT_EQ(life.live(), 3);
  pool->shutdown();
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
  EXPECT_EQ(pool->alive(), 0u);
  EXPECT_FALSE(third.has_value()) << "a task was polled during the shutdown";
  EXPECT_FALSE(step_of(0)) << "the worker goes on";
  pool->shutdown();  // It is over: nothing happens.
}

// Bug it is here for: the list of all tasks is read once, and what comes during that is left over.
TEST_F(SharedPoolTest, ShutdownDropsWhatIsSpawnedByThoseItDrops) {
  LifeCounter life;
  struct SpawnsInItsEnd {
    SpawnsInItsEnd(SharedPool& p, testkit::Token t, int n)
        : pool(&p), token(std::move(t)), more(n) {}
    SpawnsInItsEnd(SpawnsInItsEnd&& other) noexcept
        : pool(std::exchange(other.pool, nullptr)),
          token(std::move(other.token)),
          more(other.more) {}
    ~SpawnsInItsEnd() {
      if (pool == nullptr) return;
      step("a task is dropped");
      for (int i = 0; i < more; ++i) {
        SpawnsInItsEnd next(*pool, token, more - 1);
        task(*pool, [mine = std::move(next)](Context&) -> Poll<void> {
          ADD_FAILURE() << "polled after shutdown() had begun";
          return kReady;
        });
      }
    }
    SharedPool* pool;
    testkit::Token token;
    int more;
  };
  {
    SpawnsInItsEnd first(*pool, life.token(), 3);
    auto wait = [mine = std::move(first)](Context&) -> Poll<void> { return kPending; };
    task(*pool, std::move(wait));
  }
  step_of(0);
  pool->shutdown();
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
  EXPECT_EQ(pool->alive(), 0u);
}

// Bug it is here for: the list of all tasks is closed part by part, and what is spawned meanwhile
// may be bound to a part whose turn is still to come: whoever joins it waits.
TEST_F(SharedPoolTest, WhatIsSpawnedByThoseThatAreDroppedIsCancelledAtOnce) {
  // Each thread has a block of ids of its own, and so its tasks are in a part of their own.
  constexpr int kParts = 16;
  const auto on_another_thread = [](auto act) { std::thread(std::move(act)).join(); };
  int spawned = 0, cancelled = 0;
  const auto spawn_and_ask = [&] {
    auto handle = pool->spawn(poll_fn([](Context&) -> Poll<void> { return kPending; }));
    testkit::CountingWaker nobody;
    const Waker waker = nobody.waker();
    Context cx(waker);
    ++spawned;
    try {
      static_cast<void>(handle.poll(cx));
    } catch (const rt::Cancelled&) {
      ++cancelled;
    }
  };
  for (int i = 0; i < 2; ++i) {
    on_another_thread([&] {
      task(*pool, [at_its_end = absl::MakeCleanup([&] {
                     step("a task is dropped, and spawns");
                     for (int j = 0; j < kParts; ++j) on_another_thread(spawn_and_ask);
                   })](Context&) -> Poll<void> { return kPending; });
    });
  }
  pool->shutdown();
  EXPECT_EQ(spawned, 2 * kParts);
  EXPECT_EQ(cancelled, spawned);
}

// Bug it is here for: the task is bound to a list that nobody looks at any more.
TEST_F(SharedPoolTest, WhatIsSpawnedAfterTheShutdownIsDroppedAtOnce) {
  LifeCounter life;
  pool->shutdown();
  auto never = [token = life.token()](Context&) -> Poll<void> {
    ADD_FAILURE() << "polled after the shutdown";
    return kReady;
  };
  task(*pool, std::move(never));
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(pool->alive(), 0u);
}

// Bug it is here for: a waker that is used when the pool is gone.
TEST_F(SharedPoolTest, WakersMayOutliveThePool) {
  LifeCounter life;
  std::optional<Waker> waiting, woken;
  spawn_waiting(waiting, life.token());
  spawn_waiting(woken, life.token());
  step_of(0);
  step_of(0);
  woken->wake_by_ref();
  std::optional<Waker> another(waiting->clone());
  pool.reset();
  EXPECT_EQ(life.live(), 0) << "a waker keeps the future";
  waiting->wake_by_ref();
  std::move(*another).wake();
  woken->wake_by_ref();
}

TEST_F(SharedPoolTest, AWakeWhileATaskIsDroppedDoesNothing) {
  std::optional<Waker> waker;
  struct WakesInItsEnd {
    explicit WakesInItsEnd(std::optional<Waker>& w) : waker(&w) {}
    WakesInItsEnd(WakesInItsEnd&& other) noexcept : waker(std::exchange(other.waker, nullptr)) {}
    ~WakesInItsEnd() {
      if (waker != nullptr && waker->has_value()) (*waker)->wake_by_ref();
    }
    std::optional<Waker>* waker;
  };
  {
    auto wait = [mine = WakesInItsEnd(waker)](Context& cx) -> Poll<void> {
      mine.waker->emplace(cx.waker().clone());
      return kPending;
    };
    task(*pool, std::move(wait));
  }
  step_of(0);
  pool->shutdown();
  EXPECT_EQ(pool->alive(), 0u);
}

// Bug it is here for: tasks that are dropped with the mutex held. If it hangs, that is why.
TEST_F(SharedPoolTest, ATaskThatIsDroppedMayWakeAnother) {
  std::optional<Waker> wakers[2];
  LifeCounter life;
  struct WakesInItsEnd {
    WakesInItsEnd(std::optional<Waker>& w, testkit::Token t) : waker(&w), token(std::move(t)) {}
    WakesInItsEnd(WakesInItsEnd&& other) noexcept
        : waker(std::exchange(other.waker, nullptr)), token(std::move(other.token)) {}
    ~WakesInItsEnd() {
      if (waker != nullptr && waker->has_value()) (*waker)->wake_by_ref();
    }
    std::optional<Waker>* waker;
    testkit::Token token;
  };
  for (const int i : {0, 1}) {
    auto wait = [&own = wakers[i],
                 others = WakesInItsEnd(wakers[1 - i], life.token())](Context& cx) -> Poll<void> {
      own.emplace(cx.waker().clone());
      return kPending;
    };
    task(*pool, std::move(wait));
    step_of(0);
  }
  ASSERT_EQ(life.live(), 2);
  pool->shutdown();
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(pool->alive(), 0u);
}

TEST_F(SharedPoolTest, AShutdownInsideATaskIsAnError) {
  std::string error;
  task(*pool, [&](Context&) -> Poll<void> {
    try {
      pool->shutdown();
    } catch (const std::logic_error& e) {
      error = e.what();
    }
    return kReady;
  });
  step_of(0);
  EXPECT_TRUE(error.starts_with("shutdown: a task of this pool")) << error;
  spawn("b");
  EXPECT_TRUE(step_of(0)) << "the pool has gone on";
  EXPECT_EQ(diary, "b");
}

// --- The queue alone -----------------------------------------------------------------------------

// A queue with one worker, and tasks whose end a test can see.
class SharedQueueTest : public testing::Test {
 protected:
  ~SharedQueueTest() override {
    queue->close();
    queue->drop_all();
    queue->leave();
  }

  // Gives a second reference to the new task.
  rt::TaskRef spawn() {
    auto future = poll_fn([this](Context&) -> Poll<void> {
      ++polls;
      return kReady;
    });
    rt::NewTask task =
        rt::TaskCell::create(&future, rt::kFutureVTable<decltype(future)>, *queue, false);
    rt::TaskRef watched = task.owned.clone();
    queue->spawn(std::move(task.owned), std::move(task.scheduled));
    return watched;
  }

  SharedQueue* const queue = new SharedQueue(1, std::make_unique<FakeParks>(1));
  int polls = 0;
};

// Bug it is here for: the workers run what is left in the queue before they end. If each task
// spawns another, they never do.
TEST_F(SharedQueueTest, AfterCloseNoTaskIsTaken) {
  const rt::TaskRef task = spawn();
  queue->close();
  EXPECT_FALSE(queue->step(queue->worker(0)));
  EXPECT_EQ(polls, 0);
  queue->drop_all();
  EXPECT_TRUE(task->state.is_complete());
}

// Bug it is here for: the task is refused and let go of, and whoever joins it waits for ever.
TEST_F(SharedQueueTest, WhatComesTooLateIsShutDown) {
  queue->close();
  queue->drop_all();
  const rt::TaskRef task = spawn();
  EXPECT_TRUE(task->state.is_complete());
  EXPECT_FALSE(queue->step(queue->worker(0)));
  EXPECT_EQ(polls, 0);
}

// Bug it is here for: one list is closed, and the other is not yet: the task is on its way between
// the two.
TEST_F(SharedQueueTest, WhatComesBetweenTheTwoClosingsIsShutDown) {
  queue->close();
  const rt::TaskRef task = spawn();
  queue->drop_all();
  EXPECT_TRUE(task->state.is_complete());
  EXPECT_EQ(queue->alive(), 0u);
}

}  // namespace
