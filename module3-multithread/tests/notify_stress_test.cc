// Real threads, for ThreadSanitizer: who is notified sees what was done before.
#include <thread>

#include "rt/runtime/block_on.h"
#include "rt/sync/notify.h"
#include "testkit/testkit.h"

namespace {

// Bugs it is here for: a lost notification (it hangs); one that publishes nothing.
TEST(NotifyStress, TwoThreadsTakeTurns) {
  constexpr int kTurns = 2'000;
  rt::Notify ping, pong;
  int turn = 0;  // Plain: only notifications order the two threads.
  std::thread other([&] {
    for (int i = 0; i < kTurns; ++i) {
      rt::block_on(pong.notified());
      ++turn;
      ping.notify_one();
    }
  });
  for (int i = 0; i < kTurns; ++i) {
    EXPECT_EQ(turn, 2 * i);
    ++turn;
    pong.notify_one();
    rt::block_on(ping.notified());
  }
  other.join();
}

// Bug it is here for: a notification that goes to somebody who goes at the same moment. Two wait;
// one of them is impatient, and both notifications are needed.
TEST(NotifyStress, WhoGoesLosesNothing) {
  constexpr int kRounds = 2'000;
  rt::Notify work, done;
  std::thread impatient([&] {
    testkit::TestTask task("impatient");
    for (int i = 0; i < kRounds; ++i) {
      rt::Notify::Notified asked = work.notified();
      if (asked.poll(task.cx()).is_ready()) work.notify_one();
    }
  });
  std::thread patient([&] {
    for (int i = 0; i < kRounds; ++i) {
      rt::block_on(work.notified());
      done.notify_one();
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    work.notify_one();
    rt::block_on(done.notified());
  }
  impatient.join();
  patient.join();
}

// Bug it is here for: a notify_all() that misses whoever is on its way into the queue.
TEST(NotifyStress, AllReachesWhoeverWasThere) {
  for (int round = 0; round < 500; ++round) {
    rt::Notify notify;
    rt::Notify::Notified mine = notify.notified();
    std::thread other([&notify] { notify.notify_all(); });
    rt::block_on(std::move(mine));
    other.join();
  }
}

}  // namespace
