// Every interleaving of those who take, give back, wait and go.
#include <cstddef>
#include <optional>
#include <utility>

#include "rt/sync/semaphore.h"
#include "testkit/model/block_on.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::Semaphore;
using testkit::model::block_on;
using testkit::model::check;
using testkit::model::cost_of;
using testkit::model::Costs;
using testkit::model::Options;
using testkit::model::Outcomes;
using testkit::model::Thread;

// Polls once, and goes. True if it got its permits, which go back.
bool try_and_go(Semaphore& semaphore, std::size_t n) {
  testkit::CountingWaker nobody;
  bool got;
  {
    const rt::Waker waker = nobody.waker();
    rt::Context cx(waker);
    Semaphore::Acquire asked = semaphore.acquire(n);
    got = asked.poll(cx).is_ready();
  }
  MODEL_REQUIRE(nobody.live() == 0);
  return got;
}

// What it costs where nobody waits.
TEST(SemaphoreModel, WithoutAnybodyWaitingItIsOneStepWithoutTheMutex) {
  check(Options().needless_failures(0), [] {
    Semaphore semaphore(2);
    testkit::CountingWaker nobody;
    const rt::Waker waker = nobody.waker();
    rt::Context cx(waker);
    Semaphore::Acquire asked = semaphore.acquire();
    const Costs taking = cost_of([&] { MODEL_REQUIRE(asked.poll(cx).is_ready()); });  // And back.
    const Costs trying = cost_of([&] { MODEL_REQUIRE(semaphore.try_acquire().has_value()); });
    const Costs giving = cost_of([&] { semaphore.release(); });
    MODEL_REQUIRE(taking.locks + trying.locks + giving.locks == 0);
    MODEL_REQUIRE(taking.updates <= 2);
    MODEL_REQUIRE(trying.updates <= 2);
    MODEL_REQUIRE(giving.updates <= 1);
  });
}

// Bugs it is here for: a permit given back between the look and the queue (a lost wake); two who
// have one permit; a permit that does not order its holders.
TEST(SemaphoreModel, OnePermitIsALock) {
  check([] {
    Semaphore semaphore(1);
    rt::sync::Cell<int> count(0);
    const auto work = [&] {
      for (int i = 0; i < 2; ++i) {
        const auto permit = block_on(semaphore.acquire());
        ++count.write();
      }
    };
    Thread other(work);
    work();
    other.join();
    MODEL_REQUIRE(count.read() == 4);
    MODEL_REQUIRE(semaphore.available() == 1);
  });
}

// The same for three: there are two in the queue.
TEST(SemaphoreModel, ThreeForOnePermit) {
  check([] {
    Semaphore semaphore(1);
    rt::sync::Cell<int> count(0);
    const auto work = [&] {
      const auto permit = block_on(semaphore.acquire());
      ++count.write();
    };
    Thread one(work), two(work);
    work();
    one.join();
    two.join();
    MODEL_REQUIRE(count.read() == 3);
  });
}

// Bug it is here for: who wants two takes one and waits, and it is not there for the other to give.
TEST(SemaphoreModel, FewAndManyPermits) {
  check([] {
    Semaphore semaphore(2);
    Thread other([&] { (void)block_on(semaphore.acquire(2)); });
    (void)block_on(semaphore.acquire(1));
    (void)block_on(semaphore.acquire(1));
    other.join();
    MODEL_REQUIRE(semaphore.available() == 2);
  });
}

// Bugs it is here for: a permit handed to somebody who goes at that moment; one that nobody waits
// for any more, and that is made free without its giver's work.
TEST(SemaphoreModel, WhoGoesPassesItOn) {
  Outcomes seen;
  check([&seen] {
    Semaphore semaphore(0);
    rt::sync::Cell<int> note(0);
    Thread other([&] { seen.add(try_and_go(semaphore, 1) ? "served" : "gone"); });
    Thread giver([&] {
      note.write() = 1;
      semaphore.release();
    });
    (void)block_on(semaphore.acquire());
    MODEL_REQUIRE(note.read() == 1);
    other.join();
    giver.join();
    MODEL_REQUIRE(semaphore.available() == 1);
  });
  EXPECT_EQ(seen, Outcomes({"gone", "served"}));
}

// Bug it is here for: part of the permits is lost with a waiter that goes away.
TEST(SemaphoreModel, WhoGoesWithAPartPassesItOn) {
  check([] {
    Semaphore semaphore(1);
    Thread other([&] { try_and_go(semaphore, 2); });
    (void)block_on(semaphore.acquire());
    other.join();
    MODEL_REQUIRE(semaphore.available() == 1);
  });
}

// Bug it is here for: who joins the queue while it is being closed, and is never told. Nothing else
// could end its wait.
TEST(SemaphoreModel, ClosingAloneReachesWhoeverWaits) {
  check([] {
    Semaphore semaphore(1);
    Thread other([&] { semaphore.close(); });
    MODEL_REQUIRE(!block_on(semaphore.acquire(2)).has_value());
    other.join();
    MODEL_REQUIRE(semaphore.available() == 1);
  });
}

// The same with a permit that comes just before it.
TEST(SemaphoreModel, ClosingReachesWhoeverWaits) {
  Outcomes seen;
  check([&seen] {
    Semaphore semaphore(0);
    Thread other([&] {
      semaphore.release();
      semaphore.close();
    });
    const bool got = block_on(semaphore.acquire()).has_value();
    seen.add(got ? "served" : "closed");
    other.join();
    MODEL_REQUIRE(semaphore.available() == 1);
  });
  EXPECT_EQ(seen, Outcomes({"closed", "served"}));
}

// Bug it is here for: an order that holds between one giver and one taker only. Both givers' work
// is behind the two permits.
TEST(SemaphoreModel, TwoPermitsBringTheWorkOfBothGivers) {
  check([] {
    Semaphore semaphore(0);
    rt::sync::Cell<int> one_did(0), two_did(0);
    Thread one([&] {
      one_did.write() = 1;
      semaphore.release();
    });
    Thread two([&] {
      two_did.write() = 1;
      semaphore.release();
    });
    (void)block_on(semaphore.acquire(2));
    MODEL_REQUIRE(one_did.read() + two_did.read() == 2);
    one.join();
    two.join();
  });
}

}  // namespace
