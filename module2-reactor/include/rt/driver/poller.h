// Poller: asks the kernel, in one call, which of many descriptors have become ready. It is epoll,
// edge-triggered, and an eventfd by which any thread ends the wait.
//
// Thread safety: wait() by one thread at a time. add(), remove() and interrupt() by any thread,
// also during a wait.
//
// Invariants
//   1. A descriptor is registered once, for both directions. Each edge is reported once: what is
//      ready when it is added, and then whenever something new comes. Who reads less than there is
//      is not told again.
//   2. A hang-up, an error or urgent data (EPOLLPRI) is reported, also when there is nothing to
//   read
//      and no room to write.
//   3. wait() never ends before its time for no reason: a timeout is rounded up to a millisecond.
//   4. An interrupt() that comes before wait() ends that wait at once. Several before one wait are
//      one. It shows as no event.
//   5. A signal that interrupts the wait is not an error: there were no events.
//   6. Its own descriptors are closed when the process becomes another program, and interrupt()
//      never waits.
//
// The idea is mio's Poll, with its Waker.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "rt/driver/io_error.h"
#include "rt/driver/readiness.h"
#include "rt/driver/token.h"
#include "rt/platform/owned_fd.h"
#include "rt/platform/sys.h"
#include "rt/platform/todo.h"

namespace rt {

// What has become ready, and whose it is.
struct Event {
  Event(Token t, Readiness r) noexcept : token(t), readiness(r) {}

  Token token;
  Readiness readiness;
};

class Poller {
 public:
  // Fails as epoll_create1(2) and eventfd(2) do, and then leaves nothing open.
  static absl::StatusOr<Poller> create() {
    RT_TODO("2.1");
  }

  Poller(Poller&&) noexcept = default;
  Poller& operator=(Poller&&) noexcept = default;

  // From now on wait() reports what becomes ready on `fd`, with this token. Fails as epoll_ctl(2)
  // does. REQUIRES: the token is not that of all ones, which is the poller's own.
  absl::Status add(int fd, Token token) {
    RT_TODO("2.1");
  }

  // From the next wait() on, `fd` is not reported. Before it is closed: to close a descriptor ends
  // its registration only if nobody has a duplicate of it, a child process for example.
  absl::Status remove(int fd) {
    RT_TODO("2.1");
  }

  // Waits until something is ready, or interrupt(), or for `timeout`: less than zero is zero, and
  // infinite is for ever. What it returns is valid until the next wait().
  absl::StatusOr<absl::Span<const Event>> wait(absl::Duration timeout) {
    RT_TODO("2.1");
  }

  // Ends a wait() that runs, or else the next one.
  void interrupt() {
    RT_TODO("2.1");
  }

 private:
  // Yours.
};

}  // namespace rt
