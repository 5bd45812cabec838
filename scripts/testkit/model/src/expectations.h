// Expectations: what GoogleTest's macros say while an execution runs. They say it to the checker,
// which tells it once, with the interleaving, and not at each execution that it tries.
#pragma once

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <string>

namespace testkit::model::detail {

class Expectations {
 public:
  // A new execution: what was said before does not count.
  void begin() { looked_at_ = results_.size(); }

  // Asked at each step, so it does not look twice at what is no failure.
  bool failed() {
    for (; looked_at_ < results_.size(); ++looked_at_) {
      if (results_.GetTestPartResult(looked_at_).failed()) return true;
    }
    return false;
  }

  // Of the first failure. REQUIRES: failed().
  std::string message() const { return first().message(); }
  std::string file() const { return first().file_name() == nullptr ? "" : first().file_name(); }
  int line() const { return first().line_number(); }

 private:
  const testing::TestPartResult& first() const { return results_.GetTestPartResult(looked_at_); }

  testing::TestPartResultArray results_;
  testing::ScopedFakeTestPartResultReporter reporter_{
      testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results_};
  int looked_at_ = 0;
};

}  // namespace testkit::model::detail
