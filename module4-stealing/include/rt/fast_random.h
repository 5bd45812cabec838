// FastRandom: numbers to break ties with. The same seed gives the same numbers, so that what a
// runtime does by chance can be repeated.
//
// Thread safety: none.
//
// The idea is George Marsaglia's xorshift.
#pragma once

#include <cstdint>

namespace rt {

class FastRandom {
 public:
  explicit FastRandom(std::uint64_t seed) noexcept : state_(seed * 0x9e3779b97f4a7c15u | 1) {}

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
