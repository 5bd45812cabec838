// TcpListener and TcpStream: TCP, as futures.
//
//   absl::StatusOr<TcpListener> listener = TcpListener::bind(SocketAddress::loopback(8080));
//   absl::StatusOr<TcpStream> stream = co_await listener->accept();
//
//   absl::StatusOr<TcpStream> stream = co_await TcpStream::connect(address);
//
// bind(), and the first poll of connect(), need a runtime: they find its reactor through their
// thread.
//
// Thread safety: as IoListener and IoStream.
//
// Invariants
//   1. connect() is ready when the connection stands or is known to fail. Dropped, it is given up:
//      its descriptor is closed.
//   2. Every error names its call and its address: "connect 127.0.0.1:80: Connection refused".
//
// The idea is Tokio's TcpListener and TcpStream.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <optional>
#include <stdexcept>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rt/driver/io_error.h"
#include "rt/driver/io_listener.h"
#include "rt/driver/io_operation.h"
#include "rt/driver/io_source.h"
#include "rt/driver/io_stream.h"
#include "rt/driver/readiness.h"
#include "rt/future/future.h"
#include "rt/net/socket_address.h"
#include "rt/platform/owned_fd.h"
#include "rt/platform/sys.h"
#include "rt/platform/todo.h"

namespace rt {

namespace detail {

// The address that a socket has on this side.
inline absl::StatusOr<SocketAddress> local_address(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (sys::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return io_error(errno, absl::StrCat("getsockname fd ", fd));
  }
  return SocketAddress::from(storage);
}

inline absl::StatusOr<OwnedFd> tcp_socket(const SocketAddress& address) {
  OwnedFd fd(sys::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return io_error(errno, absl::StrCat("socket for ", address.to_string()));
  return fd;
}

}  // namespace detail

class TcpStream : public IoStream {
 public:
  class [[nodiscard]] Connect {
   public:
    using Output = absl::StatusOr<TcpStream>;

    explicit Connect(const SocketAddress& address) noexcept : address_(address) {}
    // Before the first poll only.
    Connect(Connect&& other) noexcept : address_(other.address_) {}
    Connect& operator=(Connect&&) = delete;
    ~Connect() = default;

    // Throws std::logic_error when polled after it was ready.
    Poll<Output> poll(Context& cx) {
      if (done_) throw std::logic_error("connect: polled after it was ready");
      Poll<Output> result = poll_connect(cx);
      done_ = result.is_ready();
      return result;
    }

   private:
    Poll<Output> poll_connect(Context& cx) {
      RT_TODO("2.4");
    }

    // Yours.
    SocketAddress address_;
    bool done_ = false;
  };

  // Ready with a stream, or with why there is none. Does nothing until it is polled.
  static Connect connect(const SocketAddress& address) { return Connect(address); }

  // Takes over a connected TCP socket that does not block, and that answers to
  // IoSource::set_short_read_is_last().
  static absl::StatusOr<TcpStream> adopt(OwnedFd fd, const SocketAddress& peer) {
    absl::StatusOr<IoSource> source = IoSource::open(std::move(fd), peer.to_string());
    if (!source.ok()) return std::move(source).status();
    return TcpStream(*std::move(source), peer);
  }

  SocketAddress peer_address() const { return peer_; }
  absl::StatusOr<SocketAddress> local_address() const {
    return detail::local_address(source().fd());
  }

  // True: small writes go out at once, and do not wait for the answer to earlier ones.
  absl::Status set_nodelay(bool on) {
    const int value = on ? 1 : 0;
    if (sys::setsockopt(source().fd(), IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) == 0) {
      return absl::OkStatus();
    }
    return source().error(errno, "setsockopt TCP_NODELAY");
  }

 private:
  TcpStream(IoSource source, const SocketAddress& peer) noexcept
      : IoStream(std::move(source)), peer_(peer) {
    this->source().set_short_read_is_last();
  }

  SocketAddress peer_;
};

class TcpListener : public IoListener {
 public:
  class [[nodiscard]] Accept {
   public:
    using Output = absl::StatusOr<TcpStream>;

    explicit Accept(TcpListener& listener) noexcept : arrival_(listener) {}

    Poll<Output> poll(Context& cx) {
      Poll<absl::StatusOr<OwnedFd>> arrived = arrival_.poll(cx);
      if (arrived.is_pending()) return kPending;
      absl::StatusOr<OwnedFd> fd = std::move(arrived).take();
      if (!fd.ok()) return Output(std::move(fd).status());
      return TcpStream::adopt(*std::move(fd), SocketAddress::from(arrival_.peer()));
    }

   private:
    Arrival arrival_;
  };

  // Listens at `address`. With port 0 the kernel chooses; local_address() says which.
  static absl::StatusOr<TcpListener> bind(const SocketAddress& address) {
    absl::StatusOr<OwnedFd> fd = detail::tcp_socket(address);
    if (!fd.ok()) return std::move(fd).status();
    // A server that starts again need not wait until its old connections are forgotten.
    const int on = 1;
    sys::setsockopt(fd->get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (sys::bind(fd->get(), address.data(), address.size()) != 0) {
      return io_error(errno, absl::StrCat("bind ", address.to_string()));
    }
    if (sys::listen(fd->get(), kBacklog) != 0) {
      return io_error(errno, absl::StrCat("listen ", address.to_string()));
    }
    absl::StatusOr<SocketAddress> local = detail::local_address(fd->get());
    if (!local.ok()) return std::move(local).status();
    absl::StatusOr<IoSource> source = IoSource::open(*std::move(fd), local->to_string());
    if (!source.ok()) return std::move(source).status();
    return TcpListener(*std::move(source));
  }

  // Ready with the next connection.
  Accept accept() { return Accept(*this); }

  absl::StatusOr<SocketAddress> local_address() const {
    return detail::local_address(source().fd());
  }

 private:
  static constexpr int kBacklog = 4096;  // The kernel takes its own limit if that is less.

  explicit TcpListener(IoSource source) noexcept : IoListener(std::move(source)) {}
};

static_assert(Future<TcpStream::Connect> && Future<TcpListener::Accept>);

}  // namespace rt
