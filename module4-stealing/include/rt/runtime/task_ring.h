// TaskRing: the memory of a worker's queue, which its owner and the thieves share. Here is where
// things stand, and how the two numbers of the head lie in one word. Who changes what is the
// business of LocalQueue, steal and overflow.
//
//              a thief copies      to be taken
//              .-----^-----.   .--------^--------.
//      | free |  t7  |  t8  |  t9  |  t2  |  t4  | free |
//              ^             ^                    ^
//              steal         real                 tail
//
//   tail    where the next task is put. Only the owner changes it.
//   real    the first task that nobody has taken: where pop() and the next thief take.
//   steal   the first slot that is not free yet. While a thief copies, it stands behind real: what
//           lies between is the thief's. When nobody steals, steal == real.
//
//   step                    by      only if                          then
//   ----                    --      -------                          ----
//   push n                  owner   tail - steal + n <= kCapacity    tail += n
//   pop                     owner   real != tail                     real += 1, and steal with it
//                                                                    if the two are equal
//   a thief claims n        thief   steal == real, real != tail      real += n
//   the thief has copied    thief   steal != real, and it is his     steal := real
//   overflow, claim all     owner   steal == real, and no room       steal, real := tail
//   overflow, put half back owner   right after it                   tail += kCapacity / 2
//
// So room is counted from steal, and tasks from real. One thief at a time; the owner never waits
// for him, and he never waits for the owner.
//
// Indices count up, and wrap at 2^32; the slot of an index is index % kCapacity. There are many
// more indices than slots, so that a full ring differs from an empty one, and so that a thief that
// slept for a whole round of the ring finds that the head is another one.
//
// Thread safety: tail is stored and slots are written by the owner only; each change of the head is
// one compare-and-exchange, by the owner or a thief. Each of them releases, and a thief reads the
// head with acquire before he reads the tail: so his tail is not older than his head.
//
// Invariants
//   1. steal <= real <= tail, and tail - steal <= kCapacity, counted modulo 2^32.
//   2. The ring has the scheduled reference of each task between real and tail; a thief, of those
//      between steal and real.
//   3. A slot between steal and tail is written by nobody.
//
// The idea is Tokio's runtime::scheduler::multi_thread::queue. Its ancestor is Go's.
#pragma once

#include <array>
#include <cstdint>

#include "rt/platform/sync.h"
#include "rt/task/task_header.h"

namespace rt {

struct TaskRing {
#ifdef RT_MODEL_CHECKED
  static constexpr std::uint32_t kCapacity = 4;  // So that few steps fill it.
#else
  static constexpr std::uint32_t kCapacity = 256;
#endif

  // Both numbers of the head, which change in one step.
  struct Head {
    Head(std::uint32_t s, std::uint32_t r) noexcept : steal(s), real(r) {}
    bool is_stolen_from() const noexcept { return steal != real; }
    std::uint32_t steal;
    std::uint32_t real;
  };
  static Head unpack(std::uint64_t word) noexcept {
    return Head(static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word));
  }
  static std::uint64_t pack(Head head) noexcept {
    return std::uint64_t{head.steal} << 32 | head.real;
  }

  // Empty. `first`: the index of the first task, for tests of the wrap.
  explicit TaskRing(std::uint32_t first = 0) noexcept
      : head(pack(Head(first, first))), tail(first) {}
  TaskRing(const TaskRing&) = delete;
  TaskRing& operator=(const TaskRing&) = delete;

  sync::Cell<TaskHeader*>& slot(std::uint32_t index) noexcept { return slots[index % kCapacity]; }

  // Head and tail on lines of their own: thieves write the one, and only the owner the other.
  alignas(64) sync::Atomic<std::uint64_t> head;
  alignas(64) sync::Atomic<std::uint32_t> tail;
  std::array<sync::Cell<TaskHeader*>, kCapacity> slots;
};

}  // namespace rt
