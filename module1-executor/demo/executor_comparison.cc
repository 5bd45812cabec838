// Tasks that wait: a thread for each, beside LocalExecutor.
//
//   executor_comparison [N...]     default: 100 1000 10000
//   executor_comparison --self-test
//
// The workload is one coroutine, the same for all: it waits for its bell, says that it has heard
// it, and waits again. Who runs N of them is what the columns differ in. The main thread rings all
// N bells and takes the time until the last is heard. Every measurement has a process of its own,
// so that no memory that an earlier one has left behind is counted.
//
// To add a column, write a function that runs the waiters of a Workload, and give it a line in
// kContenders.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "rt/future/async.h"
#include "rt/future/box_future.h"
#include "rt/future/manual_event.h"
#include "rt/platform/todo.h"
#include "rt/runtime/block_on.h"
#include "rt/runtime/local_executor.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRounds = 5;  // the median of so many rounds is reported
constexpr int kMost = 1'000'000;

// What one measurement says. Sent through a pipe as it stands, so it holds nothing but numbers.
struct Measured {
  bool valid = false;
  int tasks = 0;             // how many there were in the end
  int error = 0;             // errno of what stopped it before N, or 0
  long bytes = 0;            // memory, more than before
  double start_seconds = 0;  // to have all of them waiting
  double round_seconds = 0;  // from the first bell to the last task that has heard
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The process's memory, and the stacks that the kernel keeps for threads, which it says for the
// whole machine only (or not at all). Quiet machines give good figures.
long memory_bytes() {
  long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  long stacks_kib = 0;
  std::ifstream meminfo("/proc/meminfo");
  for (std::string word; meminfo >> word;) {
    if (word == "KernelStack:") meminfo >> stacks_kib;
  }
  return resident * ::sysconf(_SC_PAGESIZE) + stacks_kib * 1024;
}

// What is to be done: waiter(i) for each i below size(), somehow, on any thread or threads.
class Workload {
 public:
  explicit Workload(int size) : bells_(static_cast<std::size_t>(size)) {}

  std::size_t size() const { return bells_.size(); }

  // Ends after kRounds rings.
  rt::Async<> waiter(std::size_t i) {
    say();  // "I am here"
    for (int round = 0; round < kRounds; ++round) {
      co_await bells_[i].wait();
      bells_[i].reset();
      say();
    }
  }

  // A contender calls this when it has handed out all waiters, or as many as it could.
  Measured ring(std::size_t waiters, int error = 0) {
    Measured measured;
    wait_for(waiters);
    measured.start_seconds = seconds_since(start_);
    measured.bytes = memory_bytes() - memory_before_;
    std::vector<double> rounds;
    for (int round = 0; round < kRounds; ++round) {
      const Clock::time_point first_bell = Clock::now();
      for (std::size_t i = 0; i < waiters; ++i) bells_[i].set();
      wait_for(waiters);
      rounds.push_back(seconds_since(first_bell));
    }
    std::sort(rounds.begin(), rounds.end());
    measured.round_seconds = rounds[rounds.size() / 2];
    measured.tasks = static_cast<int>(waiters);
    measured.error = error;
    measured.valid = true;
    return measured;
  }

 private:
  void say() {
    // Whoever comes second, this load or the store in wait_for, sees what the other wrote: so the
    // last one is never missed, and the main thread is woken once a round.
    if (said_.fetch_add(1) + 1 == expected_.load()) said_.notify_one();
  }

  void wait_for(std::size_t count) {
    const std::size_t expected = expected_.load() + count;
    expected_.store(expected);
    for (std::size_t said = said_.load(); said < expected; said = said_.load()) said_.wait(said);
  }

  std::vector<rt::ManualEvent> bells_;
  std::atomic<std::size_t> said_ = 0;
  std::atomic<std::size_t> expected_ = 0;
  const long memory_before_ = memory_bytes();
  const Clock::time_point start_ = Clock::now();
};

// --- The contenders ------------------------------------------------------------------------------

Measured thread_each(Workload& work) {
  std::vector<std::thread> threads;
  int error = 0;
  for (std::size_t i = 0; i < work.size() && error == 0; ++i) {
    try {
      threads.emplace_back([&work, i] { rt::block_on(work.waiter(i)); });
    } catch (const std::system_error& failure) {
      error = failure.code().value();
    }
  }
  const Measured measured = work.ring(threads.size(), error);
  for (std::thread& thread : threads) thread.join();
  return measured;
}

Measured local_executor(Workload& work) {
  std::thread thread([&work] {
    rt::LocalExecutor executor;
    for (std::size_t i = 0; i < work.size(); ++i) {
      executor.spawn(rt::BoxFuture<void>(work.waiter(i)));
    }
    executor.run();
  });
  const Measured measured = work.ring(work.size());
  thread.join();
  return measured;
}

struct Contender {
  const char* name;
  Measured (*run)(Workload&);
  int most;  // Left out where there are more tasks: it would take minutes.
};

constexpr std::array kContenders = {
    Contender{"thread each", thread_each, 20'000},
    Contender{"LocalExecutor", local_executor, kMost},
};
static_assert(kContenders.size() <= 4, "more columns than a terminal has room for");

// --- Measuring and showing -----------------------------------------------------------------------

Measured in_a_process_of_its_own(const Contender& contender, int n) {
  int ends[2];
  if (::pipe(ends) != 0) return {};
  const pid_t child = ::fork();
  if (child == 0) {
    memory_bytes();  // the first use of a stream takes memory of its own
    Workload work(n);
    const Measured measured = contender.run(work);
    const bool sent = ::write(ends[1], &measured, sizeof measured) == sizeof measured;
    ::_exit(sent ? 0 : 1);
  }
  ::close(ends[1]);
  Measured measured;
  if (child < 0 || ::read(ends[0], &measured, sizeof measured) != sizeof measured) measured = {};
  ::close(ends[0]);
  int status = 0;
  if (child > 0) ::waitpid(child, &status, 0);
  // An exercise that is not written yet has ended the child, and said so: this process too.
  if (WIFEXITED(status) && WEXITSTATUS(status) == rt::kTodoExitCode) ::_exit(rt::kTodoExitCode);
  return measured;
}

std::string size_text(double bytes) {
  if (bytes < 10'000) return absl::StrFormat("%.0f B", bytes);
  if (bytes < 10'000'000) return absl::StrFormat("%.1f KiB", bytes / 1024);
  return absl::StrFormat("%.1f MiB", bytes / 1024 / 1024);
}

std::string time_text(double seconds) {
  if (seconds < 10e-6) return absl::StrFormat("%.0f ns", seconds * 1e9);
  if (seconds < 10e-3) return absl::StrFormat("%.0f us", seconds * 1e6);
  return absl::StrFormat("%.0f ms", seconds * 1e3);
}

using Row = std::array<Measured, kContenders.size()>;

template <class Text>
void print_line(const char* what, const Row& row, Text text) {
  absl::PrintF("  %-18s", what);
  for (const Measured& m : row) absl::PrintF(" %14s", m.tasks > 0 ? text(m) : "-");
  absl::PrintF("\n");
}

void print_row(int n, const Row& row) {
  absl::PrintF("%d tasks\n", n);
  print_line("memory, all", row,
             [](const Measured& m) { return size_text(static_cast<double>(m.bytes)); });
  print_line("memory, each", row,
             [](const Measured& m) { return size_text(static_cast<double>(m.bytes) / m.tasks); });
  print_line("start, each", row,
             [](const Measured& m) { return time_text(m.start_seconds / m.tasks); });
  print_line("wake all", row, [](const Measured& m) { return time_text(m.round_seconds); });
  print_line("wake, each", row,
             [](const Measured& m) { return time_text(m.round_seconds / m.tasks); });
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (n > kContenders[i].most) {
      absl::PrintF("  %s: left out, it would take minutes\n", kContenders[i].name);
    } else if (!row[i].valid) {
      absl::PrintF("  %s did not get to the end\n", kContenders[i].name);
    } else if (row[i].tasks < n) {
      absl::PrintF("  %s: stopped at %d of %d: %s\n", kContenders[i].name, row[i].tasks, n,
                   std::strerror(row[i].error));
    }
  }
}

bool compare(const std::vector<int>& counts) {
  absl::PrintF("%-20s", "");
  for (const Contender& contender : kContenders) absl::PrintF(" %14s", contender.name);
  absl::PrintF("\n");
  bool good = true;
  for (const int n : counts) {
    Row row;
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::fflush(stdout);
      if (n > kContenders[i].most) continue;
      row[i] = in_a_process_of_its_own(kContenders[i], n);
      good = good && row[i].valid;
    }
    print_row(n, row);
  }
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<int> counts;
  bool self_test = false;
  for (int i = 1; i < argc; ++i) {
    int count = 0;
    if (std::string_view(argv[i]) == "--self-test") {
      self_test = true;
    } else if (absl::SimpleAtoi(argv[i], &count) && count >= 1 && count <= kMost) {
      counts.push_back(count);
    } else {
      std::fprintf(stderr, "usage: executor_comparison [N...] [--self-test], N from 1 to %d\n",
                   kMost);
      return 2;
    }
  }
  if (self_test) counts = {100};
  if (counts.empty()) counts = {100, 1000, 10'000};

  absl::PrintF(
      "Each task waits for its bell. All bells ring, %d times; the median round counts.\n\n",
      kRounds);
  const bool good = compare(counts);
  absl::PrintF(
      "\nmemory: of the process, and the stacks that the kernel keeps for threads. With\n"
      "few tasks it is blurred by what the first thread of a process costs.\n");
#ifndef __OPTIMIZE__
  absl::PrintF("Compiled without optimization: times are for comparing columns only.\n");
#endif
  return good ? 0 : 1;
}
