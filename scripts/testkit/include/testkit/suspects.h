// What the tests of the write_the_test exercises share. They run the learner's own test on the
// right thing and on suspects, which are wrong, and judge it by its answers.
//
//   struct QueueCase {
//     static constexpr const char* kThing = "queue";
//     using Right = rt::QueueForTest;
//     template <class Q>
//     static void run(rt::TestBench& bench) { rt::the_queue_test<Q>(bench); }
//   };
//   TEST(QueueTest, CatchesSuspectA) {
//     testkit::expect_caught<QueueCase, rt::QueueSuspectA>("QueueSuspectA");
//   }
#pragma once

#include <string>

#include "gtest/gtest.h"
#include "rt/exercise/test_bench.h"

namespace testkit {

inline std::string story_of(const rt::TestBench& bench) {
  std::string story;
  for (const std::string& line : bench.story()) story += "  " + line + "\n";
  return story.empty() ? "  nothing\n" : story;
}

// The learner's test has to pass on the right thing first, or that it fails on a wrong one proves
// nothing.
template <class Case>
bool passes_on_the_right() {
  rt::TestBench bench;
  Case::template run<typename Case::Right>(bench);
  EXPECT_EQ(bench.failures(), 0) << "The " << Case::kThing
                                 << " is right, and your test says it is not. It did:\n"
                                 << story_of(bench);
  return bench.failures() == 0;
}

// The same contract, kept by other means.
template <class Case, class Right>
void expect_right(const char* name) {
  if (!passes_on_the_right<Case>()) return;
  rt::TestBench bench;
  Case::template run<Right>(bench);
  EXPECT_EQ(bench.failures(), 0) << name << " keeps the contract, and your test says it does not:\n"
                                 << story_of(bench);
}

template <class Case, class Suspect>
void expect_caught(const char* name) {
  if (!passes_on_the_right<Case>()) return;
  rt::TestBench bench;
  Case::template run<Suspect>(bench);
  EXPECT_GT(bench.failures(), 0) << name << " is wrong, and it passed your test. The test did:\n"
                                 << story_of(bench);
}

}  // namespace testkit
