#include "rt/future/thread_timer.h"

#include <pthread.h>

#include <atomic>
#include <ctime>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

#include "absl/time/time.h"
#include "rt/platform/clock.h"
#include "testkit/process.h"
#include "testkit/testkit.h"

namespace {

using absl::Hours;
using absl::Nanoseconds;
using absl::Seconds;
using rt::ThreadTimer;
using testkit::IsPending;
using testkit::IsReady;
using testkit::PausedClock;
using testkit::step;
using testkit::TestTask;
using testkit::threads;

static_assert(std::is_same_v<rt::OutputOf<ThreadTimer>, void>);
static_assert(std::is_nothrow_move_constructible_v<ThreadTimer>);
static_assert(!std::is_copy_constructible_v<ThreadTimer>);

// TestTask::live() counts the task's own waker too.
constexpr int kOnlyItsOwn = 1;

// True once `n` threads have seen what time it is and sleep on. False if the task was woken
// instead. (It goes by the CPU time of this process that a test gives up: nothing here depends on
// the load.)
bool sleep_on(const TestTask& task, std::size_t n = 1) {
  const std::clock_t started = std::clock();
  while (task.wakes() == 0) {
    if (rt::clock::sleepers() == n) return true;
    if (std::clock() - started > 3 * CLOCKS_PER_SEC) {
      ADD_FAILURE() << "Expected " << n << " thread(s) in rt::clock::wait_until, waiting for a\n"
                    << "deadline that is still to come, but there are " << rt::clock::sleepers()
                    << ", and nobody was woken.";
      return false;
    }
    std::this_thread::yield();
  }
  return false;
}

// --- The time ------------------------------------------------------------------------------------

TEST(ThreadTimer, IsReadyWhenTheTimeHasCome) {
  PausedClock clock;
  TestTask task;
  ThreadTimer timer(Seconds(10));
  ASSERT_THAT(task.poll(timer), IsPending());
  clock.advance(Seconds(10));
  task.wait_for_wakes(1);
  EXPECT_THAT(task.poll(timer), IsReady());
}

// Bug it is here for: a deadline that is rounded down.
TEST(ThreadTimer, IsNeverReadyEarly) {
  const absl::Duration time = Seconds(10) + Nanoseconds(7);
  PausedClock clock;
  TestTask task;
  ThreadTimer timer(time);
  ASSERT_THAT(task.poll(timer), IsPending());
  clock.advance(time - Nanoseconds(1));
  ASSERT_TRUE(sleep_on(task)) << "One nanosecond is left of " << time << "; it must sleep on.";
  ASSERT_THAT(task.poll(timer), IsPending()) << "Polled without a reason, one nanosecond early.";
  clock.advance(Nanoseconds(1));
  task.wait_for_wakes(1);
  EXPECT_THAT(task.poll(timer), IsReady());
}

// Bug it is here for: a deadline counted from the constructor. A future does nothing until polled.
TEST(ThreadTimer, TheTimeCountsFromTheFirstPoll) {
  PausedClock clock;
  TestTask task;
  ThreadTimer timer(Seconds(10));
  clock.advance(Seconds(10));
  ASSERT_THAT(task.poll(timer), IsPending())
      << "Ten seconds have gone by since it was made, and none since its first poll.";
  ASSERT_TRUE(sleep_on(task)) << "The ten seconds begin with the first poll.";
  clock.advance(Seconds(9));
  ASSERT_TRUE(sleep_on(task)) << "Nine seconds after the first poll one is left.";
  clock.advance(Seconds(1));
  task.wait_for_wakes(1);
  EXPECT_THAT(task.poll(timer), IsReady());
}

// Bug it is here for: each poll sets the deadline anew, or starts one more thread.
TEST(ThreadTimer, LaterPollsStartNothing) {
  PausedClock clock;
  TestTask task;
  ThreadTimer timer(Seconds(10));
  ASSERT_THAT(task.poll(timer), IsPending());
  clock.advance(Seconds(6));
  ASSERT_THAT(task.poll(timer), IsPending());
  ASSERT_TRUE(sleep_on(task, 1)) << "Four of ten seconds are left: the one thread sleeps on.";
  clock.advance(Seconds(4));
  task.wait_for_wakes(1);
  EXPECT_THAT(task.poll(timer), IsReady())
      << "Ten seconds after the first poll. The poll in between has changed nothing.";
  EXPECT_EQ(task.wakes(), 1);
}

TEST(ThreadTimer, ZeroOrLessIsReadyAtOnceWithoutAThread) {
  const std::ptrdiff_t before = threads();
  for (const absl::Duration duration :
       {absl::ZeroDuration(), -Nanoseconds(1), -Seconds(10), -absl::InfiniteDuration()}) {
    TestTask task(absl::FormatDuration(duration));
    ThreadTimer timer(duration);
    EXPECT_THAT(task.poll(timer), IsReady()) << "There is nothing to wait for.";
    EXPECT_EQ(task.live(), kOnlyItsOwn) << "Ready at once: nobody has to be woken.";
    EXPECT_LE(threads(), before) << "Ready at once: no thread is needed.";
    EXPECT_THROW((void)task.poll(timer), std::logic_error) << "It has said ready once.";
  }
}

// Bug it is here for: an infinite duration that overflows into the past.
TEST(ThreadTimer, AnInfiniteTimerWaitsForEverAndCanBeDropped) {
  PausedClock clock;
  TestTask task;
  {
    ThreadTimer timer(absl::InfiniteDuration());
    ASSERT_THAT(task.poll(timer), IsPending());
    ASSERT_TRUE(sleep_on(task)) << "An infinite timer is never ready.";
    clock.advance(Hours(24 * 365));
    ASSERT_TRUE(sleep_on(task)) << "A year later an infinite timer is not ready either.";
    step("the timer is dropped");
  }
  EXPECT_EQ(task.wakes(), 0);
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

// Bug it is here for: a future that answers again after it has ended.
TEST(ThreadTimer, PolledAfterReadyThrows) {
  PausedClock clock;
  TestTask task;
  ThreadTimer timer(Seconds(1));
  ASSERT_THAT(task.poll(timer), IsPending());
  clock.advance(Seconds(1));
  task.wait_for_wakes(1);
  EXPECT_THAT(task.poll(timer), IsReady());
  EXPECT_THROW((void)task.poll(timer), std::logic_error)
      << "It has said ready once. A poll after that is its owner's mistake.";
}

TEST(ThreadTimer, EachTimerHasATimeOfItsOwn) {
  PausedClock clock;
  TestTask one("one"), two("two"), three("three");
  ThreadTimer in_one(Seconds(1)), in_two(Seconds(2)), in_three(Seconds(3));
  ASSERT_THAT(three.poll(in_three), IsPending());
  ASSERT_THAT(one.poll(in_one), IsPending());
  ASSERT_THAT(two.poll(in_two), IsPending());
  clock.advance(Seconds(1));
  one.wait_for_wakes(1);
  ASSERT_TRUE(sleep_on(two, 2)) << "After one second two of the three sleep on.";
  EXPECT_THAT(one.poll(in_one), IsReady());
  clock.advance(Seconds(1));
  two.wait_for_wakes(1);
  ASSERT_TRUE(sleep_on(three, 1)) << "After two seconds one of the three sleeps on.";
  EXPECT_THAT(two.poll(in_two), IsReady());
  clock.advance(Seconds(1));
  three.wait_for_wakes(1);
  EXPECT_THAT(three.poll(in_three), IsReady());
}

// The clock of every day: nobody moves it by hand.
TEST(ThreadTimer, RunsOnTheRunningClock) {
  TestTask task;
  ThreadTimer timer(Nanoseconds(1));
  const rt::Instant before = rt::clock::now();
  if (task.poll(timer).is_pending()) {
    task.wait_for_wakes(1);
    EXPECT_THAT(task.poll(timer), IsReady());
  }
  EXPECT_GE(rt::clock::now() - before, Nanoseconds(1));
}

// While it lives no thread can be started: each would need a stack larger than all of memory.
class NoThreads {
 public:
  NoThreads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, std::size_t{1} << 55);
    pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
    step("from here on no thread can be started");
  }
  ~NoThreads() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
    step("threads can be started again");
  }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;

 private:
  pthread_attr_t before_;
};

// Bug it is here for: what says "has begun" was written before the thread was started. It was not,
// and the timer is pending for ever.
TEST(ThreadTimer, WithoutAThreadNothingHasBegun) {
  PausedClock clock;
  TestTask task;
  ThreadTimer timer(Seconds(10));
  {
    const NoThreads none;
    EXPECT_THROW((void)task.poll(timer), std::system_error) << "There is no thread to be had.";
    EXPECT_THROW((void)task.poll(timer), std::system_error) << "There still is none.";
  }
  ASSERT_THAT(task.poll(timer), IsPending());
  ASSERT_TRUE(sleep_on(task)) << "Now there is a thread, and ten seconds begin.";
  clock.advance(Seconds(10));
  task.wait_for_wakes(1);
  EXPECT_THAT(task.poll(timer), IsReady());
}

TEST(ThreadTimer, WithoutAThreadItCanBeDropped) {
  TestTask task;
  {
    const NoThreads none;
    ThreadTimer timer(Seconds(10));
    EXPECT_THROW((void)task.poll(timer), std::system_error) << "There is no thread to be had.";
    step("the timer is dropped");
  }
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "A dropped timer takes back the waker that it left.";
}

// --- The newest waker ----------------------------------------------------------------------------

// Bug it is here for: the thread was given the waker of the first poll, and keeps to it.
TEST(ThreadTimer, WakesTheNewestWakerOnly) {
  PausedClock clock;
  TestTask a("a"), b("b");
  std::atomic<bool> woken = false;
  const auto note = [&woken] {
    woken = true;
    woken.notify_one();
  };
  a.on_wake(note);
  b.on_wake(note);
  {
    ThreadTimer timer(Seconds(10));
    ASSERT_THAT(a.poll(timer), IsPending());
    ASSERT_THAT(b.poll(timer), IsPending());
    EXPECT_EQ(a.live(), kOnlyItsOwn) << "The waker of b has replaced that of a, which is dropped.";
    clock.advance(Seconds(10));
    woken.wait(false);  // Whichever of the two it is.
  }
  EXPECT_EQ(b.wakes(), 1) << "Task b polled last, so b has to be woken.";
  EXPECT_EQ(a.wakes(), 0) << "Task a polled before b did. It does not wait for this any more.";
  EXPECT_EQ(b.live(), kOnlyItsOwn) << "The waker that was stored is used up by the wake.";
}

// Bug it is here for: a clone for each poll.
TEST(ThreadTimer, TheSameTasksWakerIsNotClonedAgain) {
  PausedClock clock;
  TestTask task;
  ThreadTimer timer(Seconds(10));
  ASSERT_THAT(task.poll(timer), IsPending());
  ASSERT_THAT(task.poll(timer), IsPending());
  ASSERT_THAT(task.poll(timer), IsPending());
  EXPECT_EQ(task.clones(), 1)
      << "The stored waker will_wake() this task already. There is nothing to clone.";
}

// --- Dropping ------------------------------------------------------------------------------------

// Bug it is here for: a thread that is started by the constructor.
TEST(ThreadTimer, ATimerThatIsNeverPolledHasNoThread) {
  PausedClock clock;
  const std::ptrdiff_t before = threads();
  ThreadTimer timer(Seconds(10));
  EXPECT_LE(threads(), before) << "It does nothing until it is polled: there is no thread yet.";
}

// Bug it is here for: a destructor that waits out the deadline (with the clock stopped: for ever),
// or that leaves its thread behind.
TEST(ThreadTimer, DroppedBeforeItsTimeItEndsItsThread) {
  PausedClock clock;
  TestTask task;
  {
    ThreadTimer timer(Seconds(10));
    ASSERT_THAT(task.poll(timer), IsPending());
    ASSERT_TRUE(sleep_on(task));
    step("the timer is dropped");
  }
  EXPECT_EQ(rt::clock::sleepers(), 0u)
      << "The timer was dropped, and its thread still waits for the deadline.";
  EXPECT_EQ(task.live(), kOnlyItsOwn) << "A dropped timer takes back the waker that it left.";
  clock.advance(Seconds(10));
  EXPECT_EQ(task.wakes(), 0) << "The timer was dropped. Its task waits for nothing.";
}

// The same at the earliest moment: its thread may not even have begun.
TEST(ThreadTimer, DroppedRightAfterItsFirstPoll) {
  PausedClock clock;
  for (int round = 0; round < 50; ++round) {
    TestTask task;
    {
      ThreadTimer timer(Seconds(10));
      ASSERT_THAT(task.poll(timer), IsPending());
    }
    EXPECT_EQ(rt::clock::sleepers(), 0u) << "The thread of a timer that was dropped still waits.";
    EXPECT_EQ(task.wakes(), 0);
    EXPECT_EQ(task.live(), kOnlyItsOwn);
  }
}

// And at the latest: the wake has come, and nobody polls any more.
TEST(ThreadTimer, DroppedAfterTheWake) {
  PausedClock clock;
  TestTask task;
  {
    ThreadTimer timer(Seconds(10));
    ASSERT_THAT(task.poll(timer), IsPending());
    clock.advance(Seconds(10));
    task.wait_for_wakes(1);
    step("the timer is dropped");
  }
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

TEST(ThreadTimer, MovedBeforeItsFirstPollItWaitsTheSame) {
  PausedClock clock;
  TestTask task;
  std::optional<ThreadTimer> made_here(Seconds(10));
  ThreadTimer timer = std::move(*made_here);
  made_here.reset();
  ASSERT_THAT(task.poll(timer), IsPending());
  clock.advance(Seconds(10));
  task.wait_for_wakes(1);
  EXPECT_THAT(task.poll(timer), IsReady());
}

// --- Wakers that call back -----------------------------------------------------------------------
// A wake may run the woken task then and there, on the timer's own thread. If that hangs, the
// report shows who asks for the lock, and who holds it.

// Bug it is here for: waking while the lock is held.
TEST(ThreadTimer, WakesWithoutHoldingTheLock) {
  PausedClock clock;
  TestTask task;
  ThreadTimer timer(Seconds(10));
  std::atomic<bool> done = false;
  bool ready_inside_the_wake = false;
  task.on_wake([&] {
    step("the wake polls the timer then and there");
    ready_inside_the_wake = task.poll(timer).is_ready();
    done = true;
    done.notify_one();
  });
  ASSERT_THAT(task.poll(timer), IsPending());
  clock.advance(Seconds(10));
  done.wait(false);
  EXPECT_TRUE(ready_inside_the_wake) << "The time has come before the waiter is woken.";
}

// Bug it is here for: a thread that waits for its own end.
TEST(ThreadTimer, MayBeDroppedInsideItsWake) {
  PausedClock clock;
  TestTask task;
  std::optional<ThreadTimer> timer(Seconds(10));
  const auto done = std::make_shared<std::atomic<bool>>(false);
  task.on_wake([&timer, done] {
    step("the woken task ends: the timer is dropped on its own thread");
    timer.reset();
    *done = true;
    done->notify_one();
  });
  ASSERT_THAT(task.poll(*timer), IsPending());
  clock.advance(Seconds(10));
  done->wait(false);
  EXPECT_FALSE(timer.has_value());
}

// Bug it is here for: dropping the replaced waker while the lock is held. To move
// the clock means to look after every sleeping thread, and so takes the timer's lock.
TEST(ThreadTimer, DropsTheReplacedWakerWithoutHoldingTheLock) {
  PausedClock clock;
  int drops = 0;
  TestTask a("a"), b("b");
  ThreadTimer timer(Seconds(10));
  a.on_drop([&] {
    ++drops;
    clock.advance(Nanoseconds(1));
  });
  ASSERT_THAT(a.poll(timer), IsPending());
  ASSERT_TRUE(sleep_on(a));
  ASSERT_THAT(b.poll(timer), IsPending());
  EXPECT_EQ(drops, 1) << "The waker of a is replaced by that of b, and so dropped.";
  a.on_drop(nullptr);
}

// Bug it is here for: the same in the destructor.
TEST(ThreadTimer, TakesItsWakerBackWithoutHoldingTheLock) {
  PausedClock clock;
  int drops = 0;
  TestTask task;
  std::optional<ThreadTimer> timer(Seconds(10));
  task.on_drop([&] {
    ++drops;
    clock.advance(Nanoseconds(1));
  });
  ASSERT_THAT(task.poll(*timer), IsPending());
  ASSERT_TRUE(sleep_on(task));
  step("the timer is dropped");
  timer.reset();
  EXPECT_EQ(drops, 1) << "The timer was dropped, and its waker with it.";
  task.on_drop(nullptr);
}

}  // namespace
