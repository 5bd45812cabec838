// Worker: runs tasks: its own, those that nobody owns, and if there are none, those of others.
//
// Thread safety: for its own thread.
//
// The idea is Tokio's runtime::scheduler::multi_thread::worker.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "rt/coop.h"
#include "rt/fast_random.h"
#include "rt/overflow.h"
#include "rt/steal.h"
#include "rt/task_fifo.h"
#include "rt/task_header.h"
#include "rt/todo.h"
#include "rt/trace.h"
#include "rt/worker_shared.h"

namespace rt {

class Worker {
 public:
  Worker(WorkerShared& shared, std::size_t index)
      : shared_(shared),
        seat_(shared.seats[index]),
        index_(index),
        random_(shared.options.seed + index) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // One pass of the loop: runs a task, or sleeps if there is none anywhere. False once closed.
  bool step() {
    RT_TODO("4.5");
  }

  // A task that this worker has woken or spawned: it is the next to run.
  void schedule(TaskRef task) noexcept {
    RT_TODO("4.5");
  }

  // A task that gives way: behind all others.
  void yield(TaskRef task) noexcept {
    RT_TODO("4.5");
  }

  // Lets go of the tasks that are left. After the last step().
  void drain() noexcept {
    lifo_ = TaskRef();
    while (seat_.queue.pop()) {
    }
  }

 private:
  // Yours.

  WorkerShared& shared_;
  WorkerShared::Seat& seat_;
  const std::size_t index_;
  FastRandom random_;
  std::uint32_t tick_ = 0;
  TaskRef lifo_;  // The task that was woken last. Nobody steals it.
  bool is_searching_ = false;
  bool is_collecting_ = false;  // What is woken now was woken by events.
  TaskFifo woken_by_events_{"events"};
};

}  // namespace rt
