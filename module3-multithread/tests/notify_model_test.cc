// Every interleaving of those who wait, those who notify, and those who go.
#include <atomic>
#include <utility>

#include "rt/sync/notify.h"
#include "testkit/model/block_on.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::Notify;
using testkit::model::block_on;
using testkit::model::check;
using testkit::model::Outcomes;
using testkit::model::Thread;

// Polls once, and goes. True if it was notified.
bool poll_and_go(Notify& notify) {
  testkit::CountingWaker nobody;
  bool notified;
  {
    const rt::Waker waker = nobody.waker();
    rt::Context cx(waker);
    Notify::Notified waits = notify.notified();
    notified = waits.poll(cx).is_ready();
  }
  MODEL_REQUIRE(nobody.live() == 0);
  return notified;
}

// Bugs it is here for: a notification between the look and the queue; one that publishes nothing.
TEST(NotifyModel, OneIsNeverLost) {
  check([] {
    Notify notify;
    rt::sync::Cell<int> done(0);
    Thread other([&] {
      done.write() = 1;
      notify.notify_one();
    });
    block_on(notify.notified());
    MODEL_REQUIRE(done.read() == 1);
    other.join();
  });
}

// The same word again and again.
TEST(NotifyModel, TwoThreadsTakeTurns) {
  check([] {
    Notify ping, pong;
    rt::sync::Cell<int> turn(0);
    Thread other([&] {
      for (int i = 0; i < 2; ++i) {
        block_on(pong.notified());
        ++turn.write();
        ping.notify_one();
      }
    });
    for (int i = 0; i < 2; ++i) {
      ++turn.write();
      pong.notify_one();
      block_on(ping.notified());
    }
    other.join();
    MODEL_REQUIRE(turn.read() == 4);
  });
}

// Bug it is here for: a notification to somebody who goes at that moment, and so to nobody.
TEST(NotifyModel, WhoGoesPassesItOn) {
  Outcomes seen;
  check([&seen] {
    Notify notify;
    Thread other([&] {
      const bool notified = poll_and_go(notify);
      seen.add(notified ? "heard" : "gone");
      if (notified) notify.notify_one();
    });
    Thread notifier([&] { notify.notify_one(); });
    block_on(notify.notified());
    other.join();
    notifier.join();
  });
  EXPECT_EQ(seen, Outcomes({"gone", "heard"}));
}

// Bug it is here for: notify_one() that does nothing where one is stored already. What came before
// it is then not seen by who takes it. (Relaxed: the notification has to make them visible.)
TEST(NotifyModel, TwoThatAreStoredAsOneBringTheWorkOfBoth) {
  check([] {
    Notify notify;
    rt::sync::Atomic<bool> one_did(false), two_did(false);
    Thread one([&] {
      one_did.store(true, std::memory_order_relaxed);
      notify.notify_one();
    });
    Thread two([&] {
      two_did.store(true, std::memory_order_relaxed);
      notify.notify_one();
    });
    while (!one_did.load(std::memory_order_relaxed) || !two_did.load(std::memory_order_relaxed)) {
      block_on(notify.notified());
    }
    one.join();
    two.join();
  });
}

// Bug it is here for: a waiter that was there before the call, and joins the queue after it.
TEST(NotifyModel, AllReachesWhoeverWasThere) {
  check([] {
    Notify notify;
    Notify::Notified mine = notify.notified(), others = notify.notified();
    rt::sync::Cell<int> done(0);
    Thread notifier([&] {
      done.write() = 1;
      notify.notify_all();
    });
    Thread other([&] {
      block_on(std::move(others));
      MODEL_REQUIRE(done.read() == 1);
    });
    block_on(std::move(mine));
    MODEL_REQUIRE(done.read() == 1);
    notifier.join();
    other.join();
  });
}

// Bugs it is here for: one that goes while all are being told; the queue's mark, after that.
TEST(NotifyModel, WhoGoesWhileAllAreToldTakesNothingAlong) {
  check([] {
    Notify notify;
    Thread other([&] {
      if (poll_and_go(notify)) notify.notify_one();
    });
    Thread notifier([&] {
      notify.notify_all();
      notify.notify_one();
    });
    block_on(notify.notified());
    other.join();
    notifier.join();
  });
}

}  // namespace
