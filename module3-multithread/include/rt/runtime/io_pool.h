// IoPool: a runtime on several threads whose tasks may use sockets and timers. A SharedPool whose
// workers share a Driver: of those that have nothing to do, one sleeps in epoll.
//
//   auto pool = IoPool::create(4);
//   if (!pool.ok()) …
//   (*pool)->block_on(serve());   // serve() may spawn, sleep, connect and accept
//
// Thread safety: all functions by any thread. The wakers and JoinHandles of its tasks by any, also
// when the pool is gone; its driver's handle too.
//
// Invariants
//   1. As SharedPool: spawned tasks run on the workers, the future of block_on() on the thread that
//      calls it.
//   2. Wherever a task is polled or dropped, the driver is this thread's current one.
//   3. With the pool its tasks are dropped, and then its driver is shut down. Timers and sockets
//      that live on elsewhere are told so.
//
// A clock that advances by itself (rt/platform/clock.h) is for runtimes on one thread: here a
// worker that sleeps would make time jump while another one runs a task.
//
// The idea is Tokio's multi_thread Runtime with enable_all().
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rt/driver/driver.h"
#include "rt/driver/driver_handle.h"
#include "rt/future/future.h"
#include "rt/runtime/driver_parks.h"
#include "rt/runtime/shared_pool.h"
#include "rt/task/spawn.h"

namespace rt {

class IoPool {
 public:
  // Fails for no workers and for more than SharedPool::kMostWorkers, and when the kernel has no
  // descriptors left for it. Throws std::system_error when the system has no more threads.
  static absl::StatusOr<std::unique_ptr<IoPool>> create(std::size_t workers) {
    if (workers == 0) return absl::InvalidArgumentError("IoPool: it needs one worker or more");
    if (workers > SharedPool::kMostWorkers) {
      return absl::InvalidArgumentError(absl::StrCat("IoPool: ", workers, " workers; it may have ",
                                                     SharedPool::kMostWorkers, " at most"));
    }
    absl::StatusOr<std::unique_ptr<Driver>> driver = Driver::create();
    if (!driver.ok()) return driver.status();
    auto parks = std::make_unique<DriverParks>(workers, *std::move(driver));
    return std::unique_ptr<IoPool>(new IoPool(workers, std::move(parks)));
  }

  IoPool(const IoPool&) = delete;
  IoPool& operator=(const IoPool&) = delete;
  // As shutdown(). In a task of this pool, and in its block_on(), it prints a message and ends the
  // program.
  ~IoPool() {
    if (pool_.is_inside()) destroyed_inside_a_task("rt::IoPool");
    shutdown();
  }

  // As SharedPool::block_on. The thread sleeps on a Parker of its own; the workers bring the
  // events.
  template <Future F>
  OutputOf<F> block_on(F future) {
    const EnterDriver inside(driver_.handle());
    return pool_.block_on(std::move(future));
  }

  // Spawns from outside of any task; inside, rt::spawn() does the same.
  template <Future F>
  JoinHandle<OutputOf<F>> spawn(F future) {
    return pool_.spawn(std::move(future));
  }
  // The same for a task that nobody will join.
  template <Future F>
  void spawn_detached(F future) {
    pool_.spawn_detached(std::move(future));
  }

  // As SharedPool::shutdown(). Then the driver is shut down.
  void shutdown() {
    pool_.shutdown();
    driver_.shutdown();
  }

  // How many tasks have not ended.
  std::size_t alive() const noexcept { return pool_.alive(); }

  // For those who register sockets and set timers outside of any task.
  const DriverHandle& driver() const noexcept { return driver_.handle(); }

 private:
  IoPool(std::size_t workers, std::unique_ptr<DriverParks> parks)
      : driver_(parks->driver()), pool_(workers, std::move(parks)) {}

  Driver& driver_;  // Of the parks, which live as long as the pool.
  SharedPool pool_;
};

}  // namespace rt
