// TaskWord: what is known of a task, in one atomic word, so that each step reads it and changes it
// at once. Here are the bits, and how a step is taken. What the steps are is the business of
// TaskState and of the JoinHandle.
//
//   63           6 5            4              3           2          1          0
//   +-------------+------------+--------------+-----------+----------+----------+---------+
//   | references  | join waker | join interest| cancelled | complete | notified | running |
//   +-------------+------------+--------------+-----------+----------+----------+---------+
//
//   running        a thread polls the future, or drops it. It alone may touch the future.
//   notified       the task is to be polled (again). While it is not running, one reference of it
//                  is in a queue, or on the way there: that one may begin to run it.
//   complete       the future is gone, for good. The output is there, or an error.
//   cancelled      the task is to end without an output.
//   join interest  there is a JoinHandle.
//   join waker     the waker of whoever joins is in its place, and belongs to the task.
//   references     who may look at the task: each waker, the queue, the list of all tasks, the
//                  JoinHandle. The last one that lets go frees it.
//
// Thread safety: all functions by any thread.
//
// Invariant
//   Each update() is a read-modify-write, also one that changes nothing: it releases what its
//   thread did before, and acquires what all earlier steps of all threads have released.
//
// The bits are those of Tokio's runtime::task::state.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "rt/platform/sync.h"

namespace rt {

class TaskWord {
 public:
  using Bits = std::uint64_t;

  static constexpr Bits kRunning = 1;
  static constexpr Bits kNotified = 2;
  static constexpr Bits kComplete = 4;
  static constexpr Bits kCancelled = 8;
  static constexpr Bits kJoinInterest = 16;
  static constexpr Bits kJoinWaker = 32;
  static constexpr Bits kReference = 64;  // One. All bits from here on are their number.

  explicit TaskWord(Bits bits) noexcept : bits_(bits) {}
  TaskWord(const TaskWord&) = delete;
  TaskWord& operator=(const TaskWord&) = delete;

  static constexpr Bits references(Bits bits) noexcept { return bits / kReference; }

  // Ends the program, with a message, when there are too many: it must be a leak, and a count that
  // began again at 0 would free the task under somebody's hands.
  static Bits add_reference(Bits bits) noexcept {
    if (bits > kTooMany) too_many();
    return bits + kReference;
  }

  // The word as it is now, or was. Acquire: pairs with every update() before it.
  Bits load() const noexcept { return bits_.load(std::memory_order_acquire); }

  // One step: `step(before, after)` is given the word in `before`, changes `after`, and returns
  // what came of it. It may be called several times, until nobody has changed the word in between.
  //
  // Release and acquire are what the steps need: each pairs with load() and update() of the others.
  // Seq_cst costs the same here (the same instructions on x86-64 and AArch64), and lets the first
  // look read no word older than the last step: fewer retries, and for a model checker a hundredth
  // of the executions.
  template <class Step>
  auto update(Step step) noexcept {
    Bits before = bits_.load();
    while (true) {
      Bits after = before;
      const auto outcome = step(before, after);
      if (bits_.compare_exchange_strong(before, after)) return outcome;
    }
  }

  // A second reference, made from one that its caller has. Costs one RMW. Too many: as
  // add_reference().
  void retain() noexcept {
    // Relaxed: the caller's own reference keeps the task alive, and nothing is published.
    if (bits_.fetch_add(kReference, std::memory_order_relaxed) > kTooMany) too_many();
  }

  // Lets go of `count` references. True when they were the last, and the caller has to free the
  // task. Costs one RMW, and for the last ones none.
  [[nodiscard]] bool release(Bits count = 1) noexcept {
    // With no other reference nobody can make one. load() sees all that the others did before.
    if (references(load()) == count) return true;
    // Release: pairs with the acquire, here or in load(), of whoever lets go last.
    return references(bits_.fetch_sub(count * kReference, std::memory_order_acq_rel)) == count;
  }

 private:
  static constexpr Bits kTooMany = ~Bits{0} / 2;

  [[noreturn, gnu::cold, gnu::noinline]] static void too_many() noexcept {
    std::fprintf(stderr,
                 "rt: a task has more references than its word can count: wakers are made of it "
                 "and never let go of.\n");
    std::abort();
  }

  sync::Atomic<Bits> bits_;
};

}  // namespace rt
