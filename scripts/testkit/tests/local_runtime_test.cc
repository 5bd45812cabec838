// rt/runtime/local_runtime.h: given code, on top of exercises 1.7 and 1.9.
#include "rt/runtime/local_runtime.h"

#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "rt/future/async.h"
#include "rt/future/box_future.h"
#include "rt/runtime/local_executor.h"
#include "testkit/testkit.h"

namespace testkit {
namespace {

using rt::Async;
using rt::Context;
using rt::JoinHandle;
using rt::kPending;
using rt::kReady;
using rt::LocalRuntime;
using rt::Poll;
using rt::poll_fn;
using testing::HasSubstr;

Async<int> number(int n) { co_return n; }
Async<std::unique_ptr<int>> boxed(int n) { co_return std::make_unique<int>(n); }
Async<int> throws() {
  throw std::runtime_error("thrown by a task");
  co_return 0;
}

Async<int> spawns_and_joins() {
  JoinHandle<int> a = rt::spawn(number(1));
  JoinHandle<std::unique_ptr<int>> b = rt::spawn(boxed(20));
  JoinHandle<int> c = rt::spawn(throws());
  int sum = co_await a;
  const std::unique_ptr<int> twenty = co_await b;
  sum += *twenty;
  try {
    co_await c;
  } catch (const std::runtime_error&) {
    sum += 300;
  }
  co_return sum;
}

TEST(LocalRuntime, RunsTasksUntilTheFutureIsReady) {
  LocalRuntime runtime;
  EXPECT_EQ(runtime.block_on(spawns_and_joins()), 321);
  EXPECT_EQ(runtime.alive(), 0U);
  EXPECT_EQ(runtime.block_on(number(7)), 7);
  EXPECT_EQ(*runtime.block_on(boxed(7)), 7);
}

TEST(LocalRuntime, ThrowsWhatTheFutureThrows) {
  LocalRuntime runtime;
  EXPECT_THROW(runtime.block_on(throws()), std::runtime_error);
  EXPECT_EQ(runtime.block_on(number(7)), 7) << "it can be used on";
}

TEST(LocalRuntime, TheFutureMayReferToTheStack) {
  LocalRuntime runtime;
  std::vector<int> polls;
  runtime.block_on(poll_fn([&polls](Context& cx) -> Poll<void> {
    polls.push_back(1);
    if (polls.size() == 3) return kReady;
    cx.waker().wake_by_ref();
    return kPending;
  }));
  EXPECT_EQ(polls.size(), 3U);
}

TEST(LocalRuntime, SleepsUntilAnotherThreadWakes) {
  LocalRuntime runtime;
  std::optional<std::thread> helper;
  runtime.block_on(poll_fn([&helper](Context& cx) -> Poll<void> {
    if (helper.has_value()) return kReady;
    helper.emplace([waker = cx.waker().clone()]() mutable { std::move(waker).wake(); });
    return kPending;
  }));
  helper->join();
}

Async<> nests(LocalRuntime& runtime) {
  runtime.block_on(number(1));
  co_return;
}
Async<> nests_another() {
  LocalRuntime another;
  another.block_on(number(1));
  co_return;
}

TEST(LocalRuntime, BlockOnInsideATaskThrows) {
  LocalRuntime runtime;
  try {
    runtime.block_on(nests(runtime));
    ADD_FAILURE() << "it has to throw";
  } catch (const std::logic_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("co_await"));
  }
  EXPECT_THROW(runtime.block_on(nests_another()), std::logic_error);
}

TEST(LocalRuntime, RunUntilStalledRunsWhatCanBeRun) {
  LocalRuntime runtime;
  JoinHandle<int> handle = runtime.spawn(number(7));
  TestTask joiner;
  EXPECT_THAT(joiner.poll(handle), IsPending());
  EXPECT_EQ(runtime.run_until_stalled(), 1U);
  EXPECT_THAT(joiner.poll(handle), IsReadyWith(7));
  EXPECT_EQ(runtime.run_until_stalled(), 0U);
}

TEST(LocalRuntime, TasksThatAreLeftGoOnInTheNextCall) {
  LocalRuntime runtime;
  int polls = 0;
  JoinHandle<void> handle = runtime.spawn(poll_fn([&polls](Context& cx) -> Poll<void> {
    if (++polls == 5) return kReady;
    cx.waker().wake_by_ref();
    return kPending;
  }));
  EXPECT_EQ(runtime.block_on(number(7)), 7);
  EXPECT_LT(polls, 5);
  EXPECT_EQ(runtime.alive(), 1U);
  runtime.block_on(std::move(handle));
  EXPECT_EQ(polls, 5);
}

// Spawns another task when it is destroyed.
class SpawnsAtItsEnd {
 public:
  using Output = void;
  explicit SpawnsAtItsEnd(Token token) : token_(std::move(token)) {}
  SpawnsAtItsEnd(SpawnsAtItsEnd&& other) noexcept = default;
  ~SpawnsAtItsEnd() {
    if (rt::current_scheduler() == nullptr) return;  // Not spawned yet.
    auto never = [token = token_](Context&) -> Poll<void> { return kPending; };
    rt::spawn(poll_fn(std::move(never))).detach();
  }
  Poll<void> poll(Context&) { return kPending; }

 private:
  Token token_;
};

TEST(LocalRuntime, DropsItsTasksAndWhatTheySpawnThen) {
  LifeCounter life("a future");
  std::optional<JoinHandle<void>> handle;
  {
    LocalRuntime runtime;
    handle = runtime.spawn(SpawnsAtItsEnd(life.token()));
    runtime.run_until_stalled();
    EXPECT_EQ(life.live(), 1);
  }
  EXPECT_EQ(life.live(), 0);
  TestTask joiner;
  EXPECT_THROW((void)joiner.poll(*handle), rt::Cancelled);
}

// A block_on that is left by an exception leaves nothing behind that points to its stack.
TEST(LocalRuntime, AParkThatThrowsLeavesNoTraces) {
  class Throws final : public rt::Park {
    void park() override { throw std::runtime_error("nothing will wake this thread"); }
    void unpark() override {}
  };
  Throws park;
  LocalRuntime runtime(park);
  std::optional<rt::Waker> waker;
  {
    const auto never = [&waker](Context& cx) -> Poll<void> {
      waker = cx.waker().clone();
      return kPending;
    };
    EXPECT_THROW(runtime.block_on(poll_fn(never)), std::runtime_error);
  }
  waker->wake_by_ref();
  EXPECT_EQ(runtime.run_until_stalled(), 1U);
  EXPECT_EQ(runtime.alive(), 0U);
}

// Has events for a task: each look brings one.
class LooksAround final : public rt::Park {
 public:
  void park() override { ADD_FAILURE() << "there was always something to run"; }
  void unpark() override {}
  void look() override {
    ++looks;
    if (waker.has_value()) std::exchange(waker, std::nullopt)->wake_by_ref();
  }
  int looks = 0;
  std::optional<rt::Waker> waker;
};

// Bug it is here for: events that nobody takes while there is something to run.
TEST(LocalRuntime, LooksForEventsHoweverBusyItIs) {
  LooksAround park;
  LocalRuntime runtime(park);
  bool event_came = false;
  runtime
      .spawn(poll_fn([&](Context& cx) -> Poll<void> {
        event_came = park.looks > 0;
        if (event_came) return kReady;
        park.waker = cx.waker().clone();
        return kPending;
      }))
      .detach();
  const auto busy = [&](Context& cx) -> Poll<void> {
    if (event_came) return kReady;
    cx.waker().wake_by_ref();
    return kPending;
  };
  runtime.block_on(poll_fn(busy));
  EXPECT_EQ(park.looks, 1);
}

TEST(LocalRuntime, IsNotStalledWhileThereAreEvents) {
  LooksAround park;
  LocalRuntime runtime(park);
  const auto three_times = [&park](Context& cx) -> Poll<void> {
    if (park.looks == 3) return kReady;
    park.waker = cx.waker().clone();
    return kPending;
  };
  runtime.spawn(poll_fn(three_times)).detach();
  EXPECT_EQ(runtime.run_until_stalled(), 3U);
  EXPECT_EQ(runtime.alive(), 0U);
}

// --- Destroyed in the wrong place ----------------------------------------------------------------

// Bug it is here for: a use after free in place of a message. The task is destroyed during its
// poll.
TEST(LocalRuntimeDeathTest, DestroyedInOneOfItsTasksEndsTheProgram) {
  EXPECT_DEATH(
      {
        std::signal(SIGABRT, SIG_DFL);  // The end is what is wanted, and no report of a crash.
        auto runtime = std::make_unique<LocalRuntime>();
        runtime->block_on(poll_fn([&runtime](Context&) -> Poll<void> {
          runtime.reset();
          return kReady;
        }));
      },
      "rt::LocalRuntime: destroyed inside one of its own tasks");
}

TEST(LocalRuntimeDeathTest, AnExecutorDestroyedInOneOfItsTasksEndsTheProgram) {
  for (const bool by_run : {false, true}) {
    EXPECT_DEATH(
        {
          std::signal(SIGABRT, SIG_DFL);
          auto executor = std::make_unique<rt::LocalExecutor>();
          executor->spawn(rt::BoxFuture<void>(poll_fn([&executor](Context&) -> Poll<void> {
            executor.reset();
            return kReady;
          })));
          by_run ? executor->run() : static_cast<void>(executor->run_one());
        },
        "rt::LocalExecutor: destroyed inside one of its own tasks");
  }
}

// Bug it is here for: only the innermost runtime is looked at. In a task of another one, inside a
// task of this one, it is as wrong.
TEST(LocalRuntimeDeathTest, DestroyedFurtherInsideEndsTheProgram) {
  EXPECT_DEATH(
      {
        std::signal(SIGABRT, SIG_DFL);
        auto runtime = std::make_unique<LocalRuntime>();
        runtime->block_on(poll_fn([&runtime](Context&) -> Poll<void> {
          LocalRuntime another;  // Its end drops a task, and that destroys ours.
          another
              .spawn(poll_fn([ends = absl::MakeCleanup([&runtime] { runtime.reset(); })](
                                 Context&) -> Poll<void> { return kPending; }))
              .detach();
          return kReady;
        }));
      },
      "rt::LocalRuntime: destroyed inside one of its own tasks");
}

}  // namespace
}  // namespace testkit
