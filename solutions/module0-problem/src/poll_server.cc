#include "rt/exercise/poll_server.h"

#include <cerrno>
#include <vector>

namespace rt {

absl::Status PollServer::turn(int timeout_ms) {
  // BEGIN SOLUTION 0.4
  polled_.clear();
  const bool ask_listener = accepting_ && !full_;
  polled_.push_back({ask_listener ? listener_ : -1, POLLIN, 0});  // -1: poll(2) skips the entry
  for (const Connection& connection : connections_) {
    const bool writes = connection.wants == Wants::kWritable;
    polled_.push_back({connection.fd, static_cast<short>(writes ? POLLOUT : POLLIN), 0});
  }

  if (sys::poll(polled_.data(), polled_.size(), timeout_ms) < 0) {
    return errno == EINTR ? absl::OkStatus() : absl::ErrnoToStatus(errno, "poll");
  }

  // Entry i + 1 of polled_ belongs to connection i, so nothing is erased or added in this loop.
  for (size_t i = 0; i < connections_.size(); ++i) {
    Connection& connection = connections_[i];
    if (polled_[i + 1].revents != 0) connection.wants = connection.machine.resume();
  }
  std::erase_if(connections_, [this](const Connection& connection) {
    if (connection.wants != Wants::kNothing) return false;
    sys::close(connection.fd);
    full_ = false;
    return true;
  });

  return polled_[0].revents != 0 ? accept_waiting() : absl::OkStatus();
  // END SOLUTION
}

absl::Status PollServer::accept_waiting() {
  // BEGIN SOLUTION 0.4
  while (true) {
    const int fd = sys::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      connections_.emplace_back(fd);
      continue;
    }
    switch (errno) {
      case EINTR:
      case ECONNABORTED:
        continue;
      case EAGAIN:
        return absl::OkStatus();
      case EINVAL:
        accepting_ = false;
        return absl::OkStatus();
      case EMFILE:
      case ENFILE:
        if (connections_.empty()) return absl::ErrnoToStatus(errno, "accept4");
        full_ = true;
        return absl::OkStatus();
      default:
        return absl::ErrnoToStatus(errno, "accept4");
    }
  }
  // END SOLUTION
}

}  // namespace rt
