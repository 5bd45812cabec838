// OwnedFd: a descriptor with one owner, who closes it.
//
// Thread safety: like an int. One thread at a time changes it.
//
// Invariant: what it holds is closed exactly once, by rt::sys::close. errno stays what it was.
#pragma once

#include <cerrno>
#include <utility>

#include "rt/platform/sys.h"

namespace rt {

class OwnedFd {
 public:
  OwnedFd() noexcept = default;
  explicit OwnedFd(int fd) noexcept : fd_(fd) {}  // Takes it over; less than 0 means none.

  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~OwnedFd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

  // Gives it away without closing it.
  int release() noexcept { return std::exchange(fd_, -1); }

  // Closes it, and takes over `fd` instead. The number is free, whatever close(2) answers, so there
  // is nothing to repeat.
  void reset(int fd = -1) noexcept {
    const int old = std::exchange(fd_, fd);
    if (old < 0) return;
    const int saved = errno;
    sys::close(old);
    errno = saved;
  }

 private:
  int fd_ = -1;
};

}  // namespace rt
