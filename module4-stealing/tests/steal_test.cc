#include "rt/runtime/steal.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "queue_parts.h"
#include "rt/runtime/local_queue.h"
#include "testkit/testkit.h"

namespace {

using queue_parts::number_of;
using queue_parts::numbers;
using queue_parts::Task;
using queue_parts::Tasks;
using queue_parts::Thief;
using rt::LocalQueue;
using rt::Stolen;
using rt::TaskRef;
using rt::TaskRing;
using testkit::step;

constexpr int kCapacity = TaskRing::kCapacity;
constexpr int kHalf = kCapacity / 2;
constexpr std::uint32_t kLastIndex = std::numeric_limits<std::uint32_t>::max();

class StealTest : public testing::Test {
 protected:
  void push(LocalQueue& queue, int count) {
    step("push " + std::to_string(count));
    for (int i = 0; i < count; ++i) {
      TaskRef task = tasks_.next();
      ASSERT_TRUE(queue.push(task));
    }
  }
  static std::vector<int> pop_all(LocalQueue& queue) {
    std::vector<int> all;
    while (const int number = number_of(queue.pop())) all.push_back(number);
    return all;
  }
  // Steals; expects `last` to be returned, of `count`, or nothing for 0.
  void steal(LocalQueue& victim, LocalQueue& own, std::uint32_t count, int last) {
    Stolen stolen = rt::steal(victim, own);
    const int number = stolen.task ? Task::of(stolen.task).number : 0;
    step("steal: " + std::to_string(stolen.count) + ", to run: " + std::to_string(number));
    EXPECT_EQ(stolen.count, count);
    EXPECT_EQ(number, last);
    const TaskRing::Head head = TaskRing::unpack(victim.ring().head.load());
    if (count > 0) {
      EXPECT_FALSE(head.is_stolen_from()) << "the slots are free again, after it";
    }
  }

  Tasks tasks_;
};

TEST_F(StealTest, TakesTheOlderHalf) {
  LocalQueue victim, own;
  push(victim, 6);
  steal(victim, own, 3, 3);
  EXPECT_EQ(own.size(), 2u);
  EXPECT_EQ(victim.size(), 3u);
  EXPECT_EQ(victim.room(), TaskRing::kCapacity - 3);
  EXPECT_EQ(pop_all(own), numbers(1, 2));
  EXPECT_EQ(pop_all(victim), numbers(4, 6));
}

// Bug it is here for: half of one is none, and the last task waits for a busy owner.
TEST_F(StealTest, RoundsUp) {
  LocalQueue victim, own;
  push(victim, 1);
  steal(victim, own, 1, 1);
  EXPECT_TRUE(own.empty());
  EXPECT_TRUE(victim.empty());
  push(victim, 5);
  steal(victim, own, 3, 4);
  EXPECT_EQ(pop_all(own), numbers(2, 3));
  EXPECT_EQ(pop_all(victim), numbers(5, 6));
}

TEST_F(StealTest, ThereIsNothingToTakeFromAnEmptyQueue) {
  LocalQueue victim, own;
  steal(victim, own, 0, 0);
  push(victim, 1);
  EXPECT_EQ(pop_all(victim), numbers(1, 1));
  steal(victim, own, 0, 0);
  EXPECT_TRUE(own.empty());
}

TEST_F(StealTest, TakesHalfOfAFullQueue) {
  LocalQueue victim, own;
  push(victim, kCapacity);
  steal(victim, own, kHalf, kHalf);
  EXPECT_EQ(victim.room(), TaskRing::kCapacity / 2);
  EXPECT_EQ(pop_all(own), numbers(1, kHalf - 1));
  EXPECT_EQ(pop_all(victim), numbers(kHalf + 1, kCapacity));
}

TEST_F(StealTest, PutsThemBehindWhatTheThiefHas) {
  LocalQueue victim, own;
  push(own, 2);
  push(victim, 4);
  steal(victim, own, 2, 4);
  EXPECT_EQ(pop_all(own), numbers(1, 3));
  EXPECT_EQ(pop_all(victim), numbers(5, 6));
}

TEST_F(StealTest, TakesAgainAndAgain) {
  LocalQueue victim, own;
  push(victim, 10);
  steal(victim, own, 5, 5);
  steal(victim, own, 3, 8);
  steal(victim, own, 1, 9);
  steal(victim, own, 1, 10);
  steal(victim, own, 0, 0);
  EXPECT_EQ(pop_all(own), (std::vector<int>{1, 2, 3, 4, 6, 7}));
}

// Bug it is here for: indices of one ring are used for the other, or wrap.
TEST_F(StealTest, WorksWhereTheIndicesWrap) {
  LocalQueue victim(kLastIndex - 1), own(kLastIndex - 2);
  push(own, 1);
  push(victim, 8);
  steal(victim, own, 4, 5);
  EXPECT_EQ(pop_all(own), numbers(1, 4));
  EXPECT_EQ(pop_all(victim), numbers(6, 9));
}

TEST_F(StealTest, WhatIsTakenIsLetGoOfOnce) {
  {
    LocalQueue victim, own;
    push(victim, 8);
    steal(victim, own, 4, 4);
    EXPECT_EQ(tasks_.let_go(), 1) << "the one that was returned";
  }
  EXPECT_EQ(tasks_.let_go(), 8);
}

// --- When it may not ---

// Bug it is here for: half a ring is copied to where there is no room for it.
TEST_F(StealTest, TakesNothingWhenTheThiefHasMoreThanHalf) {
  LocalQueue victim, own;
  push(victim, kCapacity);
  push(own, kHalf + 1);
  steal(victim, own, 0, 0);
  EXPECT_EQ(victim.size(), TaskRing::kCapacity);
  EXPECT_EQ(own.size(), TaskRing::kCapacity / 2 + 1);
}

TEST_F(StealTest, TakesHalfWhenTheThiefHasJustHalf) {
  LocalQueue victim, own;
  push(own, kHalf);
  push(victim, kCapacity);
  steal(victim, own, kHalf, kCapacity);
  EXPECT_EQ(pop_all(own), numbers(1, kCapacity - 1));
}

// Bug it is here for: the thief counts his tasks, where another one still copies.
TEST_F(StealTest, TheThiefsRoomIsCountedFromWhatIsBeingCopied) {
  LocalQueue victim, own;
  push(own, kHalf + 1);
  push(victim, 4);
  Thief other(own.ring());
  step("another thief claims 65 of our own");
  ASSERT_EQ(other.claim(65), 65u);
  steal(victim, own, 0, 0);
  step("he copies");
  EXPECT_EQ(other.copy_and_free(), numbers(1, 65));
  steal(victim, own, 2, kHalf + 3);
}

// Bug it is here for: a second thief frees the slots that the first one copies.
TEST_F(StealTest, OneThiefAtATime) {
  LocalQueue victim, own;
  push(victim, 6);
  Thief other(victim.ring());
  step("another thief claims two");
  ASSERT_EQ(other.claim(2), 2u);
  steal(victim, own, 0, 0);
  const TaskRing::Head head = TaskRing::unpack(victim.ring().head.load());
  EXPECT_EQ(head.steal, 0u);
  EXPECT_EQ(head.real, 2u);
  step("he copies");
  EXPECT_EQ(other.copy_and_free(), numbers(1, 2));
  steal(victim, own, 2, 4);
  EXPECT_EQ(pop_all(own), numbers(3, 3));
}

}  // namespace
