#include "rt/write_the_test.h"

#include <string>

#include "rt/manual_event.h"
#include "rt/suspects.h"
#include "rt/test_bench.h"
#include "testkit/testkit.h"

namespace {

using rt::TestBench;

std::string story_of(const TestBench& bench) {
  std::string story;
  for (const std::string& line : bench.story()) story += "  " + line + "\n";
  return story.empty() ? "  nothing\n" : story;
}

// Your test has to pass on the right event first, or that it fails on a wrong one proves nothing.
bool passes_on_the_right_event() {
  TestBench bench;
  rt::the_test<rt::ManualEvent>(bench);
  EXPECT_EQ(bench.failures(), 0) << "The event is right, and your test says it is not. It did:\n"
                                 << story_of(bench);
  return bench.failures() == 0;
}

template <class Suspect>
void expect_caught(const char* name) {
  if (!passes_on_the_right_event()) return;
  TestBench bench;
  rt::the_test<Suspect>(bench);
  EXPECT_GT(bench.failures(), 0) << name << " is wrong, and it passed your test. The test did:\n"
                                 << story_of(bench);
}

// Bug it is here for: a test that expects more than the contract promises.
TEST(WriteTheTest, PassesOnTheRightEvent) { passes_on_the_right_event(); }

// Bug they are here for: a test that passes whatever it is given.
TEST(WriteTheTest, CatchesSuspectA) { expect_caught<rt::SuspectA>("SuspectA"); }
TEST(WriteTheTest, CatchesSuspectB) { expect_caught<rt::SuspectB>("SuspectB"); }
TEST(WriteTheTest, CatchesSuspectC) { expect_caught<rt::SuspectC>("SuspectC"); }
TEST(WriteTheTest, CatchesSuspectD) { expect_caught<rt::SuspectD>("SuspectD"); }

}  // namespace
