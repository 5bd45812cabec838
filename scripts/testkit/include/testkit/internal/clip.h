// Makes a failure's message fit on a screen, whatever the code under test has produced.
#pragma once

#include <string>
#include <string_view>

namespace testkit::internal {

// `message`, as GoogleTest words it, with
//   * each quoted string of more than 100 characters cut after the 100th, and its length added;
//   * the place at which two such strings begin to differ, which the cut may have hidden;
//   * a "With diff:" cut after a few lines, and each of them after 100 characters.
std::string clip(std::string_view message);

}  // namespace testkit::internal
