// Counts primes on one worker, on two, on as many as there are cores.
//
//   parallel_primes [N]            the primes below N; default 5000000
//   parallel_primes --self-test    those below 200000
//
// A task for each thousand numbers. The first task spawns all of them, and awaits one handle after
// the other: it does not matter in which order they end, or on which thread.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "rt/future/async.h"
#include "rt/runtime/shared_pool.h"
#include "rt/task/spawn.h"

namespace {

constexpr std::uint32_t kChunk = 1'000;

bool is_prime(std::uint32_t n) {
  if (n < 4) return n >= 2;
  if (n % 2 == 0) return false;
  for (std::uint32_t d = 3; d <= n / d; d += 2) {
    if (n % d == 0) return false;
  }
  return true;
}

rt::Async<int> count(std::uint32_t from, std::uint32_t to) {
  int primes = 0;
  for (std::uint32_t n = from; n < to; ++n) primes += is_prime(n) ? 1 : 0;
  co_return primes;
}

rt::Async<int> count_all(std::uint32_t below) {
  std::vector<rt::JoinHandle<int>> chunks;
  for (std::uint32_t from = 0; from < below; from += kChunk) {
    chunks.push_back(rt::spawn(count(from, std::min(from + kChunk, below))));
  }
  int primes = 0;
  for (rt::JoinHandle<int>& chunk : chunks) primes += co_await std::move(chunk);
  co_return primes;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint32_t below = 5'000'000;
  const bool self_test = argc == 2 && std::string_view(argv[1]) == "--self-test";
  if (self_test) {
    below = 200'000;
  } else if (argc > 2 ||
             (argc == 2 && (!absl::SimpleAtoi(argv[1], &below) || below > 50'000'000))) {
    std::fprintf(stderr, "usage: parallel_primes [N] [--self-test], N at most 50000000\n");
    return 2;
  }
  double one = 0;
  std::set<int> answers;
  const std::size_t cores = std::max(std::thread::hardware_concurrency(), 1u);
  for (const std::size_t workers : std::set<std::size_t>{1, 2, cores}) {
    rt::SharedPool pool(workers);
    const auto start = std::chrono::steady_clock::now();
    const int primes = pool.block_on(pool.spawn(count_all(below)));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    answers.insert(primes);
    if (workers == 1) one = took.count();
    absl::PrintF("%2d workers: %d primes below %d in %.0f ms, %.2f times as fast as one\n", workers,
                 primes, below, took.count() * 1e3, one / took.count());
  }
  return answers.size() == 1 && (!self_test || *answers.begin() == 17'984) ? 0 : 1;
}
