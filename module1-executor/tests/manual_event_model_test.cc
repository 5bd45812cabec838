// Every interleaving of one who waits for an event and those who set it.
#include "rt/future/manual_event.h"

#include <optional>

#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/poll.h"
#include "testkit/model/block_on.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::ManualEvent;
using testkit::model::block_on;
using testkit::model::check;
using testkit::model::Thread;

// Bugs it is here for: the waiter looks, the event is set, and only then the waker is stored; what
// the setter did before is not visible to the task that it wakes.
TEST(ManualEventModel, ASetBetweenTheLookAndTheWakerIsNotLost) {
  check([] {
    ManualEvent event;
    rt::sync::Cell<bool> said(false);
    Thread setter([&] {
      said.write() = true;
      event.set();
    });
    block_on(event.wait());
    MODEL_REQUIRE(said.read());
    setter.join();
  });
}

// Bug it is here for: set() touches the event after it has woken the waiter, who may be the one
// that destroys it: here before the setter has come back from set().
TEST(ManualEventModel, WhoIsWokenMayDestroyTheEvent) {
  check([] {
    std::optional<ManualEvent> event;
    event.emplace();
    std::optional<Thread> setter;
    ManualEvent::Wait wait = event->wait();
    block_on(rt::poll_fn([&](rt::Context& cx) {
      const rt::Poll<void> polled = wait.poll(cx);
      if (!setter.has_value()) setter.emplace([&] { event->set(); });
      return polled;
    }));
    event.reset();
    setter->join();
  });
}

// Bug it is here for: of two that set it at once, each believes that the other wakes.
TEST(ManualEventModel, TwoSetAtOnceAndTheWaiterIsWoken) {
  check([] {
    ManualEvent event;
    Thread one([&] { event.set(); });
    Thread two([&] { event.set(); });
    block_on(event.wait());
    one.join();
    two.join();
  });
}

// Bug it is here for: a Wait that goes while the event is being set takes a waker that set() has
// too, or leaves one behind for the next.
TEST(ManualEventModel, AWaitThatIsDroppedMeanwhileDisturbsNobody) {
  check([] {
    ManualEvent event;
    testkit::CountingWaker given_up;
    Thread setter([&] { event.set(); });
    {
      ManualEvent::Wait wait = event.wait();
      const rt::Waker waker = given_up.waker();
      rt::Context cx(waker);
      [[maybe_unused]] const auto polled = wait.poll(cx);
    }
    block_on(event.wait());
    setter.join();
  });
}

}  // namespace
