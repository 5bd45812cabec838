// Visited: the states that were explored, and with how many preemptions left.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace testkit::model::detail {

class Visited {
 public:
  // Who runs: a thread, or kNobody if whoever ran cannot go on and any switch is free.
  static constexpr std::size_t kNobody = 7;

  void clear() {
    entries_.assign(kFirstSize, Entry());
    size_ = 0;
  }
  std::size_t size() const noexcept { return size_; }

  // False if all that can follow was explored: the state was met with the same thread running and
  // as many preemptions left, or with another one running and one more left, to get to this one.
  bool add(std::uint64_t state, std::size_t running, int left) {
    if (size_ * 2 >= entries_.size()) grow();
    Entry& entry = find(entries_, state);
    if (entry.state == 0) {
      entry.state = key(state);
      ++size_;
    }
    const auto mine = static_cast<std::uint8_t>(left + 1);
    for (std::size_t i = 0; i < entry.left.size(); ++i) {
      if (entry.left[i] >= mine + (i == running ? 0 : 1)) return false;
    }
    entry.left[running] = mine;
    return true;
  }

 private:
  static constexpr std::size_t kFirstSize = 1U << 12;

  struct Entry {
    std::uint64_t state = 0;                // 0: none.
    std::array<std::uint8_t, 8> left = {};  // For each running thread, one more than what was left.
  };

  static std::uint64_t key(std::uint64_t state) noexcept { return state == 0 ? 1 : state; }

  static Entry& find(std::vector<Entry>& entries, std::uint64_t state) noexcept {
    const std::size_t mask = entries.size() - 1;
    std::size_t at = key(state) & mask;
    while (entries[at].state != 0 && entries[at].state != key(state)) at = (at + 1) & mask;
    return entries[at];
  }

  void grow() {
    std::vector<Entry> larger(entries_.size() * 2);
    for (const Entry& entry : entries_) {
      if (entry.state != 0) find(larger, entry.state) = entry;
    }
    entries_.swap(larger);
  }

  std::vector<Entry> entries_;
  std::size_t size_ = 0;
};

}  // namespace testkit::model::detail
