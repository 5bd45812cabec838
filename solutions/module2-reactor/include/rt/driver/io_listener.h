// IoListener: a descriptor at which connections arrive. TcpListener and UnixListener are
// IoListeners that differ in what they make of an arrival.
//
// Thread safety: one thread at a time. An operation refers to its listener.
//
// Invariants
//   1. It accepts as long as it can. A client that has hung up again is passed over. When there are
//      no descriptors left, or no memory, the clients stay in the listener's queue, and it tries
//      again every Backoff::kPause; it says so on stderr, once for each listener.
//   2. An Arrival that is dropped has accepted nobody.
//   3. What it accepts does not block, and is closed when the process becomes another program.
//
// The idea is the accept loop that every server has; Go's net/http has it with the pause.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rt/driver/backoff.h"
#include "rt/driver/io_operation.h"
#include "rt/driver/io_source.h"
#include "rt/driver/readiness.h"
#include "rt/future/future.h"
#include "rt/platform/owned_fd.h"
#include "rt/platform/sys.h"

namespace rt {

class IoListener {
 public:
  // The next connection, as a descriptor.
  class [[nodiscard]] Arrival {
   public:
    using Output = absl::StatusOr<OwnedFd>;

    explicit Arrival(IoListener& listener) noexcept
        : listener_(&listener), operation_(listener.source_, Direction::kRead) {}
    // Before the first poll only.
    Arrival(Arrival&& other) noexcept : Arrival(*other.listener_) {}
    Arrival& operator=(Arrival&&) = delete;
    ~Arrival() = default;

    // Ready with a connection, or with an error that will not go away.
    Poll<Output> poll(Context& cx) {
      // BEGIN SOLUTION 2.4
      for (;;) {
        if (backoff_.has_value()) {
          if (backoff_->poll(cx).is_pending()) return kPending;
          backoff_.reset();
        }
        const Poll<ssize_t> answer = operation_.poll(cx, 0, [this](int fd) {
          socklen_t length = sizeof peer_;
          return sys::accept4(fd, reinterpret_cast<sockaddr*>(&peer_), &length,
                              SOCK_NONBLOCK | SOCK_CLOEXEC);
        });
        if (answer.is_pending()) return kPending;
        if (answer.value() >= 0) return Output(OwnedFd(static_cast<int>(answer.value())));
        const int error = static_cast<int>(-answer.value());
        if (is_the_clients(error)) continue;
        if (!is_a_shortage(error)) return Output(listener_->source_.error(error, "accept"));
        listener_->say_once(error);
        backoff_.emplace();
      }
      // END SOLUTION
    }

    // Whose connection it is, once there is one.
    const sockaddr_storage& peer() const noexcept { return peer_; }

   private:
    // The connection that was at the front of the queue has failed; the next may be well. What the
    // network has to say of a new connection is said here, too (see accept(2)).
    static bool is_the_clients(int error) noexcept {
      switch (error) {
        case ECONNABORTED:
        case EPROTO:
        case ENOPROTOOPT:
        case ENETDOWN:
        case ENETUNREACH:
        case EHOSTDOWN:
        case EHOSTUNREACH:
        case ENONET:
          return true;
        default:
          return false;
      }
    }

    // Something has run out, of this process or of the machine, and the connection is still there.
    static bool is_a_shortage(int error) noexcept {
      return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
    }

    IoListener* listener_;
    IoOperation operation_;
    sockaddr_storage peer_{};
    // BEGIN SOLUTION 2.4
    // STUB: // Yours.
    std::optional<Backoff> backoff_;  // Something has run out.
    // END SOLUTION
  };

  explicit IoListener(IoSource source) noexcept : source_(std::move(source)) {}

 protected:
  const IoSource& source() const noexcept { return source_; }

 private:
  // Tells whoever runs the server that it is short of something: once, and not for each client.
  void say_once(int error) {
    if (std::exchange(said_, true)) return;
    const std::string line =
        absl::StrCat(source_.error(error, "accept").message(), "; new clients have to wait\n");
    std::fputs(line.c_str(), stderr);
  }

  IoSource source_;
  bool said_ = false;
};

static_assert(Future<IoListener::Arrival>);

}  // namespace rt
