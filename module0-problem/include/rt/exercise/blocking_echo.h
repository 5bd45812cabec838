// A server that gives every connection a thread of its own, and lets that thread wait.
//
// Everything here blocks: read(2) until bytes come, write(2) until there is room, accept4(2) until
// somebody connects. That makes the code short, and costs a thread for each one who waits.
//
// Thread safety: the functions share nothing; call them from any thread on different descriptors.
//
// Invariants
//   1. Bytes go back in the order in which they came: none lost, none twice.
//   2. A signal is not an error: a call that it interrupts (EINTR) is made again.
//   3. No descriptor is left open that was opened here, and none closed that was not.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rt {

// Writes all of `data` to `fd`, in as many writes as it takes. OK once the last byte is written;
// else what write(2) failed with: absl::ErrnoToStatus(errno, "write"). All statuses here are made
// like that one: the code comes from errno, and the message names the call that failed.
absl::Status write_all(int fd, absl::string_view data);

// Sends back what comes in on `fd` until its peer has nothing more to say (read(2) gives 0). Then
// tells the peer that this side has nothing more to say either, shutdown(fd, SHUT_WR), and returns
// OK. Else returns what read(2) or write(2) failed with. Does not close `fd`: that is its owner's.
absl::Status echo_connection(int fd);

// Accepts connections on `listener`, a blocking listening socket, and echoes each on a thread of
// its own, then closes it. How a connection ended is its own affair and nobody else's. The flags
// for accept4(2) may be 0. (SOCK_CLOEXEC, which the reference has, keeps a connection from programs
// that this process may start.)
//   * accept4(2) says EINVAL: somebody has called shutdown(listener, SHUT_RD). The result is OK.
//   * It says EINTR, or ECONNABORTED (the client has gone already): goes on with the next one.
//   * It says anything else (EMFILE: too many open files): the result is that error.
// Returns only when every connection has ended and its thread is done. Does not close `listener`.
absl::Status serve_blocking(int listener);

}  // namespace rt
