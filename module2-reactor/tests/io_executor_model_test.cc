// Every interleaving of the thread that sleeps in the driver, of one that sets a timer, and of one
// that moves the clock. Driver, reactor, timers and clock are the real ones; the kernel is not.
#include <atomic>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "rt/driver/driver.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/timers.h"
#include "rt/future/context.h"
#include "rt/future/waker.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "testkit/model/model.h"
#include "testkit/model_kernel.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::Driver;
using rt::Instant;
using rt::Timer;
using rt::Timers;
using rt::Waker;
using rt::sync::Atomic;
using testkit::ModelKernel;
using testkit::model::check;
using testkit::model::Options;
using testkit::model::Thread;

constexpr absl::Duration kTick = Timers::kTick;
constexpr auto kRelaxed = std::memory_order_relaxed;

// A driver on a clock that stands still, and one task that is to be woken.
class Scene {
 public:
  Scene() {
    rt::clock::pause();
    driver_ = Driver::create().value();
    deadline_ = rt::clock::now() + kTick;
  }
  ~Scene() { timers().cancel(timer_); }

  Driver& driver() { return *driver_; }
  Timers& timers() { return *driver_->handle().timers; }

  // Sets the timer. Whoever finds that its time has come wakes the task, as a task that is polled
  // on another thread does.
  void set_timer() {
    const Waker waker(this, &kVTable);
    Context cx(waker);
    if (timers().poll(timer_, deadline_, cx).is_ready()) wake();
  }

  // The runtime's thread, until the task is woken.
  void run() {
    while (!is_woken_.load(kRelaxed)) driver_->park();
  }
  // Relaxed: that it is seen after the park() that the unpark() ends is what the driver is for.
  void wake() {
    is_woken_.store(true, kRelaxed);
    driver_->unpark();
  }

 private:
  static void* keep(void* data) { return data; }
  static void wake_by(void* data) { static_cast<Scene*>(data)->wake(); }
  static void nothing(void*) {}
  static constexpr rt::WakerVTable kVTable{&keep, &wake_by, &wake_by, &nothing};

  std::unique_ptr<Driver> driver_;
  Instant deadline_;
  Timer timer_;
  Atomic<bool> is_woken_{false};
};

// Bugs it is here for: the time is looked at before the sleep is announced, and an advance() falls
// in between; the timers are not looked at by a park() that does not sleep.
TEST(DriverModel, AnAdvanceWhileTheThreadFallsAsleepFiresItsTimer) {
  check(Options().spurious_wakeups(0), [] {
    ModelKernel kernel;
    Scene scene;
    scene.set_timer();
    Thread clock([] { rt::clock::advance(kTick); });
    scene.run();
    clock.join();
  });
}

// Bugs it is here for: the same for a timer that another thread sets while this one falls asleep,
// and while the clock moves.
TEST(DriverModel, ATimerOfAnotherThreadFiresWheneverTheClockMoves) {
  check(Options().spurious_wakeups(0), [] {
    ModelKernel kernel;
    Scene scene;
    Thread other([&] { scene.set_timer(); });
    Thread clock([] { rt::clock::advance(kTick); });
    scene.run();
    other.join();
    clock.join();
  });
}

// Bug it is here for: an unpark() is taken for the one that came before, and the thread sleeps on.
TEST(DriverModel, NoUnparkIsLostBesideAnAdvance) {
  check(Options().spurious_wakeups(0), [] {
    ModelKernel kernel;
    Scene scene;
    Thread other([&] { scene.wake(); });
    Thread clock([] { rt::clock::advance(kTick); });
    scene.run();
    other.join();
    clock.join();
  });
}

// Bug it is here for: a clock that advances by itself goes on to a deadline, though somebody has
// said that there is work.
TEST(DriverModel, ATimerFiresOnAClockThatAdvancesByItself) {
  check(Options().spurious_wakeups(0), [] {
    ModelKernel kernel;
    Scene scene;
    rt::clock::set_auto_advance(true);
    Thread other([&] { scene.set_timer(); });
    scene.run();
    other.join();
  });
}

}  // namespace
