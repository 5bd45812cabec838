// mpsc: a channel from any number of senders to one receiver.
//
//   auto [sender, receiver] = mpsc::channel<int>(100);
//   bool sent = co_await sender.send(1);                         // waits while it is full
//   while (std::optional<int> value = co_await receiver.recv())  // waits while it is empty
//
//   auto [sender, receiver] = mpsc::unbounded_channel<int>();
//   bool sent = sender.send(1);                                  // never waits
//
// A bounded channel gives backpressure: who produces more than is consumed has to wait. An
// unbounded one takes memory instead, without a limit, and keeps it.
//
// Thread safety: the ends may be on different threads. Each end, each clone of a sender, and each
// future belongs to one thread at a time.
//
// Invariants
//   1. Values are received in the order in which they were sent. Each is received once, or dropped
//      once, or stays with who could not send it.
//   2. At most `capacity` values are in a bounded channel, and those of senders who wait are not.
//      These are served in the order in which they came, and nobody overtakes them.
//   3. When all senders are gone, or after close(), the receiver gets what is in, and then nothing.
//   4. When the receiver is gone or has closed, nothing is sent any more: senders who wait are
//      told, and keep their values. What was in when the receiver went is dropped.
//   5. Who receives a value sees what its sender had done before.
//
// A send() that is dropped while it waits may have been served by then, as its value is taken by
// the receiver. Who must know does not drop it, or sends by try_send().
//
// A T must move without throwing: it moves at moments at which nobody could catch. Wrap what cannot
// into a std::unique_ptr.
//
// The idea is Tokio's sync::mpsc; that a waiting sender's value is taken and not asked for, Go's.
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/leaf.h"
#include "rt/future/poll.h"
#include "rt/platform/sync.h"
#include "rt/sync/mpsc_channel.h"

namespace rt::mpsc {

template <class T>
concept Sendable = std::is_object_v<T> && std::is_nothrow_move_constructible_v<T> &&
    std::is_nothrow_destructible_v<T>;

namespace detail {

struct MakeEnds;

// One sender's claim on the channel: the last one that goes closes it.
template <class T>
class SenderClaim {
 public:
  // Takes over the claim that the channel was made with.
  explicit SenderClaim(sync::Arc<Channel<T>> channel) noexcept : channel_(std::move(channel)) {}
  SenderClaim(const SenderClaim& other) noexcept : channel_(other.channel_) {
    if (channel_) channel_->add_sender();
  }
  SenderClaim(SenderClaim&&) noexcept = default;
  SenderClaim& operator=(SenderClaim other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~SenderClaim() {
    if (channel_) channel_->drop_sender();
  }

  Channel<T>& operator*() const {
    if (!channel_) throw std::logic_error("mpsc: this sender was moved from");
    return *channel_;
  }
  Channel<T>* operator->() const { return &**this; }

 private:
  sync::Arc<Channel<T>> channel_;
};

}  // namespace detail

// A future: true when the value is in the channel; false when nobody will receive it.
template <class T>
class [[nodiscard]] Send {
 public:
  using Output = bool;

  // Before the first poll only.
  Send(Send&& other) noexcept
      : channel_(std::exchange(other.channel_, nullptr)),
        waiter_(std::move(other.waiter_.value.write())) {}
  Send& operator=(Send&&) = delete;
  ~Send() {
    if (channel_ != nullptr && waiter_.has_waited) channel_->stop_waiting(waiter_);
  }

  // Throws std::logic_error when polled after it was ready.
  Poll<bool> poll(Context& cx) {
    if (channel_ == nullptr) throw std::logic_error("mpsc: send() polled after it was ready");
    return as_leaf(cx, [&] {
      const Poll<bool> sent = channel_->poll_send(waiter_, cx);
      if (sent.is_ready()) channel_ = nullptr;
      return sent;
    });
  }

  // The value that could not be sent. REQUIRES: the future was ready with false.
  T take_value() && { return std::move(waiter_.value.write()); }

 private:
  template <class>
  friend class Sender;
  Send(detail::Channel<T>& channel, T value) noexcept
      : channel_(&channel), waiter_(std::move(value)) {}

  detail::Channel<T>* channel_;  // Null: it was ready, or moved from.
  detail::SendWaiter<T> waiter_;
};

template <class T>
class Sender {
 public:
  // Of a bounded channel. The sender outlives the future.
  Send<T> send(T value) { return Send<T>(*claim_, std::move(value)); }

  // Sends if there is room at once, and nobody waits for room. Moves from `value` only if it was
  // sent.
  TrySend try_send(T&& value) { return claim_->try_send(value); }

  // Another sender for the same channel.
  Sender clone() const { return Sender(*this); }

  bool is_closed() const { return claim_->is_closed(); }
  std::size_t capacity() const { return claim_->capacity(); }

  Sender(Sender&&) noexcept = default;
  Sender& operator=(Sender&&) noexcept = default;

 private:
  friend struct detail::MakeEnds;
  explicit Sender(detail::SenderClaim<T> claim) noexcept : claim_(std::move(claim)) {}
  Sender(const Sender&) = default;

  detail::SenderClaim<T> claim_;
};

template <class T>
class UnboundedSender {
 public:
  // False: nobody will receive it. Moves from `value` only if it was sent. Throws std::bad_alloc,
  // and has sent nothing, when there is no more memory.
  bool send(T&& value) { return claim_->send_or_grow(value); }

  // Another sender for the same channel.
  UnboundedSender clone() const { return UnboundedSender(*this); }

  bool is_closed() const { return claim_->is_closed(); }

  UnboundedSender(UnboundedSender&&) noexcept = default;
  UnboundedSender& operator=(UnboundedSender&&) noexcept = default;

 private:
  friend struct detail::MakeEnds;
  explicit UnboundedSender(detail::SenderClaim<T> claim) noexcept : claim_(std::move(claim)) {}
  UnboundedSender(const UnboundedSender&) = default;

  detail::SenderClaim<T> claim_;
};

// A future: the oldest value; nothing when the channel is closed and empty.
template <class T>
class [[nodiscard]] Recv {
 public:
  using Output = std::optional<T>;

  // Before the first poll only.
  Recv(Recv&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
  Recv& operator=(Recv&&) = delete;
  ~Recv() {
    if (channel_ != nullptr && waits_) channel_->forget_receiver_waker();
  }

  // Throws std::logic_error when polled after it was ready.
  Poll<Output> poll(Context& cx) {
    if (channel_ == nullptr) throw std::logic_error("mpsc: recv() polled after it was ready");
    return as_leaf(cx, [&] {
      Poll<Output> received = channel_->poll_recv(cx, waits_);
      waits_ = received.is_pending();
      if (!waits_) channel_ = nullptr;
      return received;
    });
  }

 private:
  template <class>
  friend class Receiver;
  explicit Recv(detail::Channel<T>& channel) noexcept : channel_(&channel) {}

  detail::Channel<T>* channel_;  // Null: it was ready, or moved from.
  bool waits_ = false;
};

template <class T>
class Receiver {
 public:
  // One at a time. The receiver outlives the future.
  Recv<T> recv() { return Recv<T>(channel()); }

  // What recv() would say now. Pending: nothing is there.
  Poll<std::optional<T>> try_recv() { return channel().try_recv(); }

  // Nothing is sent from now on. What is in is still received.
  void close() { channel().close(); }

  Receiver(Receiver&&) noexcept = default;
  Receiver& operator=(Receiver&& other) noexcept {
    Receiver taken(std::move(other));
    std::swap(channel_, taken.channel_);
    return *this;
  }
  ~Receiver() {
    if (channel_) channel_->drop_receiver();
  }

 private:
  friend struct detail::MakeEnds;
  explicit Receiver(sync::Arc<detail::Channel<T>> channel) noexcept
      : channel_(std::move(channel)) {}

  detail::Channel<T>& channel() const {
    if (!channel_) throw std::logic_error("mpsc: this receiver was moved from");
    return *channel_;
  }

  sync::Arc<detail::Channel<T>> channel_;
};

namespace detail {

// What the constructors of the ends are private to. (As friends of the ends, channel() and
// unbounded_channel() would ask whether a T is Sendable while T is not complete yet.)
struct MakeEnds {
  template <template <class> class AnySender, class T>
  static std::pair<AnySender<T>, Receiver<T>> of(std::size_t capacity) {
    auto shared = sync::Arc<Channel<T>>::make(capacity);
    AnySender<T> sender((SenderClaim<T>(shared)));
    return std::pair<AnySender<T>, Receiver<T>>(std::move(sender), Receiver<T>(std::move(shared)));
  }
};

}  // namespace detail

// The most values for which a channel may be made.
inline constexpr std::size_t kMaxCapacity = kMaxRingCapacity;

// The two ends of a channel that holds `capacity` values. Throws std::invalid_argument for 0,
// std::length_error for more than kMaxCapacity, and std::bad_alloc for what memory does not have.
template <Sendable T>
std::pair<Sender<T>, Receiver<T>> channel(std::size_t capacity) {
  return detail::MakeEnds::of<Sender, T>(capacity);
}

// The two ends of a channel that grows, by doubling, from `first_capacity` on. Throws as channel().
template <Sendable T>
std::pair<UnboundedSender<T>, Receiver<T>> unbounded_channel(std::size_t first_capacity = 64) {
  return detail::MakeEnds::of<UnboundedSender, T>(first_capacity);
}

}  // namespace rt::mpsc
