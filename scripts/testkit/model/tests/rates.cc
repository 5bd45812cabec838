// Prints how many executions the checker does in a second of one processor, on the right ones of
// the seeded algorithms.
//
//   ninja -C build/solutions model_rates_model && build/solutions/bin/model_rates_model
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <ctime>

#include "cases.h"

namespace testkit::model {
namespace {

TEST(ModelRates, Print) {
  std::printf("%-18s %5s %11s %10s %9s %12s %11s\n", "algorithm", "bound", "executions", "states",
              "seconds", "executions/s", "unreduced");
  for (const Seeded& seeded : seeded_bugs()) {
    if (std::strlen(seeded.bug) > 0) continue;
    for (const int bound : {2, 3}) {
      const std::clock_t begin = std::clock();
      const Result result = explore(Options().preemptions(bound), seeded.run);
      const double took = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
      std::printf("%-18s %5d %11llu %10llu %9.3f %12.0f", seeded.algorithm, result.preemptions,
                  static_cast<unsigned long long>(result.executions),
                  static_cast<unsigned long long>(result.states), took,
                  static_cast<double>(result.executions) / took);
      const Result full = explore(
          Options().preemptions(bound).reduction(false).max_executions(300'000), seeded.run);
      std::printf(full.passed() ? " %11llu\n" : "  >%10llu\n",
                  static_cast<unsigned long long>(full.executions));
    }
  }
}

}  // namespace
}  // namespace testkit::model
