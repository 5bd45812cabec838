// What the checker finds and what it does not: litmus tests, seeded bugs, and that leaving out
// states that are known changes neither.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "cases.h"

namespace testkit::model {
namespace {

Result run(const Litmus& litmus, Outcomes& seen, bool reduction, int preemptions) {
  return explore(Options().reduction(reduction).preemptions(preemptions),
                 [&] { litmus.run(seen); });
}

TEST(ModelLitmus, ExactlyTheOutcomesThatTheRulesAllow) {
  for (const Litmus& litmus : litmus_tests()) {
    SCOPED_TRACE(std::string(litmus.name) + ": " + litmus.rule);
    Outcomes seen;
    const Result result = run(litmus, seen, true, Options::kUnbounded);
    EXPECT_EQ(result.verdict, Verdict::kPassed) << result.what;
    EXPECT_TRUE(result.is_complete);
    EXPECT_EQ(seen, litmus.allowed);
  }
}

TEST(ModelReduction, LosesNoOutcomeAtAnyBound) {
  for (const Litmus& litmus : litmus_tests()) {
    for (const int bound : {0, 1, 2}) {
      SCOPED_TRACE(std::string(litmus.name) + ", bound " + std::to_string(bound));
      Outcomes with;
      Outcomes without;
      const Result reduced = run(litmus, with, true, bound);
      const Result full = run(litmus, without, false, bound);
      EXPECT_EQ(with, without);
      // Where nothing is done twice, less is left out for its preemptions.
      EXPECT_TRUE(reduced.is_complete || !full.is_complete);
      EXPECT_LE(reduced.executions, full.executions);
    }
  }
}

TEST(ModelSeededBugs, EachIsFoundAndNothingIsFoundInTheRightOnes) {
  std::printf("%-18s %-36s %-10s %4s %10s %10s\n", "algorithm", "bug", "verdict", "pre.",
              "executions", "unreduced");
  for (const Seeded& seeded : seeded_bugs()) {
    SCOPED_TRACE(std::string(seeded.algorithm) + ": " + seeded.bug);
    const bool is_right = seeded.verdict == Verdict::kPassed;
    Options options = Options().preemptions(is_right ? 2 : 3).max_steps(300);
    const Result result = explore(options, seeded.run);
    EXPECT_EQ(result.verdict, seeded.verdict) << result.what;
    EXPECT_EQ(result.preemptions, seeded.preemptions);
    // Without the reduction, as far as that can be waited for.
    const Result full = explore(options.reduction(false).max_executions(20'000), seeded.run);
    const bool has_ended = full.verdict != Verdict::kTooLarge;
    if (has_ended) {
      EXPECT_EQ(full.verdict, result.verdict);
      EXPECT_EQ(full.preemptions, result.preemptions);
      EXPECT_LE(result.executions, full.executions);
    }
    std::printf("%-18s %-36s %-10s %4d %10llu %s%9llu\n", seeded.algorithm, seeded.bug,
                name_of(result.verdict), result.preemptions,
                static_cast<unsigned long long>(result.executions), has_ended ? " " : ">",
                static_cast<unsigned long long>(full.executions));
  }
}

}  // namespace
}  // namespace testkit::model
