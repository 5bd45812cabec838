// BlockingPool: threads for functions that block: that read a file, ask a database, or compute for
// a second. A worker that called them would run nothing else meanwhile. A *job* is such a function,
// as a task that is polled once, and is ready then.
//
//   rt::BlockingPool* pool = new rt::BlockingPool();
//   rt::JoinHandle<Image> image = pool->spawn([] { return decode("cat.png"); });
//   …
//   pool->close();
//   pool->wait_for_the_end(rt::Instant::infinite_future());
//   pool->leave();
//
// (A program says rt::spawn_blocking(), and its Runtime does all of that:
// rt/runtime/spawn_blocking.h.)
//
// Threads are made when they are needed, and go when they are not. What becomes of a job that
// comes:
//
//   it finds                                   what happens
//   --------                                   ------------
//   the pool closed                            it is refused: shut down, outside of the lock
//   more idle threads than jobs that wait      it waits, and one thread is notified
//   not so many, and fewer than max_threads    it waits, and a thread is started for it
//   not so many, and max_threads in all        it waits until a thread is free
//   that no thread can be started, and there   it waits until a thread is free
//    are others
//   that no thread can be started, and there   submit() throws what `start` has thrown, and the
//    is no other                               pool has nothing of it
//
// What a thread does, again and again:
//
//   it finds                                   what it does
//   --------                                   ------------
//   a job                                      takes the oldest, and runs it without the lock
//   none, and the pool is closed               leaves
//   none                                       is idle, until there is a job, the pool is closed,
//                                              or it has waited for keep_alive
//   none, after keep_alive                     leaves
//
// Thread safety: all functions by any thread, but for leave(): once, by the owner, when no thread
// is left. (After abandon() that is for whoever starts the threads to see to.)
//
// Invariants
//   1. A job that waits is begun once, or it is cancelled: by close(), or by abort() of its handle.
//      Jobs are begun in the order in which they came. One that has begun goes to its end.
//   2. While a job waits, there is a thread that will take it: one that is busy, one that has been
//      started, or one that is idle and has been notified. It does not matter how the end of its
//      keep_alive falls.
//   3. There are max_threads threads at most, and none is started while an idle one would do.
//   4. A thread that was idle for keep_alive leaves. Its memory goes with it: it is joined by the
//      next one that leaves, or at the end.
//   5. After close() no job is begun: those that wait are cancelled, and later ones are refused. No
//      idle thread waits on.
//   6. wait_for_the_end() returns true when no thread is left and each was joined, or abandoned;
//      false when `deadline` comes first, and then nothing has changed.
//   7. No lock is held while a job is run, refused, cancelled or let go of, or a thread is joined.
//      (It is held while a thread is started. Then nobody can see a thread counted that will never
//      be.)
//
// The idea is Tokio's runtime::blocking::pool.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

#include "absl/time/time.h"
#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "rt/platform/todo.h"
#include "rt/runtime/blocking_threads.h"
#include "rt/task/join.h"
#include "rt/task/spawn.h"
#include "rt/task/task_cell.h"
#include "rt/task/task_count.h"
#include "rt/task/task_fifo.h"
#include "rt/task/task_header.h"
#include "rt/task/unhandled.h"
#include "rt/trace/trace.h"

namespace rt {

struct BlockingOptions {
  BlockingOptions() {}
  std::size_t max_threads = 512;                  // 1 or more.
  absl::Duration keep_alive = absl::Seconds(10);  // Of an idle thread, by rt/platform/clock.h.
  // How a thread is started. May not call the pool.
  BlockingThreads::Start start = [](std::function<void()> body) {
    return sync::Thread(std::move(body));
  };
  UnhandledHook unhandled;  // What jobs have thrown that nobody joins. Null: a line on stderr.
};

namespace detail {

// The future of a job: calls `fn` when it is polled.
template <class Fn>
class CallOnce {
 public:
  using Output = std::invoke_result_t<Fn>;

  explicit CallOnce(Fn fn) : fn_(std::move(fn)) {}
  Poll<Output> poll(Context&) {
    if constexpr (std::is_void_v<Output>) {
      std::move(fn_)();
      return kReady;
    } else {
      return std::move(fn_)();
    }
  }

 private:
  Fn fn_;
};

// A job's JoinHandle. As a task's, but that abort() drops the function at once, if it has not
// begun: the job may wait for long, and so would its joiner.
struct JobJoin {
  static void abort(void* handle) noexcept {
    TaskHeader* const job = static_cast<TaskHeader*>(handle);
    job->state.retain();
    TaskRef::from_raw(job).shutdown();
  }
  static constexpr JoinVTable kVTable{&TaskJoin::poll_join, &TaskJoin::detach, &abort};
};

}  // namespace detail

class BlockingPool final : public TaskScheduler {
 public:
  // Made by new; leave() in place of delete. Starts no thread.
  explicit BlockingPool(BlockingOptions options = BlockingOptions())
      : options_(std::move(options)) {}

  // Calls `fn` on a thread of the pool, some time. Its joiner gets what it returns or throws, or
  // Cancelled if it was never begun. Throws std::system_error if there is no thread at all for it.
  template <class Fn>
  JoinHandle<std::invoke_result_t<Fn>> spawn(Fn fn) {
    detail::CallOnce<Fn> future(std::move(fn));
    NewTask job = TaskCell::create(&future, kFutureVTable<detail::CallOnce<Fn>>, *this, true);
    job.owned = TaskRef();  // There is no list of all jobs: what has not begun is in the queue.
    submit(std::move(job.scheduled));
    return JoinHandle<std::invoke_result_t<Fn>>(
        RawJoinHandle(std::move(job.joined).into_raw(), &detail::JobJoin::kVTable));
  }

  // Takes the scheduled reference of a new job: see the first table.
  void submit(TaskRef job) {
    RT_TODO("5.4");
  }

  // From here on no job is begun, and idle threads leave. May be called again.
  void close() noexcept {
    RT_TODO("5.4");
  }

  // Returns when every thread has left and was joined: true. False: `deadline` came first. May be
  // called again, and by several threads. REQUIRES: close() was called; not in a job.
  bool wait_for_the_end(Instant deadline) {
    RT_TODO("5.4");
  }

  // Nobody waits for those that are left: their threads end by themselves. REQUIRES: close() was
  // called.
  void abandon() noexcept {
    const sync::Lock lock(mutex_);
    threads_.abandon();
  }

  // The owner goes. The pool goes with the memory of its last job.
  void leave() noexcept {
    if (count_.leave()) delete this;
  }

  // --- For its jobs ---

  // A job is polled once: nobody wakes it.
  void schedule(TaskRef job) noexcept override { static_cast<void>(std::move(job)); }
  void yield(TaskRef job) noexcept override { static_cast<void>(std::move(job)); }
  bool release(TaskHeader&) noexcept override { return false; }
  void unhandled(std::exception_ptr thrown) noexcept override {
    report_unhandled(std::move(thrown), options_.unhandled);
  }
  void task_created() noexcept override { count_.created(nullptr); }
  void task_freed() noexcept override {
    if (count_.freed(nullptr)) delete this;
  }

 private:
  // Guarded by the mutex.
  struct State {
    TaskFifo waiting{"blocking"};  // Jobs that have not begun, the oldest first.
    std::size_t idle = 0;          // How many threads wait on has_job_.
    bool is_closed = false;
  };

  ~BlockingPool() = default;

  // Runs one, on a thread of the pool. REQUIRES: the lock is not held.
  static void run(TaskRef job) noexcept {
    const trace::JobScope traced(job->id);
    std::move(job).run();
  }

  // What a thread does, from its beginning to its end: see the second table. It was added to
  // threads_.
  void be_thread() {
    RT_TODO("5.4");
  }

  // Yours, if you want helpers. State and what follows it is a proposal: change it as you like.

  const BlockingOptions options_;
  TaskCount count_;  // Of jobs that have not been freed.
  sync::Mutex mutex_;
  sync::CondVar has_job_;
  sync::CondVar ended_;
  sync::Cell<State> state_{};
  BlockingThreads threads_;  // Guarded by the mutex.
};

}  // namespace rt
