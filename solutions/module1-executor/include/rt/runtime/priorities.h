// PriorityExecutor: runs tasks of two priorities on one thread, lets none of them starve, and keeps
// an account of each.
//
// A LocalExecutor for the high tasks and one for the normal tasks do what exercise 1.7 was about:
// states, wakes, order. Here is what is new: which of the two goes next, what a task has cost, and
// how to stop.
//
// The row is the number of polls of high tasks since the newest poll of a normal one. It grows also
// while no normal task is ready.
//
//   row             high ready   normal ready   polled next
//   ---             ----------   ------------   -----------
//   any             yes          no             high: row + 1
//   < kHighInARow   yes          yes            high: row + 1
//   >= kHighInARow  yes          yes            normal: row = 0
//   any             no           yes            normal: row = 0
//
// Thread safety: as LocalExecutor. The executor and the metrics of its tasks belong to one thread;
// the wakers of its tasks may be used and dropped by any thread, also when the executor is gone.
//
// Invariants
//   1. The next task is chosen by the table above. Of each priority, the one that has been ready
//      longest is polled. So while a normal task is ready, at most kHighInARow high polls precede
//      the next normal one.
//   2. A task keeps the priority that it was spawned with, whoever wakes it.
//   3. A poll is counted in its task's metrics, and in the row, also when it throws.
//   4. Each task ends or is dropped: one of them, once. Its metrics say which before its future is
//      destroyed.
//   5. From the beginning of shutdown() or of the destructor on, no task is taken.
//
// A turn for the others after a fixed number of polls is Tokio's idea (global_queue_interval), and
// so is the account of each task (TaskMonitor, in tokio-metrics).
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/time/time.h"
#include "rt/future/box_future.h"
#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/platform/clock.h"
#include "rt/platform/park.h"
#include "rt/runtime/block_on.h"
#include "rt/runtime/local_executor.h"

namespace rt {

enum class Priority { kNormal, kHigh };

// One task's account.
struct TaskMetrics {
  enum State {
    kAlive,
    kEnded,    // Its future was ready or threw.
    kDropped,  // Its future was destroyed before that.
  };

  explicit TaskMetrics(Priority p) noexcept : priority(p) {}

  const Priority priority;
  State state = kAlive;
  std::uint64_t polls = 0;  // Those that have begun.
  absl::Duration ran;       // The time inside of those that are over, by rt::clock.
};

// What came of the tasks that were alive when shutdown() was called.
struct ShutdownReport {
  ShutdownReport() {}

  std::size_t ended = 0;                   // Were ready or threw.
  std::size_t dropped = 0;                 // Were destroyed before that.
  std::vector<std::exception_ptr> thrown;  // What tasks threw, in this order.
};

class PriorityExecutor {
 public:
  static constexpr std::size_t kHighInARow = 4;

  // Sleeps by a ThreadParker of its own.
  PriorityExecutor() : PriorityExecutor(std::make_shared<ThreadParker>()) {}

  // Sleeps by `park`.
  explicit PriorityExecutor(std::shared_ptr<Park> park) {
    normal_.emplace(park);
    high_.emplace(std::make_shared<SleepOfBoth>(*normal_, std::move(park)));
  }

  PriorityExecutor(const PriorityExecutor&) = delete;
  PriorityExecutor& operator=(const PriorityExecutor&) = delete;

  // Drops the tasks that are left: first the high ones, then the normal ones, each in the order in
  // which they were spawned. REQUIRES: no task is being polled.
  ~PriorityExecutor() {
    // BEGIN SOLUTION 1.10
    drop_all();
    // END SOLUTION
  }

  // Puts a new task behind those of its priority that are ready. Polls nothing. Returns the task's
  // metrics, which the caller may keep for as long as it likes. Once no task is taken any more, it
  // drops the future and returns null. By the executor's thread, also inside a task.
  std::shared_ptr<const TaskMetrics> spawn(Priority priority, BoxFuture<void> future) {
    // BEGIN SOLUTION 1.10
    if (closing_) return nullptr;
    const auto metrics = std::make_shared<TaskMetrics>(priority);
    ++alive_;
    LocalExecutor& executor = priority == Priority::kHigh ? *high_ : *normal_;
    executor.spawn(BoxFuture<void>(Metered(std::move(future), *this, metrics)));
    return metrics;
    // END SOLUTION
  }

  // Polls the task whose turn it is. False if none is ready. What the task throws leaves run_one(),
  // and the executor can be used on. REQUIRES: no task is being polled.
  bool run_one() {
    // BEGIN SOLUTION 1.10
    if (row_ >= kHighInARow && run_one_of(normal_)) return true;
    return run_one_of(high_) || run_one_of(normal_);
    // END SOLUTION
  }

  // Runs tasks until none is left, and sleeps whenever none is ready. Throws what a task throws.
  void run() {
    // BEGIN SOLUTION 1.10
    while (alive() > 0) {
      if (!run_one()) sleep();
    }
    // END SOLUTION
  }

  // Takes no new tasks; goes on as run_one() does, for `max_polls` polls or until no task is ready,
  // whichever is first; never sleeps; drops the tasks that are left, as the destructor does. What
  // tasks throw is in the report. A second call finds nothing to do.
  // REQUIRES: no task is being polled.
  ShutdownReport shutdown(std::size_t max_polls) {
    // BEGIN SOLUTION 1.10
    closing_ = true;
    ShutdownReport report;
    const std::size_t before = alive();
    for (std::size_t polls = 0; polls < max_polls; ++polls) {
      try {
        if (!run_one()) break;
      } catch (...) {
        report.thrown.push_back(std::current_exception());
      }
    }
    report.dropped = alive();
    report.ended = before - report.dropped;
    drop_all();
    return report;
    // END SOLUTION
  }

  // How many tasks have neither ended nor been dropped.
  std::size_t alive() const noexcept {
    // BEGIN SOLUTION 1.10
    return alive_;
    // END SOLUTION
  }

 private:
  // The future of a task, with its account: this is what high_ and normal_ run.
  class Metered {
   public:
    using Output = void;

    Metered(BoxFuture<void> future, PriorityExecutor& executor,
            std::shared_ptr<TaskMetrics> metrics) noexcept
        : future_(std::move(future)), executor_(&executor), metrics_(std::move(metrics)) {}
    Metered(Metered&&) noexcept = default;  // What it leaves has no metrics, and no task.
    Metered& operator=(Metered&&) = delete;

    ~Metered() {
      // BEGIN SOLUTION 1.10
      if (metrics_ != nullptr) leave(TaskMetrics::kDropped);
      // END SOLUTION
    }

    Poll<void> poll(Context& cx) {
      // BEGIN SOLUTION 1.10
      ++metrics_->polls;
      executor_->row_ = metrics_->priority == Priority::kHigh ? executor_->row_ + 1 : 0;
      bool ended = true;  // Also when it throws.
      const Instant begin = clock::now();
      const absl::Cleanup account = [&] {
        metrics_->ran += clock::now() - begin;
        if (ended) leave(TaskMetrics::kEnded);
      };
      Poll<void> result = future_.poll(cx);
      ended = result.is_ready();
      return result;
      // END SOLUTION
    }

   private:
    // BEGIN SOLUTION 1.10
    // STUB: // Yours: what else you need here.
    // The first call says how the task came to its end.
    void leave(TaskMetrics::State state) {
      if (metrics_->state != TaskMetrics::kAlive) return;
      metrics_->state = state;
      --executor_->alive_;
    }
    // END SOLUTION

    BoxFuture<void> future_;
    PriorityExecutor* executor_;
    std::shared_ptr<TaskMetrics> metrics_;
  };

  // How high_ sleeps: it puts normal_ to sleep, and normal_ the thread. So each has seen that its
  // queue is empty, and a wake in either ends the sleep. It is counted, as the wakers are that use
  // it: a wake that has begun may end after the executor.
  class SleepOfBoth final : public Park {
   public:
    SleepOfBoth(LocalExecutor& normal, std::shared_ptr<Park> park)
        : normal_(normal), park_(std::move(park)) {}
    void park() override { normal_.park(); }
    void unpark() override { park_->unpark(); }

   private:
    LocalExecutor& normal_;  // For park(), and so while the executor lives.
    const std::shared_ptr<Park> park_;
  };

  // Sleeps until a task of either priority is ready; returns at once if one is. May return for no
  // reason. REQUIRES: high_ and normal_ have values.
  void sleep() { high_->park(); }

  // Until the tasks are dropped, both have values.
  std::optional<LocalExecutor> normal_;
  std::optional<LocalExecutor> high_;
  // BEGIN SOLUTION 1.10
  // STUB: // Yours: the rest.

  static bool run_one_of(std::optional<LocalExecutor>& executor) {
    return executor.has_value() && executor->run_one();
  }

  // A future that is destroyed here may call spawn() and alive(), so neither looks at the two.
  void drop_all() {
    closing_ = true;
    high_.reset();
    normal_.reset();
  }

  std::size_t row_ = 0;
  std::size_t alive_ = 0;
  bool closing_ = false;
  // END SOLUTION
};

}  // namespace rt
