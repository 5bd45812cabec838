// The loop of a worker, one step at a time. The Parks never sleep: a worker that has gone to sleep
// is on the list of those who sleep until its next step.
#include "rt/runtime/worker.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "queue_parts.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/runtime/task_ring.h"
#include "testkit/fake_parks.h"
#include "testkit/fleet.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::Waker;
using testkit::FakeParks;
using testkit::Fleet;
using testkit::LifeCounter;
using testkit::step;

class WorkerTest : public testing::Test {
 protected:
  // Workers with nothing to do. The intervals are so long that a test does not meet them by chance.
  void start(std::size_t workers, std::uint32_t inject = 10'000, std::uint32_t events = 10'000) {
    rt::WorkerOptions options;
    options.global_queue_interval = inject;
    options.event_interval = events;
    auto parks = std::make_unique<FakeParks>(workers);
    fakes = parks.get();
    fleet = std::make_unique<Fleet>(workers, std::move(parks), options);
  }

  bool step_of(std::size_t worker, int times = 1) {
    bool goes_on = true;
    for (int i = 0; i < times; ++i) {
      step("worker " + std::to_string(worker) + " takes a step");
      goes_on = fleet->step(worker);
    }
    return goes_on;
  }
  // A task that writes its name when it is polled, and ends.
  auto says(std::string name) {
    return [this, name = std::move(name)](Context&) -> Poll<void> {
      diary += name;
      return kReady;
    };
  }
  // A task that writes its name when it is polled, `polls` times, and yields in between.
  auto yields(std::string name, int polls) {
    return [this, name = std::move(name), left = polls](Context& cx) mutable -> Poll<void> {
      diary += name;
      if (--left == 0) return kReady;
      cx.waker().wake_by_ref();
      return kPending;
    };
  }
  void spawn(const std::string& name) { fleet->spawn(says(name)); }
  // A task that spawns those with these names, one after the other, and ends.
  void spawn_that_spawns(std::string names) {
    fleet->spawn([this, names = std::move(names)](Context&) -> Poll<void> {
      for (const char name : names) spawn(std::string(1, name));
      return kReady;
    });
  }
  // A task that spawns so many, and ends. They write their numbers, from 0.
  void spawn_many(int count) {
    fleet->spawn([this, count](Context&) -> Poll<void> {
      for (int n = 0; n < count; ++n) {
        fleet->spawn([this, n](Context&) -> Poll<void> {
          order.push_back(n);
          return kReady;
        });
      }
      return kReady;
    });
  }
  // So many that wait first, and leave their wakers.
  void make_waiting_numbers(int count) {
    for (int n = 0; n < count; ++n) {
      fleet->spawn([this, n, polls = 0](Context& cx) mutable -> Poll<void> {
        if (polls++ > 0) {
          order.push_back(n);
          return kReady;
        }
        wakers.push_back(cx.waker().clone());
        return kPending;
      });
      fleet->step(0);
    }
  }
  // Brings tasks to worker 0, whose queue is empty and has no room.
  void while_no_slot_is_free(const std::function<void()>& bring_a_b_c);

  void steps_of(std::size_t worker, int times) {
    step("worker " + std::to_string(worker) + " takes " + std::to_string(times) + " steps");
    for (int i = 0; i < times; ++i) fleet->step(worker);
  }
  // Tasks that wait, and leave their wakers: worker 0 polls them, and then has nothing to do.
  void make_waiting_tasks(const std::string& names) {
    for (const char name : names) {
      fleet->spawn([this, name, polls = 0](Context& cx) mutable -> Poll<void> {
        if (polls++ == 0) {
          wakers.push_back(cx.waker().clone());
          return kPending;
        }
        diary += name;
        return kReady;
      });
      step_of(0);
    }
  }
  void wake_all() {
    for (const Waker& waker : wakers) waker.wake_by_ref();
  }

  FakeParks* fakes = nullptr;  // The fleet's.
  std::unique_ptr<Fleet> fleet;
  std::vector<Waker> wakers;
  std::string diary;
  std::vector<int> order;  // Of those that are numbers.
};

// So many tasks that the ring overflows twice, when one after the other is made ready. Half a ring
// of them stay; the last is in the slot.
constexpr int kHalf = rt::TaskRing::kCapacity / 2;
constexpr std::pair<int, int> kFirstBatch(kHalf, 2 * kHalf);
constexpr std::pair<int, int> kSecondBatch(2 * kHalf + 1, 3 * kHalf + 1);
constexpr int kLast = kSecondBatch.second + 1;
constexpr int kTwoBatches = kLast + 1;

// "0 to 2, and then 7 to 7".
std::vector<int> in_turn(const std::vector<std::pair<int, int>>& ranges) {
  std::vector<int> all;
  for (const auto& [first, last] : ranges) {
    const std::vector<int> part = queue_parts::numbers(first, last);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

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

// Bug it is here for: its own queue is empty, so there must be room for a share, or a batch. But a
// thief that has claimed and not copied holds its slots, and those that were popped behind them.
void WorkerTest::while_no_slot_is_free(const std::function<void()>& bring_a_b_c) {
  start(1);
  rt::LocalQueue& own = fleet->seat(0).queue;
  constexpr int kCapacity = rt::TaskRing::kCapacity;
  for (int i = 0; i < kCapacity; ++i) {
    rt::TaskRef task = fleet->make(says(""));
    ASSERT_TRUE(own.push(task));
  }
  queue_parts::Thief thief(own.ring());
  step("a thief claims half of the ring, and stops");
  ASSERT_EQ(thief.claim(), rt::TaskRing::kCapacity / 2);
  for (int i = 0; i < kCapacity / 2; ++i) fleet->step(0);
  ASSERT_TRUE(own.empty());
  bring_a_b_c();
  step_of(0);
  EXPECT_EQ(diary, "a");
  EXPECT_TRUE(own.empty()) << "no slot is free";
  step("the thief copies, and frees his slots");
  for (rt::TaskHeader* const task : thief.copy()) {
    const rt::TaskRef let_go = rt::TaskRef::from_raw(task);
  }
  thief.free();
  step_of(0, 2);
  EXPECT_EQ(diary, "abc");
}

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
