// What becomes of an exception of a task when nobody hears of it: the task is detached, or whoever
// had its JoinHandle has dropped it without asking. It harms nobody else, and it is not silent: a
// runtime that has a hook for it calls that; else there is one line on stderr.
//
// Cancelled is no such exception: it is thrown at those who join a task that was aborted, and many
// of them end by it.
//
// Thread safety: report_unhandled() by any thread. A TaskError is a plain value.
#pragma once

#include <cstddef>
#include <cstdio>
#include <exception>
#include <functional>
#include <utility>

#include "rt/task/spawn.h"

namespace rt {

// Called with what was thrown, by the thread that found out, with no lock held. May not throw.
using UnhandledHook = std::function<void(std::exception_ptr)>;

// To `hook`, or on stderr if there is none.
inline void report_unhandled(std::exception_ptr thrown, const UnhandledHook& hook = {}) noexcept {
  constexpr char kLine[] = "rt: a task that nobody joins has thrown an exception: %s\n";
  try {
    std::rethrow_exception(thrown);
  } catch (const Cancelled&) {
    return;
  } catch (const std::exception& error) {
    if (!hook) std::fprintf(stderr, kLine, error.what());
  } catch (...) {
    if (!hook) std::fprintf(stderr, kLine, "not a std::exception");
  }
  if (hook) hook(std::move(thrown));
}

// What a task has thrown, until somebody hears of it. One that ends before that reports itself.
class TaskError {
 public:
  TaskError() noexcept = default;  // None.
  TaskError(std::exception_ptr thrown) noexcept : thrown_(std::move(thrown)) {}
  TaskError(TaskError&& other) noexcept : thrown_(std::exchange(other.thrown_, nullptr)) {}
  TaskError& operator=(TaskError&& other) noexcept {
    TaskError taken(std::move(other));
    std::swap(thrown_, taken.thrown_);
    return *this;
  }
  ~TaskError() {
    if (thrown_ != nullptr) report_unhandled(std::move(thrown_));
  }

  friend bool operator==(const TaskError& error, std::nullptr_t) noexcept {
    return error.thrown_ == nullptr;
  }

  // Throws it at whoever joins the task: so it was heard. REQUIRES: there is one.
  [[noreturn]] void rethrow() && { std::rethrow_exception(std::exchange(thrown_, nullptr)); }

 private:
  std::exception_ptr thrown_;
};

}  // namespace rt
