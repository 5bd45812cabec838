// Runtime: work stealing.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "rt/arc_waker.h"
#include "rt/context.h"
#include "rt/driver.h"
#include "rt/driver_handle.h"
#include "rt/driver_parks.h"
#include "rt/future.h"
#include "rt/join.h"
#include "rt/parker.h"
#include "rt/poll.h"
#include "rt/poll_task.h"
#include "rt/spawn.h"
#include "rt/stealing_scheduler.h"
#include "rt/sync.h"
#include "rt/task_cell.h"
#include "rt/trace.h"
#include "rt/waker.h"

namespace rt {

class Runtime final : public Scheduler {
 public:
  static absl::StatusOr<std::unique_ptr<Runtime>> create(std::size_t workers) {
    absl::StatusOr<std::unique_ptr<Driver>> driver = Driver::create();
    if (!driver.ok()) return driver.status();
    auto parks = std::make_unique<DriverParks>(workers, *std::move(driver));
    return std::unique_ptr<Runtime>(new Runtime(workers, std::move(parks)));
  }

  ~Runtime() override {
    shutdown();
    scheduler_->leave();
  }

  template <Future F>
  OutputOf<F> block_on(F future) {
    const EnterDriver driver(driver_.handle());
    const EnterScheduler inside(this);
    F guest(std::move(future));  // Destroyed before we leave the runtime.
    const auto sleeper = sync::Arc<Sleeper>::make();
    const Waker waker = waker_from(sleeper);
    Context cx(waker);
    while (true) {
      Poll<OutputOf<F>> result = poll_task(trace::new_task_id(), guest, cx);
      if (result.is_ready()) return std::move(result).take();
      const trace::ParkScope traced;
      sleeper->parker.park();
    }
  }

  template <Future F>
  JoinHandle<OutputOf<F>> spawn(F future) {
    return spawn_on(*this, std::move(future));
  }

  RawJoinHandle spawn_raw(void* future, const FutureVTable& vtable) override {
    NewTask task = TaskCell::create(future, vtable, *scheduler_, true);
    scheduler_->spawn(std::move(task.owned), std::move(task.scheduled));
    return join_handle(std::move(task.joined));
  }

  void shutdown() {
    scheduler_->close();
    for (sync::Thread& thread : threads_) thread.join();
    threads_.clear();
    driver_.shutdown();
  }

  const DriverHandle& handle() const noexcept { return driver_.handle(); }

 private:
  struct Sleeper {
    static void wake_by_ref(const sync::Arc<Sleeper>& self) { self->parker.unpark(); }
    Parker parker;
  };

  Runtime(std::size_t workers, std::unique_ptr<DriverParks> parks)
      : driver_(parks->driver()),
        scheduler_(new StealingScheduler(workers, std::move(parks), WorkerOptions())) {
    for (std::size_t i = 0; i < workers; ++i) {
      threads_.emplace_back([this, i] { be_worker(i); });
    }
  }

  void be_worker(std::size_t i) {
    trace::name_thread("worker " + std::to_string(i));
    const EnterScheduler inside(this);
    scheduler_->shared().parks->run([&] {
      {
        const StealingScheduler::Here here(*scheduler_, i);
        while (scheduler_->step(i)) {
        }
      }
      if (!scheduler_->worker_ended()) return;
      const StealingScheduler::Here here(*scheduler_, scheduler_->workers());
      scheduler_->drop_all();
    });
  }

  Driver& driver_;
  StealingScheduler* const scheduler_;
  std::vector<sync::Thread> threads_;
};

}  // namespace rt
