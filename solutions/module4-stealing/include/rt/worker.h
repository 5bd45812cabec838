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
    // BEGIN SOLUTION 4.5
    if (shared_.is_closed.load(std::memory_order_acquire)) return false;
    ++tick_;
    if (tick_ % shared_.options.event_interval == 0) look();
    TaskRef task = next_task();
    if (!task) task = search();
    if (task) {
      run(std::move(task));
    } else {
      sleep();
    }
    return true;
    // END SOLUTION
  }

  // A task that this worker has woken or spawned: it is the next to run.
  void schedule(TaskRef task) noexcept {
    // BEGIN SOLUTION 4.5
    if (is_collecting_) {
      woken_by_events_.push(std::move(task));
      return;
    }
    trace::enqueue(task->id, "lifo", 1);
    if (!lifo_) {
      lifo_ = std::move(task);
      return;
    }
    push_back(std::exchange(lifo_, std::move(task)));
    shared_.notify();
    // END SOLUTION
  }

  // A task that gives way: behind all others.
  void yield(TaskRef task) noexcept {
    // BEGIN SOLUTION 4.5
    const bool is_alone = !lifo_ && seat_.queue.empty();
    push_back(std::move(task));
    if (!is_alone) shared_.notify();
    // END SOLUTION
  }

  // Lets go of the tasks that are left. After the last step().
  void drain() noexcept {
    lifo_ = TaskRef();
    while (seat_.queue.pop()) {
    }
  }

 private:
  // BEGIN SOLUTION 4.5
  // STUB: // Yours.
  TaskRef next_task() noexcept {
    if (tick_ % shared_.options.global_queue_interval == 0) {
      if (TaskRef task = shared_.inject.pop()) return task;
    }
    if (lifo_ && !coop::lifo_is_exhausted()) return take_lifo();
    if (TaskRef task = seat_.queue.pop()) return task;
    if (lifo_) return take_lifo();
    return take_batch();
  }

  TaskRef take_lifo() noexcept {
    TaskRef task = std::move(lifo_);
    trace::dequeue(task->id, "lifo", 0);
    return task;
  }

  // This worker's share of the inject queue: one to run, and the others into its own queue.
  TaskRef take_batch() noexcept {
    const std::size_t size = shared_.inject.size();
    if (size == 0) return TaskRef();
    const std::size_t share = size / shared_.seats.size() + 1;
    TaskFifo batch =
        shared_.inject.pop_batch(std::min<std::size_t>(share, TaskRing::kCapacity / 2));
    TaskRef first = batch.pop();
    seat_.queue.push_all(std::move(batch));
    return first;
  }

  TaskRef search() noexcept {
    if (!is_searching_) is_searching_ = shared_.idle.try_search();
    if (!is_searching_) return TaskRef();
    const auto workers = static_cast<std::uint32_t>(shared_.seats.size());
    const std::uint32_t start = random_.below(workers);
    for (std::uint32_t i = 0; i < workers; ++i) {
      const std::size_t victim = (start + i) % workers;
      if (victim == index_) continue;
      Stolen stolen = steal(shared_.seats[victim].queue, seat_.queue);
      if (stolen.task) {
        trace::steal(stolen.count, victim);
        seat_.counters.steals.add(stolen.count);
        seat_.counters.steal_operations.add();
        return std::move(stolen.task);
      }
    }
    return take_batch();
  }

  void run(TaskRef task) {
    if (std::exchange(is_searching_, false) && shared_.idle.stop_search() && shared_.has_work()) {
      shared_.notify();
    }
    seat_.counters.polls.add();
    std::move(task).run();
  }

  void sleep() {
    const bool was_last = shared_.idle.fall_asleep(index_, std::exchange(is_searching_, false));
    if (was_last && shared_.has_work()) shared_.notify();
    seat_.counters.parks.add();
    is_collecting_ = true;
    {
      const trace::ParkScope traced;
      seat_.park.park();
    }
    is_collecting_ = false;
    is_searching_ = shared_.idle.wake_up(index_);
    take_events(1);
  }

  void look() {
    is_collecting_ = true;
    seat_.park.look();
    is_collecting_ = false;
    take_events(0);
  }

  // `own`: how many of them this worker runs next.
  void take_events(std::size_t own) noexcept {
    const std::size_t count = woken_by_events_.size();
    if (count == 0) return;
    if (count <= seat_.queue.room() && shared_.inject.empty()) {
      seat_.queue.push_all(TaskFifo(std::move(woken_by_events_)));
    } else {
      shared_.inject.push_batch(TaskFifo(std::move(woken_by_events_)));
    }
    if (count > own && !is_searching_) shared_.notify();
  }

  void push_back(TaskRef task) noexcept {
    if (push_or_overflow(seat_.queue, std::move(task), shared_.inject) > 0) {
      seat_.counters.overflows.add();
    }
  }
  // END SOLUTION

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
