// Readiness: what a descriptor can do without waiting, as far as the kernel has said. And
// Direction: which of the two an operation wants to do.
//
// Thread safety: plain values.
//
// Invariants
//   1. Readiness is a hint. "Readable" means that a read is worth a try, and EAGAIN may be its
//      answer. Without the bit a try is not worth its system call.
//   2. Whatever ends a direction satisfies it: a read at the end of the stream does not wait.
//   3. kReadClosed, kWriteClosed, kPriority and kShutdown never go away again. The others go when a
//      try has found nothing.
//
// The idea is mio's Ready and Tokio's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace rt {

enum class Direction : std::uint8_t { kRead, kWrite };

class Readiness {
 public:
  static const Readiness kReadable;     // Bytes or connections wait to be taken.
  static const Readiness kWritable;     // There is room; or a connect has ended.
  static const Readiness kReadClosed;   // The peer sends nothing more.
  static const Readiness kWriteClosed;  // The peer takes nothing more.
  static const Readiness kError;        // An error waits for whichever operation is next.
  static const Readiness kShutdown;     // The runtime is gone, and nobody would wake you.
  static const Readiness kPriority;     // Urgent data has come: a read may stop in front of it.

  constexpr Readiness() noexcept = default;  // Nothing.
  static constexpr Readiness from_bits(std::uint8_t bits) noexcept {
    return Readiness(bits & (kAllBits - 1));
  }
  constexpr std::uint8_t bits() const noexcept { return bits_; }

  constexpr bool empty() const noexcept { return bits_ == 0; }
  // True when all bits of `other` are set.
  constexpr bool contains(Readiness other) const noexcept {
    return (bits_ & other.bits_) == other.bits_;
  }
  // True when an operation in this direction is worth a try.
  constexpr bool satisfies(Direction direction) const noexcept {
    return (bits_ & wanted(direction).bits_) != 0;
  }

  // What satisfies a direction, and the part of it that an operation which would block takes away.
  static constexpr Readiness wanted(Direction direction) noexcept;
  static constexpr Readiness clearable(Direction direction) noexcept;

  friend constexpr Readiness operator|(Readiness a, Readiness b) noexcept {
    return Readiness(a.bits_ | b.bits_);
  }
  friend constexpr Readiness operator-(Readiness a, Readiness b) noexcept {
    return Readiness(a.bits_ & ~b.bits_);
  }
  constexpr Readiness& operator|=(Readiness other) noexcept { return *this = *this | other; }
  friend constexpr bool operator==(const Readiness&, const Readiness&) noexcept = default;

  // "readable|read_closed"; "nothing". Lives as long as the program, as a trace demands.
  const char* to_string() const noexcept;

 private:
  static constexpr int kAllBits = 1 << 7;

  constexpr explicit Readiness(int bits) noexcept : bits_(static_cast<std::uint8_t>(bits)) {}

  std::uint8_t bits_ = 0;
};

inline constexpr Readiness Readiness::kReadable{1 << 0};
inline constexpr Readiness Readiness::kWritable{1 << 1};
inline constexpr Readiness Readiness::kReadClosed{1 << 2};
inline constexpr Readiness Readiness::kWriteClosed{1 << 3};
inline constexpr Readiness Readiness::kError{1 << 4};
inline constexpr Readiness Readiness::kShutdown{1 << 5};
inline constexpr Readiness Readiness::kPriority{1 << 6};

constexpr Readiness Readiness::wanted(Direction direction) noexcept {
  return (direction == Direction::kRead ? kReadable | kReadClosed : kWritable | kWriteClosed) |
         kError | kShutdown;
}

constexpr Readiness Readiness::clearable(Direction direction) noexcept {
  return (direction == Direction::kRead ? kReadable : kWritable) | kError;
}

namespace detail {

// The names of all sets, each as long as the longest.
struct ReadinessNames {
  static constexpr const char* kBits[7] = {"readable", "writable", "read_closed", "write_closed",
                                           "error",    "shutdown", "priority"};
  std::array<std::array<char, 72>, 128> names{};

  constexpr ReadinessNames() noexcept {
    for (std::size_t set = 0; set < names.size(); ++set) {
      std::size_t end = 0;
      for (std::size_t bit = 0; bit < 7; ++bit) {
        if ((set >> bit & 1) != 0) append(names[set], end, kBits[bit]);
      }
    }
    std::size_t end = 0;
    append(names[0], end, "nothing");
  }

  static constexpr void append(std::array<char, 72>& name, std::size_t& end, const char* word) {
    if (end > 0) name[end++] = '|';
    for (; *word != '\0'; ++word) name[end++] = *word;
  }
};

inline constexpr ReadinessNames kReadinessNames;

}  // namespace detail

inline const char* Readiness::to_string() const noexcept {
  return detail::kReadinessNames.names[bits_].data();
}

constexpr const char* to_string(Direction direction) noexcept {
  return direction == Direction::kRead ? "read" : "write";
}

}  // namespace rt
