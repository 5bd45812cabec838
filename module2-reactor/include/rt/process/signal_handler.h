// SignalHandler: what this process does when a signal comes to which somebody listens. It counts
// the signal and writes to an eventfd. Little else is allowed there: the handler interrupts any
// thread at any point, also inside malloc or with a lock held.
//
//   a signal -> the handler, on any thread -> count(signal) + 1
//                                          -> write(eventfd) -> an edge in every epoll set that has
//                                                               a duplicate of it
//
// So every listener has a duplicate of the eventfd in the reactor of its own runtime, and compares
// counts when there was an edge. Nobody reads the eventfd: each write is an edge, whatever the
// counter says.
//
// Thread safety: all functions by any thread.
//
// Invariants
//   1. The count is higher before the edge comes. So whoever looks at the counts after an edge
//      misses no signal.
//   2. A handler that is installed stays, also when nobody listens any more. The default action of
//      most signals ends the process, and one may be on its way.
//
// The idea is Tokio's signal driver, and the self-pipe trick behind it (D. J. Bernstein).
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rt/driver/io_error.h"
#include "rt/platform/owned_fd.h"
#include "rt/platform/sync.h"
#include "rt/platform/sys.h"

namespace rt {

class SignalHandler {
 public:
  // OK if one can listen to this signal. The kernel lets nobody catch SIGKILL and SIGSTOP. After
  // the handler of SIGILL, SIGFPE or SIGSEGV has returned, the instruction that raised it would do
  // so again, for ever.
  static absl::Status check(int signal) {
    for (const int forbidden : {SIGKILL, SIGSTOP, SIGILL, SIGFPE, SIGSEGV}) {
      if (signal != forbidden) continue;
      return absl::InvalidArgumentError(absl::StrCat("listen to signal ", signal, " (",
                                                     ::strsignal(signal),
                                                     "): nobody can wait for this one"));
    }
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) == 0) return absl::OkStatus();
    return io_error(errno, absl::StrCat("listen to signal ", signal));
  }

  // A duplicate of the eventfd.
  static absl::StatusOr<OwnedFd> descriptor() {
    State& s = state();
    const sync::Lock lock(s.mutex);
    if (s.eventfd.load() < 0) {
      OwnedFd eventfd(sys::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      if (!eventfd) return io_error(errno, "eventfd");
      s.eventfd.store(eventfd.release());  // For as long as the process lives.
    }
    OwnedFd duplicate(sys::fcntl(s.eventfd.load(), F_DUPFD_CLOEXEC, 0));
    if (!duplicate) return io_error(errno, "fcntl F_DUPFD_CLOEXEC");
    return duplicate;
  }

  // From now on the signal is counted. It replaces the handler that was there. REQUIRES: check()
  // says OK, and descriptor() has.
  static void install(int signal) noexcept {
    struct sigaction ours {};
    ours.sa_handler = &handle;
    ours.sa_flags = SA_RESTART;  // Of a thread that it interrupts nothing is to be seen.
    ::sigaction(signal, &ours, nullptr);
  }

  // How often this signal has come, since the first install(). It wraps.
  static std::uint32_t count(int signal) noexcept {
    return state().counts[static_cast<std::size_t>(signal)].load();
  }

 private:
  struct State {
    sync::Mutex mutex;  // Of whoever makes the eventfd. The handler takes no lock.
    sync::Atomic<int> eventfd{-1};
    std::array<sync::Atomic<std::uint32_t>, NSIG> counts{};
  };

  static State& state() noexcept { return sync::Global<State, State>::get(); }

  static void handle(int signal) {
    const int saved = errno;
    State& s = state();  // It exists: descriptor() has made it.
    s.counts[static_cast<std::size_t>(signal)].fetch_add(1);
    const std::uint64_t one = 1;
    // Not by sys::write, which a test may have replaced by code that does more than a handler may.
    [[maybe_unused]] const ssize_t written = ::write(s.eventfd.load(), &one, sizeof one);
    errno = saved;
  }
};

}  // namespace rt
