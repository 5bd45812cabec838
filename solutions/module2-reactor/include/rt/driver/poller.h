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
    // BEGIN SOLUTION 2.1
    OwnedFd epoll(sys::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return io_error(errno, "epoll_create1");
    OwnedFd interrupts(sys::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!interrupts) return io_error(errno, "eventfd");
    Poller poller(std::move(epoll), std::move(interrupts));
    const absl::Status added =
        poller.control(EPOLL_CTL_ADD, poller.interrupts_.get(), EPOLLIN | EPOLLET, kInterrupt);
    if (!added.ok()) return added;
    return poller;
    // END SOLUTION
  }

  Poller(Poller&&) noexcept = default;
  Poller& operator=(Poller&&) noexcept = default;

  // From now on wait() reports what becomes ready on `fd`, with this token. Fails as epoll_ctl(2)
  // does. REQUIRES: the token is not that of all ones, which is the poller's own.
  absl::Status add(int fd, Token token) {
    // BEGIN SOLUTION 2.1
    return control(EPOLL_CTL_ADD, fd, EPOLLPRI | EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, token);
    // END SOLUTION
  }

  // From the next wait() on, `fd` is not reported. Before it is closed: to close a descriptor ends
  // its registration only if nobody has a duplicate of it, a child process for example.
  absl::Status remove(int fd) {
    // BEGIN SOLUTION 2.1
    return control(EPOLL_CTL_DEL, fd, 0, Token());
    // END SOLUTION
  }

  // Waits until something is ready, or interrupt(), or for `timeout`: less than zero is zero, and
  // infinite is for ever. What it returns is valid until the next wait().
  absl::StatusOr<absl::Span<const Event>> wait(absl::Duration timeout) {
    // BEGIN SOLUTION 2.1
    events_.clear();
    const int count = sys::epoll_wait(epoll_.get(), raw_.data(), static_cast<int>(raw_.size()),
                                      to_milliseconds(timeout));
    if (count < 0 && errno != EINTR) return io_error(errno, "epoll_wait");
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = raw_[static_cast<std::size_t>(i)];
      const Token token = Token::from_u64(event.data.u64);
      // Its counter is never read. Each write to an eventfd is an edge of its own, and the counter
      // would be full after 584 years of a write each nanosecond.
      if (token == kInterrupt) continue;
      events_.emplace_back(token, to_readiness(event.events));
    }
    return absl::MakeConstSpan(events_);
    // END SOLUTION
  }

  // Ends a wait() that runs, or else the next one.
  void interrupt() {
    // BEGIN SOLUTION 2.1
    sys::eventfd_write(interrupts_.get(), 1);
    // END SOLUTION
  }

 private:
  // BEGIN SOLUTION 2.1
  // STUB: // Yours.
  static constexpr Token kInterrupt{std::numeric_limits<std::uint32_t>::max(),
                                    std::numeric_limits<std::uint32_t>::max()};
  static constexpr std::size_t kMostEvents = 1024;  // In one wait; what is left comes in the next.

  Poller(OwnedFd epoll, OwnedFd interrupts)
      : epoll_(std::move(epoll)), interrupts_(std::move(interrupts)), raw_(kMostEvents) {}

  absl::Status control(int operation, int fd, std::uint32_t events, Token token) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = token.to_u64();
    if (sys::epoll_ctl(epoll_.get(), operation, fd, &event) == 0) return absl::OkStatus();
    const char* const word = operation == EPOLL_CTL_ADD ? "add" : "remove";
    return io_error(errno, absl::StrCat("epoll_ctl ", word, " fd ", fd));
  }

  static int to_milliseconds(absl::Duration timeout) {
    if (timeout == absl::InfiniteDuration()) return -1;
    timeout = std::max(timeout, absl::ZeroDuration());
    const std::int64_t ms = absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1)));
    return static_cast<int>(std::min<std::int64_t>(ms, std::numeric_limits<int>::max()));
  }

  static Readiness to_readiness(std::uint32_t events) {
    Readiness readiness;
    if ((events & EPOLLIN) != 0) readiness |= Readiness::kReadable;
    if ((events & EPOLLOUT) != 0) readiness |= Readiness::kWritable;
    if ((events & EPOLLRDHUP) != 0) readiness |= Readiness::kReadClosed;
    if ((events & EPOLLHUP) != 0) readiness |= Readiness::kReadClosed | Readiness::kWriteClosed;
    if ((events & EPOLLERR) != 0) readiness |= Readiness::kError;
    if ((events & EPOLLPRI) != 0) readiness |= Readiness::kPriority;
    return readiness;
  }

  OwnedFd epoll_;
  OwnedFd interrupts_;            // An eventfd, registered as kInterrupt.
  std::vector<epoll_event> raw_;  // Where the kernel writes.
  std::vector<Event> events_;     // What the last wait() returned.
  // END SOLUTION
};

}  // namespace rt
