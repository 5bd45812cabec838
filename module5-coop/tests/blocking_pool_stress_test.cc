// Real threads, for ThreadSanitizer: jobs from everywhere at once, threads that leave all the time,
// and ends. It counts, and never measures a time. A job that is stranded is a hang.
#include <atomic>
#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "rt/platform/clock.h"
#include "rt/runtime/block_on.h"
#include "rt/runtime/blocking_pool.h"
#include "rt/task/spawn.h"
#include "testkit/testkit.h"

namespace {

using rt::BlockingOptions;
using rt::BlockingPool;
using rt::Instant;
using testkit::LifeCounter;

using Job = absl::AnyInvocable<int()>;

constexpr int kSpawners = 3;

void end(BlockingPool* pool) {
  pool->close();
  EXPECT_TRUE(pool->wait_for_the_end(Instant::infinite_future()));
  pool->leave();
}

// Bugs it is here for: a job that is run twice, or never; more threads than there may be.
TEST(BlockingPoolStress, EachJobIsRunOnceByAFewThreads) {
  constexpr int kJobs = 2'000;
  for (std::size_t max_threads = 1; max_threads <= 3; ++max_threads) {
    BlockingOptions options;
    options.max_threads = max_threads;
    auto* const pool = new BlockingPool(std::move(options));
    std::atomic<int> running{0}, most{0}, runs{0};
    std::vector<std::thread> spawners;
    for (int i = 0; i < kSpawners; ++i) {
      spawners.emplace_back([&] {
        for (int j = 0; j < kJobs; ++j) {
          auto handle = pool->spawn(Job([&, j] {
            int now = running.fetch_add(1) + 1;
            int before = most.load();
            while (before < now && !most.compare_exchange_weak(before, now)) {
            }
            runs.fetch_add(1);
            running.fetch_sub(1);
            return j;
          }));
          if (j % 4 != 0) continue;  // The others are not joined.
          EXPECT_EQ(rt::block_on(std::move(handle)), j);
        }
      });
    }
    for (std::thread& spawner : spawners) spawner.join();
    while (runs.load() < kSpawners * kJobs) std::this_thread::yield();
    EXPECT_EQ(runs.load(), kSpawners * kJobs);
    EXPECT_LE(most.load(), static_cast<int>(max_threads));
    end(pool);
  }
}

// Bugs it is here for: a job that counts on a thread which is leaving; a thread that is never
// joined, or joined twice.
TEST(BlockingPoolStress, ThreadsThatLeaveAtOnceStrandNoJob) {
  constexpr int kJobs = 500;
  BlockingOptions options;
  options.max_threads = 2;
  options.keep_alive = absl::Nanoseconds(1);
  auto* const pool = new BlockingPool(std::move(options));
  std::vector<std::thread> spawners;
  for (int i = 0; i < kSpawners; ++i) {
    spawners.emplace_back([pool] {
      for (int j = 0; j < kJobs; ++j) {
        EXPECT_EQ(rt::block_on(pool->spawn(Job([j] { return j; }))), j);
      }
    });
  }
  for (std::thread& spawner : spawners) spawner.join();
  end(pool);
}

// Bugs it is here for: a job that comes with the end is stranded, or its function leaks.
TEST(BlockingPoolStress, EndsWhileJobsCome) {
  constexpr int kRounds = 100;
  LifeCounter life;
  for (int round = 0; round < kRounds; ++round) {
    auto* const pool = new BlockingPool();
    std::vector<std::thread> spawners;
    std::atomic<int> fates{0};
    for (int i = 0; i < kSpawners; ++i) {
      spawners.emplace_back([&, token = life.token()] {
        for (int j = 0; j < 10; ++j) {
          auto handle = pool->spawn(Job([token, j] { return j; }));
          if (j % 3 == 0) handle.abort();
          try {
            rt::block_on(std::move(handle));
          } catch (const rt::Cancelled&) {
          }
          fates.fetch_add(1);
        }
      });
    }
    if (round % 2 == 0) std::this_thread::yield();
    pool->close();
    for (std::thread& spawner : spawners) spawner.join();
    spawners.clear();
    EXPECT_EQ(fates.load(), kSpawners * 10);
    end(pool);
    ASSERT_EQ(life.live(), 0) << "round " << round;
  }
  EXPECT_EQ(life.destroyed_twice(), 0);
}

}  // namespace
