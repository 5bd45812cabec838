// What the unit tests of a worker share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "queue_parts.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/runtime/task_ring.h"
#include "rt/runtime/worker.h"
#include "testkit/fake_parks.h"
#include "testkit/fleet.h"
#include "testkit/testkit.h"

namespace worker_parts {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::Waker;
using testkit::FakeParks;
using testkit::Fleet;
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
inline std::vector<int> in_turn(const std::vector<std::pair<int, int>>& ranges) {
  std::vector<int> all;
  for (const auto& [first, last] : ranges) {
    const std::vector<int> part = queue_parts::numbers(first, last);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

inline void WorkerTest::while_no_slot_is_free(const std::function<void()>& bring_a_b_c) {
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

}  // namespace worker_parts
