// PollSlot: which task a worker polls at this moment, for those who watch from another thread. It
// costs the worker three stores to a cache line of its own with each poll, and no wait.
//
//   the worker                              who looks
//   ----------                              ---------
//   begin(): fields of the next poll, in    word: busy? else nothing is polled
//            one of two places, in turn;    fields, from the place of this poll
//            then word: its number, busy    word: as before? else these may be of the poll after
//   rest():  word: not busy, before it       the next
//            sleeps
//
// Thread safety: begin() and rest() by the worker; look() by any thread, at any time.
//
// Invariants
//   1. What look() gives is of one poll: its number, its task, and where that was spawned.
//   2. Of two looks that give the same number, the worker was in that poll from one to the other,
//      or has just ended it: it has neither begun another one nor slept.
//
// The idea is a seqlock, with two places in turn for want of a word that says "I write".
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>
#include <source_location>

#include "rt/trace/trace.h"

namespace rt {

// A poll that has begun.
struct PollSeen {
  PollSeen() noexcept {}
  std::uint64_t poll = 0;           // Each poll of a worker has a number of its own, from 1 on.
  trace::TaskId task = 0;           // Unique in a program only where traces are compiled in.
  std::source_location spawned_at;  // No file: not known.
};

// `Word`: an atomic std::uint64_t. Std's for workers: a model checker has nothing to see in them
// that the tasks would depend on.
template <class Word>
class BasicPollSlot {
 public:
  BasicPollSlot() noexcept {}
  BasicPollSlot(const BasicPollSlot&) = delete;
  BasicPollSlot& operator=(const BasicPollSlot&) = delete;

  void begin(trace::TaskId task, const std::source_location& spawned_at) noexcept {
    const std::uint64_t poll = number_of(word_.load(std::memory_order_relaxed)) + 1;
    Fields& fields = fields_[poll % 2];
    // Release: they were those of the poll before the last one. Who reads the new ones, by acquire,
    // sees that this one has been followed by another.
    fields.task.store(task, std::memory_order_release);
    fields.spawned_at.store(std::bit_cast<std::uint64_t>(spawned_at), std::memory_order_release);
    // Release: pairs with the first acquire of look(). Who sees this number sees its fields.
    word_.store(2 * poll + kBusy, std::memory_order_release);
  }
  // Nothing is polled until the next begin().
  void rest() noexcept {
    // Relaxed: who sees it late might as well have looked a moment earlier.
    word_.store(word_.load(std::memory_order_relaxed) & ~kBusy, std::memory_order_relaxed);
  }

  // None: no task is polled, or others have begun meanwhile.
  std::optional<PollSeen> look() const noexcept {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    if ((word & kBusy) == 0) return std::nullopt;
    PollSeen seen;
    seen.poll = number_of(word);
    const Fields& fields = fields_[seen.poll % 2];
    // Acquire: pair with begin(). If one of them is newer, so is the word that is read last.
    seen.task = fields.task.load(std::memory_order_acquire);
    seen.spawned_at =
        std::bit_cast<std::source_location>(fields.spawned_at.load(std::memory_order_acquire));
    if (word_.load(std::memory_order_relaxed) != word) return std::nullopt;
    return seen;
  }

  // The worker's thread, as the kernel numbers it; 0: it has none.
  void set_thread(int id) noexcept { thread_.store(static_cast<std::uint64_t>(id)); }
  int thread() const noexcept { return static_cast<int>(thread_.load()); }

 private:
  static_assert(sizeof(std::source_location) == sizeof(std::uint64_t));

  static constexpr std::uint64_t kBusy = 1;
  static constexpr std::uint64_t number_of(std::uint64_t word) noexcept { return word / 2; }

  struct Fields {
    Word task{0};
    Word spawned_at{std::bit_cast<std::uint64_t>(std::source_location())};
  };
  Word word_{0};  // The number of the last poll, and whether it is under way.
  Fields fields_[2];
  Word thread_{0};
};

using PollSlot = BasicPollSlot<std::atomic<std::uint64_t>>;

}  // namespace rt
