// The loop of a worker, one step at a time: sleep, events and the end.
#include <cstddef>
#include <string>

#include "queue_parts.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/runtime/task_ring.h"
#include "rt/runtime/worker.h"
#include "testkit/fake_parks.h"
#include "testkit/fleet.h"
#include "testkit/testkit.h"
#include "worker_parts.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using testkit::LifeCounter;
using testkit::step;
using worker_parts::WorkerTest;

// --- Sleep, and who is woken ---------------------------------------------------------------------

TEST_F(WorkerTest, SleepsExactlyWhenNothingIsThere) {
  start(1);
  step_of(0);
  EXPECT_EQ(fakes->of(0).sleeps, 1);
  spawn("a");
  EXPECT_EQ(fakes->of(0).unparks, 1);
  step_of(0);
  EXPECT_EQ(diary, "a");
  EXPECT_EQ(fakes->of(0).sleeps, 1);
  step_of(0);
  EXPECT_EQ(fakes->of(0).sleeps, 2);
  EXPECT_EQ(fakes->of(0).unparks, 1) << "it falls asleep and wakes itself";
}

// Bug it is here for: a wake-up for each task of a batch. A wake-up takes as long as many tasks.
TEST_F(WorkerTest, ManyTasksWakeOneWorker) {
  start(4);
  for (const std::size_t worker : {1u, 2u, 3u}) step_of(worker);
  for (const char* name : {"a", "b", "c", "d", "e"}) spawn(name);
  EXPECT_EQ(fakes->of(3).unparks, 1);
  EXPECT_EQ(fakes->unparks(), 1);
}

// Bug it is here for: one is woken for a batch, and does all the work. Who has found a task, and
// sees that there are more, wakes the next.
TEST_F(WorkerTest, WhoFindsMoreThanOneTaskWakesTheNext) {
  start(4);
  for (const std::size_t worker : {1u, 2u, 3u}) step_of(worker);
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) spawn(name);
  step_of(3);
  EXPECT_EQ(fakes->of(2).unparks, 1);
  step_of(2);
  EXPECT_EQ(fakes->of(1).unparks, 1);
  step_of(1);
  EXPECT_EQ(fakes->unparks(), 3);
}

// Bug it is here for: a thief runs one of the tasks that it has stolen, and tells nobody of the
// others, which stand in its queue.
TEST_F(WorkerTest, WhoStealsMoreThanOneTaskWakesTheNext) {
  start(3);
  for (const std::size_t worker : {1u, 2u}) step_of(worker);
  fleet->put_into_inject([this](Context&) -> Poll<void> {
    for (const char* name : {"a", "b", "c", "d", "S"}) spawn(name);
    return kReady;
  });
  step_of(0);
  ASSERT_EQ(fakes->of(2).unparks, 1);
  ASSERT_EQ(fakes->of(1).unparks, 0) << "worker 2 is on its way";
  step_of(2);
  ASSERT_EQ(fleet->seat(2).queue.size(), 1u) << "two were stolen";
  EXPECT_EQ(fakes->of(1).unparks, 1);
}

// Bug it is here for: it stops its search when it has run what it has found. What that one opens
// wakes nobody: somebody searches, says the word.
TEST_F(WorkerTest, WhoRunsATaskDoesNotSearch) {
  start(2);
  for (const std::size_t worker : {1u, 0u}) step_of(worker);
  fleet->spawn([this](Context&) -> Poll<void> {
    for (const char* name : {"a", "b"}) spawn(name);
    EXPECT_EQ(fakes->of(1).unparks, 1);
    return kReady;
  });
  ASSERT_EQ(fakes->of(0).unparks, 1);
  ASSERT_EQ(fakes->of(1).unparks, 0);
  step_of(0);
}

// Bug it is here for: it falls asleep, and counts as one who searches. Nobody is woken any more.
TEST_F(WorkerTest, WhoHasFoundNothingSearchesNoMore) {
  start(2);
  for (int round = 1; round <= 3; ++round) {
    step_of(0);
    spawn("a");
    EXPECT_EQ(fakes->of(0).unparks, round);
    step_of(0);
  }
  EXPECT_EQ(diary, "aaa");
}

// Bug it is here for: each wake-up is followed by another, though nothing is left. (Tokio's workers
// do so.)
TEST_F(WorkerTest, WhoFindsTheLastTaskWakesNobody) {
  start(4);
  for (const std::size_t worker : {1u, 2u, 3u}) step_of(worker);
  spawn("a");
  step_of(3);
  EXPECT_EQ(diary, "a");
  EXPECT_EQ(fakes->unparks(), 1);
}

// Bug it is here for: the slot is full, the one that was in it goes to the queue, and nobody hears
// of that.
TEST_F(WorkerTest, WhatNoLongerFitsInTheSlotWakesAnother) {
  start(2);
  step_of(1);
  fleet->put_into_inject([this](Context&) -> Poll<void> {
    spawn("a");
    EXPECT_EQ(fakes->unparks(), 0) << "the next to run, by this worker";
    spawn("b");
    EXPECT_EQ(fakes->of(1).unparks, 1);
    step_of(1);
    EXPECT_EQ(diary, "a");
    return kReady;
  });
  step_of(0, 2);
  EXPECT_EQ(diary, "ab");
}

// Bug it is here for: a task that yields wakes another worker, each time; that one steals it, or
// finds that it runs already.
TEST_F(WorkerTest, WhoYieldsAloneWakesNobody) {
  start(2);
  step_of(1);
  fleet->put_into_inject(yields("y", 5));
  step_of(0, 5);
  EXPECT_EQ(diary, "yyyyy");
  EXPECT_EQ(fakes->unparks(), 0);
}

TEST_F(WorkerTest, WhoYieldsBehindOthersWakesAnother) {
  start(2);
  step_of(1);
  fleet->put_into_inject([this, polls = 0](Context& cx) mutable -> Poll<void> {
    if (polls++ > 0) return kReady;
    spawn("a");
    EXPECT_EQ(fakes->unparks(), 0);
    cx.waker().wake_by_ref();
    return kPending;
  });
  step_of(0);
  EXPECT_EQ(fakes->of(1).unparks, 1);
}

// Bug it is here for: the tasks were in inject, and whoever put them there has told somebody. That
// one has looked, when they were in nobody's hands: taken out, and not yet in the worker's queue.
TEST_F(WorkerTest, WhoTakesAShareTellsOfIt) {
  start(2);
  step_of(1);
  for (const char* name : {"a", "b"}) fleet->put_into_inject(says(name));
  step_of(0);
  ASSERT_EQ(fleet->seat(0).queue.size(), 1u);
  EXPECT_EQ(fakes->of(1).unparks, 1);
}

// Bug it is here for: it wakes by itself, and is still on the list of those who sleep.
TEST_F(WorkerTest, WhoWakesByItselfIsAwake) {
  start(2);
  step_of(1);
  step_of(0);
  fleet->put_into_inject([this](Context&) -> Poll<void> {
    spawn("a");
    spawn("b");
    EXPECT_EQ(fakes->of(0).unparks, 0) << "it polls this very task";
    EXPECT_EQ(fakes->of(1).unparks, 1);
    return kReady;
  });
  step_of(0);
}

// --- Events --------------------------------------------------------------------------------------

// Bug it is here for: a busy worker never looks for events, and a task that waits for one waits
// until all others have nothing to do.
TEST_F(WorkerTest, ABusyWorkerLooksForEventsNowAndThen) {
  start(1, 10'000, /*events=*/5);
  fleet->spawn(yields("", 100));
  step_of(0, 4);
  EXPECT_EQ(fakes->of(0).looks, 0);
  step_of(0);
  EXPECT_EQ(fakes->of(0).looks, 1);
  step_of(0, 10);
  EXPECT_EQ(fakes->of(0).looks, 3);
}

// Bug it is here for: only steps that run a task are counted; or the first one counts as zero.
TEST_F(WorkerTest, AStepThatSleepsCountsAsAnyOther) {
  start(1, /*inject=*/3, /*events=*/4);
  step_of(0, 3);
  EXPECT_EQ(fakes->of(0).looks, 0);
  step_of(0);
  EXPECT_EQ(fakes->of(0).looks, 1);
  EXPECT_EQ(fakes->of(0).sleeps, 4);
  spawn_that_spawns("ab");
  step_of(0);
  spawn("X");
  step_of(0);
  EXPECT_EQ(diary, "X") << "the sixth step is the second for inject";
}

TEST_F(WorkerTest, OneEventInASleepIsTheNextToRunAndWakesNobody) {
  start(2);
  make_waiting_tasks("a");
  step_of(1);
  fakes->of(0).in_sleep = [this] { wake_all(); };
  step_of(0, 2);
  EXPECT_EQ(diary, "a");
  EXPECT_EQ(fakes->unparks(), 0);
}

// Bugs it is here for: a wake-up for each event; the one that came last is run first.
TEST_F(WorkerTest, ManyEventsWakeOneWorkerAndRunInTheirOrder) {
  start(2);
  make_waiting_tasks("abcd");
  step_of(1);
  fakes->of(0).in_sleep = [this] {
    wake_all();
    EXPECT_EQ(fakes->unparks(), 0) << "all of them first";
  };
  step_of(0, 5);
  EXPECT_EQ(diary, "abcd");
  EXPECT_EQ(fakes->of(1).unparks, 1);
  EXPECT_EQ(fakes->unparks(), 1) << "and this one was awake";
}

// Bugs it is here for: one event is the next to run, whatever else this worker has. It goes where
// others find it if there is something in the slot, in the queue or in the backlog.
TEST_F(WorkerTest, OneEventOfABusyWorkerIsForEverybody) {
  for (const std::string has : {"slot", "queue", "backlog"}) {
    step("there is a task in the " + has);
    wakers.clear();
    start(2, 10'000, /*events=*/3);
    make_waiting_tasks("e");
    step_of(1);
    fleet->put_into_inject([this, has](Context&) -> Poll<void> {
      if (has == "slot") spawn("a");
      if (has == "backlog") fleet->seat(0).backlog.push(fleet->make(says("a")));
      if (has == "queue") {
        rt::TaskRef task = fleet->make(says("a"));
        EXPECT_TRUE(fleet->seat(0).queue.push(task));
      }
      return kReady;
    });
    step_of(0);
    ASSERT_EQ(fakes->unparks(), 0);
    fakes->of(0).in_look = [this] { wake_all(); };
    step_of(0);
    EXPECT_EQ(fakes->of(1).unparks, 1);
  }
}

// Bug it is here for: others hear of events that are in this worker's queue, and not of those that
// stand in line.
TEST_F(WorkerTest, EventsThatStandInLineWakeAnother) {
  start(2, 10'000, /*events=*/4);
  make_waiting_tasks("ef");
  step_of(1);
  fleet->put_into_inject([this](Context&) -> Poll<void> {
    spawn("a");
    rt::TaskRef task = fleet->make(says("b"));
    EXPECT_TRUE(fleet->seat(0).queue.push(task));
    fleet->put_into_inject(says("X"));
    return kReady;
  });
  step_of(0);
  ASSERT_EQ(fakes->unparks(), 0);
  fakes->of(0).in_look = [this] { wake_all(); };
  step_of(0);
  EXPECT_EQ(diary, "a");
  EXPECT_EQ(fleet->seat(0).queue.size(), 1u);
  EXPECT_EQ(fleet->shared().inject.size(), 3u);
  EXPECT_EQ(fakes->of(1).unparks, 1);
}

TEST_F(WorkerTest, EventsOfABusyWorkerComeAfterItsTasks) {
  start(1, 10'000, /*events=*/6);
  make_waiting_tasks("ab");
  spawn_that_spawns("xyz");
  step_of(0, 3);
  ASSERT_EQ(diary, "zx");
  fakes->of(0).in_look = [this] { wake_all(); };
  step_of(0, 3);
  EXPECT_EQ(diary, "zxyab");
}

// Bug it is here for: whoever has an event overtakes all who wait for a worker, again and again.
TEST_F(WorkerTest, EventsComeAfterWhatHasWaitedLonger) {
  start(1);
  make_waiting_tasks("ab");
  fakes->of(0).in_sleep = [this] {
    for (const char* name : {"X", "Y"}) fleet->put_into_inject(says(name));
    wake_all();
  };
  step_of(0, 5);
  EXPECT_EQ(diary, "XYab");
}

// Bug it is here for: more events than the ring has room for are pushed into it.
TEST_F(WorkerTest, MoreEventsThanFitGoToEverybody) {
  start(1);
  constexpr std::size_t kTasks = rt::TaskRing::kCapacity + 1;
  make_waiting_tasks(std::string(kTasks, 'e'));
  fakes->of(0).in_sleep = [this] { wake_all(); };
  step_of(0, 2);
  EXPECT_EQ(fleet->seat(0).queue.size(), rt::TaskRing::kCapacity / 2)
      << "all of them are in inject, and half a ring came back, as a share";
  for (std::size_t i = 1; i < kTasks; ++i) fleet->step(0);
  EXPECT_EQ(diary, std::string(kTasks, 'e'));
}

// --- The end -------------------------------------------------------------------------------------

// Bug it is here for: what is left is run before the end. If each task spawns another, there is
// none.
TEST_F(WorkerTest, AfterTheEndNoTaskBegins) {
  start(1);
  LifeCounter life;
  spawn_that_spawns("abc");
  step_of(0);
  fleet->spawn([this, token = life.token()](Context&) -> Poll<void> {
    diary += "X";
    return kReady;
  });
  fleet->shared().close();
  EXPECT_EQ(fakes->of(0).unparks, 1);
  EXPECT_FALSE(step_of(0));
  EXPECT_FALSE(step_of(0));
  EXPECT_EQ(diary, "");
  EXPECT_EQ(fakes->of(0).sleeps, 0);
}

// Bug it is here for: it wakes up first, as in each step after a sleep: it brings its events to
// queues that are closed, and others out of their sleep.
TEST_F(WorkerTest, AfterTheEndAWorkerThatSleptDoesNothing) {
  start(2);
  make_waiting_tasks("ab");
  step_of(1);
  fakes->of(0).in_sleep = [this] {
    wake_all();
    fleet->shared().close();
  };
  step_of(0);
  ASSERT_EQ(fakes->of(1).unparks, 1) << "by close()";
  EXPECT_FALSE(step_of(0));
  EXPECT_EQ(fakes->unparks(), 2);
  EXPECT_TRUE(fleet->seat(0).queue.empty());
  EXPECT_EQ(diary, "");
  wakers.clear();
}

// Bug it is here for: a task stays behind somewhere: in the slot, in the queue, or among the
// events.
TEST_F(WorkerTest, WhatIsLeftIsLetGoOf) {
  start(1);
  LifeCounter life;
  for (int i = 0; i < 2; ++i) {
    fleet->spawn([this, token = life.token()](Context& cx) -> Poll<void> {
      wakers.push_back(cx.waker().clone());
      return kPending;
    });
    step_of(0);
  }
  fakes->of(0).in_sleep = [this] { wake_all(); };
  step_of(0);
  fleet->shared().close();
  EXPECT_FALSE(step_of(0));
  fleet->spawn([token = life.token()](Context&) -> Poll<void> { return kReady; });
  wakers.clear();
  fleet.reset();
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
}

}  // namespace
