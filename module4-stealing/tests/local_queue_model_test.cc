// Every interleaving of the owner of a queue with a thief, and with a worker that goes to sleep.
// The ring has four slots here. The thief is the test's own: rt/runtime/steal.h comes later.
#include "rt/runtime/local_queue.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "queue_model_parts.h"
#include "rt/task/task_fifo.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using queue_parts::empty;
using queue_parts::expect_taken;
using queue_parts::pop;
using queue_parts::pop_all;
using queue_parts::push;
using queue_parts::push_all;
using queue_parts::rob;
using queue_parts::Tasks;
using queue_parts::written;
using rt::LocalQueue;
using rt::TaskFifo;
using rt::sync::Atomic;
using testkit::model::check;
using testkit::model::Options;
using testkit::model::Outcomes;
using testkit::model::Thread;

// Bugs it is here for: a task that both take, or that nobody takes; a slot that is read before it
// was published; a pop that moves the head and does not release, so that a thief who sees the new
// head still reads an old tail.
TEST(LocalQueueModel, OwnerAndThiefTakeEachTaskOnce) {
  Outcomes seen;
  check(Options().preemptions(3), [&seen] {
    Tasks tasks(3);
    LocalQueue queue;
    std::uint32_t stolen = 0;
    Thread thief([&] { stolen = rob(queue); });
    push_all(queue, tasks, 1, 3);
    pop(queue);
    thief.join();
    empty(queue);
    expect_taken(tasks, 3);
    seen.add(std::to_string(stolen));
  });
  EXPECT_EQ(seen, Outcomes({"0", "1", "2"}));
}

// Bugs it is here for: the last task is taken without an exchange, since nothing is left to fight
// for; or owner and thief both leave it to the other.
TEST(LocalQueueModel, TheLastTaskHasOneTaker) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(1);
    LocalQueue queue;
    std::uint32_t stolen = 0;
    Thread thief([&] { stolen = rob(queue); });
    push_all(queue, tasks, 1, 1);
    const bool popped = pop(queue);
    thief.join();
    MODEL_REQUIRE(popped == (stolen == 0));
    empty(queue);
    expect_taken(tasks, 1);
    seen.add(popped ? "owner" : "thief");
  });
  EXPECT_EQ(seen, Outcomes({"owner", "thief"}));
}

// Bug it is here for: a thief comes between two steps of a pop, and the pop gives none, although
// tasks are left. The worker then looks elsewhere, or sleeps.
TEST(LocalQueueModel, APopThatIsDisturbedGivesWhatIsLeft) {
  check([] {
    Tasks tasks(3);
    LocalQueue queue;
    Thread thief([&] { rob(queue); });
    push_all(queue, tasks, 1, 3);
    MODEL_REQUIRE(pop(queue));  // He has two of them at most.
    thief.join();
    empty(queue);
    expect_taken(tasks, 3);
  });
}

// Bugs it is here for: capacity counted from what is left; a slot that the owner takes for free
// while the thief copies it.
TEST(LocalQueueModel, TheOwnerReusesASlotOnlyAfterTheThief) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(7);
    LocalQueue queue;
    push_all(queue, tasks, 1, 4);
    Thread thief([&] { rob(queue, 2); });
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

// The same where the indices wrap, and with a second theft.
TEST(LocalQueueModel, TwoTheftsWhereTheIndicesWrap) {
  check([] {
    Tasks tasks(6);
    LocalQueue queue(~std::uint32_t{0} - 1);
    push_all(queue, tasks, 1, 3);
    Thread thief([&] {
      rob(queue);
      rob(queue);
    });
    pop(queue);
    int last = 3;
    while (last < 5 && push(queue, tasks[last + 1])) ++last;
    thief.join();
    empty(queue);
    expect_taken(tasks, last);
  });
}

// Bug it is here for: a batch that can be seen before it is whole.
TEST(LocalQueueModel, ABatchIsPublishedInOneStep) {
  Outcomes seen;
  check([&seen] {
    Tasks tasks(3);
    LocalQueue queue;
    TaskFifo batch("test");
    for (int n = 1; n <= 3; ++n) batch.push(written(tasks[n]));
    std::uint32_t stolen = 0;
    Thread thief([&] { stolen = rob(queue); });
    queue.push_all(std::move(batch));
    thief.join();
    empty(queue);
    expect_taken(tasks, 3);
    seen.add(std::to_string(stolen));
  });
  EXPECT_EQ(seen, Outcomes({"0", "2"}));
}

// One worker pushes, and then looks whether somebody sleeps. The other says that it sleeps, and
// then looks whether there is something. One of the two has to see the other. (rt/runtime/idle.h.)
void nobody_sleeps_beside_a_task(bool as_batch) {
  Outcomes seen;
  check([&seen, as_batch] {
    Tasks tasks(1);
    LocalQueue queue;
    Atomic<int> sleepers{0};
    bool stays_awake = false;
    Thread sleeper([&] {
      sleepers.fetch_add(1);
      stays_awake = !queue.empty();
    });
    if (as_batch) {
      TaskFifo batch("test");
      batch.push(written(tasks[1]));
      queue.push_all(std::move(batch));
    } else {
      push_all(queue, tasks, 1, 1);
    }
    const bool wakes = sleepers.load() > 0;
    sleeper.join();
    MODEL_REQUIRE(wakes || stays_awake);
    MODEL_REQUIRE(pop(queue));
    seen.add(wakes ? (stays_awake ? "both" : "wakes") : "stays awake");
  });
  EXPECT_EQ(seen, Outcomes({"both", "wakes", "stays awake"}));
}

// Bug it is here for: the tail is published with release, and both miss: the store still waits in
// its core's buffer when the owner looks for sleepers. A test on an x86 sees that once in a while.
TEST(LocalQueueModel, APushIsSeenByWhoGoesToSleep) { nobody_sleeps_beside_a_task(false); }
TEST(LocalQueueModel, ABatchIsSeenByWhoGoesToSleep) { nobody_sleeps_beside_a_task(true); }

// Bug it is here for: a head that can be seen before the tail it was counted from.
TEST(LocalQueueModel, SizeIsNeverMoreThanThereWas) {
  check([] {
    Tasks tasks(2);
    LocalQueue queue;
    Thread other([&] { MODEL_REQUIRE(queue.size() <= 2); });
    for (int n = 1; n <= 2; ++n) {
      push_all(queue, tasks, n, n);
      MODEL_REQUIRE(pop(queue));
    }
    other.join();
  });
}

}  // namespace
