#include "rt/sync/mpsc.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "testkit/testkit.h"

namespace {

using rt::Poll;
using rt::mpsc::TrySend;
using testkit::LifeCounter;
using testkit::step;
using testkit::TestTask;
using testkit::Token;

constexpr int kOnlyItsOwn = 1;  // TestTask::live() counts the task's own waker too.

struct ThrowsWhenMoved {
  ThrowsWhenMoved() = default;
  ThrowsWhenMoved(ThrowsWhenMoved&&) {}
};
template <class T>
concept HasChannel = requires {
  rt::mpsc::channel<T>(1);
};
static_assert(HasChannel<std::unique_ptr<int>>);
static_assert(!HasChannel<ThrowsWhenMoved>, "a claimed position has to be filled");
static_assert(!HasChannel<int&>);

// Both ends of a channel of ints. What a receive says is put in words.
class Ints {
 public:
  explicit Ints(std::size_t capacity) : ends(rt::mpsc::channel<int>(capacity)) {}

  std::string recv(TestTask& task) {
    rt::mpsc::Recv<int> receiving = ends.second.recv();
    return in_words(task.poll(receiving));
  }
  std::string take() { return in_words(ends.second.try_recv()); }
  TrySend try_send(int value) {
    step("try_send(" + std::to_string(value) + ")");
    return ends.first.try_send(std::move(value));
  }
  rt::mpsc::Send<int> send(int value) { return ends.first.send(value); }
  void drop_sender() {
    step("the sender is dropped");
    [[maybe_unused]] const auto dropped = std::move(ends.first);
  }
  void drop_receiver() {
    step("the receiver is dropped");
    [[maybe_unused]] const auto dropped = std::move(ends.second);
  }
  void close() {
    step("close()");
    ends.second.close();
  }

  static std::string in_words(const Poll<std::optional<int>>& received) {
    if (received.is_pending()) return "pending";
    return received.value().has_value() ? std::to_string(*received.value()) : "nothing";
  }

  std::pair<rt::mpsc::Sender<int>, rt::mpsc::Receiver<int>> ends;
};

// What a send says.
template <class T>
std::string poll(TestTask& task, rt::mpsc::Send<T>& sending) {
  const Poll<bool> sent = task.poll(sending);
  return sent.is_pending() ? "pending" : sent.value() ? "sent" : "closed";
}

// --- One after the other -------------------------------------------------------------------------

TEST(Mpsc, ValuesComeInOrder) {
  Ints ints(3);
  TestTask a("a"), receiver("receiver");
  for (int i = 1; i <= 3; ++i) {
    rt::mpsc::Send<int> sending = ints.send(i);
    EXPECT_EQ(poll(a, sending), "sent");
  }
  EXPECT_EQ(ints.recv(receiver), "1");
  EXPECT_EQ(ints.take(), "2");
  EXPECT_EQ(ints.recv(receiver), "3");
  EXPECT_EQ(ints.take(), "pending") << "nothing is there";
  EXPECT_EQ(a.live(), kOnlyItsOwn) << "nobody had to wait";
}

// Bug it is here for: a ring that has one place more or less than was asked for, or that only has
// powers of two; and stamps that cannot tell a full slot from the free one of the next round, as
// those of a ring with one slot.
TEST(Mpsc, HoldsAsManyAsItWasToldRoundAfterRound) {
  for (const int capacity : {1, 2, 3, 4, 5, 7, 8, 9}) {
    Ints ints(static_cast<std::size_t>(capacity));
    int sent = 0, received = 0;
    for (int round = 0; round < 20; ++round) {
      while (sent - received < capacity) {
        ASSERT_EQ(ints.try_send(sent), TrySend::kSent) << "capacity " << capacity;
        ++sent;
      }
      ASSERT_EQ(ints.try_send(-1), TrySend::kFull) << "capacity " << capacity;
      for (int i = 0; i <= round % capacity; ++i) {
        ASSERT_EQ(ints.take(), std::to_string(received)) << "capacity " << capacity;
        ++received;
      }
    }
  }
}

TEST(Mpsc, EachCloneSends) {
  Ints ints(4);
  auto other = ints.ends.first.clone();
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  EXPECT_EQ(other.try_send(2), TrySend::kSent);
  EXPECT_EQ(ints.take(), "1");
  EXPECT_EQ(ints.take(), "2");
  EXPECT_EQ(other.capacity(), 4u);
}

TEST(Mpsc, MovesWhatCannotBeCopiedAndOnlyIfItIsSent) {
  auto ends = rt::mpsc::channel<std::unique_ptr<int>>(1);
  auto one = std::make_unique<int>(1), two = std::make_unique<int>(2);
  EXPECT_EQ(ends.first.try_send(std::move(one)), TrySend::kSent);
  EXPECT_EQ(ends.first.try_send(std::move(two)), TrySend::kFull);
  ASSERT_NE(two, nullptr) << "what was not sent is still the sender's";
  EXPECT_EQ(**ends.second.try_recv().take(), 1);
  ends.second.close();
  EXPECT_EQ(ends.first.try_send(std::move(two)), TrySend::kClosed);
  ASSERT_NE(two, nullptr);
}

// --- The receiver waits --------------------------------------------------------------------------

TEST(Mpsc, AValueWakesTheReceiver) {
  Ints ints(2);
  TestTask receiver("receiver");
  rt::mpsc::Recv<int> receiving = ints.ends.second.recv();
  EXPECT_TRUE(receiver.poll(receiving).is_pending());
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  EXPECT_EQ(receiver.wakes(), 1);
  EXPECT_EQ(ints.try_send(2), TrySend::kSent);
  EXPECT_EQ(receiver.wakes(), 1) << "it has been woken, and has not polled since";
  EXPECT_EQ(Ints::in_words(receiver.poll(receiving)), "1");
  EXPECT_EQ(ints.recv(receiver), "2");
  EXPECT_EQ(receiver.live(), kOnlyItsOwn);
}

TEST(Mpsc, TheReceiverWaitsAgainAndAgain) {
  Ints ints(1);
  TestTask receiver("receiver");
  for (int i = 1; i <= 5; ++i) {
    rt::mpsc::Recv<int> receiving = ints.ends.second.recv();
    EXPECT_TRUE(receiver.poll(receiving).is_pending());
    EXPECT_EQ(ints.try_send(i), TrySend::kSent);
    EXPECT_EQ(receiver.wakes(), i);
    EXPECT_EQ(Ints::in_words(receiver.poll(receiving)), std::to_string(i));
  }
}

TEST(Mpsc, WakesTheReceiversNewestWakerOnly) {
  Ints ints(2);
  TestTask a("a"), b("b");
  rt::mpsc::Recv<int> receiving = ints.ends.second.recv();
  EXPECT_TRUE(a.poll(receiving).is_pending());
  EXPECT_TRUE(a.poll(receiving).is_pending());
  EXPECT_EQ(a.clones(), 1) << "the same task's waker is not cloned again";
  EXPECT_TRUE(b.poll(receiving).is_pending());
  EXPECT_EQ(a.live(), kOnlyItsOwn);
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  EXPECT_EQ(a.wakes(), 0);
  EXPECT_EQ(b.wakes(), 1);
}

// Bug it is here for: a recv() that goes, and leaves its waker behind.
TEST(Mpsc, ARecvThatIsDroppedTakesItsWakerBackAndLosesNothing) {
  Ints ints(2);
  TestTask receiver("receiver");
  EXPECT_EQ(ints.recv(receiver), "pending");
  EXPECT_EQ(receiver.live(), kOnlyItsOwn) << "the future is gone";
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  EXPECT_EQ(receiver.wakes(), 0);
  rt::mpsc::Recv<int> again = ints.ends.second.recv();
  EXPECT_EQ(Ints::in_words(receiver.poll(again)), "1");
}

// --- Senders wait --------------------------------------------------------------------------------

TEST(Mpsc, RoomServesASenderThatWaits) {
  Ints ints(1);
  TestTask a("a");
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  rt::mpsc::Send<int> second = ints.send(2);
  EXPECT_EQ(poll(a, second), "pending");
  EXPECT_EQ(ints.take(), "1");
  EXPECT_EQ(a.wakes(), 1);
  EXPECT_EQ(poll(a, second), "sent");
  EXPECT_EQ(a.live(), kOnlyItsOwn);
  EXPECT_EQ(ints.take(), "2");
  EXPECT_EQ(ints.try_send(3), TrySend::kSent) << "nobody waits any more";
}

// Bug it is here for: who comes at the right moment overtakes all who wait.
TEST(Mpsc, SendersAreServedInOrderAndNobodyOvertakes) {
  Ints ints(2);
  TestTask a("a"), b("b"), c("c"), late("late");
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  EXPECT_EQ(ints.try_send(2), TrySend::kSent);
  rt::mpsc::Send<int> fifth = ints.send(5), fourth = ints.send(4), third = ints.send(3);
  EXPECT_EQ(poll(a, third), "pending");
  EXPECT_EQ(poll(b, fourth), "pending");
  EXPECT_EQ(poll(c, fifth), "pending");
  EXPECT_EQ(poll(a, third), "pending") << "a poll for nothing does not cost its place";
  EXPECT_EQ(ints.take(), "1");
  EXPECT_EQ(a.wakes(), 1);
  EXPECT_EQ(b.wakes() + c.wakes(), 0) << "there was room for one";
  EXPECT_EQ(ints.try_send(6), TrySend::kFull) << "the room was a's";
  rt::mpsc::Send<int> sixth = ints.send(6);
  EXPECT_EQ(poll(late, sixth), "pending");
  for (const char* const expected : {"2", "3", "4", "5", "6"}) EXPECT_EQ(ints.take(), expected);
  EXPECT_EQ(poll(late, sixth), "sent");
  EXPECT_EQ(poll(c, fifth), "sent");
  EXPECT_EQ(poll(b, fourth), "sent");
  EXPECT_EQ(poll(a, third), "sent");
}

TEST(Mpsc, WakesTheSendersNewestWakerOnly) {
  Ints ints(1);
  TestTask a("a"), b("b");
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  rt::mpsc::Send<int> second = ints.send(2);
  EXPECT_EQ(poll(a, second), "pending");
  EXPECT_EQ(poll(a, second), "pending");
  EXPECT_EQ(a.clones(), 1);
  EXPECT_EQ(poll(b, second), "pending");
  EXPECT_EQ(a.live(), kOnlyItsOwn);
  EXPECT_EQ(ints.take(), "1");
  EXPECT_EQ(a.wakes(), 0);
  EXPECT_EQ(b.wakes(), 1);
}

// Bug it is here for: a future that goes and leaves its place, or its value, behind.
TEST(Mpsc, ASendThatIsDroppedIsPassedOver) {
  Ints ints(1);
  TestTask a("a"), b("b");
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  std::optional<rt::mpsc::Send<int>> second = ints.send(2);
  rt::mpsc::Send<int> third = ints.send(3);
  EXPECT_EQ(poll(a, *second), "pending");
  EXPECT_EQ(poll(b, third), "pending");
  step("a's send() is dropped");
  second.reset();
  EXPECT_EQ(a.live(), kOnlyItsOwn);
  EXPECT_EQ(ints.take(), "1");
  EXPECT_EQ(a.wakes(), 0);
  EXPECT_EQ(b.wakes(), 1);
  EXPECT_EQ(ints.take(), "3");
}

// Bugs it is here for: a sender that is only told of the room, and goes with it; the next one is
// then told of nothing. The value that was taken from it is received.
TEST(Mpsc, ASendThatIsDroppedAfterItWasServedHasSent) {
  Ints ints(1);
  TestTask a("a"), b("b");
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  std::optional<rt::mpsc::Send<int>> second = ints.send(2);
  rt::mpsc::Send<int> third = ints.send(3);
  EXPECT_EQ(poll(a, *second), "pending");
  EXPECT_EQ(poll(b, third), "pending");
  EXPECT_EQ(ints.take(), "1");
  EXPECT_EQ(a.wakes(), 1);
  step("a's send() is dropped, and was never polled again");
  second.reset();
  EXPECT_EQ(a.live(), kOnlyItsOwn);
  EXPECT_EQ(ints.take(), "2");
  EXPECT_EQ(b.wakes(), 1);
  EXPECT_EQ(ints.take(), "3");
  EXPECT_EQ(poll(b, third), "sent");
  EXPECT_EQ(ints.try_send(4), TrySend::kSent) << "nobody waits any more";
}

// The same for one that was told of the close, and has its value still.
TEST(Mpsc, ASendThatIsDroppedAfterTheCloseTakesItsValueAlong) {
  LifeCounter life("value");
  auto ends = rt::mpsc::channel<Token>(1);
  TestTask a("a");
  EXPECT_EQ(ends.first.try_send(life.token()), TrySend::kSent);
  {
    auto waiting = ends.first.send(life.token());
    EXPECT_EQ(poll(a, waiting), "pending");
    ends.second.close();
    EXPECT_EQ(a.wakes(), 1);
  }
  EXPECT_EQ(life.live(), 1) << "the one that is in the channel";
  EXPECT_EQ(life.destroyed_twice(), 0);
  EXPECT_EQ(a.live(), kOnlyItsOwn);
}

// A receiver that was woken, and goes: the value waits for the next.
TEST(Mpsc, ARecvThatIsDroppedAfterItWasWokenLosesNothing) {
  Ints ints(1);
  TestTask a("a"), b("b");
  {
    rt::mpsc::Recv<int> receiving = ints.ends.second.recv();
    EXPECT_TRUE(a.poll(receiving).is_pending());
    EXPECT_EQ(ints.try_send(1), TrySend::kSent);
    EXPECT_EQ(a.wakes(), 1);
  }
  EXPECT_EQ(ints.recv(b), "1");
}

// Bug it is here for: the mark "a sender waits" that stays when none does.
TEST(Mpsc, WhenAllWhoWaitHaveGoneThereIsRoomAgain) {
  Ints ints(2);
  TestTask a("a");
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  EXPECT_EQ(ints.try_send(2), TrySend::kSent);
  {
    rt::mpsc::Send<int> third = ints.send(3);
    EXPECT_EQ(poll(a, third), "pending");
  }
  EXPECT_EQ(ints.take(), "1");
  EXPECT_EQ(ints.try_send(4), TrySend::kSent);
  EXPECT_EQ(ints.take(), "2");
  EXPECT_EQ(ints.take(), "4");
}

// A waker whose clone() brings an event: after the poll has looked, and before the waker is there.
class WorstMoment {
 public:
  explicit WorstMoment(std::function<void()> event) : event_(std::move(event)) {}
  rt::Context& cx() { return cx_; }
  int wakes() const { return wakes_; }

 private:
  static WorstMoment& from(void* data) { return *static_cast<WorstMoment*>(data); }
  static void* clone(void* data) {
    step("the waker is cloned, and in that moment:");
    if (const auto event = std::exchange(from(data).event_, nullptr)) event();
    return data;
  }
  static void wake(void* data) { ++from(data).wakes_; }
  static void drop(void*) {}
  static constexpr rt::WakerVTable kVTable{&clone, &wake, &wake, &drop};

  std::function<void()> event_;
  int wakes_ = 0;
  rt::Waker waker_{this, &kVTable};
  rt::Context cx_{waker_};
};

// Bug it is here for: no second look once the waker is where it will be found. If it hangs, the
// waker was cloned with the mutex held.
TEST(Mpsc, WhatHappensWhileAWakerIsStoredIsNotLost) {
  // The channel may keep a waker until it goes: so each is made after the task, and goes before it.
  Ints* channel = nullptr;
  {
    WorstMoment task([&channel] { EXPECT_EQ(channel->try_send(1), TrySend::kSent); });
    Ints ints(1);
    channel = &ints;
    rt::mpsc::Recv<int> receiving = ints.ends.second.recv();
    EXPECT_TRUE(receiving.poll(task.cx()).is_ready() || task.wakes() > 0) << "a value came";
  }
  {
    WorstMoment task([&channel] { channel->drop_sender(); });
    Ints ints(1);
    channel = &ints;
    rt::mpsc::Recv<int> receiving = ints.ends.second.recv();
    EXPECT_TRUE(receiving.poll(task.cx()).is_ready() || task.wakes() > 0) << "the last one went";
  }
  {
    WorstMoment task([&channel] { EXPECT_EQ(channel->take(), "1"); });
    Ints ints(1);
    channel = &ints;
    EXPECT_EQ(ints.try_send(1), TrySend::kSent);
    rt::mpsc::Send<int> sending = ints.send(2);
    EXPECT_TRUE(sending.poll(task.cx()).is_ready() || task.wakes() > 0) << "there was room";
    EXPECT_EQ(ints.take(), "2");
    EXPECT_EQ(ints.try_send(3), TrySend::kSent) << "nobody waits for room";
  }
  {
    WorstMoment task([&channel] { channel->close(); });
    Ints ints(1);
    channel = &ints;
    EXPECT_EQ(ints.try_send(1), TrySend::kSent);
    rt::mpsc::Send<int> sending = ints.send(2);
    const Poll<bool> sent = sending.poll(task.cx());
    EXPECT_TRUE(sent.is_ready() || task.wakes() > 0) << "it was closed";
    EXPECT_FALSE(sent.is_ready() && sent.value());
  }
}

// Bug it is here for: a sender's waker that is cloned or dropped with the mutex held. If it hangs,
// that is why.
TEST(Mpsc, ClonesAndDropsASendersWakerWithoutHoldingTheLock) {
  Ints ints(1);
  TestTask a("a"), other("other");
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  int drops = 0;
  const auto come_and_go = [&ints] {
    TestTask visitor("visitor");
    rt::mpsc::Send<int> sending = ints.send(3);
    EXPECT_EQ(poll(visitor, sending), "pending");
  };
  for (TestTask* const task : {&a, &other}) {
    task->on_clone(come_and_go);
    task->on_drop([&] {
      ++drops;
      come_and_go();
    });
  }
  {
    rt::mpsc::Send<int> second = ints.send(2);
    EXPECT_EQ(poll(a, second), "pending");
    EXPECT_EQ(poll(other, second), "pending");
    EXPECT_EQ(drops, 1) << "the waker of the task a";
  }
  EXPECT_EQ(drops, 2);
  for (TestTask* const task : {&a, &other}) task->on_drop(nullptr);
}

// Bug it is here for: waking with the mutex held. If one of these hangs, that is why.
TEST(Mpsc, WakesWithoutHoldingTheLock) {
  Ints ints(1);
  TestTask receiver("receiver"), sender("sender");
  std::string received, sent;
  rt::mpsc::Recv<int> first = ints.ends.second.recv();
  receiver.on_wake([&] {
    received = Ints::in_words(receiver.poll(first));
    rt::mpsc::Recv<int> again = ints.ends.second.recv();
    EXPECT_TRUE(receiver.poll(again).is_pending());
  });
  EXPECT_TRUE(receiver.poll(first).is_pending());
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  EXPECT_EQ(received, "1");
  receiver.on_wake(nullptr);

  EXPECT_EQ(ints.try_send(2), TrySend::kSent);
  rt::mpsc::Send<int> third = ints.send(3), fourth = ints.send(4);
  sender.on_wake([&] {
    sent = poll(sender, third);
    EXPECT_EQ(poll(receiver, fourth), "pending");
  });
  EXPECT_EQ(poll(sender, third), "pending");
  EXPECT_EQ(ints.take(), "2");
  EXPECT_EQ(sent, "sent");
  sender.on_wake([&] { EXPECT_TRUE(ints.ends.first.is_closed()); });
  rt::mpsc::Send<int> fifth = ints.send(5);
  EXPECT_EQ(poll(sender, fifth), "pending");
  ints.close();
  sender.on_wake(nullptr);
}

// --- Closed --------------------------------------------------------------------------------------

TEST(Mpsc, WhatWasSentBeforeTheLastSenderWentIsReceived) {
  Ints ints(3);
  auto other = ints.ends.first.clone();
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  ints.drop_sender();
  EXPECT_EQ(ints.take(), "1");
  EXPECT_EQ(ints.take(), "pending") << "there is another sender";
  EXPECT_EQ(other.try_send(2), TrySend::kSent);
  { const auto dropped = std::move(other); }
  EXPECT_EQ(ints.take(), "2");
  EXPECT_EQ(ints.take(), "nothing");
  EXPECT_EQ(ints.take(), "nothing") << "and it stays so";
}

// Bug it is here for: a receiver that waits for senders that are gone.
TEST(Mpsc, TheLastSenderWakesTheReceiver) {
  Ints ints(1);
  TestTask receiver("receiver");
  auto other = ints.ends.first.clone();
  rt::mpsc::Recv<int> receiving = ints.ends.second.recv();
  EXPECT_TRUE(receiver.poll(receiving).is_pending());
  ints.drop_sender();
  EXPECT_EQ(receiver.wakes(), 0) << "there is another";
  { const auto dropped = std::move(other); }
  EXPECT_EQ(receiver.wakes(), 1);
  EXPECT_EQ(Ints::in_words(receiver.poll(receiving)), "nothing");
}

// Also when the ring is full, so that there is no free slot in which the end could be noted.
TEST(Mpsc, ClosedWhileFullItGivesAllThatIsIn) {
  for (const int capacity : {1, 2, 3}) {
    Ints ints(static_cast<std::size_t>(capacity));
    for (int i = 0; i < capacity; ++i) EXPECT_EQ(ints.try_send(i), TrySend::kSent);
    ints.drop_sender();
    for (int i = 0; i < capacity; ++i) EXPECT_EQ(ints.take(), std::to_string(i));
    EXPECT_EQ(ints.take(), "nothing");
  }
}

TEST(Mpsc, CloseTellsSendersWhoWaitAndLeavesThemTheirValues) {
  auto ends = rt::mpsc::channel<std::unique_ptr<int>>(1);
  TestTask a("a"), b("b");
  EXPECT_EQ(ends.first.try_send(std::make_unique<int>(1)), TrySend::kSent);
  auto second = ends.first.send(std::make_unique<int>(2));
  auto third = ends.first.send(std::make_unique<int>(3));
  EXPECT_EQ(poll(a, second), "pending");
  EXPECT_EQ(poll(b, third), "pending");
  ends.second.close();
  EXPECT_EQ(a.wakes(), 1);
  EXPECT_EQ(b.wakes(), 1);
  EXPECT_EQ(poll(a, second), "closed");
  EXPECT_EQ(poll(b, third), "closed");
  EXPECT_EQ(*std::move(second).take_value(), 2);
  EXPECT_EQ(**ends.second.try_recv().take(), 1) << "what was in is still received";
  EXPECT_FALSE(ends.second.try_recv().take().has_value());
}

TEST(Mpsc, AfterCloseNothingIsSent) {
  Ints ints(2);
  TestTask a("a");
  EXPECT_FALSE(ints.ends.first.is_closed());
  ints.close();
  ints.close();
  EXPECT_TRUE(ints.ends.first.is_closed());
  EXPECT_EQ(ints.try_send(1), TrySend::kClosed);
  rt::mpsc::Send<int> sending = ints.send(2);
  EXPECT_EQ(poll(a, sending), "closed");
  EXPECT_EQ(std::move(sending).take_value(), 2);
  EXPECT_EQ(ints.recv(a), "nothing");
}

// --- Values are dropped once, and soon -----------------------------------------------------------

TEST(Mpsc, WhatIsInGoesWithTheReceiver) {
  LifeCounter life("value");
  auto ends = rt::mpsc::channel<Token>(4);
  TestTask a("a");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(ends.first.try_send(life.token()), TrySend::kSent);
  EXPECT_TRUE(ends.second.try_recv().is_ready());
  EXPECT_EQ(ends.first.try_send(life.token()), TrySend::kSent);
  auto waiting = ends.first.send(life.token());
  EXPECT_EQ(poll(a, waiting), "pending");
  EXPECT_EQ(life.live(), 5);
  { const auto dropped = std::move(ends.second); }
  EXPECT_EQ(life.live(), 1) << "that of the sender that waits, and still has it";
  EXPECT_EQ(poll(a, waiting), "closed");
  EXPECT_EQ(life.destroyed_twice(), 0);
}

TEST(Mpsc, WhatIsInGoesWithTheSendersIfTheReceiverIsGoneToo) {
  LifeCounter life("value");
  {
    auto ends = rt::mpsc::channel<Token>(4);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ends.first.try_send(life.token()), TrySend::kSent);
  }
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// Bug it is here for: values destroyed with the mutex held. This one ends the channel it is in.
TEST(Mpsc, AValueMayHoldASenderOfItsOwnChannel) {
  struct Request {
    explicit Request(rt::mpsc::Sender<Request> s) : back(std::move(s)) {}
    rt::mpsc::Sender<Request> back;
  };
  auto ends = rt::mpsc::channel<Request>(2);
  EXPECT_EQ(ends.first.try_send(Request(ends.first.clone())), TrySend::kSent);
  { const auto dropped = std::move(ends.first); }
  { const auto dropped = std::move(ends.second); }
}

// --- Unbounded -----------------------------------------------------------------------------------

TEST(MpscUnbounded, GrowsAndKeepsTheOrder) {
  auto ends = rt::mpsc::unbounded_channel<int>(2);
  int sent = 0, received = 0;
  for (int round = 1; round <= 20; ++round) {
    for (int i = 0; i < round; ++i) ASSERT_TRUE(ends.first.send(sent++));
    for (int i = 0; i < round / 2; ++i) {
      ASSERT_EQ(Ints::in_words(ends.second.try_recv()), std::to_string(received++));
    }
  }
  while (received < sent) {
    ASSERT_EQ(Ints::in_words(ends.second.try_recv()), std::to_string(received++));
  }
  EXPECT_EQ(Ints::in_words(ends.second.try_recv()), "pending");
}

TEST(MpscUnbounded, WakesTheReceiverAndCloses) {
  auto ends = rt::mpsc::unbounded_channel<int>(1);
  TestTask receiver("receiver");
  auto other = ends.first.clone();
  rt::mpsc::Recv<int> receiving = ends.second.recv();
  EXPECT_TRUE(receiver.poll(receiving).is_pending());
  for (int i = 1; i <= 5; ++i) EXPECT_TRUE(other.send(std::move(i)));
  EXPECT_GE(receiver.wakes(), 1);
  EXPECT_EQ(Ints::in_words(receiver.poll(receiving)), "1");
  EXPECT_FALSE(other.is_closed());
  ends.second.close();
  EXPECT_TRUE(other.is_closed());
  EXPECT_FALSE(other.send(6));
  for (int i = 2; i <= 5; ++i) {
    EXPECT_EQ(Ints::in_words(ends.second.try_recv()), std::to_string(i));
  }
  EXPECT_EQ(Ints::in_words(ends.second.try_recv()), "nothing");
}

// --- Bad input -----------------------------------------------------------------------------------

TEST(Mpsc, CapacityZeroIsAnErrorAndSoIsOneBeyondTheLimit) {
  EXPECT_THROW((void)rt::mpsc::channel<int>(0), std::invalid_argument);
  EXPECT_THROW((void)rt::mpsc::unbounded_channel<int>(0), std::invalid_argument);
  for (const std::size_t capacity :
       {rt::mpsc::kMaxCapacity + 1, std::size_t{1} << 40, ~std::size_t{0}}) {
    EXPECT_THROW((void)rt::mpsc::unbounded_channel<int>(capacity), std::length_error);
    std::string error;
    try {
      (void)rt::mpsc::channel<int>(capacity);
    } catch (const std::length_error& e) {
      error = e.what();
    }
    EXPECT_EQ(error, "a channel of capacity " + std::to_string(capacity) + ": it may hold " +
                         std::to_string(rt::mpsc::kMaxCapacity) + " values at most");
  }
  Ints ints(1);
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
}

TEST(Mpsc, PolledAfterReadyIsAnError) {
  Ints ints(1);
  TestTask a("a");
  rt::mpsc::Send<int> sending = ints.send(1);
  EXPECT_EQ(poll(a, sending), "sent");
  EXPECT_THROW((void)sending.poll(a.cx()), std::logic_error);
  rt::mpsc::Recv<int> receiving = ints.ends.second.recv();
  EXPECT_TRUE(a.poll(receiving).is_ready());
  EXPECT_THROW((void)receiving.poll(a.cx()), std::logic_error);
}

TEST(Mpsc, AnEndThatWasMovedFromIsAnError) {
  Ints ints(1);
  EXPECT_EQ(ints.try_send(1), TrySend::kSent);
  ints.drop_sender();
  EXPECT_THROW((void)ints.send(2), std::logic_error);
  ints.drop_receiver();
  EXPECT_THROW((void)ints.take(), std::logic_error);
}

}  // namespace
