// The end of a driver, and the executor on it.
#include <cerrno>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>

#include "absl/time/time.h"
#include "driver_parts.h"
#include "rt/driver/driver.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/reactor.h"
#include "rt/driver/timers.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "rt/platform/sys.h"
#include "rt/runtime/io_executor.h"
#include "testkit/sockets.h"
#include "testkit/testkit.h"

namespace {

using absl::Hours;
using absl::Seconds;
using driver_parts::DriverTest;
using driver_parts::Kernel;
using driver_parts::kTick;
using driver_parts::Nap;
using driver_parts::on_another_thread;
using rt::Context;
using rt::Direction;
using rt::IoExecutor;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::poll_fn;
using testkit::Fd;
using testkit::IsPending;
using testkit::IsReady;
using testkit::LifeCounter;
using testkit::PausedClock;
using testkit::step;
using testkit::TestTask;

// --- The end -------------------------------------------------------------------------------------

// Bug it is here for: a task that waits for a driver that is gone waits for ever.
TEST_F(DriverTest, ItsEndTellsAllWhoWait) {
  TestTask reader("reader"), sleeper("sleeper"), late("late");
  std::optional<Socket> socket(*driver);
  Nap timer(Seconds(1)), other(Seconds(1));
  ASSERT_THAT(reader.poll(*socket), IsPending());
  ASSERT_THAT(sleeper.poll(timer), IsPending());
  step("the driver is destroyed");
  driver.reset();
  EXPECT_EQ(reader.wakes(), 1);
  EXPECT_EQ(sleeper.wakes(), 1);
  EXPECT_THAT(reader.poll(*socket), IsReady());
  EXPECT_THROW((void)sleeper.poll(timer), rt::Cancelled);
  EXPECT_THROW((void)late.poll(other), rt::Cancelled);
  const auto [fd, peer] = testkit::socket_pair(SOCK_NONBLOCK);
  EXPECT_FALSE(rt::Reactor::add(handle.reactor, fd.get()).ok());
}

// Bug it is here for: whoever waits for a time is forgotten, because the kernel has something to
// say of a descriptor.
TEST_F(DriverTest, TimersFireAlsoWhenTheWaitFails) {
  PausedClock clock;
  const auto fails = [&](int error, bool sleeps, const std::function<void()>& turns) {
    park_timeout(absl::ZeroDuration());  // Uses up the unpark of the last advance().
    TestTask task;
    Nap timer(Seconds(1));
    ASSERT_THAT(task.poll(timer), IsPending());
    const auto time_passes = [&] { clock.advance(Seconds(1) + kTick); };
    if (sleeps) {
      kernel.during_sleep([&] { on_another_thread(time_passes); });
    } else {
      time_passes();
    }
    kernel.refuse(error);
    try {
      turns();
    } catch (const std::runtime_error&) {
      step("it throws");
    }
    EXPECT_EQ(task.wakes(), 1) << "its time has come";
  };
  for (const int error : {EBADF, EINVAL}) {
    fails(error, true, [this] { park(); });
    fails(error, false, [this] { park(); });
    fails(error, false, [this] { park_timeout(absl::ZeroDuration()); });
    fails(error, false, [this] { look(); });
  }
}

// Bug it is here for: "this sleep is planned" is not taken back when the sleep has failed.
TEST_F(DriverTest, AWaitThatFailsLeavesNoPlanBehind) {
  PausedClock clock;
  TestTask task;
  Nap hour(Hours(1)), second(Seconds(1));
  ASSERT_THAT(task.poll(hour), IsPending());
  kernel.refuse(EBADF);
  EXPECT_THROW(park(), std::runtime_error);
  ASSERT_THAT(task.poll(second), IsPending());
  kernel.during_sleep([this] { unpark_by_another_thread(); });
  park();
  EXPECT_EQ(kernel.sleeps(), 1) << "a timer of its own kept the thread from sleeping";
}

// Bug it is here for: a failure that leaves the driver "asleep". Then each unpark is a system call.
TEST_F(DriverTest, AWaitThatFailsIsSaidAndThenForgotten) {
  kernel.refuse(EBADF);
  EXPECT_THROW(park(), std::runtime_error);
  unpark();
  EXPECT_EQ(kernel.interrupts(), 0) << "nobody sleeps";
  park();
  EXPECT_EQ(kernel.sleeps(), 0) << "it was unparked";
}

// --- The executor on it --------------------------------------------------------------------------

class IoExecutorTest : public testing::Test {
 protected:
  // A task that reads one byte, and then ends.
  auto reader(const Fd& fd, bool* done) {
    return poll_fn([&fd, done, registration = std::optional<rt::Registration>()](
                       Context& cx) mutable -> Poll<void> {
      if (!registration) {
        registration = rt::Reactor::add(rt::current_driver().reactor, fd.get()).value();
      }
      if (registration->io().poll_ready(Direction::kRead, cx).is_pending()) return kPending;
      if (done != nullptr) *done = true;
      return kReady;
    });
  }

  Kernel kernel;
  std::unique_ptr<IoExecutor> executor = IoExecutor::create().value();
};

TEST_F(IoExecutorTest, WaitsForASocketATimerAndAnotherThreadAtOnce) {
  PausedClock clock;
  auto [ours, theirs] = testkit::socket_pair(SOCK_NONBLOCK);
  bool read = false, slept = false;
  executor->spawn(reader(ours, &read)).detach();
  executor
      ->spawn(poll_fn([&, timer = std::optional<Nap>()](Context& cx) mutable -> Poll<void> {
        if (!timer) timer.emplace(Seconds(1));
        if (timer->poll(cx).is_pending()) return kPending;
        slept = true;
        return kReady;
      }))
      .detach();
  std::optional<rt::Waker> waker;
  bool told = false;
  kernel.during_sleep([&] { testkit::send_all(theirs, "x"); });
  kernel.during_sleep([&] {
    EXPECT_TRUE(read);
    on_another_thread([&] { clock.advance(Seconds(1) + kTick); });
  });
  kernel.during_sleep([&] {
    EXPECT_TRUE(slept);
    on_another_thread([&] {
      told = true;
      waker->wake_by_ref();
    });
  });
  const auto is_told = [&](Context& cx) -> Poll<void> {
    waker = cx.waker().clone();
    if (!told) return kPending;
    return kReady;
  };
  executor->block_on(poll_fn(is_told));
  EXPECT_EQ(kernel.sleeps(), 3);
  EXPECT_EQ(executor->alive(), 0U);
}

// Bug it is here for: a task that never waits, and so nobody asks the kernel.
TEST_F(IoExecutorTest, ABusyExecutorDoesNotStarveTheDriver) {
  PausedClock clock;
  auto [ours, theirs] = testkit::socket_pair(SOCK_NONBLOCK);
  bool read = false;
  executor->spawn(reader(ours, &read)).detach();
  testkit::send_all(theirs, "x");
  int polls = 0;
  const auto busy = [&](Context& cx) -> Poll<void> {
    if (read || ++polls == 1'000) return kReady;
    cx.waker().wake_by_ref();
    return kPending;
  };
  executor->block_on(poll_fn(busy));
  EXPECT_TRUE(read) << "1,000 polls, and not one look at the kernel";
  EXPECT_LE(polls, 2 * 61);
}

TEST_F(IoExecutorTest, IsNotStalledWhileKernelOrClockHasSomething) {
  PausedClock clock;
  auto [ours, theirs] = testkit::socket_pair(SOCK_NONBLOCK);
  bool read = false;
  executor->spawn(reader(ours, &read)).detach();
  executor->run_until_stalled();
  EXPECT_FALSE(read);
  testkit::send_all(theirs, "x");
  executor->run_until_stalled();
  EXPECT_TRUE(read);

  auto handle = executor->spawn(Nap(Seconds(1)));
  executor->run_until_stalled();
  EXPECT_EQ(executor->alive(), 1U);
  clock.advance(Seconds(1) + kTick);
  executor->run_until_stalled();
  EXPECT_EQ(executor->alive(), 0U);
  EXPECT_EQ(kernel.sleeps(), 0);
}

// Bug it is here for: wakes that never leave the thread, and cost a system call each.
TEST_F(IoExecutorTest, WakesOfItsOwnThreadInterruptNobody) {
  PausedClock clock;
  rt::clock::set_auto_advance(true);
  auto [ours, theirs] = testkit::socket_pair(SOCK_NONBLOCK);
  kernel.during_sleep([&peer = theirs] { testkit::send_all(peer, "x"); });
  executor->block_on(executor->spawn(reader(ours, nullptr)));
  executor->block_on(executor->spawn(Nap(Hours(1))));
  EXPECT_EQ(kernel.sleeps(), 1);
  EXPECT_EQ(kernel.interrupts(), 0);
}

// Bugs it is here for: a task that is dropped and asks for the driver of its thread; a timer that
// fires into a task that is gone; a waker that unparks a driver that is gone.
TEST_F(IoExecutorTest, MayGoWithTimersAndSocketsInUse) {
  LifeCounter life("a future");
  auto [ours, theirs] = testkit::socket_pair(SOCK_NONBLOCK);
  TestTask outside("outside");
  Nap survivor(Hours(1));
  {
    const rt::EnterDriver inside(executor->driver().handle());
    EXPECT_THAT(outside.poll(survivor), IsPending());
  }
  std::optional<rt::Waker> waker;
  executor->spawn(reader(ours, nullptr)).detach();
  executor
      ->spawn(poll_fn([&waker, token = life.token(),
                       timer = std::optional<Nap>()](Context& cx) mutable -> Poll<void> {
        waker = cx.waker().clone();
        if (!timer) timer.emplace(Hours(1));
        return timer->poll(cx);
      }))
      .detach();
  executor->run_until_stalled();
  EXPECT_EQ(life.live(), 1);
  step("the executor is destroyed");
  executor.reset();
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(outside.wakes(), 1);
  EXPECT_THROW((void)outside.poll(survivor), rt::Cancelled);
  on_another_thread([&] { waker->wake_by_ref(); });
}

// Bug it is here for: a use after free in place of a message. The task is destroyed during its
// poll.
TEST(IoExecutorDeathTest, DestroyedInOneOfItsTasksEndsTheProgram) {
  IoExecutor::create().value()->driver().look();  // An exercise that is not written ends here.
  EXPECT_DEATH(
      {
        std::signal(SIGABRT, SIG_DFL);  // The end is what is wanted, and no report of a crash.
        std::unique_ptr<IoExecutor> executor = IoExecutor::create().value();
        executor->block_on(poll_fn([&executor](Context&) -> Poll<void> {
          executor.reset();
          return kReady;
        }));
      },
      "rt::IoExecutor: destroyed inside one of its own tasks");
}

}  // namespace
