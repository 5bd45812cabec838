#include "rt/queue_test.h"

#include <string>

#include "rt/queue_suspects.h"
#include "rt/test_bench.h"
#include "testkit/testkit.h"

namespace {

using rt::TestBench;

std::string story_of(const TestBench& bench) {
  std::string story;
  for (const std::string& line : bench.story()) story += "  " + line + "\n";
  return story.empty() ? "  nothing\n" : story;
}

// Your test has to pass on the right queue first, or that it fails on a wrong one proves nothing.
bool passes_on_the_right_queue() {
  TestBench bench;
  rt::the_queue_test<rt::QueueForTest>(bench);
  EXPECT_EQ(bench.failures(), 0) << "The queue is right, and your test says it is not. It did:\n"
                                 << story_of(bench);
  return bench.failures() == 0;
}

template <class Right>
void expect_right(const char* name) {
  if (!passes_on_the_right_queue()) return;
  TestBench bench;
  rt::the_queue_test<Right>(bench);
  EXPECT_EQ(bench.failures(), 0) << name << " keeps the contract, and your test says it does not:\n"
                                 << story_of(bench);
}

template <class Suspect>
void expect_caught(const char* name) {
  if (!passes_on_the_right_queue()) return;
  TestBench bench;
  rt::the_queue_test<Suspect>(bench);
  EXPECT_GT(bench.failures(), 0) << name << " is wrong, and it passed your test. The test did:\n"
                                 << story_of(bench);
}

// Bug it is here for: a test that expects more than the contract promises.
TEST(QueueTest, PassesOnTheRightQueue) { passes_on_the_right_queue(); }

// The same contract, kept by other means.
TEST(QueueTest, PassesOnARingThatIsRight) { expect_right<rt::RingOfNumbers>("RingOfNumbers"); }
TEST(QueueTest, PassesOnADequeThatIsRight) { expect_right<rt::DequeOfNumbers>("DequeOfNumbers"); }

// Bug they are here for: a test that passes whatever it is given.
TEST(QueueTest, CatchesSuspectA) { expect_caught<rt::QueueSuspectA>("QueueSuspectA"); }
TEST(QueueTest, CatchesSuspectB) { expect_caught<rt::QueueSuspectB>("QueueSuspectB"); }
TEST(QueueTest, CatchesSuspectC) { expect_caught<rt::QueueSuspectC>("QueueSuspectC"); }
TEST(QueueTest, CatchesSuspectD) { expect_caught<rt::QueueSuspectD>("QueueSuspectD"); }

}  // namespace
