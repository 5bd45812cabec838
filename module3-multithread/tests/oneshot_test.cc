#include "rt/sync/oneshot.h"

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "testkit/testkit.h"

namespace {

using rt::Poll;
using testkit::IsPending;
using testkit::IsReady;
using testkit::LifeCounter;
using testkit::step;
using testkit::TestTask;
using testkit::Token;

// TestTask::live() counts the task's own waker too.
constexpr int kOnlyItsOwn = 1;

class Oneshot : public testing::Test {
 protected:
  using Ends = std::pair<rt::oneshot::Sender<int>, rt::oneshot::Receiver<int>>;

  // What the receiver says, in words.
  std::string poll(TestTask& task) { return poll(task, ends_.second); }
  static std::string poll(TestTask& task, rt::oneshot::Receiver<int>& receiver) {
    const Poll<std::optional<int>> polled = task.poll(receiver);
    if (polled.is_pending()) return "pending";
    return polled.value().has_value() ? std::to_string(*polled.value()) : "nothing";
  }

  std::optional<int> send(int value) {
    step("send(" + std::to_string(value) + ")");
    return std::move(ends_.first).send(value);
  }
  void drop_sender() {
    step("the sender is dropped");
    [[maybe_unused]] const auto dropped = std::move(ends_.first);
  }
  void drop_receiver() {
    step("the receiver is dropped");
    [[maybe_unused]] const auto dropped = std::move(ends_.second);
  }

  Ends ends_ = rt::oneshot::channel<int>();
  TestTask a_{"a"}, b_{"b"};
};

// --- The value -----------------------------------------------------------------------------------

TEST_F(Oneshot, WhatWasSentBeforeIsThere) {
  EXPECT_EQ(send(42), std::nullopt) << "nothing comes back";
  EXPECT_EQ(poll(a_), "42");
  EXPECT_EQ(a_.live(), kOnlyItsOwn) << "nobody has to be woken";
}

TEST_F(Oneshot, SendingWakesWhoWaits) {
  EXPECT_EQ(poll(a_), "pending");
  EXPECT_EQ(a_.wakes(), 0);
  send(42);
  EXPECT_EQ(a_.wakes(), 1);
  EXPECT_EQ(poll(a_), "42");
  EXPECT_EQ(a_.live(), kOnlyItsOwn) << "the channel is gone, and its wakers with it";
}

// Bug it is here for: a receiver that waits for a sender that is gone.
TEST_F(Oneshot, DroppingTheSenderSaysThatThereWillBeNone) {
  EXPECT_EQ(poll(a_), "pending");
  drop_sender();
  EXPECT_EQ(a_.wakes(), 1);
  EXPECT_EQ(poll(a_), "nothing");
}

TEST_F(Oneshot, DroppedBeforeThePollToo) {
  drop_sender();
  EXPECT_EQ(poll(a_), "nothing");
}

// Bug it is here for: a value sent to nobody, which is lost without a word.
TEST_F(Oneshot, TheValueComesBackIfTheReceiverIsGone) {
  EXPECT_FALSE(ends_.first.is_closed());
  drop_receiver();
  EXPECT_TRUE(ends_.first.is_closed());
  EXPECT_EQ(send(42), 42);
}

TEST_F(Oneshot, MovesWhatCannotBeCopied) {
  auto ends = rt::oneshot::channel<std::unique_ptr<int>>();
  EXPECT_EQ(std::move(ends.first).send(std::make_unique<int>(42)), std::nullopt);
  Poll<std::optional<std::unique_ptr<int>>> received = a_.poll(ends.second);
  ASSERT_TRUE(received.is_ready());
  EXPECT_EQ(**std::move(received).take(), 42);
}

// --- The value is destroyed once, and soon -------------------------------------------------------

// Bug it is here for: a value that stays in the channel when its receiver goes without it.
TEST_F(Oneshot, AValueThatNobodyReadsGoesWithTheReceiver) {
  LifeCounter life("value");
  {
    auto ends = rt::oneshot::channel<Token>();
    EXPECT_FALSE(std::move(ends.first).send(life.token()).has_value());
    EXPECT_EQ(life.live(), 1) << "in the channel";
  }
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
}

TEST_F(Oneshot, AValueThatComesBackIsTheSendersAlone) {
  LifeCounter life("value");
  auto ends = rt::oneshot::channel<Token>();
  { const auto dropped = std::move(ends.second); }
  {
    const std::optional<Token> back = std::move(ends.first).send(life.token());
    EXPECT_TRUE(back.has_value());
    EXPECT_EQ(life.live(), 1);
  }
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// Bug it is here for: a value that is left to the end of the channel. Here that is later: the
// sender is still in its send(), of which this wake is a part.
TEST_F(Oneshot, AReceiverThatGoesWithinTheWakeTakesTheValueAlong) {
  LifeCounter life("value");
  auto ends = rt::oneshot::channel<Token>();
  EXPECT_TRUE(a_.poll(ends.second).is_pending());
  a_.on_wake([&] {
    { const auto dropped = std::move(ends.second); }
    EXPECT_EQ(life.live(), 0);
  });
  EXPECT_FALSE(std::move(ends.first).send(life.token()).has_value());
  EXPECT_EQ(a_.wakes(), 1);
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
  a_.on_wake(nullptr);
}

// It was woken, and goes before it is polled again.
TEST_F(Oneshot, AReceiverThatGoesAfterItWasWokenTakesTheValueAlong) {
  LifeCounter life("value");
  auto ends = rt::oneshot::channel<Token>();
  EXPECT_TRUE(a_.poll(ends.second).is_pending());
  EXPECT_FALSE(std::move(ends.first).send(life.token()).has_value());
  EXPECT_EQ(a_.wakes(), 1);
  { const auto dropped = std::move(ends.second); }
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
  EXPECT_EQ(a_.live(), kOnlyItsOwn);
}

// A value that ends its own channel's other half: nothing of the channel is being held meanwhile.
TEST_F(Oneshot, AValueMayHoldTheSenderOfAnother) {
  auto inner = rt::oneshot::channel<int>();
  {
    auto outer = rt::oneshot::channel<rt::oneshot::Sender<int>>();
    EXPECT_FALSE(std::move(outer.first).send(std::move(inner.first)).has_value());
    EXPECT_EQ(poll(a_, inner.second), "pending");
  }
  EXPECT_EQ(a_.wakes(), 1) << "the request was dropped, so nobody will answer it";
  EXPECT_EQ(poll(a_, inner.second), "nothing");
}

// --- The receiver's waker ------------------------------------------------------------------------

// Bug it is here for: the first waker kept. The receiver has moved to another task since.
TEST_F(Oneshot, WakesTheNewestWakerOnly) {
  EXPECT_EQ(poll(a_), "pending");
  EXPECT_EQ(poll(b_), "pending");
  EXPECT_EQ(a_.live(), kOnlyItsOwn) << "b's waker has taken its place";
  send(42);
  EXPECT_EQ(a_.wakes(), 0);
  EXPECT_EQ(b_.wakes(), 1);
  EXPECT_EQ(poll(b_), "42");
}

// Bug it is here for: a clone for each poll.
TEST_F(Oneshot, TheSameTasksWakerIsNotClonedAgain) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(poll(a_), "pending");
  EXPECT_EQ(a_.clones(), 1);
  send(42);
  EXPECT_EQ(poll(a_), "42");
}

// Bug it is here for: a receiver that goes while it waits, and leaves its waker in the channel for
// as long as the sender lives.
TEST_F(Oneshot, DroppedWhileItWaitsItTakesItsWakerBack) {
  EXPECT_EQ(poll(a_), "pending");
  drop_receiver();
  EXPECT_EQ(a_.live(), kOnlyItsOwn);
  EXPECT_EQ(send(42), 42);
  EXPECT_EQ(a_.wakes(), 0);
}

// A waker whose clone() brings the event: after the poll has looked, and before the waker is there.
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

// Bug it is here for: no second look once the waker is in its place.
TEST_F(Oneshot, AValueThatComesWhileTheWakerIsStoredIsNotLost) {
  WorstMoment task([this] { send(42); });
  const Poll<std::optional<int>> polled = ends_.second.poll(task.cx());
  EXPECT_TRUE(polled.is_ready() || task.wakes() > 0) << "pending, and nobody was woken";
  EXPECT_EQ(polled.is_ready() ? polled.value() : 42, 42);
}

TEST_F(Oneshot, ASenderThatGoesWhileTheWakerIsStoredIsNotMissed) {
  WorstMoment task([this] { drop_sender(); });
  const Poll<std::optional<int>> polled = ends_.second.poll(task.cx());
  EXPECT_TRUE(polled.is_ready() || task.wakes() > 0) << "pending, and nobody was woken";
}

// A waker's drop may call back, too: here it sends, while another waker takes the place.
TEST_F(Oneshot, AValueThatComesWhileTheOldWakerIsDroppedIsNotLost) {
  EXPECT_EQ(poll(a_), "pending");
  bool sent = false;
  a_.on_drop([&] {
    if (!std::exchange(sent, true)) send(42);
  });
  const std::string answer = poll(b_);
  EXPECT_TRUE(sent) << "a's waker is not needed any more";
  EXPECT_TRUE(answer != "pending" || b_.wakes() > 0) << "pending, and nobody was woken";
  EXPECT_EQ(answer != "pending" ? answer : poll(b_), "42");
  a_.on_drop(nullptr);
}

// The same while the receiver goes.
TEST_F(Oneshot, AValueThatComesWhileTheReceiverDropsItsWakerIsDestroyedOnce) {
  LifeCounter life("value");
  auto ends = rt::oneshot::channel<Token>();
  EXPECT_TRUE(a_.poll(ends.second).is_pending());
  std::optional<Token> back;
  a_.on_drop([&] { back = std::move(ends.first).send(life.token()); });
  { const auto dropped = std::move(ends.second); }
  a_.on_drop(nullptr);
  EXPECT_EQ(a_.live(), kOnlyItsOwn);
  back.reset();
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// A wake may run the woken task then and there.
TEST_F(Oneshot, TheReceiverMayReadWithinTheWake) {
  std::string inside;
  a_.on_wake([&] {
    inside = poll(a_);
    drop_receiver();
  });
  EXPECT_EQ(poll(a_), "pending");
  send(42);
  EXPECT_EQ(inside, "42");
  a_.on_wake(nullptr);
}

// --- closed() ------------------------------------------------------------------------------------

TEST_F(Oneshot, TheSenderIsToldThatTheReceiverIsGone) {
  auto closed = ends_.first.closed();
  EXPECT_THAT(a_.poll(closed), IsPending());
  drop_receiver();
  EXPECT_EQ(a_.wakes(), 1);
  EXPECT_THAT(a_.poll(closed), IsReady());
}

TEST_F(Oneshot, ClosedBeforeIsReadyAtOnce) {
  drop_receiver();
  auto closed = ends_.first.closed();
  EXPECT_THAT(a_.poll(closed), IsReady());
  EXPECT_EQ(a_.live(), kOnlyItsOwn);
}

TEST_F(Oneshot, ClosedWakesTheNewestWakerOnly) {
  auto closed = ends_.first.closed();
  EXPECT_THAT(a_.poll(closed), IsPending());
  EXPECT_THAT(a_.poll(closed), IsPending());
  EXPECT_EQ(a_.clones(), 1);
  EXPECT_THAT(b_.poll(closed), IsPending());
  drop_receiver();
  EXPECT_EQ(a_.wakes(), 0);
  EXPECT_EQ(b_.wakes(), 1);
}

// Bug it is here for: a future that is dropped and leaves its waker behind, which is then woken.
TEST_F(Oneshot, AClosedThatIsDroppedTakesItsWakerBack) {
  {
    auto closed = ends_.first.closed();
    EXPECT_THAT(a_.poll(closed), IsPending());
  }
  EXPECT_EQ(a_.live(), kOnlyItsOwn);
  drop_receiver();
  EXPECT_EQ(a_.wakes(), 0);
}

// It was told, and goes before it is polled again.
TEST_F(Oneshot, AClosedThatWasToldMayBeDropped) {
  {
    auto closed = ends_.first.closed();
    EXPECT_THAT(a_.poll(closed), IsPending());
    drop_receiver();
    EXPECT_EQ(a_.wakes(), 1);
  }
  EXPECT_TRUE(ends_.first.is_closed());
  EXPECT_EQ(send(42), 42);
  EXPECT_EQ(a_.live(), kOnlyItsOwn);
}

// Bug it is here for: one place, or one bit, for both wakers.
TEST_F(Oneshot, BothEndsMayWait) {
  auto closed = ends_.first.closed();
  EXPECT_THAT(a_.poll(closed), IsPending());
  EXPECT_EQ(poll(b_), "pending");
  drop_receiver();
  EXPECT_EQ(a_.wakes(), 1);
  EXPECT_EQ(b_.wakes(), 0);
}

// --- Bad input -----------------------------------------------------------------------------------

TEST_F(Oneshot, PolledAfterReadyIsAnError) {
  send(42);
  EXPECT_EQ(poll(a_), "42");
  EXPECT_THROW((void)ends_.second.poll(a_.cx()), std::logic_error);
  auto ends = rt::oneshot::channel<int>();
  auto closed = ends.first.closed();
  { const auto dropped = std::move(ends.second); }
  EXPECT_THAT(a_.poll(closed), IsReady());
  EXPECT_THROW((void)closed.poll(a_.cx()), std::logic_error);
}

TEST_F(Oneshot, SentTwiceIsAnError) {
  send(1);
  EXPECT_THROW(std::move(ends_.first).send(2), std::logic_error);
  EXPECT_THROW((void)ends_.first.is_closed(), std::logic_error);
  EXPECT_EQ(poll(a_), "1");
}

struct ThrowsWhenMoved {
  explicit ThrowsWhenMoved(int n) : moves_left(n) {}
  ThrowsWhenMoved(ThrowsWhenMoved&& other) : moves_left(other.moves_left - 1) {
    if (moves_left < 0) throw std::runtime_error("moved once too often");
  }
  int moves_left;
};

// What holds: nothing was sent, and the sender can still be used.
TEST_F(Oneshot, AMoveThatThrowsSendsNothing) {
  auto ends = rt::oneshot::channel<ThrowsWhenMoved>();
  EXPECT_THROW(std::move(ends.first).send(ThrowsWhenMoved(0)), std::runtime_error);
  EXPECT_THAT(a_.poll(ends.second), IsPending());
  EXPECT_FALSE(std::move(ends.first).send(ThrowsWhenMoved(100)).has_value());
  EXPECT_EQ(a_.wakes(), 1);
  EXPECT_THAT(a_.poll(ends.second), IsReady());
}

}  // namespace
