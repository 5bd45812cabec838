// What the experiments share that measure with a table and a chart: work of a known length, the
// command line, and gnuplot.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace demo {

// Each round needs the result of the one before, so that nothing can be done at once.
inline std::uint64_t compute(std::uint64_t rounds) {
  std::uint64_t x = rounds + 1;
  for (; rounds > 0; --rounds) x = x * 6364136223846793005u + 1442695040888963407u;
  return x;
}

inline std::atomic<std::uint64_t> sink{0};  // So that the compiler does not leave the work out.

// How many rounds take a microsecond. The fastest of some tries: the others were disturbed.
inline double rounds_per_microsecond() {
  constexpr std::uint64_t kRounds = 2'000'000;
  double best = 1e18;
  for (int i = 0; i < 7; ++i) {
    const auto start = std::chrono::steady_clock::now();
    sink.store(compute(kRounds), std::memory_order_relaxed);
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return static_cast<double>(kRounds) / best;
}

struct ExperimentOptions {
  bool quick = false;
  std::string svg;  // The file to draw to; empty for none.
};

// Nothing, with a message, if the command line is not one of an experiment's.
inline std::optional<ExperimentOptions> experiment_options(int argc, char** argv,
                                                           const char* name) {
  ExperimentOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--quick" || argument == "--self-test") {
      options.quick = true;
    } else if (argument == "--svg" && i + 1 < argc) {
      options.svg = argv[++i];
    } else {
      std::fprintf(stderr, "usage: %s [--quick] [--svg FILE]\n", name);
      return std::nullopt;
    }
  }
  return options;
}

// Has gnuplot draw an SVG of this size to `file`: `write` gives it the commands and the data.
// False, with a message, when there is no gnuplot or it fails.
template <class Write>
bool draw_svg(const std::string& file, const char* size, Write write) {
  if (std::system("command -v gnuplot > /dev/null") != 0) {
    std::fprintf(stderr,
                 "No chart: gnuplot is not installed (sudo apt-get install gnuplot-nox).\n");
    return false;
  }
  std::FILE* const plot = ::popen("gnuplot", "w");
  if (plot == nullptr) return false;
  std::string quoted;
  for (const char c : file) quoted += c == '\'' ? "''" : std::string(1, c);
  std::fprintf(plot, "set terminal svg size %s background 'white'\nset output '%s'\n", size,
               quoted.c_str());
  write(plot);
  return ::pclose(plot) == 0;
}

}  // namespace demo
