// N threads that wait, beside N state machines that do.
//
//   cost_of_waiting [N...]         default: 100 1000 10000
//   cost_of_waiting --self-test    100 of each; ends with 0 if all of them were woken
//
// Each waiter has a bell (an eventfd) and waits for it to ring. A thread waits in read(2); a
// machine is an object and an entry in the list of one poll(2). Then all bells ring, and the clock
// runs until the last waiter has heard its own. Every measurement has a process of its own, so that
// no memory that an earlier one has left behind is counted.
//
// This file is a measurement and not a test: it looks at the clock, and no exercise depends on it.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRounds = 5;  // the median of so many rounds is reported
constexpr int kMost = 1'000'000;

// What one measurement says. Sent through a pipe as it stands, so it holds nothing but numbers.
struct Measured {
  bool valid = false;
  int waiters = 0;      // how many there were in the end
  int error = 0;        // errno of what stopped it before N, or 0
  long user_bytes = 0;  // resident memory of the process, more than before
  long kernel_bytes =
      -1;  // stacks that the kernel keeps for threads, more than before; -1: unknown
  double start_seconds = 0;  // to have all of them waiting
  double round_seconds = 0;  // from the first bell to the last waiter that has heard
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

long resident_bytes() {
  long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

// Of the whole machine: the kernel does not say it for one process. Quiet machines give good
// figures.
long kernel_stack_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word) {
    long kib = 0;
    if (word == "KernelStack:" && file >> kib) return kib * 1024;
  }
  return -1;
}

void add_memory(Measured& measured, long user_before, long kernel_before) {
  measured.user_bytes = resident_bytes() - user_before;
  const long kernel = kernel_stack_bytes();
  if (kernel >= 0 && kernel_before >= 0) measured.kernel_bytes = kernel - kernel_before;
}

void ring(int bell) {
  const uint64_t one = 1;
  if (::write(bell, &one, sizeof one) != sizeof one) std::perror("write");
}

// Makes n bells, or as many as there are descriptors for.
std::vector<int> make_bells(int n, int flags, int& error) {
  std::vector<int> bells;
  for (int i = 0; i < n; ++i) {
    const int bell = ::eventfd(0, EFD_CLOEXEC | flags);
    if (bell < 0) {
      error = errno;
      for (int spare = 0; spare < 8 && !bells.empty(); ++spare) {  // to read /proc with
        ::close(bells.back());
        bells.pop_back();
      }
      break;
    }
    bells.push_back(bell);
  }
  return bells;
}

// Waits until the counter `heard` has counted to `count`.
void wait_for(int heard, uint64_t count) {
  while (count > 0) {
    uint64_t more = 0;
    if (::read(heard, &more, sizeof more) != sizeof more) continue;
    count -= std::min(count, more);
  }
}

Measured measure_threads(int n) {
  Measured measured;
  const int heard = ::eventfd(0, EFD_CLOEXEC);
  const std::vector<int> bells = make_bells(n, 0, measured.error);
  std::vector<std::thread> threads;
  threads.reserve(bells.size());
  const long kernel_before = kernel_stack_bytes();
  const long user_before = resident_bytes();

  const Clock::time_point start = Clock::now();
  for (const int bell : bells) {
    try {
      threads.emplace_back([bell, heard] {
        ring(heard);  // "I am here"
        while (true) {
          uint64_t rings = 0;
          if (::read(bell, &rings, sizeof rings) == sizeof rings) ring(heard);
        }
      });
    } catch (const std::system_error& failure) {
      measured.error = failure.code().value();
      break;
    }
  }
  wait_for(heard, threads.size());
  measured.start_seconds = seconds_since(start);
  measured.waiters = static_cast<int>(threads.size());
  add_memory(measured, user_before, kernel_before);

  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const Clock::time_point first_bell = Clock::now();
    for (size_t i = 0; i < threads.size(); ++i) ring(bells[i]);
    wait_for(heard, threads.size());
    rounds.push_back(seconds_since(first_bell));
  }
  measured.round_seconds = median(rounds);
  measured.valid = true;
  for (std::thread& thread : threads) thread.detach();  // they end with this process
  return measured;
}

// A waiter that is no thread: all that it has to remember while it waits.
class Machine {
 public:
  explicit Machine(int bell) : bell_(bell) {}
  int bell() const { return bell_; }
  int heard() const { return heard_; }
  void resume() {
    uint64_t rings = 0;
    if (::read(bell_, &rings, sizeof rings) == sizeof rings) ++heard_;
  }

 private:
  int bell_;
  int heard_ = 0;
};

Measured measure_machines(int n) {
  Measured measured;
  const std::vector<int> bells = make_bells(n, EFD_NONBLOCK, measured.error);
  const long kernel_before = kernel_stack_bytes();
  const long user_before = resident_bytes();

  const Clock::time_point start = Clock::now();
  std::vector<Machine> machines;
  std::vector<pollfd> polled;
  machines.reserve(bells.size());
  polled.reserve(bells.size());
  for (const int bell : bells) {
    machines.emplace_back(bell);
    polled.push_back({bell, POLLIN, 0});
  }
  ::poll(polled.data(), polled.size(), 0);
  measured.start_seconds = seconds_since(start);
  measured.waiters = static_cast<int>(machines.size());
  add_memory(measured, user_before, kernel_before);

  std::vector<double> rounds;
  for (int round = 1; round <= kRounds; ++round) {
    const Clock::time_point first_bell = Clock::now();
    for (const int bell : bells) ring(bell);
    size_t heard = 0;
    while (heard < machines.size()) {
      ::poll(polled.data(), polled.size(), -1);
      for (size_t i = 0; i < machines.size(); ++i) {
        if (polled[i].revents == 0) continue;
        machines[i].resume();
        if (machines[i].heard() == round) ++heard;
      }
    }
    rounds.push_back(seconds_since(first_bell));
  }
  measured.round_seconds = median(rounds);
  measured.valid = true;
  return measured;
}

Measured in_a_process_of_its_own(Measured (*measure)(int), int n) {
  int ends[2];
  if (::pipe(ends) != 0) return {};
  const pid_t child = ::fork();
  if (child == 0) {
    Measured unused;
    add_memory(unused, 0, 0);  // the first use of a stream takes memory of its own
    const Measured measured = measure(n);
    const bool sent = ::write(ends[1], &measured, sizeof measured) == sizeof measured;
    ::_exit(sent ? 0 : 1);
  }
  ::close(ends[1]);
  Measured measured;
  if (child < 0 || ::read(ends[0], &measured, sizeof measured) != sizeof measured) measured = {};
  ::close(ends[0]);
  if (child > 0) ::waitpid(child, nullptr, 0);
  return measured;
}

void allow_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::string size_text(double bytes) {
  if (bytes < 0) return "?";
  if (bytes < 10'000) return absl::StrFormat("%.0f B", bytes);
  if (bytes < 10'000'000) return absl::StrFormat("%.0f KiB", bytes / 1024);
  return absl::StrFormat("%.0f MiB", bytes / 1024 / 1024);
}

std::string time_text(double seconds) {
  if (seconds < 10e-6) return absl::StrFormat("%.0f ns", seconds * 1e9);
  if (seconds < 10e-3) return absl::StrFormat("%.0f us", seconds * 1e6);
  return absl::StrFormat("%.0f ms", seconds * 1e3);
}

double all_bytes(const Measured& measured) {
  return static_cast<double>(measured.user_bytes + std::max(measured.kernel_bytes, 0L));
}

void print_row(const char* kind, int n, const Measured& m) {
  if (!m.valid || m.waiters == 0) {
    absl::PrintF("%6d %-8s  did not get to the end (a sanitizer has limits of its own)\n", n, kind);
    return;
  }
  absl::PrintF("%6d %-8s %9s %9s %9s %9s %9s %9s\n", m.waiters, kind,
               size_text(static_cast<double>(m.user_bytes)),
               size_text(static_cast<double>(m.kernel_bytes)), size_text(all_bytes(m) / m.waiters),
               time_text(m.start_seconds), time_text(m.round_seconds),
               time_text(m.round_seconds / m.waiters));
  if (m.waiters < n) {
    absl::PrintF("       stopped at %d of %d: %s\n", m.waiters, n, std::strerror(m.error));
  }
}

void print_bar(const char* kind, double value, double largest, const std::string& text) {
  constexpr double kWidth = 56;
  const double share = largest > 0 ? value / largest : 0;
  const size_t length = value > 0 ? std::max<size_t>(1, static_cast<size_t>(share * kWidth)) : 0;
  absl::PrintF("  %-8s %s %s\n", kind, std::string(length, '#'), text);
}

void print_chart(const Measured& threads, const Measured& machines) {
  if (!threads.valid || !machines.valid) return;
  const auto each = [](const Measured& m) { return m.round_seconds / std::max(m.waiters, 1); };
  absl::PrintF("\nMemory, %d waiters\n", threads.waiters);
  const double bytes = std::max(all_bytes(threads), all_bytes(machines));
  print_bar("threads", all_bytes(threads), bytes, size_text(all_bytes(threads)));
  print_bar("machines", all_bytes(machines), bytes, size_text(all_bytes(machines)));
  absl::PrintF("\nTime to wake one, when all are woken\n");
  const double time = std::max(each(threads), each(machines));
  print_bar("threads", each(threads), time, time_text(each(threads)));
  print_bar("machines", each(machines), time, time_text(each(machines)));
}

// What the reader expects, or nothing if there is nobody to ask.
std::string ask_for_a_guess() {
  absl::PrintF(
      "Before you look, predict:\n"
      "  1. How much memory does a thread take that does nothing but wait?\n"
      "  2. And an object that waits, with its place in the list of one poll(2)?\n"
      "  3. All 10,000 are woken at once. Which side is done first, and by what factor?\n");
  if (::isatty(STDIN_FILENO) == 0) return "";
  absl::PrintF("\nYour guess for 1, in KiB (Enter to skip): ");
  std::fflush(stdout);
  char line[64];
  if (std::fgets(line, sizeof line, stdin) == nullptr) return "";
  line[std::strcspn(line, "\n")] = '\0';
  return line;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<int> counts;
  bool self_test = false;
  for (int i = 1; i < argc; ++i) {
    int count = 0;
    if (std::strcmp(argv[i], "--self-test") == 0) {
      self_test = true;
    } else if (absl::SimpleAtoi(argv[i], &count) && count >= 1 && count <= kMost) {
      counts.push_back(count);
    } else {
      std::fprintf(stderr, "usage: cost_of_waiting [N...] [--self-test], N from 1 to %d\n", kMost);
      return 2;
    }
  }
  if (self_test) counts = {100};
  if (counts.empty()) counts = {100, 1000, 10'000};

  allow_open_files();
  const std::string guess = self_test ? "" : ask_for_a_guess();
  absl::PrintF(
      "\n                      memory                          time\n"
      "     N waiting      user    kernel      each     start  wake all      each\n");
  Measured threads, machines;
  bool good = true;
  for (const int n : counts) {
    std::fflush(stdout);
    threads = in_a_process_of_its_own(measure_threads, n);
    print_row("threads", n, threads);
    std::fflush(stdout);
    machines = in_a_process_of_its_own(measure_machines, n);
    print_row("machines", n, machines);
    good = good && threads.valid && machines.valid;
  }
  print_chart(threads, machines);
  absl::PrintF(
      "\nuser: what the process has in memory. kernel: the stacks that the kernel keeps\n"
      "for threads, of the whole machine. The descriptors cost the same on both sides,\n"
      "and are not counted.\n");
  if (!guess.empty() && threads.valid && threads.waiters > 0) {
    absl::PrintF("You guessed %s KiB for a waiting thread; here it is %s.\n", guess,
                 size_text(all_bytes(threads) / threads.waiters));
  }
  if (self_test) return threads.waiters == 100 && machines.waiters == 100 ? 0 : 1;
  return good ? 0 : 1;
}
