// Every interleaving of a sleeper and those who wake it.
#include "rt/platform/parker.h"

#include <atomic>

#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::Parker;
using testkit::model::check;
using testkit::model::Thread;

// Bugs it is here for: a sleeper that checks, is unparked, and only then goes to sleep; an unpark
// that notifies before the owner sleeps; a sleep that ends for no reason, and is taken for a token.
TEST(ParkerModel, UnparkBetweenCheckAndSleepIsNotLost) {
  check([] {
    Parker parker;
    rt::sync::Cell<bool> said(false);
    Thread other([&] {
      said.write() = true;
      parker.unpark();
    });
    parker.park();
    MODEL_REQUIRE(said.read());
    other.join();
  });
}

// Bug it is here for: an unpark() that returns early, or publishes too little, when there is a
// token.
TEST(ParkerModel, ParkSeesWhatCameBeforeEachUnpark) {
  check([] {
    Parker parker;
    // Relaxed: it is the token that has to make them visible, before the next sleep.
    rt::sync::Atomic<bool> one_said(false), two_said(false);
    Thread one([&] {
      one_said.store(true, std::memory_order_relaxed);
      parker.unpark();
    });
    Thread two([&] {
      two_said.store(true, std::memory_order_relaxed);
      parker.unpark();
    });
    while (!one_said.load(std::memory_order_relaxed) || !two_said.load(std::memory_order_relaxed)) {
      parker.park();
    }
    one.join();
    two.join();
  });
}

// Bug it is here for: a parker that is right once. The same word and the same condition variable
// serve each sleep.
TEST(ParkerModel, TwoThreadsTakeTurns) {
  check([] {
    Parker ping, pong;
    rt::sync::Cell<int> turn(0);
    Thread other([&] {
      for (int i = 0; i < 2; ++i) {
        pong.park();
        ++turn.write();
        ping.unpark();
      }
    });
    for (int i = 0; i < 2; ++i) {
      MODEL_REQUIRE(turn.read() == 2 * i);
      ++turn.write();
      pong.unpark();
      ping.park();
    }
    MODEL_REQUIRE(turn.read() == 4);
    other.join();
  });
}

// Bug it is here for: an unpark that comes while the owner, awake, takes the last token. One of its
// two parks may find both; then a third token is there for the next.
TEST(ParkerModel, ATokenThatComesWhileOneIsTakenIsNotLost) {
  check([] {
    Parker parker;
    rt::sync::Atomic<int> said(0);
    Thread other([&] {
      for (int i = 1; i <= 3; ++i) {
        said.store(i, std::memory_order_relaxed);
        parker.unpark();
      }
    });
    while (said.load(std::memory_order_relaxed) < 3) parker.park();
    other.join();
  });
}

// What it costs where nobody sleeps.
TEST(ParkerModel, WithATokenThereOrNobodyAsleepNoLockIsTaken) {
  check(testkit::model::Options().needless_failures(0), [] {
    Parker parker;
    const auto leaves_a_token = testkit::model::cost_of([&] { parker.unpark(); });
    const auto finds_one = testkit::model::cost_of([&] { parker.unpark(); });
    const auto takes_it = testkit::model::cost_of([&] { parker.park(); });
    MODEL_REQUIRE(leaves_a_token.locks + finds_one.locks + takes_it.locks == 0);
    MODEL_REQUIRE(leaves_a_token.updates <= 1);
    MODEL_REQUIRE(finds_one.updates <= 1);
    MODEL_REQUIRE(takes_it.updates <= 1);
  });
}

}  // namespace
