// Every interleaving of an owner and of those who steal. The ring has four slots here. What decides
// is the scenario: with five tasks, and no slot that is used twice, a queue in which two thieves
// steal at once passes.
#include "rt/runtime/steal.h"

#include <cstdint>
#include <string>
#include <utility>

#include "queue_model_parts.h"
#include "rt/runtime/local_queue.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using queue_parts::empty;
using queue_parts::expect_taken;
using queue_parts::pop;
using queue_parts::pop_all;
using queue_parts::push;
using queue_parts::push_all;
using queue_parts::take;
using queue_parts::Tasks;
using queue_parts::Thief;
using rt::LocalQueue;
using rt::Stolen;
using rt::TaskRef;
using rt::sync::Atomic;
using testkit::model::check;
using testkit::model::Options;
using testkit::model::Outcomes;
using testkit::model::Thread;

// Steals once. How many he got: they are taken, or in `own`.
std::uint32_t steal_once(LocalQueue& victim, LocalQueue& own) {
  Stolen stolen = rt::steal(victim, own);
  MODEL_REQUIRE(static_cast<bool>(stolen.task) == (stolen.count > 0));
  if (stolen.task) take(std::move(stolen.task));
  return stolen.count;
}

// Bugs it is here for: a task that both take, or that nobody takes; slots that are read before they
// were published; a claim that is made of a tail older than the head.
TEST(StealModel, OwnerAndThiefTakeEachTaskOnce) {
  Outcomes seen;
  check(Options().preemptions(3), [&seen] {
    Tasks tasks(3);
    LocalQueue queue, own;
    std::uint32_t stolen = 0;
    Thread thief([&] {
      stolen = steal_once(queue, own);
      pop_all(own);
    });
    push_all(queue, tasks, 1, 3);
    pop(queue);
    thief.join();
    empty(queue);
    expect_taken(tasks, 3);
    seen.add(std::to_string(stolen));
  });
  EXPECT_EQ(seen, Outcomes({"0", "1", "2"}));
}

// Bugs it is here for: the last task is claimed without an exchange, since there is nothing to
// halve; two thieves and the owner, each of whom takes it.
TEST(StealModel, TheLastTaskHasOneTaker) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(1);
    LocalQueue queue, one_has, two_has;
    std::uint32_t one_stole = 0, two_stole = 0;
    Thread one([&] { one_stole = steal_once(queue, one_has); });
    Thread two([&] { two_stole = steal_once(queue, two_has); });
    push_all(queue, tasks, 1, 1);
    const bool popped = pop(queue);
    one.join();
    two.join();
    MODEL_REQUIRE(one_stole + two_stole + (popped ? 1 : 0) == 1);
    for (LocalQueue* const each : {&queue, &one_has, &two_has}) empty(*each);
    expect_taken(tasks, 1);
    seen.add(popped ? "owner" : one_stole == 1 ? "one" : "two");
  });
  EXPECT_EQ(seen, Outcomes({"owner", "one", "two"}));
}

// Bug it is here for: the owner pops between the two steps of a claim, and the thief goes away with
// nothing, although tasks are left.
TEST(StealModel, AClaimThatIsDisturbedTakesWhatIsLeft) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(4);
    LocalQueue queue, own;
    push_all(queue, tasks, 1, 4);
    std::uint32_t stolen = 0;
    Thread thief([&] {
      stolen = steal_once(queue, own);
      pop_all(own);
    });
    for (int i = 0; i < 2; ++i) pop(queue);
    thief.join();
    MODEL_REQUIRE(stolen > 0);
    empty(queue);
    expect_taken(tasks, 4);
    seen.add(std::to_string(stolen));
  });
  EXPECT_EQ(seen, Outcomes({"1", "2"}));
}

// Bug it is here for: a thief waits until another one is done. That one may have lost its
// processor in the middle of its copies.
TEST(StealModel, NobodyWaitsForAnotherThief) {
  check([] {
    Tasks tasks(4);
    LocalQueue queue, own;
    push_all(queue, tasks, 1, 4);
    Thief stopped(queue.ring());
    MODEL_REQUIRE(stopped.claim() == 2);
    MODEL_REQUIRE(steal_once(queue, own) == 0);
    for (rt::TaskHeader* const task : stopped.copy()) take(TaskRef::from_raw(task));
    stopped.free();
    empty(queue);
    expect_taken(tasks, 4);
  });
}

// Bugs it is here for: slots that are free before they were copied; a theft that ends by a store
// and takes back what the owner has popped.
TEST(StealModel, TheOwnerReusesASlotOnlyAfterTheThief) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(6);
    LocalQueue queue, own;
    push_all(queue, tasks, 1, 4);
    Thread thief([&] {
      steal_once(queue, own);
      pop_all(own);
    });
    int last = 4;
    pop(queue);
    while (last < 6 && push(queue, tasks[last + 1])) ++last;
    thief.join();
    empty(queue);
    expect_taken(tasks, last);
    seen.add(std::to_string(last));
  });
  EXPECT_EQ(seen, Outcomes({"4", "5", "6"}));
}

// Bug it is here for: two thieves at once. The one who is done first frees the slots of the other,
// and the owner writes to them.
TEST(StealModel, TwoThievesAndAnOwnerWhoReusesTheSlots) {
  check([] {
    Tasks tasks(6);
    LocalQueue queue, one_has, two_has;
    push_all(queue, tasks, 1, 4);
    Thread one([&] { steal_once(queue, one_has); });
    Thread two([&] { steal_once(queue, two_has); });
    int last = 4;
    while (last < 6 && push(queue, tasks[last + 1])) ++last;
    one.join();
    two.join();
    for (LocalQueue* const each : {&queue, &one_has, &two_has}) empty(*each);
    expect_taken(tasks, last);
  });
}

// Bug it is here for: the second thief finds a head that looks as if nothing had happened since,
// and claims what is not there any more.
TEST(StealModel, ATheftWhileTheRingGoesRound) {
  check([] {
    Tasks tasks(6);
    LocalQueue queue(~std::uint32_t{0} - 1), own;
    push_all(queue, tasks, 1, 2);
    Thread thief([&] {
      steal_once(queue, own);
      pop_all(own);
    });
    int last = 2;
    for (int i = 0; i < 4; ++i) {
      pop(queue);
      if (push(queue, tasks[last + 1])) ++last;  // Else the thief has the slots still.
    }
    thief.join();
    empty(queue);
    expect_taken(tasks, last);
  });
}

// Bug it is here for: what was stolen is published before it is there.
TEST(StealModel, WhatWasStolenIsStolenAgain) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(4);
    LocalQueue first, second, third;
    push_all(first, tasks, 1, 4);
    std::uint32_t again = 0;
    Thread one([&] { steal_once(first, second); });
    Thread two([&] {
      again = steal_once(second, third);
      pop_all(third);
    });
    pop(first);
    one.join();
    two.join();
    empty(first);
    empty(second);
    expect_taken(tasks, 4);
    seen.add(std::to_string(again));
  });
  EXPECT_EQ(seen, Outcomes({"0", "1"}));
}

// Two workers run dry, and steal from each other.
TEST(StealModel, TwoStealFromEachOther) {
  check([] {
    Tasks tasks(4);
    LocalQueue left, right;
    push_all(left, tasks, 1, 2);
    push_all(right, tasks, 3, 4);
    Thread other([&] {
      steal_once(left, right);
      pop_all(right);
    });
    steal_once(right, left);
    pop_all(left);
    other.join();
    expect_taken(tasks, 4);
  });
}

// Bug it is here for: what was stolen is published with release. The thief then sees no sleeper,
// and the sleeper no task: as in 4.1.
TEST(StealModel, WhatWasStolenIsSeenByWhoGoesToSleep) {
  check([] {
    Tasks tasks(4);
    LocalQueue victim, own;
    push_all(victim, tasks, 1, 4);
    Atomic<int> sleepers{0};
    bool stays_awake = false;
    Thread sleeper([&] {
      sleepers.fetch_add(1);
      stays_awake = !own.empty();
    });
    MODEL_REQUIRE(steal_once(victim, own) == 2);
    const bool wakes = sleepers.load() > 0;
    sleeper.join();
    MODEL_REQUIRE(wakes || stays_awake);
    empty(own);
    empty(victim);
    expect_taken(tasks, 4);
  });
}

}  // namespace
