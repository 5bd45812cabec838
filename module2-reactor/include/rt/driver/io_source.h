// IoSource: a descriptor that does not block, registered with the reactor of the runtime in which
// it was made. Each socket holds one.
//
// Thread safety: fd(), io(), name() and what makes statuses, by any thread. It belongs to one
// thread at a time that moves or destroys it.
//
// Invariants
//   1. The registration ends before the descriptor is closed. Its number may have a new owner a
//      moment later, and an event of the old one must not find him.
//   2. It may outlive the runtime. Its ScheduledIo then says shutdown, and operations fail.
//
// When does a short read show that there is no more? Not with every descriptor. A Unix socket ends
// a read behind a part that carries a descriptor (SCM_RIGHTS), a packet and a terminal after each
// packet or line: what lies behind has come already, so it brings no event, and who waits for one
// waits for ever. Of TCP it is known: a read stops short of what has come only in front of urgent
// data, and then the kernel has said EPOLLPRI. (A peer that calls bytes urgent which it had sent
// before, against TCP's rules, may keep back its own bytes until it sends more.)
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/io_error.h"
#include "rt/driver/reactor.h"
#include "rt/driver/scheduled_io.h"
#include "rt/platform/owned_fd.h"

namespace rt {

class IoSource {
 public:
  // Takes `fd` over, also when it fails, as Reactor::add does. `name` is for errors:
  // "127.0.0.1:80". Throws std::logic_error outside of a runtime. A socket is connected, or made to
  // listen, before: the kernel says of one that is neither that it has hung up.
  static absl::StatusOr<IoSource> open(OwnedFd fd, std::string name) {
    absl::StatusOr<Registration> registration = Reactor::add(current_reactor("a socket"), fd.get());
    if (!registration.ok()) return std::move(registration).status();
    return IoSource(std::move(fd), *std::move(registration), std::move(name));
  }

  IoSource(IoSource&&) noexcept = default;
  // In this order: member by member, the old descriptor would be closed before its registration
  // ends.
  IoSource& operator=(IoSource&& other) noexcept {
    registration_ = std::move(other.registration_);
    fd_ = std::move(other.fd_);
    name_ = std::move(other.name_);
    short_read_is_last_ = other.short_read_is_last_;
    return *this;
  }
  ~IoSource() = default;

  int fd() const noexcept { return fd_.get(); }
  ScheduledIo& io() const noexcept { return registration_.io(); }
  const std::string& name() const noexcept { return name_; }

  // For a socket that is known to be TCP, of which nobody has taken urgent data by MSG_OOB, and
  // which has no other protocol on top (TLS in the kernel).
  void set_short_read_is_last() noexcept { short_read_is_last_ = true; }

  // What a read of `size` bytes gives to IoOperation::poll as `full`: `size` where less than that
  // shows that there is no more, else 0.
  std::size_t full_read(std::size_t size) const noexcept { return short_read_is_last_ ? size : 0; }

  // What went wrong, as a status: "read 127.0.0.1:80: Connection reset by peer". ECANCELED is what
  // operations say when their runtime is gone.
  absl::Status error(int error_number, const char* call) const {
    if (error_number == ECANCELED) {
      return absl::CancelledError(absl::StrCat(call, " ", name_, ": the runtime is gone"));
    }
    return io_error(error_number, absl::StrCat(call, " ", name_));
  }

  // What IoOperation::poll has said, as a number of bytes or a status.
  absl::StatusOr<std::size_t> result(ssize_t answer, const char* call) const {
    if (answer < 0) return error(static_cast<int>(-answer), call);
    return static_cast<std::size_t>(answer);
  }

 private:
  IoSource(OwnedFd fd, Registration registration, std::string name) noexcept
      : fd_(std::move(fd)), registration_(std::move(registration)), name_(std::move(name)) {}

  OwnedFd fd_;
  Registration registration_;  // After fd_, and so destroyed before it.
  std::string name_;
  bool short_read_is_last_ = false;
};

}  // namespace rt
