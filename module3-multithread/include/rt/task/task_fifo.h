// TaskFifo: tasks that can go on, first in, first out. The tasks link themselves, through the
// `queue_next` of their headers, so nothing here allocates, and many move at the price of one. It
// writes into the trace what enters and what leaves.
//
// Thread safety: none. Guard it with a mutex, as anything else that several threads use.
//
// Invariants
//   1. The queue has the scheduled reference of each task that is in it. Those that are left when
//      it goes are let go of.
//   2. A task is in one queue at most. (It has one scheduled reference; rt/task/task_header.h.)
//   3. While no trace is on, each function takes constant time, but for pop_batch(): as long as
//      what it gives out.
//
// The idea is the queue of Tokio's runtime::scheduler::inject.
#pragma once

#include <cstddef>
#include <utility>

#include "rt/task/task_header.h"
#include "rt/trace/trace.h"

namespace rt {

class TaskFifo {
 public:
  explicit TaskFifo(const char* name) noexcept
      : name_(name) {}  // `name`: a literal, for the trace.
  TaskFifo(TaskFifo&& other) noexcept
      : name_(other.name_),
        first_(std::exchange(other.first_, nullptr)),
        last_(std::exchange(other.last_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  TaskFifo& operator=(TaskFifo&&) = delete;
  ~TaskFifo() {
    while (pop()) {
    }
  }

  void push(TaskRef task) noexcept {
    trace::enqueue(task->id, name_, size_ + 1);
    TaskHeader* const added = std::move(task).into_raw();
    added->queue_next.write() = nullptr;
    link(added, added, 1);
  }

  // The task that has waited longest, or none.
  TaskRef pop() noexcept {
    if (first_ == nullptr) return TaskRef();
    TaskHeader* const task = first_;
    first_ = task->queue_next.read();
    if (first_ == nullptr) last_ = nullptr;
    --size_;
    trace::dequeue(task->id, name_, size_);
    return TaskRef::from_raw(task);
  }

  // Puts all of `others` behind those that are here, in their order. `others` is empty after it.
  void push_batch(TaskFifo& others) noexcept {
    if (trace::enabled()) [[unlikely]] {  // One by one: the trace hears of each.
      while (TaskRef task = others.pop()) push(std::move(task));
      return;
    }
    if (others.first_ == nullptr) return;
    link(std::exchange(others.first_, nullptr), std::exchange(others.last_, nullptr),
         std::exchange(others.size_, 0));
  }

  // The `most` that have waited longest, or as many as there are. `name`: of the list that they are
  // in from now on.
  TaskFifo pop_batch(std::size_t most, const char* name) noexcept {
    TaskFifo batch(name);
    if (trace::enabled()) [[unlikely]] {
      while (batch.size_ < most && first_ != nullptr) batch.push(pop());
      return batch;
    }
    if (most == 0 || first_ == nullptr) return batch;
    TaskHeader* last = first_;
    std::size_t count = 1;
    for (; count < most && last != last_; ++count) last = last->queue_next.read();
    batch.first_ = std::exchange(first_, last->queue_next.read());
    batch.last_ = last;
    batch.size_ = count;
    if (first_ == nullptr) last_ = nullptr;
    size_ -= count;
    last->queue_next.write() = nullptr;
    return batch;
  }

  bool empty() const noexcept { return first_ == nullptr; }
  std::size_t size() const noexcept { return size_; }

 private:
  void link(TaskHeader* first, TaskHeader* last, std::size_t count) noexcept {
    if (last_ == nullptr) {
      first_ = first;
    } else {
      last_->queue_next.write() = first;
    }
    last_ = last;
    size_ += count;
  }

  const char* name_;
  TaskHeader* first_ = nullptr;
  TaskHeader* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace rt
