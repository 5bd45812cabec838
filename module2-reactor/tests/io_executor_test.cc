// The driver and the executor on it, with a kernel that never sleeps: what would be a sleep runs
// the test's code, and then says what is there.
#include "rt/runtime/io_executor.h"

#include <csignal>

#include "absl/time/time.h"
#include "driver_parts.h"
#include "rt/driver/driver.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/reactor.h"
#include "rt/driver/timers.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "rt/platform/sys.h"
#include "testkit/sockets.h"
#include "testkit/testkit.h"

namespace {

using absl::Hours;
using absl::Seconds;
using driver_parts::DriverTest;
using driver_parts::kTick;
using driver_parts::Nap;
using driver_parts::on_another_thread;
using testkit::IsPending;
using testkit::PausedClock;
using testkit::TestTask;

// --- unpark --------------------------------------------------------------------------------------

// Bug it is here for: an unpark that ends the sleep of whoever sleeps, and of nobody else.
TEST_F(DriverTest, AnUnparkBeforeTheParkIsNotLost) {
  unpark_by_another_thread();
  park();
  EXPECT_EQ(kernel.sleeps(), 0);
  EXPECT_EQ(kernel.interrupts(), 0) << "nobody slept";
}

// Bug it is here for: the last look comes before "I sleep" is said, and an unpark between the two
// finds nobody asleep.
TEST_F(DriverTest, AnUnparkBetweenTheLastLookAndTheSleepIsNotLost) {
  kernel.during_sleep([this] { unpark_by_another_thread(); });
  park();
  EXPECT_EQ(kernel.sleeps(), 1);
  EXPECT_EQ(kernel.interrupts(), 1);
}

TEST_F(DriverTest, AnUnparkEndsOnePark) {
  unpark();
  unpark();
  park();
  ASSERT_EQ(kernel.sleeps(), 0);
  for (int i = 1; i <= 3; ++i) {
    kernel.during_sleep([this] { unpark_by_another_thread(); });
    park();
    EXPECT_EQ(kernel.sleeps(), i) << "the park did not sleep, though nobody unparked it";
    EXPECT_EQ(kernel.interrupts(), i);
  }
}

// Bug it is here for: a system call for each unpark.
TEST_F(DriverTest, OneSleepIsInterruptedOnce) {
  for (int i = 0; i < 100; ++i) unpark();
  EXPECT_EQ(kernel.interrupts(), 0) << "nobody slept";
  park();
  kernel.during_sleep([this] {
    on_another_thread([this] {
      for (int i = 0; i < 100; ++i) unpark();
    });
  });
  park();
  EXPECT_EQ(kernel.interrupts(), 1);
  for (int i = 0; i < 100; ++i) unpark();
  EXPECT_EQ(kernel.interrupts(), 1) << "the thread was awake again";
}

// Bug it is here for: the thread wakes a task and so unparks itself. It was never so awake.
TEST_F(DriverTest, AThreadThatWakesTasksInItsParkDoesNotInterruptItself) {
  Socket socket(*driver);
  TestTask task;
  task.on_wake([this] { unpark(); });
  ASSERT_THAT(task.poll(socket), IsPending());
  for (int i = 1; i <= 2; ++i) {
    kernel.during_sleep([&] { socket.peer_speaks(); });
    park();
    EXPECT_EQ(kernel.sleeps(), i) << "an unpark during the park kept the next one from sleeping";
    EXPECT_EQ(kernel.interrupts(), 0);
    EXPECT_EQ(task.wakes(), 1);
  }
}

// The same for those whose time has come.
TEST_F(DriverTest, AThreadWhoseTimersWakeTasksInItsParkDoesNotInterruptItself) {
  PausedClock clock;
  TestTask task;
  task.on_wake([this] { unpark(); });
  for (int i = 1; i <= 2; ++i) {
    Nap timer(Seconds(1));
    ASSERT_THAT(task.poll(timer), IsPending());
    kernel.during_sleep([&] { on_another_thread([&] { clock.advance(Seconds(1) + kTick); }); });
    park();
    EXPECT_EQ(kernel.sleeps(), i) << "an unpark during the park kept the next one from sleeping";
    EXPECT_EQ(kernel.interrupts(), i) << "once for each sleep, by whoever moved the clock";
    EXPECT_EQ(task.wakes(), i);
  }
}

// Bug it is here for: a park that will not sleep says that it does. The unpark then is a system
// call, and ends the next sleep as well.
TEST_F(DriverTest, AParkThatDoesNotSleepIsNotInterrupted) {
  unpark();
  kernel.during_look([this] { unpark_by_another_thread(); });
  park();
  kernel.during_look([this] { unpark_by_another_thread(); });
  park_timeout(absl::ZeroDuration());
  EXPECT_EQ(kernel.sleeps(), 0);
  EXPECT_EQ(kernel.interrupts(), 0) << "nobody slept";
}

// Bug it is here for: a thread that has looked once more before it sleeps, and then sleeps whatever
// has happened meanwhile. Whether it looks is its own affair.
TEST_F(DriverTest, AnUnparkWhileThePlanIsMadeIsNotLost) {
  PausedClock clock;
  rt::clock::set_auto_advance(true);
  Socket socket(*driver);
  TestTask task;
  ASSERT_THAT(task.poll(socket), IsPending());
  bool is_unparked = false;
  kernel.during_look([&] {
    unpark_by_another_thread();
    is_unparked = true;
  });
  kernel.during_sleep([&] {
    EXPECT_FALSE(is_unparked) << "the thread sleeps, although it was unparked in its look";
    unpark_by_another_thread();
  });
  park();
}

// --- Time ----------------------------------------------------------------------------------------

// Time runs here, and nothing of it is measured: an hour is long enough for any machine.
TEST_F(DriverTest, SleepsUntilTheNextTimer) {
  TestTask task;
  Nap far(Hours(5)), near(Hours(2)), between(Hours(3));
  ASSERT_THAT(task.poll(far), IsPending());
  ASSERT_THAT(task.poll(near), IsPending());
  ASSERT_THAT(task.poll(between), IsPending());
  park();
  constexpr int kHour = 3'600'000;
  EXPECT_GT(kernel.timeout(), 1 * kHour);
  EXPECT_LE(kernel.timeout(), 2 * kHour + 1);
}

TEST_F(DriverTest, SleepsNoLongerThanItsLimit) {
  park_timeout(Seconds(5));
  EXPECT_GT(kernel.timeout(), 0);
  EXPECT_LE(kernel.timeout(), 5'000);
  TestTask task;
  Nap timer(Hours(1));
  ASSERT_THAT(task.poll(timer), IsPending());
  park_timeout(Seconds(5));
  EXPECT_LE(kernel.timeout(), 5'000) << "the limit comes before the timer";
  park_timeout(Hours(10));
  EXPECT_LE(kernel.timeout(), 3'600'001) << "the timer comes before the limit";
  EXPECT_EQ(kernel.sleeps(), 3);
}

// Bug it is here for: zero is taken for "no limit".
TEST_F(DriverTest, ALimitOfZeroNeverSleeps) {
  Socket socket(*driver);
  TestTask task;
  ASSERT_THAT(task.poll(socket), IsPending());
  park_timeout(absl::ZeroDuration());
  park_timeout(Seconds(-1));
  socket.peer_speaks();
  EXPECT_EQ(task.wakes(), 0);
  park_timeout(absl::ZeroDuration());
  EXPECT_EQ(task.wakes(), 1) << "it takes what is there";
  EXPECT_EQ(kernel.sleeps(), 0);
}

// Bug it is here for: the sleep was planned before the timer came.
TEST_F(DriverTest, AnEarlierTimerByAnotherThreadShortensTheSleep) {
  PausedClock clock;
  TestTask task("this thread's"), other("the other's");
  Nap hour(Hours(1)), second(Seconds(1));
  ASSERT_THAT(task.poll(hour), IsPending());
  kernel.during_sleep([&] {
    on_another_thread([&] {
      const rt::EnterDriver there(driver->handle());
      EXPECT_THAT(other.poll(second), IsPending());
    });
    EXPECT_EQ(kernel.interrupts(), 1) << "the thread sleeps on, for an hour";
  });
  park();
  kernel.during_sleep([&] { on_another_thread([&] { clock.advance(Seconds(1) + kTick); }); });
  park();
  EXPECT_EQ(other.wakes(), 1);
  EXPECT_EQ(task.wakes(), 0);
}

TEST_F(DriverTest, ALaterTimerByAnotherThreadLetsItSleep) {
  PausedClock clock;
  TestTask task("this thread's"), other("the other's");
  Nap hour(Hours(1)), day(Hours(24));
  ASSERT_THAT(task.poll(hour), IsPending());
  kernel.during_sleep([&] {
    on_another_thread([&] {
      const rt::EnterDriver there(driver->handle());
      EXPECT_THAT(other.poll(day), IsPending());
    });
    EXPECT_EQ(kernel.interrupts(), 0);
    on_another_thread([&] { clock.advance(Hours(1) + kTick); });
  });
  park();
  EXPECT_EQ(task.wakes(), 1);
}

// Bug it is here for: "this sleep is planned" is never taken back, and each early timer of the
// thread itself is an unpark.
TEST_F(DriverTest, ATimerThatIsSetWhileTheThreadIsAwakeUnparksNobody) {
  PausedClock clock;
  TestTask task;
  Nap hour(Hours(1)), second(Seconds(1));
  ASSERT_THAT(task.poll(hour), IsPending());
  kernel.during_sleep([this] { unpark_by_another_thread(); });
  park();
  ASSERT_THAT(task.poll(second), IsPending());
  kernel.during_sleep([this] { unpark_by_another_thread(); });
  park();
  EXPECT_EQ(kernel.sleeps(), 2) << "a timer of its own kept the thread from sleeping";
}

// Bug it is here for: timers fire only when the sleep has ended by its time-out.
TEST_F(DriverTest, ATimerThatIsDueFiresWhateverEndsTheSleep) {
  PausedClock clock;
  Socket socket(*driver);
  TestTask reader("reader"), sleeper("sleeper");
  Nap timer(Seconds(1));
  ASSERT_THAT(reader.poll(socket), IsPending());
  ASSERT_THAT(sleeper.poll(timer), IsPending());
  kernel.during_sleep([&] {
    socket.peer_speaks();
    on_another_thread([&] { clock.advance(Seconds(1) + kTick); });
  });
  park();
  EXPECT_EQ(reader.wakes(), 1);
  EXPECT_EQ(sleeper.wakes(), 1);
}

// Bug it is here for: a park without a sleep takes nothing, and one unpark after the other starves
// whoever waits for the kernel.
TEST_F(DriverTest, AnUnparkedParkTakesEventsAndTimersToo) {
  PausedClock clock;
  Socket socket(*driver);
  TestTask reader("reader"), sleeper("sleeper");
  Nap timer(Seconds(1));
  ASSERT_THAT(reader.poll(socket), IsPending());
  ASSERT_THAT(sleeper.poll(timer), IsPending());
  socket.peer_speaks();
  clock.advance(Seconds(1) + kTick);
  unpark();
  park();
  EXPECT_EQ(kernel.sleeps(), 0);
  EXPECT_EQ(reader.wakes(), 1);
  EXPECT_EQ(sleeper.wakes(), 1);
}

TEST_F(DriverTest, ALookTakesWhatIsThereAndNeverSleeps) {
  PausedClock clock;
  Socket socket(*driver);
  TestTask reader("reader"), sleeper("sleeper");
  Nap timer(Seconds(1));
  look();
  ASSERT_THAT(reader.poll(socket), IsPending());
  ASSERT_THAT(sleeper.poll(timer), IsPending());
  look();
  EXPECT_EQ(reader.wakes() + sleeper.wakes(), 0);
  socket.peer_speaks();
  look();
  EXPECT_EQ(reader.wakes(), 1);
  clock.advance(Seconds(1) + kTick);
  look();
  EXPECT_EQ(sleeper.wakes(), 1);
  EXPECT_EQ(kernel.sleeps(), 0);
}

// Bug it is here for: a look that is a park of no time, and uses the unpark up.
TEST_F(DriverTest, ALookUsesNoUnparkUp) {
  unpark();
  look();
  park();
  EXPECT_EQ(kernel.sleeps(), 0);
}

// --- A clock that stands -------------------------------------------------------------------------

// Bug it is here for: the kernel's clock runs on. A time-out taken from the paused clock is wrong.
TEST_F(DriverTest, OnAPausedClockOnlyAnAdvanceEndsTheSleep) {
  PausedClock clock;
  TestTask task;
  Nap timer(Seconds(10));
  ASSERT_THAT(task.poll(timer), IsPending());
  kernel.during_sleep([&] {
    EXPECT_EQ(kernel.timeout(), -1);
    on_another_thread([&] { clock.advance(Seconds(4)); });
  });
  park();
  EXPECT_EQ(task.wakes(), 0);
  kernel.during_sleep([&] { on_another_thread([&] { clock.advance(Seconds(6) + kTick); }); });
  park();
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_EQ(kernel.sleeps(), 2);
}

// Bug it is here for: a test of an hour's time-out that takes an hour, or hangs.
TEST_F(DriverTest, AnAutomaticClockAdvancesInPlaceOfSleeping) {
  PausedClock clock;
  rt::clock::set_auto_advance(true);
  const rt::Instant start = clock.now();
  TestTask first("first"), second("second");
  Nap hour(Hours(1)), day(Hours(24));
  ASSERT_THAT(first.poll(hour), IsPending());
  ASSERT_THAT(second.poll(day), IsPending());
  park();
  EXPECT_EQ(first.wakes(), 1);
  EXPECT_EQ(second.wakes(), 0) << "one deadline at a time: the first task may set another";
  EXPECT_GE(clock.now() - start, Hours(1));
  EXPECT_LE(clock.now() - start, Hours(1) + kTick);
  park();
  EXPECT_EQ(second.wakes(), 1);
  EXPECT_EQ(kernel.sleeps(), 0);
  EXPECT_EQ(kernel.interrupts(), 0);
}

TEST_F(DriverTest, AnAutomaticClockAdvancesNoFurtherThanTheLimit) {
  PausedClock clock;
  rt::clock::set_auto_advance(true);
  const rt::Instant start = clock.now();
  TestTask task;
  Nap timer(Seconds(10));
  ASSERT_THAT(task.poll(timer), IsPending());
  park_timeout(Seconds(3));
  EXPECT_EQ(clock.now() - start, Seconds(3));
  EXPECT_EQ(task.wakes(), 0);
  EXPECT_EQ(kernel.sleeps(), 0);
}

// Bug it is here for: time jumps although somebody could go on, and everything has timed out.
TEST_F(DriverTest, AnAutomaticClockStandsWhileSomethingElseCanRun) {
  PausedClock clock;
  rt::clock::set_auto_advance(true);
  const rt::Instant start = clock.now();
  Socket socket(*driver);
  TestTask reader("reader"), sleeper("sleeper");
  Nap timer(Seconds(10));
  reader.on_wake([this] { unpark(); });
  ASSERT_THAT(reader.poll(socket), IsPending());
  ASSERT_THAT(sleeper.poll(timer), IsPending());

  unpark();
  park();
  EXPECT_EQ(clock.now(), start) << "the thread was unparked: there is something to run";

  kernel.during_look([this] { unpark_by_another_thread(); });
  park();
  EXPECT_EQ(clock.now(), start) << "the thread was unparked at the last moment";

  socket.peer_speaks();
  park();
  EXPECT_EQ(reader.wakes(), 1);
  EXPECT_EQ(clock.now(), start) << "an event has woken a task";

  park();
  EXPECT_EQ(sleeper.wakes(), 1) << "now nothing else can run";
}

TEST_F(DriverTest, AnAutomaticClockWithoutATimerSleeps) {
  PausedClock clock;
  rt::clock::set_auto_advance(true);
  Socket socket(*driver);
  TestTask task;
  ASSERT_THAT(task.poll(socket), IsPending());
  kernel.during_sleep([&] { socket.peer_speaks(); });
  park();
  EXPECT_EQ(kernel.sleeps(), 1);
  EXPECT_EQ(task.wakes(), 1);
}

}  // namespace
