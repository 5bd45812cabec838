// OwnedTasks: all tasks of a runtime that have not ended, so that it can drop them when it ends.
//
//   spawn                       a task ends                  the runtime ends
//   -----                       -----------                  ----------------
//   bind(): into the list       release(): out of the list   close_and_shutdown_all():
//   closed: not bound, and the                               closes every shard; then takes out
//   spawner shuts it down                                    one task after the other, and shuts
//                                                            each down
//
// The list is in several shards, each with a lock of its own, so that workers that spawn and end
// tasks at the same time need not wait for each other. A task's shard follows from the block of its
// id (rt/trace/trace.h), so a worker binds many tasks in a row in the same shard, whose lock and
// list stay in its cache. `closed` is part of each shard, under its lock: so a task is bound before
// its shard is closed, and is found there, or after that, and is refused. There is no moment in
// between.
//
// Thread safety: all functions by any thread.
//
// Invariants
//   1. The list has one reference of each task in it. Whoever takes a task out has that reference.
//   2. A task is taken out once: by release() or by close_and_shutdown_all().
//   3. Once close_and_shutdown_all() has returned, every task that was ever bound has been told,
//      and no task will be bound. Before it shuts the first task down it has closed every shard: so
//      what a task spawns as it is dropped is refused, whichever shard it belongs to.
//   4. No lock is held while a task is shut down.
//
// The idea is Tokio's runtime::task::OwnedTasks.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "rt/platform/sync.h"
#include "rt/task/task_header.h"

namespace rt {

class OwnedTasks {
 public:
  // With at least so many shards. Several for each worker, so that two seldom meet.
  explicit OwnedTasks(std::size_t shards = 1)
      : mask_(std::bit_ceil(shards) - 1), shards_(std::make_unique<Shard[]>(mask_ + 1)) {}
  OwnedTasks(const OwnedTasks&) = delete;
  OwnedTasks& operator=(const OwnedTasks&) = delete;

  // Takes over the list's reference of a new task. False: it is closed, and `task` is still the
  // caller's, who has to shut it down.
  [[nodiscard]] bool bind(TaskRef& task) noexcept {
    Shard& shard = shard_of(*task);
    const sync::ShortLock lock(shard.mutex);
    List& list = shard.list.write();
    if (list.closed) return false;
    list.link(*std::move(task).into_raw());
    return true;
  }

  // The task is about to end: takes it out. True: it was there, and the list's reference is the
  // caller's now.
  [[nodiscard]] bool release(TaskHeader& task) noexcept {
    Shard& shard = shard_of(task);
    const sync::ShortLock lock(shard.mutex);
    if (!task.owned.read().is_linked()) return false;
    shard.list.write().unlink(task);
    return true;
  }

  // From here on no task is bound. Shuts all down that are here, one after the other; a task that
  // another thread runs at this moment is dropped by that thread. `first`: the shard to begin with;
  // several threads may share the work.
  void close_and_shutdown_all(std::size_t first = 0) noexcept {
    for (std::size_t i = 0; i <= mask_; ++i) close(shards_[(first + i) & mask_]);
    for (std::size_t i = 0; i <= mask_; ++i) {
      Shard& shard = shards_[(first + i) & mask_];
      while (TaskRef task = pop(shard)) std::move(task).shutdown();
    }
  }

  // How many tasks have not ended. Where tasks come and go meanwhile, about so many.
  std::size_t size() const noexcept {
    std::size_t size = 0;
    for (std::size_t i = 0; i <= mask_; ++i) {
      const sync::ShortLock lock(shards_[i].mutex);
      size += shards_[i].list.read().size;
    }
    return size;
  }

 private:
  // Guarded by its shard's lock, and so are the links of the tasks in it.
  struct List {
    void link(TaskHeader& task) noexcept {
      OwnedLinks& links = task.owned.write();
      links.previous = &task;
      links.next = first;
      if (first != nullptr) first->owned.write().previous = &task;
      first = &task;
      ++size;
    }
    void unlink(TaskHeader& task) noexcept {
      OwnedLinks& links = task.owned.write();
      TaskHeader* const next = std::exchange(links.next, nullptr);
      TaskHeader* const previous = std::exchange(links.previous, nullptr);
      const bool was_first = previous == &task;
      if (next != nullptr) next->owned.write().previous = was_first ? next : previous;
      if (was_first) {
        first = next;
      } else {
        previous->owned.write().next = next;
      }
      --size;
    }

    TaskHeader* first = nullptr;
    std::size_t size = 0;
    bool closed = false;
  };

  struct alignas(64) Shard {  // A cache line or more of its own.
    mutable sync::ShortMutex mutex;
    sync::Cell<List> list{};
  };

  Shard& shard_of(const TaskHeader& task) noexcept {
    const trace::TaskId block = (task.id - 1) / trace::kTaskIdBlock;
    return shards_[static_cast<std::size_t>(block) & mask_];
  }

  static void close(Shard& shard) noexcept {
    const sync::ShortLock lock(shard.mutex);
    shard.list.write().closed = true;
  }

  // Null: it is empty; once it is closed, for good.
  static TaskRef pop(Shard& shard) noexcept {
    const sync::ShortLock lock(shard.mutex);
    List& list = shard.list.write();
    if (list.first == nullptr) return TaskRef();
    TaskHeader& task = *list.first;
    list.unlink(task);
    return TaskRef::from_raw(&task);
  }

  const std::size_t mask_;  // The number of shards is a power of two: this is one less.
  const std::unique_ptr<Shard[]> shards_;  // Not a vector: a mutex does not move.
};

}  // namespace rt
