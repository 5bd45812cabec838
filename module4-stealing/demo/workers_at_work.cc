// Watch the workers: who polls, who steals, who sleeps, ten times a second.
//
//   workers_at_work [WORKERS]    for six seconds; without WORKERS 2, as many as 80 columns hold
//   workers_at_work --self-test  the same in a tenth of the time
//
// One task spawns all the others, so all of them begin in the queue of one worker, whichever that
// is. The work comes in waves: first much, then a little at a time, then none. What is shown is
// Runtime::metrics(), twice, and the difference: exercise 4.7.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "rt/future/async.h"
#include "rt/platform/clock.h"
#include "rt/runtime/metrics.h"
#include "rt/runtime/runtime.h"
#include "rt/task/spawn.h"
#include "rt/time/sleep.h"

namespace {

using rt::Async;

volatile std::uint64_t sink;  // So that the compiler does not leave the work out.

// About 20 microseconds of work.
Async<> compute() {
  std::uint64_t x = 1;
  for (int i = 0; i < 15'000; ++i) x = x * 6364136223846793005u + 1442695040888963407u;
  sink = x;
  co_return;
}

// A wave of `count` tasks every so often, until the time is over.
Async<> waves(int count, absl::Duration every, rt::Instant until) {
  while (rt::clock::now() < until) {
    for (int i = 0; i < count; ++i) rt::spawn(compute()).detach();
    co_await rt::sleep(every);
  }
}

Async<> day(absl::Duration hour) {
  const rt::Instant dawn = rt::clock::now();
  co_await rt::spawn(waves(2'000, hour / 20, dawn + hour));
  co_await rt::spawn(waves(20, hour / 1'000, dawn + 2 * hour));
  co_await rt::spawn(waves(1, hour / 4, dawn + 3 * hour));
}

void print(const rt::RuntimeMetrics& now, const rt::RuntimeMetrics& before) {
  const rt::RuntimeMetrics row = now.since(before);
  const double all = static_cast<double>(std::max<std::uint64_t>(row.total().polls, 1));
  for (const rt::WorkerMetrics& worker : row.workers) {
    const double share = static_cast<double>(worker.polls) / all;
    const auto bar = static_cast<std::size_t>(10 * share + 0.5);
    absl::PrintF("| %-10s %6d %6d %5d ", std::string(bar, '#'), worker.polls, worker.steals,
                 worker.parks);
  }
  absl::PrintF("| %5d\n", row.alive);
}

}  // namespace

int main(int argc, char** argv) {
  absl::Duration hour = absl::Seconds(2);
  std::size_t workers = 2;
  if (argc == 2 && argv[1] == std::string_view("--self-test")) {
    hour = absl::Milliseconds(200);
  } else if (argc == 2) {
    workers = std::strtoul(argv[1], nullptr, 10);
  } else if (argc > 2) {
    absl::FPrintF(stderr, "usage: workers_at_work [WORKERS]\n");
    return 2;
  }
  auto runtime = rt::Runtime::Builder().worker_threads(workers).build();
  if (!runtime.ok()) {
    absl::FPrintF(stderr, "%s\n", std::string(runtime.status().message()));
    return 2;
  }
  absl::PrintF(
      "Of each worker: its share of the polls, polls, stolen tasks, sleeps. Then tasks.\n");
  for (std::size_t i = 0; i < workers; ++i) {
    absl::PrintF("| worker %-3d %6s %6s %5s ", i, "polls", "stolen", "slept");
  }
  absl::PrintF("| alive\n");
  (*runtime)->spawn_detached(day(hour));
  rt::RuntimeMetrics before = (*runtime)->metrics();
  for (int row = 0; row < 60; ++row) {
    std::this_thread::sleep_for(absl::ToChronoMicroseconds(hour / 20));
    rt::RuntimeMetrics now = (*runtime)->metrics();
    print(now, before);
    before = std::move(now);
  }
  return 0;
}
