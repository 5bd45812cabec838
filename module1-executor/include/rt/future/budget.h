// budget: how much a task may do in one poll. This one has no end: whoever asks may go on. Module 5
// puts a header in its place that counts (exercise 5.1), and all who have to ask do so already.
//
// Thread safety: all of it concerns the task that the calling thread polls.
//
// The idea is Tokio's coop module.
#pragma once

namespace rt::coop {

// Whoever polls a task holds one during that poll.
class [[nodiscard]] BudgetScope {
 public:
  BudgetScope() noexcept {}
};

// What is polled in it may do as much as it likes.
class [[nodiscard]] UnconstrainedScope {
 public:
  UnconstrainedScope() noexcept {}
};

// What one leaf takes to do one thing. It asks before it looks at anything: see rt/future/leaf.h.
class [[nodiscard]] Unit {
 public:
  Unit() noexcept {}
  bool was_there() const noexcept { return true; }
  void give_back() noexcept {}
};

// Whether the task that is polled may do anything more in this poll.
inline bool has_budget_remaining() noexcept { return true; }

}  // namespace rt::coop
