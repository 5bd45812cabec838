// The listener between GoogleTest and the reader: it prints failures with the steps that led to
// them, sends the events, and tells the hang watch when a test begins and ends.
#pragma once

#include <string>

namespace testkit::internal {

// Puts the listener in the place of GoogleTest's own printer, which it calls for all other lines.
// REQUIRES: after testing::InitGoogleTest.
void install_printer();

// "Suite.Name" of the test that runs; of the last one, between tests; "" before the first.
std::string current_test();

// True after the last test has ended and none had failed.
bool all_passed();

// `path` below the repository's root if it is there, else `path`.
std::string short_path(std::string path);

}  // namespace testkit::internal
