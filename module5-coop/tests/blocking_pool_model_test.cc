// Every interleaving of those that spawn, of the threads that come and go, and of the end. A timed
// wait may time out whenever the checker likes: so the ten seconds end at the worst moment.
#include <atomic>
#include <cstddef>
#include <functional>
#include <utility>

#include "absl/time/time.h"
#include "rt/platform/clock.h"
#include "rt/platform/parker.h"
#include "rt/platform/sync.h"
#include "rt/runtime/blocking_pool.h"
#include "rt/runtime/guest.h"
#include "rt/task/spawn.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::Parker;
using rt::sync::Atomic;
using testkit::model::check;
using testkit::model::Options;
using testkit::model::Outcomes;
using testkit::model::Thread;
using testkit::model::Tracked;

// A pool, and what the checker is to see of it.
class Pool {
 public:
  explicit Pool(std::size_t max_threads) : pool_(new rt::BlockingPool(options(max_threads))) {}
  Pool(const Pool&) = delete;
  ~Pool() { end(); }

  rt::BlockingPool* operator->() { return pool_; }
  int started() const { return started_; }

  void end() {
    if (pool_ == nullptr) return;
    pool_->close();
    MODEL_REQUIRE(pool_->wait_for_the_end(rt::Instant::infinite_future()));
    std::exchange(pool_, nullptr)->leave();
  }

 private:
  rt::BlockingOptions options(std::size_t max_threads) {
    rt::BlockingOptions options;
    options.max_threads = max_threads;
    options.start = [this](std::function<void()> body) {
      ++started_;  // By one thread at a time: the pool's lock is held.
      return Thread(std::move(body));
    };
    return options;
  }

  int started_ = 0;
  rt::BlockingPool* pool_;
};

// Runs it, and says whether it was run or cancelled.
template <class T>
const char* fate_of(rt::JoinHandle<T> handle) {
  try {
    rt::run_as_guest(std::move(handle));
    return "run";
  } catch (const rt::Cancelled&) {
  }
  return "cancelled";
}

// Bug it is here for: the thread's ten seconds end, it decides to leave, and a job comes that
// counts on it.
TEST(BlockingPoolModel, NoJobIsStrandedWhenTheLastIdleThreadLeaves) {
  Outcomes seen;
  check(Options().spurious_wakeups(0), [&seen] {
    Pool pool(1);
    rt::run_as_guest(pool->spawn([] {}));
    rt::run_as_guest(pool->spawn([] {}));
    pool.end();
    seen.add(pool.started() == 1 ? "it took both" : "it had left");
  });
  EXPECT_EQ(seen, Outcomes({"it had left", "it took both"}));
}

// Bugs it is here for: somebody sleeps until the clock wakes them, and not because there is a job,
// or because it is the end. Time passes here only if nobody can go on without that.
TEST(BlockingPoolModel, NobodyHasToWaitForTheClock) {
  check(Options().spurious_wakeups(0).timeouts(0), [] {
    const rt::Instant start = rt::clock::now();
    Pool pool(2);
    rt::run_as_guest(pool->spawn([] {}));
    rt::run_as_guest(pool->spawn([] {}));
    pool.end();
    MODEL_REQUIRE(rt::clock::now() == start);
  });
}

// Bug it is here for: one thread is idle, two jobs come, and both count on it. Each of them waits
// for the other.
TEST(BlockingPoolModel, TwoJobsDoNotCountOnOneIdleThread) {
  check(Options().spurious_wakeups(0).timeouts(1), [] {
    Pool pool(2);
    rt::run_as_guest(pool->spawn([] {}));
    Parker a, b;
    auto one = pool->spawn([&] {
      b.unpark();
      a.park();
    });
    auto two = pool->spawn([&] {
      a.unpark();
      b.park();
    });
    rt::run_as_guest(std::move(one));
    rt::run_as_guest(std::move(two));
    pool.end();
  });
}

// Bug it is here for: two who spawn at the same time start a thread each, where there may be one.
TEST(BlockingPoolModel, SpawnersAtTheSameTimeStartNoMoreThanTheyMay) {
  check(Options().spurious_wakeups(0).timeouts(1), [] {
    Pool pool(1);
    bool ran[2] = {false, false};
    Thread other([&] { rt::run_as_guest(pool->spawn([&] { ran[0] = true; })); });
    rt::run_as_guest(pool->spawn([&] { ran[1] = true; }));
    other.join();
    MODEL_REQUIRE(ran[0] && ran[1]);
    pool.end();
  });
}

// Bugs it is here for: a job that comes with the end is neither run nor cancelled; its function is
// destroyed twice; its thread is still there when the pool goes.
TEST(BlockingPoolModel, AJobThatComesWithTheEndIsRunOrCancelled) {
  Outcomes seen;
  check(Options().spurious_wakeups(0).timeouts(1), [&seen] {
    Pool pool(1);
    const char* fate = "";
    Thread spawner([&] { fate = fate_of(pool->spawn([tracked = Tracked()] { tracked.use(); })); });
    pool->close();
    spawner.join();
    pool.end();
    seen.add(fate);
  });
  EXPECT_EQ(seen, Outcomes({"run", "cancelled"}));
}

// Bug it is here for: the idle thread looks whether the pool is closed, it is closed and everybody
// is notified, and only then the thread sleeps.
TEST(BlockingPoolModel, AnIdleThreadHearsOfTheEnd) {
  check(Options().spurious_wakeups(0).timeouts(0), [] {
    Pool pool(1);
    rt::run_as_guest(pool->spawn([] {}));
    pool.end();
  });
}

// A function that calls the pool when it goes.
class CallsBack {
 public:
  explicit CallsBack(Pool& pool) : pool_(&pool) {}
  CallsBack(CallsBack&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
  ~CallsBack() {
    if (pool_ != nullptr) (*pool_)->spawn([tracked = Tracked()] { tracked.use(); }).detach();
  }
  void operator()() {}

 private:
  Pool* pool_;
};

// Bugs it is here for: the function of a job is run, or goes after it was run, with the lock held.
TEST(BlockingPoolModel, AJobAndItsFunctionMayCallThePool) {
  check(Options().spurious_wakeups(0).timeouts(0).preemptions(1), [] {
    Pool pool(1);
    rt::run_as_guest(pool->spawn(CallsBack(pool)));
    rt::run_as_guest(pool->spawn([&] { pool->spawn([] {}).detach(); }));
    pool.end();
  });
}

// Bug it is here for: the function of a job that is refused goes with the lock held.
TEST(BlockingPoolModel, ARefusedFunctionMayCallThePool) {
  check(Options().spurious_wakeups(0), [] {
    Pool pool(1);
    pool->close();
    pool->spawn(CallsBack(pool)).detach();
    pool.end();
  });
}

// Bug it is here for: the function of a job that waits at the end goes with the lock held.
TEST(BlockingPoolModel, ACancelledFunctionMayCallThePool) {
  check(Options().spurious_wakeups(0).timeouts(0).preemptions(1), [] {
    Pool pool(1);
    Parker go;
    auto busy = pool->spawn([&] { go.park(); });
    pool->spawn(CallsBack(pool)).detach();
    pool->close();
    go.unpark();
    fate_of(std::move(busy));
    pool.end();
  });
}

// Bug it is here for: an abort that meets the beginning drops the function while it is called.
TEST(BlockingPoolModel, AnAbortedJobIsRunOrDropped) {
  Outcomes seen;
  check(Options().spurious_wakeups(0).timeouts(0), [&seen] {
    Pool pool(1);
    auto handle = pool->spawn([tracked = Tracked()] { tracked.use(); });
    handle.abort();
    const char* const fate = fate_of(std::move(handle));
    pool.end();
    seen.add(fate);
  });
  EXPECT_EQ(seen, Outcomes({"run", "cancelled"}));
}

// Bug it is here for: two leave at the same time, and one of them is never joined.
TEST(BlockingPoolModel, ThreadsThatLeaveAtTheSameTimeAreJoined) {
  check(Options().spurious_wakeups(0).timeouts(2), [] {
    Pool pool(2);
    Parker a, b;
    auto one = pool->spawn([&] {
      b.unpark();
      a.park();
    });
    auto two = pool->spawn([&] {
      a.unpark();
      b.park();
    });
    rt::run_as_guest(std::move(one));
    rt::run_as_guest(std::move(two));
    pool.end();
  });
}

// Bug it is here for: a thread is joined with the lock held, and has something to ask the pool yet.
TEST(BlockingPoolModel, AThreadThatHasLeftMayCallThePool) {
  check(Options().spurious_wakeups(0).timeouts(1), [] {
    rt::BlockingPool* pool = nullptr;
    rt::BlockingOptions options;
    options.start = [&pool](std::function<void()> body) {
      return Thread([&pool, body = std::move(body)] {
        body();
        pool->close();
      });
    };
    pool = new rt::BlockingPool(std::move(options));
    auto handle = pool->spawn([] {});
    pool->close();
    MODEL_REQUIRE(pool->wait_for_the_end(rt::Instant::infinite_future()));
    pool->leave();
  });
}

// Bug it is here for: whoever waits for the end looks, the last thread leaves and tells nobody, and
// only then the waiting begins.
TEST(BlockingPoolModel, TheEndIsWaitedForUntilTheDeadlineOrTheEnd) {
  Outcomes seen;
  check(Options().spurious_wakeups(0).timeouts(1), [&seen] {
    Pool pool(1);
    auto handle = pool->spawn([] {});
    pool->close();
    const bool in_time = pool->wait_for_the_end(rt::clock::now() + absl::Seconds(1));
    pool.end();
    seen.add(in_time ? "in time" : "too late");
  });
  EXPECT_EQ(seen, Outcomes({"in time", "too late"}));
}

}  // namespace
