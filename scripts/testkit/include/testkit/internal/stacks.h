// Stacks, as a reader wants them: what a thread waits in, and the reader's own functions with their
// file and line. Frames of libc, the C++ library, GoogleTest and the test kit are left out.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string>

namespace testkit::internal {

inline constexpr int kMaxFrames = 200;

struct Stack {
  void* pcs[kMaxFrames];
  int size = 0;
};

// Installs a handler by the C library's own sigaction(). ThreadSanitizer's would hold a signal back
// until the thread next calls into its runtime, which a thread that waits for a mutex never does.
void install_handler(int signal_number, const struct sigaction& action);

// Makes describe_thread() possible. Called once, before any other thread starts.
void install_stack_capture();

// The stack of thread `id` of this process, taken by a signal to it, as describe() words it. Says
// so if the thread does not answer within a few seconds. For one caller at a time, and not for the
// calling thread itself.
std::string describe_thread(pid_t id, const std::string& indent);

// The calling thread's stack. `ucontext` is what a signal handler was given (the stack then starts
// at the interrupted instruction), or null.
Stack capture_here(void* ucontext);

// A few lines, each with `indent` in front and a newline at its end.
std::string describe(const Stack& stack, const std::string& indent);

// The same for the calling thread, as it stands: for a failure found in the test kit, whose reader
// wants the place in their own code.
std::string called_from(const std::string& indent);

// The same for a stack that was taken earlier.
std::string called_from(const Stack& stack, const std::string& indent);

// The line of the test that the calling thread is in, or "" and 0 if it is in none, or a build
// without a sanitizer cannot tell.
struct Place {
  std::string file = {};
  int line = 0;
};
Place place_in_test();

}  // namespace testkit::internal
