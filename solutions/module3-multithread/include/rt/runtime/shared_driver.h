// SharedDriver: one driver for all workers of a pool. A worker that has nothing to do and finds the
// driver free sleeps in it, and takes the events for everybody. The others sleep on their condition
// variables.
//
//   worker 0                  worker 1                  worker 2
//   ~~~~~~~~                  ~~~~~~~~                  ~~~~~~~~
//   park(): takes the driver  runs a task               park(): the driver is taken:
//           sleeps in epoll                                     sleeps on its own
//   an event: wakes a task    park(): the driver is taken:
//   gives the driver back             sleeps on its own
//   runs the task
//   park(): takes the driver again
//
// How a worker sleeps is known by one word of its own, its state:
//
//   state      means                          unpark()                       park() of its owner
//   -----      -----                          --------                       -------------------
//   empty      the worker is awake            -> notified                    -> driving, if it gets
//                                                                            the driver, or
//                                                                            sleeping
//   sleeping   sleeps on its own, or is       -> notified, and notifies the  ends by notified only,
//              about to                       condition variable             -> empty
//   driving    sleeps in the driver, or is    -> notified, and unparks the   ends when the driver's
//              about to                       driver                         does, -> empty
//   notified   it has a token                 stays notified                 -> empty, at once
//
// Who takes the driver over when its holder leaves? Nobody is woken for that: the holder itself
// comes back. It is awake, and a worker that is awake calls look() now and then, and tries to get
// the driver before it sleeps. So whenever nobody is in the driver, somebody is awake who will be.
// Look at the worker that was the last to find the driver taken: the one that had it gives it back
// later than that, awake, and what it tries after that is the driver. (A wake for each hand-over
// would cost more than most tasks take. What it costs not to: see invariant 4.)
//
// Thread safety: a DriverParker's park() and look() by its worker only; unpark() by any thread, any
// number of times. Different workers at once.
//
// Invariants
//   1. An unpark() is never lost: the worker's park() in progress ends, or its next returns at
//      once. What happened before it is visible after that park().
//   2. One worker at a time calls the driver's park() and look(). Nobody waits for the driver.
//   3. The driver is unparked only for a worker that sleeps in it or has just left it, and then at
//      most once for each sleep. Whom that wakes in its place merely looks for work once more.
//   4. While a worker is asleep, one is in the driver, or one is awake that will look there: before
//      it sleeps, and in each look(). An event waits no longer than the polls between two of these.
//   5. A park() that sleeps on its own ends by a token only. One in the driver ends when the
//      driver's park() does, also by throwing, and leaves the driver free.
//
// It is a Park but for one thing: not every park() brings events. Only who is in the driver does.
//
// The idea is Tokio's runtime::scheduler::multi_thread::park.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "rt/platform/park.h"
#include "rt/platform/sync.h"

namespace rt {

// What the DriverParkers of one pool share. It outlives them.
class SharedDriver {
 public:
  // `driver` outlives this object, and belongs to it alone.
  explicit SharedDriver(Park& driver) noexcept : driver_(driver) {}
  SharedDriver(const SharedDriver&) = delete;
  SharedDriver& operator=(const SharedDriver&) = delete;

 private:
  friend class DriverParker;

  Park& driver_;
  // BEGIN SOLUTION 3.9
  // STUB: // Yours: who may call it.

  // The turn to call the driver's park() and look(), if nobody has it. Given back with the scope.
  class Turn {
   public:
    explicit Turn(SharedDriver& shared) noexcept
        // Acquire: pairs with the release in ~Turn, and hands over what the last one did there.
        : taken_(shared.taken_), has_it_(!taken_.exchange(true, std::memory_order_acquire)) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      if (has_it_) taken_.store(false, std::memory_order_release);
    }
    bool has_it() const noexcept { return has_it_; }

   private:
    sync::Atomic<bool>& taken_;
    const bool has_it_;
  };

  sync::Atomic<bool> taken_{false};
  // END SOLUTION
};

// The Park of one worker.
class DriverParker final : public Park {
 public:
  explicit DriverParker(SharedDriver& shared) noexcept : shared_(shared) {}

  // Sleeps in the driver, if no other worker has it, else until an unpark(). Throws what the
  // driver's park() throws.
  void park() override {
    // BEGIN SOLUTION 3.9
    if (take_token()) return;
    const SharedDriver::Turn turn(shared_);
    if (turn.has_it()) {
      sleep_in_driver();
    } else {
      sleep_alone();
    }
    // END SOLUTION
  }

  // Leaves a token, and ends the worker's sleep, wherever it sleeps.
  void unpark() override {
    // BEGIN SOLUTION 3.9
    // An exchange, and release, also when a token is there already: park() may see what happened
    // before this call.
    switch (state_.exchange(kNotified, std::memory_order_release)) {
      case kSleeping: {
        // The owner holds the mutex from its last look until it sleeps. Whoever has had it since
        // knows that the owner sleeps, or has seen the token.
        { const sync::Lock lock(mutex_); }
        condition_.notify_one();
        break;
      }
      case kDriving:
        shared_.driver_.unpark();
        break;
      default:
        break;
    }
    // END SOLUTION
  }

  // Takes the events that are there, if no other worker has the driver: then that one takes them.
  // Never sleeps, and uses no token up.
  void look() override {
    // BEGIN SOLUTION 3.9
    const SharedDriver::Turn turn(shared_);
    if (turn.has_it()) shared_.driver_.look();
    // END SOLUTION
  }

 private:
  SharedDriver& shared_;
  // BEGIN SOLUTION 3.9
  // STUB: // Yours: the state, and what one sleeps on.
  enum State : std::uint8_t { kEmpty, kSleeping, kDriving, kNotified };

  std::string describe() const override {
    switch (state_.load(std::memory_order_relaxed)) {
      case kEmpty:
        return "empty";
      case kSleeping:
        return "sleeping";
      case kDriving:
        return "driving";
      case kNotified:
        return "notified";
    }
    return "?";
  }

  // Whatever the state was, there is no token any more and no sleep. An exchange and not a store:
  // it reads the newest unpark(), and acquire: it sees what came before that.
  void take_all() noexcept { state_.exchange(kEmpty, std::memory_order_acquire); }

  bool take_token() noexcept {
    State expected = kNotified;
    // Acquire: as take_all(). Relaxed: where there is no token, nothing is seen.
    return state_.compare_exchange_strong(expected, kEmpty, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }

  // Says where we sleep. False: there is a token.
  bool fall_asleep(State where) noexcept {
    State expected = kEmpty;
    // Relaxed: it publishes nothing, and what an unpark() published is seen by take_all().
    return state_.compare_exchange_strong(expected, where, std::memory_order_relaxed,
                                          std::memory_order_relaxed);
  }

  void sleep_in_driver() {
    struct Awake {
      explicit Awake(DriverParker& p) noexcept : parker(p) {}
      ~Awake() { parker.take_all(); }  // Before the Turn ends, and also when the driver throws.
      DriverParker& parker;
    };
    const Awake at_the_end(*this);
    if (fall_asleep(kDriving)) shared_.driver_.park();
  }

  void sleep_alone() {
    sync::Lock lock(mutex_);
    if (fall_asleep(kSleeping)) {
      // Relaxed: as fall_asleep().
      while (state_.load(std::memory_order_relaxed) != kNotified) condition_.wait(lock);
    }
    take_all();
  }

  sync::Atomic<State> state_{kEmpty};
  sync::Mutex mutex_;
  sync::CondVar condition_;
  // END SOLUTION
};

}  // namespace rt
