// Worker: one thread's part of a runtime. It runs the tasks of its own queue, then those that
// belong to nobody, and when there are none it takes half of what another worker has.
//
// It is written as a loop of steps, `while (worker.step()) {}`. A step runs one task, or sleeps
// once. So whoever calls it decides who is next: a thread for each worker, a test by hand, or one
// thread for all of them in an order that a seed decides (rt/runtime/stepped_workers.h).
//
// A step goes through these rows. The first that yields a task ends the search for one:
//
//   row      when                            does
//   ---      ----                            ----
//   closed   after close()                   nothing: false, for ever
//   wake up  its last step slept             tells Idle; takes the events that it brought
//   look     every event_interval-th step,   takes the events that are there, and does not sleep
//            counted from 1
//   turn     every global_queue_interval-th  take_in_turn(): a task of inject or of its own
//            step, counted from 1            backlog; every kOldestTurn-th time the oldest of that
//   slot     there is a task                 that one; if the slot was used too often in a row
//                                            (see LifoCap), only when its own queue has none
//   own      there is a task                 the first of its queue
//   backlog  there are tasks in its own      the newest batch
//   share    there are tasks in inject       1/workers of them, and one
//   steal    Idle lets it search             half of another's queue; if there is nothing to
//                                            steal, the oldest batch of its backlog; beginning
//                                            with anybody
//   run      there was a task                if it searches: stops that; polls the task
//   sleep    there was none                  tells Idle; sleeps in its Park
//
// Of a batch or a share the first task is the one to run, and the others go into its own queue:
// half a ring at most, and no more than there is room for. (What is more stays where it is.)
//
// The slot has room for one task: the one that was made ready last. Its data is in the caches, and
// so is what it was woken for. Nobody steals it: it is the next to run, and by the time it had
// moved it would have ended.
//
// Where a task goes that becomes ready on this thread, and whether others hear of it:
//
//   made ready by             goes to                                       others hear of it
//   -------------             -------                                       -----------------
//   the task that is polled   the slot; who was there, to the back of the   if somebody was there
//                             own queue
//   itself, in its poll       the back of its own queue; the slot, if this  if it is in the queue
//    (it yields)              worker has nothing else to run
//   events                    one, and this worker has nothing else to      once for all, if they
//                             run: the slot. Else all of them together to   are in a queue
//                             the back of its own queue; or to inject, if
//                             they do not fit, or tasks wait in inject
//                             already: first come, first served
//   a share of inject, or     its own queue                                 once for all
//    a batch of any backlog
//   a theft from a queue      its own queue                                 when it stops searching
//
// (A task that gave way, by yield_now() or because its budget was spent, stands aside when its poll
// has ended, until there was a look for events. It comes back behind those. Where no other task is
// ready that look is made at once. rt/future/yield_now.h says why; all of that is given.)
//
// And if its own queue is full, half of it leaves with the task that comes: rt/runtime/overflow.h.
//
// (What becomes ready on another thread goes to inject, and others hear of it.) To let others hear
// of it is WorkerShared::notify(), after the task is where it can be found: the first rule of
// rt/runtime/idle.h. stop_search() and fall_asleep() are where the second one applies.
//
// Thread safety: all functions by one thread at a time, its own. Events make tasks ready inside
// park() and look(), on that thread.
//
// Invariants
//   1. It sleeps only when it has found nothing in its slot, in its queue, in its backlog and in
//      inject; and if it might search, there was nothing to be had from anybody.
//   2. No task of inject or of the backlog waits for ever, and no event: every
//      global_queue_interval steps the slot and its own queue are passed over, and every
//      event_interval steps events are looked for. (The own queue may wait, while two tasks wake
//      each other by way of the slot. To end that is what LifoCap is for.)
//   3. The same seed, and the same order of steps, give the same run.
//   4. A task is let go of, or run, with no lock held.
//   5. What happened before close() is seen by whatever happens after the step() that said false.
//
// Costs, in read-modify-writes (RMW) beside those of the task's own word: none for a task that
// comes by the slot; two for one that comes by its own queue, its push and its pop. A task
// that is alone and yields takes 0.9 of the time by the slot that it took by the queue (measured in
// one run); and nobody has to hear of it, which would wake a thread each time.
//
// The idea is Tokio's runtime::scheduler::multi_thread::worker.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "rt/future/yield_now.h"
#include "rt/platform/clock.h"
#include "rt/platform/fast_random.h"
#include "rt/runtime/lifo_cap.h"
#include "rt/runtime/overflow.h"
#include "rt/runtime/steal.h"
#include "rt/runtime/task_ring.h"
#include "rt/runtime/worker_shared.h"
#include "rt/task/task_fifo.h"
#include "rt/task/task_header.h"
#include "rt/trace/trace.h"

namespace rt {

class Worker {
 public:
  Worker(WorkerShared& shared, std::size_t index)
      : shared_(shared),
        seat_(shared.seats[index]),
        index_(index),
        random_(shared.options.seed + index) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // One pass of the loop, as in the table above. False once closed.
  bool step() {
    // BEGIN SOLUTION 4.5
    // Acquire: pairs with the store in close(). A worker that is busy is not unparked, and still
    // what came before close() has to come before the destructors that run at the end.
    if (shared_.is_closed.load(std::memory_order_acquire)) return false;
    if (is_asleep_) wake_up();
    if (is_due(since_look_, shared_.options.event_interval)) {
      look_for_events();
      take_events();
    }
    TaskRef task = next_task();
    if (!task && may_search()) task = search();
    if (!task) {
      sleep();
      return true;
    }
    if (is_searching_) stop_search();
    run(std::move(task));
    return true;
    // END SOLUTION
  }

  // A task that was made ready on this thread: by the task that it polls, or by an event.
  void schedule(TaskRef task) noexcept {
    if (is_collecting_) return events_.push(std::move(task));
    // BEGIN SOLUTION 4.5
    TaskRef before = take_slot();
    fill_slot(std::move(task));
    if (!before) return;
    push_back(std::move(before));
    shared_.notify();
    // END SOLUTION
  }

  // The task that this worker has polled, and that was woken meanwhile: behind all others.
  void yield(TaskRef task) noexcept {
    if (coop::gave_way()) return aside_.push(std::move(task));
    // BEGIN SOLUTION 4.5
    if (has_nothing()) return fill_slot(std::move(task));
    push_back(std::move(task));
    shared_.notify();
    // END SOLUTION
  }

  // Lets go of the tasks that are left. When step() has said false.
  void drain() noexcept {
    slot_ = TaskRef();
    while (events_.pop()) {
    }
    while (aside_.pop()) {
    }
    while (seat_.queue.pop()) {
    }
    while (seat_.backlog.pop_newest(1).pop()) {
    }
  }

 private:
  // BEGIN SOLUTION 4.5
  // STUB: // Yours. What follows does what its names say, counts, and writes the trace.

  // True every `interval` calls. It counts, where a tick would have to be divided in each step.
  static bool is_due(std::uint32_t& calls, std::uint32_t interval) noexcept {
    if (++calls < interval) return false;
    calls = 0;
    return true;
  }

  TaskRef next_task() noexcept {
    if (is_due(since_inject_, shared_.options.global_queue_interval)) {
      if (TaskRef task = take_in_turn()) return task;
    }
    if (slot_is_first()) return take_slot();
    if (TaskRef task = seat_.queue.pop()) return task;
    if (TaskRef task = take_slot()) return task;
    if (TaskRef task = keep(seat_.backlog.pop_newest(most()))) return task;
    return take_share();
  }

  // How many tasks at once: one to run, and those for its own queue. REQUIRES: that is empty. Its
  // ring may have no room all the same: not while a thief copies, since what was popped meanwhile
  // lies behind his slots. (rt/runtime/task_ring.h)
  std::size_t most() const noexcept {
    return 1 + std::min(TaskRing::kCapacity / 2, seat_.queue.room());
  }

  TaskRef take_share() noexcept {
    const std::size_t share = shared_.inject.size() / shared_.seats.size() + 1;
    return keep(shared_.inject.pop_batch(std::min(share, most())));
  }

  // One task to run; the others into its own queue, where they are everybody's again.
  TaskRef keep(TaskFifo batch) noexcept {
    TaskRef first = batch.pop();
    if (!batch.empty()) {
      seat_.queue.push_all(std::move(batch));
      shared_.notify();
    }
    return first;
  }

  bool may_search() noexcept {
    if (!is_searching_) is_searching_ = shared_.idle.try_search();
    return is_searching_;
  }

  TaskRef search() noexcept {
    const auto workers = static_cast<std::uint32_t>(shared_.seats.size());
    const std::uint32_t first = random_.below(workers);
    for (std::uint32_t i = 0; i < workers; ++i) {
      const std::size_t victim = (first + i) % workers;
      if (victim == index_) continue;
      if (TaskRef task = steal_from(victim)) return task;
      if (TaskRef task = keep(shared_.seats[victim].backlog.pop_oldest(most()))) return task;
    }
    return TaskRef();
  }

  void stop_search() noexcept {
    is_searching_ = false;
    if (shared_.idle.stop_search() && shared_.has_work()) shared_.notify();
  }

  void sleep() {
    const bool looks = shared_.idle.fall_asleep(index_, std::exchange(is_searching_, false));
    if (looks && shared_.has_work()) shared_.notify();
    is_asleep_ = true;
    park();
  }

  void wake_up() noexcept {
    is_asleep_ = false;
    is_searching_ = shared_.idle.wake_up(index_);
    take_events();
  }

  void take_events() noexcept {
    const std::size_t count = events_.size();
    if (count == 0) return;
    if (count == 1 && has_nothing()) return fill_slot(events_.pop());
    if (count <= seat_.queue.room() && shared_.inject.empty()) {
      seat_.queue.push_all(std::move(events_));
    } else {
      shared_.inject.push_batch(std::move(events_));
    }
    shared_.notify();
  }

  std::uint32_t since_look_ = 0;    // Steps.
  std::uint32_t since_inject_ = 0;  // Steps.
  bool is_searching_ = false;       // As Idle has it.
  bool is_asleep_ = false;          // As Idle has it, unless it has chosen this worker meanwhile.
  // END SOLUTION

  // True when this worker has nothing to run but what it may find elsewhere, as in inject.
  bool has_nothing() const noexcept {
    return !slot_ && seat_.queue.empty() && seat_.backlog.empty();
  }

  // --- The slot ---

  // There is a task, and its turn is before that of its own queue.
  bool slot_is_first() const noexcept { return slot_ && !lifo_cap_.is_reached(); }
  // The task in it, or none.
  TaskRef take_slot() noexcept {
    if (!slot_) return TaskRef();
    trace::dequeue(slot_->id, "lifo", 0);
    is_of_slot_ = true;
    return std::move(slot_);
  }
  // REQUIRES: there is no task.
  void fill_slot(TaskRef task) noexcept {
    trace::enqueue(task->id, "lifo", 1);
    slot_ = std::move(task);
  }

  // --- The queues ---

  // To the back of its own queue; if it is full, part of it leaves.
  void push_back(TaskRef task) noexcept {
    if (push_or_overflow(seat_.queue, std::move(task), shared_.inject, seat_.backlog) > 0) {
      seat_.counters.overflows.add();
    }
  }

  // For the row "turn": a task of inject or of its own backlog, in turn, so that neither waits for
  // the ring to run dry. Of the backlog the newest batch, and now and then the oldest.
  TaskRef take_in_turn() noexcept {
    ++turns_;
    if (turns_ % kOldestTurn == 0) {
      if (TaskRef task = seat_.backlog.pop_oldest(1).pop()) return task;
    }
    if (turns_ % 2 == 0) {
      if (TaskRef task = shared_.inject.pop()) return task;
    }
    if (TaskRef task = seat_.backlog.pop_newest(1).pop()) return task;
    return shared_.inject.pop();
  }

  // Half of the queue of `victim`: one to run, and the others in its own queue. REQUIRES: that is
  // empty, and this worker searches.
  TaskRef steal_from(std::size_t victim) noexcept {
    Stolen stolen = steal(shared_.seats[victim].queue, seat_.queue);
    if (!stolen.task) return TaskRef();
    trace::steal(stolen.count, victim);
    seat_.counters.steals.add(stolen.count);
    seat_.counters.steal_operations.add();
    return std::move(stolen.task);
  }

  // --- Polls, sleeps and events ---

  void run(TaskRef task) {
    if (std::exchange(has_looked_, false)) come_back_after_look();
    seat_.counters.polls.add();
    seat_.polled.begin(task->id, task->spawned_at);
    lifo_cap_.polls(is_of_slot_);
    std::move(task).run();
    is_of_slot_ = false;  // Whatever schedule() has taken out meanwhile.
    if (!aside_.empty() && has_nothing() && shared_.inject.empty()) look_at_once();
  }

  // --- Tasks that gave way ---

  // They wait in aside_ for a look for events, and come back behind those.

  // No other task is ready, so the look comes now.
  void look_at_once() {
    if (!shared_.parks->nobody_waits()) seat_.park.look();
    if (aside_.size() == 1 && has_nothing()) return fill_slot(aside_.pop());
    come_back();
  }
  void come_back_after_look() noexcept {
    if (untold_since_.has_value()) tell_others(clock::now());
    come_back();
  }
  void come_back() noexcept {
    if (aside_.empty()) return;
    if (!untold_since_.has_value()) untold_since_ = clock::now();
    if (aside_.size() <= seat_.queue.room()) return seat_.queue.push_all(std::move(aside_));
    while (TaskRef task = aside_.pop()) push_back(std::move(task));
  }
  // Others hear of them only where polls take their time. Two tasks that give way every few
  // microseconds, as the ends of a channel do whose budgets are spent, are better off on one worker
  // (measured: 0.6 of the messages on two, for twice the CPU time).
  void tell_others(Instant now) noexcept {
    const bool takes_long = now - *untold_since_ > kLongInterval;
    untold_since_ = now;
    if (!takes_long) return;
    untold_since_.reset();
    shared_.notify();
  }

  // Sleeps until unpark(), or until there are events, or for no reason. The tasks that events have
  // made ready are in events_ after it. If a test steps the workers, it returns at once, and the
  // worker sleeps until its next step.
  void park() {
    const Collecting collecting(*this);
    if (!aside_.empty()) {  // They were to run behind others, and those are gone: stolen.
      seat_.park.look();
      return events_.push_batch(aside_);
    }
    seat_.counters.parks.add();
    seat_.polled.rest();
    const trace::ParkScope traced;
    seat_.park.park();
  }
  // The same without a sleep.
  void look_for_events() {
    const Collecting collecting(*this);
    seat_.park.look();
    has_looked_ = true;
  }

  // What becomes ready in this scope goes to events_.
  class [[nodiscard]] Collecting {
   public:
    explicit Collecting(Worker& worker) noexcept : worker_(worker) {
      worker_.is_collecting_ = true;
    }
    Collecting(const Collecting&) = delete;
    Collecting& operator=(const Collecting&) = delete;
    ~Collecting() { worker_.is_collecting_ = false; }

   private:
    Worker& worker_;
  };

  // The oldest are those with the most to spawn: to run one is to begin a new tree, and with many
  // of these begun, newest first is lost.
  static constexpr std::uint32_t kOldestTurn = 1024;
  // Of the polls between two looks.
  static constexpr absl::Duration kLongInterval = absl::Milliseconds(1);

  WorkerShared& shared_;
  WorkerShared::Seat& seat_;
  const std::size_t index_;
  FastRandom random_;
  TaskRef slot_;
  TaskFifo events_{"events"};  // What events have made ready, and no queue has yet.
  bool is_collecting_ = false;
  TaskFifo aside_{"aside"};              // Tasks that gave way, since the last look.
  bool has_looked_ = false;              // Since the last poll, and may have brought events.
  std::optional<Instant> untold_since_;  // Tasks have come back, and nobody was told.
  LifoCap lifo_cap_;
  bool is_of_slot_ = false;  // The task that was taken out last.
  std::uint32_t turns_ = 0;  // Of take_in_turn().
};

}  // namespace rt
