// What one queue costs: polls a second, against the number of workers and the length of a poll.
//
//   shared_queue_cost               about ten seconds
//   shared_queue_cost --svg FILE    draws a chart of it too, with gnuplot
//   shared_queue_cost --quick       a tenth of it; --self-test does the same
//
// 32 tasks compute for a moment, wake themselves, and end their poll: so each poll is one visit to
// the queue to put the task there, and one to take it. All of them together do the same number of
// polls, whoever runs them.
//
// This file is a measurement and not a test: it looks at the clock, and no exercise depends on it.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "demo/experiment.h"
#include "rt/future/future.h"
#include "rt/future/manual_event.h"
#include "rt/platform/parker.h"
#include "rt/runtime/shared_pool.h"
#include "rt/runtime/worker_parks.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTasks = 32;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// --- One measurement -----------------------------------------------------------------------------

// Parkers that count how often a worker sleeps because it has nothing to do.
class CountingParks final : public rt::WorkerParks {
 public:
  explicit CountingParks(std::size_t workers) : parks_(workers) {}
  rt::Park& of(std::size_t worker) override { return parks_[worker]; }
  long sleeps() const {
    long all = 0;
    for (const CountingPark& park : parks_) all += park.sleeps.load();
    return all;
  }

 private:
  struct CountingPark final : rt::Park {
    void park() override {
      sleeps.fetch_add(1);
      parker.park();
    }
    void unpark() override { parker.unpark(); }
    rt::Parker parker;
    std::atomic<long> sleeps{0};
  };
  std::deque<CountingPark> parks_;
};

// How often a thread of this process has let go of its core of its own will.
long switches() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw;
}

struct Measured {
  double length = 0;  // Of a poll, in microseconds.
  int workers = 0;
  double polls_per_second = 0;
  double lost = 0;         // Share of the workers' time, on the cores that there are.
  double lock_sleeps = 0;  // For 1,000 polls.
};

Measured measure(double length, int workers, double rounds_per_us, double seconds) {
  const auto rounds = static_cast<std::uint64_t>(std::max(1.0, length * rounds_per_us));
  const int polls_each = std::clamp(static_cast<int>(seconds * 1e6 / length / kTasks), 4, 12'000);

  auto owned = std::make_unique<CountingParks>(static_cast<std::size_t>(workers));
  const CountingParks& parks = *owned;
  rt::SharedPool pool(static_cast<std::size_t>(workers), std::move(owned));
  rt::ManualEvent done;
  std::atomic<int> left{kTasks};
  const long switches_before = switches();
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < kTasks; ++i) {
    pool.spawn_detached(
        rt::poll_fn([&, polls = polls_each](rt::Context& cx) mutable -> rt::Poll<void> {
          const std::uint64_t result = demo::compute(rounds);
          if (result == 1) demo::sink.store(result, std::memory_order_relaxed);  // It never is.
          if (--polls > 0) {
            cx.waker().wake_by_ref();
            return rt::kPending;
          }
          if (left.fetch_sub(1) == 1) done.set();
          return rt::kReady;
        }));
  }
  pool.block_on(done.wait());
  const double elapsed = seconds_since(start);

  const double polls = static_cast<double>(polls_each) * kTasks;
  const int cores = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1u));
  const double work = polls * static_cast<double>(rounds) / rounds_per_us / 1e6;
  Measured measured;
  measured.length = length;
  measured.workers = workers;
  measured.polls_per_second = polls / elapsed;
  measured.lost = std::max(0.0, 1 - work / (elapsed * std::min(workers, cores)));
  const long sleeps = switches() - switches_before - parks.sleeps();
  measured.lock_sleeps = std::max(0.0, static_cast<double>(sleeps) * 1000 / polls);
  return measured;
}

// The median of three, by polls a second.
Measured median(double length, int workers, double rounds_per_us, double seconds) {
  std::vector<Measured> all;
  for (int i = 0; i < 3; ++i) all.push_back(measure(length, workers, rounds_per_us, seconds));
  std::sort(all.begin(), all.end(), [](const Measured& a, const Measured& b) {
    return a.polls_per_second < b.polls_per_second;
  });
  return all[1];
}

// --- Showing -------------------------------------------------------------------------------------

std::string per_second(double polls) {
  if (polls < 1e6) return absl::StrFormat("%.0f k", polls / 1e3);
  return absl::StrFormat("%.2f M", polls / 1e6);
}

void print_table(const std::vector<Measured>& all) {
  absl::PrintF("%8s %8s %10s %8s %12s %14s\n", "a poll", "workers", "polls/s", "gain", "time lost",
               "lock sleeps");
  double one = 1;
  for (const Measured& m : all) {
    if (m.workers == 1) one = m.polls_per_second;
    absl::PrintF("%5g us %8d %10s %7.2fx %10.0f %% %14.1f\n", m.length, m.workers,
                 per_second(m.polls_per_second), m.polls_per_second / one, m.lost * 100,
                 m.lock_sleeps);
  }
  absl::PrintF(
      "\ngain: polls a second, against one worker. time lost: of the workers' time, on\n"
      "the cores there are, what was not spent in the polls' own work. lock sleeps:\n"
      "for 1,000 polls, how often a worker slept in the kernel until it got the lock.\n\n");
}

void print_chart(const std::vector<Measured>& all) {
  absl::PrintF("gain: 10 columns are one worker's work\n");
  double one = 1;
  for (const Measured& m : all) {
    if (m.workers == 1) one = m.polls_per_second;
    const double gain = m.polls_per_second / one;
    const auto bar = static_cast<std::size_t>(std::clamp(gain * 10, 0.0, 60.0) + 0.5);
    absl::PrintF("%5g us %2d |%s\n", m.length, m.workers, std::string(bar, '#'));
  }
}

bool draw(const std::vector<Measured>& all, const std::string& file) {
  return demo::draw_svg(file, "720,440", [&](std::FILE* plot) {
    std::fprintf(plot,
                 "set title 'One queue: polls a second, against one worker'\n"
                 "set xlabel 'workers'\nset ylabel 'gain'\nset key left top title 'a poll takes'\n"
                 "set xtics (1,2,4,8)\nset yrange [0:]\nset grid\nplot ");
    std::vector<double> lengths;
    for (const Measured& m : all) {
      if (lengths.empty() || lengths.back() != m.length) lengths.push_back(m.length);
    }
    for (const double length : lengths) {
      std::fprintf(plot, "%s'-' with linespoints title '%g us'", length == lengths[0] ? "" : ", ",
                   length);
    }
    std::fprintf(plot, "\n");
    for (const double length : lengths) {
      double one = 1;
      for (const Measured& m : all) {
        if (m.length != length) continue;
        if (m.workers == 1) one = m.polls_per_second;
        std::fprintf(plot, "%d %g\n", m.workers, m.polls_per_second / one);
      }
      std::fprintf(plot, "e\n");
    }
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<demo::ExperimentOptions> options =
      demo::experiment_options(argc, argv, "shared_queue_cost");
  if (!options.has_value()) return 2;
  const double rounds_per_us = demo::rounds_per_microsecond();
  absl::PrintF("%d tasks that compute for a moment and yield, on %u cores.\n\n", kTasks,
               std::max(std::thread::hardware_concurrency(), 1u));
  std::vector<Measured> all;
  for (const double length : {0.1, 1.0, 10.0, 100.0}) {
    for (const int workers : {1, 2, 4, 8}) {
      all.push_back(median(length, workers, rounds_per_us, options->quick ? 0.004 : 0.15));
    }
  }
  print_table(all);
  print_chart(all);
#ifndef __OPTIMIZE__
  absl::PrintF("\nCompiled without optimization: the figures say little.\n");
#endif
  return options->svg.empty() || draw(all, options->svg) ? 0 : 1;
}
