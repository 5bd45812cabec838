// The hang watch: a thread beside the tests that ends the process when a test cannot end by itself.
//
// A hang is one of two things, and neither is a matter of wall clock, so that a loaded machine
// cannot cause it:
//   * all other threads (and those of child processes) are asleep and used no CPU, in each of
//     30 samples that are 100 ms apart: nothing in here will ever wake them;
//   * this process used more than RT_TEST_CPU_SECONDS (20 unless set) of CPU in one test.
//
// It then prints what it saw, the steps so far and each thread's stack, sends the hang event, and
// ends the process with exit code 43.
#pragma once

#include <mutex>

namespace testkit::internal {

inline constexpr int kHangExitCode = 43;

// Starts the watch. REQUIRES: called once, by the main thread, before it starts any other.
// Threads that exist by then besides the caller belong to a sanitizer and are not looked at.
void start_hang_watch();

// To be called when a test ends: does not return if its hang is being reported. The stacks are
// taken by signals, and a signal ends a system call that waits, so that what hung may go on.
void wait_if_hang_is_reported();

// Held while the watch has files of /proc open, so that a test can count its own descriptors.
std::mutex& watch_files();

// The CPU limit counts from here, and functions given to on_hang() are forgotten.
void watch_new_test();

}  // namespace testkit::internal
