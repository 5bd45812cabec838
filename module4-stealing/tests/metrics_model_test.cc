// Every interleaving of a worker that counts and of somebody who reads.
#include "rt/runtime/metrics.h"

#include <cstdint>
#include <string>

#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::Counter;
using testkit::model::check;
using testkit::model::cost_of;
using testkit::model::Costs;
using testkit::model::Outcomes;
using testkit::model::Thread;

// Bug it is here for: a number that goes back, or a count that is lost.
TEST(MetricsModel, WhoReadsTwiceReadsNoLess) {
  Outcomes seen;
  check([&seen] {
    Counter counter;
    Thread worker([&] {
      for (int i = 0; i < 3; ++i) counter.add();
    });
    const std::uint64_t first = counter.value();
    const std::uint64_t second = counter.value();
    MODEL_REQUIRE(first <= second);
    worker.join();
    MODEL_REQUIRE(counter.value() == 3);
    seen.add(std::to_string(first));
  });
  EXPECT_EQ(seen, Outcomes({"0", "1", "2", "3"}));
}

// Bug it is here for: a read-modify-write with each poll, for a number that nobody else writes.
TEST(MetricsModel, ToAddTakesNoReadModifyWrite) {
  check([] {
    Counter counter;
    const Costs costs = cost_of([&] {
      counter.add();
      counter.add(2);
    });
    MODEL_REQUIRE(costs.updates == 0 && costs.locks == 0);
    MODEL_REQUIRE(counter.value() == 3);
  });
}

// Bug it is here for: two workers that count in one place lose each other's counts.
TEST(MetricsModel, EachWorkerCountsForItself) {
  check([] {
    rt::WorkerCounters counters[2];
    const auto work = [](rt::WorkerCounters& mine) {
      mine.polls.add();
      mine.polls.add();
      mine.parks.add();
    };
    Thread other([&] { work(counters[1]); });
    work(counters[0]);
    other.join();
    rt::RuntimeMetrics metrics;
    for (const rt::WorkerCounters& each : counters) {
      metrics.workers.push_back(rt::WorkerMetrics::of(each, 0));
    }
    MODEL_REQUIRE(metrics.total().polls == 4);
    MODEL_REQUIRE(metrics.total().parks == 2);
  });
}

}  // namespace
