#include "rt/parker.h"

#include <atomic>
#include <thread>

#include "testkit/process.h"
#include "testkit/testkit.h"

namespace {

using rt::Parker;
using testkit::HelperThread;
using testkit::step;
using testkit::this_thread_id;
using testkit::wait_until_asleep;

// What happened to a park() on a thread of its own, up to the moment when that thread sleeps.
class ParkingThread {
 public:
  explicit ParkingThread(Parker& parker)
      : thread_([this, &parker] {
          id_ = this_thread_id();
          parker.park();
          returned_ = true;
        }) {
    while (id_ == 0) std::this_thread::yield();
    wait_until_asleep(id_, returned_);
  }

  bool returned() const { return returned_; }

 private:
  std::atomic<int> id_{0};
  std::atomic<bool> returned_{false};
  const HelperThread thread_;  // The last member: it uses the others.
};

// Bugs it is here for: an unpark that only notifies, and leaves nothing to be found by a park that
// comes later.
TEST(Parker, AnUnparkBeforeTheParkIsNotLost) {
  Parker parker;
  for (int i = 1; i <= 3; ++i) {
    step("unpark()");
    parker.unpark();
    step("park(): it finds the token and returns at once");
    parker.park();
  }
}

// Bug it is here for: a park that does not wait for the token.
TEST(Parker, ParkSleepsUntilUnparked) {
  Parker parker;
  step("park() on another thread");
  ParkingThread parking(parker);
  EXPECT_FALSE(parking.returned()) << "park() returned although nobody called unpark()";
  step("unpark()");
  parker.unpark();
}

// Bug it is here for: tokens that are counted.
TEST(Parker, ManyUnparksLeaveOneToken) {
  Parker parker;
  step("unpark(), three times");
  parker.unpark();
  parker.unpark();
  parker.unpark();
  step("park(): takes the one token");
  parker.park();
  step("park() on another thread: it has to sleep");
  ParkingThread parking(parker);
  EXPECT_FALSE(parking.returned())
      << "the second park() returned at once: unpark() left a second token";
  step("unpark()");
  parker.unpark();
}

// Bug it is here for: a token that is taken only if the thread did not have to wait for it.
TEST(Parker, AnUnparkThatEndsAParkIsUsedUp) {
  Parker parker;
  {
    step("park() on another thread, and unpark() once that thread sleeps");
    ParkingThread parking(parker);
    parker.unpark();
  }
  step("park() again: it has to sleep");
  ParkingThread parking(parker);
  EXPECT_FALSE(parking.returned()) << "one unpark() ended two park()s";
  step("unpark()");
  parker.unpark();
}

// Bug it is here for: a parker that works once. The word has to be what it was in the beginning.
TEST(Parker, ParksAgainAndAgain) {
  Parker parker;
  for (int i = 0; i < 3; ++i) {
    step("park() on another thread, and unpark() once that thread sleeps");
    ParkingThread parking(parker);
    EXPECT_FALSE(parking.returned());
    parker.unpark();
  }
  step("unpark(), park()");
  parker.unpark();
  parker.park();
}

// An executor sleeps through the interface.
TEST(Parker, IsAPark) {
  Parker parker;
  rt::Park& park = parker;
  park.unpark();
  park.look();
  park.park();
}

}  // namespace
