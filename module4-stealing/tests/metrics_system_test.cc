// The numbers of a runtime that works: what its tasks count themselves has to be the same.
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "rt/future/future.h"
#include "rt/runtime/block_on.h"
#include "rt/runtime/metrics.h"
#include "rt/runtime/runtime.h"
#include "rt/task/spawn.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::JoinHandle;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::Runtime;
using rt::RuntimeMetrics;

constexpr int kTasks = 50;
constexpr int kPolls = 40;  // Of each task.

// A task that gives way, and counts its polls.
auto counted(std::atomic<std::uint64_t>& polls) {
  return rt::poll_fn([&polls, left = kPolls](Context& cx) mutable -> Poll<void> {
    polls.fetch_add(1);
    if (--left == 0) return kReady;
    cx.waker().wake_by_ref();
    return kPending;
  });
}

void run_all(Runtime& runtime, std::atomic<std::uint64_t>& polls) {
  std::vector<JoinHandle<void>> tasks;
  for (int i = 0; i < kTasks; ++i) tasks.push_back(runtime.spawn(counted(polls)));
  for (JoinHandle<void>& task : tasks) rt::block_on(std::move(task));
}

TEST(MetricsSystem, EachPollIsCountedOnce) {
  std::atomic<std::uint64_t> polls{0};
  const std::unique_ptr<Runtime> runtime = Runtime::create(2).value();
  run_all(*runtime, polls);
  const RuntimeMetrics first = runtime->metrics();
  ASSERT_EQ(first.workers.size(), 2u);
  EXPECT_EQ(first.total().polls, polls.load());
  EXPECT_EQ(first.alive, 0u);
  EXPECT_EQ(first.inject_depth, 0u);
  EXPECT_EQ(first.total().local_depth, 0u);
  run_all(*runtime, polls);
  EXPECT_EQ(runtime->metrics().since(first).total().polls, polls.load() / 2);
}

// A worker that has nothing to do parks; and what was stolen was stolen in so many operations.
TEST(MetricsSystem, ParksAndStealsAreCounted) {
  std::atomic<std::uint64_t> polls{0};
  const std::unique_ptr<Runtime> runtime = Runtime::create(2).value();
  for (int i = 0; i < 20; ++i) run_all(*runtime, polls);
  runtime->shutdown();
  const rt::WorkerMetrics all = runtime->metrics().total();
  EXPECT_GT(all.parks, 0u);
  EXPECT_GE(all.steals, all.steal_operations);
  EXPECT_EQ(all.steals > 0, all.steal_operations > 0);
  EXPECT_EQ(all.polls, polls.load());
}

// Bug it is here for: whoever reads while the workers work gets numbers that go back.
TEST(MetricsSystem, NumbersNeverGoBack) {
  std::atomic<std::uint64_t> polls{0};
  std::atomic<bool> is_over{false};
  const std::unique_ptr<Runtime> runtime = Runtime::create(2).value();
  std::thread reader([&is_over, handle = runtime->handle()] {
    RuntimeMetrics before = handle.metrics();
    while (!is_over.load()) {
      RuntimeMetrics now = handle.metrics();
      EXPECT_GE(now.total().polls, before.total().polls);
      EXPECT_GE(now.total().parks, before.total().parks);
      before = std::move(now);
    }
  });
  for (int i = 0; i < 10; ++i) run_all(*runtime, polls);
  is_over.store(true);
  reader.join();
}

}  // namespace
