// Backlog: the new tasks of one worker that its ring has no room for, in batches, one upon the
// other. Its owner takes the newest batch, others the oldest one.
//
//              .--------------------.
//   owner ──>  | t515 t516 …        |  newest   ──> owner, when its ring is empty
//              | t386 t387 … t514   |
//              | t257 t258 … t385   |  oldest   ──> thieves; and the owner, now and then
//              '--------------------'
//
// Why not the inject queue? There they would stand in line, and be taken first in, first out. Think
// of a task that spawns ten, each of which spawns ten, and so on, a million in all. First in, first
// out runs all tasks of one generation before any of the next, so that in the end a million of them
// exist at the same time. Newest first goes down to the last generation, and ends that, before it
// begins with what lies below: a few thousand exist. (Measured, for that tree: 7 MB of memory in
// place of 135, and half of the time.) And what a worker has spawned it finds again in its caches,
// as long as nobody else needs it.
//
// Only new tasks come here. One that has been polled before, and was woken or has yielded, keeps
// its place in line: newest first would let a few of them take turns, and all others wait.
//
// Thread safety: all functions by any thread.
//
// Invariants
//   1. A batch is in the order in which it came; the batches are, too.
//   2. No lock is held while a task is let go of.
//   3. Nobody takes the lock to learn that it is empty.
//   4. Once a push has returned, its tasks are seen by every thread that looks at size() later in
//      the one order of all seq_cst operations, as with LocalQueue.
//
// It allocates, for every sixteenth batch or so. Without memory for that the program ends.
//
// The idea: both ends of the deques of Cilk, with a batch in place of a task.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <utility>

#include "rt/platform/sync.h"
#include "rt/runtime/task_ring.h"
#include "rt/task/task_fifo.h"
#include "rt/task/task_header.h"

namespace rt {

class Backlog {
 public:
  Backlog() = default;
  Backlog(const Backlog&) = delete;
  Backlog& operator=(const Backlog&) = delete;

  // Into the newest batch; if that has more than half a ring already, begins a new one.
  void push(TaskRef task) noexcept {
    const sync::Lock lock(mutex_);
    Batches& batches = batches_.write();
    if (batches.empty() || batches.back().size() > TaskRing::kCapacity / 2) add_batch(batches);
    batches.back().push(std::move(task));
    note(+1);
  }

  // On top of the others.
  void push_batch(TaskFifo batch) noexcept {
    if (batch.empty()) return;
    const std::size_t count = batch.size();
    const sync::Lock lock(mutex_);
    Batches& batches = batches_.write();
    add_batch(batches);
    batches.back().push_batch(batch);
    note(count);
  }

  // Of the newest batch the first tasks: `most` of them, or as many as it has.
  TaskFifo pop_newest(std::size_t most) noexcept { return pop(End::kNewest, most); }

  // The same of the oldest batch.
  TaskFifo pop_oldest(std::size_t most) noexcept { return pop(End::kOldest, most); }

  // How many tasks are in it, or were a moment ago.
  std::size_t size() const noexcept { return size_.load(); }  // Seq_cst: invariant 4.
  bool empty() const noexcept { return size() == 0; }

 private:
  using Batches = std::deque<TaskFifo>;  // None of them empty. The newest is the last.
  enum class End { kNewest, kOldest };

  // Named for the trace.
  static void add_batch(Batches& batches) { batches.emplace_back("backlog"); }

  TaskFifo pop(End end, std::size_t most) noexcept {
    if (empty()) return TaskFifo("share");
    const sync::Lock lock(mutex_);
    Batches& batches = batches_.write();
    if (batches.empty()) return TaskFifo("share");
    TaskFifo& batch = end == End::kNewest ? batches.back() : batches.front();
    TaskFifo taken = batch.pop_batch(most, "share");
    // Relaxed: who still reads the larger number comes in vain. Written under the lock.
    size_.store(size_.load(std::memory_order_relaxed) - taken.size(), std::memory_order_relaxed);
    if (!batch.empty()) return taken;
    if (end == End::kNewest) {
      batches.pop_back();
    } else {
      batches.pop_front();
    }
    return taken;
  }

  // Seq_cst: invariant 4. A load and a store: it is written under the lock.
  void note(std::size_t more) noexcept {
    size_.store(size_.load(std::memory_order_relaxed) + more);
  }

  sync::Mutex mutex_;
  sync::Cell<Batches> batches_{};      // Guarded by the mutex.
  sync::Atomic<std::size_t> size_{0};  // Written under the mutex, read without it.
};

}  // namespace rt
