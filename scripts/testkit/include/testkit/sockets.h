// Sockets for tests: pairs, listeners on a port of the kernel's choice, and clients.
//
// They ask the kernel directly and not through rt/platform/sys.h, so a SysScript sees only the
// calls of the code under test. A socket of the AF_UNIX kind delivers at once: what one side has
// written, and a connection that was made, can be seen by the other side when the call returns.
// Tests that drive the code by hand use that kind. TCP over loopback may deliver a little later, so
// tests that use it wait for what they expect.
//
// Thread safety: different descriptors by different threads.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "testkit/process.h"
#include "testkit/steps.h"

namespace testkit {

// Owns a descriptor. Closing twice, or closing what somebody else has closed, fails the test.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { close(); }

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void close() {
    if (fd_ < 0) return;
    EXPECT_EQ(::close(std::exchange(fd_, -1)), 0)
        << "the code under test has closed a descriptor that is not its own";
  }

 private:
  int fd_ = -1;
};

inline int checked(int result, const char* call) {
  if (result < 0) ADD_FAILURE() << "the test's own " << call << ": " << std::strerror(errno);
  return result;
}

// Two ends of one connection. `flags`: SOCK_NONBLOCK, for both ends.
inline std::pair<Fd, Fd> socket_pair(int flags = 0) {
  std::array<int, 2> fds{-1, -1};
  checked(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, fds.data()), "socketpair");
  return {Fd(fds[0]), Fd(fds[1])};
}

// A listening socket with a name of the kernel's choice, outside the file system.
inline Fd listen_unix(int flags = 0) {
  Fd listener(checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), "socket"));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  checked(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)),
          "bind");
  checked(::listen(listener.get(), 4096), "listen");
  return listener;
}

// A listening socket on 127.0.0.1, at a port of the kernel's choice.
inline Fd listen_tcp(int flags = 0) {
  Fd listener(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), "socket"));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  checked(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
  checked(::listen(listener.get(), 4096), "listen");
  return listener;
}

// A blocking connection to a listener of either kind.
inline Fd connect_to(const Fd& listener) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  checked(::getsockname(listener.get(), raw, &length), "getsockname");
  Fd client(checked(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  checked(::connect(client.get(), raw, length), "connect");
  return client;
}

// Writes all of it, waiting if need be. False if the other side takes no more.
inline bool send_all(const Fd& fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// Sends these bytes and, with them, a duplicate of `passed`. Over a Unix socket.
inline void send_descriptor(const Fd& fd, absl::string_view bytes, const Fd& passed) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int number = passed.get();
  std::memcpy(CMSG_DATA(header), &number, sizeof number);
  checked(static_cast<int>(::sendmsg(fd.get(), &message, 0)), "sendmsg");
}

// This side has nothing more to say, and still listens.
inline void end_output(const Fd& fd) { checked(::shutdown(fd.get(), SHUT_WR), "shutdown"); }

// Waits for `size` bytes, or for the end.
inline std::string receive(const Fd& fd, size_t size) {
  std::string bytes(size, '\0');
  size_t got = 0;
  while (got < size) {
    const ssize_t count = ::recv(fd.get(), bytes.data() + got, size - got, 0);
    if (count <= 0) break;
    got += static_cast<size_t>(count);
  }
  bytes.resize(got);
  return bytes;
}

// Waits until the other side has ended, and returns all that it sent.
inline std::string receive_all(const Fd& fd) {
  std::string bytes;
  for (std::string part = receive(fd, 65536); !part.empty(); part = receive(fd, 65536))
    bytes += part;
  return bytes;
}

// What is there now, without waiting.
inline std::string receive_now(const Fd& fd) {
  std::string bytes;
  std::array<char, 65536> buffer;
  ssize_t count;
  while ((count = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0) {
    bytes.append(buffer.data(), static_cast<size_t>(count));
  }
  return bytes;
}

// What a read would give now, in words: "bytes", "nothing yet", "the end" (the other side has
// ended, and everything that it sent has been received), or the error's name. Takes nothing.
inline std::string comes_next(const Fd& fd) {
  char byte;
  const ssize_t count = ::recv(fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (count >= 0) return count == 0 ? "the end" : "bytes";
  if (errno == EAGAIN || errno == EWOULDBLOCK) return "nothing yet";
  const char* const error = ::strerrorname_np(errno);
  return error == nullptr ? "?" : error;
}

// Writes `bytes` again and again until there is no room, and returns how many bytes went.
inline size_t fill(const Fd& fd, absl::string_view bytes) {
  size_t total = 0;
  ssize_t sent;
  while ((sent = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT)) > 0) {
    total += static_cast<size_t>(sent);
  }
  return total;
}

// Raises the soft limit on open files as far as the hard one allows. False: `needed` is out of
// reach.
inline bool allow_open_files(size_t needed) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  return limit.rlim_cur >= needed;
}

}  // namespace testkit
