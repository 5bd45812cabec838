// Four bounded channels, each written by somebody who was sure of it. Each is wrong in one way.
//
// They have the face of ChannelForTest, which is the right one, and its contract is that of
// rt/sync/mpsc.h. All of them work when what is sent is received in turn, and nobody has to wait.
// Exercise 3.10 is to find out what is wrong with the others' work without changing it. Try without
// reading on first: the contract says all that you need.
//
// Thread safety: none; they are for one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/sync/mpsc.h"

namespace rt {

// The right channel, both ends in one hand.
class ChannelForTest {
 public:
  explicit ChannelForTest(std::size_t capacity) : ends_(mpsc::channel<int>(capacity)) {}

  // A future: true when the value is in the channel, false when the channel is closed.
  mpsc::Send<int> send(int value) { return ends_.first.send(value); }
  // A future: the oldest value; nothing, when the channel is closed and empty.
  mpsc::Recv<int> recv() { return ends_.second.recv(); }
  // The oldest value, without waiting.
  std::optional<int> take() {
    Poll<std::optional<int>> taken = ends_.second.try_recv();
    return taken.is_ready() ? std::move(taken).take() : std::nullopt;
  }
  // Nothing is sent from now on. What is in is still received.
  void close() { ends_.second.close(); }

 private:
  std::pair<mpsc::Sender<int>, mpsc::Receiver<int>> ends_;
};

// What the suspects have in common. With none of its virtual functions replaced it is right.
class DequeOfValues {
 public:
  class Send;
  class Recv;

  explicit DequeOfValues(std::size_t capacity) : capacity_(capacity) {}
  DequeOfValues(const DequeOfValues&) = delete;
  DequeOfValues& operator=(const DequeOfValues&) = delete;
  virtual ~DequeOfValues() = default;

  Send send(int value);
  Recv recv();
  std::optional<int> take() {
    if (values_.empty()) return std::nullopt;
    const int value = values_.front();
    values_.pop_front();
    room_made();
    return value;
  }
  void close() {
    is_closed_ = true;
    tell_receiver();
    closing();
  }

 protected:
  struct Waiting {
    Waiting(Send* w, int v, Waker to_wake) : who(w), value(v), waker(std::move(to_wake)) {}
    Send* who;
    int value;
    std::optional<Waker> waker;
  };

  virtual bool has_room_for_newcomer() const {
    return values_.size() < capacity_ && waiting_.empty();
  }
  virtual bool may_try_again() const { return false; }  // A waiter is served: see room_made().
  virtual void room_made() { move_one_in(); }
  virtual void sender_is_gone(Send& who) {
    waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(),
                                  [&who](const Waiting& w) { return w.who == &who; }),
                   waiting_.end());
  }
  virtual void closing() {
    while (!waiting_.empty()) wake_first_and_forget_it();
  }

  void move_one_in() {
    if (waiting_.empty()) return;
    values_.push_back(waiting_.front().value);
    wake_first_and_forget_it();
  }
  void wake_first_and_forget_it();
  Waiting& waiter(const Send& who) {
    return *std::find_if(waiting_.begin(), waiting_.end(),
                         [&who](const Waiting& w) { return w.who == &who; });
  }
  void tell_receiver() {
    std::optional<Waker> receiver;
    receiver.swap(receiver_);
    if (receiver.has_value()) std::move(*receiver).wake();
  }

  const std::size_t capacity_;
  bool is_closed_ = false;
  std::deque<int> values_;
  std::deque<Waiting> waiting_;  // First come, first served.
  std::optional<Waker> receiver_;
};

class [[nodiscard]] DequeOfValues::Send {
 public:
  using Output = bool;

  Send(DequeOfValues& channel, int value) noexcept : channel_(&channel), value_(value) {}
  Send(Send&& other) noexcept
      : channel_(std::exchange(other.channel_, nullptr)), value_(other.value_) {}
  Send& operator=(Send&&) = delete;
  ~Send() {
    if (channel_ != nullptr && waits_) channel_->sender_is_gone(*this);
  }

  Poll<bool> poll(Context& cx) {
    if (is_sent_) return true;
    if (channel_->is_closed_) return false;
    if (waits_ && !channel_->may_try_again()) {
      channel_->waiter(*this).waker = cx.waker().clone();
      return kPending;
    }
    if (!waits_ && !channel_->has_room_for_newcomer()) {
      channel_->waiting_.emplace_back(this, value_, cx.waker().clone());
      waits_ = true;
      return kPending;
    }
    if (waits_) channel_->sender_is_gone(*this);
    waits_ = false;
    is_sent_ = true;
    channel_->values_.push_back(value_);
    channel_->tell_receiver();
    return true;
  }

 private:
  friend class DequeOfValues;
  DequeOfValues* channel_;
  int value_;
  bool waits_ = false;
  bool is_sent_ = false;
};

class [[nodiscard]] DequeOfValues::Recv {
 public:
  using Output = std::optional<int>;

  explicit Recv(DequeOfValues& channel) noexcept : channel_(&channel) {}
  Recv(Recv&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
  Recv& operator=(Recv&&) = delete;
  ~Recv() {
    if (channel_ != nullptr) channel_->receiver_.reset();
  }

  Poll<std::optional<int>> poll(Context& cx) {
    if (std::optional<int> value = channel_->take()) return value;
    if (channel_->is_closed_) return std::optional<int>();
    channel_->receiver_ = cx.waker().clone();
    return kPending;
  }

 private:
  DequeOfValues* channel_;
};

inline DequeOfValues::Send DequeOfValues::send(int value) { return Send(*this, value); }
inline DequeOfValues::Recv DequeOfValues::recv() { return Recv(*this); }

inline void DequeOfValues::wake_first_and_forget_it() {
  Waiting first = std::move(waiting_.front());
  waiting_.pop_front();
  if (first.who != nullptr) {
    first.who->waits_ = false;
    first.who->is_sent_ = !is_closed_;
  }
  if (first.waker.has_value()) std::move(*first.waker).wake();
}

class ChannelSuspectA final : public DequeOfValues {
  using DequeOfValues::DequeOfValues;
  bool has_room_for_newcomer() const override { return values_.size() < capacity_; }
  bool may_try_again() const override { return values_.size() < capacity_; }
  void room_made() override {
    if (waiting_.empty()) return;
    std::optional<Waker> waker;
    waker.swap(waiting_.front().waker);
    if (waker.has_value()) std::move(*waker).wake();
  }
};

class ChannelSuspectB final : public DequeOfValues {
  using DequeOfValues::DequeOfValues;
  void sender_is_gone(Send& who) override {
    for (Waiting& waiting : waiting_) {
      if (waiting.who != &who) continue;
      waiting.who = nullptr;
      waiting.waker.reset();
    }
  }
};

class ChannelSuspectC final : public DequeOfValues {
  using DequeOfValues::DequeOfValues;
  void closing() override {
    values_.clear();
    DequeOfValues::closing();
  }
};

class ChannelSuspectD final : public DequeOfValues {
  using DequeOfValues::DequeOfValues;
  void closing() override { waiting_.clear(); }
};

}  // namespace rt
