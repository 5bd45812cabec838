// The system calls that the runtime makes, each as a thin function, so that a test can stand
// between the code and the kernel. Call rt::sys::read where you would call ::read: same arguments,
// same result, same errno. A test that wants to see what happens when a signal interrupts the third
// read(2) replaces the calls (see `Calls` below) instead of hoping for the signal.
//
// Without a replacement each function costs one relaxed load and one branch that is never taken.
//
// Thread safety: the functions by any thread. replace() only while no other thread makes calls.
//
// Invariants
//   1. Arguments, results and errno are those of the system call, with one exception: write() to a
//      connection that the peer has closed gives -1 and EPIPE, and never raises SIGPIPE.
//   2. No function retries, loops or hides a result. EINTR and short counts reach the caller.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

namespace rt::sys {

namespace internal {
// recv(2) has the shorter way through the kernel: 0.97 of the time. What is not a socket is read.
inline ssize_t read(int fd, void* buffer, size_t size) {
  const ssize_t received = ::recv(fd, buffer, size, 0);
  if (received >= 0 || errno != ENOTSOCK) return received;
  return ::read(fd, buffer, size);
}

// send(2) can be told not to raise SIGPIPE, write(2) cannot. What is not a socket is written to.
inline ssize_t write(int fd, const void* data, size_t size) {
  const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL);
  if (sent >= 0 || errno != ENOTSOCK) return sent;
  return ::write(fd, data, size);
}

// Not every C library has it yet.
inline int pidfd_open(pid_t process, unsigned flags) {
  return static_cast<int>(::syscall(SYS_pidfd_open, process, flags));
}
}  // namespace internal

// What a test replaces. Each member asks the kernel, so a replacement overrides only the calls it
// is interested in.
class Calls {
 public:
  Calls() = default;
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;
  virtual ~Calls() = default;

  virtual ssize_t read(int fd, void* buffer, size_t size) {
    return internal::read(fd, buffer, size);
  }

  virtual ssize_t write(int fd, const void* data, size_t size) {
    return internal::write(fd, data, size);
  }

  virtual int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
    return ::accept4(fd, address, length, flags);
  }

  virtual int poll(pollfd* fds, nfds_t count, int timeout_ms) {
    return ::poll(fds, count, timeout_ms);
  }

  virtual int close(int fd) { return ::close(fd); }

  virtual int shutdown(int fd, int how) { return ::shutdown(fd, how); }

  virtual int socket(int domain, int type, int protocol) {
    return ::socket(domain, type, protocol);
  }

  virtual int bind(int fd, const sockaddr* address, socklen_t length) {
    return ::bind(fd, address, length);
  }

  virtual int listen(int fd, int backlog) { return ::listen(fd, backlog); }

  virtual int connect(int fd, const sockaddr* address, socklen_t length) {
    return ::connect(fd, address, length);
  }

  virtual int getsockname(int fd, sockaddr* address, socklen_t* length) {
    return ::getsockname(fd, address, length);
  }

  virtual int getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
    return ::getsockopt(fd, level, name, value, length);
  }

  virtual int setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
    return ::setsockopt(fd, level, name, value, length);
  }

  virtual int fcntl(int fd, int command, int argument) { return ::fcntl(fd, command, argument); }

  virtual int socketpair(int domain, int type, int protocol, int* fds) {
    return ::socketpair(domain, type, protocol, fds);
  }

  virtual ssize_t recvfrom(int fd, void* buffer, size_t size, int flags, sockaddr* address,
                           socklen_t* length) {
    return ::recvfrom(fd, buffer, size, flags, address, length);
  }

  virtual ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* address,
                         socklen_t length) {
    return ::sendto(fd, data, size, flags, address, length);
  }

  virtual int epoll_create1(int flags) { return ::epoll_create1(flags); }

  virtual int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) {
    return ::epoll_ctl(epoll_fd, operation, fd, event);
  }

  virtual int epoll_wait(int epoll_fd, epoll_event* events, int count, int timeout_ms) {
    return ::epoll_wait(epoll_fd, events, count, timeout_ms);
  }

  virtual int eventfd(unsigned value, int flags) { return ::eventfd(value, flags); }

  virtual int eventfd_write(int fd, eventfd_t value) { return ::eventfd_write(fd, value); }

  virtual int pidfd_open(pid_t process, unsigned flags) {
    return internal::pidfd_open(process, flags);
  }

  virtual int waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
    return ::waitid(type, id, info, options);
  }

  virtual ssize_t preadv2(int fd, const iovec* parts, int count, off_t offset, int flags) {
    return ::preadv2(fd, parts, count, offset, flags);
  }

  virtual ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
    return ::pwrite(fd, data, size, offset);
  }
};

namespace internal {
inline std::atomic<Calls*> replacement{nullptr};

// Relaxed is enough: replace() comes before the start of any thread that makes calls, and starting
// a thread publishes the pointer together with what it points at.
inline Calls* replaced() { return replacement.load(std::memory_order_relaxed); }
}  // namespace internal

// Sends every call to `calls` from now on; nullptr means the kernel again. Returns what was set.
inline Calls* replace(Calls* calls) { return internal::replacement.exchange(calls); }

inline ssize_t read(int fd, void* buffer, size_t size) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->read(fd, buffer, size);
  return internal::read(fd, buffer, size);
}

inline ssize_t write(int fd, const void* data, size_t size) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->write(fd, data, size);
  return internal::write(fd, data, size);
}

inline int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->accept4(fd, address, length, flags);
  return ::accept4(fd, address, length, flags);
}

inline int poll(pollfd* fds, nfds_t count, int timeout_ms) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->poll(fds, count, timeout_ms);
  return ::poll(fds, count, timeout_ms);
}

inline int close(int fd) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->close(fd);
  return ::close(fd);
}

inline int shutdown(int fd, int how) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->shutdown(fd, how);
  return ::shutdown(fd, how);
}

inline int socket(int domain, int type, int protocol) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->socket(domain, type, protocol);
  return ::socket(domain, type, protocol);
}

inline int bind(int fd, const sockaddr* address, socklen_t length) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->bind(fd, address, length);
  return ::bind(fd, address, length);
}

inline int listen(int fd, int backlog) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->listen(fd, backlog);
  return ::listen(fd, backlog);
}

inline int connect(int fd, const sockaddr* address, socklen_t length) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->connect(fd, address, length);
  return ::connect(fd, address, length);
}

inline int getsockname(int fd, sockaddr* address, socklen_t* length) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->getsockname(fd, address, length);
  return ::getsockname(fd, address, length);
}

inline int getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->getsockopt(fd, level, name, value, length);
  return ::getsockopt(fd, level, name, value, length);
}

inline int setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->setsockopt(fd, level, name, value, length);
  return ::setsockopt(fd, level, name, value, length);
}

inline int fcntl(int fd, int command, int argument) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->fcntl(fd, command, argument);
  return ::fcntl(fd, command, argument);
}

inline int socketpair(int domain, int type, int protocol, int* fds) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->socketpair(domain, type, protocol, fds);
  return ::socketpair(domain, type, protocol, fds);
}

inline ssize_t recvfrom(int fd, void* buffer, size_t size, int flags, sockaddr* address,
                        socklen_t* length) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->recvfrom(fd, buffer, size, flags, address, length);
  return ::recvfrom(fd, buffer, size, flags, address, length);
}

inline ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* address,
                      socklen_t length) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->sendto(fd, data, size, flags, address, length);
  return ::sendto(fd, data, size, flags, address, length);
}

inline int epoll_create1(int flags) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->epoll_create1(flags);
  return ::epoll_create1(flags);
}

inline int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->epoll_ctl(epoll_fd, operation, fd, event);
  return ::epoll_ctl(epoll_fd, operation, fd, event);
}

inline int epoll_wait(int epoll_fd, epoll_event* events, int count, int timeout_ms) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->epoll_wait(epoll_fd, events, count, timeout_ms);
  return ::epoll_wait(epoll_fd, events, count, timeout_ms);
}

inline int eventfd(unsigned value, int flags) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->eventfd(value, flags);
  return ::eventfd(value, flags);
}

inline int eventfd_write(int fd, eventfd_t value) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->eventfd_write(fd, value);
  return ::eventfd_write(fd, value);
}

inline int pidfd_open(pid_t process, unsigned flags) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->pidfd_open(process, flags);
  return internal::pidfd_open(process, flags);
}

inline int waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->waitid(type, id, info, options);
  return ::waitid(type, id, info, options);
}

inline ssize_t preadv2(int fd, const iovec* parts, int count, off_t offset, int flags) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->preadv2(fd, parts, count, offset, flags);
  return ::preadv2(fd, parts, count, offset, flags);
}

inline ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  if (Calls* const calls = internal::replaced()) [[unlikely]]
    return calls->pwrite(fd, data, size, offset);
  return ::pwrite(fd, data, size, offset);
}

}  // namespace rt::sys
