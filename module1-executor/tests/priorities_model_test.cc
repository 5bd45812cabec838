// Every interleaving of an executor of two priorities and those on other threads who wake its
// tasks.
#include "rt/runtime/priorities.h"

#include <memory>
#include <optional>
#include <utility>

#include "rt/future/box_future.h"
#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::BoxFuture;
using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::Priority;
using rt::PriorityExecutor;
using rt::Waker;
using testkit::model::check;
using testkit::model::Thread;

// Opened by one thread, and waited for by a task on another.
class Gate {
 public:
  void open() {
    std::optional<Waker> waker;
    {
      const rt::sync::Lock lock(mutex_);
      is_open_.write() = true;
      waker.swap(waker_.write());
    }
    if (waker.has_value()) std::move(*waker).wake();
  }
  Poll<void> poll(Context& cx) {
    std::optional<Waker> newest(cx.waker().clone());
    const rt::sync::Lock lock(mutex_);
    if (is_open_.read()) return kReady;
    newest.swap(waker_.write());
    return kPending;
  }

 private:
  rt::sync::Mutex mutex_;
  rt::sync::Cell<bool> is_open_{false};
  rt::sync::Cell<std::optional<Waker>> waker_{};
};

class Waits {
 public:
  using Output = void;
  explicit Waits(Gate& gate) noexcept : gate_(&gate) {}
  Poll<void> poll(Context& cx) { return gate_->poll(cx); }

 private:
  Gate* gate_;
};

// Bugs it is here for: a sleep that only a wake of one priority ends; a wake between the look at
// the two queues and the sleep, lost.
TEST(PrioritiesModel, AWakeOfEitherPriorityAtWhateverMomentLeadsToAPoll) {
  for (const Priority priority : {Priority::kHigh, Priority::kNormal}) {
    check([priority] {
      Gate gate;
      PriorityExecutor executor;
      executor.spawn(priority, BoxFuture<void>(Waits(gate)));
      Thread other([&gate] { gate.open(); });
      executor.run();
      other.join();
      MODEL_REQUIRE(executor.alive() == 0);
    });
  }
}

// Bug it is here for: a wake that has begun uses what goes with the executor.
TEST(PrioritiesModel, AWakeWhileTheExecutorGoesDoesNothing) {
  check([] {
    Gate gate;
    std::optional<PriorityExecutor> executor;
    executor.emplace();
    executor->spawn(Priority::kHigh, BoxFuture<void>(Waits(gate)));
    executor->run_one();
    Thread other([&gate] { gate.open(); });
    executor->shutdown(1);
    executor.reset();
    other.join();
  });
}

}  // namespace
