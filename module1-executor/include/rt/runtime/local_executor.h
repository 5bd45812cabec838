// LocalExecutor: runs any number of tasks on one thread.
//
// A task is a future that the executor promised to run. It is in one of three states:
//
//   state    means                           a wake          taken to be polled   its poll ends
//   -----    -----                           ------          ------------------   -------------
//   idle     waits for a wake                -> queued       -                    -
//   queued   is in the queue, once           stays queued    -> idle              -
//   ended    its future has been destroyed   stays ended     skipped              -
//
// A task that is being polled counts as idle: so a wake during its poll puts it into the queue
// again, at the back. When a poll says ready or throws, or when the executor goes, the task ends.
//
// Thread safety: the executor belongs to one thread, which may be another than the one that made
// it. The wakers of its tasks may be used and dropped by any thread, also when the executor is
// gone.
//
// Invariants
//   1. A task is in the queue at most once, however often it is woken. Tasks run in the order in
//      which they became ready.
//   2. A task is polled once to begin with, and then only after a wake. No wake is lost, also not
//      one during its poll. A wake after its end does nothing.
//   3. A future is destroyed once, on the executor's thread: when it ends, or with the executor.
//      No waker keeps it alive, not even one that the future itself holds.
//   4. No lock is held while a future is polled or destroyed, or while the thread is unparked.
//   5. The thread is unparked only by a wake that comes while it sleeps or is about to.
//
// The idea is Tokio's current_thread scheduler, and LocalPool of the futures crate.
#pragma once

#include <cstddef>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "rt/future/arc_waker.h"
#include "rt/future/box_future.h"
#include "rt/future/context.h"
#include "rt/future/waker.h"
#include "rt/platform/park.h"
#include "rt/platform/sync.h"
#include "rt/platform/todo.h"
#include "rt/runtime/block_on.h"
#include "rt/task/poll_task.h"
#include "rt/task/spawn.h"
#include "rt/task/task_queue.h"
#include "rt/trace/trace.h"

namespace rt {

class LocalExecutor {
 public:
  // Sleeps by a ThreadParker of its own.
  LocalExecutor() : LocalExecutor(std::make_shared<ThreadParker>()) {}

  // Sleeps by `park`, which outlives the executor and every wake that began before the executor's
  // end.
  explicit LocalExecutor(Park& park)
      : LocalExecutor(std::shared_ptr<Park>(std::shared_ptr<Park>(), &park)) {}

  // Sleeps by `park`, and keeps it for as long as a waker may need it.
  explicit LocalExecutor(std::shared_ptr<Park> park)
      : shared_(sync::Arc<Shared>::make(std::move(park))) {}

  LocalExecutor(const LocalExecutor&) = delete;
  LocalExecutor& operator=(const LocalExecutor&) = delete;

  // Drops the tasks that are left, in the order in which they were spawned. While it does, a task
  // that is spawned is dropped at once, and a wake does nothing. In one of its own tasks it prints
  // a message and ends the program: the task would be destroyed in the middle of its poll.
  ~LocalExecutor() {
    if (is_running_) destroyed_inside_a_task("rt::LocalExecutor");
    RT_TODO("1.7");
  }

  // Puts a new task at the back of the queue. Polls nothing. Returns a waker for the task. By the
  // executor's thread, also inside a task.
  Waker spawn(BoxFuture<void> future) {
    [[maybe_unused]] const trace::TaskId id = trace::new_task_id();
    trace::spawn(id);
    RT_TODO("1.7");
  }

  // Polls the task that has been ready longest. False if none is. When its future throws, the task
  // is dropped, the exception leaves run_one(), and the executor can be used on.
  // REQUIRES: no task is being polled.
  bool run_one() {
    const Running running(*this);
    RT_TODO("1.7");
  }

  // Sleeps until a task is ready; returns at once if one is. May return for no reason, as any park.
  void park() {
    RT_TODO("1.7");
  }

  // Runs tasks until none is left, and sleeps whenever none is ready. Throws what a task throws.
  void run() {
    const Running running(*this);
    RT_TODO("1.7");
  }

  // How many tasks have not ended. One whose future is being destroyed has.
  std::size_t alive() const noexcept {
    RT_TODO("1.7");
  }

 private:
  // Tasks may be polled and dropped in this scope.
  class [[nodiscard]] Running {
   public:
    explicit Running(LocalExecutor& executor) noexcept
        : is_running_(executor.is_running_), before_(std::exchange(executor.is_running_, true)) {}
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() { is_running_ = before_; }

   private:
    bool& is_running_;
    const bool before_;
  };

  struct Shared;

  // What a waker points to.
  struct Task {
    Task(trace::TaskId i, sync::Arc<Shared> s) : id(i), shared(std::move(s)) {}

    static void wake_by_ref(const sync::Arc<Task>& self) {
      trace::wake(self->id);
      RT_TODO("1.7");
    }

    const trace::TaskId id;
    const sync::Arc<Shared> shared;
    // Yours: the future, and what has to be known of the task.
  };

  // What the executor and its tasks share. It lives as long as any of them.
  struct Shared {
    explicit Shared(std::shared_ptr<Park> p) : park(std::move(p)) {}

    // For the executor's thread.
    void sleep() {
      const trace::ParkScope traced;
      park->park();
    }

    // For any thread.
    void unpark() {
      trace::unpark();
      park->unpark();
    }

    const std::shared_ptr<Park> park;
    TaskQueue<Task> ready{"ready"};
    // Yours: what guards the queue, and what a wake has to know of the executor.
  };

  const sync::Arc<Shared> shared_;
  bool is_running_ = false;  // For Running and the destructor.
  // Yours: the rest.
};

}  // namespace rt
