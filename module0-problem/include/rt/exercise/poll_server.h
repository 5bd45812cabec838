// PollServer: any number of connections, one thread.
//
// It holds a LineMachine for each connection. One turn() asks the kernel, with a single poll(2),
// which of them can get further, and resumes those. Between turns nothing runs and nothing is
// waited for but that one call.
//
// Thread safety: none; one thread. Another may call shutdown(listener, SHUT_RD) to end run().
//
// Invariants
//   1. One turn makes one call of poll(2), the only call that waits.
//   2. A connection is asked about with what its machine wants: POLLIN or POLLOUT, and not both. A
//      socket is nearly always writable, and poll(2) would return at once for ever.
//   3. Any answer about a connection, POLLHUP and POLLERR too, resumes it, once per turn.
//   4. A connection that wants nothing is closed and forgotten in the same turn.
//   5. Everybody whom poll(2) named gets their resume() before anybody gets a second one.
#pragma once

#include <poll.h>

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "rt/exercise/line_machine.h"
#include "rt/platform/sys.h"

namespace rt {

class PollServer {
 public:
  // `listener` is a non-blocking listening socket. The server does not own it.
  explicit PollServer(int listener) : listener_(listener) {}
  PollServer(const PollServer&) = delete;
  PollServer& operator=(const PollServer&) = delete;
  ~PollServer() {
    for (const Connection& connection : connections_) sys::close(connection.fd);
  }

  // Waits until something can be done, `timeout_ms` at most (-1: as long as it takes, 0: not at
  // all), and does it. A turn in which nothing happened, or that a signal interrupted, is OK. If
  // poll(2) fails in any other way, the result is that error.
  //
  // If the listener is ready: accepts, with SOCK_NONBLOCK, until accept4(2) would block. Where it
  // says
  //   * EINTR or ECONNABORTED: goes on with the next one.
  //   * EINVAL: the listener was shut down. It is not asked about again, and the result is OK.
  //   * EMFILE or ENFILE: there is no descriptor left. The listener stays ready all the while, so
  //     it is not asked about until a connection has been closed; the result is OK. With no
  //     connection that could be closed, the result is that error.
  //   * anything else: the result is that error.
  absl::Status turn(int timeout_ms = -1);

  // Turns until the listener has been shut down and the last connection has ended.
  absl::Status run() {
    while (accepting_ || !connections_.empty()) {
      if (absl::Status status = turn(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  bool accepting() const { return accepting_; }  // false once the listener has been shut down
  size_t connections() const { return connections_.size(); }

 private:
  struct Connection {
    explicit Connection(int accepted) : fd(accepted), machine(accepted) {}

    int fd;
    LineMachine machine;
    Wants wants = Wants::kReadable;
  };

  absl::Status accept_waiting();  // The part of turn() about the listener. A proposal.

  int listener_;
  bool accepting_ = true;
  bool full_ = false;  // out of descriptors: the listener is not asked about
  std::vector<Connection> connections_;
  std::vector<pollfd> polled_;  // here so that a turn need not allocate
};

}  // namespace rt
