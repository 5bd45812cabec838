// Every interleaving of those who bring tasks to the inject queue and those who take them, and of
// an overflow with a thief. The ring has four slots here, and so an overflow sends three tasks.
#include "rt/runtime/inject_queue.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "queue_model_parts.h"
#include "rt/runtime/backlog.h"
#include "rt/runtime/local_queue.h"
#include "rt/runtime/overflow.h"
#include "rt/task/task_fifo.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using queue_parts::empty;
using queue_parts::expect_taken;
using queue_parts::pop_all;
using queue_parts::push_all;
using queue_parts::rob;
using queue_parts::take;
using queue_parts::Task;
using queue_parts::Tasks;
using queue_parts::written;
using rt::Backlog;
using rt::InjectQueue;
using rt::LocalQueue;
using rt::TaskFifo;
using rt::TaskRef;
using rt::sync::Atomic;
using testkit::model::check;
using testkit::model::cost_of;
using testkit::model::Costs;
using testkit::model::Outcomes;
using testkit::model::Thread;

bool pop(InjectQueue& inject) {
  TaskRef task = inject.pop();
  if (!task) return false;
  take(std::move(task));
  return true;
}
void pop_all(InjectQueue& inject) {
  while (pop(inject)) {
  }
}
std::size_t take_all(TaskFifo tasks) {
  std::size_t count = 0;
  for (; TaskRef task = tasks.pop(); ++count) take(std::move(task));
  return count;
}
TaskFifo batch(Tasks& tasks, int first, int last) {
  TaskFifo made("test");
  for (int n = first; n <= last; ++n) made.push(written(tasks[n]));
  return made;
}

// Bugs it is here for: a size that is written when the lock is free again, so that an older one
// stays: the queue looks empty, and its task waits for ever; tasks without a lock.
TEST(InjectQueueModel, TheSizeIsThatOfTheQueue) {
  check([] {
    Tasks tasks(2);
    InjectQueue inject;
    inject.push(written(tasks[1]));
    Thread other([&] { inject.push(written(tasks[2])); });
    MODEL_REQUIRE(pop(inject));
    other.join();
    MODEL_REQUIRE(inject.size() == 1);
    pop_all(inject);
    MODEL_REQUIRE(inject.empty());
    expect_taken(tasks, 2);
  });
}

// The same for batches.
TEST(InjectQueueModel, TheSizeIsThatOfTheQueueAlsoInBatches) {
  check([] {
    Tasks tasks(4);
    InjectQueue inject;
    inject.push_batch(batch(tasks, 1, 2));
    Thread other([&] { inject.push_batch(batch(tasks, 3, 4)); });
    MODEL_REQUIRE(take_all(inject.pop_batch(2)) == 2);
    other.join();
    MODEL_REQUIRE(inject.size() == 2);
    MODEL_REQUIRE(take_all(inject.pop_batch(4)) == 2);
    MODEL_REQUIRE(inject.empty());
    expect_taken(tasks, 4);
  });
}

// Bugs it is here for: both have seen that there is something, and the one that finds nothing
// counts all the same: less than nothing, in 64 bits, is a queue that is full for ever; both get
// the task.
TEST(InjectQueueModel, TheLastTaskHasOneTaker) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(1);
    InjectQueue inject;
    inject.push(written(tasks[1]));
    bool other_has = false;
    Thread other([&] { other_has = pop(inject); });
    const bool mine = pop(inject);
    other.join();
    MODEL_REQUIRE(mine != other_has);
    MODEL_REQUIRE(inject.empty());
    expect_taken(tasks, 1);
    seen.add(mine ? "mine" : "the other's");
  });
  EXPECT_EQ(seen, Outcomes({"mine", "the other's"}));
}

// The same for batches: who comes second gets what is left, and no more is counted than that.
TEST(InjectQueueModel, ABatchHasOneTaker) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(3);
    InjectQueue inject;
    inject.push_batch(batch(tasks, 1, 3));
    std::size_t other_has = 0;
    Thread other([&] { other_has = take_all(inject.pop_batch(2)); });
    const std::size_t mine = take_all(inject.pop_batch(2));
    other.join();
    MODEL_REQUIRE(mine + other_has == 3);
    MODEL_REQUIRE(inject.empty());
    expect_taken(tasks, 3);
    seen.add(std::to_string(mine));
  });
  EXPECT_EQ(seen, Outcomes({"1", "2"}));
}

// Bug it is here for: a batch takes the lock anew for each of its tasks, and others come in
// between.
TEST(InjectQueueModel, ABatchIsNotTornApart) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(4);
    InjectQueue inject;
    Thread other([&] { inject.push_batch(batch(tasks, 3, 4)); });
    inject.push_batch(batch(tasks, 1, 2));
    other.join();
    std::string order;
    while (TaskRef task = inject.pop()) {
      order += std::to_string(Task::of(task).number);
      take(std::move(task));
    }
    seen.add(order);
  });
  EXPECT_EQ(seen, Outcomes({"1234", "3412"}));
}

TEST(InjectQueueModel, OneLockForABatchAndNoneToLearnThatThereIsNothing) {
  check([] {
    Tasks tasks(3);
    InjectQueue inject;
    MODEL_REQUIRE(cost_of([&] { inject.push_batch(batch(tasks, 1, 3)); }).locks == 1);
    MODEL_REQUIRE(cost_of([&] { MODEL_REQUIRE(inject.size() == 3); }).locks == 0);
    MODEL_REQUIRE(cost_of([&] { take_all(inject.pop_batch(3)); }).locks == 1);
    const Costs nothing = cost_of([&] {
      MODEL_REQUIRE(inject.empty());
      MODEL_REQUIRE(!inject.pop());
      MODEL_REQUIRE(inject.pop_batch(3).empty());
    });
    MODEL_REQUIRE(nothing.locks == 0);
  });
}

// One thread pushes, and then looks whether a worker sleeps. The worker says that it sleeps, and
// then looks whether there is something. One of the two has to see the other. (rt/runtime/idle.h.)
void nobody_sleeps_beside_a_task(bool as_batch) {
  Outcomes seen;
  check([&seen, as_batch] {
    Tasks tasks(1);
    InjectQueue inject;
    Atomic<int> sleepers{0};
    bool stays_awake = false;
    Thread sleeper([&] {
      sleepers.fetch_add(1);
      stays_awake = !inject.empty();
    });
    if (as_batch) {
      inject.push_batch(batch(tasks, 1, 1));
    } else {
      inject.push(written(tasks[1]));
    }
    const bool wakes = sleepers.load() > 0;
    sleeper.join();
    MODEL_REQUIRE(wakes || stays_awake);
    MODEL_REQUIRE(pop(inject));
    seen.add(wakes ? (stays_awake ? "both" : "wakes") : "stays awake");
  });
  EXPECT_EQ(seen, Outcomes({"both", "wakes", "stays awake"}));
}

// Bug it is here for: the size is stored with release, or before the lock is taken.
TEST(InjectQueueModel, APushIsSeenByWhoGoesToSleep) { nobody_sleeps_beside_a_task(false); }
TEST(InjectQueueModel, ABatchIsSeenByWhoGoesToSleep) { nobody_sleeps_beside_a_task(true); }

// Bug it is here for: a task that comes with the close is neither in nor let go of.
TEST(InjectQueueModel, WhatComesWithTheCloseIsInOrLetGoOf) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(1);
    InjectQueue inject;
    Thread other([&] { inject.push(tasks[1].scheduled()); });
    inject.close();
    other.join();
    const bool is_in = static_cast<bool>(inject.pop());
    MODEL_REQUIRE(tasks[1].let_go == 1);
    seen.add(is_in ? "in" : "let go of");
  });
  EXPECT_EQ(seen, Outcomes({"in", "let go of"}));
}

// Bug it is here for: a push looks whether the queue is closed, and only then takes the lock to put
// its task in. Whoever has closed it has emptied it by then, and nobody looks into it again.
TEST(InjectQueueModel, NothingComesInAfterTheClose) {
  check([] {
    Tasks tasks(2);
    InjectQueue inject;
    Thread other([&] {
      inject.push(tasks[1].scheduled());
      TaskFifo one("test");
      one.push(tasks[2].scheduled());
      inject.push_batch(std::move(one));
    });
    inject.close();
    while (inject.pop()) {
    }
    other.join();
    MODEL_REQUIRE(inject.empty());
    MODEL_REQUIRE(tasks[1].let_go == 1 && tasks[2].let_go == 1);
  });
}

// Bug it is here for: a task is let go of with the lock held. Its destructor may spawn, and comes
// back here.
TEST(InjectQueueModel, NoLockIsHeldWhileATaskIsLetGoOf) {
  check([] {
    Tasks tasks(2);
    InjectQueue inject;
    inject.close();
    for (int n = 1; n <= 2; ++n) {
      tasks[n].data = &inject;
      tasks[n].on_let_go = [](Task& self) { static_cast<InjectQueue*>(self.data)->close(); };
    }
    inject.push(tasks[1].scheduled());
    TaskFifo one("test");
    one.push(tasks[2].scheduled());
    inject.push_batch(std::move(one));
    MODEL_REQUIRE(tasks[1].let_go == 1 && tasks[2].let_go == 1);
  });
}

// --- Overflow ---

// Bugs it is here for: an overflow that takes what a thief has claimed; one that both send and
// steal; a new tail before the old tasks are out.
TEST(OverflowModel, OverflowAndThiefTakeEachTaskOnce) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(6);
    LocalQueue own;
    InjectQueue inject;
    Backlog backlog;
    push_all(own, tasks, 1, 4);
    Thread thief([&] {
      rob(own);
      rob(own);
    });
    std::string sent;
    for (int n = 5; n <= 6; ++n) {
      sent += std::to_string(push_or_overflow(own, written(tasks[n]), inject, backlog));
    }
    thief.join();
    empty(own);
    pop_all(inject);
    expect_taken(tasks, 6);
    seen.add(sent);
  });
  EXPECT_EQ(seen, Outcomes({"00", "10", "11", "30"}));
}

// Bugs it is here for: the claim of the whole ring, or the tail that brings the older half back,
// does not release. The thief is there before the first push: whatever he reads of the ring,
// nothing but its head and its tail has told him of it.
TEST(OverflowModel, AThiefWhoWasThereBeforeSeesWhatStayed) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(5);
    LocalQueue own;
    InjectQueue inject;
    Backlog backlog;
    std::uint32_t stolen = 0;
    Thread thief([&] { stolen = rob(own); });
    std::uint32_t sent = 0;
    for (int n = 1; n <= 5; ++n) sent += push_or_overflow(own, written(tasks[n]), inject, backlog);
    thief.join();
    empty(own);
    pop_all(inject);
    expect_taken(tasks, 5);
    seen.add(std::to_string(sent) + " sent, " + std::to_string(stolen) + " stolen");
  });
  EXPECT_TRUE(seen.contains("3 sent, 0 stolen"));
  EXPECT_TRUE(seen.contains("3 sent, 1 stolen"));
}

// Bug it is here for: what stayed is put back with a release store, and nobody sees it who goes to
// sleep at that moment. For a while the queue was empty.
TEST(OverflowModel, WhatStayedIsSeenByWhoGoesToSleep) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(5);
    LocalQueue own;
    InjectQueue inject;
    Backlog backlog;
    push_all(own, tasks, 1, 4);
    Atomic<int> sleepers{0};
    bool stays_awake = false;
    Thread sleeper([&] {
      sleepers.fetch_add(1);
      stays_awake = !own.empty();
    });
    MODEL_REQUIRE(push_or_overflow(own, written(tasks[5]), inject, backlog) == 3);
    const bool wakes = sleepers.load() > 0;
    sleeper.join();
    MODEL_REQUIRE(wakes || stays_awake);
    empty(own);
    pop_all(inject);
    expect_taken(tasks, 5);
    seen.add(wakes ? (stays_awake ? "both" : "wakes") : "stays awake");
  });
  EXPECT_EQ(seen, Outcomes({"both", "wakes", "stays awake"}));
}

// Bug it is here for: those that leave go one by one, and each takes the lock.
TEST(OverflowModel, OneLockForAllThatLeave) {
  check([] {
    Tasks tasks(5);
    LocalQueue own;
    InjectQueue inject;
    Backlog backlog;
    push_all(own, tasks, 1, 4);
    const Costs costs = cost_of(
        [&] { MODEL_REQUIRE(push_or_overflow(own, written(tasks[5]), inject, backlog) == 3); });
    MODEL_REQUIRE(costs.locks == 1);
    empty(own);
    pop_all(inject);
    expect_taken(tasks, 5);
  });
}

// The thief comes while the halves are parted, and the owner goes on.
TEST(OverflowModel, TheOwnerGoesOnAfterAnOverflow) {
  check([] {
    Tasks tasks(7);
    LocalQueue own(~std::uint32_t{0} - 2);
    InjectQueue inject;
    Backlog backlog;
    push_all(own, tasks, 1, 4);
    Thread thief([&] {
      rob(own, 1);
      pop(inject);
    });
    push_or_overflow(own, written(tasks[5]), inject, backlog);
    queue_parts::pop(own);
    for (int n = 6; n <= 7; ++n) push_or_overflow(own, written(tasks[n]), inject, backlog);
    thief.join();
    empty(own);
    pop_all(inject);
    expect_taken(tasks, 7);
  });
}

}  // namespace
