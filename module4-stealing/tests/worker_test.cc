// The loop of a worker, one step at a time: what it runs next. The Parks never sleep: a worker that
// has gone to sleep is on the list of those who sleep until its next step.
// The loop of a worker, one step at a time. The Parks never sleep: a worker that has gone to sleep
// is on the list of those who sleep until its next step.
#include "rt/runtime/worker.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "queue_parts.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/runtime/task_ring.h"
#include "testkit/fake_parks.h"
#include "testkit/fleet.h"
#include "testkit/testkit.h"
#include "worker_parts.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using testkit::FakeParks;
using testkit::Fleet;
using testkit::step;
using worker_parts::in_turn;
using worker_parts::kFirstBatch;
using worker_parts::kHalf;
using worker_parts::kLast;
using worker_parts::kSecondBatch;
using worker_parts::kTwoBatches;
using worker_parts::WorkerTest;

// --- What comes next -----------------------------------------------------------------------------

TEST_F(WorkerTest, RunsFirstWhatWasMadeReadyLastAndThenTheOthersInOrder) {
  start(1);
  spawn_that_spawns("abcd");
  step_of(0);
  EXPECT_EQ(diary, "") << "nothing is polled inside of a spawn";
  step_of(0, 4);
  EXPECT_EQ(diary, "dabc");
  EXPECT_EQ(fakes->of(0).sleeps, 0);
  EXPECT_EQ(fleet->polls(0), 5);
}

// Bug it is here for: who yields is in the slot, and is polled again before the others, for ever.
TEST_F(WorkerTest, WhoYieldsGoesBehindAllOthers) {
  start(1);
  fleet->spawn([this, polls = 0](Context& cx) mutable -> Poll<void> {
    diary += "Y";
    if (polls++ > 0) return kReady;
    spawn("a");
    spawn("b");
    cx.waker().wake_by_ref();
    return kPending;
  });
  step_of(0, 4);
  EXPECT_EQ(diary, "YbaY");
}

// Bug it is here for: the slot is free, so who yields goes there; and the queue waits.
TEST_F(WorkerTest, TwoThatYieldTakeTurns) {
  start(1);
  fleet->spawn([this](Context&) -> Poll<void> {
    fleet->spawn(yields("a", 3));
    fleet->spawn(yields("b", 3));
    return kReady;
  });
  step_of(0, 7);
  EXPECT_EQ(diary, "bababa");
}

// Bug it is here for: tasks of a worker's own that never run dry, and one from outside that waits
// for that. Here they do not even pass through the queue.
TEST_F(WorkerTest, ATaskFromOutsideIsNotStarvedByOneThatYields) {
  start(1, /*inject=*/5);
  fleet->spawn(yields("y", 20));
  step_of(0);
  spawn("A");
  step_of(0, 8);
  EXPECT_EQ(diary, "yyyyAyyyy") << "each fifth step is for inject";
}

TEST_F(WorkerTest, ATaskFromOutsideIsNotStarvedByTheOwnQueue) {
  start(1, /*inject=*/4);
  spawn_that_spawns("abcdef");
  step_of(0);
  for (const char* name : {"X", "Y"}) spawn(name);
  step_of(0, 8);
  EXPECT_EQ(diary, "faXbcdYe");
}

TEST_F(WorkerTest, TheOwnTasksComeBeforeThoseFromOutside) {
  start(1);
  spawn_that_spawns("abc");
  step_of(0);
  spawn("X");
  step_of(0, 4);
  EXPECT_EQ(diary, "cabX");
}

// Bugs it is here for: a worker that takes all, and leaves nothing for the others; one that takes
// one at a time, and comes to the lock for each.
TEST_F(WorkerTest, TakesItsShareOfWhatBelongsToNobody) {
  start(2);
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h"}) spawn(name);
  step_of(0);
  EXPECT_EQ(diary, "a");
  EXPECT_EQ(fleet->seat(0).queue.size(), 4u) << "half of 8, and one: one to run, and four more";
  EXPECT_EQ(fleet->shared().inject.size(), 3u);
  step_of(0, 4);
  EXPECT_EQ(diary, "abcde");
}

TEST_F(WorkerTest, AShareIsHalfARingAtMost) {
  start(1);
  constexpr int kTasks = 3 * rt::TaskRing::kCapacity;
  for (int i = 0; i < kTasks; ++i) fleet->spawn(says(""));
  fleet->step(0);
  EXPECT_EQ(fleet->seat(0).queue.size(), rt::TaskRing::kCapacity / 2) << "and one is run";
  for (int i = 1; i < kTasks; ++i) fleet->step(0);
  EXPECT_EQ(fleet->polls(0), kTasks);
}

// Bug they are here for: its own queue is empty, so there must be room for a share, or a batch. But
// a thief that has claimed and not copied holds its slots, and those that were popped behind them.
TEST_F(WorkerTest, AShareIsNoMoreThanThereIsRoomFor) {
  while_no_slot_is_free([this] {
    for (const char* name : {"a", "b", "c"}) fleet->put_into_inject(says(name));
  });
}

TEST_F(WorkerTest, ABatchIsNoMoreThanThereIsRoomFor) {
  while_no_slot_is_free([this] {
    for (const char* name : {"a", "b", "c"}) fleet->seat(0).backlog.push(fleet->make(says(name)));
  });
}

// --- More than fits ------------------------------------------------------------------------------

// Bug it is here for: new tasks that do not fit stand in line, and those that they spawn behind
// them. Of a tree of tasks the last generation then waits, all of it, for the others.
TEST_F(WorkerTest, NewTasksThatDoNotFitComeTheNewestBatchFirst) {
  start(1);
  spawn_many(kTwoBatches);
  steps_of(0, kTwoBatches + 1);
  EXPECT_EQ(order, in_turn({{kLast, kLast}, {0, kHalf - 1}, kSecondBatch, kFirstBatch}));
  EXPECT_TRUE(fleet->seat(0).backlog.empty());
}

// Bug it is here for: those who are woken again and again take turns, and the others wait.
TEST_F(WorkerTest, WokenTasksThatDoNotFitStandInLine) {
  start(1);
  make_waiting_numbers(kTwoBatches);
  fleet->spawn([this](Context&) -> Poll<void> {
    wake_all();
    return kReady;
  });
  steps_of(0, kTwoBatches + 1);
  EXPECT_EQ(order, in_turn({{kLast, kLast}, {0, kLast - 1}}));
}

// Bug it is here for: under load there is always something in inject, and who is new is never run.
// (What is in inject has its turn, every so many steps.)
TEST_F(WorkerTest, TheBacklogComesBeforeWhatBelongsToNobody) {
  start(1);
  spawn_many(kTwoBatches);
  step_of(0);
  fleet->put_into_inject(says("X"));
  steps_of(0, kTwoBatches);
  EXPECT_EQ(diary, "");
  step_of(0);
  EXPECT_EQ(diary, "X");
}

// Bug it is here for: a backlog that only its owner sees. He may be at one task for long.
TEST_F(WorkerTest, WhoHasNothingTakesTheOldestBatchOfAnother) {
  start(2);
  spawn_many(kTwoBatches);
  steps_of(0, kHalf + 2);
  ASSERT_TRUE(fleet->seat(0).queue.empty());
  order.clear();
  step_of(1);
  EXPECT_EQ(order, in_turn({{kHalf, kHalf}}));
  EXPECT_EQ(fleet->seat(1).queue.size(), rt::TaskRing::kCapacity / 2)
      << "one is run, and half a ring goes into its own queue";
}

// Bug it is here for: a worker that finds a batch tells nobody of it. For a moment it was nowhere.
TEST_F(WorkerTest, WhoTakesABatchTellsOfIt) {
  start(2);
  step_of(1);
  ASSERT_EQ(fakes->of(1).sleeps, 1);
  rt::TaskFifo two("test");
  for (int i = 0; i < 2; ++i) two.push(fleet->make(says("")));
  fleet->seat(0).backlog.push_batch(std::move(two));
  step_of(0);
  ASSERT_EQ(fleet->seat(0).queue.size(), 1u);
  EXPECT_EQ(fakes->of(1).unparks, 1);
}

// Bug it is here for: the ring never runs dry, since somebody yields; and what did not fit into it
// is never run.
TEST_F(WorkerTest, TheBacklogIsNotStarvedByWhoYields) {
  start(1, /*inject=*/4);
  for (int i = 0; i < 2; ++i) fleet->spawn(yields("", 100'000));
  spawn_many(kTwoBatches);
  steps_of(0, 4 * kTwoBatches);
  EXPECT_EQ(order.size(), std::size_t{kTwoBatches});
}

TEST_F(WorkerTest, InjectAndTheBacklogTakeTurns) {
  start(1, /*inject=*/1);
  spawn_many(kTwoBatches);
  step_of(0);
  for (const char* name : {"X", "Y"}) fleet->put_into_inject(says(name));
  steps_of(0, 4);
  EXPECT_EQ(diary, "XY");
  EXPECT_EQ(order, in_turn({{kSecondBatch.first, kSecondBatch.first + 1}}));
}

// Bug it is here for: the oldest of a backlog waits as long as something new comes.
TEST_F(WorkerTest, TheOldestOfABacklogHasItsTurn) {
  start(1, /*inject=*/1);
  constexpr int kTasks = 3000;
  spawn_many(kTasks);
  steps_of(0, kTasks + 1);
  ASSERT_EQ(order.size(), std::size_t{kTasks});
  EXPECT_EQ(order[1024 - 2], kHalf) << "in the 1024th step, of which the first has spawned them";
}

// --- Theft ---------------------------------------------------------------------------------------

TEST_F(WorkerTest, WhoHasNothingTakesHalfOfWhatAnotherHas) {
  start(2);
  spawn_that_spawns("abcdeS");
  step_of(0);
  step_of(1);
  EXPECT_EQ(diary.size(), 1u) << "one is run at once";
  EXPECT_EQ(fleet->seat(1).queue.size(), 2u);
  EXPECT_EQ(fleet->seat(0).queue.size(), 2u) << "and the slot";
  EXPECT_EQ(fakes->of(1).sleeps, 0);
}

TEST_F(WorkerTest, NobodyStealsWhatIsNextToRun) {
  start(2);
  spawn_that_spawns("S");
  step_of(0);
  step_of(1);
  EXPECT_EQ(diary, "");
  EXPECT_EQ(fakes->of(1).sleeps, 1);
}

// Bug it is here for: a thief before inject. What came from outside waits until nobody has anything
// left, and the workers hand each other's tasks around meanwhile.
TEST_F(WorkerTest, WhatBelongsToNobodyComesBeforeTheft) {
  start(2);
  spawn_that_spawns("abcdeS");
  step_of(0);
  fleet->put_into_inject(says("X"));
  step_of(1);
  EXPECT_EQ(diary, "X");
  EXPECT_EQ(fleet->seat(0).queue.size(), 5u) << "nothing was stolen";
  step_of(1);
  EXPECT_LT(fleet->seat(0).queue.size(), 5u);
}

// Bug it is here for: the backlog first, since it is more. But the queue is what its owner has kept
// for next, and what has waited longest.
TEST_F(WorkerTest, AThiefTakesFromTheQueueBeforeTheBacklog) {
  start(2);
  spawn_that_spawns("abS");
  step_of(0);
  fleet->seat(0).backlog.push(fleet->make(says("B")));
  step_of(1);
  EXPECT_EQ(diary, "a");
  step_of(1);
  EXPECT_EQ(diary, "ab");
  step_of(1);
  EXPECT_EQ(diary, "abB");
}

// Bug it is here for: a search that ends with the first one who has nothing, or one before the
// last.
TEST_F(WorkerTest, ASearchAsksEverybody) {
  for (const std::size_t victim : {0u, 1u, 2u}) {
    for (const bool has_backlog : {false, true}) {
      for (std::uint64_t seed = 0; seed < 10; ++seed) {
        rt::WorkerOptions options;
        options.seed = seed;
        Fleet four(4, std::make_unique<FakeParks>(4), options);
        bool runs = false;
        rt::TaskRef task = four.make([&runs](Context&) -> Poll<void> {
          runs = true;
          return kReady;
        });
        if (has_backlog) {
          four.seat(victim).backlog.push(std::move(task));
        } else {
          ASSERT_TRUE(four.seat(victim).queue.push(task));
        }
        four.step(3);
        ASSERT_TRUE(runs) << "worker " << victim << " has it, and the seed is " << seed;
      }
    }
  }
}

// Bug it is here for: Idle has said no. If all look everywhere, each fetches the lines that the
// others are about to write.
TEST_F(WorkerTest, WhoMayNotSearchTakesNothingFromOthers) {
  start(2);
  spawn_that_spawns("abS");
  step_of(0);
  ASSERT_TRUE(fleet->shared().idle.try_search());
  step("somebody searches");
  step_of(1);
  EXPECT_EQ(diary, "");
  EXPECT_EQ(fakes->of(1).sleeps, 1);
}

// Bug it is here for: all begin with worker 0, and stand in line there.
TEST_F(WorkerTest, WhereASearchBeginsIsDecidedByTheSeed) {
  const auto first_victim = [](std::uint64_t seed) {
    rt::WorkerOptions options;
    options.seed = seed;
    Fleet four(4, std::make_unique<FakeParks>(4), options);
    std::vector<std::size_t> loot(4, 0);
    for (const std::size_t victim : {0u, 1u, 2u}) {
      four.put_into_inject([&four, &loot, victim](Context&) -> Poll<void> {
        for (int i = 0; i < 2; ++i) {
          four.spawn([&loot, victim](Context&) -> Poll<void> {
            loot[victim] = 1;
            return kReady;
          });
        }
        return kReady;
      });
      four.step(victim);
    }
    four.step(3);
    for (const std::size_t victim : {0u, 1u, 2u}) {
      if (loot[victim] != 0) return victim;
    }
    return std::size_t{3};
  };
  std::set<std::size_t> victims;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    victims.insert(first_victim(seed));
    EXPECT_EQ(first_victim(seed), first_victim(seed));
  }
  EXPECT_EQ(victims, std::set<std::size_t>({0, 1, 2}));
}

}  // namespace
