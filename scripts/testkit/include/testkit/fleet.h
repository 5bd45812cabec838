// Fleet: what the tests of workers share: a scheduler of several workers that a test steps by hand,
// or gives threads to. For tests from module 4 on.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "rt/future/future.h"
#include "rt/platform/park.h"
#include "rt/platform/sync.h"
#include "rt/runtime/worker.h"
#include "rt/runtime/worker_parks.h"
#include "rt/runtime/worker_shared.h"
#include "rt/task/spawn.h"
#include "rt/task/task_cell.h"
#include "rt/task/task_header.h"

namespace testkit {

// One type of future for all tasks: each new one costs compile time.
using Body = absl::AnyInvocable<rt::Poll<void>(rt::Context&)>;

// Workers, and what their tasks need. It keeps no list of all tasks: one that waits lives by its
// wakers.
class Fleet final : public rt::TaskScheduler {
 public:
  Fleet(std::size_t workers, std::unique_ptr<rt::WorkerParks> parks,
        rt::WorkerOptions options = rt::WorkerOptions())
      : shared_(workers, std::move(parks), options), polls_(workers) {
    for (std::size_t i = 0; i < workers; ++i) workers_.emplace_back(shared_, i);
  }
  // REQUIRES: no worker runs any more.
  ~Fleet() {
    for (rt::Worker& worker : workers_) worker.drain();
    while (shared_.inject.pop()) {
    }
  }

  rt::WorkerShared& shared() { return shared_; }
  rt::WorkerShared::Seat& seat(std::size_t worker) { return shared_.seats[worker]; }
  rt::Worker& worker(std::size_t i) { return workers_[i]; }

  // How many polls the worker has begun. (The runtime's own counters are an exercise to come.) For
  // its thread, or when that has ended.
  int polls(std::size_t worker) const { return polls_[worker].count; }

  bool step(std::size_t worker) {
    const Here here(workers_[worker], polls_[worker].count);
    return workers_[worker].step();
  }
  void work(std::size_t worker) {
    while (step(worker)) {
    }
  }

  // By a task: as the worker that polls it. Else from outside.
  void spawn(Body body) { schedule(make(std::move(body))); }
  // Into the inject queue; and nobody has heard of it yet.
  void put_into_inject(Body body) { shared_.inject.push(make(std::move(body))); }

  // A task that is nowhere yet.
  rt::TaskRef make(Body body) {
    auto future = rt::poll_fn([mine = std::move(body)](rt::Context& cx) mutable {
      ++*Here::slot()->polls;
      return mine(cx);
    });
    return rt::TaskCell::create(&future, rt::kFutureVTable<decltype(future)>, *this, false)
        .scheduled;
  }

  void schedule(rt::TaskRef task) noexcept override {
    if (const Here* const here = Here::slot()) return here->worker->schedule(std::move(task));
    shared_.inject.push(std::move(task));
    shared_.notify();
  }
  void yield(rt::TaskRef task) noexcept override { Here::slot()->worker->yield(std::move(task)); }
  bool release(rt::TaskHeader&) noexcept override { return false; }

 private:
  // This thread is that worker, to the end of the scope.
  struct Here {
    Here(rt::Worker& w, int& p) noexcept
        : worker(&w), polls(&p), outer(std::exchange(slot(), this)) {}
    Here(const Here&) = delete;
    ~Here() { slot() = outer; }
    struct Tag;
    static const Here*& slot() noexcept { return rt::sync::ThreadLocal<const Here*, Tag>::get(); }

    rt::Worker* const worker;
    int* const polls;
    const Here* const outer;
  };
  struct alignas(64) Polls {
    int count = 0;
  };

  rt::WorkerShared shared_;
  std::deque<rt::Worker> workers_;
  std::vector<Polls> polls_;
};

}  // namespace testkit
