// What a timer costs: the wheel beside a std::multimap, in the same run and taking turns, so that
// the ratio holds on other machines too; and the wheel with what a runtime puts around it, which is
// a lock, a waker and instants.
//
//   insert_ns, cancel_ns   each, with so many timers
//   bytes                  each, all in all
//   …_ratio                of the multimap's to the wheel's: how many times as much
//
// Deadlines lie between 1 ms and a minute ahead, as time-outs do. They are cancelled in the order
// in which they were inserted, or in any order.
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "rt/driver/timer_node.h"
#include "rt/driver/timer_wheel.h"
#include "rt/driver/timers.h"
#include "rt/future/arc_waker.h"
#include "rt/future/context.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"

namespace {

using Tick = std::uint64_t;

// Which timer, and for when.
struct Work {
  Work(std::size_t count, bool shuffled) : when(count), cancelled(count) {
    std::mt19937_64 random(1);
    for (Tick& tick : when) tick = 1 + random() % 60'000;
    std::iota(cancelled.begin(), cancelled.end(), std::size_t{0});
    if (shuffled) std::shuffle(cancelled.begin(), cancelled.end(), random);
  }
  std::vector<Tick> when;
  std::vector<std::size_t> cancelled;  // In this order.
};

// The nanoseconds each, and the bytes each.
struct Cost {
  double insert = 0, cancel = 0, bytes = 0;
  void operator+=(const Cost& other) {
    insert += other.insert;
    cancel += other.cancel;
    bytes += other.bytes;
  }
};

std::size_t in_use() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// This thread's time on a processor: other programs take none of it.
double thread_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

template <class Fn>
double ns_each(std::size_t count, Fn fn) {
  const double start = thread_ns();
  fn();
  return (thread_ns() - start) / static_cast<double>(count);
}

// `make` gives a set of timers with insert(i, when) and cancel(i).
template <class Make>
Cost cost_of(const Work& work, Make make) {
  const std::size_t count = work.when.size(), before = in_use();
  Cost cost;
  auto set = make();
  cost.insert = ns_each(count, [&] {
    for (std::size_t i = 0; i < count; ++i) set->insert(i, work.when[i]);
  });
  cost.bytes = static_cast<double>(in_use() - before) / static_cast<double>(count);
  cost.cancel = ns_each(count, [&] {
    for (const std::size_t i : work.cancelled) set->cancel(i);
  });
  return cost;
}

struct Wheel {
  explicit Wheel(std::size_t count) : nodes(count) {}
  void insert(std::size_t i, Tick when) { wheel.insert(nodes[i], when); }
  void cancel(std::size_t i) { wheel.cancel(nodes[i]); }
  rt::TimerWheel wheel;
  std::vector<rt::TimerNode> nodes;
};

struct Map {
  explicit Map(std::size_t count) : places(count) {}
  void insert(std::size_t i, Tick when) { places[i] = map.emplace(when, i); }
  void cancel(std::size_t i) { map.erase(places[i]); }
  std::multimap<Tick, std::size_t> map;
  std::vector<std::multimap<Tick, std::size_t>::iterator> places;
};

struct Nobody {
  static void wake_by_ref(const rt::sync::Arc<Nobody>&) {}
};

struct Runtimes {
  explicit Runtimes(std::size_t count) : timers([] {}), entries(count) {}
  ~Runtimes() { benchmark::DoNotOptimize(timers.fire(start + absl::Hours(1))); }
  void insert(std::size_t i, Tick when) {
    (void)timers.poll(entries[i], start + absl::Milliseconds(when), cx);
  }
  void cancel(std::size_t i) { timers.cancel(entries[i]); }
  const rt::Instant start = rt::clock::now();
  rt::Waker waker = rt::waker_from(rt::sync::Arc<Nobody>::make());
  rt::Context cx{waker};
  rt::Timers timers;
  std::vector<rt::Timer> entries;
};

void report(benchmark::State& state, const Cost& cost) {
  const auto rounds = static_cast<double>(state.iterations());
  state.counters["insert_ns"] = cost.insert / rounds;
  state.counters["cancel_ns"] = cost.cancel / rounds;
  state.counters["bytes"] = cost.bytes / rounds;
}

void wheel_and_multimap(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Work work(count, state.range(1) != 0);
  Cost wheel, map;
  for (auto _ : state) {
    wheel += cost_of(work, [count] { return std::make_unique<Wheel>(count); });
    map += cost_of(work, [count] { return std::make_unique<Map>(count); });
  }
  report(state, wheel);
  state.counters["insert_ratio"] = map.insert / wheel.insert;
  state.counters["cancel_ratio"] = map.cancel / wheel.cancel;
  state.counters["bytes_ratio"] = map.bytes / wheel.bytes;
}

// As the tasks of a runtime do it.
void timers_of_a_runtime(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Work work(count, state.range(1) != 0);
  Cost timers;
  for (auto _ : state) {
    timers += cost_of(work, [count] { return std::make_unique<Runtimes>(count); });
  }
  report(state, timers);
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"timers", "any_order"})->Unit(benchmark::kMillisecond)->Iterations(5);
  for (const int count : {1'000, 1'000'000}) {
    for (const int any_order : {0, 1}) benchmark->Args({count, any_order});
  }
}
BENCHMARK(wheel_and_multimap)->Apply(sizes);
BENCHMARK(timers_of_a_runtime)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
