// Every interleaving of an executor and those on other threads who wake its tasks.
#include "rt/runtime/local_executor.h"

#include <optional>
#include <utility>

#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::BoxFuture;
using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::LocalExecutor;
using rt::Poll;
using rt::Waker;
using testkit::model::check;
using testkit::model::Thread;

// Ready at the first poll that finds `count` of them. It never stores a waker: who counts has one.
class Counted {
 public:
  using Output = void;
  Counted(rt::sync::Atomic<int>& counted, int count) noexcept : counted_(&counted), count_(count) {}
  Poll<void> poll(Context&) {
    // Relaxed: it is the wake that has to make it visible.
    if (counted_->load(std::memory_order_relaxed) < count_) return kPending;
    return kReady;
  }

 private:
  rt::sync::Atomic<int>* counted_;
  int count_;
};

// Bugs it is here for: a wake between the look at the queue and the sleep is lost; a wake during
// the poll is lost.
TEST(LocalExecutorModel, AWakeAtWhateverMomentLeadsToAPoll) {
  check([] {
    LocalExecutor executor;
    rt::sync::Atomic<int> counted(0);
    Waker waker = executor.spawn(BoxFuture<void>(Counted(counted, 2)));
    Thread other([&] {
      for (int i = 0; i < 2; ++i) {
        counted.fetch_add(1, std::memory_order_relaxed);
        waker.wake_by_ref();
      }
    });
    executor.run();
    other.join();
  });
}

// Bug it is here for: two wakes at once put the task into the queue twice, or not at all.
TEST(LocalExecutorModel, TwoWakeATaskAtOnce) {
  check([] {
    LocalExecutor executor;
    rt::sync::Atomic<int> counted(0);
    const Waker waker = executor.spawn(BoxFuture<void>(Counted(counted, 2)));
    const auto count_and_wake = [&counted](const Waker& mine) {
      counted.fetch_add(1, std::memory_order_relaxed);
      mine.wake_by_ref();
    };
    Thread one([&, mine = waker.clone()] { count_and_wake(mine); });
    Thread two([&, mine = waker.clone()] { count_and_wake(mine); });
    executor.run();
    one.join();
    two.join();
    MODEL_REQUIRE(!executor.run_one());
  });
}

// Bug it is here for: a wake that comes while the executor goes, or later, touches what is gone.
TEST(LocalExecutorModel, AWakeWhileTheExecutorGoesDoesNothing) {
  check([] {
    rt::sync::Atomic<int> counted(0);
    std::optional<LocalExecutor> executor;
    executor.emplace();
    Waker waker = executor->spawn(BoxFuture<void>(Counted(counted, 1)));
    executor->run_one();
    Thread other([mine = std::move(waker)]() mutable { std::move(mine).wake(); });
    executor.reset();
    other.join();
  });
}

}  // namespace
