// oneTBB: a scheduler of tasks that never wait for anything but their children. It has neither
// sockets nor timers, and its tasks cannot give way, so few of the workloads are for it. It joins
// all tasks of a group at once.
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "common/program.h"

namespace {

using bench::Clock;
using bench::Size;
using oneapi::tbb::task_group;

template <class Main>
void in_arena(Size size, Main main) {
  const oneapi::tbb::global_control limit(oneapi::tbb::global_control::max_allowed_parallelism,
                                          size.workers);
  oneapi::tbb::task_arena arena(static_cast<int>(size.workers));
  arena.execute(main);
}

void spawn(Size size) {
  in_arena(size, [size] {
    task_group group;
    const Clock::time_point start = Clock::now();
    for (std::uint64_t i = 0; i < size.n; ++i) group.run([] {});
    group.wait();
    bench::print("spawn", bench::ns_since(start) / static_cast<double>(size.n));
  });
}

void link(task_group& group, std::uint64_t left) {
  if (left > 0) group.run([&group, left] { link(group, left - 1); });
}
void chain(Size size) {
  in_arena(size, [size] {
    task_group group;
    const Clock::time_point start = Clock::now();
    link(group, size.n);
    group.wait();
    bench::print("chain", bench::ns_since(start) / static_cast<double>(size.n));
  });
}

std::uint64_t node(std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) return first;
  const std::uint64_t step = leaves / 10;
  std::array<std::uint64_t, 10> sums;
  task_group children;
  for (std::uint64_t i = 0; i < 10; ++i) {
    children.run([&sums, first, step, i] { sums[i] = node(first + i * step, step); });
  }
  children.wait();
  std::uint64_t sum = 0;
  for (const std::uint64_t part : sums) sum += part;
  return sum;
}
void skynet(Size size) {
  in_arena(size, [size] {
    const Clock::time_point start = Clock::now();
    const std::uint64_t sum = node(0, size.n);
    const double ns = bench::ns_since(start);
    if (sum != size.n * (size.n - 1) / 2) std::abort();
    bench::print("skynet", ns / 1e6);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, {{"spawn", spawn}, {"chain", chain}, {"skynet", skynet}});
}
