// LocalRuntime: a runtime on one thread. A LocalExecutor, with spawn() and JoinHandle on top.
//
//   LocalRuntime runtime;
//   int answer = runtime.block_on(main_task());   // main_task may spawn() and join
//
// Thread safety: for one thread; the wakers of its tasks, for any.
//
// Invariants
//   1. Tasks run inside block_on() and run_until_stalled() only, and rt::spawn() works in them. In
//      between they wait; with the runtime they are dropped.
//   2. What a spawned task throws is for its joiner, and harms nobody else.
//   3. It looks for events at least once in kLookInterval polls, however much there is to run.
//
// The idea is Tokio's current_thread Runtime.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "rt/future/box_future.h"
#include "rt/future/future.h"
#include "rt/platform/park.h"
#include "rt/runtime/join_handle.h"
#include "rt/runtime/local_executor.h"
#include "rt/task/spawn.h"

namespace rt {

class LocalRuntime final : public Scheduler {
 public:
  // How many polls lie between two calls of Park::look(). The number is Tokio's event_interval.
  static constexpr std::size_t kLookInterval = 61;

  LocalRuntime() : owned_(std::make_unique<LocalExecutor>()), executor_(*owned_) {}
  // As LocalExecutor(park).
  explicit LocalRuntime(Park& park)
      : owned_(std::make_unique<LocalExecutor>(park)), executor_(*owned_), park_(&park) {}
  explicit LocalRuntime(std::shared_ptr<Park> park)
      : owned_(std::make_unique<LocalExecutor>(park)), executor_(*owned_), park_(park.get()) {}

  // Drops the tasks that are left. What they spawn while they are dropped is dropped too. In a task
  // of this runtime it prints a message and ends the program: the task would be destroyed in the
  // middle of its poll.
  ~LocalRuntime() override {
    if (is_inside()) destroyed_inside_a_task("rt::LocalRuntime");
    const EnterScheduler inside(this);
    owned_.reset();
  }

  // Runs tasks until `future` is ready, and sleeps whenever none can go on. Returns its output or
  // throws what it throws. `future` may refer to the caller's variables. Throws std::logic_error
  // inside a task of a runtime.
  template <Future F>
  OutputOf<F> block_on(F future) {
    require_outside("block_on");
    const EnterScheduler inside(this);
    Guest<F> guest(std::move(future));
    executor_.spawn(BoxFuture<void>(
        poll_fn([&guest, here = std::weak_ptr<int>(guest.here)](Context& cx) -> Poll<void> {
          // Gone when block_on was left by an exception, of the Park's say.
          if (here.expired()) return kReady;
          return guest.poll(cx);
        })));
    while (!guest.result.has_value() && guest.error == nullptr) {
      if (!run_one()) executor_.park();
    }
    if (guest.error != nullptr) std::rethrow_exception(std::move(guest.error));
    return std::move(*guest.result).take();
  }

  // Spawns from outside of any task; inside, rt::spawn() does the same.
  template <Future F>
  JoinHandle<OutputOf<F>> spawn(F future) {
    return spawn_on(*this, std::move(future));
  }

  // Runs tasks until each one waits or has ended, and no event is there that it could go on with.
  // Returns how many polls that took. Never sleeps.
  std::size_t run_until_stalled() {
    require_outside("run_until_stalled");
    const EnterScheduler inside(this);
    if (park_ == nullptr) return rt::run_until_stalled(executor_);
    std::size_t polls = 0;
    for (bool stalled = false; !stalled;) {
      park_->look();
      stalled = true;
      for (; run_one(); stalled = false) ++polls;
    }
    return polls;
  }

  // Whether this thread is in block_on() or run_until_stalled() of this runtime.
  bool is_inside() const noexcept { return EnterScheduler::has_entered(*this); }

  // How many tasks have not ended.
  std::size_t alive() const noexcept { return executor_.alive(); }

  RawJoinHandle spawn_raw(void* future, const FutureVTable& vtable) override {
    return spawn_with_handle(executor_, future, vtable);
  }

 private:
  // The future of block_on, which lives on its stack while a task polls it.
  template <Future F>
  struct Guest {
    explicit Guest(F f) : future(std::move(f)) {}

    Poll<void> poll(Context& cx) {
      try {
        Poll<OutputOf<F>> polled = future.poll(cx);
        if (polled.is_pending()) return kPending;
        result.emplace(std::move(polled));
      } catch (...) {
        error = std::current_exception();
      }
      return kReady;
    }

    F future;
    std::optional<Poll<OutputOf<F>>> result;
    std::exception_ptr error;
    std::shared_ptr<int> here = std::make_shared<int>(0);
  };

  // Polls the next task, if one is ready.
  bool run_one() {
    if (!executor_.run_one()) return false;
    if (park_ != nullptr && ++since_look_ == kLookInterval) {
      since_look_ = 0;
      park_->look();
    }
    return true;
  }

  static void require_outside(const char* what) {
    if (current_scheduler() == nullptr) return;
    throw std::logic_error(std::string(what) +
                           ": this thread runs the tasks of a runtime already; inside a task, "
                           "co_await the future instead");
  }

  std::unique_ptr<LocalExecutor> owned_;
  LocalExecutor& executor_;     // *owned_, also while it is being destroyed.
  Park* const park_ = nullptr;  // Null for the executor's own, which has no events.
  std::size_t since_look_ = 0;  // How many polls.
};

}  // namespace rt
