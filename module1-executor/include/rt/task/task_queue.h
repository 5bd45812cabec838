// TaskQueue: tasks that can go on, first in, first out. It writes into the trace what enters and
// what leaves.
//
// Thread safety: none. Guard it with a mutex, as anything else that several threads use.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>

#include "rt/platform/sync.h"
#include "rt/trace/trace.h"

namespace rt {

// A Task has an `id`, which names it in the trace.
template <class Task>
class TaskQueue {
 public:
  explicit TaskQueue(const char* name) noexcept : name_(name) {}  // `name`: a literal.

  void push(sync::Arc<Task> task) {
    trace::enqueue(task->id, name_, tasks_.size() + 1);
    tasks_.push_back(std::move(task));
  }

  // The task that has waited longest, or null if there is none.
  sync::Arc<Task> pop() {
    if (tasks_.empty()) return sync::Arc<Task>();
    sync::Arc<Task> task = std::move(tasks_.front());
    tasks_.pop_front();
    trace::dequeue(task->id, name_, tasks_.size());
    return task;
  }

  bool empty() const noexcept { return tasks_.empty(); }
  std::size_t size() const noexcept { return tasks_.size(); }

 private:
  const char* const name_;
  std::deque<sync::Arc<Task>> tasks_;
};

}  // namespace rt
