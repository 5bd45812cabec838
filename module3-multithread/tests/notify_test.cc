#include "rt/sync/notify.h"

#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "testkit/testkit.h"

namespace {

using testkit::step;
using testkit::TestTask;

static_assert(!std::is_move_constructible_v<rt::Notify>, "those who wait find it by address");

constexpr int kOnlyItsOwn = 1;  // TestTask::live() counts the task's own waker too.

struct Waits {
  Waits(std::string name, rt::Notify& notify) : task(std::move(name)), future(notify.notified()) {}

  bool poll() { return task.poll(*future).is_ready(); }
  void drop() {
    step(task.name() + "'s notified() is dropped");
    future.reset();
  }

  TestTask task;
  std::optional<rt::Notify::Notified> future;
};

// Waits, and goes: that takes the mutex, and changes nothing.
void come_and_go(rt::Notify& notify) {
  Waits visitor("visitor", notify);
  EXPECT_FALSE(visitor.poll());
}

// They come in this order, and have to wait.
void all_wait(std::initializer_list<Waits*> all) {
  for (Waits* const one : all) EXPECT_FALSE(one->poll());
}

// --- notify_one() --------------------------------------------------------------------------------

TEST(Notify, ReachesWhoWaits) {
  rt::Notify notify;
  Waits a("a", notify);
  all_wait({&a});
  notify.notify_one();
  EXPECT_EQ(a.task.wakes(), 1);
  EXPECT_TRUE(a.poll());
  EXPECT_EQ(a.task.live(), kOnlyItsOwn);
  Waits later("later", notify);
  EXPECT_FALSE(later.poll()) << "the notification was a's";
}

// Bug it is here for: a notification that is lost because nobody waits for it yet.
TEST(Notify, IsStoredIfNobodyWaits) {
  rt::Notify notify;
  notify.notify_one();
  Waits a("a", notify), b("b", notify);
  EXPECT_TRUE(a.poll());
  EXPECT_EQ(a.task.live(), kOnlyItsOwn) << "nobody has to be woken";
  EXPECT_FALSE(b.poll()) << "it was stored once";
}

TEST(Notify, TwoThatNobodyHearsAreOne) {
  rt::Notify notify;
  notify.notify_one();
  notify.notify_one();
  Waits a("a", notify), b("b", notify);
  EXPECT_TRUE(a.poll());
  EXPECT_FALSE(b.poll());
}

TEST(Notify, ServesInTheOrderOfTheFirstPolls) {
  rt::Notify notify;
  Waits c("c", notify), b("b", notify), a("a", notify);
  all_wait({&a, &b, &c});
  EXPECT_FALSE(a.poll()) << "a poll for nothing does not cost its place";
  notify.notify_one();
  EXPECT_EQ(a.task.wakes(), 1);
  EXPECT_EQ(b.task.wakes() + c.task.wakes(), 0) << "one is one";
  notify.notify_one();
  notify.notify_one();
  EXPECT_TRUE(c.poll());
  EXPECT_TRUE(b.poll());
  EXPECT_TRUE(a.poll());
}

// Bug it is here for: a notification for each who waited, and one stored besides.
TEST(Notify, OneThatWasHeardIsNotStored) {
  rt::Notify notify;
  Waits a("a", notify), b("b", notify);
  all_wait({&a});
  notify.notify_one();
  EXPECT_FALSE(b.poll());
  EXPECT_TRUE(a.poll());
}

TEST(Notify, MoreThanThereAreIsStoredAgain) {
  rt::Notify notify;
  Waits a("a", notify), b("b", notify), c("c", notify);
  all_wait({&a});
  notify.notify_one();
  notify.notify_one();
  notify.notify_one();
  EXPECT_TRUE(a.poll());
  EXPECT_TRUE(b.poll());
  EXPECT_FALSE(c.poll());
}

// --- Dropped -------------------------------------------------------------------------------------

// Bug it is here for: a future that goes and leaves its place in the list behind.
TEST(Notify, WhoGoesIsPassedOver) {
  rt::Notify notify;
  Waits a("a", notify), b("b", notify), c("c", notify);
  all_wait({&a, &b, &c});
  b.drop();
  EXPECT_EQ(b.task.live(), kOnlyItsOwn);
  notify.notify_one();
  notify.notify_one();
  EXPECT_EQ(b.task.wakes(), 0);
  EXPECT_TRUE(a.poll());
  EXPECT_TRUE(c.poll());
}

// Bug it is here for: a notification that reaches somebody who then goes, and so reaches nobody.
TEST(Notify, WhoGoesAfterItWasNotifiedPassesItOn) {
  rt::Notify notify;
  Waits a("a", notify), b("b", notify);
  all_wait({&a, &b});
  notify.notify_one();
  EXPECT_EQ(a.task.wakes(), 1);
  a.drop();
  EXPECT_EQ(b.task.wakes(), 1);
  EXPECT_TRUE(b.poll());
}

// Two who go, each with a notification of its own: one goes to who is left, one is stored.
TEST(Notify, EachWhoGoesPassesItsOwnOn) {
  rt::Notify notify;
  Waits a("a", notify), b("b", notify), c("c", notify), later("later", notify);
  all_wait({&a, &b, &c});
  notify.notify_one();
  notify.notify_one();
  b.drop();
  a.drop();
  EXPECT_EQ(c.task.wakes(), 1);
  EXPECT_TRUE(c.poll());
  EXPECT_TRUE(later.poll());
}

// Bug it is here for: a notification that is passed on with the mutex held. If it hangs, that is
// why.
TEST(Notify, PassedOnItWakesWithoutHoldingTheLock) {
  rt::Notify notify;
  Waits a("a", notify), b("b", notify);
  b.task.on_wake([&] { EXPECT_TRUE(b.poll()); });
  all_wait({&a, &b});
  notify.notify_one();
  a.drop();
  EXPECT_EQ(b.task.wakes(), 1);
  b.task.on_wake(nullptr);
}

TEST(Notify, WithNobodyElseItIsStored) {
  rt::Notify notify;
  Waits a("a", notify), b("b", notify), c("c", notify);
  all_wait({&a});
  notify.notify_one();
  a.drop();
  EXPECT_TRUE(b.poll());
  EXPECT_FALSE(c.poll());
}

TEST(Notify, WhatWasHeardIsNotPassedOn) {
  rt::Notify notify;
  Waits a("a", notify), b("b", notify);
  all_wait({&a, &b});
  notify.notify_one();
  EXPECT_TRUE(a.poll());
  a.drop();
  EXPECT_EQ(b.task.wakes(), 0) << "a was ready: it has had its notification";
}

// Bug it is here for: the mark "somebody waits" that stays when nobody does.
TEST(Notify, WhenAllHaveGoneItStoresAgain) {
  rt::Notify notify;
  Waits a("a", notify), b("b", notify), later("later", notify);
  all_wait({&a, &b});
  a.drop();
  b.drop();
  notify.notify_one();
  EXPECT_TRUE(later.poll());
}

// --- notify_all() --------------------------------------------------------------------------------

TEST(Notify, AllReachesAllWhoWait) {
  rt::Notify notify;
  Waits a("a", notify), b("b", notify), c("c", notify);
  all_wait({&a, &b, &c});
  notify.notify_all();
  for (Waits* const one : {&a, &b, &c}) {
    EXPECT_EQ(one->task.wakes(), 1);
    EXPECT_TRUE(one->poll());
    EXPECT_EQ(one->task.live(), kOnlyItsOwn);
  }
}

TEST(Notify, AllStoresNothing) {
  rt::Notify notify;
  notify.notify_all();
  Waits a("a", notify);
  EXPECT_FALSE(a.poll()) << "it was made after the call";
}

// Bug it is here for: who looks, finds nothing, and is not in the queue yet when the call comes.
TEST(Notify, AllReachesThoseThatWereMadeBeforeAndNotPolled) {
  rt::Notify notify;
  Waits a("a", notify);
  notify.notify_all();
  EXPECT_TRUE(a.poll());
  Waits b("b", notify);
  EXPECT_FALSE(b.poll());
}

TEST(Notify, AllLeavesAStoredOneWhereItIs) {
  rt::Notify notify;
  notify.notify_one();
  notify.notify_all();
  Waits a("a", notify), b("b", notify);
  EXPECT_TRUE(a.poll());
  EXPECT_FALSE(b.poll());
}

// Bug it is here for: one for all that is passed on by each waiter that goes.
TEST(Notify, OneForAllIsNotPassedOn) {
  rt::Notify notify;
  Waits a("a", notify), b("b", notify);
  all_wait({&a, &b});
  notify.notify_all();
  a.drop();
  EXPECT_TRUE(b.poll());
  Waits later("later", notify);
  EXPECT_FALSE(later.poll());
}

// A waiter that is woken by this one, and by then waits for the next, still waits for the next.
TEST(Notify, AllReachesNobodyWhoComesWhileItWakes) {
  rt::Notify notify;
  Waits a("a", notify);
  std::optional<Waits> next;
  a.task.on_wake([&] {
    next.emplace("next", notify);
    EXPECT_FALSE(next->poll());
  });
  all_wait({&a});
  notify.notify_all();
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->task.wakes(), 0);
  EXPECT_FALSE(next->poll());
  a.task.on_wake(nullptr);
}

// One of those who are being told ends the others.
TEST(Notify, AWakeMayDropAnotherWhoIsToBeWoken) {
  rt::Notify notify;
  Waits a("a", notify), b("b", notify);
  a.task.on_wake([&] { b.drop(); });
  all_wait({&a, &b});
  notify.notify_all();
  EXPECT_EQ(b.task.wakes(), 0);
  EXPECT_TRUE(a.poll());
  {
    Waits next("next", notify);
    EXPECT_FALSE(next.poll()) << "what all have heard is not passed on";
  }
  notify.notify_one();
  Waits later("later", notify);
  EXPECT_TRUE(later.poll()) << "nobody waited, so it was stored";
  a.task.on_wake(nullptr);
}

// --- Wakers, and bad input -----------------------------------------------------------------------

TEST(Notify, WakesTheNewestWakerOnly) {
  rt::Notify notify;
  Waits a("a", notify);
  TestTask other("other");
  all_wait({&a});
  EXPECT_TRUE(other.poll(*a.future).is_pending());
  EXPECT_EQ(a.task.live(), kOnlyItsOwn);
  notify.notify_one();
  EXPECT_EQ(a.task.wakes(), 0);
  EXPECT_EQ(other.wakes(), 1);
}

TEST(Notify, TheSameTasksWakerIsNotClonedAgain) {
  rt::Notify notify;
  Waits a("a", notify);
  all_wait({&a, &a, &a});
  EXPECT_EQ(a.task.clones(), 1);
}

// Bug it is here for: waking with the mutex held. If this hangs, that is why.
TEST(Notify, WakesWithoutHoldingTheLock) {
  rt::Notify notify;
  Waits a("a", notify), b("b", notify);
  bool inside = false;
  a.task.on_wake([&] {
    inside = a.poll();
    notify.notify_one();
  });
  all_wait({&a});
  notify.notify_one();
  EXPECT_TRUE(inside);
  EXPECT_TRUE(b.poll());
  Waits c("c", notify);
  c.task.on_wake([&] { inside = !c.poll(); });
  all_wait({&c});
  notify.notify_all();
  EXPECT_FALSE(inside) << "it has polled, and was ready";
  a.task.on_wake(nullptr);
  c.task.on_wake(nullptr);
}

// The same for a waker that is cloned, at the first poll or at a later one; and for one that is
// dropped, when another takes its place or when its future goes.
TEST(Notify, ClonesAndDropsWakersWithoutHoldingTheLock) {
  rt::Notify notify;
  Waits a("a", notify);
  TestTask other("other");
  int drops = 0;
  const auto count = [&] {
    ++drops;
    come_and_go(notify);
  };
  for (TestTask* const task : {&a.task, &other}) {
    task->on_clone([&] { come_and_go(notify); });
    task->on_drop(count);
  }
  all_wait({&a});
  EXPECT_TRUE(other.poll(*a.future).is_pending());
  EXPECT_EQ(drops, 1) << "the waker of the task a";
  a.drop();
  EXPECT_EQ(drops, 2);
  for (TestTask* const task : {&a.task, &other}) task->on_drop(nullptr);
}

// Bug it is here for: no second look after the waker was cloned. Whatever is done meanwhile, the
// future is ready or its task is woken.
TEST(Notify, WhatComesWhileTheWakerIsClonedIsNotLost) {
  for (const bool all : {false, true}) {
    rt::Notify notify;
    Waits a("a", notify);
    bool done = false;
    a.task.on_clone([&] {
      if (std::exchange(done, true)) return;
      step(all ? "notify_all()" : "notify_one()");
      all ? notify.notify_all() : notify.notify_one();
    });
    const bool is_ready = a.poll();
    EXPECT_TRUE(is_ready || a.task.wakes() > 0) << "pending, and nobody was woken";
    EXPECT_TRUE(is_ready || a.poll());
  }
}

TEST(Notify, PolledAfterReadyIsAnError) {
  rt::Notify notify;
  notify.notify_one();
  Waits a("a", notify);
  EXPECT_TRUE(a.poll());
  EXPECT_THROW((void)a.future->poll(a.task.cx()), std::logic_error);
}

}  // namespace
