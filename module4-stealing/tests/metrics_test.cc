// The numbers alone: nothing runs here.
#include "rt/runtime/metrics.h"

#include <cstdint>

#include "testkit/testkit.h"

namespace {

using rt::Counter;
using rt::RuntimeMetrics;
using rt::WorkerCounters;
using rt::WorkerMetrics;

// Different numbers everywhere: so that one that stands in for another is seen.
WorkerMetrics numbers(std::uint64_t k) {
  WorkerCounters counters;
  counters.polls.add(100 * k);
  counters.steals.add(20 * k);
  counters.steal_operations.add(7 * k);
  counters.parks.add(5 * k);
  counters.overflows.add(3 * k);
  return WorkerMetrics::of(counters, 2 * k);
}

void expect_equal(const WorkerMetrics& got, const WorkerMetrics& expected) {
  EXPECT_EQ(got.polls, expected.polls);
  EXPECT_EQ(got.steals, expected.steals);
  EXPECT_EQ(got.steal_operations, expected.steal_operations);
  EXPECT_EQ(got.parks, expected.parks);
  EXPECT_EQ(got.overflows, expected.overflows);
  EXPECT_EQ(got.local_depth, expected.local_depth);
}

TEST(Metrics, ACounterCountsFromZero) {
  Counter counter;
  EXPECT_EQ(counter.value(), 0u);
  counter.add();
  counter.add();
  counter.add(40);
  EXPECT_EQ(counter.value(), 42u);
}

// Bug it is here for: a number that is full after some minutes of work.
TEST(Metrics, ACounterDoesNotWrap) {
  Counter counter;
  counter.add(std::uint64_t{1} << 32);
  counter.add();
  EXPECT_EQ(counter.value(), (std::uint64_t{1} << 32) + 1);
}

TEST(Metrics, EachNumberIsItsCounters) {
  const WorkerMetrics got = numbers(1);
  EXPECT_EQ(got.polls, 100u);
  EXPECT_EQ(got.steals, 20u);
  EXPECT_EQ(got.steal_operations, 7u);
  EXPECT_EQ(got.parks, 5u);
  EXPECT_EQ(got.overflows, 3u);
  EXPECT_EQ(got.local_depth, 2u);
}

TEST(Metrics, TheTotalIsOfAllWorkers) {
  RuntimeMetrics metrics;
  expect_equal(metrics.total(), WorkerMetrics());
  metrics.workers = {numbers(1), numbers(10), numbers(4)};
  expect_equal(metrics.total(), numbers(15));
  expect_equal(metrics.workers[1], numbers(10));
}

// Bug it is here for: a depth is subtracted too, and a queue that has become shorter is endless.
TEST(Metrics, WhatWasCountedSinceIsTheDifferenceOfTheCounts) {
  RuntimeMetrics before, now;
  before.workers = {numbers(1), numbers(5)};
  before.inject_depth = 9;
  before.alive = 30;
  now.workers = {numbers(4), numbers(7)};
  now.workers[1].local_depth = 1;
  now.inject_depth = 2;
  now.alive = 12;
  const RuntimeMetrics between = now.since(before);
  ASSERT_EQ(between.workers.size(), 2u);
  WorkerMetrics first = numbers(3), second = numbers(2);
  first.local_depth = 8;
  second.local_depth = 1;
  expect_equal(between.workers[0], first);
  expect_equal(between.workers[1], second);
  EXPECT_EQ(between.inject_depth, 2u);
  EXPECT_EQ(between.alive, 12u);
  expect_equal(now.workers[0], numbers(4));
}

}  // namespace
