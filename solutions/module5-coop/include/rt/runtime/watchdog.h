// Watchdog: names the task that has kept a worker for too long. Budgets help against tasks that
// await; nothing stops one that does not. But somebody can say which it is:
//
//   rt: task 17, spawned at server.cc:84, has kept worker 0 for 150ms
//
// It asks the workers nothing. Each says in its PollSlot (rt/runtime/poll_slot.h) which poll it is
// in, as it does without a watchdog; the watchdog looks at them now and then, from a thread of its
// own. Two looks that find a worker in the same poll have a time between them, and for so long at
// least the poll has lasted:
//
//   worker     poll 7 ──────┐ poll 9 ──────────────────────────────────────────────────────────
//   looks      │         │         │         │         │
//              7         7         9         9         9
//                                  since     50 ms     100 ms: named, if the limit is 100 ms
//
// What a look finds of a worker, and what it does. `since` is the time of the first look that has
// found the worker in this poll:
//
//   it finds                                    what it does
//   --------                                    ------------
//   no poll                                     nothing
//   a poll that the last look did not find      notes its number, and the time
//   the same one, for less than the limit       nothing
//   the same one, for the limit or longer       tells of it
//   the same one, and it has told of it         nothing
//
// Thread safety: run() by the watchdog's thread, stop() by any, once; look() by one thread at a
// time.
//
// Invariants
//   1. What is named has been polled, without a pause, for the limit or longer. Nothing else is
//      named: no worker that sleeps, and no task that is polled again and again.
//   2. A poll that lasts is named once, by the first look that is `limit` after the first one that
//      has found it. Looks are half a limit apart, so that is within two limits of its beginning.
//   3. What is told is of one poll: the task, where it was spawned, and the stack. If the poll ends
//      while the stack is taken, that is left out.
//   4. All times are those of rt/platform/clock.h. Between two looks the thread sleeps, and stop()
//      wakes it.
//   5. No lock is held while something is told.
//
// The idea is Go's sysmon, and the "never yielded" warning of tokio-console.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "rt/runtime/poll_slot.h"
#include "rt/trace/trace.h"

namespace rt {

// The workers of a runtime, as a watchdog sees them.
class WatchedWorkers {
 public:
  WatchedWorkers() = default;
  WatchedWorkers(const WatchedWorkers&) = delete;
  WatchedWorkers& operator=(const WatchedWorkers&) = delete;
  virtual ~WatchedWorkers() = default;

  virtual std::size_t count() const = 0;
  // The poll that it is in, if any.
  virtual std::optional<PollSeen> look(std::size_t worker) const = 0;
  // The stack of its thread, as it is now; a line for each function. It may take a while.
  virtual std::string stack(std::size_t worker) = 0;
};

struct StuckTask {
  StuckTask() {}

  std::string to_string() const {
    std::string text = absl::StrCat("task ", task);
    if (*spawned_at.file_name() != '\0') {
      absl::StrAppend(&text, ", spawned at ", spawned_at.file_name(), ":", spawned_at.line());
    }
    absl::StrAppend(&text, ", has kept worker ", worker, " for ", absl::FormatDuration(held));
    return text;
  }

  trace::TaskId task = 0;
  std::source_location spawned_at;  // No file: not known.
  std::size_t worker = 0;
  absl::Duration held;  // At least so long.
  std::string stack;    // Of the worker's thread. "": the poll has ended meanwhile.
};

struct WatchdogOptions {
  WatchdogOptions() {}
  absl::Duration limit = absl::Milliseconds(100);
  // What is done with one that is found. By the watchdog's thread; may not throw.
  std::function<void(const StuckTask&)> tell = [](const StuckTask& stuck) {
    std::fprintf(stderr, "rt: %s\n%s", stuck.to_string().c_str(), stuck.stack.c_str());
  };
};

class Watchdog {
 public:
  // `workers` outlives it.
  Watchdog(WatchedWorkers& workers, WatchdogOptions options)
      : workers_(workers), options_(std::move(options)), last_(workers.count()) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Looks at each worker once: see the table.
  void look() {
    // BEGIN SOLUTION 5.5
    for (std::size_t worker = 0; worker < last_.size(); ++worker) look_at(worker);
    // END SOLUTION
  }

  // Looks every half limit, until stop().
  void run() {
    // BEGIN SOLUTION 5.5
    const auto is_stopped = [this] { return is_stopped_.read(); };
    while (true) {
      look();
      sync::Lock lock(mutex_);
      if (clock::wait_until(lock, stopped_, clock::now() + options_.limit / 2, is_stopped)) return;
    }
    // END SOLUTION
  }

  // From here on run() returns: at once, or when it has told what it is telling.
  void stop() {
    // BEGIN SOLUTION 5.5
    {
      const sync::Lock lock(mutex_);
      is_stopped_.write() = true;
    }
    stopped_.notify_one();
    // END SOLUTION
  }

 private:
  // What the last look has found of a worker.
  struct Found {
    std::uint64_t poll = 0;  // 0: none.
    Instant since;
    bool is_told = false;
  };

  // BEGIN SOLUTION 5.5
  // STUB: // Yours, if you want helpers. What follows is a proposal: change it as you like.
  void look_at(std::size_t worker) {
    Found& found = last_[worker];
    const std::optional<PollSeen> seen = workers_.look(worker);
    if (!seen.has_value()) return;
    const Instant now = clock::now();
    if (seen->poll != found.poll) {
      found = Found{.poll = seen->poll, .since = now};
      return;
    }
    if (found.is_told || now - found.since < options_.limit) return;
    found.is_told = true;
    tell(worker, *seen, now - found.since);
  }

  void tell(std::size_t worker, const PollSeen& seen, absl::Duration held) {
    StuckTask stuck;
    stuck.task = seen.task;
    stuck.spawned_at = seen.spawned_at;
    stuck.worker = worker;
    stuck.held = held;
    stuck.stack = workers_.stack(worker);
    // Taken while the task was polled only if it still is.
    const std::optional<PollSeen> after = workers_.look(worker);
    if (!after.has_value() || after->poll != seen.poll) stuck.stack.clear();
    options_.tell(stuck);
  }
  // END SOLUTION

  WatchedWorkers& workers_;
  const WatchdogOptions options_;
  std::vector<Found> last_;  // For look().
  sync::Mutex mutex_;
  sync::CondVar stopped_;
  sync::Cell<bool> is_stopped_{false};  // Guarded by the mutex.
};

}  // namespace rt
