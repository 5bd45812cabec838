// StealingScheduler: the workers of a runtime, and its tasks from their spawn to their end.
//
// Thread safety: schedule(), spawn() and release() by any thread. step() by the worker's thread.
//
// Invariants
//   1. A task that is ready is run once, by one worker.
//   2. A task that is bound ends, or is dropped by drop_all(). One that comes later is shut down at
//      once.
//   3. It lives until its owner has left, each Handle is gone, and the last task has been freed.
//
// The idea is Tokio's runtime::scheduler::multi_thread::Handle.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include "rt/owned_tasks.h"
#include "rt/sync.h"
#include "rt/task_count.h"
#include "rt/task_header.h"
#include "rt/worker.h"
#include "rt/worker_parks.h"
#include "rt/worker_shared.h"

namespace rt {

class StealingScheduler final : public TaskScheduler {
 public:
  // With a Park for each worker. Made by new; leave() in place of delete.
  StealingScheduler(std::size_t workers, std::unique_ptr<WorkerParks> parks, WorkerOptions options)
      : shared_(workers, std::move(parks), options), all_(4 * workers), running_(workers) {
    for (std::size_t i = 0; i < workers; ++i) seats_.emplace_back(shared_, i);
  }

  // One claim that keeps it alive, and its end.
  void retain() noexcept { count_.created(nullptr); }
  void let_go() noexcept {
    if (count_.freed(nullptr)) delete this;
  }
  void leave() noexcept {
    if (count_.leave()) delete this;
  }

  std::size_t workers() const noexcept { return seats_.size(); }
  std::size_t alive() const noexcept { return all_.size(); }
  WorkerShared& shared() noexcept { return shared_; }

  void spawn(TaskRef owned, TaskRef scheduled) noexcept {
    // BEGIN SOLUTION 4.6
    if (all_.bind(owned)) {
      schedule(std::move(scheduled));
    } else {
      std::move(owned).shutdown();
    }
    // END SOLUTION
  }

  void schedule(TaskRef task) noexcept override {
    // BEGIN SOLUTION 4.6
    const Here* const here = Here::find(*this);
    if (here != nullptr && here->seat_ != nullptr) {
      here->seat_->worker.schedule(std::move(task));
      return;
    }
    // By the time it is in the queue, a worker may have run and freed it, and us with it.
    const TaskRef alive = here != nullptr ? TaskRef() : task.clone();
    shared_.inject.push(std::move(task));
    shared_.notify();
    // END SOLUTION
  }

  void yield(TaskRef task) noexcept override {
    // BEGIN SOLUTION 4.6
    Here::find(*this)->seat_->worker.yield(std::move(task));
    // END SOLUTION
  }

  bool release(TaskHeader& task) noexcept override { return all_.release(task); }
  void task_created() noexcept override { count_.created(local_count()); }
  void task_freed() noexcept override {
    if (count_.freed(local_count())) delete this;
  }

  // One pass of a worker's loop. False after close().
  bool step(std::size_t worker) { return seats_[worker].worker.step(); }

  void close() noexcept { shared_.close(); }

  // A worker has ended. The last one drops all tasks.  True: that was this one.
  [[nodiscard]] bool worker_ended() noexcept {
    // BEGIN SOLUTION 4.6
    return running_.fetch_sub(1) == 1;
    // END SOLUTION
  }

  // Drops all tasks. REQUIRES: close() was called, and no worker runs any more.
  void drop_all() noexcept {
    // BEGIN SOLUTION 4.6
    all_.close_and_shutdown_all();
    for (Seat& seat : seats_) seat.worker.drain();
    while (shared_.inject.pop()) {
    }
    // END SOLUTION
  }

 private:
  struct Seat {
    Seat(WorkerShared& shared, std::size_t index) : worker(shared, index) {}
    Worker worker;
    TaskCount::Local tasks;
  };

 public:
  // This thread is inside the scheduler, from here to the end of the scope: as one of its workers,
  // or, with `worker` beyond them, to drop its tasks.
  class [[nodiscard]] Here {
   public:
    Here(StealingScheduler& scheduler, std::size_t worker) noexcept
        : scheduler_(scheduler),
          seat_(worker < scheduler.seats_.size() ? &scheduler.seats_[worker] : nullptr),
          outer_(std::exchange(slot(), this)) {}
    Here(const Here&) = delete;
    Here& operator=(const Here&) = delete;
    ~Here() {
      slot() = outer_;
      if (seat_ != nullptr) scheduler_.count_.add(seat_->tasks);
    }

    static bool is_in(const StealingScheduler& scheduler) noexcept {
      return find(scheduler) != nullptr;
    }

   private:
    friend class StealingScheduler;
    struct Tag;
    static const Here*& slot() noexcept { return sync::ThreadLocal<const Here*, Tag>::get(); }
    static const Here* find(const StealingScheduler& scheduler) noexcept {
      const Here* here = slot();
      while (here != nullptr && &here->scheduler_ != &scheduler) here = here->outer_;
      return here;
    }

    StealingScheduler& scheduler_;
    Seat* const seat_;
    const Here* const outer_;
  };

 private:
  ~StealingScheduler() = default;

  TaskCount::Local* local_count() noexcept {
    const Here* const here = Here::find(*this);
    return here == nullptr || here->seat_ == nullptr ? nullptr : &here->seat_->tasks;
  }

  TaskCount count_;
  WorkerShared shared_;
  OwnedTasks all_;
  std::deque<Seat> seats_;
  sync::Atomic<std::size_t> running_;
};

}  // namespace rt
