// Token: what the kernel hands back with an event, so that its receiver is found.
//
// A descriptor would not do. Its number is given out again as soon as it is closed, and an event of
// the old one may still be on its way. So a place in a table is named, and who it was that had it:
// each time a place gets a new owner, its generation goes up by one.
//
// Thread safety: a plain value.
//
// The idea is that of a slotmap's key, and of Tokio's slab of I/O resources.
#pragma once

#include <cstdint>

namespace rt {

struct Token {
  constexpr Token() noexcept : Token(0, 0) {}
  constexpr Token(std::uint32_t i, std::uint32_t g) noexcept : index(i), generation(g) {}

  // The 64 bits that the kernel keeps with a registration (epoll_data.u64), and back.
  static constexpr Token from_u64(std::uint64_t bits) noexcept {
    return Token(static_cast<std::uint32_t>(bits), static_cast<std::uint32_t>(bits >> 32));
  }
  constexpr std::uint64_t to_u64() const noexcept {
    return std::uint64_t{generation} << 32 | index;
  }

  friend constexpr bool operator==(const Token&, const Token&) noexcept = default;

  std::uint32_t index;
  std::uint32_t generation;
};

}  // namespace rt
