// Every interleaving of a timer's own thread and of those who poll it and drop it. The checker's
// clock stands still, but for a wait that times out: at whatever moment, it is the deadline then.
#include "rt/future/thread_timer.h"

#include <optional>

#include "absl/time/time.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/waker.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "testkit/model/block_on.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using absl::Seconds;
using rt::Context;
using rt::ThreadTimer;
using rt::Waker;
using testkit::CountingWaker;
using testkit::model::check;

bool poll(ThreadTimer& timer, CountingWaker& task) {
  const Waker waker = task.waker();
  Context cx(waker);
  return timer.poll(cx).is_ready();
}

void block_on(ThreadTimer& timer) {
  testkit::model::block_on(rt::poll_fn([&timer](Context& cx) { return timer.poll(cx); }));
}

// Bugs it is here for: a wake that comes before the timer would say that its time has come; one
// that is lost between the poll and the sleep.
TEST(ThreadTimerModel, WhoWaitsIsWokenWhenTheTimeHasCome) {
  check([] {
    const rt::Instant deadline = rt::clock::now() + Seconds(1);
    ThreadTimer timer(Seconds(1));
    block_on(timer);
    MODEL_REQUIRE(rt::clock::now() >= deadline);
  });
}

// Bug it is here for: a poll that looks whether the time has come, and then stores its waker. In
// between, the thread wakes the task that polled before, and nobody else.
TEST(ThreadTimerModel, PolledByAnotherTaskWhileItFires) {
  check([] {
    ThreadTimer timer(Seconds(1));
    CountingWaker first;
    MODEL_REQUIRE(!poll(timer, first));
    block_on(timer);
  });
}

// Bugs it is here for: a drop that sees that the timer has fired, and does not wait for the wake; a
// wake after the drop.
TEST(ThreadTimerModel, WhenTheDropIsDoneTheWakeIsOver) {
  check([] {
    rt::sync::Cell<int> wakes(0);
    CountingWaker task;
    task.on_wake([&wakes] { ++wakes.write(); });
    {
      ThreadTimer timer(Seconds(1));
      MODEL_REQUIRE(!poll(timer, task));
    }
    MODEL_REQUIRE(wakes.read() <= 1);
    MODEL_REQUIRE(task.live() == 0);
  });
}

// Bug it is here for: the thread looks whether it is cancelled, the drop tells it, and only then it
// goes to sleep, for ever.
TEST(ThreadTimerModel, ADropAtWhateverMomentEndsTheThread) {
  check([] {
    CountingWaker task;
    {
      ThreadTimer timer(absl::InfiniteDuration());
      MODEL_REQUIRE(!poll(timer, task));
    }
    MODEL_REQUIRE(task.wakes() == 0);
  });
}

}  // namespace
