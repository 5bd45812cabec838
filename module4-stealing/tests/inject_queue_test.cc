#include "rt/runtime/inject_queue.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "queue_parts.h"
#include "rt/runtime/backlog.h"
#include "rt/runtime/local_queue.h"
#include "rt/runtime/overflow.h"
#include "rt/task/task_fifo.h"
#include "testkit/testkit.h"

namespace {

using queue_parts::number_of;
using queue_parts::numbers;
using queue_parts::numbers_of;
using queue_parts::Task;
using queue_parts::Tasks;
using queue_parts::Thief;
using rt::Backlog;
using rt::InjectQueue;
using rt::LocalQueue;
using rt::TaskFifo;
using rt::TaskRing;
using testkit::step;

constexpr int kCapacity = TaskRing::kCapacity;
constexpr int kHalf = kCapacity / 2;

class QueueTest : public testing::Test {
 protected:
  TaskFifo batch(int count) {
    TaskFifo tasks("test");
    for (int i = 0; i < count; ++i) tasks.push(tasks_.next());
    return tasks;
  }
  void push(InjectQueue& inject, int count) {
    step("push " + std::to_string(count));
    for (int i = 0; i < count; ++i) inject.push(tasks_.next());
  }
  // How many left.
  std::uint32_t push_or_overflow(LocalQueue& own, InjectQueue& inject) {
    return push_or_overflow(own, tasks_.next(), inject);
  }
  std::uint32_t push_or_overflow(LocalQueue& own, rt::TaskRef task, InjectQueue& inject) {
    const std::uint32_t sent = rt::push_or_overflow(own, std::move(task), inject, backlog_);
    if (sent > 0) {
      step("push task " + std::to_string(tasks_.count()) + ": " + std::to_string(sent) + " leave");
    }
    return sent;
  }
  void fill(LocalQueue& own, InjectQueue& inject, int count = kCapacity) {
    step("push " + std::to_string(count));
    for (int i = 0; i < count; ++i) ASSERT_EQ(push_or_overflow(own, inject), 0u);
  }
  template <class Queue>
  static std::vector<int> pop_all(Queue& queue) {
    std::vector<int> all;
    while (const int number = number_of(queue.pop())) all.push_back(number);
    return all;
  }

  Tasks tasks_;
  Backlog backlog_;
};

class InjectQueueTest : public QueueTest {};
class OverflowTest : public QueueTest {};

TEST_F(InjectQueueTest, IsEmptyAtFirst) {
  InjectQueue inject;
  EXPECT_TRUE(inject.empty());
  EXPECT_EQ(number_of(inject.pop()), 0);
  EXPECT_TRUE(inject.pop_batch(3).empty());
}

TEST_F(InjectQueueTest, FirstInIsFirstOut) {
  InjectQueue inject;
  push(inject, 2);
  EXPECT_EQ(inject.size(), 2u);
  EXPECT_EQ(number_of(inject.pop()), 1);
  EXPECT_EQ(inject.size(), 1u);
  push(inject, 1);
  EXPECT_EQ(pop_all(inject), numbers(2, 3));
  EXPECT_TRUE(inject.empty());
}

TEST_F(InjectQueueTest, ABatchStaysTogether) {
  InjectQueue inject;
  push(inject, 1);
  inject.push_batch(batch(3));
  EXPECT_EQ(inject.size(), 4u);
  inject.push_batch(batch(0));
  EXPECT_EQ(inject.size(), 4u);
  push(inject, 1);
  EXPECT_EQ(pop_all(inject), numbers(1, 5));
}

// Bug it is here for: a size that is changed by one, whatever was taken.
TEST_F(InjectQueueTest, TakesSoManyAtOnce) {
  InjectQueue inject;
  push(inject, 5);
  EXPECT_EQ(numbers_of(inject.pop_batch(3)), numbers(1, 3));
  EXPECT_EQ(inject.size(), 2u);
  EXPECT_TRUE(inject.pop_batch(0).empty());
  EXPECT_EQ(inject.size(), 2u);
  EXPECT_EQ(numbers_of(inject.pop_batch(9)), numbers(4, 5));
  EXPECT_TRUE(inject.empty());
  push(inject, 1);
  EXPECT_EQ(number_of(inject.pop()), 6);
}

TEST_F(InjectQueueTest, NothingComesInOnceItIsClosed) {
  InjectQueue inject;
  push(inject, 2);
  inject.close();
  step("close");
  push(inject, 1);
  EXPECT_EQ(tasks_[3].let_go, 1);
  inject.push_batch(batch(2));
  EXPECT_EQ(tasks_.let_go(), 3);
  inject.close();
  EXPECT_EQ(inject.size(), 2u);
  EXPECT_EQ(pop_all(inject), numbers(1, 2));
  push(inject, 1);
  EXPECT_EQ(tasks_.let_go(), 6);
}

TEST_F(InjectQueueTest, WhatIsClosedGivesItsTasksInBatchesToo) {
  InjectQueue inject;
  push(inject, 3);
  inject.close();
  EXPECT_EQ(numbers_of(inject.pop_batch(2)), numbers(1, 2));
  EXPECT_EQ(inject.size(), 1u);
}

TEST_F(InjectQueueTest, LetsGoOfWhatIsLeft) {
  {
    InjectQueue inject;
    push(inject, 3);
    EXPECT_EQ(number_of(inject.pop()), 1);
  }
  EXPECT_EQ(tasks_.let_go(), 3);
}

TEST_F(OverflowTest, NothingGoesToInjectWhileThereIsRoom) {
  InjectQueue inject;
  LocalQueue own;
  fill(own, inject);
  EXPECT_TRUE(inject.empty());
  EXPECT_EQ(pop_all(own), numbers(1, kCapacity));
}

// Bugs it is here for: the older half goes, and what was taken from inject goes back there; the new
// task overtakes the half that goes.
TEST_F(OverflowTest, TheNewerHalfGoesAndTheOlderOneStays) {
  InjectQueue inject;
  LocalQueue own;
  fill(own, inject);
  EXPECT_EQ(push_or_overflow(own, inject), TaskRing::kCapacity / 2 + 1);
  EXPECT_EQ(inject.size(), TaskRing::kCapacity / 2 + 1);
  EXPECT_EQ(own.size(), TaskRing::kCapacity / 2);
  EXPECT_EQ(own.room(), TaskRing::kCapacity / 2);
  EXPECT_EQ(pop_all(own), numbers(1, kHalf));
  EXPECT_EQ(pop_all(inject), numbers(kHalf + 1, kCapacity + 1));
}

// Bugs it is here for: new tasks stand in line in inject, and are there by the million; a task that
// was run before comes to the backlog, and its turn when all newer ones have ended.
TEST_F(OverflowTest, WhatWasNeverRunGoesToTheBacklog) {
  InjectQueue inject;
  LocalQueue own;
  fill(own, inject, kCapacity - 4);
  for (const bool is_new : {true, false, true, true}) {
    step(is_new ? "push a new task" : "push one");
    ASSERT_EQ(push_or_overflow(own, is_new ? tasks_.next_new() : tasks_.next(), inject), 0u);
  }
  EXPECT_EQ(push_or_overflow(own, tasks_.next_new(), inject), TaskRing::kCapacity / 2 + 1);
  EXPECT_EQ(inject.size(), TaskRing::kCapacity / 2 - 3);
  EXPECT_EQ(numbers_of(backlog_.pop_newest(9)),
            (std::vector<int>{kCapacity - 3, kCapacity - 1, kCapacity, kCapacity + 1}));
  std::vector<int> in_line = numbers(kHalf + 1, kCapacity - 4);
  in_line.push_back(kCapacity - 2);
  EXPECT_EQ(pop_all(inject), in_line);
  EXPECT_EQ(pop_all(own), numbers(1, kHalf));
}

// The same as a story: a worker that spawns without end runs what it took from inject.
TEST_F(OverflowTest, WhatCameFromInjectDoesNotGoBack) {
  InjectQueue inject;
  LocalQueue own;
  push(inject, kHalf);
  own.push_all(inject.pop_batch(kHalf));
  fill(own, inject, kHalf);
  EXPECT_EQ(push_or_overflow(own, inject), TaskRing::kCapacity / 2 + 1);
  EXPECT_EQ(pop_all(own), numbers(1, kHalf));
}

// Bug it is here for: one task goes at a time, and each push after it pays for the lock.
TEST_F(OverflowTest, AfterItThereIsRoomForHalfARing) {
  InjectQueue inject;
  LocalQueue own;
  fill(own, inject);
  EXPECT_EQ(push_or_overflow(own, inject), TaskRing::kCapacity / 2 + 1);
  for (int i = 0; i < kHalf; ++i) ASSERT_EQ(push_or_overflow(own, inject), 0u);
  EXPECT_EQ(push_or_overflow(own, inject), TaskRing::kCapacity / 2 + 1);
  std::vector<int> stayed = numbers(1, kHalf);
  EXPECT_EQ(pop_all(own), stayed);
  EXPECT_EQ(inject.size(), TaskRing::kCapacity + 2);
}

// Bug it is here for: halves that are reckoned without the wrap.
TEST_F(OverflowTest, WorksWhereTheIndicesWrap) {
  InjectQueue inject;
  LocalQueue own(std::numeric_limits<std::uint32_t>::max() - 100);
  fill(own, inject);
  EXPECT_EQ(push_or_overflow(own, inject), TaskRing::kCapacity / 2 + 1);
  EXPECT_EQ(pop_all(own), numbers(1, kHalf));
  EXPECT_EQ(pop_all(inject), numbers(kHalf + 1, kCapacity + 1));
}

TEST_F(OverflowTest, WhatStayedCanBeStolen) {
  InjectQueue inject;
  LocalQueue own(7);
  fill(own, inject);
  EXPECT_EQ(push_or_overflow(own, inject), TaskRing::kCapacity / 2 + 1);
  Thief thief(own.ring());
  EXPECT_EQ(thief.claim(), TaskRing::kCapacity / 4);
  EXPECT_EQ(thief.copy_and_free(), numbers(1, kCapacity / 4));
  EXPECT_EQ(number_of(own.pop()), kCapacity / 4 + 1);
}

// Bug it is here for: an overflow that takes what a thief is copying.
TEST_F(OverflowTest, WhileAThiefIsAtItOnlyTheNewTaskGoes) {
  InjectQueue inject;
  LocalQueue own;
  fill(own, inject);
  Thief thief(own.ring());
  step("a thief claims two");
  ASSERT_EQ(thief.claim(2), 2u);
  EXPECT_EQ(push_or_overflow(own, inject), 1u);
  EXPECT_EQ(push_or_overflow(own, inject), 1u);
  EXPECT_EQ(own.size(), TaskRing::kCapacity - 2);
  step("he copies");
  EXPECT_EQ(thief.copy_and_free(), numbers(1, 2));
  EXPECT_EQ(push_or_overflow(own, inject), 0u);
  EXPECT_EQ(pop_all(inject), numbers(kCapacity + 1, kCapacity + 2));
  std::vector<int> expected = numbers(3, kCapacity);
  expected.push_back(kCapacity + 3);
  EXPECT_EQ(pop_all(own), expected);
}

TEST_F(OverflowTest, WhileAThiefIsAtItANewTaskGoesToTheBacklog) {
  InjectQueue inject;
  LocalQueue own;
  fill(own, inject);
  Thief thief(own.ring());
  step("a thief claims two");
  ASSERT_EQ(thief.claim(2), 2u);
  EXPECT_EQ(push_or_overflow(own, tasks_.next_new(), inject), 1u);
  EXPECT_TRUE(inject.empty());
  EXPECT_EQ(numbers_of(backlog_.pop_newest(9)), numbers(kCapacity + 1, kCapacity + 1));
  thief.copy_and_free();
}

TEST_F(OverflowTest, WhatGoesToAClosedQueueIsLetGoOf) {
  InjectQueue inject;
  LocalQueue own;
  fill(own, inject);
  inject.close();
  push_or_overflow(own, inject);
  EXPECT_EQ(tasks_.let_go(), kHalf + 1);
  EXPECT_EQ(pop_all(own), numbers(1, kHalf));
}

}  // namespace
