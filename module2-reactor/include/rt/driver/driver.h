// Driver: where the thread of a runtime sleeps. Reactor and timers in one Park: a sleep that a
// socket ends, or a deadline, or an unpark by another thread.
//
//   the runtime's thread                       any thread
//   ~~~~~~~~~~~~~~~~~~~~                       ~~~~~~~~~~
//   tasks run, until none is ready             wakes a task: unpark()
//   park():   say that we fall asleep          sets a timer that comes before the sleep's end:
//             ask the timers: until when?         unpark()
//             sleep in epoll_wait              adds a socket: the kernel knows it from there on
//             say that we are awake
//             wake whose event or time came
//   tasks run
//
// Who says unpark() does not know whether the thread sleeps, and a write to the eventfd is a system
// call. One word knows it:
//
//   state      means                               unpark()                    park()
//   -----      -----                               --------                    ------
//   awake      the thread runs                     -> notified                 -> asleep
//   asleep     it sleeps, or is about to           -> notified, interrupts     (one thread parks)
//   notified   somebody called unpark(), and no    stays                       -> awake at its end,
//              park() has ended since                                          without a sleep
//
// Every park() leaves the state awake.
//
// Thread safety: unpark() by any thread, any number of times; the reactor and the timers of its
// handle too. One thread at a time calls the rest, not always the same.
//
// Invariants
//   1. An unpark() is never lost: the park() in progress ends, or the next does not sleep.
//   2. The reactor is interrupted at most once for each sleep, and never when no thread is in
//      park(). A thread that is in park() and wakes tasks there does not interrupt itself.
//   3. A timer that another thread sets during a sleep is not late because of that sleep.
//   4. Every park(), whatever ends it, and every look() takes the events that are there and wakes
//      the timers that are due.
//   5. On a paused clock no time-out ends a sleep; an advance() does. If the clock advances by
//      itself, park() advances it to the next deadline in place of sleeping, unless an event or an
//      unpark() is there.
//   6. After shutdown() whoever waits for a socket or a timer has been told, and so is whoever asks
//      later.
//
// The idea is Tokio's runtime::driver, with the time driver around the I/O driver.
#pragma once

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/reactor.h"
#include "rt/driver/timers.h"
#include "rt/platform/clock.h"
#include "rt/platform/park.h"
#include "rt/platform/sync.h"
#include "rt/platform/todo.h"

namespace rt {

class Driver final : public Park {
 public:
  // Fails when the kernel has no epoll set or eventfd left for it.
  static absl::StatusOr<std::unique_ptr<Driver>> create() {
    absl::StatusOr<sync::Arc<Reactor>> reactor = Reactor::create();
    if (!reactor.ok()) return reactor.status();
    return std::unique_ptr<Driver>(new Driver(*std::move(reactor)));
  }

  ~Driver() override { shutdown(); }

  // Sleeps until an event, a deadline or an unpark(). Throws std::runtime_error when the kernel
  // refuses to wait, which only a descriptor that somebody else has closed brings about.
  void park() override { park_timeout(absl::InfiniteDuration()); }

  // The same, for `limit` at most. Zero or less: takes what is there, and does not sleep.
  void park_timeout(absl::Duration limit) {
    RT_TODO("2.7");
  }

  // Takes the events that are there and wakes the timers that are due, without sleeping.
  void look() override {
    RT_TODO("2.7");
  }

  // Ends the park() in progress, or keeps the next one from sleeping.
  void unpark() override { shared_->unpark(); }

  // No socket is registered and no timer is set: a look would be a system call in vain.
  bool nobody_waits() const noexcept {
    return handle_.reactor->registrations() == 0 && handle_.timers->armed() == 0;
  }

  // Tells all who wait for a socket or a timer that nothing comes any more. May be called again.
  void shutdown() {
    RT_TODO("2.7");
  }

  // For the report of a hang: what is known of the driver, its timers and the clock. Takes no lock.
  std::string describe_all() const {
    return "The driver: " + describe() + "\nIts timers: " + handle_.timers->describe() +
           "\nThe clock: " + clock::describe() + "\n";
  }

  // For those who register sockets and set timers. It may outlive the driver.
  const DriverHandle& handle() const noexcept { return handle_; }

 private:
  // What unpark() needs. It lives as long as anybody may call it: the timers do.
  struct Shared {
    explicit Shared(sync::Arc<Reactor> r) : reactor(std::move(r)) {}

    void unpark() {
      RT_TODO("2.7");
    }

    const sync::Arc<Reactor> reactor;
    // Yours: the state.
  };

  // This thread is in park(), from here to the end of the scope. Then it is awake while it wakes
  // others, whatever the state says: InPark::is_in(shared).
  class InPark {
   public:
    explicit InPark(const Shared& shared) noexcept : outer_(std::exchange(slot(), &shared)) {}
    InPark(const InPark&) = delete;
    InPark& operator=(const InPark&) = delete;
    ~InPark() { slot() = outer_; }
    static bool is_in(const Shared& shared) noexcept { return slot() == &shared; }

   private:
    struct Tag;
    static const Shared*& slot() noexcept { return sync::ThreadLocal<const Shared*, Tag>::get(); }
    const Shared* const outer_;
  };

  explicit Driver(sync::Arc<Reactor> reactor)
      : shared_(sync::Arc<Shared>::make(reactor)),
        handle_(reactor, sync::Arc<Timers>::make([shared = shared_] { shared->unpark(); })),
        watch_([shared = shared_] { shared->unpark(); }) {}

  static void check(const absl::Status& status) {
    if (!status.ok()) throw std::runtime_error(std::string(status.message()));
  }

  // Yours: the rest.

  const sync::Arc<Shared> shared_;
  const DriverHandle handle_;
  const clock::Watch watch_;  // Unparks when somebody moves a paused clock.
};

}  // namespace rt
