#include "rt/exercise/queue_test.h"

#include "rt/exercise/queue_suspects.h"
#include "rt/exercise/test_bench.h"
#include "testkit/suspects.h"
#include "testkit/testkit.h"

namespace {

using testkit::expect_caught;
using testkit::expect_right;
using testkit::passes_on_the_right;

struct QueueCase {
  static constexpr const char* kThing = "queue";
  using Right = rt::QueueForTest;
  template <class Queue>
  static void run(rt::TestBench& bench) {
    rt::the_queue_test<Queue>(bench);
  }
};

// Bug it is here for: a test that expects more than the contract promises.
TEST(QueueTest, PassesOnTheRightQueue) { passes_on_the_right<QueueCase>(); }

// The same contract, kept by other means.
TEST(QueueTest, PassesOnARingThatIsRight) {
  expect_right<QueueCase, rt::RingOfNumbers>("RingOfNumbers");
}
TEST(QueueTest, PassesOnADequeThatIsRight) {
  expect_right<QueueCase, rt::DequeOfNumbers>("DequeOfNumbers");
}

// Bug they are here for: a test that passes whatever it is given.
TEST(QueueTest, CatchesSuspectA) { expect_caught<QueueCase, rt::QueueSuspectA>("QueueSuspectA"); }
TEST(QueueTest, CatchesSuspectB) { expect_caught<QueueCase, rt::QueueSuspectB>("QueueSuspectB"); }
TEST(QueueTest, CatchesSuspectC) { expect_caught<QueueCase, rt::QueueSuspectC>("QueueSuspectC"); }
TEST(QueueTest, CatchesSuspectD) { expect_caught<QueueCase, rt::QueueSuspectD>("QueueSuspectD"); }

}  // namespace
