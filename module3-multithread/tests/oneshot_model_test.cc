// Every interleaving of the two ends.
#include <optional>
#include <utility>

#include "rt/sync/oneshot.h"
#include "testkit/model/block_on.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

namespace oneshot = rt::oneshot;
using testkit::model::block_on;
using testkit::model::check;
using testkit::model::Outcomes;
using testkit::model::Thread;
using testkit::model::Tracked;

// A value that has to be destroyed once, and that nothing but the channel passes on.
struct Value : Tracked {
  explicit Value(int n) : number(n) {}
  Value(Value&& other) noexcept : Tracked(other), number(other.number.read()) {}
  rt::sync::Cell<int> number;
};
using Sender = oneshot::Sender<Value>;
using Receiver = oneshot::Receiver<Value>;

template <class End>
void drop(End& end) {
  [[maybe_unused]] const End dropped = std::move(end);
}

// Bugs it is here for: a value that is sent between the receiver's look and its waker; a waker that
// is published before it is written; a value that is published before it is written.
TEST(OneshotModel, AValueIsNeverMissed) {
  check([] {
    auto [sender, receiver] = oneshot::channel<Value>();
    Thread other([&end = sender] { std::move(end).send(Value(42)); });
    const std::optional<Value> got = block_on(std::move(receiver));
    MODEL_REQUIRE(got.has_value() && got->number.read() == 42);
    other.join();
  });
}

// Bug it is here for: an end that is not told.
TEST(OneshotModel, ASenderThatGoesIsNotMissed) {
  check([] {
    auto [sender, receiver] = oneshot::channel<Value>();
    Thread other([&end = sender] { drop(end); });
    MODEL_REQUIRE(!block_on(std::move(receiver)).has_value());
    other.join();
  });
}

// Bug it is here for: a value that both ends have, or none.
TEST(OneshotModel, ExactlyOneHasTheValue) {
  Outcomes seen;
  check([&seen] {
    auto [sender, receiver] = oneshot::channel<Value>();
    rt::sync::Cell<int> note(0);
    Thread other([&end = receiver, &note] {
      note.write() = 1;
      drop(end);
    });
    const bool came_back = std::move(sender).send(Value(42)).has_value();
    if (came_back) MODEL_REQUIRE(note.read() == 1);
    seen.add(came_back ? "came back" : "went with the receiver");
    other.join();
  });
  EXPECT_EQ(seen, Outcomes({"came back", "went with the receiver"}));
}

// Bugs it is here for: a waker that the sender reads while its owner replaces it; the new one,
// which is not there yet, and not found.
TEST(OneshotModel, AWakerMayBeReplaced) {
  check([] {
    auto [sender, receiver] = oneshot::channel<Value>();
    Thread other([&end = sender] { std::move(end).send(Value(42)); });
    testkit::CountingWaker first;
    const rt::Waker waker = first.waker();
    rt::Context cx(waker);
    rt::Poll<std::optional<Value>> polled = receiver.poll(cx);
    const std::optional<Value> got =
        polled.is_ready() ? std::move(polled).take() : block_on(std::move(receiver));
    MODEL_REQUIRE(got.has_value() && got->number.read() == 42);
    other.join();
  });
}

// Bug it is here for: a receiver that waits, goes, and takes back the waker that is being read.
TEST(OneshotModel, AReceiverMayGoWhileItWaits) {
  check([] {
    auto [sender, receiver] = oneshot::channel<Value>();
    Thread other([&end = sender] { std::move(end).send(Value(42)); });
    testkit::CountingWaker nobody;
    {
      const rt::Waker waker = nobody.waker();
      rt::Context cx(waker);
      [[maybe_unused]] const auto polled = receiver.poll(cx);
    }
    drop(receiver);
    other.join();
    MODEL_REQUIRE(nobody.live() == 0);
  });
}

// Bug it is here for: a sender that is not told, or reads what the receiver still writes.
TEST(OneshotModel, TheSenderIsTold) {
  check([] {
    auto [sender, receiver] = oneshot::channel<Value>();
    rt::sync::Cell<int> note(0);
    Thread other([&end = receiver, &note] {
      note.write() = 1;
      drop(end);
    });
    block_on(sender.closed());
    MODEL_REQUIRE(note.read() == 1);
    MODEL_REQUIRE(std::move(sender).send(Value(42)).has_value());
    other.join();
  });
}

// Bug it is here for: a look that orders nothing.
TEST(OneshotModel, WhoFindsItClosedSeesWhatCameBefore) {
  Outcomes seen;
  check([&seen] {
    auto [sender, receiver] = oneshot::channel<Value>();
    rt::sync::Cell<int> note(0);
    Thread other([&end = receiver, &note] {
      note.write() = 1;
      drop(end);
    });
    const bool is_closed = sender.is_closed();
    if (is_closed) MODEL_REQUIRE(note.read() == 1);
    seen.add(is_closed ? "closed" : "open");
    other.join();
  });
  EXPECT_EQ(seen, Outcomes({"closed", "open"}));
}

// Bug it is here for: one of two places that is taken for the other.
TEST(OneshotModel, BothMayWaitAndBothMayGo) {
  check([] {
    auto [sender, receiver] = oneshot::channel<Value>();
    Thread other([&end = receiver] {
      testkit::CountingWaker nobody;
      const rt::Waker waker = nobody.waker();
      rt::Context cx(waker);
      [[maybe_unused]] const auto polled = end.poll(cx);
      drop(end);
    });
    block_on(sender.closed());
    drop(sender);
    other.join();
  });
}

}  // namespace
