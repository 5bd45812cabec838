#include "rt/runtime/local_executor.h"

#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "executor_parts.h"
#include "testkit/testkit.h"

namespace {

using executor_parts::FakePark;
using executor_parts::on_another_thread;
using executor_parts::Probe;
using rt::BoxFuture;
using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::LocalExecutor;
using rt::Poll;
using rt::Waker;
using testkit::LifeCounter;
using testkit::step;
using testkit::Token;

using Log = std::vector<std::string>;

// --- What the tests are made of -----------------------------------------------------------------

int run_until_idle(LocalExecutor& executor) {
  int polls = 0;
  while (executor.run_one()) ++polls;
  return polls;
}

// --- Polls: as often as there is a reason, and no more -------------------------------------------

// Bug it is here for: a spawn that polls. The spawner would run the task in its own middle.
TEST(LocalExecutor, SpawnPollsNothing) {
  Probe a("a");
  LocalExecutor executor;
  executor.spawn(a.future());
  EXPECT_EQ(a.polls(), 0);
  EXPECT_EQ(executor.alive(), 1U);
}

TEST(LocalExecutor, RunOneWithoutATaskIsFalse) {
  LocalExecutor executor;
  EXPECT_FALSE(executor.run_one());
  EXPECT_EQ(executor.alive(), 0U);
}

// Bug it is here for: pending tasks that are polled again and again.
TEST(LocalExecutor, PollsOnceAndThenOnlyAfterAWake) {
  Probe a("a");
  LocalExecutor executor;
  executor.spawn(a.future());
  EXPECT_TRUE(executor.run_one());
  EXPECT_FALSE(executor.run_one()) << "nobody has woken the task since its poll";
  EXPECT_EQ(a.polls(), 1);
  a.wake();
  EXPECT_TRUE(executor.run_one());
  EXPECT_FALSE(executor.run_one());
  EXPECT_EQ(a.polls(), 2);
}

// Bug it is here for: a task that is put into the queue by each wake.
TEST(LocalExecutor, ManyWakesAreOnePoll) {
  Probe a("a");
  LocalExecutor executor;
  executor.spawn(a.future());
  executor.run_one();
  a.wake();
  a.wake();
  a.wake_on_another_thread();
  a.waker().clone().wake();
  EXPECT_EQ(run_until_idle(executor), 1);
  EXPECT_EQ(a.polls(), 2);
}

// Bug it is here for: a new task that is in the queue, but does not know it.
TEST(LocalExecutor, AWakeBeforeTheFirstPollAddsNone) {
  Probe a("a");
  LocalExecutor executor;
  const Waker waker = executor.spawn(a.future());
  step("the new task is woken");
  waker.wake_by_ref();
  EXPECT_EQ(run_until_idle(executor), 1);
  EXPECT_EQ(a.polls(), 1);
}

TEST(LocalExecutor, TheWakerThatSpawnReturnsWakesTheTask) {
  Probe a("a");
  LocalExecutor executor;
  Waker waker = executor.spawn(a.future());
  EXPECT_EQ(run_until_idle(executor), 1);
  std::move(waker).wake();
  EXPECT_EQ(run_until_idle(executor), 1);
  EXPECT_EQ(a.polls(), 2);
}

// Bug it is here for: "is queued" cleared after the poll and not before it. The wake finds it set,
// does nothing, and is lost.
TEST(LocalExecutor, AWakeDuringThePollIsNotLost) {
  Probe a("a");
  LocalExecutor executor;
  a.on_poll([&](Context&) {
    if (a.polls() == 1) a.wake();
  });
  executor.spawn(a.future());
  EXPECT_TRUE(executor.run_one());
  EXPECT_TRUE(executor.run_one()) << "the wake during the first poll was lost";
  EXPECT_FALSE(executor.run_one());
  EXPECT_EQ(a.polls(), 2);
}

TEST(LocalExecutor, AWakeByAnotherThreadDuringThePollIsNotLost) {
  Probe a("a");
  LocalExecutor executor;
  a.on_poll([&](Context&) {
    if (a.polls() == 1) a.wake_on_another_thread();
  });
  executor.spawn(a.future());
  EXPECT_EQ(run_until_idle(executor), 2);
  EXPECT_EQ(a.polls(), 2);
}

TEST(LocalExecutor, ManyWakesDuringOnePollAreOnePoll) {
  Probe a("a");
  LocalExecutor executor;
  a.on_poll([&](Context& cx) {
    if (a.polls() > 1) return;
    a.wake();
    cx.waker().wake_by_ref();
    cx.waker().clone().wake();
  });
  executor.spawn(a.future());
  EXPECT_EQ(run_until_idle(executor), 2);
  EXPECT_EQ(a.polls(), 2);
}

// --- Order --------------------------------------------------------------------------------------

TEST(LocalExecutor, RunsInTheOrderInWhichTasksBecameReady) {
  Log log;
  Probe a("a", &log), b("b", &log), c("c", &log);
  LocalExecutor executor;
  executor.spawn(a.future());
  executor.spawn(b.future());
  executor.spawn(c.future());
  run_until_idle(executor);
  EXPECT_EQ(log, (Log{"a", "b", "c"}));

  log.clear();
  c.wake();
  a.wake();
  c.wake();
  b.wake();
  run_until_idle(executor);
  EXPECT_EQ(log, (Log{"c", "a", "b"}));
}

// Bug it is here for: a task that wakes itself goes to the front, and the others starve.
TEST(LocalExecutor, ATaskThatWakesItselfGoesToTheBack) {
  Log log;
  Probe greedy("greedy", &log), modest("modest", &log);
  LocalExecutor executor;
  greedy.on_poll([&](Context& cx) { cx.waker().wake_by_ref(); });
  executor.spawn(greedy.future());
  executor.spawn(modest.future());
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(executor.run_one());
  EXPECT_EQ(log, (Log{"greedy", "modest", "greedy", "greedy"}));
}

TEST(LocalExecutor, ATaskMaySpawnAndWakeOthers) {
  Log log;
  Probe parent("parent", &log), other("other", &log), child("child", &log);
  LocalExecutor executor;
  parent.on_poll([&](Context&) {
    if (parent.polls() == 1) executor.spawn(child.future());
    if (parent.polls() == 2) other.wake();
  });
  executor.spawn(parent.future());
  executor.spawn(other.future());
  run_until_idle(executor);
  EXPECT_EQ(log, (Log{"parent", "other", "child"}));
  EXPECT_EQ(executor.alive(), 3U);

  log.clear();
  parent.wake();
  run_until_idle(executor);
  EXPECT_EQ(log, (Log{"parent", "other"}));
}

// --- The end of a task --------------------------------------------------------------------------

// Bug it is here for: a future that lives as long as any waker, with all that it holds.
TEST(LocalExecutor, TheFutureIsDestroyedAtItsEndWhateverWakersAreLeft) {
  Probe a("a");
  LocalExecutor executor;
  const Waker spawned = executor.spawn(a.future());
  EXPECT_EQ(a.live(), 1);
  a.finish_at_next_poll();
  EXPECT_TRUE(executor.run_one());
  EXPECT_EQ(a.live(), 0) << "the future of a task that has ended is still there";
  EXPECT_EQ(executor.alive(), 0U);
}

// Bugs it is here for: a poll after ready; a task that comes back to life.
TEST(LocalExecutor, AWakeAfterTheEndDoesNothing) {
  FakePark park;
  Probe a("a"), b("b");
  LocalExecutor executor(park);
  executor.spawn(a.future());
  executor.spawn(b.future());
  a.finish_at_next_poll();
  run_until_idle(executor);

  a.wake();
  a.wake_on_another_thread();
  EXPECT_EQ(run_until_idle(executor), 0);
  EXPECT_EQ(a.polls(), 1);
  EXPECT_EQ(executor.alive(), 1U);
}

// Bug it is here for: the same, with the wake that put it into the queue before its end.
TEST(LocalExecutor, AWakeDuringTheLastPollDoesNothing) {
  Probe a("a"), b("b");
  LocalExecutor executor;
  a.on_poll([&](Context& cx) { cx.waker().wake_by_ref(); });
  a.finish_at_next_poll();
  executor.spawn(a.future());
  executor.spawn(b.future());
  EXPECT_EQ(run_until_idle(executor), 2);
  EXPECT_EQ(a.polls(), 1) << "a future was polled after it was ready";
  EXPECT_EQ(b.polls(), 1);
  EXPECT_EQ(executor.alive(), 1U);
}

// Keeps the waker of its own task in itself, as a future that waits on something it owns does.
class HoldsItsOwnWaker {
 public:
  using Output = void;

  HoldsItsOwnWaker(Token token, int polls) : token_(std::move(token)), left_(polls) {}

  Poll<void> poll(Context& cx) {
    waker_ = cx.waker().clone();
    if (--left_ <= 0) return kReady;
    return kPending;
  }

 private:
  Token token_;
  int left_;
  std::optional<Waker> waker_;
};

// Bug it is here for: a circle of task, future and waker, which no count ever ends.
TEST(LocalExecutor, AFutureThatHoldsItsOwnWakerIsNotLeaked) {
  LifeCounter life("the future");
  {
    LocalExecutor executor;
    executor.spawn(BoxFuture<void>(HoldsItsOwnWaker(life.token(), 1)));
    executor.spawn(BoxFuture<void>(HoldsItsOwnWaker(life.token(), 2)));
    executor.spawn(BoxFuture<void>(HoldsItsOwnWaker(life.token(), 2)));
    step("two of three tasks are polled: the first is ready, the second pending");
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(executor.run_one());
    EXPECT_EQ(life.live(), 2) << "the first has ended, and its future is still there: it holds a "
                                 "waker, which holds the task, which holds the future";
    step("the executor is destroyed");
  }
  EXPECT_EQ(life.live(), 0) << "the executor is gone, and futures are left";
}

// Bugs it is here for: a destructor that runs under the executor's lock; one that runs while the
// executor is between two states.
TEST(LocalExecutor, AFutureThatIsDestroyedAtItsEndMayUseTheExecutor) {
  Log log;
  Probe a("a", &log), b("b", &log), c("c", &log);
  LocalExecutor executor;
  std::size_t alive = 0;
  a.finish_at_next_poll();
  a.on_destroy([&] {
    a.wake();
    b.wake();
    executor.spawn(c.future());
    alive = executor.alive();
  });
  executor.spawn(b.future());
  executor.run_one();
  executor.spawn(a.future());
  run_until_idle(executor);
  EXPECT_EQ(log, (Log{"b", "a", "b", "c"}));
  EXPECT_EQ(executor.alive(), 2U);
  EXPECT_EQ(alive, 2U) << "b and c: the task whose future is destroyed has ended";
}

TEST(LocalExecutor, TheFutureIsNotMovedBetweenPolls) {
  LocalExecutor executor;
  std::vector<const void*> seen;
  class SaysWhere {
   public:
    using Output = void;
    explicit SaysWhere(std::vector<const void*>& seen) : seen_(&seen) {}
    Poll<void> poll(Context& cx) {
      seen_->push_back(this);
      if (seen_->size() == 3) return kReady;
      cx.waker().wake_by_ref();
      return kPending;
    }

   private:
    std::vector<const void*>* seen_;
  };
  executor.spawn(BoxFuture<void>(SaysWhere(seen)));
  run_until_idle(executor);
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_EQ(seen[1], seen[2]);
}

// Bug it is here for: an exception that leaves the task half alive.
TEST(LocalExecutor, ATaskThatThrowsIsDroppedAndTheOthersGoOn) {
  Probe bad("bad"), good("good");
  LocalExecutor executor;
  bad.on_poll([&](Context& cx) {
    cx.waker().wake_by_ref();
    throw std::runtime_error("thrown by a task");
  });
  executor.spawn(bad.future());
  executor.spawn(good.future());
  try {
    executor.run_one();
    ADD_FAILURE() << "what a bare task throws leaves run_one()";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "thrown by a task");
  }
  EXPECT_EQ(bad.live(), 0);
  EXPECT_EQ(executor.alive(), 1U);
  bad.wake();
  EXPECT_EQ(run_until_idle(executor), 1);
  EXPECT_EQ(bad.polls(), 1);
  EXPECT_EQ(good.polls(), 1);
}

// --- Sleeping and being woken --------------------------------------------------------------------

TEST(LocalExecutor, RunWithoutATaskReturnsAtOnce) {
  FakePark park;
  LocalExecutor executor(park);
  executor.run();
  EXPECT_EQ(park.parks(), 0);
}

TEST(LocalExecutor, RunEndsWhenNoTaskIsLeft) {
  FakePark park;
  Probe a("a"), b("b");
  LocalExecutor executor(park);
  a.finish_at_next_poll();
  b.on_poll([&](Context& cx) {
    if (b.polls() == 3) b.finish_at_next_poll();
    cx.waker().wake_by_ref();
  });
  executor.spawn(a.future());
  executor.spawn(b.future());
  executor.run();
  EXPECT_EQ(a.polls(), 1);
  EXPECT_EQ(b.polls(), 3);
  EXPECT_EQ(executor.alive(), 0U);
  EXPECT_EQ(park.parks(), 0) << "there was always something to run";
}

// Bug it is here for: an executor that looks again and again in place of sleeping.
TEST(LocalExecutor, RunParksOnlyWhenNothingIsReady) {
  FakePark park;
  Probe a("a"), b("b");
  LocalExecutor executor(park);
  park.plan([&] {
    EXPECT_EQ(a.polls(), 1) << "parked although a task was ready";
    EXPECT_EQ(b.polls(), 1) << "parked although a task was ready";
    a.finish_at_next_poll();
    a.wake_on_another_thread();
  });
  park.plan([&] {
    EXPECT_EQ(a.polls(), 2);
    b.finish_at_next_poll();
    b.wake_on_another_thread();
  });
  executor.spawn(a.future());
  executor.spawn(b.future());
  executor.run();
  EXPECT_EQ(park.parks(), 2);
  EXPECT_EQ(a.polls(), 2);
  EXPECT_EQ(b.polls(), 2);
}

// Bug it is here for: a wake between "the queue is empty" and the sleep, lost. Here it comes at the
// last moment, when park() has been called; a real parker sleeps on unless it is unparked.
TEST(LocalExecutor, AWakeByAnotherThreadUnparks) {
  FakePark park;
  Probe a("a");
  LocalExecutor executor(park);
  park.plan([&] {
    a.finish_at_next_poll();
    a.wake_on_another_thread();
    EXPECT_EQ(park.unparks(), 1) << "the wake left the executor's thread asleep";
  });
  executor.spawn(a.future());
  executor.run();
  EXPECT_EQ(park.parks(), 1);
}

// Bug it is here for: an unpark under the executor's lock. A Park is somebody else's code: it may
// write a trace, or wake another task.
TEST(LocalExecutor, UnparksWithoutHoldingTheLock) {
  FakePark park;
  Probe a("a"), b("b");
  LocalExecutor executor(park);
  park.on_unpark([&] { b.waker().wake_by_ref(); });
  park.plan([&] {
    a.finish_at_next_poll();
    b.finish_at_next_poll();
    a.wake_on_another_thread();
  });
  executor.spawn(a.future());
  executor.spawn(b.future());
  executor.run();
  EXPECT_EQ(b.polls(), 2) << "The unpark has woken b.";
}

TEST(LocalExecutor, EachSleepIsEndedAnew) {
  FakePark park;
  Probe a("a");
  LocalExecutor executor(park);
  for (int i = 1; i <= 3; ++i) {
    park.plan([&, i] {
      if (i == 3) a.finish_at_next_poll();
      a.wake_on_another_thread();
      EXPECT_EQ(park.unparks(), i) << "sleep " << i;
    });
  }
  executor.spawn(a.future());
  executor.run();
  EXPECT_EQ(park.parks(), 3);
}

// Bug it is here for: a token for each wake. Each unpark is a lock or a system call, and a sleep
// that ends for nothing.
TEST(LocalExecutor, WakesByItsOwnThreadUnparkNobody) {
  FakePark park;
  Probe a("a"), b("b");
  LocalExecutor executor(park);
  a.on_poll([&](Context& cx) {
    if (a.polls() == 1) cx.waker().wake_by_ref();
    if (a.polls() == 2) b.wake();
  });
  executor.spawn(b.future());
  executor.spawn(a.future());
  EXPECT_EQ(run_until_idle(executor), 4);
  b.wake();
  EXPECT_EQ(run_until_idle(executor), 1);
  EXPECT_EQ(park.unparks(), 0);
}

// Bug it is here for: a park that returned is taken for a wake.
TEST(LocalExecutor, AParkThatReturnsForNoReasonPollsNothing) {
  FakePark park;
  Probe a("a");
  LocalExecutor executor(park);
  for (int i = 0; i < 3; ++i) {
    park.plan([&] { EXPECT_EQ(a.polls(), 1) << "polled without a wake"; });
  }
  park.plan([&] {
    EXPECT_EQ(a.polls(), 1) << "polled without a wake";
    a.finish_at_next_poll();
    a.wake_on_another_thread();
  });
  executor.spawn(a.future());
  executor.run();
  EXPECT_EQ(park.parks(), 4);
  EXPECT_EQ(a.polls(), 2);
}

// Bug it is here for: a task that is ready already when the executor parks.
TEST(LocalExecutor, ParkReturnsAtOnceWhenATaskIsReady) {
  FakePark park;
  Probe a("a");
  LocalExecutor executor(park);
  executor.spawn(a.future());
  executor.park();
  EXPECT_EQ(park.parks(), 0);
  EXPECT_TRUE(executor.run_one());
}

// With the parker that an executor has of its own. If the wake does not end the sleep, this hangs.
TEST(LocalExecutor, SleepsByItselfUntilAnotherThreadWakes) {
  Probe a("a");
  LocalExecutor executor;
  std::thread helper;
  a.on_poll([&](Context& cx) {
    if (a.polls() == 5) return a.finish_at_next_poll();
    if (helper.joinable()) helper.join();
    helper = std::thread([waker = cx.waker().clone()]() mutable { std::move(waker).wake(); });
  });
  executor.spawn(a.future());
  executor.run();
  helper.join();
  EXPECT_EQ(a.polls(), 5);
}

// --- The end of the executor --------------------------------------------------------------------

TEST(LocalExecutor, DropsItsTasksOnce) {
  Log log;
  Probe queued("queued", &log), waiting("waiting", &log), ended("ended", &log);
  {
    LocalExecutor executor;
    ended.finish_at_next_poll();
    executor.spawn(ended.future());
    executor.spawn(waiting.future());
    run_until_idle(executor);
    waiting.drop_waker();  // Nobody but the executor knows of it now.
    executor.spawn(queued.future());
    EXPECT_EQ(waiting.live(), 1);
    EXPECT_EQ(queued.live(), 1);
    step("the executor is destroyed");
  }
  EXPECT_EQ(waiting.live(), 0) << "a task that waits was not dropped";
  EXPECT_EQ(queued.live(), 0) << "a task in the queue was not dropped";
  EXPECT_EQ(log, (Log{"ended", "waiting"})) << "no task is polled by the destructor";
}

// Bug it is here for: the newest dropped first, as a stack would; or those in the queue first.
TEST(LocalExecutor, DropsItsTasksInTheOrderInWhichTheyWereSpawned) {
  Log dropped;
  std::deque<Probe> probes;
  {
    LocalExecutor executor;
    for (const char* name : {"waits", "is queued", "waits too", "is queued too"}) {
      Probe& probe = probes.emplace_back(name);
      probe.on_destroy([&dropped, name] { dropped.push_back(name); });
      executor.spawn(probe.future());
    }
    run_until_idle(executor);
    probes[3].wake();
    probes[1].wake();
    step("the executor is destroyed");
  }
  EXPECT_EQ(dropped, (Log{"waits", "is queued", "waits too", "is queued too"}));
}

// Bug it is here for: wakers that point to an executor that is gone, or to its queue.
TEST(LocalExecutor, WakersMayOutliveIt) {
  Probe a("a"), b("b");
  std::optional<Waker> spawned;
  {
    LocalExecutor executor;
    spawned = executor.spawn(a.future());
    b.finish_at_next_poll();
    executor.spawn(b.future());
    run_until_idle(executor);
    step("the executor is destroyed");
  }
  EXPECT_EQ(a.live(), 0) << "a waker keeps a future alive";
  a.wake();
  b.wake();
  on_another_thread([&] { spawned->clone().wake(); });
  std::move(*spawned).wake();
  EXPECT_EQ(a.polls(), 1);
}

// Bugs it is here for: a lock that is held while a future is destroyed; a list of tasks that is
// changed while it is walked through; a task that is dropped and queued again.
TEST(LocalExecutor, ATaskThatIsDroppedMayWakeAndSpawn) {
  Log log;
  Probe a("a", &log), b("b", &log), late("late", &log);
  std::optional<Waker> of_late;
  {
    LocalExecutor executor;
    a.on_destroy([&] {
      a.wake();
      b.wake();
      of_late = executor.spawn(late.future());
      of_late->wake_by_ref();
    });
    b.on_destroy([&] {
      a.wake();
      b.wake();
    });
    executor.spawn(a.future());
    executor.spawn(b.future());
    run_until_idle(executor);
    step("the executor is destroyed");
  }
  EXPECT_EQ(log, (Log{"a", "b"})) << "nothing is polled any more";
  EXPECT_EQ(a.live(), 0);
  EXPECT_EQ(b.live(), 0);
  EXPECT_EQ(late.live(), 0) << "a task that was spawned while the executor went was not dropped";
}

// Bug it is here for: a future destroyed by whoever drops the last waker, on any thread.
TEST(LocalExecutor, FuturesAreDestroyedOnItsOwnThread) {
  const std::thread::id mine = std::this_thread::get_id();
  std::vector<std::thread::id> destroyed_on;
  Probe ended("ended"), dropped("dropped");
  for (Probe* probe : {&ended, &dropped}) {
    probe->on_destroy([&] { destroyed_on.push_back(std::this_thread::get_id()); });
  }
  std::vector<Waker> wakers;
  {
    LocalExecutor executor;
    ended.finish_at_next_poll();
    wakers.push_back(executor.spawn(ended.future()));
    wakers.push_back(executor.spawn(dropped.future()));
    run_until_idle(executor);
    step("the executor is destroyed");
  }
  on_another_thread([&] { wakers.clear(); });
  EXPECT_TRUE(destroyed_on == std::vector({mine, mine}));
}

}  // namespace
