// The driver and the executor on it, with a kernel that never sleeps: what would be a sleep runs
// the test's code, and then says what is there.
#include "rt/runtime/io_executor.h"

#include <cerrno>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
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
using rt::Context;
using rt::Direction;
using rt::Driver;
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

// A deadline is rounded up to a whole tick.
constexpr absl::Duration kTick = rt::Timers::kTick;

void on_another_thread(const std::function<void()>& work) {
  step("on another thread:");
  std::thread(work).join();
}

// Sleeps by the timers of this thread's driver, from its first poll on.
class Nap {
 public:
  using Output = void;

  explicit Nap(absl::Duration time) noexcept : time_(time) {}
  Nap(Nap&&) noexcept = default;  // Before its first poll only.
  Nap& operator=(Nap&&) = delete;
  ~Nap() {
    if (timers_) timers_->cancel(timer_);
  }

  Poll<void> poll(Context& cx) {
    if (!timers_) {
      timers_ = rt::current_timers("Nap");
      deadline_ = rt::clock::now() + time_;
    }
    return timers_->poll(timer_, deadline_, cx);
  }

 private:
  absl::Duration time_;
  rt::sync::Arc<rt::Timers> timers_;
  rt::Instant deadline_;
  rt::Timer timer_;
};

// Stands between the code and the kernel. No epoll_wait sleeps here.
class Kernel final : public rt::sys::Calls {
 public:
  Kernel() : before_(rt::sys::replace(this)) {}
  ~Kernel() override { rt::sys::replace(before_); }

  // What happens in the next sleep that has no plan yet, when the thread is as good as asleep.
  void during_sleep(std::function<void()> what) { plans_.push_back(std::move(what)); }
  // What happens in the next epoll_wait of no time.
  void during_look(std::function<void()> what) { look_ = std::move(what); }
  // The next epoll_wait fails: at its end, if it sleeps.
  void refuse(int error) { error_ = error; }

  int waits() const { return waits_; }    // How many epoll_wait.
  int sleeps() const { return sleeps_; }  // How many of them with time to sleep.
  int interrupts() const { return interrupts_; }
  int timeout() const { return timeout_; }  // Of the last sleep; -1 is for ever.

  int epoll_wait(int epoll, epoll_event* events, int size, int timeout) override {
    if (++waits_ > 10'000) throw std::logic_error("epoll_wait again and again");
    step("epoll_wait, timeout " + std::to_string(timeout));
    if (error_ != 0) {
      if (timeout != 0 && next_ < plans_.size()) plans_[next_++]();
      errno = std::exchange(error_, 0);
      return -1;
    }
    if (timeout != 0) {
      ++sleeps_;
      timeout_ = timeout;
      if (next_ < plans_.size()) plans_[next_++]();
    } else if (look_) {
      std::exchange(look_, nullptr)();
    }
    const int count = Calls::epoll_wait(epoll, events, size, 0);
    if (count == 0 && timeout < 0) {
      throw std::logic_error("the thread sleeps for ever: nobody has a reason to wake it");
    }
    return count;
  }

  int eventfd_write(int fd, eventfd_t value) override {
    step("the eventfd is written");
    ++interrupts_;
    return Calls::eventfd_write(fd, value);
  }

 private:
  rt::sys::Calls* const before_;
  std::vector<std::function<void()>> plans_;
  std::size_t next_ = 0;
  std::function<void()> look_;
  int error_ = 0;
  int waits_ = 0, sleeps_ = 0, interrupts_ = 0, timeout_ = 0;
};

// A driver, this thread in it, and the calls that a runtime makes.
class DriverTest : public testing::Test {
 protected:
  void park() {
    step("park()");
    driver->park();
  }
  void park_timeout(absl::Duration limit) {
    step("park_timeout(" + absl::FormatDuration(limit) + ")");
    driver->park_timeout(limit);
  }
  void look() {
    step("look()");
    driver->look();
  }
  void unpark() {
    step("unpark()");
    driver->unpark();
  }
  void unpark_by_another_thread() {
    on_another_thread([this] { unpark(); });
  }

  // A socket of this driver, whose peer may say something.
  class Socket {
   public:
    explicit Socket(const Driver& driver)
        : pair_(testkit::socket_pair(SOCK_NONBLOCK)),
          registration_(rt::Reactor::add(driver.handle().reactor, pair_.first.get()).value()) {}
    Poll<void> poll(Context& cx) {
      if (registration_.io().poll_ready(Direction::kRead, cx).is_pending()) return kPending;
      return kReady;
    }
    using Output = void;
    void peer_speaks() {
      step("bytes arrive");
      testkit::send_all(pair_.second, "x");
    }

   private:
    std::pair<Fd, Fd> pair_;
    rt::Registration registration_;
  };

  Kernel kernel;
  std::unique_ptr<Driver> driver = Driver::create().value();
  const rt::DriverHandle handle = driver->handle();
  rt::EnterDriver inside{handle};
};

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
