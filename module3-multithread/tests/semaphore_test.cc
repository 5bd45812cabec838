#include "rt/sync/semaphore.h"

#include <csignal>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "testkit/testkit.h"

namespace {

using rt::Poll;
using testkit::step;
using testkit::TestTask;
using Acquire = rt::Semaphore::Acquire;
using Permit = rt::Semaphore::Permit;

static_assert(!std::is_move_constructible_v<rt::Semaphore>, "permits find it by address");
static_assert(!std::is_copy_constructible_v<Permit>, "a permit is held once");

constexpr int kOnlyItsOwn = 1;  // TestTask::live() counts the task's own waker too.

// Polls; a permit that it gets stays in `permit`.
class Asker {
 public:
  Asker(std::string name, rt::Semaphore& semaphore, std::size_t n = 1)
      : task(std::move(name)), future(semaphore.acquire(n)) {}

  std::string poll() { return poll_as(task); }
  std::string poll_as(TestTask& other) {
    Poll<std::optional<Permit>> polled = other.poll(*future);
    if (polled.is_pending()) return "pending";
    permit = std::move(polled).take();
    return permit.has_value() ? std::to_string(permit->count()) + " permits" : "closed";
  }
  void drop() {
    step(task.name() + "'s acquire() is dropped");
    future.reset();
  }
  void give_back() {
    step(task.name() + " gives back");
    permit.reset();
  }

  TestTask task;
  std::optional<Acquire> future;
  std::optional<Permit> permit;
};

// Waits for more than there are, and goes: that takes the mutex, and changes nothing.
void come_and_go(rt::Semaphore& semaphore) {
  TestTask visitor("visitor");
  Acquire asks = semaphore.acquire(semaphore.available() + 1);
  EXPECT_TRUE(visitor.poll(asks).is_pending());
}

// They come in this order, and have to wait.
void all_wait(std::initializer_list<Asker*> askers) {
  for (Asker* const asker : askers) EXPECT_EQ(asker->poll(), "pending");
}

// --- Permits -------------------------------------------------------------------------------------

TEST(Semaphore, GivesPermitsWhileThereAreAny) {
  rt::Semaphore semaphore(2);
  Asker a("a", semaphore), b("b", semaphore), c("c", semaphore);
  EXPECT_EQ(a.poll(), "1 permits");
  EXPECT_EQ(b.poll(), "1 permits");
  EXPECT_EQ(semaphore.available(), 0u);
  EXPECT_EQ(c.poll(), "pending");
  EXPECT_EQ(a.task.live() + b.task.live(), 2 * kOnlyItsOwn) << "nobody has to be woken";
}

TEST(Semaphore, WhatIsGivenBackGoesToWhoWaits) {
  rt::Semaphore semaphore(1);
  Asker a("a", semaphore), b("b", semaphore);
  EXPECT_EQ(a.poll(), "1 permits");
  EXPECT_EQ(b.poll(), "pending");
  a.give_back();
  EXPECT_EQ(b.task.wakes(), 1);
  EXPECT_EQ(semaphore.available(), 0u) << "it is b's already";
  EXPECT_EQ(b.poll(), "1 permits");
  b.give_back();
  EXPECT_EQ(semaphore.available(), 1u);
  EXPECT_EQ(b.task.live(), kOnlyItsOwn);
}

TEST(Semaphore, TriesWithoutWaiting) {
  rt::Semaphore semaphore(3);
  std::optional<Permit> two = semaphore.try_acquire(2);
  ASSERT_TRUE(two.has_value());
  EXPECT_FALSE(semaphore.try_acquire(2).has_value());
  EXPECT_EQ(semaphore.available(), 1u) << "a try that fails takes nothing";
  two.reset();
  EXPECT_EQ(semaphore.available(), 3u);
}

TEST(Semaphore, APermitIsGivenBackOnce) {
  rt::Semaphore semaphore(2);
  {
    std::optional<Permit> first = semaphore.try_acquire();
    Permit moved = *std::move(first);
    EXPECT_EQ(semaphore.available(), 1u);
    Permit other = *semaphore.try_acquire();
    other = std::move(moved);
    EXPECT_EQ(semaphore.available(), 1u) << "what it held before went back";
  }
  EXPECT_EQ(semaphore.available(), 2u);
  std::move(*semaphore.try_acquire()).forget();
  EXPECT_EQ(semaphore.available(), 1u) << "forgotten";
  semaphore.release();
  EXPECT_EQ(semaphore.available(), 2u);
}

// --- First come, first served --------------------------------------------------------------------

TEST(Semaphore, ServesInTheOrderOfTheFirstPolls) {
  rt::Semaphore semaphore(0);
  Asker c("c", semaphore), b("b", semaphore), a("a", semaphore);
  EXPECT_EQ(a.poll(), "pending");
  EXPECT_EQ(b.poll(), "pending");
  EXPECT_EQ(c.poll(), "pending");
  EXPECT_EQ(a.poll(), "pending") << "a poll for nothing does not cost its place";
  semaphore.release(2);
  EXPECT_EQ(a.task.wakes(), 1);
  EXPECT_EQ(b.task.wakes(), 1);
  EXPECT_EQ(c.task.wakes(), 0);
  EXPECT_EQ(c.poll(), "pending");
  EXPECT_EQ(b.poll(), "1 permits");
  EXPECT_EQ(a.poll(), "1 permits");
}

// Bug it is here for: who comes at the right moment overtakes all who wait.
TEST(Semaphore, NobodyOvertakes) {
  rt::Semaphore semaphore(1);
  Asker a("a", semaphore), b("b", semaphore), late("late", semaphore);
  EXPECT_EQ(a.poll(), "1 permits");
  EXPECT_EQ(b.poll(), "pending");
  a.give_back();
  EXPECT_EQ(late.poll(), "pending") << "the permit is b's, though b has not polled yet";
  EXPECT_FALSE(semaphore.try_acquire().has_value());
  EXPECT_EQ(b.poll(), "1 permits");
}

// Bug it is here for: who wants much starves among those who want little.
TEST(Semaphore, WhoWantsMuchIsNotOvertakenByWhoWantsLittle) {
  rt::Semaphore semaphore(2);
  Asker a("a", semaphore), much("much", semaphore, 3), little("little", semaphore);
  EXPECT_EQ(a.poll(), "1 permits");
  EXPECT_EQ(much.poll(), "pending");
  EXPECT_EQ(semaphore.available(), 0u) << "it has taken the one that was free";
  EXPECT_EQ(little.poll(), "pending");
  EXPECT_FALSE(semaphore.try_acquire().has_value());
  a.give_back();
  EXPECT_EQ(much.task.wakes(), 0) << "one is still missing: there is nothing to tell";
  semaphore.release(2);
  EXPECT_EQ(much.task.wakes(), 1);
  EXPECT_EQ(little.task.wakes(), 1);
  EXPECT_EQ(much.poll(), "3 permits");
  EXPECT_EQ(little.poll(), "1 permits");
}

TEST(Semaphore, ManyPermitsServeMany) {
  rt::Semaphore semaphore(0);
  Asker a("a", semaphore, 2), b("b", semaphore, 1), c("c", semaphore, 2);
  all_wait({&a, &b, &c});
  semaphore.release(4);
  EXPECT_EQ(a.poll(), "2 permits");
  EXPECT_EQ(b.poll(), "1 permits");
  EXPECT_EQ(c.poll(), "pending");
  semaphore.release(3);
  EXPECT_EQ(c.poll(), "2 permits");
  EXPECT_EQ(semaphore.available(), 2u) << "what nobody waited for is free";
}

// --- Dropped -------------------------------------------------------------------------------------

// Bug it is here for: a future that goes and leaves its place in the list behind.
TEST(Semaphore, WhoGoesIsPassedOver) {
  rt::Semaphore semaphore(0);
  Asker a("a", semaphore), b("b", semaphore), c("c", semaphore);
  all_wait({&a, &b, &c});
  b.drop();
  EXPECT_EQ(b.task.live(), kOnlyItsOwn);
  semaphore.release(2);
  EXPECT_EQ(b.task.wakes(), 0);
  EXPECT_EQ(a.poll(), "1 permits");
  EXPECT_EQ(c.poll(), "1 permits");
}

// Bug it is here for: a permit handed to somebody who then goes. It is lost, and with the last one
// the semaphore stands still.
TEST(Semaphore, WhoGoesAfterItWasServedPassesItOn) {
  rt::Semaphore semaphore(0);
  Asker a("a", semaphore), b("b", semaphore);
  all_wait({&a, &b});
  semaphore.release();
  EXPECT_EQ(a.task.wakes(), 1);
  a.drop();
  EXPECT_EQ(b.task.wakes(), 1) << "a has never polled again: its permit is b's";
  EXPECT_EQ(b.poll(), "1 permits");
  b.give_back();
  EXPECT_EQ(semaphore.available(), 1u);
}

// The same with a part of what was wanted.
TEST(Semaphore, WhoGoesWithAPartPassesItOn) {
  rt::Semaphore semaphore(2);
  Asker much("much", semaphore, 3), little("little", semaphore, 2);
  all_wait({&much, &little});
  much.drop();
  EXPECT_EQ(little.task.wakes(), 1);
  EXPECT_EQ(little.poll(), "2 permits");
  little.give_back();
  EXPECT_EQ(semaphore.available(), 2u) << "none lost, none doubled";
}

// Bug it is here for: the mark "somebody waits" that stays when nobody does.
TEST(Semaphore, WhenAllHaveGoneItIsAsNew) {
  rt::Semaphore semaphore(1);
  Asker a("a", semaphore, 2), b("b", semaphore);
  all_wait({&a, &b});
  b.drop();
  a.drop();
  EXPECT_EQ(semaphore.available(), 1u);
  EXPECT_TRUE(semaphore.try_acquire().has_value());
}

TEST(Semaphore, AnAcquireThatWasNeverPolledTakesNothing) {
  rt::Semaphore semaphore(1);
  { Asker a("a", semaphore); }
  EXPECT_EQ(semaphore.available(), 1u);
}

// --- Wakers --------------------------------------------------------------------------------------

TEST(Semaphore, WakesTheNewestWakerOnly) {
  rt::Semaphore semaphore(0);
  Asker a("a", semaphore);
  TestTask other("other");
  EXPECT_EQ(a.poll(), "pending");
  EXPECT_EQ(a.poll_as(other), "pending");
  EXPECT_EQ(a.task.live(), kOnlyItsOwn);
  semaphore.release();
  EXPECT_EQ(a.task.wakes(), 0);
  EXPECT_EQ(other.wakes(), 1);
}

TEST(Semaphore, TheSameTasksWakerIsNotClonedAgain) {
  rt::Semaphore semaphore(0);
  Asker a("a", semaphore);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(a.poll(), "pending");
  EXPECT_EQ(a.task.clones(), 1);
}

// Bug it is here for: waking with the mutex held. If this hangs, that is why.
TEST(Semaphore, WakesWithoutHoldingTheLock) {
  rt::Semaphore semaphore(0);
  Asker a("a", semaphore), b("b", semaphore);
  std::string inside;
  a.task.on_wake([&] { inside = a.poll() + ", " + b.poll(); });
  EXPECT_EQ(a.poll(), "pending");
  semaphore.release();
  EXPECT_EQ(inside, "1 permits, pending");
  semaphore.close();
  a.task.on_wake(nullptr);
}

// The same for a waker that is cloned, at the first poll or at a later one.
TEST(Semaphore, ClonesWakersWithoutHoldingTheLock) {
  rt::Semaphore semaphore(0);
  Asker a("a", semaphore);
  TestTask other("other");
  a.task.on_clone([&] { come_and_go(semaphore); });
  other.on_clone([&] { come_and_go(semaphore); });
  EXPECT_EQ(a.poll(), "pending");
  EXPECT_EQ(a.poll_as(other), "pending");
}

// The same for a waker that is dropped: when another takes its place, and when its future goes.
TEST(Semaphore, DropsWakersWithoutHoldingTheLock) {
  rt::Semaphore semaphore(0);
  Asker a("a", semaphore);
  TestTask other("other");
  int drops = 0;
  const auto count = [&] {
    ++drops;
    come_and_go(semaphore);
  };
  a.task.on_drop(count);
  other.on_drop(count);
  EXPECT_EQ(a.poll(), "pending");
  EXPECT_EQ(a.poll_as(other), "pending") << "its waker takes the place of the other";
  EXPECT_EQ(drops, 1);
  a.drop();
  EXPECT_EQ(drops, 2);
  a.task.on_drop(nullptr);
  other.on_drop(nullptr);
}

// Bug it is here for: no second look after the waker was cloned. Whatever is done meanwhile, the
// future is ready or its task is woken.
TEST(Semaphore, WhatComesWhileTheWakerIsClonedIsNotLost) {
  for (const bool closes : {false, true}) {
    rt::Semaphore semaphore(0);
    Asker a("a", semaphore);
    bool done = false;
    a.task.on_clone([&] {
      if (std::exchange(done, true)) return;
      step(closes ? "it is closed" : "a permit comes");
      closes ? semaphore.close() : semaphore.release();
    });
    const std::string answer = a.poll();
    EXPECT_TRUE(answer != "pending" || a.task.wakes() > 0) << "pending, and nobody was woken";
    EXPECT_EQ(answer != "pending" ? answer : a.poll(), closes ? "closed" : "1 permits");
    if (closes) continue;
    a.give_back();
    EXPECT_TRUE(semaphore.try_acquire().has_value()) << "nobody waits";
  }
}

// --- Closed --------------------------------------------------------------------------------------

TEST(Semaphore, ClosingTellsAllWhoWait) {
  rt::Semaphore semaphore(1);
  Asker a("a", semaphore, 2), b("b", semaphore), late("late", semaphore);
  all_wait({&a, &b});
  semaphore.close();
  EXPECT_TRUE(semaphore.is_closed());
  EXPECT_EQ(a.task.wakes(), 1);
  EXPECT_EQ(b.task.wakes(), 1);
  EXPECT_EQ(a.poll(), "closed");
  EXPECT_EQ(b.poll(), "closed");
  EXPECT_EQ(late.poll(), "closed");
  EXPECT_EQ(semaphore.available(), 1u) << "a had got one of its two";
  EXPECT_FALSE(semaphore.try_acquire().has_value());
}

// Bug it is here for: a waiter that goes after the closing only checks whether it is in the queue.
TEST(Semaphore, WhoWasToldThatItIsClosedAndGoesGivesItsPartBack) {
  rt::Semaphore semaphore(1);
  Asker a("a", semaphore, 2);
  EXPECT_EQ(a.poll(), "pending");
  semaphore.close();
  a.drop();
  EXPECT_EQ(semaphore.available(), 1u);
  EXPECT_EQ(a.task.live(), kOnlyItsOwn);
}

TEST(Semaphore, PermitsThatAreHeldOutliveTheClosing) {
  rt::Semaphore semaphore(1);
  Asker a("a", semaphore);
  EXPECT_EQ(a.poll(), "1 permits");
  semaphore.close();
  semaphore.close();
  a.give_back();
  EXPECT_EQ(semaphore.available(), 1u);
  EXPECT_FALSE(semaphore.try_acquire().has_value());
}

TEST(Semaphore, ServedAndThenClosedItHasItsPermit) {
  rt::Semaphore semaphore(0);
  Asker a("a", semaphore);
  EXPECT_EQ(a.poll(), "pending");
  semaphore.release();
  semaphore.close();
  EXPECT_EQ(a.poll(), "1 permits");
}

// --- Bad input -----------------------------------------------------------------------------------

TEST(Semaphore, PolledAfterReadyIsAnError) {
  rt::Semaphore semaphore(1);
  Asker a("a", semaphore);
  EXPECT_EQ(a.poll(), "1 permits");
  EXPECT_THROW((void)a.future->poll(a.task.cx()), std::logic_error);
}

TEST(Semaphore, MoreThanItCanCountIsAnError) {
  constexpr std::size_t kTooMany = rt::Semaphore::kMaxPermits + 1;
  rt::Semaphore semaphore(1);
  EXPECT_THROW(rt::Semaphore{kTooMany}, std::invalid_argument);
  EXPECT_THROW((void)semaphore.acquire(kTooMany), std::invalid_argument);
  EXPECT_THROW((void)semaphore.try_acquire(kTooMany), std::invalid_argument);
  EXPECT_THROW(semaphore.release(kTooMany), std::invalid_argument);
  EXPECT_TRUE(semaphore.try_acquire().has_value()) << "and nothing has changed";
}

// Bug it is here for: a sum that runs over the end of its bits, and makes the permits vanish.
TEST(Semaphore, MoreInAllThanItCanCountIsAnError) {
  constexpr std::size_t kMost = rt::Semaphore::kMaxPermits;
  rt::Semaphore semaphore(kMost);
  EXPECT_THROW(semaphore.release(), std::invalid_argument);
  EXPECT_EQ(semaphore.available(), kMost) << "and nothing has changed";
  rt::Semaphore few(5);
  EXPECT_THROW(few.release(kMost - 4), std::invalid_argument);
  EXPECT_EQ(few.available(), 5u);
  few.release(kMost - 5);
  EXPECT_EQ(few.available(), kMost);
}

// A destructor cannot throw, and the permit must not be lost without a word.
TEST(Semaphore, APermitThatComesBackToAFullSemaphoreEndsTheProgram) {
  rt::Semaphore semaphore(rt::Semaphore::kMaxPermits);
  std::optional<Permit> permit = semaphore.try_acquire();
  semaphore.release();
  std::signal(SIGABRT, SIG_DFL);  // The end is what is wanted, and no report of a crash.
  EXPECT_DEATH(permit.reset(), "");
  std::move(*permit).forget();
}

// More than there ever were: it waits, and whoever comes later waits behind it, until it goes.
TEST(Semaphore, MoreThanThereAreWaitsUntilThereAre) {
  rt::Semaphore semaphore(2);
  Asker much("much", semaphore, 5), little("little", semaphore);
  all_wait({&much, &little});
  much.drop();
  EXPECT_EQ(little.poll(), "1 permits");
  Asker again("again", semaphore, 5);
  EXPECT_EQ(again.poll(), "pending");
  semaphore.release(4);
  EXPECT_EQ(again.poll(), "5 permits");
}

TEST(Semaphore, NoPermitsAreThereAtOnce) {
  rt::Semaphore semaphore(0);
  Asker none("none", semaphore, 0), a("a", semaphore);
  EXPECT_EQ(a.poll(), "pending");
  EXPECT_EQ(none.poll(), "0 permits");
  none.give_back();
  EXPECT_EQ(a.poll(), "pending");
}

}  // namespace
