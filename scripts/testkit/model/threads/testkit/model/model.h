// The model checker's face, without the checker: a scenario runs many times, with real threads, and
// somebody hopes. It is here to be compared with: `course selftest mutants --threads N` runs each
// wrong solution that only the model checker finds in this way, and prints when it was found.
//
// A target has this folder in its path in place of model/include, and no RT_MODEL_CHECKED, so
// rt/platform/sync.h has the standard types.
//
// check() ends the process: with kFound and the number of the round, once a condition is false or
// no thread has gone on for two seconds; with kNotFound after the last round. How many rounds there
// are is said by the environment, in TESTKIT_ROUNDS.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <mutex>
#include <set>
#include <source_location>
#include <string>
#include <thread>
#include <utility>

#include <unistd.h>

#include "gtest/gtest.h"
#include "rt/platform/sync.h"

namespace testkit::model {

using Place = std::source_location;

class Options {
 public:
  static constexpr int kUnbounded = 100;
  Options& preemptions(int) noexcept { return *this; }
  Options& spurious_wakeups(int) noexcept { return *this; }
  Options& timeouts(int) noexcept { return *this; }
  Options& weak_failures(int) noexcept { return *this; }
  Options& max_steps(int) noexcept { return *this; }
  Options& max_executions(std::uint64_t) noexcept { return *this; }
};

struct Result {
  std::uint64_t executions = 0;
};

namespace detail {

constexpr int kNotFound = 0;
constexpr int kFound = 1;

inline std::atomic<std::uint64_t> round{0};

[[noreturn]] inline void found(const char* what) {
  std::printf("round %llu: %s\n", static_cast<unsigned long long>(round.load()), what);
  std::fflush(stdout);
  ::_exit(kFound);
}

// A wake that was lost shows as a round that does not end.
inline void watch() {
  std::uint64_t last = round.load();
  for (;;) {
    std::this_thread::sleep_for(std::chrono::seconds(2));
    const std::uint64_t now = round.load();
    if (now == last) found("it hangs");
    last = now;
  }
}

}  // namespace detail

template <class F>
Result check(const Options&, F scenario) {
  const char* const asked = std::getenv("TESTKIT_ROUNDS");
  const std::uint64_t rounds = asked == nullptr ? 100'000 : std::strtoull(asked, nullptr, 10);
  std::thread(&detail::watch).detach();
  while (detail::round.fetch_add(1) < rounds) {
    scenario();
    if (testing::Test::HasFailure()) detail::found("an expectation failed");
  }
  ::_exit(detail::kNotFound);
}
template <class F>
Result check(F scenario) {
  return check(Options(), std::move(scenario));
}

// Nothing is counted: what costs more than it may is not found.
struct Costs {
  int locks = 0;
  int updates = 0;
};
template <class F>
Costs cost_of(F work) {
  work();
  return Costs();
}

inline void note(const std::string&) {}
inline void yield() { std::this_thread::yield(); }

#define MODEL_REQUIRE(condition) \
  ((condition) ? static_cast<void>(0) : ::testkit::model::detail::found(#condition))

using Thread = std::thread;
using Mutex = std::mutex;
using Lock = std::unique_lock<std::mutex>;
using CondVar = std::condition_variable;
template <class T>
using Atomic = std::atomic<T>;
template <class T>
using Cell = rt::sync::Cell<T>;
template <class T, class Tag>
using ThreadLocal = rt::sync::ThreadLocal<T, Tag>;

class Tracked {
 public:
  void use() const noexcept {}
};

class Outcomes {
 public:
  Outcomes() = default;
  Outcomes(std::initializer_list<std::string>) {}
  void add(const std::string&) {}
  bool contains(const std::string&) const { return true; }
  friend bool operator==(const Outcomes&, const Outcomes&) { return true; }
};

}  // namespace testkit::model
