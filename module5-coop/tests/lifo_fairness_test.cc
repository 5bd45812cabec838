// The cap of the slot: by itself, and in a worker of module 4.
#include <memory>
#include <string>
#include <utility>

#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/runtime/lifo_cap.h"
#include "testkit/fake_parks.h"
#include "testkit/fleet.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::LifoCap;
using rt::Poll;
using testkit::FakeParks;
using testkit::Fleet;

constexpr bool kOfSlot = true;
constexpr bool kOfQueue = false;

TEST(LifoCap, TheSlotIsFirstThreeTimesInARow) {
  LifoCap cap;
  EXPECT_FALSE(cap.is_reached());
  cap.polls(kOfSlot);
  EXPECT_FALSE(cap.is_reached());
  cap.polls(kOfSlot);
  EXPECT_FALSE(cap.is_reached());
  cap.polls(kOfSlot);
  EXPECT_TRUE(cap.is_reached());
}

TEST(LifoCap, ATaskOfTheQueueBeginsANewRow) {
  LifoCap cap;
  for (int i = 0; i < 3; ++i) cap.polls(kOfSlot);
  cap.polls(kOfQueue);
  EXPECT_FALSE(cap.is_reached());
  for (int i = 0; i < 2; ++i) cap.polls(kOfSlot);
  EXPECT_FALSE(cap.is_reached());
  cap.polls(kOfSlot);
  EXPECT_TRUE(cap.is_reached());
}

TEST(LifoCap, ARowThatWasBrokenDoesNotCount) {
  LifoCap cap;
  for (int i = 0; i < 10; ++i) {
    cap.polls(kOfSlot);
    cap.polls(kOfSlot);
    ASSERT_FALSE(cap.is_reached()) << "Two in a row.";
    cap.polls(kOfQueue);
    ASSERT_FALSE(cap.is_reached());
  }
}

TEST(LifoCap, ItStaysReachedUntilTheQueueHadATurn) {
  LifoCap cap;
  for (int i = 0; i < 1000; ++i) {
    cap.polls(kOfSlot);
    ASSERT_EQ(cap.is_reached(), i >= 2) << "after poll " << i + 1;
  }
}

TEST(LifoCap, ToAskChangesNothing) {
  LifoCap cap;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(cap.is_reached());
  for (int i = 0; i < 3; ++i) cap.polls(kOfSlot);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(cap.is_reached());
}

TEST(LifoCap, ItStaysReachedHoweverLongTheRow) {
  LifoCap cap;
  for (int i = 0; i < 3; ++i) cap.polls(kOfSlot);
  for (int i = 0; i < 100'000; ++i) {  // More than 16 bits can count.
    cap.polls(kOfSlot);
    ASSERT_TRUE(cap.is_reached()) << "after poll " << i + 4;
  }
}

class WorkerWithACap : public testing::Test {
 protected:
  WorkerWithACap() {
    rt::WorkerOptions options;
    options.global_queue_interval = 10'000;
    options.event_interval = 10'000;
    fleet = std::make_unique<Fleet>(1, std::make_unique<FakeParks>(1), options);
  }
  void steps(int times) {
    for (int i = 0; i < times; ++i) fleet->step(0);
  }
  // A task that writes its name and wakes the other one, by way of the slot, for ever.
  auto plays(char name, rt::Waker& mine, rt::Waker& other) {
    return [this, name, &mine, &other](Context& cx) -> Poll<void> {
      diary += name;
      if (!mine.will_wake(cx.waker())) mine = cx.waker().clone();
      other.wake_by_ref();
      return kPending;
    };
  }
  // x and y, who wake each other. `first` is spawned before them, and so stands in the queue.
  void let_them_play(testkit::Body first = nullptr) {
    fleet->spawn([this, mine = std::move(first)](Context&) mutable -> Poll<void> {
      if (mine) fleet->spawn(std::move(mine));
      fleet->spawn([this](Context& cx) -> Poll<void> {
        diary += 'x';
        x = cx.waker().clone();
        // From now on x only wakes y.
        if (!has_begun) fleet->spawn(plays('y', y, x));
        if (std::exchange(has_begun, true)) y.wake_by_ref();
        return kPending;
      });
      return kReady;
    });
    steps(1);
  }
  // Else each of the two would keep the other for ever.
  void TearDown() override {
    x = nobody.waker();
    y = nobody.waker();
  }

  testkit::CountingWaker nobody{"nobody"};
  rt::Waker x = nobody.waker(), y = nobody.waker();
  bool has_begun = false;
  std::unique_ptr<Fleet> fleet;
  std::string diary;
};

TEST_F(WorkerWithACap, TwoTasksThatWakeEachOtherLetTheQueueHaveItsTurn) {
  let_them_play([this](Context&) -> Poll<void> {
    diary += '.';
    return kReady;
  });
  steps(8);
  EXPECT_EQ(diary, "xyx.yxyx");
}

TEST_F(WorkerWithACap, TheQueueHasOneTurnInFour) {
  let_them_play([this](Context& cx) -> Poll<void> {
    diary += '.';
    cx.waker().wake_by_ref();  // To the back of the queue.
    return kPending;
  });
  steps(12);
  EXPECT_EQ(diary, "xyx.yxy.xyx.");
  fleet->shared().close();
}

TEST_F(WorkerWithACap, WithNothingInTheQueueTheyGoOn) {
  let_them_play();
  steps(10);
  EXPECT_EQ(diary, "xyxyxyxyxy");
}

TEST_F(WorkerWithACap, ATaskThatComesToTheQueueLaterHasItsTurnAtOnce) {
  let_them_play();
  steps(10);
  diary.clear();
  rt::TaskRef late = fleet->make([this](Context&) -> Poll<void> {
    diary += '.';
    return kReady;
  });
  ASSERT_TRUE(fleet->seat(0).queue.push(late));
  steps(3);
  EXPECT_EQ(diary, ".xy") << "They have had ten turns in a row.";
}

}  // namespace
