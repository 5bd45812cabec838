// What the tests of the executor with priorities share.
#pragma once

#include <cstddef>
#include <memory>
#include <ostream>
#include <string>

#include "executor_parts.h"
#include "rt/runtime/priorities.h"
#include "testkit/testkit.h"

namespace rt {

// How a failure prints them.
inline void PrintTo(TaskMetrics::State state, std::ostream* out) {
  *out << (state == TaskMetrics::kAlive   ? "alive"
           : state == TaskMetrics::kEnded ? "ended"
                                          : "dropped");
}
inline void PrintTo(Priority priority, std::ostream* out) {
  *out << (priority == Priority::kHigh ? "high" : "normal");
}

}  // namespace rt

namespace priorities_parts {

using executor_parts::Probe;
using rt::Priority;
using rt::PriorityExecutor;
using rt::TaskMetrics;

constexpr Priority kHigh = Priority::kHigh;
constexpr Priority kNormal = Priority::kNormal;
constexpr std::size_t kRow = PriorityExecutor::kHighInARow;
constexpr std::size_t kNoLimit = 1'000;

using Metrics = std::shared_ptr<const TaskMetrics>;

// --- What the tests are made of -----------------------------------------------------------------

inline Metrics spawn(PriorityExecutor& executor, Priority priority, Probe& probe) {
  return executor.spawn(priority, probe.future());
}

inline std::size_t run_until_idle(PriorityExecutor& executor) {
  std::size_t polls = 0;
  while (executor.run_one()) ++polls;
  return polls;
}

// Polls `count` times. A test that asks for it has that many polls to make.
inline void run(PriorityExecutor& executor, std::size_t count) {
  for (std::size_t i = 1; i <= count; ++i) {
    ASSERT_TRUE(executor.run_one())
        << "no task was polled in poll " << i << " of " << count << ", though one is ready";
  }
}

// The log of `count` polls of the task h.
inline std::string high(std::size_t count) { return std::string(count, 'h'); }

}  // namespace priorities_parts
