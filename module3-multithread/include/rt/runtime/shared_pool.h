// SharedPool: a runtime on several threads, its workers. All tasks that can go on stand in one
// queue, and whichever worker is free takes the first.
//
//   SharedPool pool(4);
//   int answer = pool.block_on(main_task());   // main_task may spawn() and join
//
// Here are its threads, its beginning and its end; what the workers do is in
// rt/runtime/shared_queue.h.
//
// Thread safety: all functions by any thread, unless they say otherwise. The wakers and JoinHandles
// of its tasks by any, also when the pool is gone.
//
// Invariants
//   1. Tasks run on the workers, several at once; the future of block_on() on the thread that calls
//      it. rt::spawn() works in all of them. What a spawned task throws is for its joiner.
//   2. shutdown() and the destructor return when no worker runs any more and every task was
//      dropped. Tasks that are spawned later, or by those that are being dropped, are dropped at
//      once.
//   3. A worker looks for events at least once in SharedQueue::kLookInterval polls.
//
// The idea is Tokio's multi_thread Runtime.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "rt/future/future.h"
#include "rt/platform/sync.h"
#include "rt/runtime/guest.h"
#include "rt/runtime/shared_queue.h"
#include "rt/runtime/worker_parks.h"
#include "rt/task/join.h"
#include "rt/task/spawn.h"
#include "rt/task/task_cell.h"
#include "rt/trace/trace.h"

namespace rt {

class SharedPool final : public Scheduler {
 public:
  enum class Threads {
    kStarted,  // One for each worker.
    kByHand,   // None: whoever wants a worker to do something calls step(). For tests.
  };

  // Tokio's limit for its workers. Each has memory of its own before the first thread starts: a
  // number that was never meant as one must not take all that there is.
  static constexpr std::size_t kMostWorkers = 32'768;

  // Throws std::invalid_argument for no workers and for more than kMostWorkers, and
  // std::system_error when the system has no more threads.
  explicit SharedPool(std::size_t workers)
      : SharedPool(workers, std::make_unique<PlainParks>(checked(workers))) {}

  // The same, with workers that sleep by `parks`, which has a Park for each.
  SharedPool(std::size_t workers, std::unique_ptr<WorkerParks> parks,
             Threads threads = Threads::kStarted)
      : queue_(new SharedQueue(checked(workers), std::move(parks))) {
    if (threads == Threads::kByHand) return;
    std::exception_ptr failed;
    try {
      threads_.reserve(workers);
      for (std::size_t i = 0; i < workers; ++i) {
        threads_.emplace_back([this, i] { be_worker(i); });
      }
    } catch (...) {
      failed = std::current_exception();
    }
    if (failed == nullptr) return;
    shutdown();
    queue_->leave();
    std::rethrow_exception(std::move(failed));
  }

  SharedPool(const SharedPool&) = delete;
  SharedPool& operator=(const SharedPool&) = delete;

  // As shutdown(). In a task of this pool, and in its block_on(), it prints a message and ends the
  // program.
  ~SharedPool() override {
    if (is_inside()) destroyed_inside_a_task("rt::SharedPool");
    shutdown();
    queue_->leave();
  }

  // Polls `future` on this thread until it is ready, while the workers run what it spawns. Returns
  // its output or throws what it throws. `future` may refer to the caller's variables. Throws
  // std::logic_error inside a task of a runtime.
  template <Future F>
  OutputOf<F> block_on(F future) {
    require_no_runtime();
    const EnterScheduler inside(this);
    return run_as_guest(std::move(future));
  }

  // Spawns from outside of any task; inside, rt::spawn() does the same. After shutdown() the
  // future is dropped at once, and the handle says Cancelled.
  template <Future F>
  JoinHandle<OutputOf<F>> spawn(F future) {
    return spawn_on(*this, std::move(future));
  }

  // The same for a task that nobody will join: what it returns is dropped, and what it throws is a
  // line on stderr.
  template <Future F>
  void spawn_detached(F future) {
    NewTask task = TaskCell::create(&future, kFutureVTable<F>, *queue_, false);
    queue_->spawn(std::move(task.owned), std::move(task.scheduled));
  }

  RawJoinHandle spawn_raw(void* future, const FutureVTable& vtable) override {
    NewTask task = TaskCell::create(future, vtable, *queue_, true);
    queue_->spawn(std::move(task.owned), std::move(task.scheduled));
    return join_handle(std::move(task.joined));
  }

  // Ends the workers and drops all tasks, on this thread. Returns when each worker has ended the
  // poll that it was in, and each task has been dropped. May be called again, and by several
  // threads: each returns when it is over. Throws std::logic_error inside a task of this pool.
  void shutdown() {
    if (SharedQueue::Here::worker_of(*queue_) != nullptr) {
      throw std::logic_error(
          "shutdown: a task of this pool cannot wait until all of its tasks have ended; let the "
          "thread that made the pool do it");
    }
    if (SharedQueue::Here::is_in(*queue_)) return;  // Of a task that is being dropped, by us.
    if (!begin_end()) return;
    queue_->close();
    for (sync::Thread& thread : threads_) thread.join();
    drop_all();
    end_end();
  }

  // Whether this thread runs or drops a task of this pool, or is in its block_on().
  bool is_inside() const noexcept { return EnterScheduler::has_entered(*this); }

  // How many tasks have not ended.
  std::size_t alive() const noexcept { return queue_->alive(); }

  // One pass of a worker's loop: runs the first task of the queue, or sleeps if there is none.
  // False after shutdown(). For pools without threads.
  bool step(std::size_t worker) {
    const EnterScheduler inside(this);
    const SharedQueue::Here here(*queue_, &queue_->worker(worker));
    bool goes_on = false;
    queue_->parks().run([&] { goes_on = queue_->step(queue_->worker(worker)); });
    return goes_on;
  }

 private:
  enum class Phase { kRunning, kEnding, kEnded };

  static std::size_t checked(std::size_t workers) {
    if (workers == 0) throw std::invalid_argument("SharedPool: it needs one worker or more");
    if (workers > kMostWorkers) {
      throw std::invalid_argument("SharedPool: " + std::to_string(workers) +
                                  " workers; it may have " + std::to_string(kMostWorkers) +
                                  " at most");
    }
    return workers;
  }

  // A worker's thread.
  void be_worker(std::size_t i) {
    trace::name_thread("worker " + std::to_string(i));
    const EnterScheduler inside(this);
    const SharedQueue::Here here(*queue_, &queue_->worker(i));
    queue_->parks().run([&] {
      while (queue_->step(queue_->worker(i))) {
      }
    });
  }

  void drop_all() {
    const EnterScheduler inside(this);  // What a task spawns while it is dropped is dropped too.
    const SharedQueue::Here here(*queue_, nullptr);
    queue_->parks().run([&] { queue_->drop_all(); });
  }

  // True for the first who comes. The others wait until that one has called end_end().
  bool begin_end() {
    sync::Lock lock(mutex_);
    if (phase_.read() == Phase::kRunning) {
      phase_.write() = Phase::kEnding;
      return true;
    }
    while (phase_.read() != Phase::kEnded) ended_.wait(lock);
    return false;
  }
  void end_end() {
    const sync::Lock lock(mutex_);
    phase_.write() = Phase::kEnded;
    ended_.notify_all();
  }

  SharedQueue* const queue_;  // Lives as long as its tasks: see SharedQueue::leave().
  std::vector<sync::Thread> threads_;
  sync::Mutex mutex_;
  sync::CondVar ended_;
  sync::Cell<Phase> phase_{Phase::kRunning};  // Guarded by the mutex.
};

}  // namespace rt
