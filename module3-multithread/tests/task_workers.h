// A scheduler with threads, for tests: one queue, one mutex, and nothing clever.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "rt/task/spawn.h"
#include "rt/task/task_cell.h"
#include "rt/task/task_header.h"

namespace task_parts {

class Workers final : public rt::TaskScheduler {
 public:
  explicit Workers(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  // Shuts down what is left, and returns when all tasks have been freed.
  ~Workers() {
    stop();
    queue_.clear();
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [this] { return tasks_ == 0; });
  }

  // Returns the reference for a JoinHandle.
  template <class F>
  rt::TaskRef spawn_joined(F future) {
    rt::NewTask task = rt::TaskCell::create(&future, rt::kFutureVTable<F>, *this, true);
    rt::TaskRef joined = std::move(task.joined);
    start(std::move(task));
    return joined;
  }
  template <class F>
  void spawn(F future) {
    start(rt::TaskCell::create(&future, rt::kFutureVTable<F>, *this, false));
  }

  // Shuts every task down, while the workers run on.
  void close() {
    while (true) {
      rt::TaskRef task;
      {
        const std::lock_guard lock(mutex_);
        is_closed_ = true;
        if (owned_.empty()) break;
        task = std::move(owned_.extract(owned_.begin()).mapped());
      }
      std::move(task).shutdown();
    }
    changed_.notify_all();
  }

  // The same, and the workers end: from here on nothing is polled.
  void stop() {
    close();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  // Returns when no task is left that has not ended.
  void wait_until_idle() {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [this] { return owned_.empty(); });
  }

  void schedule(rt::TaskRef task) noexcept override {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(task));
    changed_.notify_one();  // With the lock: a wake from outside may be the last to look at *this.
  }
  void yield(rt::TaskRef task) noexcept override { schedule(std::move(task)); }
  bool release(rt::TaskHeader& task) noexcept override {
    const std::lock_guard lock(mutex_);
    const auto found = owned_.find(&task);
    if (found == owned_.end()) return false;
    std::move(found->second).into_raw();
    owned_.erase(found);
    freed_.notify_all();
    return true;
  }
  void task_created() noexcept override {
    const std::lock_guard lock(mutex_);
    ++tasks_;
  }
  void task_freed() noexcept override {
    const std::lock_guard lock(mutex_);
    --tasks_;
    freed_.notify_all();
  }

 private:
  void start(rt::NewTask task) {
    {
      const std::lock_guard lock(mutex_);
      owned_.emplace(&*task.owned, std::move(task.owned));
    }
    schedule(std::move(task.scheduled));
  }

  void work() {
    while (true) {
      rt::TaskRef task;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return is_closed_ || !queue_.empty(); });
        if (queue_.empty()) return;
        task = std::move(queue_.front());
        queue_.pop_front();
      }
      std::move(task).run();
    }
  }

  std::mutex mutex_;  // Guards the rest.
  std::condition_variable changed_, freed_;
  std::deque<rt::TaskRef> queue_;
  std::map<rt::TaskHeader*, rt::TaskRef> owned_;
  int tasks_ = 0;
  bool is_closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace task_parts
