// FastRandom: numbers to break ties with: at whose queue a search begins, which worker takes the
// next step. The same seed gives the same numbers on every machine, so that what a runtime does by
// chance can be repeated.
//
// Thread safety: none. Each worker has its own.
//
// Costs: three shifts and a multiplication. It is not for secrets, nor for statistics.
//
// The idea is George Marsaglia's xorshift. Tokio's workers have one too.
#pragma once

#include <cstdint>

namespace rt {

class FastRandom {
 public:
  // Seeds that lie side by side give numbers that have nothing in common: the seed is mixed first
  // (by the finalizer of Sebastiano Vigna's splitmix64).
  explicit FastRandom(std::uint64_t seed) noexcept {
    seed += 0x9e3779b97f4a7c15u;
    seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9u;
    seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebu;
    state_ = (seed ^ (seed >> 31)) | 1;  // Zero would stay zero.
  }

  // A number below `n`. REQUIRES: n > 0.
  std::uint32_t below(std::uint32_t n) noexcept {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<std::uint32_t>((state_ >> 32) * n >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace rt
