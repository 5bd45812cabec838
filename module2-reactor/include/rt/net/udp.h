// UdpSocket: datagrams, as futures.
//
//   absl::StatusOr<UdpSocket> socket = UdpSocket::bind(SocketAddress::loopback(0));
//   absl::StatusOr<UdpSocket::Received> got = co_await socket->receive_from(buffer);
//   absl::StatusOr<std::size_t> sent = co_await socket->send_to("hello", got->from);
//
// Thread safety: one receive and one send at a time, by one thread each. An operation refers to its
// socket and to the caller's bytes, and copies neither.
//
// Invariants
//   1. A datagram arrives whole or not at all. What does not fit the buffer is lost, and Received
//      says so.
//   2. An empty datagram is a datagram. There is no end.
//   3. A receive that is dropped has received nothing.
//
// The idea is Tokio's UdpSocket.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "rt/driver/io_error.h"
#include "rt/driver/io_operation.h"
#include "rt/driver/io_source.h"
#include "rt/driver/readiness.h"
#include "rt/future/future.h"
#include "rt/net/socket_address.h"
#include "rt/platform/owned_fd.h"
#include "rt/platform/sys.h"
#include "rt/platform/todo.h"

namespace rt {

class UdpSocket {
 public:
  struct Received {
    Received(std::size_t s, bool cut, const SocketAddress& f) noexcept
        : size(s), is_cut(cut), from(f) {}

    std::size_t size;  // Bytes in the buffer.
    bool is_cut;       // The datagram was longer.
    SocketAddress from;
  };

  class [[nodiscard]] ReceiveFrom {
   public:
    using Output = absl::StatusOr<Received>;

    ReceiveFrom(IoSource& source, absl::Span<char> buffer) noexcept
        : operation_(source, Direction::kRead), buffer_(buffer) {}

    Poll<Output> poll(Context& cx) {
      // With MSG_TRUNC, recvfrom(2) says how long the datagram was, whatever the buffer took.
      RT_TODO("2.8");
    }

   private:
    IoOperation operation_;
    absl::Span<char> buffer_;
  };

  class [[nodiscard]] SendTo {
   public:
    using Output = absl::StatusOr<std::size_t>;

    SendTo(IoSource& source, absl::string_view data, const SocketAddress& to) noexcept
        : operation_(source, Direction::kWrite), data_(data), to_(to) {}

    Poll<Output> poll(Context& cx) {
      RT_TODO("2.8");
    }

   private:
    IoOperation operation_;
    absl::string_view data_;
    SocketAddress to_;
  };

  // With port 0 the kernel chooses; local_address() says which.
  static absl::StatusOr<UdpSocket> bind(const SocketAddress& address) {
    OwnedFd fd(sys::socket(address.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return io_error(errno, absl::StrCat("socket for ", address.to_string()));
    if (sys::bind(fd.get(), address.data(), address.size()) != 0) {
      return io_error(errno, absl::StrCat("bind ", address.to_string()));
    }
    sockaddr_storage local{};
    socklen_t length = sizeof local;
    if (sys::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&local), &length) != 0) {
      return io_error(errno, absl::StrCat("getsockname ", address.to_string()));
    }
    const SocketAddress bound = SocketAddress::from(local);
    absl::StatusOr<IoSource> source = IoSource::open(std::move(fd), bound.to_string());
    if (!source.ok()) return std::move(source).status();
    return UdpSocket(*std::move(source), bound);
  }

  // Ready with the next datagram, or the part of it that `buffer` has room for.
  ReceiveFrom receive_from(absl::Span<char> buffer) { return ReceiveFrom(source_, buffer); }

  // Ready when the kernel has taken the datagram. Whether it arrives, nobody says.
  SendTo send_to(absl::string_view data, const SocketAddress& to) {
    return SendTo(source_, data, to);
  }

  SocketAddress local_address() const noexcept { return local_; }

 private:
  UdpSocket(IoSource source, const SocketAddress& local) noexcept
      : source_(std::move(source)), local_(local) {}

  IoSource source_;
  SocketAddress local_;
};

static_assert(Future<UdpSocket::ReceiveFrom> && Future<UdpSocket::SendTo>);

}  // namespace rt
