#include "rt/timer_test.h"

#include <string>

#include "rt/test_bench.h"
#include "rt/timer_suspects.h"
#include "rt/timer_wheel.h"
#include "testkit/testkit.h"

namespace {

using rt::TestBench;

std::string story_of(const TestBench& bench) {
  std::string story;
  for (const std::string& line : bench.story()) story += "  " + line + "\n";
  return story.empty() ? "  nothing\n" : story;
}

// Your test has to pass on the right wheel first, or that it fails on a wrong one proves nothing.
bool passes_on_the_right_wheel() {
  TestBench bench;
  rt::the_timer_test<rt::TimerWheel>(bench);
  EXPECT_EQ(bench.failures(), 0) << "The wheel is right, and your test says it is not. It did:\n"
                                 << story_of(bench);
  return bench.failures() == 0;
}

template <class Suspect>
void expect_caught(const char* name) {
  if (!passes_on_the_right_wheel()) return;
  TestBench bench;
  rt::the_timer_test<Suspect>(bench);
  EXPECT_GT(bench.failures(), 0) << name << " is wrong, and it passed your test. The test did:\n"
                                 << story_of(bench);
}

// Bug it is here for: a test that expects more than the contract promises.
TEST(TimerTest, PassesOnTheRightWheel) { passes_on_the_right_wheel(); }

// Bug they are here for: a test that passes whatever it is given.
TEST(TimerTest, CatchesSuspectA) { expect_caught<rt::WheelSuspectA>("WheelSuspectA"); }
TEST(TimerTest, CatchesSuspectB) { expect_caught<rt::WheelSuspectB>("WheelSuspectB"); }
TEST(TimerTest, CatchesSuspectC) { expect_caught<rt::WheelSuspectC>("WheelSuspectC"); }
TEST(TimerTest, CatchesSuspectD) { expect_caught<rt::WheelSuspectD>("WheelSuspectD"); }

}  // namespace
