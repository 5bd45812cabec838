// detail::Channel: what the ends of an mpsc channel share. The values are in a Ring; here is who
// waits for what, and how it ends. rt/sync/mpsc.h has the ends themselves.
//
// Who pushes or pops and does not have to wait takes no lock, and looks at nothing but the ring:
// the ring's own steps say whether somebody waits (see its marks). Everything else is behind the
// mutex.
//
//   who waits   first                        then
//   receiver    stores its waker (mutex)     marks the slot at head; fails if the value has come
//   a sender    marks head (mutex; only if   tries once more; is done if there is room by now
//               it is the first)
//
//   who finds a mark                what it does
//   sender: this value was awaited  takes the receiver's waker (mutex), and wakes it
//   receiver: this room was         moves in the value of the longest waiter (mutex), and wakes
//                                   that sender: its send is done
//
// Thread safety: what is the receiver's, by one thread at a time. The rest by any thread.
//
// Invariants
//   1. Values are received in the order in which they were sent; each is received once, or dropped
//      once, or stays with who could not send it.
//   2. First come, first served among senders who wait, and nobody who comes later overtakes them.
//   3. Senders wait only while the ring is full, but for moves that are under way.
//   4. No wake is lost. Wakers are cloned, woken and dropped, and values destroyed, with no
//      lock held.
//   5. What was in the channel when the last sender went, or when the receiver closed it,
//      is received.
//   6. When the receiver is gone no value is kept, not even one that was on its way in: it may hold
//      what somebody waits for.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "rt/sync/ring.h"
#include "rt/sync/wait_list.h"

namespace rt::mpsc {

// What a try to send without waiting has come to.
enum class TrySend : std::uint8_t {
  kSent,    // The value was moved from.
  kFull,    // It was not.
  kClosed,  // It was not, and there is no use in trying again.
};

namespace detail {

// A value, and a sender that may have to wait with it.
template <class T>
class SendWaiter : public Waiter {
 public:
  explicit SendWaiter(T to_send) noexcept : value(std::move(to_send)) {}

  sync::Cell<T> value;              // The receiver's to move from, while this is in the queue.
  sync::Cell<bool> is_sent{false};  // The receiver has moved it into the ring.
  bool has_waited = false;          // An earlier poll said pending.
};

template <class T>
class Channel {
 public:
  using Push = typename Ring<T>::Push;
  using Who = typename Ring<T>::Who;

  explicit Channel(std::size_t capacity) {
    segments_.push_back(std::make_unique<Segment>(capacity));
    first_.write() = segments_.back().get();
    current_.store(segments_.back().get(), std::memory_order_relaxed);  // Nobody else is here yet.
  }

  std::size_t capacity() const noexcept { return current()->ring.capacity(); }

  // --- The senders' ---

  // Sends if there is room, and nobody waits for it.
  TrySend try_send(T& value) {
    switch (current()->ring.try_push(value)) {
      case Push::kPushed:
        return TrySend::kSent;
      case Push::kPushedAndAwaited:
        wake_receiver();
        return TrySend::kSent;
      case Push::kFull:
        return TrySend::kFull;
      case Push::kSealed:
        break;
    }
    return TrySend::kClosed;
  }

  // Ready with true when the value is in the channel, with false when it is closed: then the value
  // is still in the waiter. REQUIRES: a bounded channel.
  Poll<bool> poll_send(SendWaiter<T>& waiter, Context& cx) {
    // BEGIN SOLUTION 3.8
    if (waiter.has_waited) {
      if (waiter.still_waits(mutex_, cx)) return kPending;
      return waiter.is_sent.read();
    }
    const TrySend tried = try_send(waiter.value.write());
    if (tried != TrySend::kFull) return tried == TrySend::kSent;
    std::optional<Waker> mine(cx.waker().clone());  // Before the lock, and dropped after it.
    Push pushed = Push::kFull;
    {
      const sync::Lock lock(mutex_);
      if (waiters_.empty()) {
        // There may be room by now: the receiver has seen no mark of ours yet.
        ring().await_room();
        pushed = ring().try_push(waiter.value.write(), Who::kAfterWaiting);
        if (pushed != Push::kFull) ring().nobody_awaits_room();
      }
      if (pushed == Push::kFull) {
        waiter.waker.write().swap(mine);
        waiters_.push_back(waiter);
        waiter.has_waited = true;
        return kPending;
      }
    }
    if (pushed == Push::kPushedAndAwaited) wake_receiver();
    return pushed != Push::kSealed;
    // END SOLUTION
  }

  // The future of a poll_send() that said pending is dropped.
  void stop_waiting(SendWaiter<T>& waiter) {
    // BEGIN SOLUTION 3.8
    const sync::Lock lock(mutex_);
    if (!waiter.is_linked()) return;
    WaitList<SendWaiter<T>>::remove(waiter);
    if (waiters_.empty()) ring().nobody_awaits_room();
    // END SOLUTION
  }

  // Sends, and makes room if there is none. False: the channel is closed.
  bool send_or_grow(T& value) {
    Segment* segment = current();
    while (true) {
      switch (segment->ring.try_push(value)) {
        case Push::kPushedAndAwaited:
          wake_receiver();
          return true;
        case Push::kPushed:
          return true;
        case Push::kFull:
          grow(*segment);
          break;
        case Push::kSealed:
          segment = segment->next_if_sealed();
          if (segment == nullptr) return false;
          break;
      }
    }
  }

  bool is_closed() const noexcept {
    const Segment* segment = current();
    while (segment->ring.is_sealed()) {
      segment = segment->next_if_sealed();
      if (segment == nullptr) return true;
    }
    return false;
  }

  void add_sender() noexcept {
    senders_.fetch_add(1, std::memory_order_relaxed);  // Made from one that is there.
  }
  void drop_sender() {
    // Each drop publishes what its thread did, and the last one sees all of it.
    if (senders_.fetch_sub(1, std::memory_order_acq_rel) == 1) close();
  }

  // --- The receiver's
  // -----------------------------------------------------------------------------

  // Ready with the oldest value, or with nothing when the channel is closed and empty. Pending is
  // "empty", and leaves no waker.
  Poll<std::optional<T>> try_recv() {
    while (true) {
      Segment& segment = *first_.read();
      typename Ring<T>::Popped popped = segment.ring.try_pop();
      if (popped.value.has_value()) {
        if (popped.pusher_waits) move_one_in();
        return std::move(popped.value);
      }
      if (!segment.ring.is_drained()) return kPending;
      Segment* const next = segment.next_if_sealed();
      if (next == nullptr) return std::optional<T>();
      first_.write() = next;
    }
  }

  // The same; but pending leaves the newest waker. `again`: the same future has said pending
  // before, so it may be the one that is stored.
  Poll<std::optional<T>> poll_recv(Context& cx, bool again) {
    // BEGIN SOLUTION 3.8
    while (true) {
      Poll<std::optional<T>> received = try_recv();
      if (received.is_ready()) return received;
      store_receiver_waker(cx.waker(), again);
      if (!first_.read()->ring.await_value()) continue;  // It has come in between.
      // As close() and grow() may have: they look for a waker when they have sealed the ring.
      if (!first_.read()->ring.is_drained()) return kPending;
    }
    // END SOLUTION
  }

  // The future of a poll_recv() that said pending is dropped.
  void forget_receiver_waker() { [[maybe_unused]] const auto dropped = take_receiver_waker(); }

  // Nothing is sent from now on; what is in is still received. By either side.
  void close() {
    std::optional<Waker> receiver;
    {
      const sync::Lock lock(mutex_);
      ring().seal();
      receiver.swap(receiver_waker_.write());
    }
    if (receiver.has_value()) std::move(*receiver).wake();
    while (true) {
      std::optional<Waker> sender;
      {
        const sync::Lock lock(mutex_);
        if (!take_first_out(sender)) return;
      }
      if (sender.has_value()) std::move(*sender).wake();
    }
  }

  void drop_receiver() {
    close();
    {
      const sync::Lock lock(mutex_);
      receiver_is_gone_.write() = true;
    }
    drop_values();
  }

 private:
  // A ring; and the one after it, twice as long while a ring may be, once this was full. Only an
  // unbounded channel has more than one. All are kept until the end, as a slow sender may still
  // look at an old one: that is less than the newest takes. So once it is as long as it ever gets,
  // nothing is allocated.
  struct Segment {
    explicit Segment(std::size_t capacity) : ring(capacity) {}

    // Null: sealed for good. REQUIRES: somebody has seen it sealed.
    Segment* next_if_sealed() const noexcept {
      if (!ring.is_sealed()) return nullptr;  // Acquire: pairs with grow(), for `next`.
      return next.load(std::memory_order_relaxed);
    }

    Ring<T> ring;
    sync::Atomic<Segment*> next{nullptr};
  };

  Segment* current() const noexcept {
    return current_.load(std::memory_order_acquire);  // Pairs with grow().
  }
  Ring<T>& ring() const noexcept { return current()->ring; }

  // `full` was found full: from now on values go into one of twice its capacity, or as long as one
  // may be.
  void grow(Segment& full) {
    std::optional<Waker> receiver;  // It may wait at the end of `full`.
    {
      const sync::Lock lock(mutex_);
      if (full.ring.is_sealed()) return;  // Somebody was quicker, or the channel was closed.
      segments_.push_back(
          std::make_unique<Segment>(std::min(full.ring.capacity() * 2, kMaxRingCapacity)));
      Segment* const next = segments_.back().get();
      full.next.store(next, std::memory_order_relaxed);  // Published by the seal.
      full.ring.seal();
      current_.store(next, std::memory_order_release);  // Pairs with current().
      receiver.swap(receiver_waker_.write());
    }
    if (receiver.has_value()) std::move(*receiver).wake();
  }

  // The receiver has made room: the value of the longest waiter goes in. One for each pop.
  void move_one_in() {
    // BEGIN SOLUTION 3.8
    std::optional<Waker> sender;
    {
      const sync::Lock lock(mutex_);
      SendWaiter<T>* const first = waiters_.front();
      if (first == nullptr) return;
      const Push pushed = ring().try_push(first->value.write(), Who::kAfterWaiting);
      if (pushed == Push::kFull || pushed == Push::kSealed) return;
      first->is_sent.write() = true;
      take_first_out(sender);
    }
    if (sender.has_value()) std::move(*sender).wake();
    // END SOLUTION
  }

  // With the mutex held. False if nobody waits.
  bool take_first_out(std::optional<Waker>& waker) {
    SendWaiter<T>* const first = waiters_.pop_front();
    if (first == nullptr) return false;
    if (waiters_.empty()) ring().nobody_awaits_room();
    waker.swap(first->waker.write());
    return true;
  }

  // A sender has found the receiver's mark.
  void wake_receiver() {
    std::optional<Waker> receiver;
    bool is_gone;
    {
      const sync::Lock lock(mutex_);
      receiver.swap(receiver_waker_.write());
      is_gone = receiver_is_gone_.read();
    }
    if (receiver.has_value()) std::move(*receiver).wake();
    if (is_gone) drop_values();
  }

  // In place of a receiver that is gone: drops what is in the closed channel. A value that is still
  // on its way in is left to the sender that pushes it: it will find the mark.
  void drop_values() {
    while (true) {
      std::optional<T> value;  // Before the lock: destroyed after it.
      const sync::Lock lock(mutex_);
      Segment& segment = *first_.read();
      typename Ring<T>::Popped popped = segment.ring.try_pop();
      if (popped.value.has_value()) {
        value.emplace(*std::move(popped.value));
        continue;
      }
      if (segment.ring.is_drained()) {
        Segment* const next = segment.next_if_sealed();
        if (next == nullptr) return;
        first_.write() = next;
      } else if (segment.ring.await_value()) {
        return;
      }
    }
  }

  void store_receiver_waker(const Waker& waker, bool may_be_there) {
    if (may_be_there) {
      const sync::Lock lock(mutex_);
      const std::optional<Waker>& stored = receiver_waker_.read();
      if (stored.has_value() && stored->will_wake(waker)) return;
    }
    std::optional<Waker> newest(waker.clone());  // Outside the lock; and the old one, afterwards.
    const sync::Lock lock(mutex_);
    newest.swap(receiver_waker_.write());
  }

  std::optional<Waker> take_receiver_waker() {
    std::optional<Waker> taken;
    const sync::Lock lock(mutex_);
    taken.swap(receiver_waker_.write());
    return taken;
  }

  sync::Atomic<Segment*> current_{nullptr};  // Where senders push.
  sync::Cell<Segment*> first_{nullptr};      // Where the receiver pops.
  sync::Atomic<std::size_t> senders_{1};

  sync::Mutex mutex_;  // Guards the rest; and whoever seals a ring holds it.
  WaitList<SendWaiter<T>> waiters_;
  sync::Cell<std::optional<Waker>> receiver_waker_;
  sync::Cell<bool> receiver_is_gone_{false};
  std::vector<std::unique_ptr<Segment>> segments_;
};

}  // namespace detail
}  // namespace rt::mpsc
