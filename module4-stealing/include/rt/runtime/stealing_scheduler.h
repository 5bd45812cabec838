// StealingScheduler: what is one about a runtime whose workers have queues of their own: where a
// task goes when it can go on, all tasks from their spawn to their end, and the end of everything.
// What a worker does is in rt/runtime/worker.h; the threads, and what a user of the runtime sees,
// in rt/runtime/runtime.h.
//
// Where does a task go? It depends on who says that it can go on:
//
//   who calls                      schedule()                      why there
//   ---------                      ----------                      ---------
//   a worker of this runtime       its own LIFO slot or queue      its caches have it already,
//                                  (Worker::schedule)              and no lock is needed
//   a worker of another runtime,   the inject queue, and one       only its owner pushes to the
//    or any other thread           worker is woken, if need be     queue of a worker
//   whoever drops the tasks        the inject queue, which is      nobody runs it any more
//                                  closed: let go of
//
// How it ends. Each row needs the one above it:
//
//   step           by whom                          what is true after it
//   ----           -------                          ---------------------
//   close()        any thread, also twice           nothing comes into the inject queue; a worker
//                                                   takes no further task, and none sleeps on
//   end_worker()   each worker, when its loop has   one worker less runs; what stands in its slot
//                  ended; for one that was never    and its queue stays there
//                  started, whoever knows that
//   drop_all()     end_worker() of the last one     the list of all tasks is closed and empty: each
//                                                   future was dropped; so are all queues
//   leave()        the owner                        it goes with the memory of the last task
//
// Why the last worker, and not whoever calls close()? The slot and the back of a queue belong to
// one thread. When all workers have ended they belong to nobody, and the one that sees it may have
// them all. A worker that is stuck in a poll keeps only that from happening, and nobody who does
// not want to wait for it.
//
// Why two things are closed. A task is bound to the list before it comes into a queue. Were there
// only the list's mark, a wake could still put a task into the inject queue after that was emptied,
// and task and runtime would keep each other for ever. Were there only the queue's, a task that is
// spawned now would be bound to a list at which nobody looks any more.
//
// Thread safety: schedule(), spawn(), release(), close(), metrics() and alive() by any thread.
// yield() and step() by the worker's thread.
//
// Invariants
//   1. A task that is ready is run once, by one worker.
//   2. A task that is bound ends, or is dropped by drop_all(). One that comes later is shut down at
//      once, so that whoever joins it hears of it. No future is polled after close(), but for the
//      polls that were under way.
//   3. No lock is held while a task is run or let go of.
//   4. It lives until its owner has left and the last task has been freed. A thread that is no
//      worker has nothing else that keeps it: once its task is in a queue, a worker may run and
//      free it, and the runtime may end.
//
// Costs: schedule() by a worker takes no lock, and no read-modify-write but those of its queue. By
// another thread it takes the lock of the inject queue, and two read-modify-writes of the task's
// word: invariant 4.
//
// The idea is Tokio's runtime::scheduler::multi_thread::Handle.
#pragma once

#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <utility>

#include "rt/platform/sync.h"
#include "rt/platform/todo.h"
#include "rt/runtime/metrics.h"
#include "rt/runtime/worker.h"
#include "rt/runtime/worker_parks.h"
#include "rt/runtime/worker_shared.h"
#include "rt/task/owned_tasks.h"
#include "rt/task/task_count.h"
#include "rt/task/task_header.h"
#include "rt/task/unhandled.h"

namespace rt {

class StealingScheduler final : public TaskScheduler {
 public:
  // With a Park for each worker. Made by new; leave() in place of delete. `shards`: of the list of
  // all tasks; 0 is several for each worker.
  StealingScheduler(std::size_t workers, std::unique_ptr<WorkerParks> parks,
                    WorkerOptions options = WorkerOptions(), std::size_t shards = 0)
      : shared_(workers, std::move(parks), options),
        all_(shards == 0 ? 4 * workers : shards),
        running_(workers) {
    for (std::size_t i = 0; i < workers; ++i) seats_.emplace_back(shared_, i);
  }

  // The owner goes: each worker has ended.
  void leave() noexcept {
    if (count_.leave()) delete this;
  }

  std::size_t workers() const noexcept { return seats_.size(); }
  WorkerParks& parks() noexcept { return *shared_.parks; }
  WorkerShared& shared() noexcept { return shared_; }

  // How many tasks have not ended.
  std::size_t alive() const noexcept { return all_.size(); }

  // What the workers have done so far, and what stands in the queues. Not of one moment: they go on
  // while it is read.
  RuntimeMetrics metrics() const {
    RuntimeMetrics now;
    for (const WorkerShared::Seat& seat : shared_.seats) {
      now.workers.push_back(
          WorkerMetrics::of(seat.counters, seat.queue.size() + seat.backlog.size()));
    }
    now.inject_depth = shared_.inject.size();
    now.alive = alive();
    return now;
  }

  // --- Tasks come ---

  // Puts a new task on the list of all tasks, and where it is run; once that list is closed, shuts
  // it down instead.
  void spawn(TaskRef owned, TaskRef scheduled) noexcept {
    RT_TODO("4.6");
  }

  // The task is ready: to this thread's worker, or to all of them.
  void schedule(TaskRef task) noexcept override {
    RT_TODO("4.6");
  }

  // The same for a task that was woken during its own poll: behind all that are ready here.
  void yield(TaskRef task) noexcept override {
    RT_TODO("4.6");
  }

  // --- Tasks go ---

  // One pass of a worker's loop: see Worker::step(). False after close().
  bool step(std::size_t worker) { return seats_[worker].worker.step(); }

  bool release(TaskHeader& task) noexcept override { return all_.release(task); }

  // What is to become of what tasks throw that nobody joins. Before any task comes.
  void set_unhandled_hook(UnhandledHook hook) { unhandled_hook_ = std::move(hook); }
  void unhandled(std::exception_ptr thrown) noexcept override {
    report_unhandled(std::move(thrown), unhandled_hook_);
  }

  void task_created() noexcept override { count_.created(local_count()); }
  void task_freed() noexcept override {
    if (count_.freed(local_count())) delete this;
  }

  // --- The end ---

  // From here on no worker takes a task.
  void close() noexcept { shared_.close(); }

  // The life of a worker, on its own thread, until close(), and its end. True: it was the last, and
  // all tasks have been dropped.
  bool work(std::size_t worker) {
    RT_TODO("4.6");
  }

  // A worker runs no further task, or was never started. The last of them drops all tasks, on this
  // thread, and returns true. REQUIRES: close() was called.
  bool end_worker() noexcept {
    RT_TODO("4.6");
  }

 private:
  // What one worker's thread writes with each task. The workers stand side by side in memory, and
  // must not take each other's cache line; lines are fetched in pairs. (Measured in one run with
  // two workers, against seats that touch: skynet takes 0.83 of the time, spawning 0.84.)
  struct alignas(128) Seat {
    Seat(WorkerShared& shared, std::size_t index) : worker(shared, index) {}
    Worker worker;
    TaskCount::Local tasks;
  };

 public:
  // This thread is inside the scheduler, from here to the end of the scope: as one of its workers,
  // or to drop its tasks.
  class [[nodiscard]] Here {
   public:
    Here(StealingScheduler& scheduler, std::size_t worker) noexcept
        : Here(scheduler, &scheduler.seats_[worker]) {}
    explicit Here(StealingScheduler& scheduler) noexcept : Here(scheduler, nullptr) {}
    Here(const Here&) = delete;
    Here& operator=(const Here&) = delete;
    ~Here() {
      slot() = outer_;
      if (seat_ != nullptr) scheduler_.count_.add(seat_->tasks);
    }

    static bool is_in(const StealingScheduler& scheduler) noexcept {
      return find(scheduler) != nullptr;
    }
    static bool is_worker_of(const StealingScheduler& scheduler) noexcept {
      const Here* const here = find(scheduler);
      return here != nullptr && here->seat_ != nullptr;
    }

   private:
    friend class StealingScheduler;
    struct Tag;

    Here(StealingScheduler& scheduler, Seat* seat) noexcept
        : scheduler_(scheduler), seat_(seat), outer_(std::exchange(slot(), this)) {}

    // The innermost, since a task of one runtime may step the workers of another, by hand.
    static const Here*& slot() noexcept { return sync::ThreadLocal<const Here*, Tag>::get(); }
    // What this thread is in `scheduler`, or null: nothing.
    static const Here* find(const StealingScheduler& scheduler) noexcept {
      const Here* here = slot();
      while (here != nullptr && &here->scheduler_ != &scheduler) here = here->outer_;
      return here;
    }

    StealingScheduler& scheduler_;
    Seat* const seat_;  // Null: it is no worker.
    const Here* const outer_;
  };

 private:
  ~StealingScheduler() = default;

  // Yours: how all tasks are dropped. Worker::drain() empties the slot and the queue of one.

  TaskCount::Local* local_count() noexcept {
    const Here* const here = Here::find(*this);
    return here == nullptr || here->seat_ == nullptr ? nullptr : &here->seat_->tasks;
  }

  TaskCount count_;
  WorkerShared shared_;
  OwnedTasks all_;
  std::deque<Seat> seats_;  // Not a vector: a seat does not move.
  sync::Atomic<std::size_t> running_;
  UnhandledHook unhandled_hook_;  // Null: a line on stderr.
};

}  // namespace rt
