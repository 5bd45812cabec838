// Child: another process, whose end one awaits, by pidfd_open(2).
//
//   absl::StatusOr<Child> child = Child::spawn({"sort", "names.txt"});
//   absl::StatusOr<Child::Exit> exit = co_await child->wait();
//
// Thread safety: one wait() at a time.
//
// Invariants
//   1. wait() is ready once the process has ended, and takes its remains away: for once. After that
//      its number may be another's, and wait() fails.
//   2. A wait that is dropped has taken nothing.
//   3. A Child that goes lets its process run on. One that ends with nobody waiting stays a zombie
//      until this process ends.
//   4. A spawn() that fails or throws leaves no process behind: neither running nor as a zombie.
//
// The idea is Tokio's process module.
#pragma once

#include <signal.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/io_error.h"
#include "rt/driver/io_operation.h"
#include "rt/driver/io_source.h"
#include "rt/driver/readiness.h"
#include "rt/future/future.h"
#include "rt/platform/owned_fd.h"
#include "rt/platform/sys.h"
#include "rt/platform/todo.h"

namespace rt {

class Child {
 public:
  // How a process has ended: by itself with a code, or by a signal.
  struct Exit {
    Exit(int c, int s) noexcept : code(c), signal(s) {}
    friend bool operator==(const Exit&, const Exit&) noexcept = default;

    int code;    // 0 where a signal has ended it.
    int signal;  // 0 where it has ended by itself.
  };

  class [[nodiscard]] Wait {
   public:
    using Output = absl::StatusOr<Exit>;

    explicit Wait(IoSource& source) noexcept : operation_(source, Direction::kRead) {}

    Poll<Output> poll(Context& cx) {
      // waitid(2) with P_PIDFD, WEXITED and WNOHANG: where the process still runs it answers
      // 0, and leaves info.si_pid at 0.
      RT_TODO("2.8");
    }

   private:
    IoOperation operation_;
  };

  // Starts a program, found as a shell finds it: its name and its arguments. It has this process's
  // input, output and environment, and no signal blocked, whatever this thread has. Fails as
  // posix_spawn(3), pidfd_open(2) and Reactor::add do; throws std::logic_error outside of a
  // runtime.
  static absl::StatusOr<Child> spawn(std::vector<std::string> words) {
    if (words.empty()) return absl::InvalidArgumentError("spawn: no program is named");
    current_reactor("a child process");  // Throws where there is none: before anything is started.
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t pid = 0;
    const int error = ::posix_spawnp(&pid, argv[0], nullptr, &attributes, argv.data(), ::environ);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0) return io_error(error, absl::StrCat("spawn ", words[0]));
    absl::Cleanup end = [pid] { kill_and_reap(pid); };
    absl::StatusOr<Child> child = of(pid);
    if (child.ok()) std::move(end).Cancel();
    return child;
  }

  // A child of this process that has been started already, and not waited for.
  static absl::StatusOr<Child> of(pid_t pid) {
    const std::string name = absl::StrCat("process ", pid);
    OwnedFd fd(sys::pidfd_open(pid, 0));
    if (!fd) return io_error(errno, absl::StrCat("pidfd_open ", name));
    absl::StatusOr<IoSource> source = IoSource::open(std::move(fd), name);
    if (!source.ok()) return std::move(source).status();
    return Child(*std::move(source), pid);
  }

  pid_t pid() const noexcept { return pid_; }

  // Ready when the process has ended.
  Wait wait() { return Wait(source_); }

 private:
  Child(IoSource source, pid_t pid) noexcept : source_(std::move(source)), pid_(pid) {}

  // Of a process of which nobody else knows. Takes as long as the kernel takes to end it.
  static void kill_and_reap(pid_t pid) noexcept {
    ::kill(pid, SIGKILL);
    siginfo_t info{};
    while (sys::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
    }
  }

  IoSource source_;
  pid_t pid_;
};

static_assert(Future<Child::Wait>);

}  // namespace rt
