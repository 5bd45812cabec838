// Module 3's pool beside module 4's runtime: the same work on the same number of workers.
//
//   pool_against_stealing               about ten seconds
//   pool_against_stealing --svg FILE    draws a chart of it too, with gnuplot
//   pool_against_stealing --quick       a tenth of it; --self-test does the same
//
// Each row is one kind of work. In all of them a task does next to nothing, so that what is seen is
// what it costs to hand tasks around:
//
//   yield      32 tasks, each of which gives way again and again
//   chain      a task spawns the next, and ends; one after the other
//   fork       one task spawns all the others, and joins them
//   tree       each task spawns two, down to the leaves, and joins them
//   outside    a thread that is no worker spawns all of them
//   compute    32 tasks that compute for 20 microseconds a poll, and give way
//
// This file is a measurement and not a test: it looks at the clock, and no exercise depends on it.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "demo/experiment.h"
#include "rt/future/async.h"
#include "rt/future/future.h"
#include "rt/future/manual_event.h"
#include "rt/runtime/io_pool.h"
#include "rt/runtime/runtime.h"
#include "rt/task/spawn.h"

namespace {

using Clock = std::chrono::steady_clock;
using rt::Async;
using rt::JoinHandle;

constexpr int kTasks = 32;

// --- The work ------------------------------------------------------------------------------------

// Gives way `times` times, and computes for so many rounds each time.
auto yields(std::uint64_t times, std::uint64_t rounds) {
  return rt::poll_fn([times, rounds](rt::Context& cx) mutable -> rt::Poll<void> {
    if (rounds > 0) demo::sink.store(demo::compute(rounds), std::memory_order_relaxed);
    if (times-- == 0) return rt::kReady;
    cx.waker().wake_by_ref();
    return rt::kPending;
  });
}

Async<> yielders(std::uint64_t polls, std::uint64_t rounds) {
  std::vector<JoinHandle<void>> tasks;
  for (int i = 0; i < kTasks; ++i) tasks.push_back(rt::spawn(yields(polls / kTasks, rounds)));
  for (JoinHandle<void>& task : tasks) co_await std::move(task);
}

Async<> chain_link(std::uint64_t left, rt::ManualEvent& done) {
  if (left == 0) {
    done.set();
  } else {
    rt::spawn(chain_link(left - 1, done)).detach();
  }
  co_return;
}
Async<> chain(std::uint64_t length) {
  rt::ManualEvent done;
  rt::spawn(chain_link(length, done)).detach();
  co_await done.wait();
}

Async<> nothing() { co_return; }
Async<> fork_join(std::uint64_t count) {
  std::vector<JoinHandle<void>> tasks;
  tasks.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) tasks.push_back(rt::spawn(nothing()));
  for (JoinHandle<void>& task : tasks) co_await std::move(task);
}

Async<> tree(std::uint64_t leaves) {
  if (leaves <= 1) co_return;
  JoinHandle<void> left = rt::spawn(tree(leaves / 2));
  JoinHandle<void> right = rt::spawn(tree(leaves - leaves / 2));
  co_await std::move(left);
  co_await std::move(right);
}

// --- One measurement -----------------------------------------------------------------------------

struct Work {
  const char* name;
  std::uint64_t tasks;  // Or polls: how many there are for each unit that is shown.
  double rounds_us = 0;
};
constexpr std::array<Work, 6> kWorks = {{
    {"yield", 1'000'000},
    {"chain", 500'000},
    {"fork", 300'000},
    {"tree", 100'000},
    {"outside", 150'000},
    {"compute", 20'000, 20},
}};

// Of a task or poll, in ns.
template <class Pool>
double measure(const Work& work, std::size_t workers, std::uint64_t count, double rounds_per_us) {
  absl::StatusOr<std::unique_ptr<Pool>> made = Pool::create(workers);
  if (!made.ok()) std::exit(1);
  Pool& pool = **made;
  const std::string_view name = work.name;
  const Clock::time_point start = Clock::now();
  if (name == "yield" || name == "compute") {
    const auto rounds = static_cast<std::uint64_t>(work.rounds_us * rounds_per_us);
    pool.block_on(pool.spawn(yielders(count, rounds)));
  } else if (name == "chain") {
    pool.block_on(pool.spawn(chain(count)));
  } else if (name == "fork") {
    pool.block_on(pool.spawn(fork_join(count)));
  } else if (name == "tree") {
    pool.block_on(pool.spawn(tree(count)));
  } else {
    std::vector<JoinHandle<void>> tasks;
    tasks.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) tasks.push_back(pool.spawn(nothing()));
    for (JoinHandle<void>& task : tasks) pool.block_on(std::move(task));
  }
  const std::chrono::duration<double, std::nano> took = Clock::now() - start;
  return took.count() / static_cast<double>(count);
}

struct Row {
  const char* work = "";
  std::size_t workers = 0;
  double shared = 0, stealing = 0;  // ns each: medians.
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// The two take turns, so that whatever else the machine does is shared fairly.
Row compare(const Work& work, std::size_t workers, bool quick, double rounds_per_us) {
  const std::uint64_t count = quick ? work.tasks / 20 : work.tasks;
  std::vector<double> shared, stealing;
  for (int round = 0; round < (quick ? 1 : 3); ++round) {
    shared.push_back(measure<rt::IoPool>(work, workers, count, rounds_per_us));
    stealing.push_back(measure<rt::Runtime>(work, workers, count, rounds_per_us));
  }
  Row row;
  row.work = work.name;
  row.workers = workers;
  row.shared = median(std::move(shared));
  row.stealing = median(std::move(stealing));
  return row;
}

// --- Showing -------------------------------------------------------------------------------------

void print_table(const std::vector<Row>& rows) {
  absl::PrintF("%-10s %8s %16s %16s %10s\n", "work", "workers", "one queue, ns", "stealing, ns",
               "ratio");
  for (const Row& row : rows) {
    absl::PrintF("%-10s %8d %16.0f %16.0f %10.2f\n", row.work, row.workers, row.shared,
                 row.stealing, row.stealing / row.shared);
  }
  absl::PrintF(
      "\nns: of the clock on the wall, for each task or poll. ratio: stealing, of one\n"
      "queue; below 1 stealing is faster.\n\n");
}

void print_chart(const std::vector<Row>& rows) {
  absl::PrintF("10 columns are what one queue takes\n");
  for (const Row& row : rows) {
    const double ratio = row.stealing / row.shared;
    const auto bar = static_cast<std::size_t>(std::clamp(ratio * 10, 0.0, 60.0) + 0.5);
    absl::PrintF("%-10s %2d |%s\n", row.work, row.workers, std::string(bar, '#'));
  }
}

bool draw(const std::vector<Row>& rows, const std::string& file) {
  return demo::draw_svg(file, "760,440", [&](std::FILE* plot) {
    std::fprintf(plot,
                 "set title 'What a task costs, against one queue for all'\n"
                 "set ylabel 'stealing / one queue'\nset style data histograms\n"
                 "set style fill pattern border -1\nset boxwidth 0.9\nset yrange [0:]\nset grid y\n"
                 "set key outside title 'workers'\nplot 1 notitle with lines dashtype 2");
    std::vector<std::size_t> columns;
    for (const Row& row : rows) {
      if (row.work == std::string_view(rows[0].work)) columns.push_back(row.workers);
    }
    for (const std::size_t workers : columns) {
      std::fprintf(plot, ", '-' using 2:xtic(1) title '%zu'", workers);
    }
    std::fprintf(plot, "\n");
    for (const std::size_t workers : columns) {
      for (const Row& row : rows) {
        if (row.workers == workers)
          std::fprintf(plot, "%s %g\n", row.work, row.stealing / row.shared);
      }
      std::fprintf(plot, "e\n");
    }
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<demo::ExperimentOptions> options =
      demo::experiment_options(argc, argv, "pool_against_stealing");
  if (!options.has_value()) return 2;
  const std::size_t cores = std::max(std::thread::hardware_concurrency(), 1u);
  absl::PrintF(
      "One queue for all (module 3) beside a queue for each worker (module 4), %d cores.\n\n",
      cores);
  const double rounds_per_us = demo::rounds_per_microsecond();
  std::vector<Row> rows;
  for (const Work& work : kWorks) {
    for (const std::size_t workers : {std::size_t{1}, std::size_t{2}, std::size_t{4}}) {
      rows.push_back(compare(work, workers, options->quick, rounds_per_us));
    }
  }
  print_table(rows);
  print_chart(rows);
#ifndef __OPTIMIZE__
  absl::PrintF("\nCompiled without optimization: the figures say little.\n");
#endif
  return options->svg.empty() || draw(rows, options->svg) ? 0 : 1;
}
