// rt::todo: what stands in a stub where the learner's code will be.
//
// It says which exercise is not written yet, and ends the process with exit code 42, which the
// runner reads as "not written" and not as "wrong". It does not throw: an exception would become
// std::terminate in a destructor or in a noexcept function, and look like a crash.
//
// Thread safety: any thread. The process ends at once; no destructor runs and no leak is reported.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstring>

namespace rt {

inline constexpr int kTodoExitCode = 42;

// Prints "exercise <id> is not written yet" on stderr and ends the process with kTodoExitCode.
// REQUIRES: `id` is an exercise's id, such as "1.6".
[[noreturn]] inline void todo(const char* id) noexcept {
  std::fflush(stdout);
  // One write, so that lines of other threads do not land in the middle of this one.
  char line[128];
  const int length = std::snprintf(line, sizeof line, "exercise %s is not written yet\n", id);
  if (length > 0) {
    const auto size = static_cast<std::size_t>(length);
    const ssize_t written =
        ::write(STDERR_FILENO, line, size < sizeof line ? size : std::strlen(line));
    static_cast<void>(written);  // Nothing can be done; the exit code says the same.
  }
  // Not _exit(): ThreadSanitizer takes that for an ordinary end, reports the threads that still
  // run, and changes the exit code.
  ::syscall(SYS_exit_group, kTodoExitCode);
  __builtin_unreachable();
}

}  // namespace rt

#define RT_TODO(id) ::rt::todo(id)
