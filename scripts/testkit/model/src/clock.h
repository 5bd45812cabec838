// Clock: what happens before a moment, as one count for each thread (a vector clock).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace testkit::model::detail {

using Tick = std::uint16_t;  // Counts one thread's operations, from 1; 0 is before all of them.

class Clock {
 public:
  static constexpr std::size_t kThreads = 7;

  Tick operator[](std::size_t thread) const noexcept { return at_[thread]; }
  Tick& operator[](std::size_t thread) noexcept { return at_[thread]; }

  // The newest seq_cst fence that happens before this moment, by its number; 0 is none. It travels
  // with the counts, since a fence acts on everything that it happens before.
  Tick fence() const noexcept { return at_[kThreads]; }
  void set_fence(Tick fence) noexcept { at_[kThreads] = fence; }

  void join(const Clock& other) noexcept {
    for (std::size_t i = 0; i < at_.size(); ++i) at_[i] = std::max(at_[i], other.at_[i]);
  }
  // Whether the operation that `thread` did at `when` happens before this moment.
  bool covers(std::size_t thread, Tick when) const noexcept { return when <= at_[thread]; }

 private:
  std::array<Tick, kThreads + 1> at_{};
};

// Order-sensitive mixing of two hashes.
inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t x = (a ^ (b * 0x9E3779B97F4A7C15U)) + 0x2545F4914F6CDD1DU;
  x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93U;
  return x ^ (x >> 29);
}

}  // namespace testkit::model::detail
