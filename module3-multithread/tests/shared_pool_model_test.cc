// Every interleaving of workers, of those who spawn and wake, and of the end of the pool. One
// shard, so that the same tasks meet the same locks in each execution.
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "rt/future/future.h"
#include "rt/future/waker.h"
#include "rt/platform/parker.h"
#include "rt/platform/sync.h"
#include "rt/runtime/shared_queue.h"
#include "rt/runtime/worker_parks.h"
#include "rt/task/spawn.h"
#include "rt/task/task_cell.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Parker;
using rt::Poll;
using rt::poll_fn;
using rt::SharedQueue;
using rt::Waker;
using rt::sync::Atomic;
using testkit::model::check;
using testkit::model::Options;
using testkit::model::Outcomes;
using testkit::model::Thread;
using testkit::model::Tracked;

class Pool {
 public:
  explicit Pool(std::size_t workers)
      : queue_(new SharedQueue(workers, std::make_unique<rt::PlainParks>(workers), 1)) {}
  Pool(const Pool&) = delete;

  SharedQueue& queue() { return *queue_; }

  template <class F>
  void spawn(F f) {
    auto future = poll_fn(std::move(f));
    rt::NewTask task =
        rt::TaskCell::create(&future, rt::kFutureVTable<decltype(future)>, *queue_, false);
    queue_->spawn(std::move(task.owned), std::move(task.scheduled));
  }
  void work(std::size_t i) {
    const SharedQueue::Here here(*queue_, &queue_->worker(i));
    while (queue_->step(queue_->worker(i))) {
    }
  }
  // When no worker runs any more.
  void end() {
    {
      const SharedQueue::Here here(*queue_, nullptr);
      queue_->drop_all();
    }
    std::exchange(queue_, nullptr)->leave();
  }

 private:
  SharedQueue* queue_;
};

// Bugs it is here for: a task is left in the queue while a worker sleeps; one ends before it is on
// the list of all tasks, and stays there.
TEST(SharedPoolModel, NoTaskIsLeftWhileTheWorkerSleeps) {
  check([] {
    Pool pool(1);
    Parker done;
    Atomic<int> left{2};
    const auto count = [&](Context&) -> Poll<void> {
      if (left.fetch_sub(1) == 1) done.unpark();
      return kReady;
    };
    Thread worker([&] { pool.work(0); });
    pool.spawn(count);
    pool.spawn(count);
    done.park();
    pool.queue().close();
    worker.join();
    MODEL_REQUIRE(pool.queue().alive() == 0);
    pool.end();
  });
}

// Bug it is here for: the wake-up that is on its way finds the queue empty, and counts for ever.
// Two workers, so that one can be faster than the one that is roused.
TEST(SharedPoolModel, NoTaskIsLeftWhileBothWorkersSleep) {
  check(Options().spurious_wakeups(0), [] {
    Pool pool(2);
    Parker done;
    const auto say = [&](Context&) -> Poll<void> {
      done.unpark();
      return kReady;
    };
    Thread first([&] { pool.work(0); }), second([&] { pool.work(1); });
    for (int i = 0; i < 2; ++i) {
      pool.spawn(say);
      done.park();
    }
    pool.queue().close();
    first.join();
    second.join();
    pool.end();
  });
}

// Bug it is here for: a task that comes with the end is neither run nor dropped, or both.
TEST(SharedPoolModel, ATaskThatComesWithTheEndIsRunOrDropped) {
  Outcomes seen;
  check([&seen] {
    Pool pool(1);
    bool runs = false;
    Thread worker([&] { pool.work(0); });
    Thread spawner([&] {
      pool.spawn([&runs, tracked = Tracked()](Context&) -> Poll<void> {
        tracked.use();
        runs = true;
        return kReady;
      });
    });
    pool.queue().close();
    worker.join();
    {
      const SharedQueue::Here here(pool.queue(), nullptr);
      pool.queue().drop_all();
    }
    spawner.join();
    MODEL_REQUIRE(pool.queue().alive() == 0);
    seen.add(runs ? "run" : "dropped");
    pool.end();
  });
  EXPECT_EQ(seen, Outcomes({"run", "dropped"}));
}

// The same for one that is spawned by a task, as it is dropped.
TEST(SharedPoolModel, ATaskThatIsSpawnedByADroppedOneIsDropped) {
  struct SpawnsInItsEnd {
    explicit SpawnsInItsEnd(Pool& p) noexcept : pool(&p) {}
    SpawnsInItsEnd(SpawnsInItsEnd&& other) noexcept : pool(std::exchange(other.pool, nullptr)) {}
    ~SpawnsInItsEnd() {
      if (pool == nullptr) return;
      pool->spawn([tracked = Tracked()](Context&) -> Poll<void> {
        tracked.use();
        return kReady;
      });
    }
    Pool* pool;
  };
  check([] {
    Pool pool(1);
    Thread worker([&] { pool.work(0); });
    Thread spawner([&] {
      pool.spawn([mine = SpawnsInItsEnd(pool)](Context&) -> Poll<void> { return kPending; });
    });
    spawner.join();
    pool.queue().close();
    worker.join();
    pool.end();
  });
}

// Bug it is here for: the task is in the queue, the mutex is free, and before the sleeper is
// unparked the task, the pool and the sleeper are gone.
TEST(SharedPoolModel, AWakeMayRaceWithTheEnd) {
  check([] {
    Pool pool(1);
    Parker ready;
    std::optional<Waker> waker;  // Ordered by `ready`.
    pool.spawn([&](Context& cx) -> Poll<void> {
      if (waker.has_value()) return kReady;
      waker.emplace(cx.waker().clone());
      ready.unpark();
      return kPending;
    });
    Thread worker([&] { pool.work(0); });
    ready.park();
    Thread other([mine = std::move(waker)]() mutable { std::move(*mine).wake(); });
    pool.queue().close();
    worker.join();
    pool.end();
    other.join();
  });
}

// Bug it is here for: the list is closed between the look at it and the binding.
TEST(OwnedTasksModel, ATaskIsBoundBeforeTheEndOrRefused) {
  Outcomes seen;
  check([&seen] {
    Pool pool(1);
    rt::OwnedTasks all(1);
    bool bound = false;
    Thread spawner([&] {
      auto future = poll_fn([tracked = Tracked()](Context&) -> Poll<void> { return kReady; });
      rt::NewTask task =
          rt::TaskCell::create(&future, rt::kFutureVTable<decltype(future)>, pool.queue(), false);
      bound = all.bind(task.owned);
      if (!bound) std::move(task.owned).shutdown();
    });
    all.close_and_shutdown_all();
    spawner.join();
    MODEL_REQUIRE(all.size() == 0);
    seen.add(bound ? "bound" : "refused");
    pool.queue().close();
    pool.end();
  });
  EXPECT_EQ(seen, Outcomes({"bound", "refused"}));
}

}  // namespace
