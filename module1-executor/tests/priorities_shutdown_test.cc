// What tasks have cost, and how the executor shuts down.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "executor_parts.h"
#include "priorities_parts.h"
#include "rt/runtime/priorities.h"
#include "testkit/testkit.h"

namespace {

using executor_parts::FakePark;
using executor_parts::Probe;
using priorities_parts::high;
using priorities_parts::kHigh;
using priorities_parts::kNoLimit;
using priorities_parts::kNormal;
using priorities_parts::kRow;
using priorities_parts::Metrics;
using priorities_parts::run;
using priorities_parts::run_until_idle;
using priorities_parts::spawn;
using rt::Context;
using rt::PriorityExecutor;
using rt::ShutdownReport;
using rt::TaskMetrics;
using testkit::PausedClock;
using testkit::step;

// --- What a task has cost -----------------------------------------------------------------------

TEST(PriorityMetrics, OfANewTask) {
  PriorityExecutor executor;
  Probe h("h"), n("n");
  const Metrics of_h = spawn(executor, kHigh, h);
  const Metrics of_n = spawn(executor, kNormal, n);
  ASSERT_NE(of_h, nullptr);
  ASSERT_NE(of_n, nullptr);
  EXPECT_EQ(of_h->priority, kHigh);
  EXPECT_EQ(of_n->priority, kNormal);
  EXPECT_EQ(of_h->state, TaskMetrics::kAlive);
  EXPECT_EQ(of_h->polls, 0U);
  EXPECT_EQ(of_h->ran, absl::ZeroDuration());
}

// Bug it is here for: the account of one task kept for all, or of one priority.
TEST(PriorityMetrics, CountThePollsOfEachTask) {
  PriorityExecutor executor;
  Probe a("a"), b("b"), c("c");
  const Metrics of_a = spawn(executor, kHigh, a);
  const Metrics of_b = spawn(executor, kHigh, b);
  const Metrics of_c = spawn(executor, kNormal, c);
  ASSERT_TRUE(of_a != nullptr && of_b != nullptr && of_c != nullptr);
  run_until_idle(executor);
  b.wake();
  c.wake();
  run_until_idle(executor);
  c.wake();
  c.wake();
  run_until_idle(executor);
  EXPECT_EQ(of_a->polls, 1U);
  EXPECT_EQ(of_b->polls, 2U);
  EXPECT_EQ(of_c->polls, 3U);
}

// Bugs it is here for: the time of the newest poll in place of all; the time since the spawn.
TEST(PriorityMetrics, TimeIsThatInsideOfPolls) {
  PausedClock clock;
  PriorityExecutor executor;
  Probe a("a"), b("b");
  a.on_poll([&](Context&) { clock.advance(absl::Milliseconds(a.polls() == 1 ? 7 : 20)); });
  b.on_poll([&](Context&) { clock.advance(absl::Microseconds(300)); });
  const Metrics of_a = spawn(executor, kNormal, a);
  const Metrics of_b = spawn(executor, kHigh, b);
  ASSERT_TRUE(of_a != nullptr && of_b != nullptr);
  clock.advance(absl::Seconds(5));
  run_until_idle(executor);
  EXPECT_EQ(of_a->ran, absl::Milliseconds(7));
  EXPECT_EQ(of_b->ran, absl::Microseconds(300));

  clock.advance(absl::Seconds(5));
  a.wake();
  run_until_idle(executor);
  clock.advance(absl::Seconds(5));
  EXPECT_EQ(of_a->ran, absl::Milliseconds(27)) << "its two polls took 7 ms and 20 ms";
  EXPECT_EQ(of_b->ran, absl::Microseconds(300)) << "it was not polled again";
}

// Bug it is here for: a poll that is counted when it is over. The task itself, and who looks at it
// from inside its poll, see one too few.
TEST(PriorityMetrics, APollIsCountedWhenItBegins) {
  PriorityExecutor executor;
  Probe a("a");
  Metrics metrics;
  std::vector<std::uint64_t> seen;
  a.on_poll([&](Context&) { seen.push_back(metrics->polls); });
  metrics = spawn(executor, kNormal, a);
  ASSERT_NE(metrics, nullptr);
  run_until_idle(executor);
  a.wake();
  run_until_idle(executor);
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{1, 2}));
}

// Bug it is here for: the destruction of the future counted as time inside its last poll.
TEST(PriorityMetrics, TheDestructionOfAFutureIsNoPoll) {
  PausedClock clock;
  PriorityExecutor executor;
  Probe ends("ends"), throws("throws");
  for (Probe* probe : {&ends, &throws}) {
    probe->on_destroy([&] { clock.advance(absl::Seconds(1)); });
  }
  ends.on_poll([&](Context&) { clock.advance(absl::Milliseconds(3)); });
  ends.finish_at_next_poll();
  throws.on_poll([&](Context&) {
    clock.advance(absl::Milliseconds(4));
    throw std::runtime_error("thrown by a task");
  });
  const Metrics of_ends = spawn(executor, kNormal, ends);
  ASSERT_NE(of_ends, nullptr);
  run_until_idle(executor);
  EXPECT_EQ(of_ends->ran, absl::Milliseconds(3));
  const Metrics of_throws = spawn(executor, kNormal, throws);
  ASSERT_NE(of_throws, nullptr);
  EXPECT_THROW(executor.run_one(), std::runtime_error);
  EXPECT_EQ(of_throws->ran, absl::Milliseconds(4));
}

// Bug it is here for: the time of the poll that is under way, which is not over, counted; or the
// state of a task changed while it still runs.
TEST(PriorityMetrics, DuringAPollTheTaskIsAliveAndItsTimeIsThatOfThePollsBefore) {
  PausedClock clock;
  PriorityExecutor executor;
  Probe a("a");
  Metrics metrics;
  a.on_poll([&](Context&) {
    clock.advance(absl::Milliseconds(2));
    EXPECT_EQ(metrics->ran, absl::Milliseconds(2 * (a.polls() - 1)));
    EXPECT_EQ(metrics->state, TaskMetrics::kAlive);
    if (a.polls() == 2) a.finish_at_next_poll();
  });
  metrics = spawn(executor, kNormal, a);
  ASSERT_NE(metrics, nullptr);
  run_until_idle(executor);
  a.wake();
  run_until_idle(executor);
  EXPECT_EQ(metrics->state, TaskMetrics::kEnded);
}

// Bug it is here for: an account that is written only when the poll was pending.
TEST(PriorityMetrics, TheLastPollCountsToo) {
  PausedClock clock;
  PriorityExecutor executor;
  Probe a("a");
  a.on_poll([&](Context&) { clock.advance(absl::Milliseconds(3)); });
  const Metrics metrics = spawn(executor, kNormal, a);
  ASSERT_NE(metrics, nullptr);
  executor.run_one();
  a.finish_at_next_poll();
  a.wake();
  executor.run_one();
  EXPECT_EQ(metrics->state, TaskMetrics::kEnded);
  EXPECT_EQ(metrics->polls, 2U);
  EXPECT_EQ(metrics->ran, absl::Milliseconds(6));
}

// Bug it is here for: an account that is written behind the poll, where a throw does not pass.
TEST(PriorityMetrics, APollThatThrowsCountsToo) {
  PausedClock clock;
  PriorityExecutor executor;
  Probe a("a");
  a.on_poll([&](Context&) {
    clock.advance(absl::Milliseconds(4));
    throw std::runtime_error("thrown by a task");
  });
  const Metrics metrics = spawn(executor, kHigh, a);
  ASSERT_NE(metrics, nullptr);
  EXPECT_THROW(executor.run_one(), std::runtime_error);
  EXPECT_EQ(metrics->polls, 1U);
  EXPECT_EQ(metrics->ran, absl::Milliseconds(4));
}

// Bug it is here for: a task that is told apart only when it has left, so that its own destructor
// finds it alive.
TEST(PriorityMetrics, SayHowTheTaskWentBeforeItsFutureIsDestroyed) {
  std::optional<TaskMetrics::State> seen_by_ended, seen_by_dropped;
  std::size_t alive_at_end = 99;
  Probe ended("ended"), dropped("dropped");
  Metrics of_ended, of_dropped;
  {
    PriorityExecutor executor;
    ended.finish_at_next_poll();
    of_ended = spawn(executor, kHigh, ended);
    of_dropped = spawn(executor, kNormal, dropped);
    ASSERT_TRUE(of_ended != nullptr && of_dropped != nullptr);
    ended.on_destroy([&] {
      seen_by_ended = of_ended->state;
      alive_at_end = executor.alive();
    });
    dropped.on_destroy([&] { seen_by_dropped = of_dropped->state; });
    run_until_idle(executor);
    EXPECT_EQ(of_dropped->state, TaskMetrics::kAlive);
    step("the executor is destroyed");
  }
  EXPECT_EQ(seen_by_ended, TaskMetrics::kEnded);
  EXPECT_EQ(alive_at_end, 1U) << "the task that has ended is not alive, the other is";
  EXPECT_EQ(seen_by_dropped, TaskMetrics::kDropped);
  EXPECT_EQ(of_ended->state, TaskMetrics::kEnded) << "the metrics outlive the executor";
  EXPECT_EQ(of_dropped->state, TaskMetrics::kDropped);
  EXPECT_EQ(of_dropped->polls, 1U);
}

// --- Shutdown -----------------------------------------------------------------------------------

TEST(PriorityShutdown, WithoutATaskReportsNothing) {
  PriorityExecutor executor;
  const ShutdownReport report = executor.shutdown(kNoLimit);
  EXPECT_EQ(report.ended, 0U);
  EXPECT_EQ(report.dropped, 0U);
  EXPECT_EQ(report.thrown.size(), 0u);
}

TEST(PriorityShutdown, LetsTasksEndAndDropsThoseThatWait) {
  const auto park = std::make_shared<FakePark>();
  PriorityExecutor executor(park);
  std::string log;
  Probe h("h", &log), n("n", &log), w("w", &log), before("b", &log);
  h.on_poll([&](Context& cx) {
    if (h.polls() == 3) h.finish_at_next_poll();
    cx.waker().wake_by_ref();
  });
  n.finish_at_next_poll();
  before.finish_at_next_poll();
  spawn(executor, kNormal, before);
  run_until_idle(executor);
  const Metrics of_h = spawn(executor, kHigh, h);
  const Metrics of_n = spawn(executor, kNormal, n);
  const Metrics of_w = spawn(executor, kNormal, w);
  ASSERT_TRUE(of_h != nullptr && of_n != nullptr && of_w != nullptr);

  const ShutdownReport report = executor.shutdown(kNoLimit);
  EXPECT_EQ(log, "bhhhnw");
  EXPECT_EQ(report.ended, 2U) << "h and n; b had ended before";
  EXPECT_EQ(report.dropped, 1U) << "w waits for a wake";
  EXPECT_EQ(of_h->state, TaskMetrics::kEnded);
  EXPECT_EQ(of_n->state, TaskMetrics::kEnded);
  EXPECT_EQ(of_w->state, TaskMetrics::kDropped);
  EXPECT_EQ(w.live(), 0) << "the future of the dropped task is still there";
  EXPECT_EQ(executor.alive(), 0U);
  EXPECT_EQ(park->parks(), 0) << "shutdown() does not sleep";
}

// Bug it is here for: the row forgotten in shutdown().
TEST(PriorityShutdown, KeepsTheTurns) {
  PriorityExecutor executor;
  std::string log;
  Probe h("h", &log), n("n", &log);
  h.wake_itself_in_each_poll();
  n.finish_at_next_poll();
  spawn(executor, kHigh, h);
  spawn(executor, kNormal, n);
  run(executor, 1);
  const ShutdownReport report = executor.shutdown(kRow + 1);
  EXPECT_EQ(log, high(kRow) + "nh");
  EXPECT_EQ(report.ended, 1U);
  EXPECT_EQ(report.dropped, 1U);
}

// Bug it is here for: a task that never ends, and a shutdown that never ends with it.
TEST(PriorityShutdown, EndsAtTheLimit) {
  PriorityExecutor executor;
  Probe greedy("greedy");
  greedy.wake_itself_in_each_poll();
  spawn(executor, kHigh, greedy);
  const ShutdownReport report = executor.shutdown(10);
  EXPECT_EQ(greedy.polls(), 10);
  EXPECT_EQ(greedy.live(), 0);
  EXPECT_EQ(report.ended, 0U);
  EXPECT_EQ(report.dropped, 1U);
}

// Bug it is here for: a limit that is one off, on either side.
TEST(PriorityShutdown, ATaskMayEndInTheLastPollOfTheLimit) {
  PriorityExecutor executor;
  Probe just("just"), late("late");
  just.on_poll([&](Context& cx) {
    if (just.polls() == 2) just.finish_at_next_poll();
    cx.waker().wake_by_ref();
  });
  late.on_poll([&](Context& cx) {
    if (late.polls() == 2) late.finish_at_next_poll();
    cx.waker().wake_by_ref();
  });
  spawn(executor, kNormal, just);
  spawn(executor, kNormal, late);
  const ShutdownReport report = executor.shutdown(3);
  EXPECT_EQ(just.polls(), 2);
  EXPECT_EQ(late.polls(), 1);
  EXPECT_EQ(report.ended, 1U);
  EXPECT_EQ(report.dropped, 1U);
}

TEST(PriorityShutdown, AtLimitZeroDropsAll) {
  PriorityExecutor executor;
  Probe h("h"), n("n");
  spawn(executor, kHigh, h);
  spawn(executor, kNormal, n);
  const ShutdownReport report = executor.shutdown(0);
  EXPECT_EQ(h.polls() + n.polls(), 0);
  EXPECT_EQ(report.ended, 0U);
  EXPECT_EQ(report.dropped, 2U);
  EXPECT_EQ(h.live() + n.live(), 0);
}

// Bug it is here for: tasks that spawn tasks, and a shutdown that never gets to the last one.
TEST(PriorityShutdown, TakesNoNewTasks) {
  PriorityExecutor executor;
  Probe parent("parent"), child("child"), late("late");
  parent.finish_at_next_poll();
  parent.on_poll([&](Context&) {
    EXPECT_EQ(spawn(executor, kHigh, child), nullptr) << "spawned by a task during shutdown()";
    EXPECT_EQ(child.live(), 0) << "the future that was refused is still there";
  });
  spawn(executor, kNormal, parent);
  const ShutdownReport report = executor.shutdown(kNoLimit);
  EXPECT_EQ(report.ended, 1U);
  EXPECT_EQ(report.dropped, 0U) << "a task that was refused was never there";
  step("spawn after shutdown()");
  EXPECT_EQ(spawn(executor, kHigh, late), nullptr);
  EXPECT_EQ(spawn(executor, kNormal, late), nullptr);
  EXPECT_EQ(late.live(), 0);
  EXPECT_EQ(executor.alive(), 0U);
  EXPECT_FALSE(executor.run_one());
  EXPECT_EQ(parent.polls(), 1);
  EXPECT_EQ(child.polls() + late.polls(), 0);
}

// Bug it is here for: a report that counts wakes, or tasks of one queue only.
TEST(PriorityShutdown, ATaskMayWakeAnotherThatWaits) {
  PriorityExecutor executor;
  std::string log;
  Probe h("h", &log), n("n", &log);
  spawn(executor, kHigh, h);
  run_until_idle(executor);
  h.finish_at_next_poll();
  n.finish_at_next_poll();
  n.on_poll([&](Context&) { h.wake(); });
  spawn(executor, kNormal, n);
  const ShutdownReport report = executor.shutdown(kNoLimit);
  EXPECT_EQ(log, "hnh");
  EXPECT_EQ(report.ended, 2U);
  EXPECT_EQ(report.dropped, 0U);
}

// Bug it is here for: an exception that ends the shutdown, and leaves the rest where it is.
TEST(PriorityShutdown, WhatTasksThrowIsInTheReport) {
  PriorityExecutor executor;
  Probe a("a"), b("b"), good("good"), waits("waits");
  a.on_poll([](Context&) { throw std::runtime_error("thrown by a"); });
  b.on_poll([](Context&) { throw std::runtime_error("thrown by b"); });
  good.finish_at_next_poll();
  spawn(executor, kNormal, b);
  spawn(executor, kHigh, a);
  spawn(executor, kNormal, good);
  spawn(executor, kNormal, waits);
  std::optional<ShutdownReport> report;
  EXPECT_NO_THROW(report = executor.shutdown(kNoLimit));
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->ended, 3U) << "a task that throws has ended";
  EXPECT_EQ(report->dropped, 1U);
  std::vector<std::string> thrown;
  for (const std::exception_ptr& error : report->thrown) {
    try {
      std::rethrow_exception(error);
    } catch (const std::runtime_error& e) {
      thrown.emplace_back(e.what());
    }
  }
  EXPECT_EQ(thrown, (std::vector<std::string>{"thrown by a", "thrown by b"}));
  EXPECT_EQ(executor.alive(), 0U);
}

// Bug it is here for: a poll that throws and is not counted. The limit is then no limit.
TEST(PriorityShutdown, APollThatThrowsCountsTowardsTheLimit) {
  PriorityExecutor executor;
  Probe a("a"), b("b");
  for (Probe* bad : {&a, &b}) {
    bad->on_poll([](Context&) { throw std::runtime_error("thrown by a task"); });
    spawn(executor, kHigh, *bad);
  }
  const ShutdownReport report = executor.shutdown(1);
  EXPECT_EQ(a.polls(), 1);
  EXPECT_EQ(b.polls(), 0);
  EXPECT_EQ(report.ended, 1U);
  EXPECT_EQ(report.dropped, 1U);
}

TEST(PriorityShutdown, ASecondOneFindsNothing) {
  PriorityExecutor executor;
  Probe a("a"), b("b");
  a.finish_at_next_poll();
  spawn(executor, kHigh, a);
  spawn(executor, kNormal, b);
  executor.shutdown(kNoLimit);
  const ShutdownReport report = executor.shutdown(kNoLimit);
  EXPECT_EQ(report.ended, 0U);
  EXPECT_EQ(report.dropped, 0U);
  executor.run();
  EXPECT_EQ(a.polls() + b.polls(), 2);
}

// Bugs it is here for: a task that is spawned into an executor that is being taken down; a wake
// that brings back a task that was dropped.
TEST(PriorityShutdown, ATaskThatIsDroppedMayWakeSpawnAndAsk) {
  PriorityExecutor executor;
  std::string log;
  Probe h("h", &log), n("n", &log), late("l", &log);
  Metrics of_late;
  std::vector<std::size_t> alive;
  h.on_destroy([&] {
    h.wake();
    n.wake();
    of_late = spawn(executor, kNormal, late);
    alive.push_back(executor.alive());
  });
  n.on_destroy([&] {
    h.wake();
    n.wake();
    alive.push_back(executor.alive());
  });
  spawn(executor, kNormal, n);
  spawn(executor, kHigh, h);
  const ShutdownReport report = executor.shutdown(kNoLimit);
  EXPECT_EQ(log, "hn") << "nothing is polled once tasks are dropped";
  EXPECT_EQ(alive, (std::vector<std::size_t>{1, 0})) << "h goes first, then n";
  EXPECT_EQ(report.dropped, 2U);
  EXPECT_EQ(of_late, nullptr);
  EXPECT_EQ(h.live() + n.live() + late.live(), 0);
}

}  // namespace
