// Sockets on 127.0.0.1 for the demos: a listener for servers that work on bare descriptors, and
// blocking clients for their self-tests.
//
// Thread safety: different descriptors by different threads.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace demo {

inline sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// A descriptor that listens on 127.0.0.1; port 0: the kernel chooses. `flags`: SOCK_NONBLOCK.
inline absl::StatusOr<int> listen_on(uint16_t port, int flags = 0) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "socket");
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = loopback(port);
  absl::Status status;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("bind 127.0.0.1:", port));
  } else if (::listen(fd, SOMAXCONN) != 0) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("listen 127.0.0.1:", port));
  }
  if (status.ok()) return fd;
  ::close(fd);
  return status;
}

inline uint16_t port_of(int listener) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

// A blocking connection, for the client's side. Not connected (and said so) if there is no server.
class Client {
 public:
  explicit Client(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = loopback(port);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      std::perror("connect");
    }
  }
  Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Client& operator=(Client&&) = delete;
  ~Client() {
    if (fd_ >= 0) ::close(fd_);
  }

  // False when the server takes no more.
  bool say(absl::string_view words) const {
    while (!words.empty()) {
      const ssize_t sent = ::send(fd_, words.data(), words.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) return false;
      words.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  // This side has nothing more to say, and still listens.
  void end() const { ::shutdown(fd_, SHUT_WR); }

  // What comes next, up to `size` bytes; empty when the server has ended.
  std::string hear_some(size_t size = 4096) const {
    std::string bytes(size, '\0');
    ssize_t count;
    do {
      count = ::recv(fd_, bytes.data(), size, 0);
    } while (count < 0 && errno == EINTR);
    bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return bytes;
  }

  // Exactly `size` bytes, or fewer when the server ends before.
  std::string hear(size_t size) const {
    std::string bytes;
    while (bytes.size() < size) {
      const std::string part = hear_some(size - bytes.size());
      if (part.empty()) break;
      bytes += part;
    }
    return bytes;
  }

  // Everything until the server ends.
  std::string hear_all() const {
    std::string bytes;
    for (std::string part = hear_some(); !part.empty(); part = hear_some()) bytes += part;
    return bytes;
  }

 private:
  int fd_;
};

}  // namespace demo
