// ScheduledIo: what is known of one descriptor's readiness, and who waits for it. The reactor sets
// it, operations look at it, and leave their wakers here.
//
// An operation goes like this:
//
//   poll_ready(kRead, cx) --> pending: return pending, the waker is stored
//     ready, with an event --> read(2) --> EAGAIN: clear(event, kRead), and poll_ready once more
//                                      \-> anything else: that is the answer
//
// Thread safety: all functions by any thread. One operation at a time in each direction: of two
// that wait in the same direction, the one that was polled last is woken.
//
// Invariants
//   1. A poll_ready() that says pending has stored its waker before any later set_ready() looks for
//      it. So no event is lost, at whatever moment it comes.
//   2. clear() takes away only what its caller has seen. An event that came after poll_ready() and
//      before clear() stays, however many there were.
//   3. What is closed stays closed, and what is shut down stays shut down.
//   4. Somebody's code runs when a waker is cloned, woken or dropped. It runs with no lock held.
//
// The word, all of it in one atomic, so that "has anything come since?" and "clear" are one step:
//
//   63            32 31           8 7            0
//   +---------------+--------------+--------------+
//   |     tick      |      0       |  readiness   |
//   +---------------+--------------+--------------+
//
//   step                     readiness            tick   on condition that
//   ----                     ---------            ----   -----------------
//   set_ready(r)             | r                  + 1
//   clear(event, direction)  - clearable bits     =      tick == event.tick, else nothing
//   shutdown()               | shutdown           + 1
//
// The idea is Tokio's ScheduledIo.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "rt/driver/readiness.h"
#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "rt/platform/todo.h"
#include "rt/trace/trace.h"

namespace rt {

// What an operation was told, all that is known of both directions; and when: how many events there
// had been. clear() wants it back.
struct ReadyEvent {
  ReadyEvent(Readiness r, std::uint32_t t) noexcept : readiness(r), tick(t) {}

  Readiness readiness;
  std::uint32_t tick;
};

class ScheduledIo {
 public:
  explicit ScheduledIo(int fd = -1) noexcept : fd_(fd) {}  // `fd` is for traces only.
  ScheduledIo(const ScheduledIo&) = delete;
  ScheduledIo& operator=(const ScheduledIo&) = delete;

  // Ready if an operation in this direction is worth a try, and then a waker that this call stored
  // is taken back: a waker keeps its task alive. Else stores the newest waker, and clones it only
  // when the one that is stored would not wake the same task.
  Poll<ReadyEvent> poll_ready(Direction direction, Context& cx) {
    RT_TODO("2.2");
  }

  // The operation has found that it would block: `direction` is not ready any more, unless
  // something has come since `event`. Takes Readiness::clearable() away, nothing else.
  void clear(ReadyEvent event, Direction direction) {
    RT_TODO("2.2");
  }

  // The operation is dropped, and waits no more: drops the waker of this direction, if there is
  // one.
  void forget(Direction direction) {
    RT_TODO("2.2");
  }

  // Adds `readiness` to what is known, and wakes each direction that it satisfies. For the reactor.
  void set_ready(Readiness readiness) {
    trace::io_ready(fd_, readiness.to_string());
    RT_TODO("2.2");
  }

  // The runtime is gone: from now on every poll_ready() is ready, and says so with kShutdown.
  void shutdown() {
    RT_TODO("2.2");
  }

 private:
  const int fd_;
  // Yours: the word, the two wakers, and what guards them.
};

}  // namespace rt
