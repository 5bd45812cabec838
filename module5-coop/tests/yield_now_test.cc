// Giving way: by hand, on a LocalRuntime, and as a worker of module 4 has it.
#include "rt/future/yield_now.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include "absl/time/time.h"
#include "rt/future/async.h"
#include "rt/future/future.h"
#include "rt/platform/clock.h"
#include "rt/runtime/block_on.h"
#include "rt/runtime/local_runtime.h"
#include "testkit/fake_parks.h"
#include "testkit/fleet.h"
#include "testkit/testkit.h"

namespace {

namespace coop = rt::coop;
using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using testkit::CountingWaker;
using testkit::FakeParks;
using testkit::Fleet;
using testkit::TestTask;

// --- By hand -------------------------------------------------------------------------------------

TEST(YieldNow, IsPendingOnceAndThenReady) {
  TestTask task;
  rt::YieldNow yield = rt::yield_now();
  EXPECT_TRUE(task.poll(yield).is_pending());
  EXPECT_TRUE(task.poll(yield).is_ready());
}

TEST(YieldNow, WakesItsTask) {
  TestTask task;
  rt::YieldNow yield = rt::yield_now();
  EXPECT_TRUE(task.poll(yield).is_pending());
  EXPECT_EQ(task.wakes(), 1) << "Nobody else will wake it.";
  EXPECT_TRUE(task.poll(yield).is_ready());
  EXPECT_EQ(task.wakes(), 1) << "It is ready, and wakes its task all the same.";
}

TEST(YieldNow, WakesTheTaskThatPollsItNow) {
  TestTask made("made"), polled("polled");
  rt::YieldNow yield = rt::yield_now();
  rt::YieldNow moved = std::move(yield);
  EXPECT_TRUE(polled.poll(moved).is_pending());
  EXPECT_EQ(made.wakes(), 0);
  EXPECT_EQ(polled.wakes(), 1);
}

TEST(YieldNow, KeepsNoWaker) {
  TestTask task;
  {
    rt::YieldNow yield = rt::yield_now();
    EXPECT_TRUE(task.poll(yield).is_pending());
  }
  EXPECT_EQ(task.live(), 1) << "The task's own.";
}

TEST(YieldNow, OutsideOfARuntimeItComesBackByItself) {
  rt::block_on(rt::yield_now());
  const auto thrice = []() -> rt::Async<int> {
    for (int i = 0; i < 3; ++i) co_await rt::yield_now();
    co_return 3;
  };
  EXPECT_EQ(rt::block_on(thrice()), 3);
}

TEST(Defer, LeavesAMarkUntilTheNextPollBegins) {
  CountingWaker waker;
  coop::begin_poll();
  EXPECT_FALSE(coop::gave_way());
  coop::defer(waker.waker());
  EXPECT_TRUE(coop::gave_way());
  EXPECT_TRUE(coop::gave_way()) << "The second time that it is asked.";
  coop::begin_poll();
  EXPECT_FALSE(coop::gave_way());
}

TEST(Defer, TheMarkStandsBeforeTheWakeIsMade) {
  CountingWaker waker;
  bool gave_way_in_wake = false;
  waker.on_wake([&] { gave_way_in_wake = coop::gave_way(); });
  coop::begin_poll();
  coop::defer(waker.waker());
  EXPECT_TRUE(gave_way_in_wake) << "A scheduler may ask as soon as it is told.";
  coop::begin_poll();
}

TEST(Defer, AnotherThreadSeesNothingOfTheMark) {
  CountingWaker waker;
  coop::defer(waker.waker());
  bool there = true;
  std::thread([&there] {
    there = coop::gave_way();
    coop::begin_poll();
  }).join();
  EXPECT_FALSE(there);
  EXPECT_TRUE(coop::gave_way()) << "A poll has begun, but on another thread.";
  coop::begin_poll();
}

TEST(Defer, ClonesNothing) {
  CountingWaker waker;
  const rt::Waker mine = waker.waker();
  coop::defer(mine);
  EXPECT_EQ(waker.clones(), 0);
  EXPECT_EQ(waker.wakes(), 1);
  coop::begin_poll();
}

TEST(YieldNow, WhenItIsReadyNothingHasGivenWay) {
  TestTask task;
  rt::YieldNow yield = rt::yield_now();
  coop::begin_poll();
  EXPECT_TRUE(task.poll(yield).is_pending());
  EXPECT_TRUE(coop::gave_way());
  coop::begin_poll();
  EXPECT_TRUE(task.poll(yield).is_ready());
  EXPECT_FALSE(coop::gave_way());
}

TEST(YieldNow, OnALocalRuntimeTheOthersComeFirst) {
  rt::LocalRuntime runtime;
  std::string diary;
  const auto writes = [&diary](char name) -> rt::Async<> {
    for (int i = 0; i < 3; ++i) {
      diary += name;
      co_await rt::yield_now();
    }
  };
  runtime.spawn(writes('a')).detach();
  runtime.spawn(writes('b')).detach();
  runtime.run_until_stalled();
  EXPECT_EQ(diary, "ababab");
}

// --- As a worker has it --------------------------------------------------------------------------

class WorkerThatIsGivenWay : public testing::Test {
 protected:
  void start(std::size_t workers, std::uint32_t events = 10'000) {
    rt::WorkerOptions options;
    options.global_queue_interval = 10'000;
    options.event_interval = events;
    auto parks = std::make_unique<FakeParks>(workers);
    fakes = parks.get();
    fleet = std::make_unique<Fleet>(workers, std::move(parks), options);
  }
  // A task that writes its name when it is polled, and gives way in between.
  auto gives_way(char name, int polls) {
    return [this, name, left = polls](Context& cx) mutable -> Poll<void> {
      diary += name;
      if (--left == 0) return kReady;
      coop::defer(cx.waker());
      return kPending;
    };
  }
  auto says(char name) {
    return [this, name](Context&) -> Poll<void> {
      diary += name;
      return kReady;
    };
  }
  // Several tasks, in this order, in the own queue of worker 0.
  template <class... Tasks>
  void spawn_all(Tasks... tasks) {
    // From inside of a task each goes to the slot, and pushes the one before it into the queue.
    fleet->spawn(
        [this, mine = std::make_tuple(std::move(tasks)...)](Context&) mutable -> Poll<void> {
          std::apply([this](auto&... each) { (fleet->spawn(std::move(each)), ...); }, mine);
          fleet->spawn(says('|'));  // In the slot: it is polled first.
          return kReady;
        });
    steps(2);
    ASSERT_EQ(diary, "|");
    diary.clear();
  }
  void steps(int times) {
    for (int i = 0; i < times; ++i) fleet->step(0);
  }
  // The next look of worker 0 for events, or its next sleep, makes this task ready.
  void in_the_next_look(char name) {
    fakes->of(0).in_look = [this, name] { fleet->spawn(says(name)); };
  }

  FakeParks* fakes = nullptr;  // The fleet's.
  std::unique_ptr<Fleet> fleet;
  std::string diary;
};

TEST_F(WorkerThatIsGivenWay, ATaskThatIsAloneComesBackAfterALook) {
  start(1);
  fleet->spawn(gives_way('a', 3));
  steps(1);
  EXPECT_EQ(diary, "a");
  EXPECT_EQ(fakes->of(0).looks, 1);
  steps(1);
  EXPECT_EQ(diary, "aa");
  EXPECT_EQ(fakes->of(0).looks, 2);
  EXPECT_EQ(fakes->of(0).sleeps, 0) << "It has something to do.";
}

TEST_F(WorkerThatIsGivenWay, AnEventComesFirst) {
  start(1);
  in_the_next_look('e');
  fleet->spawn(gives_way('a', 2));
  steps(3);
  EXPECT_EQ(diary, "aea") << "What the look has brought was to run before a goes on.";
}

TEST_F(WorkerThatIsGivenWay, TheOthersComeFirst) {
  start(1);
  spawn_all(gives_way('a', 2), says('b'), says('c'));
  steps(4);
  EXPECT_EQ(diary, "abca");
  EXPECT_EQ(fakes->of(0).looks, 1) << "Between c and a.";
}

TEST_F(WorkerThatIsGivenWay, TwoThatGiveWayTakeTurnsAndLetEventsIn) {
  start(1);
  spawn_all(gives_way('a', 3), gives_way('b', 3));
  steps(2);
  EXPECT_EQ(diary, "ab");
  EXPECT_EQ(fakes->of(0).looks, 1) << "Both have given way: it is time for a look.";
  in_the_next_look('e');
  steps(5);
  EXPECT_EQ(diary, "ababeab");
}

TEST_F(WorkerThatIsGivenWay, OneThatGivesWayTwiceInOnePollIsWokenOnce) {
  start(1);
  int polls = 0;
  fleet->spawn([&](Context& cx) -> Poll<void> {
    if (++polls == 3) return kReady;
    coop::defer(cx.waker());
    coop::defer(cx.waker());
    return kPending;
  });
  steps(2);
  EXPECT_EQ(polls, 2);
  steps(1);
  EXPECT_EQ(polls, 3);
  steps(3);
  EXPECT_EQ(polls, 3);
}

TEST_F(WorkerThatIsGivenWay, WithTasksInTheQueueTheRegularLookBringsItBack) {
  start(1, 4);
  // b never waits and never gives way: it yields as module 4 has it.
  spawn_all(gives_way('a', 2), [this](Context& cx) -> Poll<void> {
    diary += 'b';
    cx.waker().wake_by_ref();
    return kPending;
  });
  steps(8);
  EXPECT_EQ(std::count(diary.begin(), diary.end(), 'a'), 2) << diary;
  EXPECT_GE(fakes->of(0).looks, 1);
}

TEST_F(WorkerThatIsGivenWay, AWorkerThatHasOnlyItLeftDoesNotSleep) {
  start(2);
  spawn_all(gives_way('a', 2), says('b'));
  steps(1);
  EXPECT_EQ(diary, "a") << "a stands aside, since b is ready.";
  while (diary != "ab") fleet->step(1);  // The other one steals b.
  steps(2);
  EXPECT_EQ(diary, "aba");
  EXPECT_EQ(fakes->of(0).sleeps, 0);
  EXPECT_EQ(fakes->of(0).looks, 1);
}

TEST_F(WorkerThatIsGivenWay, MoreThanAQueueHoldsComeBackToo) {
  start(1);
  int first_polls = 0, second_polls = 0;
  for (int i = 0; i < 1000; ++i) {
    fleet->spawn([&, has_yielded = false](Context& cx) mutable -> Poll<void> {
      ++(has_yielded ? second_polls : first_polls);
      if (std::exchange(has_yielded, true)) return kReady;
      coop::defer(cx.waker());
      return kPending;
    });
  }
  steps(3000);
  EXPECT_EQ(first_polls, 1000);
  EXPECT_EQ(second_polls, 1000);
}

// Two tasks that give way to each other, on worker 0, and worker 1 sleeps. `poll_takes`: by the
// clock. Returns how often somebody was woken.
class OthersHear : public WorkerThatIsGivenWay {
 protected:
  int wakes_in_64_polls(absl::Duration poll_takes) {
    const testkit::PausedClock clock;
    start(2, 8);
    const auto works = [&](Context& cx) -> Poll<void> {
      rt::clock::advance(poll_takes);
      coop::defer(cx.waker());
      return kPending;
    };
    fleet->step(1);
    EXPECT_EQ(fakes->of(1).sleeps, 1);
    for (int i = 0; i < 2; ++i) {  // Nobody is told of these, whose place is worker 0.
      rt::TaskRef task = fleet->make(works);
      EXPECT_TRUE(fleet->seat(0).queue.push(task));
    }
    steps(64);
    return fakes->of(1).unparks;
  }
};

TEST_F(OthersHear, WhenPollsTakeLong) {
  EXPECT_GT(wakes_in_64_polls(absl::Milliseconds(1)), 0) << "Two could work at the same time.";
}

TEST_F(OthersHear, AndNotWhenTheyAreShort) {
  EXPECT_EQ(wakes_in_64_polls(absl::Microseconds(10)), 0);
}

TEST_F(WorkerThatIsGivenWay, WhatIsAsideIsDroppedWithTheOthers) {
  start(1);
  {
    testkit::LifeCounter life;
    spawn_all(
        [token = life.token(), this](Context& cx) mutable -> Poll<void> {
          diary += 'a';
          coop::defer(cx.waker());
          return kPending;
        },
        says('b'));
    steps(1);
    EXPECT_EQ(diary, "a");
    fleet->shared().close();
    fleet.reset();
    EXPECT_EQ(life.live(), 0);
  }
}

TEST_F(WorkerThatIsGivenWay, ItStandsBesideNobodyElsesWake) {
  // A task that wakes itself in the plain way, in the poll after one that gave way, is not aside.
  start(1);
  fleet->spawn([this, polls = 0](Context& cx) mutable -> Poll<void> {
    diary += 'a';
    if (++polls == 1) coop::defer(cx.waker());
    if (polls == 2) cx.waker().wake_by_ref();
    return polls == 3 ? Poll<void>(kReady) : Poll<void>(kPending);
  });
  steps(2);
  EXPECT_EQ(fakes->of(0).looks, 1) << "One for the first poll, none for the second.";
  steps(1);
  EXPECT_EQ(diary, "aaa");
}

}  // namespace
