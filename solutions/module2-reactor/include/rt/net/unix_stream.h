// UnixListener and UnixStream: connections inside one machine, with a path in the file system for
// an address.
//
//   absl::StatusOr<UnixListener> listener = UnixListener::bind("/run/service.sock");
//   absl::StatusOr<UnixStream> stream = co_await UnixStream::connect("/run/service.sock");
//
// Thread safety: as IoListener and IoStream.
//
// Invariants
//   1. The path is made by bind(), and stays when the listener goes: whoever removes it decides.
//      A path that is there already, also one of a listener that is gone, is "Address already in
//      use". A bind() that fails leaves no path behind.
//   2. A connect to a listener whose queue is full tries again every Backoff::kPause. Such a socket
//      says EAGAIN, goes on with nothing by itself, and no event will come.
//   3. Every error names its call and its path.
//
// The idea is Tokio's UnixListener and UnixStream.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rt/driver/backoff.h"
#include "rt/driver/io_error.h"
#include "rt/driver/io_listener.h"
#include "rt/driver/io_source.h"
#include "rt/driver/io_stream.h"
#include "rt/future/future.h"
#include "rt/platform/owned_fd.h"
#include "rt/platform/sys.h"

namespace rt {

namespace detail {

// A path as the kernel wants it, and a socket for it.
struct UnixSocket {
  static absl::StatusOr<UnixSocket> at(absl::string_view path) {
    UnixSocket socket;
    if (path.empty() || path.size() >= sizeof socket.address.sun_path ||
        path.find('\0') != path.npos) {
      return io_error(path.size() >= sizeof socket.address.sun_path ? ENAMETOOLONG : EINVAL,
                      absl::StrCat("socket for ", path));
    }
    path.copy(socket.address.sun_path, path.size());
    socket.fd.reset(sys::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.fd) return io_error(errno, absl::StrCat("socket for ", path));
    return socket;
  }

  UnixSocket() noexcept { address.sun_family = AF_UNIX; }
  const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&address); }

  OwnedFd fd;
  sockaddr_un address{};
};

}  // namespace detail

class UnixStream : public IoStream {
 public:
  class [[nodiscard]] Connect {
   public:
    using Output = absl::StatusOr<UnixStream>;

    explicit Connect(std::string path) noexcept : path_(std::move(path)) {}
    // Before the first poll only.
    Connect(Connect&& other) noexcept : path_(std::move(other.path_)) {}
    Connect& operator=(Connect&&) = delete;
    ~Connect() = default;

    Poll<Output> poll(Context& cx) {
      // BEGIN SOLUTION 2.8
      for (;;) {
        if (backoff_.has_value()) {
          if (backoff_->poll(cx).is_pending()) return kPending;
          backoff_.reset();
        }
        absl::StatusOr<detail::UnixSocket> socket = detail::UnixSocket::at(path_);
        if (!socket.ok()) return Output(std::move(socket).status());
        if (sys::connect(socket->fd.get(), socket->data(), sizeof socket->address) == 0) {
          return adopt(std::move(socket->fd), path_);
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return Output(io_error(errno, absl::StrCat("connect ", path_)));
        backoff_.emplace();
      }
      // END SOLUTION
    }

   private:
    std::string path_;
    // BEGIN SOLUTION 2.8
    // STUB: // Yours.
    std::optional<Backoff> backoff_;  // The listener's queue is full.
    // END SOLUTION
  };

  // Ready with a stream, or with why there is none. Does nothing until it is polled.
  static Connect connect(absl::string_view path) { return Connect(std::string(path)); }

  // Two ends of one connection.
  static absl::StatusOr<std::pair<UnixStream, UnixStream>> pair() {
    int fds[2];
    if (sys::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
      return io_error(errno, "socketpair");
    }
    OwnedFd one_fd(fds[0]), other_fd(fds[1]);
    absl::StatusOr<UnixStream> one = adopt(std::move(one_fd), "one of a pair");
    if (!one.ok()) return std::move(one).status();
    absl::StatusOr<UnixStream> other = adopt(std::move(other_fd), "one of a pair");
    if (!other.ok()) return std::move(other).status();
    return std::pair(*std::move(one), *std::move(other));
  }

  // Takes over a connected socket that does not block. `name` is for errors.
  static absl::StatusOr<UnixStream> adopt(OwnedFd fd, std::string name) {
    absl::StatusOr<IoSource> source = IoSource::open(std::move(fd), std::move(name));
    if (!source.ok()) return std::move(source).status();
    return UnixStream(*std::move(source));
  }

 private:
  explicit UnixStream(IoSource source) noexcept : IoStream(std::move(source)) {}
};

class UnixListener : public IoListener {
 public:
  class [[nodiscard]] Accept {
   public:
    using Output = absl::StatusOr<UnixStream>;

    explicit Accept(UnixListener& listener) noexcept : listener_(&listener), arrival_(listener) {}

    Poll<Output> poll(Context& cx) {
      // BEGIN SOLUTION 2.8
      Poll<absl::StatusOr<OwnedFd>> arrived = arrival_.poll(cx);
      if (arrived.is_pending()) return kPending;
      absl::StatusOr<OwnedFd> fd = std::move(arrived).take();
      if (!fd.ok()) return Output(std::move(fd).status());
      return UnixStream::adopt(*std::move(fd), "a client of " + listener_->source().name());
      // END SOLUTION
    }

   private:
    UnixListener* listener_;
    Arrival arrival_;
  };

  static absl::StatusOr<UnixListener> bind(absl::string_view path) {
    absl::StatusOr<detail::UnixSocket> socket = detail::UnixSocket::at(path);
    if (!socket.ok()) return std::move(socket).status();
    if (sys::bind(socket->fd.get(), socket->data(), sizeof socket->address) != 0) {
      return io_error(errno, absl::StrCat("bind ", path));
    }
    absl::Cleanup remove = [&socket] { ::unlink(socket->address.sun_path); };
    if (sys::listen(socket->fd.get(), kBacklog) != 0) {
      return io_error(errno, absl::StrCat("listen ", path));
    }
    absl::StatusOr<IoSource> source = IoSource::open(std::move(socket->fd), std::string(path));
    if (!source.ok()) return std::move(source).status();
    std::move(remove).Cancel();
    return UnixListener(*std::move(source));
  }

  // Ready with the next connection.
  Accept accept() { return Accept(*this); }

 private:
  static constexpr int kBacklog = 4096;  // The kernel takes its own limit if that is less.

  explicit UnixListener(IoSource source) noexcept : IoListener(std::move(source)) {}
};

static_assert(Future<UnixStream::Connect> && Future<UnixListener::Accept>);

}  // namespace rt
