#include "rt/runtime/backlog.h"

#include <utility>
#include <vector>

#include "queue_parts.h"
#include "rt/task/task_fifo.h"
#include "testkit/testkit.h"

namespace {

using queue_parts::numbers;
using queue_parts::numbers_of;
using rt::TaskFifo;

class Backlog : public testing::Test {
 protected:
  void push_batch(int count) {
    TaskFifo batch("test");
    for (int i = 0; i < count; ++i) batch.push(tasks_.next());
    backlog_.push_batch(std::move(batch));
  }

  queue_parts::Tasks tasks_;
  rt::Backlog backlog_;
};

TEST_F(Backlog, IsEmptyAtFirst) {
  EXPECT_TRUE(backlog_.empty());
  EXPECT_TRUE(backlog_.pop_newest(1).empty());
  EXPECT_TRUE(backlog_.pop_oldest(1).empty());
  push_batch(0);
  EXPECT_TRUE(backlog_.empty());
}

TEST_F(Backlog, GivesTheNewestBatchAndTheOldestInTheirOrder) {
  for (int i = 0; i < 4; ++i) push_batch(3);
  EXPECT_EQ(backlog_.size(), 12u);
  EXPECT_EQ(numbers_of(backlog_.pop_newest(9)), numbers(10, 12));
  EXPECT_EQ(numbers_of(backlog_.pop_oldest(9)), numbers(1, 3));
  EXPECT_EQ(backlog_.size(), 6u);
  EXPECT_EQ(numbers_of(backlog_.pop_newest(9)), numbers(7, 9));
  EXPECT_EQ(numbers_of(backlog_.pop_newest(9)), numbers(4, 6));
  EXPECT_TRUE(backlog_.empty());
}

TEST_F(Backlog, WhatIsLeftOfABatchStaysWhereItWas) {
  for (int i = 0; i < 2; ++i) push_batch(3);
  EXPECT_EQ(numbers_of(backlog_.pop_newest(2)), numbers(4, 5));
  EXPECT_EQ(numbers_of(backlog_.pop_oldest(1)), numbers(1, 1));
  EXPECT_EQ(backlog_.size(), 3u);
  EXPECT_EQ(numbers_of(backlog_.pop_newest(2)), numbers(6, 6));
  EXPECT_EQ(numbers_of(backlog_.pop_newest(2)), numbers(2, 3));
}

// Bug it is here for: as long as a thief copies, each new task comes alone. A batch for each would
// be a lock for each, once more.
TEST_F(Backlog, SingleTasksMakeABatchOfHalfARingAndOne) {
  constexpr int kMost = rt::TaskRing::kCapacity / 2 + 1;
  for (int i = 0; i < 2 * kMost; ++i) backlog_.push(tasks_.next());
  EXPECT_EQ(numbers_of(backlog_.pop_newest(10'000)), numbers(kMost + 1, 2 * kMost));
  EXPECT_EQ(numbers_of(backlog_.pop_newest(10'000)), numbers(1, kMost));
}

TEST_F(Backlog, LetsGoOfWhatIsLeft) {
  {
    rt::Backlog backlog;
    backlog.push(tasks_.next());
    TaskFifo batch("test");
    batch.push(tasks_.next());
    backlog.push_batch(std::move(batch));
  }
  EXPECT_EQ(tasks_.let_go(), 2);
}

}  // namespace
