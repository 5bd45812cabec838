// Runtime: a runtime on several threads, its workers, each with a queue of its own. Its tasks may
// use sockets and timers.
//
//   auto runtime = rt::Runtime::Builder().worker_threads(4).thread_name("web").build();
//   if (!runtime.ok()) …
//   (*runtime)->block_on(serve());   // serve() may spawn, sleep, connect and accept
//
// Here are its threads, its beginning and its end as its user sees them. Where a task goes and how
// everything is dropped is in rt/runtime/stealing_scheduler.h, what a worker does in
// rt/runtime/worker.h.
//
// Who keeps what alive:
//
//   Runtime ──┐
//   Handle  ──┼──> core ──owner──> StealingScheduler ──> parks, driver
//   workers ──┘    (counted)         ^
//                        each task ──┘ (counted)
//
// So a Handle may outlive its Runtime, a worker that is stuck in a poll may do so too, and a waker
// may outlive all of them.
//
// Thread safety: all functions by any thread, unless they say otherwise; a Handle may be copied to
// any. The wakers and JoinHandles of its tasks by any, also when the runtime is gone. A Builder is
// a plain value.
//
// Invariants
//   1. Spawned tasks run on the workers, several at once; the future of block_on() on the thread
//      that calls it. rt::spawn() works in all of them. What a spawned task throws is for its
//      joiner; if there is none, for on_unhandled_exception(), or a line on stderr.
//   2. Wherever a task is polled or dropped, the runtime's driver is this thread's current one.
//   3. shutdown() and the destructor return when no worker runs any more, every task was dropped
//      and the driver was shut down. Tasks that are spawned later, or by those that are being
//      dropped, are dropped at once, and their handles say Cancelled.
//   4. After shutdown_for() has returned false nobody waits for the workers. The last of them to
//      end does what invariant 3 says, whenever that is.
//
// A clock that advances by itself (rt/platform/clock.h) is for runtimes on one thread: here a
// worker that sleeps would make time jump while another one runs a task.
//
// The idea is Tokio's multi_thread Runtime with enable_all().
#pragma once

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "rt/driver/driver.h"
#include "rt/driver/driver_handle.h"
#include "rt/future/future.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "rt/platform/thread_random.h"
#include "rt/runtime/driver_parks.h"
#include "rt/runtime/guest.h"
#include "rt/runtime/metrics.h"
#include "rt/runtime/runtime_services.h"
#include "rt/runtime/stealing_scheduler.h"
#include "rt/runtime/worker_shared.h"
#include "rt/task/join.h"
#include "rt/task/spawn.h"
#include "rt/task/task_cell.h"
#include "rt/task/unhandled.h"
#include "rt/trace/trace.h"

namespace rt {

namespace detail {

// What a Runtime, its Handles and its workers share, and what the tasks know as their Scheduler.
class RuntimeCore final : public Scheduler {
 public:
  // How a thread of the runtime that is no worker is started, under a name of its own.
  using StartThread = std::function<sync::Thread(std::string name, std::function<void()> body)>;

  RuntimeCore(std::size_t workers, std::unique_ptr<DriverParks> parks, const WorkerOptions& options)
      : driver_(parks->driver()),
        scheduler_(new StealingScheduler(workers, std::move(parks), options)),
        threads_left_(workers) {}
  // The last one to go: no worker is left.
  ~RuntimeCore() override { scheduler_->leave(); }

  StealingScheduler& scheduler() noexcept { return *scheduler_; }
  const DriverHandle& driver() const noexcept { return driver_.handle(); }
  RuntimeServices& services() noexcept { return services_; }

  // What its services have to know. Set before the first worker runs.
  struct ServiceOptions {
    ServiceOptions() {}
    std::size_t max_blocking_threads = 512;
    StartThread start_thread;
    UnhandledHook unhandled;
  };
  ServiceOptions service_options;

  // Starts a thread of a service. What it calls may block; its current runtime and driver are this
  // one's, which lives on until it has ended. Throws std::system_error. REQUIRES: the service is
  // not closed.
  sync::Thread start_thread(std::string name, std::function<void()> body) {
    return service_options.start_thread(std::move(name), [self = self_, body = std::move(body)] {
      const EnterScheduler scheduler(self.get(), EnterScheduler::Runs::kJobs);
      const EnterDriver driver(self->driver());
      body();
    });
  }
  // Of the Runtime: its own reference, while it has not closed its services.
  void set_self(sync::Arc<RuntimeCore> self) noexcept { self_ = std::move(self); }

  RawJoinHandle spawn_raw(void* future, const FutureVTable& vtable) override {
    NewTask task = TaskCell::create(future, vtable, *scheduler_, true);
    scheduler_->spawn(std::move(task.owned), std::move(task.scheduled));
    return join_handle(std::move(task.joined));
  }
  void spawn_detached(void* future, const FutureVTable& vtable, const std::source_location& where) {
    const SpawnSite site(where);
    NewTask task = TaskCell::create(future, vtable, *scheduler_, false);
    scheduler_->spawn(std::move(task.owned), std::move(task.scheduled));
  }

  // A worker's thread, until close().
  void be_worker(std::size_t worker) {
    PollSlot& polled = scheduler_->shared().seats[worker].polled;
    polled.set_thread(static_cast<int>(::syscall(SYS_gettid)));
    const SeedThread seeded(scheduler_->shared().options.seed + worker);
    inside([&] { return scheduler_->work(worker); });
  }
  // In place of it, where there is no thread. REQUIRES: close() was called.
  void skip_worker() {
    inside([&] { return scheduler_->end_worker(); });
  }
  // The last that a worker's thread does.
  void thread_ends() {
    const sync::Lock lock(mutex_);
    if (--threads_left_.write() == 0) ended_.notify_all();
  }

  // Until the last thread has called thread_ends().
  void wait_for_the_end() {
    sync::Lock lock(mutex_);
    while (threads_left_.read() > 0) ended_.wait(lock);
  }
  // The same, until `deadline` at most. False: it came first.
  bool wait_for_the_end(Instant deadline) {
    sync::Lock lock(mutex_);
    return clock::wait_until(lock, ended_, deadline, [this] { return threads_left_.read() == 0; });
  }

 private:
  // `work` says whether this was the last worker.
  template <class Work>
  void inside(Work work) {
    const EnterScheduler entered(this);  // What a task spawns while it is dropped comes to us.
    bool was_last = false;
    scheduler_->parks().run([&] { was_last = work(); });
    if (was_last) driver_.shutdown();
  }

  Driver& driver_;                      // Of the scheduler's parks.
  StealingScheduler* const scheduler_;  // Lives as long as its tasks: see leave().
  sync::Mutex mutex_;
  sync::CondVar ended_;
  sync::Cell<std::size_t> threads_left_;  // Guarded by the mutex.
  RuntimeServices services_;
  // For the threads of services. Written before the first of them is made and after the last has
  // been closed.
  sync::Arc<RuntimeCore> self_;
};

}  // namespace detail

class Runtime final {
 public:
  class Builder;
  class Handle;
  using Where = std::source_location;

  // With all that a Builder would choose, but for the number of workers.
  static absl::StatusOr<std::unique_ptr<Runtime>> create(std::size_t workers);

  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // As shutdown(); does not wait if shutdown_for() has given up. In a task of this runtime, and in
  // its block_on(), it prints a message and ends the program.
  ~Runtime() {
    if (EnterScheduler::has_entered(*core_)) destroyed_inside_a_task("rt::Runtime");
    if (has_given_up_) {
      for (sync::Thread& thread : threads_) thread.detach();
      core_->services().abandon();
    } else {
      shutdown();
    }
    core_->set_self({});
  }

  // Polls `future` on this thread until it is ready, while the workers run what it spawns. Returns
  // its output or throws what it throws. `future` may refer to the caller's variables. Throws
  // std::logic_error inside a task of a runtime.
  template <Future F>
  OutputOf<F> block_on(F future) {
    require_no_runtime();
    const EnterScheduler inside(core_.get());
    const EnterDriver driver(core_->driver());
    return run_as_guest(std::move(future));
  }

  // Spawns from outside of any task; inside, rt::spawn() does the same. After shutdown() the
  // future is dropped at once, and the handle says Cancelled.
  template <Future F>
  JoinHandle<OutputOf<F>> spawn(F future, const Where& where = Where::current()) {
    return spawn_on(*core_, std::move(future), where);
  }

  // The same for a task that nobody will join: what it returns is dropped, and what it throws is
  // told to on_unhandled_exception(), or on stderr.
  template <Future F>
  void spawn_detached(F future, const Where& where = Where::current()) {
    core_->spawn_detached(&future, kFutureVTable<F>, where);
  }

  // For threads that have nothing else of this runtime.
  Handle handle() const noexcept;

  // For those who register sockets and set timers outside of any task.
  const DriverHandle& driver() const noexcept { return core_->driver(); }

  // For what is built on a runtime: rt/runtime/runtime_services.h.
  const sync::Arc<detail::RuntimeCore>& core() const noexcept { return core_; }

  // How many tasks have not ended.
  std::size_t alive() const noexcept { return core_->scheduler().alive(); }

  // What the workers have done so far.
  RuntimeMetrics metrics() const { return core_->scheduler().metrics(); }

  // Ends the workers and drops all tasks. Returns when each worker has ended the poll that it was
  // in, and each task has been dropped. May be called again, and by several threads: each returns
  // when it is over. Throws std::logic_error inside a task of this runtime.
  void shutdown() {
    if (!begin_shutdown()) return;
    std::vector<sync::Thread> threads;
    {
      const sync::Lock lock(mutex_);
      threads.swap(threads_);
    }
    // Whoever has the threads joins them: one wake-up of this thread where the other way has two.
    for (sync::Thread& thread : threads) thread.join();
    core_->wait_for_the_end();
    core_->services().wait_for_the_end(Instant::infinite_future());
  }

  // The same, and gives up after `limit` of the clock of rt/platform/clock.h. False: a worker is
  // still in a poll, or a thread of a service is busy. Then it is left to itself, and so is what
  // its task refers to: that has to live until the poll has ended, and until then tasks may be
  // alive. The destructor will not wait either. May be called again, also as shutdown().
  bool shutdown_for(absl::Duration limit) {
    if (!begin_shutdown()) return true;
    const Instant deadline = clock::now() + limit;
    if (!core_->wait_for_the_end(deadline) || !core_->services().wait_for_the_end(deadline)) {
      has_given_up_ = true;
      return false;
    }
    shutdown();
    return true;
  }

 private:
  explicit Runtime(sync::Arc<detail::RuntimeCore> core) noexcept : core_(std::move(core)) {
    core_->set_self(core_);
  }

  // False: this is the end of a task that is being dropped, in our own shutdown.
  bool begin_shutdown() {
    StealingScheduler& scheduler = core_->scheduler();
    if (StealingScheduler::Here::is_worker_of(scheduler)) {
      throw std::logic_error(
          "shutdown: a task of this runtime cannot wait until all of its tasks have ended; let the "
          "thread that made the runtime do it");
    }
    if (EnterScheduler::is_in_job_of(*core_)) {
      throw std::logic_error(
          "shutdown: a blocking job of this runtime cannot wait until all of its jobs have ended; "
          "let the thread that made the runtime do it");
    }
    if (StealingScheduler::Here::is_in(scheduler)) return false;
    scheduler.close();
    core_->services().close();
    return true;
  }

  const sync::Arc<detail::RuntimeCore> core_;
  sync::Mutex mutex_;
  std::vector<sync::Thread> threads_;  // Guarded by the mutex, once it is built.
  sync::Atomic<bool> has_given_up_{false};
};

// Spawns onto its runtime from anywhere, and may be copied. When the Runtime is gone, or has been
// shut down, what is spawned is dropped at once, and its JoinHandle says Cancelled.
class Runtime::Handle {
 public:
  template <Future F>
  JoinHandle<OutputOf<F>> spawn(F future, const Where& where = Where::current()) const {
    return spawn_on(*core_, std::move(future), where);
  }
  template <Future F>
  void spawn_detached(F future, const Where& where = Where::current()) const {
    core_->spawn_detached(&future, kFutureVTable<F>, where);
  }
  const DriverHandle& driver() const noexcept { return core_->driver(); }
  const sync::Arc<detail::RuntimeCore>& core() const noexcept { return core_; }
  std::size_t alive() const noexcept { return core_->scheduler().alive(); }
  RuntimeMetrics metrics() const { return core_->scheduler().metrics(); }

 private:
  friend class Runtime;
  explicit Handle(sync::Arc<detail::RuntimeCore> core) noexcept : core_(std::move(core)) {}

  sync::Arc<detail::RuntimeCore> core_;
};

inline Runtime::Handle Runtime::handle() const noexcept { return Handle(core_); }

// What a runtime is to be like. Each function sets one thing and returns the builder; build() says
// what is wrong.
//
//   function                 what nobody sets               may be
//   --------                 ----------------               ------
//   worker_threads           as many as there are cores     1 to kMostThreads
//   thread_name              "worker"                       any
//   max_blocking_threads     512                            1 to kMostThreads
//   global_queue_interval    31                             1 or more
//   event_interval           61                             1 or more
//   seed                     0                              any
//   start_paused             false
class Runtime::Builder {
 public:
  using Hook = std::function<void()>;
  using StartThread = std::function<sync::Thread(std::function<void()>)>;

  // Tokio's limit for its workers. Each worker has memory of its own, some kilobytes, before the
  // first thread starts: a number that was never meant as one must not take all that there is.
  static constexpr std::size_t kMostThreads = 32'768;

  Builder() {}

  Builder& worker_threads(std::size_t workers) {
    return set(workers_, std::optional<std::size_t>(workers));
  }

  // Of the workers: "web" makes "web 0", "web 1" and so on, in traces, debuggers and top. Linux
  // shows 15 characters: of longer ones the number stays.
  Builder& thread_name(std::string name) { return set(name_, std::move(name)); }

  // How many threads there may be for blocking calls, beside the workers.
  Builder& max_blocking_threads(std::size_t most) { return set(max_blocking_, most); }

  // Every so many polls a worker takes one task from the queue that is common to all, before its
  // own. The smaller, the fairer to those that come from outside; the larger, the fewer locks.
  Builder& global_queue_interval(std::uint32_t polls) {
    return set(options_.global_queue_interval, polls);
  }
  // Every so many polls a worker that is busy looks for events.
  Builder& event_interval(std::uint32_t polls) { return set(options_.event_interval, polls); }

  // Of what the workers do by chance: from whom they steal first, and which branch of a select they
  // begin with.
  Builder& seed(std::uint64_t seed) { return set(options_.seed, seed); }

  // Pauses the clock, before the first worker runs. There is one clock in a program: it stays
  // paused when the runtime has gone, until somebody calls clock::resume().
  Builder& start_paused(bool paused) { return set(start_paused_, paused); }

  // Called by each thread of the runtime, before and after all else that it does. They are outside
  // of the runtime there, several at once, and may not throw.
  Builder& on_thread_start(Hook hook) { return set(on_start_, std::move(hook)); }
  Builder& on_thread_stop(Hook hook) { return set(on_stop_, std::move(hook)); }

  // Called with what a task has thrown, when it is sure that nobody will hear of it: the task was
  // detached, or its JoinHandle was dropped before it was ready. By the thread that found out, a
  // worker or whoever has dropped the handle, several at once; it may not throw. Cancelled is not
  // told. Without a hook it is one line on stderr for each.
  Builder& on_unhandled_exception(UnhandledHook hook) { return set(unhandled_, std::move(hook)); }

  // How a thread of the runtime is started, for those who choose its stack or its core. It calls
  // what it is given once, on that thread. What it throws, as std::system_error, is what build()
  // returns. It may not call the runtime: a lock of it may be held.
  Builder& start_thread(StartThread start) { return set(start_thread_, std::move(start)); }

  // Starts the runtime. InvalidArgument for a number that may not be, which it names with its
  // limit; ResourceExhausted where the system has no more descriptors or threads, and then what was
  // started has ended again.
  absl::StatusOr<std::unique_ptr<Runtime>> build() const {
    absl::Status status = check();
    if (!status.ok()) return status;
    absl::StatusOr<std::unique_ptr<Driver>> driver = Driver::create();
    if (!driver.ok()) return driver.status();
    if (start_paused_) clock::pause();
    const std::size_t workers = workers_.has_value() ? *workers_ : cores();
    auto core = sync::Arc<detail::RuntimeCore>::make(
        workers, std::make_unique<DriverParks>(workers, *std::move(driver)), options_);
    core->scheduler().set_unhandled_hook(unhandled_);
    core->service_options.max_blocking_threads = max_blocking_;
    core->service_options.unhandled = unhandled_;
    core->service_options.start_thread = [*this](std::string name, std::function<void()> body) {
      return start_named(std::move(name), std::move(body));
    };
    std::unique_ptr<Runtime> runtime(new Runtime(core));
    status = start_threads(*runtime, core);
    if (!status.ok()) return status;
    return runtime;
  }

 private:
  template <class T>
  Builder& set(T& which, T value) {
    which = std::move(value);
    return *this;
  }

  absl::Status check() const {
    if (workers_ == std::size_t{0}) return none_at_all("worker_threads");
    if (max_blocking_ == 0) return none_at_all("max_blocking_threads");
    if (options_.global_queue_interval == 0) return none_at_all("global_queue_interval");
    if (options_.event_interval == 0) return none_at_all("event_interval");
    if (workers_.has_value() && *workers_ > kMostThreads) {
      return too_many("worker_threads", *workers_);
    }
    if (max_blocking_ > kMostThreads) return too_many("max_blocking_threads", max_blocking_);
    return absl::OkStatus();
  }
  static absl::Status none_at_all(const char* what) {
    return absl::InvalidArgumentError(
        absl::StrCat("Runtime: ", what, " is 0; it needs one or more"));
  }
  static absl::Status too_many(const char* what, std::size_t wanted) {
    return absl::InvalidArgumentError(
        absl::StrCat("Runtime: ", what, " is ", wanted, "; it may be ", kMostThreads, " at most"));
  }

  // Asked only where nobody has said how many: glibc opens a file for it.
  static std::size_t cores() {
    return std::clamp<std::size_t>(sync::Thread::hardware_concurrency(), 1, kMostThreads);
  }

  absl::Status start_threads(Runtime& runtime, const sync::Arc<detail::RuntimeCore>& core) const {
    const std::size_t workers = core->scheduler().workers();
    std::exception_ptr thrown;
    try {
      runtime.threads_.reserve(workers);
      while (runtime.threads_.size() < workers) {
        runtime.threads_.push_back(start_worker(core, runtime.threads_.size()));
      }
    } catch (...) {
      thrown = std::current_exception();
    }
    if (thrown == nullptr) return absl::OkStatus();
    const std::size_t started = runtime.threads_.size();
    core->scheduler().close();
    for (std::size_t i = started; i < workers; ++i) {
      core->skip_worker();
      core->thread_ends();
    }
    try {
      std::rethrow_exception(std::move(thrown));
    } catch (const std::system_error& error) {
      return absl::ResourceExhaustedError(
          absl::StrCat("Runtime: start worker ", started + 1, " of ", workers, ": ", error.what()));
    }
  }

  sync::Thread start_worker(const sync::Arc<detail::RuntimeCore>& core, std::size_t i) const {
    // Outside of the hooks: when it has said that it ends, nothing of this thread follows.
    return start([core, body = named(name_of(i), [core, i] { core->be_worker(i); })] {
      body();
      core->thread_ends();
    });
  }
  sync::Thread start_named(std::string name, std::function<void()> body) const {
    return start(named(std::move(name), std::move(body)));
  }
  std::function<void()> named(std::string name, std::function<void()> body) const {
    return [name = std::move(name), body = std::move(body), start = on_start_, stop = on_stop_] {
      trace::name_thread(name);
      ::pthread_setname_np(::pthread_self(), name.c_str());
      if (start) start();
      body();
      if (stop) stop();
    };
  }
  sync::Thread start(std::function<void()> body) const {
    if (start_thread_) return start_thread_(std::move(body));
    return sync::Thread(std::move(body));
  }

  std::string name_of(std::size_t i) const {
    constexpr std::size_t kMost = 15;
    const std::string number = absl::StrCat(" ", i);
    return name_.substr(0, kMost - number.size()) + number;
  }

  std::optional<std::size_t> workers_;  // None: as many as there are cores.
  std::string name_ = "worker";
  std::size_t max_blocking_ = 512;
  WorkerOptions options_;
  bool start_paused_ = false;
  Hook on_start_, on_stop_;
  UnhandledHook unhandled_;
  StartThread start_thread_;
};

inline absl::StatusOr<std::unique_ptr<Runtime>> Runtime::create(std::size_t workers) {
  return Builder().worker_threads(workers).build();
}

}  // namespace rt
