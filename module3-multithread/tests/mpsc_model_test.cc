// Every interleaving of those who send, the one who receives, and those who go. The rings have one
// or two slots, so that each scenario goes round them.
#include <atomic>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "rt/sync/mpsc.h"
#include "testkit/model/block_on.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

namespace mpsc = rt::mpsc;
using testkit::model::block_on;
using testkit::model::check;
using testkit::model::cost_of;
using testkit::model::Costs;
using testkit::model::Outcomes;
using testkit::model::Thread;
using testkit::model::Tracked;

// A value that has to be destroyed once.
struct Value : Tracked {
  explicit Value(int n) noexcept : number(n) {}
  Value(Value&& other) noexcept : Tracked(other), number(other.number) {}
  int number;
};

// Counts those that are alive.
struct Counted {
  explicit Counted(rt::sync::Atomic<int>& counter) noexcept : count(&counter) { add(1); }
  Counted(Counted&& other) noexcept : count(std::exchange(other.count, nullptr)) {}
  ~Counted() {
    if (count != nullptr) add(-1);
  }
  void add(int n) { count->fetch_add(n, std::memory_order_relaxed); }
  rt::sync::Atomic<int>* count;
};

template <class End>
void drop(End& end) {
  [[maybe_unused]] const End dropped = std::move(end);
}

// Receives until the channel is closed, and requires 0, 1, 2, ….
int receive_all(mpsc::Receiver<Value>& receiver) {
  int next = 0;
  while (const std::optional<Value> value = block_on(receiver.recv())) {
    MODEL_REQUIRE(value->number == next);
    ++next;
  }
  return next;
}

// What it costs where nobody waits: the ring's own steps.
TEST(MpscModel, WhereNobodyWaitsNoLockIsTaken) {
  check([] {
    auto [sender, receiver] = mpsc::channel<int>(2);
    testkit::CountingWaker nobody;
    const rt::Waker waker = nobody.waker();
    rt::Context cx(waker);
    const Costs costs = cost_of([&, &from = sender, &to = receiver] {
      for (int i = 0; i < 3; ++i) {
        mpsc::Send<int> sending = from.send(i);
        MODEL_REQUIRE(sending.poll(cx).is_ready());
        MODEL_REQUIRE(from.try_send(int{i}) == mpsc::TrySend::kSent);
        mpsc::Recv<int> receiving = to.recv();
        MODEL_REQUIRE(receiving.poll(cx).is_ready());
        MODEL_REQUIRE(to.try_recv().is_ready());
      }
    });
    MODEL_REQUIRE(costs.locks == 0);
  });
}

// Bugs they are here for: a slot that is published before it is written, or freed before it is
// read; a lost wake on either side; the end, missed.
void one_sends(std::size_t capacity, int count) {
  check([capacity, count] {
    auto [sender, receiver] = mpsc::channel<Value>(capacity);
    Thread other([&end = sender, count] {
      mpsc::Sender<Value> mine = std::move(end);
      for (int i = 0; i < count; ++i) MODEL_REQUIRE(block_on(mine.send(Value(i))));
    });
    MODEL_REQUIRE(receive_all(receiver) == count);
    other.join();
  });
}
TEST(MpscModel, OneSlotRoundAfterRound) { one_sends(1, 3); }
TEST(MpscModel, TwoSlotsRoundAfterRound) { one_sends(2, 3); }

// Bugs they are here for: two senders that claim one position; a waiter that is not served.
void two_send(std::size_t capacity) {
  check([capacity] {
    auto [sender, receiver] = mpsc::channel<Value>(capacity);
    auto second = sender.clone();
    const auto send = [](mpsc::Sender<Value>& end, int number) {
      mpsc::Sender<Value> mine = std::move(end);
      MODEL_REQUIRE(block_on(mine.send(Value(number))));
    };
    Thread one([&end = sender, &send] { send(end, 1); });
    Thread two([&end = second, &send] { send(end, 2); });
    int sum = 0;
    while (const std::optional<Value> value = block_on(receiver.recv())) sum += value->number;
    MODEL_REQUIRE(sum == 3);
    one.join();
    two.join();
  });
}
TEST(MpscModel, TwoSendersOneSlot) { two_send(1); }
TEST(MpscModel, TwoSendersTwoSlots) { two_send(2); }

// Bug it is here for: what one pusher knows of head, and publishes too weakly for another. The ring
// has gone round, so that both write where something was.
TEST(MpscModel, WhatIsKnownOfHeadIsKnownToAll) {
  check([] {
    auto [sender, receiver] = mpsc::channel<Value>(2);
    auto second = sender.clone();
    MODEL_REQUIRE(sender.try_send(Value(0)) == mpsc::TrySend::kSent);
    MODEL_REQUIRE(sender.try_send(Value(0)) == mpsc::TrySend::kSent);
    Thread one([&end = sender] { (void)end.try_send(Value(1)); });
    Thread two([&end = second] { (void)end.try_send(Value(2)); });
    MODEL_REQUIRE(receiver.try_recv().is_ready());
    MODEL_REQUIRE(receiver.try_recv().is_ready());
    one.join();
    two.join();
  });
}

// Bug it is here for: a newcomer that finds the room which was made for somebody who waits, in the
// moment between the two.
TEST(MpscModel, NobodyOvertakes) {
  Outcomes seen;
  check([&seen] {
    auto [sender, receiver] = mpsc::channel<Value>(1);
    MODEL_REQUIRE(sender.try_send(Value(0)) == mpsc::TrySend::kSent);
    testkit::CountingWaker nobody;
    const rt::Waker waker = nobody.waker();
    rt::Context cx(waker);
    mpsc::Send<Value> waits = sender.send(Value(1));
    MODEL_REQUIRE(waits.poll(cx).is_pending());
    Thread newcomer([end = sender.clone(), &seen]() mutable {
      const bool sent = end.try_send(Value(2)) == mpsc::TrySend::kSent;
      seen.add(sent ? "came last" : "full");
    });
    MODEL_REQUIRE(receiver.try_recv().take()->number == 0);
    MODEL_REQUIRE(receiver.try_recv().take()->number == 1);
    newcomer.join();
  });
  EXPECT_EQ(seen, Outcomes({"came last", "full"}));
}

// The same for a newcomer that waits if it has to. It waits behind the one that is there.
TEST(MpscModel, NobodyOvertakesByWaiting) {
  check([] {
    auto [sender, receiver] = mpsc::channel<Value>(1);
    MODEL_REQUIRE(sender.try_send(Value(0)) == mpsc::TrySend::kSent);
    testkit::CountingWaker nobody;
    const rt::Waker waker = nobody.waker();
    rt::Context cx(waker);
    mpsc::Send<Value> waits = sender.send(Value(1));
    MODEL_REQUIRE(waits.poll(cx).is_pending());
    Thread newcomer(
        [end = sender.clone()]() mutable { MODEL_REQUIRE(block_on(end.send(Value(2)))); });
    for (int i = 0; i < 3; ++i) MODEL_REQUIRE(block_on(receiver.recv())->number == i);
    newcomer.join();
  });
}

// Bug it is here for: a sender that goes at the moment in which it is served.
TEST(MpscModel, ASenderMayGoWhileItWaits) {
  Outcomes seen;
  check([&seen] {
    auto [sender, receiver] = mpsc::channel<Value>(1);
    MODEL_REQUIRE(sender.try_send(Value(0)) == mpsc::TrySend::kSent);
    Thread other([&end = sender] {
      mpsc::Sender<Value> mine = std::move(end);
      testkit::CountingWaker nobody;
      {
        const rt::Waker waker = nobody.waker();
        rt::Context cx(waker);
        mpsc::Send<Value> sending = mine.send(Value(1));
        [[maybe_unused]] const auto sent = sending.poll(cx);
      }
      MODEL_REQUIRE(nobody.live() == 0);
      MODEL_REQUIRE(block_on(mine.send(Value(2))));
    });
    int sum = 0;
    while (const std::optional<Value> value = block_on(receiver.recv())) sum += value->number;
    MODEL_REQUIRE(sum == 2 || sum == 3);
    seen.add(sum == 3 ? "served" : "gone");
    other.join();
  });
  EXPECT_EQ(seen, Outcomes({"gone", "served"}));
}

// Bug it is here for: a recv() that goes and comes again, and the wake goes to the one that went.
TEST(MpscModel, ARecvMayGoWhileItWaits) {
  check([] {
    auto [sender, receiver] = mpsc::channel<Value>(1);
    Thread other(
        [&end = sender] { MODEL_REQUIRE(end.try_send(Value(7)) == mpsc::TrySend::kSent); });
    testkit::CountingWaker nobody;
    int number = 0;
    {
      const rt::Waker waker = nobody.waker();
      rt::Context cx(waker);
      mpsc::Recv<Value> receiving = receiver.recv();
      rt::Poll<std::optional<Value>> received = receiving.poll(cx);
      if (received.is_ready()) number = std::move(received).take()->number;
    }
    if (number == 0) number = block_on(receiver.recv())->number;
    MODEL_REQUIRE(number == 7);
    other.join();
  });
}

// Bugs it is here for: a sender that joins the queue while the channel is closed, and is not told;
// a value that was said to be sent and is not received.
TEST(MpscModel, TheReceiverCloses) {
  Outcomes seen;
  check([&seen] {
    auto [sender, receiver] = mpsc::channel<Value>(1);
    int sent = 0;
    Thread other([&end = sender, &sent] {
      for (int i = 0; i < 2; ++i) sent += block_on(end.send(Value(i)));
    });
    receiver.close();
    const int received = receive_all(receiver);
    other.join();
    MODEL_REQUIRE(sent == received);
    seen.add(std::to_string(sent));
  });
  EXPECT_EQ(seen, Outcomes({"0", "1"}));
}

// Bug it is here for: a value that is on its way in when the receiver goes, and stays in the
// channel for as long as a sender lives.
TEST(MpscModel, WhenTheReceiverGoesNoValueStays) {
  check([] {
    rt::sync::Atomic<int> alive(0);
    auto [sender, receiver] = mpsc::channel<Counted>(2);
    auto second = sender.clone();
    Thread one([&end = sender, &alive] { (void)end.try_send(Counted(alive)); });
    Thread two([&end = second, &alive] { (void)end.try_send(Counted(alive)); });
    drop(receiver);
    one.join();
    two.join();
    MODEL_REQUIRE(alive.load(std::memory_order_relaxed) == 0);
  });
}

// Bug it is here for: a receiver that waits at the end of a ring which was full a moment ago, while
// a sender begins a new one.
TEST(MpscModel, AnUnboundedOneGrows) {
  check([] {
    auto [sender, receiver] = mpsc::unbounded_channel<Value>(1);
    Thread other([&end = sender] {
      mpsc::UnboundedSender<Value> mine = std::move(end);
      for (int i = 0; i < 3; ++i) MODEL_REQUIRE(mine.send(Value(i)));
    });
    MODEL_REQUIRE(receive_all(receiver) == 3);
    other.join();
  });
}

// Bug it is here for: two who find it full, and each makes a new ring.
TEST(MpscModel, TwoMakeItGrow) {
  check([] {
    auto [sender, receiver] = mpsc::unbounded_channel<Value>(1);
    auto second = sender.clone();
    MODEL_REQUIRE(sender.send(Value(0)));
    const auto send = [](mpsc::UnboundedSender<Value>& end) {
      mpsc::UnboundedSender<Value> mine = std::move(end);
      MODEL_REQUIRE(mine.send(Value(1)));
    };
    Thread one([&end = sender, &send] { send(end); });
    Thread two([&end = second, &send] { send(end); });
    one.join();
    two.join();
    int sum = 0;
    for (int i = 0; i < 3; ++i) sum += block_on(receiver.recv())->number;
    MODEL_REQUIRE(sum == 2);
  });
}

}  // namespace
