// What the tests of queues share: tasks that are numbers and never run, and a thief that can be
// stopped between any two of his steps.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "rt/platform/sync.h"
#include "rt/runtime/task_ring.h"
#include "rt/task/task_fifo.h"
#include "rt/task/task_header.h"
#include "testkit/testkit.h"

namespace queue_parts {

// Nothing is scheduled here: the tasks are put into queues by hand.
class NoScheduler final : public rt::TaskScheduler {
 public:
  void schedule(rt::TaskRef) noexcept override {}
  void yield(rt::TaskRef) noexcept override {}
  bool release(rt::TaskHeader&) noexcept override { return false; }
  static NoScheduler& instance() {
    static NoScheduler one;
    return one;
  }
};

// A task that lives where the test has put it, and was run before. Its last reference says that it
// was let go of.
class Task final : public rt::TaskHeader {
 public:
  explicit Task(int n) noexcept
      : TaskHeader(kVTable, NoScheduler::instance(), /*joined=*/false), number(n) {
    static_cast<void>(state.release());  // The list's: there is no list.
    is_new.write() = false;
  }

  // Its one reference. Once.
  rt::TaskRef scheduled() noexcept { return rt::TaskRef::from_raw(this); }

  static Task& of(rt::TaskHeader& task) noexcept { return static_cast<Task&>(task); }
  static Task& of(const rt::TaskRef& task) noexcept { return of(*task); }

  const int number;
  int let_go = 0;                      // How often. Looked at by the last one to have it.
  void (*on_let_go)(Task&) = nullptr;  // Called by that.
  void* data = nullptr;                // For on_let_go.
  rt::sync::Cell<int> taken{0};        // How often it came out of a queue.

 private:
  static void never(rt::TaskHeader&) noexcept { std::abort(); }
  static void free(rt::TaskHeader& task) noexcept {
    Task& self = of(task);
    ++self.let_go;
    if (self.on_let_go != nullptr) self.on_let_go(self);
  }
  static constexpr rt::TaskVTable kVTable{&never, &never, &free,
                                          [](rt::TaskHeader& task, void*) { never(task); }, &never};
};

// Tasks with the numbers 1, 2, 3 …
class Tasks {
 public:
  explicit Tasks(int count = 0) {
    for (int i = 0; i < count; ++i) make();
  }
  Task& make() { return tasks_.emplace_back(static_cast<int>(tasks_.size()) + 1); }
  rt::TaskRef next() { return make().scheduled(); }
  rt::TaskRef next_new() {
    make().is_new.write() = true;
    return tasks_.back().scheduled();
  }
  Task& operator[](int number) { return tasks_[static_cast<std::size_t>(number) - 1]; }
  int count() const { return static_cast<int>(tasks_.size()); }

  // How many of them have been let go of, each once at most.
  int let_go() const {
    int sum = 0;
    for (const Task& task : tasks_) {
      EXPECT_LE(task.let_go, 1) << "task " << task.number << " was let go of twice";
      sum += task.let_go;
    }
    return sum;
  }

 private:
  std::deque<Task> tasks_;
};

// The number of a task that has come out of a queue, and is let go of here; 0 if there is none.
inline int number_of(rt::TaskRef task) { return task ? Task::of(task).number : 0; }
inline std::vector<int> numbers_of(rt::TaskFifo tasks) {
  std::vector<int> all;
  while (const int number = number_of(tasks.pop())) all.push_back(number);
  return all;
}

// A thief as rt/runtime/task_ring.h has him. `most`: he takes no more than this; else the older
// half.
class Thief {
 public:
  explicit Thief(rt::TaskRing& ring) : ring_(ring) {}
  Thief(const Thief&) = delete;

  // The first step. How many tasks are his.
  std::uint32_t claim(std::uint32_t most = rt::TaskRing::kCapacity) {
    std::uint64_t before = ring_.head.load(std::memory_order_acquire);
    while (true) {
      const rt::TaskRing::Head head = rt::TaskRing::unpack(before);
      if (head.is_stolen_from()) return count_ = 0;
      const std::uint32_t size = ring_.tail.load(std::memory_order_acquire) - head.real;
      first_ = head.real;
      count_ = std::min(size - size / 2, most);
      if (count_ == 0) return 0;
      const rt::TaskRing::Head claimed(head.steal, head.real + count_);
      if (ring_.head.compare_exchange_strong(before, rt::TaskRing::pack(claimed),
                                             std::memory_order_acq_rel,
                                             std::memory_order_acquire)) {
        // He has read the tail after the head, so it is not an older one.
        EXPECT_LE(size, rt::TaskRing::kCapacity) << "a head that says more than there is";
        return count_;
      }
    }
  }

  // The second. What is in the slots that he has claimed, as it is now.
  std::vector<rt::TaskHeader*> copy() {
    std::vector<rt::TaskHeader*> copied;
    for (std::uint32_t i = 0; i < count_; ++i) copied.push_back(ring_.slot(first_ + i).read());
    return copied;
  }

  // The third: the slots are free.
  void free() {
    std::uint64_t before = ring_.head.load(std::memory_order_acquire);
    while (true) {
      const std::uint32_t real = rt::TaskRing::unpack(before).real;
      if (ring_.head.compare_exchange_strong(
              before, rt::TaskRing::pack(rt::TaskRing::Head(real, real)), std::memory_order_acq_rel,
              std::memory_order_acquire)) {
        return;
      }
    }
  }

  // The last two, for unit tests: the numbers of his tasks, which he lets go of.
  std::vector<int> copy_and_free() {
    std::vector<int> numbers;
    for (rt::TaskHeader* const task : copy()) {
      numbers.push_back(number_of(rt::TaskRef::from_raw(task)));
    }
    free();
    return numbers;
  }

 private:
  rt::TaskRing& ring_;
  std::uint32_t first_ = 0;
  std::uint32_t count_ = 0;
};

// "1 to 5": for what is expected of many.
inline std::vector<int> numbers(int first, int last) {
  std::vector<int> all;
  for (int n = first; n <= last; ++n) all.push_back(n);
  return all;
}

}  // namespace queue_parts
