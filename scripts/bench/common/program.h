// What the benchmark programs have in common. Each is one peer: ours, Asio, libuv and so on; those
// in Rust follow the same table. A program runs one workload once and prints one line of JSON, so
// that whoever compares can let the programs take turns:
//
//   PROGRAM --list              the workloads that it has, one a line
//   PROGRAM WORKLOAD N WORKERS  {"name": value, …}
//
// The workloads. What is said here holds for every peer. The runtime has WORKERS threads, sockets
// and timers. A main task is spawned onto a worker, and all of the workload happens in it and in
// tasks that it spawns. The time runs from its first step to its last; starting and stopping the
// runtime is not in it. A task is what users of that peer write: a coroutine or async function,
// unless it says otherwise.
//
//   workload    what happens                                                    value
//   --------    ------------                                                    -----
//   spawn       main spawns N tasks that return at once, keeps the handles,     ns a task
//               then joins all, in the order of spawning
//   yield-one   main gives way N times: the scheduler goes round, and comes     ns a yield
//               back to it
//   yield-many  1,000 tasks give way N / 1,000 times each                       ns a yield
//   ping-pong   two tasks and two channels of capacity 1: N times there and     ns a round trip
//               back
//   chain       a task spawns the next and returns, N times; the last tells     ns a task
//               main
//   channel     one task sends N numbers of 8 bytes to another, through a       million a second
//               bounded channel of capacity 1,024
//   timer       main makes N sleeps, side by side in one piece of memory, of    insert, cancel: ns
//               one to two minutes, polls each once, and drops them in the      each; bytes: heap
//               same order                                                      in use, each
//   idle        N tasks wait for what never comes, each polled once. Each is    bytes of heap each
//               a future of one word, written by hand
//   idle-async  the same, and the task awaits such a future                     bytes of heap each
//   sleeping    N tasks sleep for an hour, each polled once                     bytes of heap each
//   skynet      a tree of tasks with ten children each and N leaves; a leaf     ms
//               has a number, a node the sum of its children, which it joins
//   start-stop  N times: a runtime is started, runs a task that returns at      µs each
//               once, and is stopped
//   greedy      one task computes and never gives way; a thread outside of      p99: µs from the
//               the runtime sends the time to another task, N times, 200 µs     sending to the
//               apart                                                           receiving
//   blocking    main hands a function that does nothing to the pool for         ns each
//               blocking calls, and awaits it, N times
//   read        main reads 64 bytes of a file that the kernel has in memory,    ns each
//               N times; and reads them N times on the pool
//   echo        a server: {"port": P}, then it serves until stdin ends. A task  (common/load.cc
//               for each connection reads into 1,024 bytes of its own and       measures from
//               writes all of it back                                           outside)
//   echo-idle   the same, and a connection that waits keeps no buffer: the      (as above)
//               task waits until there is something, and reads on the stack
//
// Bytes of heap are what malloc has given out, with its own headers. Peers without something that a
// workload needs leave it out of their list. The floor is not a runtime: it says what the machine
// itself takes for the part that cannot be spared; floor.cc says which part.
#pragma once

#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

constexpr std::size_t kChannelCapacity = 1024;
constexpr std::uint64_t kYielders = 1000;
constexpr std::size_t kEchoBuffer = 1024;
constexpr std::uint64_t kGreedyPauseUs = 200;

using Clock = std::chrono::steady_clock;

inline double ns_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::nano>(to - from).count();
}
inline double ns_since(Clock::time_point start) { return ns_between(start, Clock::now()); }

inline double heap_in_use() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

// Of the i-th sleep of the workload "timer", in milliseconds. No two neighbours are alike.
inline std::uint64_t timer_ms(std::uint64_t i) { return 60'000 + i * 7919 % 60'000; }

inline double p99(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) * 99 / 100];
}

// Prints one round's values.
using Values = std::vector<std::pair<const char*, double>>;
inline void print(const Values& values) {
  std::string line = "{";
  for (const auto& [name, value] : values) {
    char text[96];
    std::snprintf(text, sizeof text, "%s\"%s\": %.6g", line.size() > 1 ? ", " : "", name, value);
    line += text;
  }
  std::printf("%s}\n", line.c_str());
  std::fflush(stdout);
}
inline void print(const char* name, double value) { print({{name, value}}); }

// The same, and ends the program as it stands: what it has built up is not taken down.
[[noreturn]] inline void print_and_leave(const char* name, double value) {
  print(name, value);
  std::_Exit(0);
}

[[noreturn]] inline void fail(const char* call) {
  std::perror(call);
  std::_Exit(1);
}

// For the servers. They end when whoever started them closes their stdin, or is gone.
inline void serve_until_stdin_ends(std::uint16_t port) {
  std::printf("{\"port\": %u}\n", static_cast<unsigned>(port));
  std::fflush(stdout);
  char byte;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  std::_Exit(0);
}
inline void end_with_stdin(std::uint16_t port) {
  std::thread([port] { serve_until_stdin_ends(port); }).detach();
}

inline void raise_open_files() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

struct Size {
  Size(std::uint64_t how_many, unsigned threads) noexcept : n(how_many), workers(threads) {}
  std::uint64_t n;
  unsigned workers;
};
using Workloads = std::vector<std::pair<const char*, std::function<void(Size)>>>;

// A tree of ten children each has so many leaves, and no other number. (Of 3 leaves it would make
// nodes without end.)
inline bool is_power_of_ten(std::uint64_t n) noexcept {
  while (n > 1 && n % 10 == 0) n /= 10;
  return n == 1;
}

// The main() of a program.
inline int run(int argc, char** argv, const Workloads& workloads) {
  const std::string name = argc > 1 ? argv[1] : "";
  if (argc == 2 && name == "--list") {
    for (const auto& workload : workloads) std::printf("%s\n", workload.first);
    return 0;
  }
  if (argc == 4) {
    const Size size(std::strtoull(argv[2], nullptr, 10),
                    static_cast<unsigned>(std::strtoul(argv[3], nullptr, 10)));
    for (const auto& [known, body] : workloads) {
      if (name != known || size.workers == 0) continue;
      if (name == "skynet" && !is_power_of_ten(size.n)) {
        std::fprintf(stderr, "skynet: N has to be a power of ten\n");
        return 2;
      }
      raise_open_files();
      body(size);
      return 0;
    }
  }
  std::fprintf(stderr, "usage: %s --list | WORKLOAD N WORKERS\n", argv[0]);
  return 2;
}

}  // namespace bench
