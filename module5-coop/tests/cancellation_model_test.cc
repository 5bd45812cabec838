// Every interleaving of those who cancel, wait, go, and make or drop children.
#include <atomic>
#include <optional>
#include <utility>

#include "rt/sync/cancellation_token.h"
#include "testkit/model/block_on.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::CancellationToken;
using testkit::model::block_on;
using testkit::model::check;
using testkit::model::Outcomes;
using testkit::model::Thread;

// Bugs it is here for: cancelled between the look and the list; a cancel() that publishes nothing.
TEST(CancellationModel, WhoWaitsIsToldAndSeesWhatWasDone) {
  check([] {
    const CancellationToken token;
    rt::sync::Cell<int> done(0);
    Thread other([&] {
      done.write() = 1;
      token.cancel();
    });
    block_on(token.cancelled());
    MODEL_REQUIRE(done.read() == 1);
    other.join();
  });
}

// Bug it is here for: a flag that is set, and says nothing of what came before it.
TEST(CancellationModel, WhoAsksSeesWhatWasDone) {
  Outcomes seen;
  check([&seen] {
    const CancellationToken token;
    const CancellationToken child = token.child_token();
    rt::sync::Cell<int> done(0);
    Thread other([&] {
      done.write() = 1;
      token.cancel();
    });
    const bool cancelled = child.is_cancelled();
    seen.add(cancelled ? "cancelled" : "not yet");
    if (cancelled) MODEL_REQUIRE(done.read() == 1);
    other.join();
  });
  EXPECT_EQ(seen, Outcomes({"cancelled", "not yet"}));
}

// Bug it is here for: a child that looks at its parent, and joins the ring when it is too late.
TEST(CancellationModel, AChildThatIsMadeMeanwhileIsCancelled) {
  check([] {
    const CancellationToken token;
    Thread other([&] { token.cancel(); });
    const CancellationToken child = token.child_token();
    block_on(child.cancelled());
    other.join();
    MODEL_REQUIRE(child.is_cancelled());
  });
}

// Bug it is here for: a second cancel() that returns while the first one is half-way down.
TEST(CancellationModel, WhenEitherOfTwoReturnsAllAreCancelled) {
  check([] {
    const CancellationToken token;
    const CancellationToken child = token.child_token();
    const CancellationToken grandchild = child.child_token();
    Thread other([&] {
      token.cancel();
      MODEL_REQUIRE(grandchild.is_cancelled());
    });
    child.cancel();
    MODEL_REQUIRE(grandchild.is_cancelled());
    other.join();
  });
}

// Bug it is here for: a waiter that goes while it is being told.
TEST(CancellationModel, WhoGoesMeanwhileTakesNothingAlong) {
  check([] {
    const CancellationToken token;
    testkit::CountingWaker counter;
    {
      const rt::Waker waker = counter.waker();
      rt::Context cx(waker);
      std::optional<CancellationToken::Cancelled> goes = token.cancelled();
      (void)goes->poll(cx);
      Thread other([&] { token.cancel(); });
      goes.reset();
      block_on(token.cancelled());
      other.join();
    }
    MODEL_REQUIRE(counter.live() == 0);
  });
}

// The last copy of the token between goes while the root is cancelled, and its child with it or
// after it.
TEST(CancellationModel, ATokenThatGoesMeanwhileLosesNoChild) {
  check([] {
    const CancellationToken root;
    std::optional<CancellationToken> middle = root.child_token();
    const CancellationToken leaf = middle->child_token();
    Thread other([&] { middle.reset(); });
    root.cancel();
    MODEL_REQUIRE(leaf.is_cancelled());
    other.join();
  });
}

// Two neighbours in one ring go at once, while a third is made.
TEST(CancellationModel, NeighboursMayGoAtTheSameTime) {
  check([] {
    const CancellationToken root;
    std::optional<CancellationToken> a = root.child_token(), b = root.child_token();
    Thread other([&] { a.reset(); });
    b.reset();
    const CancellationToken c = root.child_token();
    other.join();
    root.cancel();
    MODEL_REQUIRE(c.is_cancelled());
  });
}

// The last copy is dropped by the one who was waiting for it, while cancel() still runs.
TEST(CancellationModel, TheOneWhoWaitedMayDropTheTree) {
  check([] {
    std::optional<CancellationToken> token(std::in_place);
    Thread other([mine = *token] { mine.cancel(); });
    block_on(token->cancelled());
    token.reset();
    other.join();
  });
}

}  // namespace
