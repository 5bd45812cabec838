// The shared driver, with a driver that never sleeps: what would be a sleep runs the test's code.
#include "rt/runtime/shared_driver.h"

#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "rt/platform/park.h"
#include "testkit/testkit.h"

namespace {

using rt::DriverParker;
using rt::SharedDriver;
using testkit::step;

// Counts what is asked of it. Two threads in it at once are a failure.
class FakeDriver final : public rt::Park {
 public:
  // What happens in the next park() or look() that has no plan yet.
  void during_park(std::function<void()> what) { parks_.push_back(std::move(what)); }
  void during_look(std::function<void()> what) { looks_.push_back(std::move(what)); }

  void park() override {
    step("the driver's park()");
    enter(parks, parks_);
  }
  void look() override {
    step("the driver's look()");
    enter(looks, looks_);
  }
  void unpark() override {
    step("the driver's unpark()");
    ++unparks;
  }

  int parks = 0, looks = 0, unparks = 0;

 private:
  void enter(int& count, std::vector<std::function<void()>>& plans) {
    const auto number = static_cast<std::size_t>(count++);
    EXPECT_FALSE(std::exchange(inside_, true)) << "two workers in the driver at once";
    struct Left {
      explicit Left(bool& i) : inside(i) {}
      ~Left() { inside = false; }
      bool& inside;
    } const left(inside_);
    if (number < plans.size() && plans[number]) std::exchange(plans[number], nullptr)();
  }

  bool inside_ = false;
  std::vector<std::function<void()>> parks_, looks_;
};

class SharedDriverTest : public testing::Test {
 protected:
  // A park() that has to end, on a thread of its own: `who` is a worker that this thread is not.
  static void park_on_another_thread(DriverParker& who) {
    step("on another thread: park()");
    std::thread([&who] { who.park(); }).join();
  }

  FakeDriver driver;
  SharedDriver shared{driver};
  DriverParker first{shared}, second{shared}, third{shared};
};

// --- Who gets the driver -------------------------------------------------------------------------

TEST_F(SharedDriverTest, WhoFindsItFreeSleepsInTheDriver) {
  first.park();
  EXPECT_EQ(driver.parks, 1);
  first.park();
  EXPECT_EQ(driver.parks, 2) << "it was given back after the first sleep";
}

// Bug it is here for: the driver belongs to worker 0. While that one runs a long task, nobody is
// in the driver.
TEST_F(SharedDriverTest, AnyWorkerMayHaveTheDriver) {
  second.park();
  third.park();
  first.park();
  second.park();
  EXPECT_EQ(driver.parks, 4);
}

// Bug it is here for: a lock around the driver's park(). Whoever waits for a lock is not woken by
// an unpark().
TEST_F(SharedDriverTest, WhoFindsItTakenSleepsOnItsOwnUntilAnUnpark) {
  driver.during_park([this] {
    std::thread sleeper([this] { second.park(); });
    step("second.unpark(), while it sleeps on its own or is about to");
    second.unpark();
    sleeper.join();
  });
  first.park();
  EXPECT_EQ(driver.parks, 1);
  EXPECT_EQ(driver.unparks, 0) << "the driver is not where the second one sleeps";
}

// Bug it is here for: the driver is given back only where its park() was ended by an event.
TEST_F(SharedDriverTest, WhoIsUnparkedInTheDriverGivesItBack) {
  driver.during_park([this] { first.unpark(); });
  first.park();
  EXPECT_EQ(driver.unparks, 1);
  second.park();
  EXPECT_EQ(driver.parks, 2);
}

// Bug it is here for: the driver throws, stays taken, and no event ever comes again.
TEST_F(SharedDriverTest, ADriverThatThrowsIsFreeAgain) {
  driver.during_park([] { throw std::runtime_error("epoll_wait: Bad file descriptor"); });
  driver.during_look([] { throw std::runtime_error("epoll_wait: Bad file descriptor"); });
  EXPECT_THROW(first.park(), std::runtime_error);
  first.unpark();
  EXPECT_EQ(driver.unparks, 0) << "the worker is awake";
  second.park();
  EXPECT_EQ(driver.parks, 2);
  EXPECT_THROW(second.look(), std::runtime_error);
  third.park();
  EXPECT_EQ(driver.parks, 3);
  first.park();
  EXPECT_EQ(driver.parks, 3) << "it was unparked before";
}

// --- Tokens --------------------------------------------------------------------------------------

// Bug it is here for: an unpark() that ends a sleep, and is nothing where nobody sleeps.
TEST_F(SharedDriverTest, AnUnparkBeforeTheParkIsNotLost) {
  first.unpark();
  EXPECT_EQ(driver.unparks, 0) << "nobody slept";
  first.park();
  EXPECT_EQ(driver.parks, 0);
}

TEST_F(SharedDriverTest, ThereIsOneToken) {
  for (int i = 0; i < 3; ++i) first.unpark();
  first.park();
  ASSERT_EQ(driver.parks, 0);
  first.park();
  EXPECT_EQ(driver.parks, 1) << "three unparks before a park() are one";
}

// Bug it is here for: the token of an unpark() that ended the sleep stays, and the next park() does
// not sleep.
TEST_F(SharedDriverTest, AnUnparkEndsOnePark) {
  for (int i = 1; i <= 3; ++i) {
    driver.during_park([this] { first.unpark(); });
    first.park();
    EXPECT_EQ(driver.parks, i) << "the park() did not sleep, though nobody unparked it";
    EXPECT_EQ(driver.unparks, i);
  }
}

// The same for one that sleeps on its own.
TEST_F(SharedDriverTest, AnUnparkEndsOneParkOfWhoSleepsAlone) {
  driver.during_park([this] {
    second.unpark();
    park_on_another_thread(second);
  });
  first.park();
  second.park();
  EXPECT_EQ(driver.parks, 2) << "its token was used up";
}

// Bug it is here for: a write to the eventfd for each unpark().
TEST_F(SharedDriverTest, OneSleepIsEndedOnce) {
  driver.during_park([this] {
    for (int i = 0; i < 100; ++i) first.unpark();
  });
  first.park();
  EXPECT_EQ(driver.unparks, 1);
}

// Bug it is here for: whoever is unparked, the driver is.
TEST_F(SharedDriverTest, ATokenForAnotherWorkerLeavesTheDriverAlone) {
  driver.during_park([this] {
    second.unpark();
    third.unpark();
  });
  first.park();
  EXPECT_EQ(driver.unparks, 0);
  second.park();
  third.park();
  EXPECT_EQ(driver.parks, 1) << "they had tokens";
}

// Bug it is here for: a park() that goes back to sleep because nobody unparked it. The driver's
// park() has ended since there are events, and tasks that can go on.
TEST_F(SharedDriverTest, AParkInTheDriverEndsWithTheDriversPark) {
  driver.during_park([] { step("an event comes"); });
  first.park();
  EXPECT_EQ(driver.parks, 1);
  first.unpark();
  EXPECT_EQ(driver.unparks, 0) << "the worker is awake";
}

// Bug it is here for: the token that a worker gives itself, while it wakes tasks in the driver,
// keeps it from sleeping. It was awake all the time.
TEST_F(SharedDriverTest, AnUnparkByTheWorkerItselfInTheDriverIsUsedUp) {
  driver.during_park([this] {
    step("an event wakes a task, and that unparks the worker");
    first.unpark();
  });
  first.park();
  first.park();
  EXPECT_EQ(driver.parks, 2);
}

// --- look() --------------------------------------------------------------------------------------

TEST_F(SharedDriverTest, ALookTakesWhatIsThere) {
  first.look();
  second.look();
  EXPECT_EQ(driver.looks, 2);
  EXPECT_EQ(driver.parks, 0);
  third.park();
  EXPECT_EQ(driver.parks, 1) << "a look gives the driver back";
}

// Bug it is here for: a worker that has a token does not look. It is busy, and the events wait.
TEST_F(SharedDriverTest, ALookWithATokenThereTakesWhatIsThere) {
  first.unpark();
  first.look();
  EXPECT_EQ(driver.looks, 1);
}

// Bug it is here for: two threads in the driver. (Or a worker that waits for the other's sleep.)
TEST_F(SharedDriverTest, ALookLeavesTheDriverToWhoeverHasIt) {
  driver.during_park([this] { std::thread([this] { second.look(); }).join(); });
  first.park();
  EXPECT_EQ(driver.looks, 0);
  driver.during_look([this] { std::thread([this] { second.look(); }).join(); });
  first.look();
  EXPECT_EQ(driver.looks, 1);
}

// Bug it is here for: a worker that looks is taken for one that sleeps there.
TEST_F(SharedDriverTest, AnUnparkDuringALookIsAToken) {
  driver.during_look([this] { first.unpark(); });
  first.look();
  EXPECT_EQ(driver.unparks, 0);
  first.park();
  EXPECT_EQ(driver.parks, 0) << "the look used the token up";
}

}  // namespace
