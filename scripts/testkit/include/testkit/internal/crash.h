// What is printed when a test dies of something other than a failed expectation: an exception that
// nobody caught, abort(), a fatal signal, a sanitizer's report. Each prints the steps so far.
#pragma once

namespace testkit::internal {

// REQUIRES: called once, by main, before any other thread starts.
void install_crash_reports();

}  // namespace testkit::internal
