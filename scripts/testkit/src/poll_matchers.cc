// How a failed EXPECT_THAT() on a Poll reads.
#include <gtest/gtest.h>

#include <string>

namespace testkit::internal {

testing::AssertionResult not_as_expected(const char* text, const std::string& expected,
                                         const std::string& actual) {
  return testing::AssertionFailure()
         << "Value of: " << text << "\nExpected: " << expected << "\n  Actual: " << actual;
}

}  // namespace testkit::internal
