// Small programs for the checker's own tests: each with what it may and may not do.
#pragma once

#include <string>
#include <vector>

#include "testkit/model/model.h"

namespace testkit::model {

// A litmus test: a few threads with a few operations, and all the results that they may come to.
struct Litmus {
  const char* name;
  const char* rule;  // Why the outcomes that are missing are, in the words of the standard.
  void (*run)(Outcomes& seen);
  Outcomes allowed;
};
const std::vector<Litmus>& litmus_tests();

// A wrong algorithm, and the verdict by which it has to be found. `wrong` null: the right one.
struct Seeded {
  const char* algorithm;
  const char* bug;  // "" is the right one, which has to pass.
  void (*run)();
  Verdict verdict;
  int preemptions;  // That are needed to find it. For the right one: the bound up to which it is
                    // run.
};
const std::vector<Seeded>& seeded_bugs();

}  // namespace testkit::model
