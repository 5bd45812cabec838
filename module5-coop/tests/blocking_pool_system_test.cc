// The pool of a Runtime: spawn_blocking() in its tasks, in its jobs and from outside; what a job
// may do, and what becomes of it at the end of the runtime.
#include <atomic>
#include <csignal>
#include <cstddef>
#include <exception>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "rt/driver/driver_handle.h"
#include "rt/future/async.h"
#include "rt/future/future.h"
#include "rt/platform/clock.h"
#include "rt/runtime/block_on.h"
#include "rt/runtime/runtime.h"
#include "rt/runtime/spawn_blocking.h"
#include "rt/task/spawn.h"
#include "testkit/process.h"
#include "testkit/testkit.h"

namespace {

using rt::Async;
using rt::Context;
using rt::JoinHandle;
using rt::kPending;
using rt::Poll;
using rt::Runtime;
using rt::spawn_blocking;
using testkit::LifeCounter;
using testkit::step;

using Job = std::function<void()>;  // One type for most jobs: each new one costs compile time.

std::unique_ptr<Runtime> make() { return Runtime::create(1).value(); }
JoinHandle<void> run(const Runtime& runtime, Job job) {
  return spawn_blocking(runtime, std::move(job));
}

Async<> join_it(JoinHandle<void> handle) { co_await std::move(handle); }

// --- In a program --------------------------------------------------------------------------------

TEST(SpawnBlocking, ATaskAwaitsWhatTheFunctionReturns) {
  const std::unique_ptr<Runtime> runtime = make();
  const auto answer = []() -> Async<std::string> {
    co_return co_await spawn_blocking([] { return std::string("42"); });
  };
  EXPECT_EQ(runtime->block_on(rt::spawn_on(*runtime->core(), answer())), "42");
}

TEST(SpawnBlocking, TheWorkerRunsOtherTasksMeanwhile) {
  const std::unique_ptr<Runtime> runtime = make();
  std::binary_semaphore go{0};
  JoinHandle<void> blocked = runtime->spawn([](std::binary_semaphore& sem) -> Async<> {
    co_await spawn_blocking(Job([&sem] { sem.acquire(); }));
  }(go));
  runtime->block_on(runtime->spawn([](std::binary_semaphore& sem) -> Async<> {
    sem.release();
    co_return;
  }(go)));
  rt::block_on(std::move(blocked));
}

TEST(SpawnBlocking, OutsideOfARuntimeThrows) {
  rt::block_on(run(*make(), [] {}));  // What is not written ends here.
  EXPECT_THROW(static_cast<void>(spawn_blocking(Job([] {}))), std::logic_error);
}

TEST(SpawnBlocking, StartsNoMoreThreadsThanTheBuilderSays) {
  const auto runtime = Runtime::Builder().worker_threads(1).max_blocking_threads(1).build().value();
  std::atomic<int> begun{0};
  std::binary_semaphore has_begun{0}, go{0};
  JoinHandle<void> first = run(*runtime, [&] {
    ++begun;
    has_begun.release();
    go.acquire();
  });
  has_begun.acquire();
  JoinHandle<void> second = run(*runtime, [&] { ++begun; });
  EXPECT_EQ(begun, 1);
  go.release();
  rt::block_on(std::move(second));
  EXPECT_EQ(begun, 2);
}

TEST(SpawnBlocking, CallsTheBuildersHooksForItsThreads) {
  std::atomic<int> started{0}, stopped{0};
  {
    const auto runtime = Runtime::Builder()
                             .worker_threads(1)
                             .on_thread_start([&] { ++started; })
                             .on_thread_stop([&] { ++stopped; })
                             .build()
                             .value();
    rt::block_on(run(*runtime, [] {}));
    EXPECT_GE(started, 1);
  }
  EXPECT_EQ(started, 2) << "one worker, and one thread of the pool";
  EXPECT_EQ(stopped, 2);
}

TEST(SpawnBlocking, ThrowsWhenTheSystemHasNoThread) {
  std::atomic<int> left{1};
  const auto runtime = Runtime::Builder()
                           .worker_threads(1)
                           .start_thread([&](std::function<void()> body) {
                             if (left.fetch_sub(1) <= 0) {
                               throw std::system_error(
                                   std::make_error_code(std::errc::resource_unavailable_try_again));
                             }
                             return std::thread(std::move(body));
                           })
                           .build()
                           .value();
  EXPECT_THROW(static_cast<void>(run(*runtime, [] {})), std::system_error);
}

TEST(SpawnBlocking, TellsTheRuntimesHookWhatNobodyHearsOf) {
  std::latch told(1);
  const auto runtime = Runtime::Builder()
                           .worker_threads(1)
                           .on_unhandled_exception([&](std::exception_ptr) { told.count_down(); })
                           .build()
                           .value();
  run(*runtime, [] { throw std::runtime_error("alone"); }).detach();
  told.wait();
}

// --- In a job ------------------------------------------------------------------------------------

TEST(SpawnBlocking, AJobMaySpawnTasksAndJobsAndBlockOnThem) {
  const std::unique_ptr<Runtime> runtime = make();
  std::string diary;
  rt::block_on(run(*runtime, [&] {
    rt::current_driver();
    rt::block_on(rt::spawn([](std::string& d) -> Async<> {
      d += "task ";
      co_return;
    }(diary)));
    rt::block_on(spawn_blocking(Job([&] { diary += "job"; })));
  }));
  EXPECT_EQ(diary, "task job");
}

TEST(SpawnBlocking, AJobMayNotShutTheRuntimeDown) {
  const std::unique_ptr<Runtime> runtime = make();
  EXPECT_THROW(rt::block_on(run(*runtime, [&] { runtime->shutdown(); })), std::logic_error);
  EXPECT_THROW(rt::block_on(run(*runtime, [&] { runtime->shutdown_for(absl::Seconds(1)); })),
               std::logic_error);
  rt::block_on(run(*runtime, [] {}));
}

// Bug it is here for: it would wait for itself.
TEST(SpawnBlocking, DestroyingTheRuntimeInAJobEndsTheProgram) {
  rt::block_on(
      run(*make(), [] {}));  // What is not written ends here, and not in the other process.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        std::signal(SIGABRT, SIG_DFL);  // The end is what is wanted, and no report of a crash.
        std::unique_ptr<Runtime> runtime = make();
        rt::block_on(run(*runtime, [&runtime] { runtime.reset(); }));
      },
      "rt::Runtime: destroyed inside .* one of its blocking jobs");
}

// --- At the end ----------------------------------------------------------------------------------

// What the end of a runtime has to be seen with: it has one job that goes on when it is told to.
class SpawnBlockingEnd : public testing::Test {
 protected:
  SpawnBlockingEnd() {
    busy.emplace(run(*runtime, [this, token = life.token()] {
      has_begun.release();
      go.acquire();
      has_ended = true;
    }));
    has_begun.acquire();
  }
  // Returns when the runtime has been closed: it takes no job any more.
  void wait_until_closed() {
    step("waiting until jobs are refused");
    while (true) {
      try {
        run(*runtime, [] {}).abort();
        rt::block_on(run(*runtime, [] {}));
      } catch (const rt::Cancelled&) {
        return;
      }
    }
  }

  LifeCounter life;
  std::binary_semaphore has_begun{0}, go{0};
  std::atomic<bool> has_ended{false};
  std::unique_ptr<Runtime> runtime = make();
  std::optional<JoinHandle<void>> busy;
};

TEST_F(SpawnBlockingEnd, TheRuntimeWaitsForAJobThatHasBegun) {
  {
    const testkit::HelperThread other([this] {
      wait_until_closed();
      go.release();
    });
    runtime->shutdown();
    EXPECT_TRUE(has_ended);
    EXPECT_EQ(life.live(), 0);
  }
  rt::block_on(*std::move(busy));
}

TEST_F(SpawnBlockingEnd, ItNeedNotWaitForLongerThanAsked) {
  const testkit::PausedClock clock;
  EXPECT_FALSE(runtime->shutdown_for(absl::ZeroDuration()));
  step("without the runtime, the job goes on");
  runtime.reset();
  EXPECT_FALSE(has_ended);
  EXPECT_EQ(life.live(), 1);
  go.release();
  rt::block_on(*std::move(busy));
  EXPECT_TRUE(has_ended);
}

TEST_F(SpawnBlockingEnd, ADeadlineThatComesFirstCanBeFollowedByAnother) {
  const testkit::PausedClock clock;
  EXPECT_FALSE(runtime->shutdown_for(absl::ZeroDuration()));
  go.release();
  runtime->shutdown();
  EXPECT_TRUE(has_ended);
}

TEST_F(SpawnBlockingEnd, AfterItEachJobIsRefused) {
  go.release();
  runtime->shutdown();
  JoinHandle<void> late = run(*runtime, [token = life.token()] {});
  EXPECT_EQ(life.live(), 0);
  EXPECT_THROW(rt::block_on(std::move(late)), rt::Cancelled);
  step("and also when the Runtime is gone");
  const Runtime::Handle handle = runtime->handle();
  runtime.reset();
  EXPECT_THROW(rt::block_on(spawn_blocking(handle, Job([] {}))), rt::Cancelled);
}

// Bug it is here for: the first job comes after the end, and the pool that is made for it is open.
TEST(SpawnBlockingFirst, AfterTheEndIsRefused) {
  const std::unique_ptr<Runtime> runtime = make();
  runtime->shutdown();
  EXPECT_THROW(rt::block_on(run(*runtime, [] {})), rt::Cancelled);
}

// Bug it is here for: a task that is dropped asks for a job, and the end waits for it.
TEST(SpawnBlockingFirst, OfATaskThatIsDroppedAtTheEndIsRefused) {
  struct AsksInItsEnd {
    explicit AsksInItsEnd(LifeCounter& l) noexcept : life(&l) {}
    AsksInItsEnd(AsksInItsEnd&& other) noexcept : life(std::exchange(other.life, nullptr)) {}
    ~AsksInItsEnd() {
      if (life != nullptr) spawn_blocking(Job([token = life->token()] {})).detach();
    }
    LifeCounter* life;
  };
  LifeCounter life;
  {
    const std::unique_ptr<Runtime> runtime = make();
    runtime->spawn_detached(
        rt::poll_fn([asks = AsksInItsEnd(life)](Context&) -> Poll<void> { return kPending; }));
  }
  EXPECT_EQ(life.created(), 1);
  EXPECT_EQ(life.live(), 0);
}

}  // namespace
