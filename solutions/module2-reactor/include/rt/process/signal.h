// Signals: signals as something that one awaits, and not as an interruption.
//
//   absl::StatusOr<Signals> signals = Signals::listen({SIGINT, SIGTERM});
//   absl::StatusOr<int> which = co_await signals->next();
//
// Thread safety: listen() by any thread, at any time. One next() at a time of each Signals.
//
// Invariants
//   1. next() is ready once for a signal that has come since listen(). Several of one kind that
//      come before it is looked at are one.
//   2. Every Signals hears every signal that it listens to, however many listen to the same, on
//      whatever threads and in whatever runtimes.
//   3. A next() that is dropped has taken nothing.
//   4. A listen() that fails leaves nothing behind.
//   5. Once somebody has listened to a signal, its default action is gone for good, also when the
//      Signals are: Ctrl-C does not end a program that has ever listened to SIGINT.
//
// The process inherits which signals are blocked. One that every thread blocks does not come.
//
// The idea is Tokio's signal module.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rt/driver/io_operation.h"
#include "rt/driver/io_source.h"
#include "rt/driver/readiness.h"
#include "rt/future/future.h"
#include "rt/platform/owned_fd.h"
#include "rt/process/signal_handler.h"

namespace rt {

class Signals {
 private:
  // A signal that is listened to, and the count of it that next() has given out.
  struct Heard {
    Heard(int s, std::uint32_t c) noexcept : signal(s), count(c) {}

    int signal;
    std::uint32_t count;
  };

 public:
  class [[nodiscard]] Next {
   public:
    using Output = absl::StatusOr<int>;

    Next(IoSource& source, std::vector<Heard>& heard) noexcept
        : operation_(source, Direction::kRead), heard_(&heard) {}

    Poll<Output> poll(Context& cx) {
      // BEGIN SOLUTION 2.8
      // STUB: // The descriptor says that some signal has come. Which one, SignalHandler::count()
      // STUB: // says: compare it with what *heard_ remembers.
      // STUB: RT_TODO("2.8");
      const Poll<ssize_t> answer = operation_.poll(cx, 0, [this](int) -> ssize_t {
        for (Heard& heard : *heard_) {
          const std::uint32_t count = SignalHandler::count(heard.signal);
          if (std::exchange(heard.count, count) != count) return heard.signal;
        }
        errno = EAGAIN;  // In the words of a descriptor that does not block.
        return -1;
      });
      if (answer.is_pending()) return kPending;
      if (answer.value() < 0) {
        return Output(operation_.source().error(static_cast<int>(-answer.value()), "next"));
      }
      return Output(static_cast<int>(answer.value()));
      // END SOLUTION
    }

   private:
    IoOperation operation_;
    std::vector<Heard>* heard_;
  };

  // Listens to these signals from now on. Fails for one to which nobody can listen (see
  // SignalHandler::check), and as eventfd(2) and Reactor::add do. Throws std::logic_error outside
  // of a runtime.
  static absl::StatusOr<Signals> listen(std::initializer_list<int> signals) {
    if (signals.size() == 0) return absl::InvalidArgumentError("listen: no signal is named");
    std::vector<Heard> all;
    for (const int signal : signals) {
      if (absl::Status status = SignalHandler::check(signal); !status.ok()) return status;
      const auto is_it = [signal](const Heard& heard) { return heard.signal == signal; };
      if (std::any_of(all.begin(), all.end(), is_it)) continue;
      // Before the handler is there: a signal that comes in between is heard.
      all.emplace_back(signal, SignalHandler::count(signal));
    }
    absl::StatusOr<OwnedFd> fd = SignalHandler::descriptor();
    if (!fd.ok()) return std::move(fd).status();
    absl::StatusOr<IoSource> source = IoSource::open(*std::move(fd), "signals");
    if (!source.ok()) return std::move(source).status();
    // Last, since it stays.
    for (const int signal : signals) SignalHandler::install(signal);
    return Signals(*std::move(source), std::move(all));
  }

  // Ready with the number of a signal that has come.
  Next next() { return Next(source_, heard_); }

 private:
  Signals(IoSource source, std::vector<Heard> heard) noexcept
      : source_(std::move(source)), heard_(std::move(heard)) {}

  IoSource source_;
  std::vector<Heard> heard_;
};

static_assert(Future<Signals::Next>);

}  // namespace rt
