// oneshot: a channel for one value, from one sender to one receiver.
//
//   auto [sender, receiver] = oneshot::channel<int>();
//   std::move(sender).send(42);                         // somewhere
//   std::optional<int> answer = co_await receiver;      // somewhere else: empty, if nobody sent
//
// Thread safety: the two ends may be on different threads. Each end belongs to one thread at a
// time.
//
// Invariants
//   1. Exactly one of these reaches the receiver, once: the value, or "there will be none".
//   2. The value is destroyed once: by the receiver who got it, or by the receiver's end that goes
//      without it; or the sender has it back.
//   3. No wake is lost, and wakers are cloned, woken and dropped with no lock held: there is none.
//   4. Who gets the value sees what the sender did before it sent. Who hears that the receiver is
//      gone sees what that did.
//
// One word, and what belongs to whom. A bit, once it is set, says what it says for ever; but for
// the two wakers' bits, which their owners may clear.
//
//   bit        set by              means
//   kDone      sender, at its end  the value is there; or, if it is not, there will be none
//   kClosed    receiver's end      nobody will take the value
//   kRxWaker   receiver            its waker is in its place: the sender may read it there,
//                                  and wake it by reference; nobody writes it
//   kTxWaker   sender, in closed() the same of the sender's waker, which the receiver may read
//
//   who does what         one step           and what it finds there decides
//   send, ~Sender         + kDone            kClosed: the value is the sender's again
//                                            else kRxWaker: wakes the receiver
//   ~Receiver             + kClosed          kDone: the value is the receiver's, and goes with it
//                                            else kTxWaker: wakes the sender
//   receiver polls        + kRxWaker         kDone: ready after all
//     with another waker  - kRxWaker first   kDone: ready; the place may be being read. Else the
//                                            place is the receiver's to write
//   closed() polls        + kTxWaker         the same, with kClosed in place of kDone
//
// The idea is Tokio's sync::oneshot.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/leaf.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"

namespace rt::oneshot {

namespace detail {

// What the two ends share.
template <class T>
class Shared {
 public:
  Shared() noexcept {}

  // The sender has said its last, with the value in its place or without. Returns the value if the
  // receiver is gone, and else wakes it.
  std::optional<T> finish() {
    // BEGIN SOLUTION 3.6
    // Release: pairs with wait(), for the value. Acquire: likewise, for the receiver's waker.
    const std::uint32_t before = word_.fetch_or(kDone, std::memory_order_acq_rel);
    if ((before & kClosed) != 0) return take_value();
    if ((before & kRxWaker) != 0) rx_waker_.read()->wake_by_ref();
    return std::nullopt;
    // END SOLUTION
  }

  // The receiver is gone.
  void close() {
    // BEGIN SOLUTION 3.6
    forget_waker(kRxWaker, kDone, rx_waker_);
    // Acquire: pairs with finish(), for the value, and with wait(), for the waker. Release: pairs
    // with wait() and is_closed().
    const std::uint32_t before = word_.fetch_or(kClosed, std::memory_order_acq_rel);
    if ((before & kDone) != 0) {
      take_value();
    } else if ((before & kTxWaker) != 0) {
      tx_waker_.read()->wake_by_ref();
    }
    // END SOLUTION
  }

  // For the receiver. True: the sender has said its last. Else the newest waker is in its place.
  bool wait_for_sender(Context& cx) { return wait(kRxWaker, kDone, rx_waker_, cx); }
  // For the sender. True: the receiver is gone. Else the newest waker is in its place.
  bool wait_for_close(Context& cx) { return wait(kTxWaker, kClosed, tx_waker_, cx); }
  // The sender does not wait any more.
  void stop_waiting_for_close() { forget_waker(kTxWaker, kClosed, tx_waker_); }

  bool is_closed() const noexcept {
    // BEGIN SOLUTION 3.6
    return (word_.load(std::memory_order_acquire) & kClosed) != 0;  // Pairs with close().
    // END SOLUTION
  }

  // For the sender before finish(); and for whoever the table gives the value to.
  void put_value(T&& value) { value_.write().emplace(std::move(value)); }
  std::optional<T> take_value() { return std::exchange(value_.write(), std::nullopt); }

 private:
  using Place = sync::Cell<std::optional<Waker>>;

  static constexpr std::uint32_t kDone = 1, kClosed = 2, kRxWaker = 4, kTxWaker = 8;

  // Leaves cx's waker in `place`, and marks it with the bit `mine`; unless `event` has happened,
  // which it returns. Clones only if the waker that is there would wake another task.
  bool wait(std::uint32_t mine, std::uint32_t event, Place& place, Context& cx) {
    // BEGIN SOLUTION 3.6
    // Acquire, here and below: pairs with finish() and close().
    std::uint32_t word = word_.load(std::memory_order_acquire);
    if ((word & event) != 0) return true;
    if ((word & mine) != 0) {
      if (place.read()->will_wake(cx.waker())) return false;
      word = word_.fetch_and(~mine, std::memory_order_acq_rel);
      if ((word & event) != 0) return true;  // The other end may be reading what is in the place.
    }
    place.write() = cx.waker().clone();
    // Release: pairs with finish() and close(), which read the place if they find the bit.
    word = word_.fetch_or(mine, std::memory_order_acq_rel);
    if ((word & event) == 0) return false;
    place.write().reset();  // The other end has not found the bit, and stays away.
    return true;
    // END SOLUTION
  }

  // Takes the waker back, unless `event` has happened: then the other end may be reading it.
  void forget_waker(std::uint32_t mine, std::uint32_t event, Place& place) {
    // BEGIN SOLUTION 3.6
    const std::uint32_t word = word_.fetch_and(~mine, std::memory_order_acq_rel);
    if ((word & mine) != 0 && (word & event) == 0) place.write().reset();
    // END SOLUTION
  }

  sync::Atomic<std::uint32_t> word_{0};
  sync::Cell<std::optional<T>> value_;
  Place rx_waker_;
  Place tx_waker_;
};

}  // namespace detail

template <class T>
class Sender;
template <class T>
class Receiver;

template <class T>
std::pair<Sender<T>, Receiver<T>> channel();

// The end that says when the receiver is gone.
template <class T>
class [[nodiscard]] Closed {
 public:
  using Output = void;

  // Before the first poll only.
  Closed(Closed&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
  Closed& operator=(Closed&&) = delete;
  ~Closed() {
    if (shared_ != nullptr && waits_) shared_->stop_waiting_for_close();
  }

  // Throws std::logic_error when polled after it was ready.
  Poll<void> poll(Context& cx) {
    if (shared_ == nullptr) throw std::logic_error("oneshot: closed() polled after it was ready");
    return as_leaf(cx, [&]() -> Poll<void> {
      waits_ = true;
      if (!shared_->wait_for_close(cx)) return kPending;
      shared_ = nullptr;
      return kReady;
    });
  }

 private:
  friend class Sender<T>;
  explicit Closed(detail::Shared<T>& shared) noexcept : shared_(&shared) {}

  detail::Shared<T>* shared_;  // Null: it was ready, or moved from.
  bool waits_ = false;
};

// Dropped without having sent, it tells the receiver so.
template <class T>
class [[nodiscard]] Sender {
 public:
  Sender(Sender&&) noexcept = default;
  Sender& operator=(Sender&& other) noexcept {
    Sender taken(std::move(other));
    std::swap(shared_, taken.shared_);
    return *this;
  }
  ~Sender() {
    if (shared_) shared_->finish();
  }

  // Uses the sender up: `std::move(sender).send(value)`. Returns the value if the receiver is gone,
  // else nothing. (It may be going at this moment: that nothing came back does not mean that the
  // value was read.) If moving the value throws, nothing was sent, and the sender is as it was.
  // Throws std::logic_error if it was used up already.
  std::optional<T> send(T value) && {
    require_unused();
    shared_->put_value(std::move(value));
    const sync::Arc<detail::Shared<T>> shared = std::move(shared_);
    return shared->finish();
  }

  // True: the receiver is gone, and nobody needs the value any more.
  bool is_closed() const {
    require_unused();
    return shared_->is_closed();
  }

  // A future that is ready when the receiver is gone. The sender outlives it; one at a time.
  Closed<T> closed() {
    require_unused();
    return Closed<T>(*shared_);
  }

 private:
  friend std::pair<Sender<T>, Receiver<T>> channel<T>();
  explicit Sender(sync::Arc<detail::Shared<T>> shared) noexcept : shared_(std::move(shared)) {}

  void require_unused() const {
    if (!shared_) throw std::logic_error("oneshot: this sender has sent already");
  }

  sync::Arc<detail::Shared<T>> shared_;  // Null: it has sent, or was moved from.
};

// A future for the value; for nothing, if the sender goes without sending. Dropping it closes the
// channel.
template <class T>
class [[nodiscard]] Receiver {
 public:
  using Output = std::optional<T>;

  // Before the first poll only, as any future.
  Receiver(Receiver&&) noexcept = default;
  Receiver& operator=(Receiver&& other) noexcept {
    Receiver taken(std::move(other));
    std::swap(shared_, taken.shared_);
    return *this;
  }
  ~Receiver() {
    if (shared_) shared_->close();
  }

  // Throws std::logic_error when polled after it was ready.
  Poll<Output> poll(Context& cx) {
    if (!shared_) throw std::logic_error("oneshot: polled after it was ready");
    return as_leaf(cx, [&]() -> Poll<Output> {
      if (!shared_->wait_for_sender(cx)) return kPending;
      const sync::Arc<detail::Shared<T>> shared = std::move(shared_);
      return shared->take_value();
    });
  }

 private:
  friend std::pair<Sender<T>, Receiver<T>> channel<T>();
  explicit Receiver(sync::Arc<detail::Shared<T>> shared) noexcept : shared_(std::move(shared)) {}

  sync::Arc<detail::Shared<T>> shared_;  // Null: it was ready, or moved from.
};

// Makes the two ends, with one allocation.
template <class T>
std::pair<Sender<T>, Receiver<T>> channel() {
  static_assert(std::is_object_v<T>, "oneshot sends values: for a reference send a pointer");
  auto shared = sync::Arc<detail::Shared<T>>::make();
  Sender<T> sender(shared);
  return {std::move(sender), Receiver<T>(std::move(shared))};
}

}  // namespace rt::oneshot
