// IoExecutor: a runtime on one thread that sleeps in epoll. A LocalRuntime whose Park is a Driver,
// so that its tasks may use sockets and timers.
//
//   auto executor = IoExecutor::create();
//   if (!executor.ok()) …
//   (*executor)->block_on(serve());   // serve() may spawn, sleep, connect and accept
//
// Thread safety: for one thread; the wakers of its tasks and the driver's handle, for any.
//
// Invariants
//   1. As LocalRuntime: tasks run inside block_on() and run_until_stalled() only, and what a
//      spawned task throws is for its joiner.
//   2. Wherever a task is polled or dropped, the driver is this thread's current one.
//   3. With the executor its tasks are dropped, and then its driver is shut down. Timers and
//      sockets that live on elsewhere are told so.
//
// The idea is Tokio's current_thread Runtime with enable_all().
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rt/driver/driver.h"
#include "rt/driver/driver_handle.h"
#include "rt/future/future.h"
#include "rt/platform/described.h"
#include "rt/runtime/local_runtime.h"
#include "rt/task/spawn.h"

namespace rt {

class IoExecutor {
 public:
  // Fails when the kernel has no descriptors left for it.
  static absl::StatusOr<std::unique_ptr<IoExecutor>> create() {
    absl::StatusOr<std::unique_ptr<Driver>> driver = Driver::create();
    if (!driver.ok()) return driver.status();
    return std::unique_ptr<IoExecutor>(new IoExecutor(*std::move(driver)));
  }

  IoExecutor(const IoExecutor&) = delete;
  IoExecutor& operator=(const IoExecutor&) = delete;
  // In a task of this executor it prints a message and ends the program, as ~LocalRuntime() does.
  ~IoExecutor() {
    if (runtime_->is_inside()) destroyed_inside_a_task("rt::IoExecutor");
    const EnterDriver inside(driver_->handle());
    runtime_.reset();
    driver_->shutdown();
  }

  // As LocalRuntime::block_on. The thread sleeps in the driver whenever no task can go on.
  template <Future F>
  OutputOf<F> block_on(F future) {
    const EnterDriver inside(driver_->handle());
    return runtime_->block_on(std::move(future));
  }

  // Spawns from outside of any task; inside, rt::spawn() does the same.
  template <Future F>
  JoinHandle<OutputOf<F>> spawn(F future) {
    return runtime_->spawn(std::move(future));
  }

  // Runs tasks, and takes what kernel and clock have ready, until neither has anything more.
  // Returns how many polls that took. Never sleeps.
  std::size_t run_until_stalled() {
    const EnterDriver inside(driver_->handle());
    return runtime_->run_until_stalled();
  }

  // How many tasks have not ended.
  std::size_t alive() const noexcept { return runtime_->alive(); }

  Driver& driver() noexcept { return *driver_; }

 private:
  explicit IoExecutor(std::unique_ptr<Driver> driver)
      : driver_(std::move(driver)), runtime_(std::make_unique<LocalRuntime>(driver_)) {}

  const std::shared_ptr<Driver> driver_;  // Shared with the wakers of tasks, which unpark it.
  std::unique_ptr<LocalRuntime> runtime_;
  const Described described_{[this] { return driver_->describe_all(); }};
};

}  // namespace rt
