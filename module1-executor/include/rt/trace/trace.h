// trace: records what the runtime does, for a picture of it afterwards. The runtime calls these
// functions where something happens; `trace::mark("…")` is for your own code. rt/trace/trace_file.h
// starts and stops a trace, and writes the file.
//
// Each thread records into a ring of its own, so recording makes no thread wait for another. A full
// ring forgets its oldest events and counts them.
//
// Thread safety: all functions may be called by any thread, at any time.
//
// Invariants
//   1. While no trace is on, each function costs one relaxed load and a branch. With RT_NO_TRACE
//      defined it costs nothing.
//   2. A thread's events are kept in the order in which it recorded them, numbered by `seq`, also
//      when the thread has ended.
//   3. A text that is passed as const char* must live as long as the program: a literal.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "rt/platform/clock.h"
#include "rt/trace/trace_ring.h"

namespace rt::trace {

// Ids are given to threads by the block, so that those which make tasks at the same time do not all
// write the same word. The ids of a block belong to the tasks of one thread.
#ifdef RT_MODEL_CHECKED
inline constexpr TaskId kTaskIdBlock = 1;  // So that an execution is the same each time.
#else
inline constexpr TaskId kTaskIdBlock = 1024;
#endif

// A new id, different from all others of this program, and not 0.
inline TaskId new_task_id() noexcept {
  static std::atomic<TaskId> blocks{0};
  thread_local TaskId last = 0;  // 0 and every whole block: used up.
  // Relaxed: ids only have to differ.
  if (last % kTaskIdBlock == 0) {
    last = blocks.fetch_add(1, std::memory_order_relaxed) * kTaskIdBlock;
  }
  return ++last;
}

namespace detail {

#ifndef RT_NO_TRACE

// What this thread is called in a trace, and its ring of the newest one.
struct ThisThread {
  ~ThisThread() { gone() = true; }
  static bool& gone() noexcept {
    thread_local bool value = false;  // Readable also after ~ThisThread.
    return value;
  }
  std::string name;
  std::shared_ptr<Ring> ring;
  TaskId task = 0;  // The task that this thread polls.
};

inline ThisThread& this_thread() noexcept {
  thread_local ThisThread value;
  return value;
}

// This thread's ring of the trace that is on; null if it cannot have one.
inline Ring* ring(std::uint64_t session) {
  if (ThisThread::gone()) return nullptr;
  ThisThread& self = this_thread();
  if (self.ring == nullptr || self.ring->session() != session) {
    Registry& r = registry();
    const std::lock_guard lock(r.mutex);
    // Relaxed: changed under the mutex only.
    if (r.session.load(std::memory_order_relaxed) != session) return nullptr;
    const auto thread = static_cast<std::uint32_t>(r.rings.size() + 1);
    self.ring = std::make_shared<Ring>(session, r.capacity, thread);
    self.ring->name(self.name);
    r.rings.push_back(self.ring);
  }
  return self.ring.get();
}

// Relaxed: what a trace is about to record is ordered by the ring's mutex. An event at the very
// moment of start or stop may be left out.
inline std::uint64_t session() noexcept {
  return registry().session.load(std::memory_order_relaxed);
}

inline void record(Kind kind, std::uint64_t task = 0, std::int64_t number = 0,
                   const char* text = "") {
  const std::uint64_t on = session();
  if (on == 0) [[likely]]
    return;
  if (Ring* const mine = ring(on)) mine->record(Event(kind, task, number, text));
}

#endif

}  // namespace detail

#ifndef RT_NO_TRACE

// True while a trace is on.
inline bool enabled() noexcept { return detail::session() != 0; }

// What this thread is called in the traces, from now on: "worker 0".
inline void name_thread(std::string_view name) {
  if (detail::ThisThread::gone()) return;
  detail::ThisThread& self = detail::this_thread();
  self.name = name;
  if (self.ring != nullptr) self.ring->name(name);
}

// Your own remark, at this moment, on this thread.
inline void mark(std::string_view text) {
  const std::uint64_t on = detail::session();
  if (on == 0) [[likely]]
    return;
  if (detail::Ring* const mine = detail::ring(on)) mine->record_mark(text);
}

// The task that this thread polls, or 0; known only while a trace is on.
inline TaskId current_task() noexcept {
  return detail::ThisThread::gone() ? 0 : detail::this_thread().task;
}

inline void spawn(TaskId task) {
  if (enabled()) detail::record(Kind::kSpawn, task, static_cast<std::int64_t>(current_task()));
}
inline void wake(TaskId task) { detail::record(Kind::kWake, task); }
inline void enqueue(TaskId task, const char* queue, std::size_t length) {
  detail::record(Kind::kEnqueue, task, static_cast<std::int64_t>(length), queue);
}
inline void dequeue(TaskId task, const char* queue, std::size_t length) {
  detail::record(Kind::kDequeue, task, static_cast<std::int64_t>(length), queue);
}
inline void steal(std::size_t count, std::size_t victim) {
  detail::record(Kind::kSteal, count, static_cast<std::int64_t>(victim));
}
inline void unpark() { detail::record(Kind::kUnpark); }
inline void io_register(int descriptor) { detail::record(Kind::kIoRegister, 0, descriptor); }
inline void io_ready(int descriptor, const char* readiness) {
  detail::record(Kind::kIoReady, 0, descriptor, readiness);
}
inline void timer_set(std::uint64_t timer, Instant deadline) {
  detail::record(Kind::kTimerSet, timer, absl::ToInt64Nanoseconds(deadline.since_origin()));
}
inline void timer_fire(std::uint64_t timer) { detail::record(Kind::kTimerFire, timer); }
inline void budget_spent() { detail::record(Kind::kBudgetSpent, current_task()); }
inline void forced_yield() { detail::record(Kind::kForcedYield, current_task()); }

// One poll of a task, from here to the end of the scope. Without ended() it says that it threw.
class [[nodiscard]] PollScope {
 public:
  explicit PollScope(TaskId task) : task_(enabled() ? task : 0) {
    if (task_ == 0) [[likely]]
      return;
    detail::record(Kind::kPollBegin, task_);
    if (!detail::ThisThread::gone()) outer_ = std::exchange(detail::this_thread().task, task_);
  }
  PollScope(const PollScope&) = delete;
  PollScope& operator=(const PollScope&) = delete;
  ~PollScope() {
    if (task_ == 0) [[likely]]
      return;
    if (!detail::ThisThread::gone()) detail::this_thread().task = outer_;
    detail::record(Kind::kPollEnd, task_, 0, result_);
  }
  void ended(bool is_ready) noexcept { result_ = is_ready ? "ready" : "pending"; }

 private:
  const TaskId task_;
  TaskId outer_ = 0;
  const char* result_ = "threw";
};

// A thread that sleeps, from here to the end of the scope.
class [[nodiscard]] ParkScope {
 public:
  ParkScope() { detail::record(Kind::kParkBegin); }
  ParkScope(const ParkScope&) = delete;
  ParkScope& operator=(const ParkScope&) = delete;
  ~ParkScope() { detail::record(Kind::kParkEnd); }
};

// A blocking job, from here to the end of the scope.
class [[nodiscard]] JobScope {
 public:
  explicit JobScope(std::uint64_t job) : job_(job) { detail::record(Kind::kJobBegin, job_); }
  JobScope(const JobScope&) = delete;
  JobScope& operator=(const JobScope&) = delete;
  ~JobScope() { detail::record(Kind::kJobEnd, job_); }

 private:
  const std::uint64_t job_;
};

#else

inline bool enabled() noexcept { return false; }
inline void name_thread(std::string_view) {}
inline void mark(std::string_view) {}
inline TaskId current_task() noexcept { return 0; }
inline void spawn(TaskId) {}
inline void wake(TaskId) {}
inline void enqueue(TaskId, const char*, std::size_t) {}
inline void dequeue(TaskId, const char*, std::size_t) {}
inline void steal(std::size_t, std::size_t) {}
inline void unpark() {}
inline void io_register(int) {}
inline void io_ready(int, const char*) {}
inline void timer_set(std::uint64_t, Instant) {}
inline void timer_fire(std::uint64_t) {}
inline void budget_spent() {}
inline void forced_yield() {}
struct [[nodiscard]] PollScope {
  explicit PollScope(TaskId) {}
  void ended(bool) noexcept {}
};
struct [[nodiscard]] ParkScope {
  ParkScope() {}
};
struct [[nodiscard]] JobScope {
  explicit JobScope(std::uint64_t) {}
};

#endif

}  // namespace rt::trace
