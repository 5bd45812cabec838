// SharedQueue: the one queue of a pool, and the workers that come to it. Every task that can go on
// stands in it, under one mutex, and whichever worker is free takes the first.
//
//   any thread                 the queue            the workers
//   ~~~~~~~~~~                 ~~~~~~~~~            ~~~~~~~~~~~
//   a waker, spawn() ───────>  [ t7 t3 t9 ]  ────>  0  awake: runs t1
//    is somebody idle, and                          1  awake: runs t5
//    nobody on the way here?                        2  roused: comes to look
//    rouse one ──────────────────────────────────>  3  idle: asleep in its Park
//
// Who wakes whom. A worker is in one of three states, all of which the mutex guards:
//
//   state    means                          how it ends
//   -----    -----                          -----------
//   awake    it runs a task, or looks       finds the queue empty -> idle, in the same step
//   idle     it sleeps, or is about to      somebody takes it off the list of the idle -> roused,
//                                           and unparks it; or it wakes by itself -> awake
//   roused   it was unparked, and has not   looks at the queue -> awake, whatever it finds
//            looked at the queue since
//
//   step                     rouses one idle worker, if there is one and none is roused
//   ----                     ----------------------------------------------------------
//   schedule(): push         yes
//   a worker takes a task    yes, if there are more
//   yield(): push            no: the worker that yields looks at the queue next
//
// Why no task is left while a worker sleeps: whenever the mutex is free, one of these is true. The
// queue is empty. Or nobody is idle. Or somebody is roused, or has yielded, and will look. A push
// rouses; who takes a task and leaves some rouses the next; and nobody becomes idle but in the step
// in which it sees the queue empty. So one wake-up is on its way at a time, however many tasks come
// at once, and a worker that is not needed is not woken.
//
// Whom does a push rouse? The worker that pushes, if it is idle: it has brought an event, out of
// its Park, and will look in a moment. Else the one that fell asleep last, whose caches are the
// warmest.
//
// Thread safety: schedule(), spawn() and release() by any thread. step() by the worker's own
// thread; close() and drop_all() by one thread.
//
// Invariants
//   1. A task that is ready is run once, by one worker. Tasks run in the order in which they became
//      ready.
//   2. No task is left in the queue while a worker sleeps, and one wake-up at most is on its way.
//   3. A task that is bound ends, or is dropped by drop_all(). One that comes later is shut down at
//      once. Nothing else is needed to drop all tasks: those in the queue are on the list too.
//   4. After close() no worker takes a task, and each that sleeps wakes up.
//   5. No lock is held while a task is run or let go of, or while a worker is unparked.
//   6. It lives until its owner has left and the last task has been freed. So once a task is in the
//      queue and the mutex is free, it may be gone: see stay_alive().
//
// The idea is Tokio's multi_thread runtime, as it would be if its workers had no queues of their
// own.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "rt/platform/park.h"
#include "rt/platform/sync.h"
#include "rt/platform/todo.h"
#include "rt/runtime/worker_parks.h"
#include "rt/task/owned_tasks.h"
#include "rt/task/task_count.h"
#include "rt/task/task_fifo.h"
#include "rt/task/task_header.h"
#include "rt/trace/trace.h"

namespace rt {

class SharedQueue final : public TaskScheduler {
 public:
  // How many polls of a worker lie between two calls of its Park::look(). As in LocalRuntime.
  static constexpr std::size_t kLookInterval = 61;

  class Worker {
   public:
    explicit Worker(Park& park) noexcept : park_(park) {}

   private:
    friend class SharedQueue;
    Park& park_;
    sync::Cell<bool> is_idle_{false};  // On the list of the idle. Guarded by the mutex.
    std::size_t since_look_ = 0;       // How many polls. This and the next: for its own thread.
    TaskCount::Local tasks_;
  };

  // With a Park for each worker. Made by new; leave() in place of delete. `shards`: of the list of
  // all tasks; 0 is several for each worker.
  SharedQueue(std::size_t workers, std::unique_ptr<WorkerParks> parks, std::size_t shards = 0)
      : parks_(std::move(parks)), all_(shards == 0 ? 4 * workers : shards) {
    for (std::size_t i = 0; i < workers; ++i) workers_.emplace_back(parks_->of(i));
    queue_.write().idle.reserve(workers);  // schedule() does not throw.
  }

  // The owner goes: no worker runs any more, and drop_all() was called.
  void leave() noexcept {
    if (count_.leave()) delete this;
  }

  Worker& worker(std::size_t i) noexcept { return workers_[i]; }
  WorkerParks& parks() noexcept { return *parks_; }
  std::size_t alive() const noexcept { return all_.size(); }  // Tasks that have not ended.

  // --- Tasks come ---

  // Puts a new task on the list of all tasks and into the queue; once that list is closed, shuts it
  // down instead.
  void spawn(TaskRef owned, TaskRef scheduled) noexcept {
    RT_TODO("3.4");
  }

  // The task is ready: to the back of the queue, and see that somebody comes. After close() it is
  // let go of.
  void schedule(TaskRef task) noexcept override {
    RT_TODO("3.4");
  }

  // The same for a task that was woken during its own poll. By the worker that ran it, which comes
  // to look next.
  void yield(TaskRef task) noexcept override {
    RT_TODO("3.4");
  }

  // --- Tasks go ---

  // One pass of a worker's loop: runs the first task of the queue, or sleeps if there is none.
  // False after close().
  bool step(Worker& self) {
    RT_TODO("3.4");
  }

  bool release(TaskHeader& task) noexcept override { return all_.release(task); }
  void task_created() noexcept override { count_.created(local_count()); }
  void task_freed() noexcept override {
    if (count_.freed(local_count())) delete this;
  }

  // --- The end ---

  // From here on nothing is taken out of the queue, and nothing comes into it. Wakes all workers.
  void close() {
    RT_TODO("3.4");
  }

  // Closes the list of all tasks and drops them, and empties the queue. REQUIRES: close() was
  // called, and no worker runs any more.
  void drop_all() {
    RT_TODO("3.4");
  }

  // This thread is inside the queue, from here to the end of the scope: as one of its workers, or
  // to drop its tasks.
  class [[nodiscard]] Here {
   public:
    Here(SharedQueue& queue, Worker* worker) noexcept
        : queue_(queue), worker_(worker), outer_(std::exchange(slot(), this)) {}
    Here(const Here&) = delete;
    Here& operator=(const Here&) = delete;
    ~Here() {
      slot() = outer_;
      if (worker_ != nullptr) queue_.count_.add(worker_->tasks_);
    }

    static bool is_in(const SharedQueue& queue) noexcept { return find(queue) != nullptr; }
    // This thread's worker of `queue`, or null.
    static Worker* worker_of(const SharedQueue& queue) noexcept {
      const Here* const here = find(queue);
      return here == nullptr ? nullptr : here->worker_;
    }

   private:
    struct Tag;
    static const Here*& slot() noexcept { return sync::ThreadLocal<const Here*, Tag>::get(); }
    static const Here* find(const SharedQueue& queue) noexcept {
      const Here* here = slot();
      while (here != nullptr && &here->queue_ != &queue) here = here->outer_;
      return here;
    }

    SharedQueue& queue_;
    Worker* const worker_;
    const Here* const outer_;
  };

 private:
  // What the mutex guards.
  struct Queue {
    TaskFifo ready{"shared"};
    std::vector<Worker*> idle;  // The last one fell asleep last.
    bool closed = false;
    // Yours: what else has to be known, to wake one worker and no more.
  };

  ~SharedQueue() = default;

  // Holds the queue in place while whoever has put `task` into it unparks a worker: by then another
  // worker may have run and freed the task, and its waker was used up. The queue's own threads need
  // no such help.
  TaskRef stay_alive(const TaskRef& task) const noexcept {
    return Here::is_in(*this) ? TaskRef() : task.clone();
  }

  static void unpark(Worker& worker) {
    trace::unpark();
    worker.park_.unpark();
  }
  static void run(Worker& self, TaskRef task) {
    std::move(task).run();
    if (++self.since_look_ < kLookInterval) return;
    self.since_look_ = 0;
    self.park_.look();
  }
  static void sleep(Worker& self) {
    const trace::ParkScope traced;
    self.park_.park();
  }

  // Yours, if you want helpers.

  TaskCount::Local* local_count() noexcept {
    Worker* const self = Here::worker_of(*this);
    return self == nullptr ? nullptr : &self->tasks_;
  }

  TaskCount count_;
  const std::unique_ptr<WorkerParks> parks_;
  OwnedTasks all_;
  std::deque<Worker> workers_;
  sync::Mutex mutex_;
  sync::Cell<Queue> queue_{};
};

}  // namespace rt
