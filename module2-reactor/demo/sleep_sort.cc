// Sorts numbers by sleeping: each is a task that sleeps for so long, and then says its number.
//
//   sleep_sort 5 3 9 1        a tenth of a second for each unit
//   sleep_sort --crowd 1000   so many tasks that all sleep at once: what do they cost?
//   sleep_sort --self-test
//
// Compare it with timers_race of module 1: there each timer is a thread. Here all are entries of
// one wheel, and one thread sleeps in epoll until the next is due. The self-test stops the clock
// and lets it advance by itself: then sorting by sleeping takes no time at all.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rt/future/async.h"
#include "rt/platform/clock.h"
#include "rt/runtime/io_executor.h"
#include "rt/task/spawn.h"
#include "rt/time/sleep.h"

namespace {

constexpr int kMost = 1'000'000;

using Numbers = std::vector<int>;

rt::Async<> say_in_time(int number, absl::Duration unit, Numbers& sorted) {
  co_await rt::sleep(number * unit);
  sorted.push_back(number);
  std::printf("%d ", number);
  std::fflush(stdout);
}

rt::Async<Numbers> sort(Numbers numbers, absl::Duration unit) {
  Numbers sorted;
  std::vector<rt::JoinHandle<void>> tasks;
  for (const int number : numbers) tasks.push_back(rt::spawn(say_in_time(number, unit, sorted)));
  for (rt::JoinHandle<void>& task : tasks) co_await task;
  co_return sorted;
}

// What this process has in memory, in bytes.
double resident() {
  std::ifstream statm("/proc/self/statm");
  double all = 0, resident = 0;
  statm >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

int threads() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int count = 0;
    if (word == "Threads:" && status >> count) return count;
  }
  return 0;
}

rt::Async<> nap(absl::Duration time, int& woken) {
  co_await rt::sleep(time);
  ++woken;
}

rt::Async<int> crowd(int size, absl::Duration time) {
  const rt::Instant start = rt::clock::now();
  const double before = resident();
  int woken = 0;
  std::vector<rt::JoinHandle<void>> tasks;
  for (int i = 0; i < size; ++i) tasks.push_back(rt::spawn(nap(time, woken)));
  // The last to be polled for the first time: by now all the others sleep.
  co_await rt::sleep(time / 2);
  std::printf("%d tasks sleep, in %d thread(s), %.0f bytes each with their handles.\n", size,
              threads(), (resident() - before) / size);
  for (rt::JoinHandle<void>& task : tasks) co_await task;
  std::printf("All %d woke, %.3f s after the start, for %.3f s of sleep.\n", woken,
              absl::ToDoubleSeconds(rt::clock::now() - start), absl::ToDoubleSeconds(time));
  co_return woken;
}

bool self_test(rt::IoExecutor& executor) {
  rt::clock::pause();
  rt::clock::set_auto_advance(true);
  const Numbers sorted = executor.block_on(sort({30, 7, 1'000, 7, 0, 365}, absl::Hours(24)));
  std::printf("(days of sleep, each)\n");
  const bool all_woke = executor.block_on(crowd(1'000, absl::Seconds(10))) == 1'000;
  return all_woke && sorted == Numbers{0, 7, 7, 30, 365, 1'000};
}

int usage() {
  std::fprintf(stderr,
               "usage: sleep_sort NUMBER...\n"
               "       sleep_sort --crowd N    (N from 1 to %d)\n"
               "       sleep_sort --self-test\n"
               "Numbers from 0 to 600: tenths of a second.\n",
               kMost);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const absl::StatusOr<std::unique_ptr<rt::IoExecutor>> executor = rt::IoExecutor::create();
  if (!executor.ok()) {
    std::fprintf(stderr, "sleep_sort: %s\n", std::string(executor.status().message()).c_str());
    return 1;
  }
  const absl::string_view first = argc > 1 ? argv[1] : "";
  if (first == "--self-test" && argc == 2) return self_test(**executor) ? 0 : 1;
  if (first == "--crowd") {
    int size = 0;
    if (argc != 3 || !absl::SimpleAtoi(argv[2], &size) || size < 1 || size > kMost) return usage();
    return (*executor)->block_on(crowd(size, absl::Seconds(3))) == size ? 0 : 1;
  }
  Numbers numbers;
  for (int i = 1; i < argc; ++i) {
    int number = 0;
    if (!absl::SimpleAtoi(argv[i], &number) || number < 0 || number > 600) return usage();
    numbers.push_back(number);
  }
  if (numbers.empty()) return usage();
  (*executor)->block_on(sort(numbers, absl::Milliseconds(100)));
  std::printf("\n");
  return 0;
}
