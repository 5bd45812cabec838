// Reactor: the one place that waits for the kernel. It knows which descriptor is whose, and turns
// each event into a wake.
//
//   absl::StatusOr<sync::Arc<Reactor>> reactor = Reactor::create();
//   absl::StatusOr<Registration> registration = Reactor::add(*reactor, fd);
//   registration->io().poll_ready(Direction::kRead, cx);   // In a future: pending.
//   (*reactor)->turn(absl::Seconds(1));                    // Wakes it, when bytes have come.
//
// Thread safety: turn() by one thread at a time. All else by any thread, also during a turn, and by
// a waker that a turn runs.
//
// Invariants
//   1. An event reaches the registration for which it was meant, or none. That the descriptor's
//      number, or the slot, has a new owner by now does not matter.
//   2. Wakers run with no lock held. What they run may add and remove registrations, also one whose
//      event is still to come in the same turn.
//   3. After shutdown() every operation that waits has been woken, and none waits again.
//   4. It keeps nothing of a registration that has ended, nor of an add() that has failed: its
//      memory is for the most that there were at one time.
//
// A slot of the slab, and its life:
//
//   free, generation g --add()--> in use by g --~Registration()--> free, generation g + 1
//
// The idea is Tokio's I/O driver.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "rt/driver/poller.h"
#include "rt/driver/readiness.h"
#include "rt/driver/scheduled_io.h"
#include "rt/driver/token.h"
#include "rt/platform/sync.h"
#include "rt/trace/trace.h"

namespace rt {

class Registration;

// Held by a sync::Arc: registrations keep it for as long as they need it.
class Reactor {
 public:
  static absl::StatusOr<sync::Arc<Reactor>> create() {
    absl::StatusOr<Poller> poller = Poller::create();
    if (!poller.ok()) return std::move(poller).status();
    return sync::Arc<Reactor>::make(*std::move(poller));
  }

  explicit Reactor(Poller poller) : poller_(std::move(poller)) {}
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Registers `fd`, which does not block, for both directions. Fails as epoll_ctl(2) does, and
  // after shutdown(). A socket is connected or made to listen first: the kernel says of one that is
  // neither that it has hung up.
  static absl::StatusOr<Registration> add(const sync::Arc<Reactor>& reactor, int fd);

  // Waits for events, for `timeout` at most (see Poller::wait), and wakes those for whom there are
  // some. Returns at once after an interrupt(). Fails as epoll_wait(2) does.
  absl::Status turn(absl::Duration timeout) {
    // BEGIN SOLUTION 2.3
    const absl::StatusOr<absl::Span<const Event>> events = poller_.wait(timeout);
    if (!events.ok()) return events.status();
    std::vector<Ready> batch = std::move(batch_);  // For its memory.
    {
      const sync::Lock lock(mutex_);
      const std::vector<Slot>& slots = slab_.read().slots;
      for (const Event& event : *events) {
        const Slot& slot = slots[event.token.index];  // Slots stay: every token names one.
        if (slot.generation == event.token.generation) {
          batch.emplace_back(slot.io, event.readiness);
        }
      }
    }
    for (const Ready& ready : batch) ready.io->set_ready(ready.readiness);
    batch.clear();
    batch_ = std::move(batch);
    return absl::OkStatus();
    // END SOLUTION
  }

  // How many there are at this moment.
  std::size_t registrations() const noexcept {
    return registrations_.load(std::memory_order_relaxed);  // A number, and nothing with it.
  }

  // Ends a turn that waits, or else the next one.
  void interrupt() { poller_.interrupt(); }

  // The runtime ends. Every registration's ScheduledIo is told, and add() fails from now on.
  void shutdown() {
    // BEGIN SOLUTION 2.3
    std::vector<sync::Arc<ScheduledIo>> all;
    {
      const sync::Lock lock(mutex_);
      Slab& slab = slab_.write();
      slab.is_shut_down = true;
      for (const Slot& slot : slab.slots) {
        if (slot.io) all.push_back(slot.io);
      }
    }
    for (const sync::Arc<ScheduledIo>& io : all) io->shutdown();
    // END SOLUTION
  }

 private:
  friend class Registration;

  // What a Registration does at its end: from now on no event with this token reaches anybody, and
  // the slot is free. Where `fd` is closed already there is nothing to take back from the kernel.
  void remove(Token token, int fd) {
    // BEGIN SOLUTION 2.3
    // The kernel first: once the slot is free, a new owner may have it.
    poller_.remove(fd).IgnoreError();
    release(token);
    // END SOLUTION
  }

  Poller poller_;
  sync::Atomic<std::size_t> registrations_{0};
  // BEGIN SOLUTION 2.3
  // STUB: // Yours: the slab, and what guards it.
  struct Slot {
    Slot() noexcept {}
    sync::Arc<ScheduledIo> io;     // Null while the slot is free.
    std::uint32_t generation = 0;  // Of the owner it has, or of the next.
  };
  struct Slab {
    Slab() noexcept {}
    std::vector<Slot> slots;
    std::vector<std::uint32_t> free;
    bool is_shut_down = false;
  };
  struct Ready {
    Ready(sync::Arc<ScheduledIo> i, Readiness r) noexcept : io(std::move(i)), readiness(r) {}
    sync::Arc<ScheduledIo> io;  // Counted: a waker may end its registration.
    Readiness readiness;
  };

  absl::StatusOr<Token> reserve(const sync::Arc<ScheduledIo>& io, int fd) {
    const sync::Lock lock(mutex_);
    Slab& slab = slab_.write();
    if (slab.is_shut_down) {
      return absl::FailedPreconditionError(
          absl::StrCat("register fd ", fd, ": the runtime is shut down"));
    }
    if (slab.free.empty()) {
      slab.free.push_back(static_cast<std::uint32_t>(slab.slots.size()));
      slab.slots.emplace_back();
    }
    const std::uint32_t index = slab.free.back();
    slab.free.pop_back();
    slab.slots[index].io = io;
    return Token(index, slab.slots[index].generation);
  }

  void release(Token token) {
    const sync::Lock lock(mutex_);
    Slab& slab = slab_.write();
    Slot& slot = slab.slots[token.index];
    slot.io = {};  // Its owner has it too: no waker is dropped here, under the lock.
    ++slot.generation;
    slab.free.push_back(token.index);
  }

  sync::Mutex mutex_;  // Guards the slab.
  sync::Cell<Slab> slab_;
  std::vector<Ready> batch_;  // Empty between turns. Of the thread whose turn it is.
  // END SOLUTION
};

// A descriptor's place in the reactor. Its end takes the descriptor out of the reactor again, and
// so comes before the descriptor is closed: declare it below the OwnedFd.
//
// Thread safety: like an OwnedFd. io() may be used by several threads.
class [[nodiscard]] Registration {
 public:
  Registration(Registration&& other) noexcept = default;
  Registration& operator=(Registration&& other) noexcept {
    Registration old(std::move(*this));
    std::swap(reactor_, other.reactor_);
    std::swap(io_, other.io_);
    token_ = other.token_;
    fd_ = other.fd_;
    return *this;
  }
  ~Registration() {
    if (!reactor_) return;
    reactor_->remove(token_, fd_);
    reactor_->registrations_.fetch_sub(1, std::memory_order_relaxed);
  }

  ScheduledIo& io() const noexcept { return *io_; }

 private:
  friend class Reactor;

  Registration(sync::Arc<Reactor> reactor, sync::Arc<ScheduledIo> io, Token token, int fd) noexcept
      : reactor_(std::move(reactor)), io_(std::move(io)), token_(token), fd_(fd) {
    reactor_->registrations_.fetch_add(1, std::memory_order_relaxed);
  }

  sync::Arc<Reactor> reactor_;  // Null: moved from.
  sync::Arc<ScheduledIo> io_;
  Token token_;
  int fd_;
};

inline absl::StatusOr<Registration> Reactor::add(const sync::Arc<Reactor>& reactor, int fd) {
  trace::io_register(fd);
  // BEGIN SOLUTION 2.3
  auto io = sync::Arc<ScheduledIo>::make(fd);
  const absl::StatusOr<Token> token = reactor->reserve(io, fd);
  if (!token.ok()) return token.status();
  // After the slot: the first event may come at once, to a thread whose turn it is.
  const absl::Status added = reactor->poller_.add(fd, *token);
  if (!added.ok()) {
    reactor->release(*token);
    return added;
  }
  return Registration(reactor, std::move(io), *token, fd);
  // END SOLUTION
}

}  // namespace rt
