// Every interleaving of those who bring tasks to the inject queue and those who take them, and of
// an overflow with a thief. The ring has four slots here, and so an overflow sends three tasks.
#include "rt/runtime/inject_queue.h"

#include <cstddef>
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
