// budget: how much a task may do in one poll. Each leaf future that has something to give takes a
// unit for it, and a poll has 128. Then all leaves say pending, until the task is polled again. So
// a task that always finds something to do comes back to its worker all the same.
//
//   BudgetScope          128
//     leaf: a message    127
//     leaf: pending      127   gives its unit back
//     leaf: a message    126
//     …                    0
//     leaf: -              0   was not there: not even looked at, and the task gives way
//   ~BudgetScope         what it was before
//
// Nothing of this is polled by an UnconstrainedScope: in it all leaves are given what they ask for,
// and nothing is counted.
//
// Thread safety: all of it concerns the task that the calling thread polls.
//
// Invariants
//   1. In a BudgetScope, kBudget units are there to be taken; then none.
//   2. A scope leaves behind what it found, however it is left: scopes are nested, and a poll may
//      throw.
//   3. Outside of all scopes, and in an UnconstrainedScope, there is always a unit, and none is
//      taken.
//   4. give_back() makes the budget what it was when its unit was taken, whatever was taken since.
//      A leaf that polls others, and has nothing to give in the end, has cost nothing.
//
// The idea is Tokio's coop module, and the number is Tokio's.
#pragma once

#include <cstdint>
#include <utility>

#include "rt/platform/sync.h"
#include "rt/platform/todo.h"

namespace rt::coop {

inline constexpr std::uint32_t kBudget = 128;

// Yours, if you want it: what is left. Of each thread: sync::ThreadLocal.

// Whoever polls a task holds one during that poll.
class [[nodiscard]] BudgetScope {
 public:
  BudgetScope() noexcept { RT_TODO("5.1"); }
  ~BudgetScope() {}
  BudgetScope(const BudgetScope&) = delete;
  BudgetScope& operator=(const BudgetScope&) = delete;

 private:
  // Yours.
};

// What is polled in it may do as much as it likes.
class [[nodiscard]] UnconstrainedScope {
 public:
  UnconstrainedScope() noexcept { RT_TODO("5.1"); }
  ~UnconstrainedScope() {}
  UnconstrainedScope(const UnconstrainedScope&) = delete;
  UnconstrainedScope& operator=(const UnconstrainedScope&) = delete;

 private:
  // Yours.
};

// What one leaf takes to do one thing. It asks before it looks at anything: see rt/future/leaf.h.
class [[nodiscard]] Unit {
 public:
  // Takes one, if one is left.
  Unit() noexcept {
    RT_TODO("5.1");
  }
  Unit(const Unit&) = delete;
  Unit& operator=(const Unit&) = delete;

  // Whether there was one to take.
  bool was_there() const noexcept {
    RT_TODO("5.1");
  }

  // Also where there was none. REQUIRES: the scope in which it was taken.
  void give_back() noexcept {
    RT_TODO("5.1");
  }

 private:
  // Yours: what give_back() has to know.
};

// Whether the task that is polled may do anything more in this poll.
inline bool has_budget_remaining() noexcept {
  RT_TODO("5.1");
}

}  // namespace rt::coop
