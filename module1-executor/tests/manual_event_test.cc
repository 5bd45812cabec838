#include "rt/future/manual_event.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "testkit/testkit.h"

namespace {

using rt::ManualEvent;
using testkit::IsPending;
using testkit::IsReady;
using testkit::step;
using testkit::TestTask;

using Wait = ManualEvent::Wait;

static_assert(std::is_same_v<rt::OutputOf<Wait>, void>);
static_assert(std::is_nothrow_move_constructible_v<Wait>);
static_assert(!std::is_copy_constructible_v<Wait>);

void set(ManualEvent& event) {
  step("event.set()");
  event.set();
}

// TestTask::live() counts the task's own waker too.
constexpr int kOnlyItsOwn = 1;

// --- Set, and not set ----------------------------------------------------------------------------

TEST(ManualEvent, IsPendingUntilItIsSet) {
  ManualEvent event;
  TestTask task;
  Wait wait = event.wait();
  EXPECT_THAT(task.poll(wait), IsPending());
  EXPECT_FALSE(event.is_set());
  EXPECT_EQ(task.wakes(), 0) << "Nothing has happened yet that anybody should be woken for.";
  set(event);
  EXPECT_TRUE(event.is_set());
  EXPECT_EQ(task.wakes(), 1) << "The poll was pending, so it has been promised a wake.";
  EXPECT_THAT(task.poll(wait), IsReady());
}

// Bug it is here for: set() that notes nothing when nobody waits yet.
TEST(ManualEvent, SetBeforeTheFirstPollIsReadyAtOnce) {
  ManualEvent event;
  TestTask task;
  Wait wait = event.wait();
  set(event);
  EXPECT_TRUE(event.is_set()) << "set() came before anybody waited, and counts all the same.";
  EXPECT_THAT(task.poll(wait), IsReady());
  EXPECT_EQ(task.wakes(), 0) << "Ready at once: nobody has to be woken.";
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "Ready at once: no waker is left behind.";
}

// Bug it is here for: a wake taken for the event. Somebody may poll without any reason.
TEST(ManualEvent, APollWithoutAReasonIsPendingStill) {
  ManualEvent event;
  TestTask task;
  Wait wait = event.wait();
  EXPECT_THAT(task.poll(wait), IsPending());
  EXPECT_THAT(task.poll(wait), IsPending()) << "It was polled again, but the event is not set.";
  EXPECT_THAT(task.poll(wait), IsPending()) << "It was polled again, but the event is not set.";
  set(event);
  EXPECT_THAT(task.poll(wait), IsReady());
}

TEST(ManualEvent, AWaitDoesNothingUntilItIsPolled) {
  ManualEvent event;
  TestTask task;
  Wait wait = event.wait();
  set(event);
  EXPECT_EQ(task.clones() + task.wakes(), 0) << "This Wait was never polled: it knows no waker.";
}

// Bug it is here for: the waker is woken and kept, and woken again by the next set().
TEST(ManualEvent, SetTwiceWakesOnce) {
  ManualEvent event;
  TestTask task;
  Wait wait = event.wait();
  EXPECT_THAT(task.poll(wait), IsPending());
  set(event);
  set(event);
  EXPECT_EQ(task.wakes(), 1) << "One pending poll is owed one wake.";
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "The waker that was stored is used up by the wake.";
}

// Bug it is here for: a future that answers again after it has ended.
TEST(ManualEvent, PolledAfterReadyThrows) {
  ManualEvent event;
  TestTask task;
  Wait wait = event.wait();
  set(event);
  EXPECT_THAT(task.poll(wait), IsReady());
  EXPECT_THROW((void)task.poll(wait), std::logic_error)
      << "It has said ready once. A poll after that is its owner's mistake.";
  EXPECT_TRUE(event.is_set()) << "The event is set for all, also after one Wait has seen it.";
  Wait another = event.wait();
  EXPECT_THAT(task.poll(another), IsReady());
}

TEST(ManualEvent, AfterResetItIsPendingAgain) {
  ManualEvent event;
  TestTask task;
  set(event);
  step("event.reset()");
  event.reset();
  EXPECT_FALSE(event.is_set());
  Wait wait = event.wait();
  EXPECT_THAT(task.poll(wait), IsPending());
  set(event);
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_THAT(task.poll(wait), IsReady());
}

// Set and reset between two polls: the Wait has missed it, and waits for the next one.
TEST(ManualEvent, AWaitThatMissedASetWaitsForTheNext) {
  ManualEvent event;
  TestTask task;
  Wait wait = event.wait();
  EXPECT_THAT(task.poll(wait), IsPending());
  set(event);
  step("event.reset()");
  event.reset();
  EXPECT_THAT(task.poll(wait), IsPending());
  set(event);
  EXPECT_EQ(task.wakes(), 2) << "Two pending polls, a set() after each: two wakes.";
  EXPECT_THAT(task.poll(wait), IsReady());
}

// Bug it is here for: a reset() that makes everything as new, the waiter too. It still waits.
TEST(ManualEvent, ResetLeavesTheWaiter) {
  ManualEvent event;
  TestTask task;
  Wait wait = event.wait();
  EXPECT_THAT(task.poll(wait), IsPending());
  step("event.reset(), though it is not set");
  event.reset();
  set(event);
  EXPECT_EQ(task.wakes(), 1) << "The poll was pending, so it has been promised a wake.";
  EXPECT_THAT(task.poll(wait), IsReady());
}

// Bug it is here for: the event reset by the first who has seen it.
TEST(ManualEvent, StaysSetForEverybody) {
  ManualEvent event;
  TestTask a("a"), b("b");
  Wait first = event.wait(), second = event.wait();
  set(event);
  EXPECT_THAT(a.poll(first), IsReady());
  EXPECT_THAT(b.poll(second), IsReady()) << "Nobody has called reset().";
  EXPECT_TRUE(event.is_set());
}

// --- The newest waker ----------------------------------------------------------------------------

// Bug it is here for: the waker of the first poll is kept for ever. The future has
// moved to another task; the old one is woken, the new one sleeps on.
TEST(ManualEvent, WakesTheNewestWakerOnly) {
  ManualEvent event;
  TestTask a("a"), b("b");
  Wait wait = event.wait();
  EXPECT_THAT(a.poll(wait), IsPending());
  EXPECT_THAT(b.poll(wait), IsPending());
  set(event);
  EXPECT_EQ(b.wakes(), 1) << "Task b polled last, so b has to be woken.";
  EXPECT_EQ(a.wakes(), 0) << "Task a polled before b did. It does not wait for this any more.";
}

// Bug it is here for: comparing with the first waker, or only once.
TEST(ManualEvent, TheNewestWakerMayBeAnOldAcquaintance) {
  ManualEvent event;
  TestTask a("a"), b("b");
  Wait wait = event.wait();
  EXPECT_THAT(a.poll(wait), IsPending());
  EXPECT_THAT(b.poll(wait), IsPending());
  EXPECT_THAT(a.poll(wait), IsPending());
  set(event);
  EXPECT_EQ(a.wakes(), 1) << "Task a polled last, so a has to be woken.";
  EXPECT_EQ(b.wakes(), 0) << "Task b is not the one that polled last.";
}

// Bug it is here for: a clone for each poll. A clone is a shared count that all
// cores fight over; most polls come from the task that is stored already.
TEST(ManualEvent, TheSameTasksWakerIsNotClonedAgain) {
  ManualEvent event;
  TestTask task;
  Wait wait = event.wait();
  EXPECT_THAT(task.poll(wait), IsPending());
  EXPECT_THAT(task.poll(wait), IsPending());
  EXPECT_THAT(task.poll(wait), IsPending());
  EXPECT_EQ(task.clones(), 1)
      << "The stored waker will_wake() this task already. There is nothing to clone.";
  EXPECT_EQ(task.drops(), 0);
  set(event);
  EXPECT_EQ(task.wakes(), 1);
}

TEST(ManualEvent, AReplacedWakerIsDropped) {
  ManualEvent event;
  TestTask a("a"), b("b");
  Wait wait = event.wait();
  EXPECT_THAT(a.poll(wait), IsPending());
  EXPECT_EQ(a.live(), kOnlyItsOwn + 1) << "A pending poll leaves one clone behind.";
  EXPECT_THAT(b.poll(wait), IsPending());
  EXPECT_EQ(a.live(), kOnlyItsOwn) << "The waker of b has replaced that of a, which is dropped.";
  EXPECT_EQ(b.live(), kOnlyItsOwn + 1);
}

// --- Dropping a Wait cancels it ------------------------------------------------------------------

// Bug it is here for: a waiter that is left behind when its future is dropped.
TEST(ManualEvent, DroppingTheWaitTakesItsWakerBack) {
  ManualEvent event;
  TestTask task;
  {
    Wait wait = event.wait();
    EXPECT_THAT(task.poll(wait), IsPending());
    step("the Wait is dropped");
  }
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "A dropped Wait takes back the waker that it left.";
  set(event);
  EXPECT_EQ(task.wakes(), 0) << "The Wait was dropped. Its task waits for nothing.";
}

// Bug it is here for: a destructor that clears the waker, whosever it is.
TEST(ManualEvent, DroppingAWaitThatWasNeverPolledTakesNothing) {
  ManualEvent event;
  TestTask task;
  Wait waits = event.wait();
  EXPECT_THAT(task.poll(waits), IsPending());
  {
    Wait never_polled = event.wait();
    step("another Wait, never polled, is dropped");
  }
  EXPECT_EQ(task.live(), kOnlyItsOwn + 1)
      << "The Wait that was dropped had stored no waker. The one that is stored is another's.";
  set(event);
  EXPECT_EQ(task.wakes(), 1) << "The Wait that is left is still owed its wake.";
}

// The same where both were polled: the second has replaced the first one's waker.
TEST(ManualEvent, DroppingAReplacedWaitLeavesTheNewerWaker) {
  ManualEvent event;
  TestTask a("a"), b("b");
  std::optional<Wait> first(event.wait());
  Wait second = event.wait();
  EXPECT_THAT(a.poll(*first), IsPending());
  EXPECT_THAT(b.poll(second), IsPending());
  step("the first Wait is dropped");
  first.reset();
  set(event);
  EXPECT_EQ(b.wakes(), 1) << "The waker that was stored belonged to the second Wait.";
  EXPECT_EQ(a.wakes(), 0);
}

// Two Waits of one task: will_wake() says "nothing to clone", and yet it is another Wait now.
TEST(ManualEvent, DroppingAnOlderWaitOfTheSameTaskLeavesTheNewer) {
  ManualEvent event;
  TestTask task;
  std::optional<Wait> first(event.wait());
  Wait second = event.wait();
  EXPECT_THAT(task.poll(*first), IsPending());
  EXPECT_THAT(task.poll(second), IsPending());
  step("the first Wait is dropped");
  first.reset();
  set(event);
  EXPECT_EQ(task.wakes(), 1) << "The second Wait was polled last, and is still there.";
}

TEST(ManualEvent, MovedBeforeItsFirstPollItWaitsTheSame) {
  ManualEvent event;
  TestTask task;
  {
    std::optional<Wait> made_here(event.wait());
    Wait wait = std::move(*made_here);
    EXPECT_THAT(task.poll(wait), IsPending());
    step("the moved-from Wait is dropped");
    made_here.reset();
    EXPECT_EQ(task.live(), kOnlyItsOwn + 1) << "A moved-from Wait has nothing to take back.";
    set(event);
    EXPECT_EQ(task.wakes(), 1);
    EXPECT_THAT(task.poll(wait), IsReady());
  }
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

// An event that was set has done all it can for its Waits; one that was ready is done with it.
TEST(ManualEvent, AReadyWaitMayOutliveItsEvent) {
  auto event = std::make_unique<ManualEvent>();
  TestTask task;
  Wait wait = event->wait();
  EXPECT_THAT(task.poll(wait), IsPending());
  set(*event);
  EXPECT_THAT(task.poll(wait), IsReady());
  step("the event is destroyed, and then the Wait");
  event.reset();
}

// --- Wakers that call back -----------------------------------------------------------------------
// A wake may run the woken task then and there, and a drop may destroy one. Both may come straight
// back to this event. If that hangs, the report shows who asks for the lock, and who holds it.

// Bug it is here for: waking while the lock is held.
TEST(ManualEvent, WakesWithoutHoldingTheLock) {
  ManualEvent event;
  TestTask task;
  Wait wait = event.wait();
  bool ready_inside_the_wake = false;
  task.on_wake([&] {
    step("the wake polls the Wait then and there");
    ready_inside_the_wake = task.poll(wait).is_ready();
  });
  EXPECT_THAT(task.poll(wait), IsPending());
  set(event);
  EXPECT_TRUE(ready_inside_the_wake) << "The event has to be set before the waiter is woken.";
}

// Bug it is here for: dropping the replaced waker while the lock is held.
TEST(ManualEvent, DropsTheReplacedWakerWithoutHoldingTheLock) {
  ManualEvent event;
  int looks = 0;
  TestTask a("a"), b("b");
  a.on_drop([&] {
    step("the drop looks at the event");
    EXPECT_FALSE(event.is_set());
    ++looks;
  });
  {
    Wait wait = event.wait();
    EXPECT_THAT(a.poll(wait), IsPending());
    EXPECT_THAT(b.poll(wait), IsPending());
    EXPECT_EQ(looks, 1) << "The waker of a is replaced by that of b, and so dropped.";
  }
  a.on_drop(nullptr);
}

// Bug it is here for: the same in the destructor.
TEST(ManualEvent, TakesItsWakerBackWithoutHoldingTheLock) {
  ManualEvent event;
  int looks = 0;
  TestTask task;
  task.on_drop([&] {
    step("the drop looks at the event");
    EXPECT_FALSE(event.is_set());
    ++looks;
  });
  {
    Wait wait = event.wait();
    EXPECT_THAT(task.poll(wait), IsPending());
    step("the Wait is dropped");
  }
  EXPECT_EQ(looks, 1) << "The Wait was dropped, and its waker with it.";
  task.on_drop(nullptr);
}

// Bug it is here for: set() that tidies up after the wake. The woken task may have ended by then,
// and the event with it.
TEST(ManualEvent, TheEventMayBeDestroyedInsideTheWake) {
  auto event = std::make_unique<ManualEvent>();
  TestTask task;
  std::optional<Wait> wait(event->wait());
  task.on_wake([&] {
    EXPECT_THAT(task.poll(*wait), IsReady());
    step("the woken task ends: its Wait is destroyed, and the event");
    wait.reset();
    event.reset();
  });
  EXPECT_THAT(task.poll(*wait), IsPending());
  set(*event);
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_EQ(event, nullptr) << "The wake came, and destroyed the event.";
  task.on_wake(nullptr);
}

// --- From another thread -------------------------------------------------------------------------

TEST(ManualEvent, SetByAnotherThread) {
  ManualEvent event;
  TestTask task;
  Wait wait = event.wait();
  ASSERT_THAT(task.poll(wait), IsPending());
  std::thread setter([&] { set(event); });
  task.wait_for_wakes(1);
  EXPECT_THAT(task.poll(wait), IsReady());
  setter.join();
  EXPECT_EQ(task.wakes(), 1);
}

// Many times over, the set comes while the waiter is at its first poll. Whichever is first: the
// poll is ready, or a wake follows. What was written before set() is there to be read.
TEST(ManualEvent, SetWhileItIsPolled) {
  for (int round = 0; round < 200; ++round) {
    ManualEvent event;
    TestTask task("round " + std::to_string(round));
    int written = 0;
    std::thread setter([&] {
      written = 42;
      event.set();
    });
    Wait wait = event.wait();
    if (task.poll(wait).is_pending()) {
      task.wait_for_wakes(1);
      EXPECT_THAT(task.poll(wait), IsReady());
    }
    EXPECT_EQ(written, 42) << "What comes before set() is seen by whoever saw the event set.";
    setter.join();
  }
}

}  // namespace
