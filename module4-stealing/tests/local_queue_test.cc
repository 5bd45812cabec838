#include "rt/runtime/local_queue.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "queue_parts.h"
#include "rt/task/task_fifo.h"
#include "testkit/testkit.h"

namespace {

using queue_parts::number_of;
using queue_parts::numbers;
using queue_parts::Tasks;
using queue_parts::Thief;
using rt::LocalQueue;
using rt::TaskFifo;
using rt::TaskRef;
using rt::TaskRing;
using testkit::step;

constexpr int kCapacity = TaskRing::kCapacity;
constexpr std::uint32_t kLastIndex = std::numeric_limits<std::uint32_t>::max();

// A queue and its tasks, and a log of what is done.
class LocalQueueTest : public testing::Test {
 protected:
  bool push(LocalQueue& queue) {
    const bool is_in = push_unseen(queue);
    step("push " + std::to_string(tasks_.count()) + (is_in ? "" : ": no room"));
    return is_in;
  }
  bool push_unseen(LocalQueue& queue) {
    TaskRef task = tasks_.next();
    const bool is_in = queue.push(task);
    EXPECT_EQ(static_cast<bool>(task), !is_in) << "the task is the queue's now, or still ours";
    return is_in;
  }
  void push_many(LocalQueue& queue, int count) {
    step("push " + std::to_string(count) + ", from " + std::to_string(tasks_.count() + 1));
    for (int i = 0; i < count; ++i) ASSERT_TRUE(push_unseen(queue));
  }
  // 0: there was none.
  int pop(LocalQueue& queue) {
    const int number = number_of(queue.pop());
    step("pop: " + std::to_string(number));
    return number;
  }
  std::vector<int> pop_all(LocalQueue& queue) {
    std::vector<int> all;
    while (const int number = number_of(queue.pop())) all.push_back(number);
    step("pop all: " + std::to_string(all.size()));
    return all;
  }
  TaskFifo batch(int count) {
    TaskFifo tasks("test");
    for (int i = 0; i < count; ++i) tasks.push(tasks_.next());
    return tasks;
  }

  Tasks tasks_;
};

TEST_F(LocalQueueTest, IsEmptyAtFirst) {
  LocalQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.room(), TaskRing::kCapacity);
  EXPECT_EQ(pop(queue), 0);
}

TEST_F(LocalQueueTest, FirstInIsFirstOut) {
  LocalQueue queue;
  push_many(queue, 3);
  EXPECT_EQ(queue.size(), 3u);
  EXPECT_EQ(pop(queue), 1);
  push_many(queue, 1);
  EXPECT_EQ(pop_all(queue), numbers(2, 4));
  EXPECT_TRUE(queue.empty());
}

// Bug it is here for: a ring that is full looks like one that is empty.
TEST_F(LocalQueueTest, TakesAsManyAsThereAreSlotsAndNoMore) {
  LocalQueue queue;
  push_many(queue, kCapacity);
  EXPECT_EQ(queue.size(), TaskRing::kCapacity);
  EXPECT_EQ(queue.room(), 0u);
  EXPECT_FALSE(push(queue));
  EXPECT_EQ(pop(queue), 1);
  EXPECT_EQ(queue.room(), 1u);
  EXPECT_TRUE(push(queue));
  EXPECT_FALSE(push(queue));
  EXPECT_EQ(queue.size(), TaskRing::kCapacity);
}

TEST_F(LocalQueueTest, KeepsTheOrderRoundAfterRound) {
  LocalQueue queue;
  int expected = 0;
  for (int round = 0; round < 20; ++round) {
    push_many(queue, 100);
    if (round == 0) push_many(queue, 77);  // So that the rounds begin in different slots.
    for (int i = 0; i < 100; ++i) ASSERT_EQ(number_of(queue.pop()), ++expected);
  }
  EXPECT_EQ(queue.size(), 77u);
}

// Bug it is here for: indices that are compared as if they never wrapped.
TEST_F(LocalQueueTest, GoesOnWhereTheIndicesWrap) {
  LocalQueue queue(kLastIndex - 2);
  push_many(queue, 6);
  EXPECT_EQ(queue.size(), 6u);
  EXPECT_EQ(queue.room(), TaskRing::kCapacity - 6);
  EXPECT_EQ(pop_all(queue), numbers(1, 6));
}

TEST_F(LocalQueueTest, IsFullWhereTheIndicesWrap) {
  LocalQueue queue(kLastIndex - 2);
  push_many(queue, kCapacity);
  EXPECT_EQ(queue.room(), 0u);
  EXPECT_FALSE(push(queue));
  EXPECT_EQ(pop(queue), 1);
  EXPECT_TRUE(push(queue));
}

TEST_F(LocalQueueTest, PushAllKeepsTheOrder) {
  LocalQueue queue;
  push_many(queue, 2);
  queue.push_all(batch(3));
  EXPECT_EQ(queue.size(), 5u);
  queue.push_all(batch(0));
  EXPECT_EQ(queue.size(), 5u);
  EXPECT_EQ(pop_all(queue), numbers(1, 5));
}

TEST_F(LocalQueueTest, PushAllFillsTheRingToItsLastSlot) {
  LocalQueue queue(kLastIndex - 2);
  push_many(queue, 1);
  EXPECT_EQ(pop(queue), 1);
  queue.push_all(batch(kCapacity));
  EXPECT_EQ(queue.room(), 0u);
  EXPECT_EQ(pop_all(queue), numbers(2, kCapacity + 1));
}

TEST_F(LocalQueueTest, LetsGoOfWhatIsLeft) {
  {
    LocalQueue queue;
    push_many(queue, 3);
    EXPECT_EQ(pop(queue), 1);
    EXPECT_EQ(tasks_.let_go(), 1);
  }
  EXPECT_EQ(tasks_.let_go(), 3);
}

// --- With a thief in it that has stopped between two steps ---

// Bug it is here for: capacity is counted from the tasks that are left, and a push goes into a slot
// that is being copied.
TEST_F(LocalQueueTest, RoomIsMadeByTheThiefOnlyOnceHeHasCopied) {
  LocalQueue queue;
  push_many(queue, kCapacity);
  Thief thief(queue.ring());
  step("a thief claims two");
  ASSERT_EQ(thief.claim(2), 2u);
  EXPECT_EQ(queue.size(), TaskRing::kCapacity - 2);
  EXPECT_EQ(queue.room(), 0u);
  EXPECT_FALSE(push(queue));
  EXPECT_EQ(pop(queue), 3);
  EXPECT_EQ(queue.room(), 0u) << "the slot that a pop leaves is behind those of the thief";
  EXPECT_FALSE(push(queue));
  step("the thief copies");
  EXPECT_EQ(thief.copy_and_free(), numbers(1, 2));
  EXPECT_EQ(queue.room(), 3u);
  EXPECT_TRUE(push(queue));
}

// Bug it is here for: a pop ends the theft that is going on, and the next thief comes in, or the
// owner writes where he copies.
TEST_F(LocalQueueTest, APopLeavesTheThiefsTasksAlone) {
  LocalQueue queue;
  push_many(queue, 4);
  Thief thief(queue.ring());
  step("a thief claims two");
  ASSERT_EQ(thief.claim(2), 2u);
  EXPECT_EQ(pop(queue), 3);
  const TaskRing::Head head = TaskRing::unpack(queue.ring().head.load());
  EXPECT_EQ(head.steal, 0u);
  EXPECT_EQ(head.real, 3u);
  EXPECT_EQ(pop_all(queue), numbers(4, 4));
  step("the thief copies");
  EXPECT_EQ(thief.copy_and_free(), numbers(1, 2));
  EXPECT_EQ(queue.room(), TaskRing::kCapacity);
}

// Bug it is here for: the queue is taken for empty only when the thief is done, and the owner takes
// what is not his.
TEST_F(LocalQueueTest, IsEmptyWhenAThiefHasTheRest) {
  LocalQueue queue;
  push_many(queue, 1);
  Thief thief(queue.ring());
  step("a thief claims the one");
  ASSERT_EQ(thief.claim(), 1u);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(pop(queue), 0);
  EXPECT_TRUE(push(queue));
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(pop(queue), 2);
  step("the thief copies");
  EXPECT_EQ(thief.copy_and_free(), numbers(1, 1));
  EXPECT_EQ(pop(queue), 0);
  EXPECT_EQ(queue.room(), TaskRing::kCapacity);
}

TEST_F(LocalQueueTest, AfterATheftItIsAQueueLikeBefore) {
  LocalQueue queue(kLastIndex - 1);
  push_many(queue, 4);
  Thief thief(queue.ring());
  step("a thief claims the older half, and copies");
  ASSERT_EQ(thief.claim(), 2u);
  EXPECT_EQ(thief.copy_and_free(), numbers(1, 2));
  EXPECT_EQ(pop(queue), 3);
  const TaskRing::Head head = TaskRing::unpack(queue.ring().head.load());
  EXPECT_FALSE(head.is_stolen_from()) << "with no thief in it a pop moves both numbers";
  push_many(queue, kCapacity - 1);
  EXPECT_EQ(queue.room(), 0u);
  EXPECT_EQ(pop_all(queue), numbers(4, kCapacity + 3));
}

}  // namespace
