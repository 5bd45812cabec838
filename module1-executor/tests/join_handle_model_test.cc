// Every interleaving of an executor that ends a task, and of the task's handle on another thread.
#include "rt/runtime/join_handle.h"

#include <memory>
#include <optional>
#include <utility>

#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/poll.h"
#include "rt/platform/sync.h"
#include "testkit/model/block_on.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::Cancelled;
using rt::Context;
using rt::JoinHandle;
using rt::kPending;
using rt::LocalExecutor;
using rt::OutputOf;
using rt::Poll;
using rt::poll_fn;
using rt::run_until_stalled;
using testkit::model::check;
using testkit::model::Thread;

template <rt::Future F>
JoinHandle<OutputOf<F>> spawn(LocalExecutor& executor, F future) {
  return JoinHandle<OutputOf<F>>(rt::spawn_with_handle(executor, &future, rt::kFutureVTable<F>));
}

// Bugs it is here for: a joiner that looks, and then stores its waker: the end falls in between,
// and tells nobody; an output that is published before it is there.
TEST(JoinHandleModel, AJoinerAtWhateverMomentGetsTheOutput) {
  check([] {
    LocalExecutor executor;
    rt::sync::Cell<int> written(0);
    auto handle = spawn(executor, poll_fn([&](Context&) -> Poll<int> {
                          written.write() = 7;
                          return 7;
                        }));
    Thread joiner([&, mine = std::move(handle)]() mutable {
      MODEL_REQUIRE(testkit::model::block_on(std::move(mine)) == 7);
      MODEL_REQUIRE(written.read() == 7);
    });
    run_until_stalled(executor);
    joiner.join();
  });
}

// Bug it is here for: an abort that falls between the task's look at it and the executor's sleep.
TEST(JoinHandleModel, AnAbortAtWhateverMomentEndsTheTask) {
  check([] {
    LocalExecutor executor;
    auto handle = spawn(executor, poll_fn([](Context&) -> Poll<int> { return kPending; }));
    Thread other([&, mine = std::move(handle)]() mutable {
      mine.abort();
      bool cancelled = false;
      try {
        testkit::model::block_on(std::move(mine));
      } catch (const Cancelled&) {
        cancelled = true;
      }
      MODEL_REQUIRE(cancelled);
    });
    executor.run();
    other.join();
  });
}

// Bug it is here for: an output that both sides leave to the other, or both destroy.
TEST(JoinHandleModel, AHandleThatGoesAtWhateverMomentLeavesNothing) {
  check([] {
    LocalExecutor executor;
    auto handle = spawn(executor, poll_fn([](Context&) -> Poll<std::unique_ptr<int>> {
                          return std::make_unique<int>(7);
                        }));
    Thread other([mine = std::move(handle)]() mutable { mine.detach(); });
    run_until_stalled(executor);
    other.join();
    MODEL_REQUIRE(executor.alive() == 0);
  });
}

// Bug it is here for: a joiner that is told nothing when the executor goes.
TEST(JoinHandleModel, TheExecutorGoesWhileSomebodyJoins) {
  check([] {
    std::optional<LocalExecutor> executor;
    executor.emplace();
    auto handle = spawn(*executor, poll_fn([](Context&) -> Poll<int> { return kPending; }));
    Thread joiner([mine = std::move(handle)]() mutable {
      bool cancelled = false;
      try {
        testkit::model::block_on(std::move(mine));
      } catch (const Cancelled&) {
        cancelled = true;
      }
      MODEL_REQUIRE(cancelled);
    });
    executor.reset();
    joiner.join();
  });
}

}  // namespace
