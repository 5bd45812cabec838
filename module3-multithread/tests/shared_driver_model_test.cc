// Every interleaving of workers that share a driver, of those who unpark them, and of events.
#include "rt/runtime/shared_driver.h"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "rt/driver/driver.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/timers.h"
#include "rt/future/context.h"
#include "rt/future/waker.h"
#include "rt/platform/clock.h"
#include "rt/platform/park.h"
#include "rt/platform/sync.h"
#include "testkit/model/model.h"
#include "testkit/model_kernel.h"
#include "testkit/testkit.h"

namespace {

using rt::DriverParker;
using rt::SharedDriver;
using rt::sync::Atomic;
using rt::sync::Cell;
using rt::sync::CondVar;
using rt::sync::Lock;
using rt::sync::Mutex;
using testkit::model::check;
using testkit::model::Options;
using testkit::model::Thread;

constexpr auto kRelaxed = std::memory_order_relaxed;

// Sleeps until there is an event or a token, as the real one does.
class FakeDriver final : public rt::Park {
 public:
  // An event comes.
  void post() {
    const Lock lock(mutex_);
    ++waiting_.write();
    condition_.notify_one();
  }
  void unpark() override {
    const Lock lock(mutex_);
    token_.write() = true;
    condition_.notify_one();
  }
  void park() override {
    ++inside_.write();  // Two threads in here that nothing orders are a data race.
    Lock lock(mutex_);
    while (waiting_.read() == 0 && !token_.read()) condition_.wait(lock);
    token_.write() = false;
    take_events();
  }
  void look() override {
    ++inside_.write();
    if (in_look) in_look();
    const Lock lock(mutex_);
    take_events();
  }

  Atomic<int> events{0};  // How many were taken.
  std::function<void()> in_look;

 private:
  void take_events() { events.fetch_add(std::exchange(waiting_.write(), 0)); }

  Cell<int> inside_{0};
  Mutex mutex_;
  CondVar condition_;
  Cell<int> waiting_{0};
  Cell<bool> token_{false};
};

// A driver and two workers.
struct Shared {
  FakeDriver driver;
  SharedDriver shared{driver};
  DriverParker first{shared}, second{shared};
};

// A worker that has to see two relaxed stores, each of which is followed by an unpark().
void parks_until_both(DriverParker& worker, Atomic<int>& count) {
  while (count.load(kRelaxed) < 2) worker.park();
}
void count_and_unpark(Cell<int>& note, Atomic<int>& count, DriverParker& worker) {
  note.write() = 1;
  count.fetch_add(1, kRelaxed);
  worker.unpark();
}

// --- unpark() against park() ---------------------------------------------------------------------

// Bugs it is here for: an unpark() that finds the worker on its way into the driver; one that finds
// a token, and changes nothing.
TEST(SharedDriverModel, NoUnparkOfTheWorkerInTheDriverIsLost) {
  check([] {
    Shared s;
    Cell<int> one(0), two(0);
    Atomic<int> count{0};
    Thread a([&] { count_and_unpark(one, count, s.first); });
    Thread b([&] { count_and_unpark(two, count, s.first); });
    parks_until_both(s.first, count);
    a.join();
    b.join();
    MODEL_REQUIRE(one.read() + two.read() == 2);
  });
}

// Bugs it is here for: the same for a worker that sleeps on its own, and a notification that comes
// before the sleep.
TEST(SharedDriverModel, NoUnparkOfAWorkerThatSleepsAloneIsLost) {
  check([] {
    Shared s;
    Cell<int> one(0), two(0);
    Atomic<int> count{0};
    Thread a([&] { count_and_unpark(one, count, s.second); });
    Thread b([&] { count_and_unpark(two, count, s.second); });
    s.driver.in_look = [&] { parks_until_both(s.second, count); };
    s.first.look();  // Has the driver meanwhile.
    a.join();
    b.join();
    MODEL_REQUIRE(one.read() + two.read() == 2);
  });
}

// Bug it is here for: a token orders nothing: what came before the unpark() is not seen after the
// park().
TEST(SharedDriverModel, WhatCameBeforeAnUnparkIsVisibleAfterThePark) {
  for (const bool alone : {false, true}) {
    check([alone] {
      Shared s;
      Cell<int> note(0);
      Thread other([&] {
        note.write() = 1;
        s.second.unpark();
      });
      const auto park = [&] {
        s.second.park();
        MODEL_REQUIRE(note.read() == 1);
      };
      s.driver.in_look = park;
      if (alone) {
        s.first.look();
      } else {
        park();
      }
      other.join();
    });
  }
}

// --- Two workers, one driver ---------------------------------------------------------------------

// Bugs it is here for: the unpark() goes where the worker is not; the driver is taken by both, or
// handed over without what was done in it.
TEST(SharedDriverModel, BothWorkersAreUnparkedWhereverTheySleep) {
  check([] {
    Shared s;
    Cell<int> note(0);
    Thread worker([&] {
      s.first.park();
      MODEL_REQUIRE(note.read() == 1);
    });
    Thread other([&] {
      note.write() = 1;
      s.first.unpark();
      s.second.unpark();
    });
    s.second.park();
    MODEL_REQUIRE(note.read() == 1);
    worker.join();
    other.join();
  });
}

// A worker of a pool in which there is nothing but events: it ends when all have been taken, and
// tells the other.
void take_events(Shared& s, DriverParker& self, DriverParker& other, int all) {
  while (s.driver.events.load() < all) self.park();
  other.unpark();
}

// Bug it is here for: who had the driver has left it, the other sleeps on its own, and nobody is
// there when the next event comes.
TEST(SharedDriverModel, EveryEventIsTaken) {
  check([] {
    Shared s;
    Thread worker([&] { take_events(s, s.first, s.second, 2); });
    Thread kernel([&] {
      s.driver.post();
      s.driver.post();
    });
    take_events(s, s.second, s.first, 2);
    worker.join();
    kernel.join();
  });
}

// The same, where the one in the driver is unparked and leaves it with no event.
TEST(SharedDriverModel, AnEventAfterAnUnparkIsTaken) {
  check([] {
    Shared s;
    Thread worker([&] { take_events(s, s.first, s.second, 1); });
    Thread kernel([&] {
      s.first.unpark();
      s.driver.post();
    });
    take_events(s, s.second, s.first, 1);
    worker.join();
    kernel.join();
  });
}

// Bug it is here for: a worker finds the driver taken by one that only looks, and sleeps; who has
// looked sleeps too.
TEST(SharedDriverModel, AnEventAfterALookIsTaken) {
  check([] {
    Shared s;
    Thread worker([&] {
      s.first.look();
      take_events(s, s.first, s.second, 1);
    });
    Thread kernel([&] { s.driver.post(); });
    take_events(s, s.second, s.first, 1);
    worker.join();
    kernel.join();
  });
}

// --- With the real driver ------------------------------------------------------------------------

// Two workers, a driver on a clock that stands still, and one timer. Only the kernel is not real.
class TimedScene {
 public:
  TimedScene() {
    rt::clock::pause();
    driver_ = rt::Driver::create().value();
    shared_.emplace(*driver_);
    first.emplace(*shared_);
    second.emplace(*shared_);
    deadline_ = rt::clock::now() + rt::Timers::kTick;
  }
  ~TimedScene() { timers().cancel(timer_); }

  // What a task does that a worker polls. If the timer's time has come, the task goes on.
  void set_timer() {
    const rt::Waker waker(this, &kVTable);
    rt::Context cx(waker);
    if (timers().poll(timer_, deadline_, cx).is_ready()) wake();
  }
  // A worker that has nothing to do, until the task is woken; then it tells the other.
  void run(DriverParker& self, DriverParker& other) {
    while (!is_woken_.load()) self.park();
    other.unpark();
  }

  testkit::ModelKernel kernel;
  std::optional<DriverParker> first, second;

 private:
  void wake() { is_woken_.store(true); }
  rt::Timers& timers() { return *driver_->handle().timers; }
  static void* keep(void* data) { return data; }
  static void wake_by(void* data) { static_cast<TimedScene*>(data)->wake(); }
  static void nothing(void*) {}
  static constexpr rt::WakerVTable kVTable{&keep, &wake_by, &wake_by, &nothing};

  std::unique_ptr<rt::Driver> driver_;
  std::optional<SharedDriver> shared_;
  rt::Instant deadline_;
  rt::Timer timer_;
  Atomic<bool> is_woken_{false};
};

void advance_the_clock() { rt::clock::advance(rt::Timers::kTick); }

// Bug it is here for: one worker sets a timer while the other falls asleep in the driver, and the
// clock moves meanwhile. Each of the three may think that another one looks.
TEST(SharedDriverModel, ATimerOfOneWorkerFiresWhileTheOtherFallsAsleepInTheDriver) {
  check(Options().spurious_wakeups(0), [] {
    TimedScene s;
    Thread worker([&] {
      s.set_timer();
      s.run(*s.first, *s.second);
    });
    Thread clock(advance_the_clock);
    s.run(*s.second, *s.first);
    worker.join();
    clock.join();
  });
}

// The same, where the worker that sets the timer has the driver now and then for a look.
TEST(SharedDriverModel, ATimerFiresAlsoWhereItsWorkerHasLooked) {
  check(Options().spurious_wakeups(0), [] {
    TimedScene s;
    Thread worker([&] {
      s.set_timer();
      s.first->look();
      s.run(*s.first, *s.second);
    });
    Thread clock(advance_the_clock);
    s.run(*s.second, *s.first);
    worker.join();
    clock.join();
  });
}

// The same, while a third thread unparks the worker in the driver, as one does that has a task.
TEST(SharedDriverModel, ATimerFiresBesideAnUnpark) {
  check(Options().spurious_wakeups(0), [] {
    TimedScene s;
    Thread worker([&] {
      s.set_timer();
      s.run(*s.first, *s.second);
    });
    Thread outside([&] {
      s.second->unpark();
      advance_the_clock();
    });
    s.run(*s.second, *s.first);
    worker.join();
    outside.join();
  });
}

}  // namespace
