// Signals: signals as something that one awaits, by signalfd(2), and not as an interruption.
//
//   absl::StatusOr<Signals> signals = Signals::listen({SIGINT, SIGTERM});
//   absl::StatusOr<int> which = co_await signals->next();
//
// A signal that is listened to must be blocked in every thread, or a thread that does not block it
// gets it in the old way. listen() blocks it in the calling thread, and the threads that it starts
// later inherit that: so listen before starting any.
//
// Thread safety: one next() at a time. One thread turns the reactor and polls: the kernel asks the
// reader's own signals beside those of the process.
//
// Invariants
//   1. next() is ready once for a signal that has come. Several of one kind that come before it is
//      looked at are one: the kernel keeps a bit for each.
//   2. A next() that is dropped has taken nothing.
//   3. The signals stay blocked when the Signals go. One that was pending would else end the
//   process.
//
// The idea is Tokio's signal module, and systemd's use of signalfd.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/types.h>

#include <cerrno>
#include <initializer_list>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rt/driver/io_error.h"
#include "rt/driver/io_operation.h"
#include "rt/driver/io_source.h"
#include "rt/driver/readiness.h"
#include "rt/future/future.h"
#include "rt/platform/owned_fd.h"
#include "rt/platform/sys.h"
#include "rt/platform/todo.h"

namespace rt {

class Signals {
 public:
  class [[nodiscard]] Next {
   public:
    using Output = absl::StatusOr<int>;

    explicit Next(IoSource& source) noexcept : operation_(source, Direction::kRead) {}

    Poll<Output> poll(Context& cx) {
      // A read(2) of a signalfd gives a signalfd_siginfo; its ssi_signo is the number.
      RT_TODO("2.8");
    }

   private:
    IoOperation operation_;
  };

  // Blocks these signals in this thread, and listens to them.
  static absl::StatusOr<Signals> listen(std::initializer_list<int> signals) {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : signals) {
      if (sigaddset(&set, signal) != 0) return io_error(errno, "sigaddset");
    }
    if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
      return io_error(error, "pthread_sigmask");
    }
    OwnedFd fd(sys::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!fd) return io_error(errno, "signalfd");
    absl::StatusOr<IoSource> source = IoSource::open(std::move(fd), "signalfd");
    if (!source.ok()) return std::move(source).status();
    return Signals(*std::move(source));
  }

  // Ready with the number of a signal that has come.
  Next next() { return Next(source_); }

 private:
  explicit Signals(IoSource source) noexcept : source_(std::move(source)) {}

  IoSource source_;
};

static_assert(Future<Signals::Next>);

}  // namespace rt
