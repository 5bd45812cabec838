// Idle: which workers sleep, how many search, and who has to be woken.
//
// A worker is in one of four states:
//
//   state      means                               ends by
//   -----      -----                               -------
//   awake      it runs tasks; it looks into its    try_search() -> searching, if few are at it
//              own queue and the inject queue      fall_asleep() -> asleep
//   searching  it looks into everybody's queues    stop_search() -> awake: it has found a task
//                                                  fall_asleep() -> asleep: there was none
//   asleep     it is on the list, and sleeps or    worker_to_wake() -> chosen, by who has work
//              is about to                         wake_up() -> awake: its Park ended by itself
//   chosen     it is off the list, and unparked,   wake_up() -> searching
//              or about to be
//
// Who is chosen searches, from the step in which it is chosen: long before its thread knows of it.
// One word holds both numbers, and every step changes it once:
//
//   step                 asleep   searching          the answer is true if
//   ----                 ------   ---------          ---------------------
//   worker_to_wake()       -1        +1              (a worker) somebody slept, nobody searched
//   try_search()                     +1              fewer than half of the workers searched, or
//                                                    did when it looked: it may be one too many
//   stop_search()                    -1              somebody sleeps, nobody searches: now
//   fall_asleep()          +1        -1, or none     nobody searches: now (it sleeps itself)
//   wake_up(), chosen                                always
//   wake_up(), by itself   -1                        never
//
// What it is for. Call a task *open* while it stands where any worker finds it: in the queue or the
// backlog of a worker, or in the inject queue. No task stays open while a worker sleeps and nobody
// searches. To that end the workers, and all who make tasks ready, keep two rules:
//
//   who opens a task      calls worker_to_wake() after that, and unparks whom it is given;
//   who is told true, by  looks through all queues after that, and if there is a task in one of
//   stop_search() or      them calls worker_to_wake(), and unparks whom it is given.
//   fall_asleep()
//
// Why that is enough. Call the word *bad* while somebody sleeps and nobody searches. Only a
// stop_search() or a fall_asleep() makes it bad: the other steps bring a searcher, or take away
// from those who sleep. Now say that a task was opened, that nobody takes it, and that from some
// step on the word is bad for ever.
//   a. That step came before the task was opened. Then the opener's worker_to_wake(), which came
//      later still, found the word bad, and chose somebody. It was bad no more.
//   b. It came after that. Then whoever did it was told true, and looked after that: the task was
//      there. Its worker_to_wake() found the word bad, and chose somebody.
// So it is never bad for ever. And when somebody searches, that ends with one of those two steps.
//
// "After that" speaks of one order of all steps, which is why they are seq_cst. The opener
// writes the queue, and then reads the word. The other changes the word, and then reads the queue.
// Were one of these four weaker, both might read what was there before the other wrote: each thinks
// that the other one sees to it. (It is Dekker's pattern, also known as store buffering, and no
// acquire and no release can do it.)
//
// Thread safety: worker_to_wake() by any thread; the others by the worker that they are about.
//
// Invariants
//   1. A worker is on the list if and only if it is asleep, and stands there once.
//   2. The number of those asleep changes only under the mutex, with the list.
//   3. If nobody needs to be woken, worker_to_wake() costs one load: no lock, and no write to a
//      line that all workers read. (Tokio writes it: fetch_add(0), because its checker knows no
//      seq_cst load.)
//   4. One at a time is woken. It wakes the next one, if it finds more than it can run.
//
// The idea is Tokio's runtime::scheduler::multi_thread::idle, and that is Go's. One rule is
// stronger: there, a worker that was not searching falls asleep without a second look, and a task
// may wait beside it until another worker has done its own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "rt/platform/sync.h"

namespace rt {

class Idle {
 public:
  // All workers are awake. REQUIRES: workers > 0.
  explicit Idle(std::size_t workers) : workers_(workers) {
    sleepers_.write().reserve(workers);  // The rest does not throw.
  }
  Idle(const Idle&) = delete;
  Idle& operator=(const Idle&) = delete;

  // A task was opened. The worker to unpark for it, if one is needed: of those asleep the one that
  // fell asleep last, whose caches are the warmest.
  [[nodiscard]] std::optional<std::size_t> worker_to_wake() noexcept {
    // BEGIN SOLUTION 4.4
    if (!is_bad(word_.load())) return std::nullopt;
    const sync::Lock lock(mutex_);
    // Meanwhile another one may have chosen: one wake-up is enough for both.
    if (!is_bad(word_.load())) return std::nullopt;
    std::vector<std::size_t>& sleepers = sleepers_.write();
    const std::size_t chosen = sleepers.back();
    sleepers.pop_back();
    word_.fetch_add(kSearching - kAsleep);
    return chosen;
    // END SOLUTION
  }

  // The worker, awake, has nothing to run. True: it may search.
  [[nodiscard]] bool try_search() noexcept {
    // BEGIN SOLUTION 4.4
    // Relaxed, and in two steps: half of the workers is a measure and no promise. Who is refused
    // for an old number falls asleep, and that step knows the newest.
    if (2 * searching(word_.load(std::memory_order_relaxed)) >= workers_) return false;
    word_.fetch_add(kSearching);
    return true;
    // END SOLUTION
  }

  // The worker has found a task, and searches no more. True: the caller looks through all queues.
  [[nodiscard]] bool stop_search() noexcept {
    // BEGIN SOLUTION 4.4
    return is_bad(word_.fetch_sub(kSearching) - kSearching);
    // END SOLUTION
  }

  // The worker is about to sleep; `searches`: until now. True: the caller looks through all queues
  // before that.
  [[nodiscard]] bool fall_asleep(std::size_t worker, bool searches) noexcept {
    // BEGIN SOLUTION 4.4
    const std::uint64_t change = searches ? kAsleep - kSearching : kAsleep;
    const sync::Lock lock(mutex_);
    sleepers_.write().push_back(worker);
    return is_bad(word_.fetch_add(change) + change);
    // END SOLUTION
  }

  // The worker's Park has returned. True: it was chosen, and searches. False: it woke by itself,
  // and does not.
  [[nodiscard]] bool wake_up(std::size_t worker) noexcept {
    // BEGIN SOLUTION 4.4
    const sync::Lock lock(mutex_);
    if (std::erase(sleepers_.write(), worker) == 0) return true;
    word_.fetch_sub(kAsleep);
    return false;
    // END SOLUTION
  }

 private:
  // BEGIN SOLUTION 4.4
  // STUB: // Yours: how many sleep and how many search, in one word.
  static constexpr std::uint64_t kSearching = 1;
  static constexpr std::uint64_t kAsleep = std::uint64_t{1} << 32;

  static std::uint64_t searching(std::uint64_t word) noexcept { return word % kAsleep; }
  // Somebody sleeps, and nobody searches.
  static bool is_bad(std::uint64_t word) noexcept {
    return word >= kAsleep && searching(word) == 0;
  }

  sync::Atomic<std::uint64_t> word_{0};
  // END SOLUTION

  const std::size_t workers_;
  sync::Mutex mutex_;
  sync::Cell<std::vector<std::size_t>> sleepers_{};  // Guarded by the mutex. The last fell last.
};

}  // namespace rt
