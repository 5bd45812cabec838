// The main of every test binary, and the sanitizers' options.
//
// Exit codes: 0 passed, 1 a test failed, 42 an exercise is not written (rt/platform/todo.h), 43 a
// hang (hang_watch.h), 44 a sanitizer's report; death by a signal is a crash.
//
// The options stand here and not in the library: a sanitizer's runtime refers to these functions
// weakly, and a weak reference does not pull a member out of a static library.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "absl/status/status.h"
#include "testkit/internal/crash.h"
#include "testkit/internal/events.h"
#include "testkit/internal/hang_watch.h"
#include "testkit/internal/printer.h"

#define TESTKIT_EXPORT __attribute__((visibility("default"), used))

extern "C" {

// No legend and no statistics: the first lines of a report are what a reader needs. A dangling
// reference into a dead stack frame is the coroutine mistake, so that check is on. handle_abort
// stays off: an abort is a crash, and crash.h says where.
TESTKIT_EXPORT const char* __asan_default_options() {
  return "exitcode=44:halt_on_error=1:abort_on_error=0:detect_leaks=1:"
         "detect_stack_use_after_return=1:handle_abort=0:print_legend=0:malloc_context_size=12";
}

TESTKIT_EXPORT const char* __lsan_default_options() {
  return "exitcode=44:print_suppressions=0:malloc_context_size=12";
}

// atexit_sleep_ms: the default waits a second at the end of every test.
TESTKIT_EXPORT const char* __tsan_default_options() {
  return "exitcode=44:halt_on_error=1:abort_on_error=0:atexit_sleep_ms=0:second_deadlock_stack=1:"
         "history_size=4:handle_abort=0";
}

TESTKIT_EXPORT const char* __ubsan_default_options() {
  return "exitcode=44:halt_on_error=1:abort_on_error=0:print_stacktrace=1:handle_abort=0";
}

}  // extern "C"

int main(int argc, char** argv) {
  // Abseil makes its table of error texts at the first use. In a prebuilt Abseil ThreadSanitizer
  // does not see how that is guarded, so it happens here, before there is a second thread.
  absl::ErrnoToStatus(EINTR, "").IgnoreError();
  // A death test runs its child from the start: a fork of a process with threads, and the hang
  // watch is one, is not safe.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  testing::InitGoogleMock(&argc, argv);
  testkit::internal::open_result_channel();
  if (!GTEST_FLAG_GET(list_tests)) {
    testkit::internal::install_crash_reports();
    testkit::internal::start_hang_watch();
    testkit::internal::install_printer();
  }
  return RUN_ALL_TESTS();
}
