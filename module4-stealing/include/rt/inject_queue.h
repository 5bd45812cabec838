// InjectQueue: tasks that belong to no worker. Here comes what is woken or spawned outside of the
// runtime, and what a worker's own queue has no room for.
//
// Thread safety: all functions by any thread.
//
// Invariants
//   1. First in, first out. After close() nothing comes in, and what was in comes out.
//   2. No lock is held while a task is let go of. Nobody takes the lock to learn that the queue is
//      empty.
//
// The idea is Tokio's runtime::scheduler::inject.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "rt/sync.h"
#include "rt/task_fifo.h"
#include "rt/task_header.h"
#include "rt/todo.h"

namespace rt {

class InjectQueue {
 public:
  InjectQueue() = default;
  InjectQueue(const InjectQueue&) = delete;
  InjectQueue& operator=(const InjectQueue&) = delete;

  // To the back. Once the queue is closed the task is let go of.
  void push(TaskRef task) noexcept {
    RT_TODO("4.3");
  }

  // The same for many, with one lock.
  void push_batch(TaskFifo batch) noexcept {
    RT_TODO("4.3");
  }

  TaskRef pop() noexcept {
    RT_TODO("4.3");
  }

  // The `most` that have waited longest, or as many as there are.
  TaskFifo pop_batch(std::size_t most) noexcept {
    RT_TODO("4.3");
  }

  void close() noexcept {
    RT_TODO("4.3");
  }

  // Seq_cst: who goes to sleep looks here, as at LocalQueue::size().
  std::size_t size() const noexcept { return size_.load(); }
  bool empty() const noexcept { return size() == 0; }

 private:
  struct Tasks {
    TaskFifo ready{"inject"};
    bool closed = false;
  };
  sync::Mutex mutex_;
  sync::Cell<Tasks> tasks_{};
  sync::Atomic<std::size_t> size_{0};  // Of the queue: changed under the mutex, read without.
};

}  // namespace rt
