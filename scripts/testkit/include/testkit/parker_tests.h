// What a parker has to do, as tests, for each class that claims to be one: park() sleeps until
// there is a token and takes it, unpark() leaves one. A test file names them:
//
//   TEST(Parker, ParkSleepsUntilUnparked) { testkit::park_sleeps_until_unparked<Parker>(); }
//
// Thread safety: for the test's thread; they start others.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "testkit/process.h"
#include "testkit/steps.h"

namespace testkit {

// A park() on a thread of its own, up to the moment when that thread sleeps.
template <class Parker>
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

template <class Parker>
void an_unpark_before_the_park_is_not_lost() {
  Parker parker;
  for (int i = 1; i <= 3; ++i) {
    step("unpark()");
    parker.unpark();
    step("park(): it finds the token and returns at once");
    parker.park();
  }
}

template <class Parker>
void park_sleeps_until_unparked() {
  Parker parker;
  step("park() on another thread");
  const ParkingThread parking(parker);
  EXPECT_FALSE(parking.returned()) << "park() returned although nobody called unpark()";
  step("unpark()");
  parker.unpark();
}

template <class Parker>
void many_unparks_leave_one_token() {
  Parker parker;
  step("unpark(), three times");
  parker.unpark();
  parker.unpark();
  parker.unpark();
  step("park(): takes the one token");
  parker.park();
  step("park() on another thread: it has to sleep");
  const ParkingThread parking(parker);
  EXPECT_FALSE(parking.returned())
      << "the second park() returned at once: unpark() left a second token";
  step("unpark()");
  parker.unpark();
}

template <class Parker>
void an_unpark_that_ends_a_park_is_used_up() {
  Parker parker;
  {
    step("park() on another thread, and unpark() once that thread sleeps");
    const ParkingThread parking(parker);
    parker.unpark();
  }
  step("park() again: it has to sleep");
  const ParkingThread parking(parker);
  EXPECT_FALSE(parking.returned()) << "one unpark() ended two park()s";
  step("unpark()");
  parker.unpark();
}

// With real threads, many times.
template <class Parker>
void two_threads_take_turns() {
  constexpr int kTurns = 5'000;
  Parker ping, pong;
  int turn = 0;  // Plain: only tokens order the two threads.
  std::thread other([&] {
    for (int i = 0; i < kTurns; ++i) {
      pong.park();
      ++turn;
      ping.unpark();
    }
  });
  for (int i = 0; i < kTurns; ++i) {
    EXPECT_EQ(turn, 2 * i);
    ++turn;
    pong.unpark();
    ping.park();
  }
  other.join();
  EXPECT_EQ(turn, 2 * kTurns);
}

}  // namespace testkit
