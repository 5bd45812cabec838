// trace: records what the runtime does, for a picture of it afterwards. The runtime calls these
// functions where something happens; `trace::mark("…")` is for your own code. rt/trace_file.h
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

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "rt/clock.h"

// The std types and not those of rt/sync.h: a model checker does not look in here, and a trace that
// took part in the interleavings would change them.

namespace rt::trace {

using TaskId = std::uint64_t;  // 0: no task.

// A new id, different from all others of this program.
inline TaskId new_task_id() noexcept {
  static std::atomic<TaskId> last{0};
  // Relaxed: ids only have to differ.
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

enum class Kind : std::uint8_t {
  kSpawn,        // task; number: the parent task
  kWake,         // task
  kPollBegin,    // task
  kPollEnd,      // task; text: pending, ready or threw
  kEnqueue,      // task; text: the queue; number: its length afterwards
  kDequeue,      // task; text: the queue; number: its length afterwards
  kSteal,        // task: how many; number: the victim's worker
  kParkBegin,    //
  kParkEnd,      //
  kUnpark,       //
  kIoRegister,   // number: the descriptor
  kIoReady,      // number: the descriptor; text: readable, writable, …
  kTimerSet,     // task: the timer; number: the deadline in ns of the clock
  kTimerFire,    // task: the timer
  kBudgetSpent,  // task
  kForcedYield,  // task
  kJobBegin,     // task: the blocking job
  kJobEnd,       // task: the blocking job
  kMark,         // text
};

struct Event {
  Event(Kind k, std::uint64_t t, std::int64_t n, const char* s) noexcept
      : kind(k), task(t), number(n), text(s) {}

  Kind kind;
  std::uint32_t seq = 0;
  std::int64_t ns = 0;
  std::uint64_t task;
  std::int64_t number;
  const char* text;
};

namespace detail {

// One thread's events of one trace. Its mutex is contended only when the trace is stopped.
class Ring {
 public:
  Ring(std::uint64_t session, std::size_t capacity, std::uint32_t thread)
      : session_(session), capacity_(capacity), thread_(thread), os_thread_(::gettid()) {}

  void record(Event event) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    event.seq = next_seq_++;
    event.ns = clock::detail::now_ns();
    if (events_.size() < capacity_) {
      events_.push_back(event);
      return;
    }
    events_[oldest_] = event;
    oldest_ = (oldest_ + 1) % capacity_;
    ++dropped_;
  }

  void record_mark(std::string_view text) {
    const char* kept = nullptr;
    {
      const std::lock_guard lock(mutex_);
      kept = texts_.emplace(text).first->c_str();
    }
    record(Event(Kind::kMark, 0, 0, kept));
  }

  void name(std::string_view name) {
    const std::lock_guard lock(mutex_);
    if (!closed_) name_ = name;
  }

  // For the writer. After close() nothing is recorded any more, and the rest may be read.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  std::uint64_t session() const { return session_; }
  std::uint32_t thread() const { return thread_; }
  long os_thread() const { return os_thread_; }
  const std::string& name() const { return name_; }
  std::uint64_t dropped() const { return dropped_; }
  std::vector<Event> in_order() const {
    std::vector<Event> result(events_.begin() + static_cast<std::ptrdiff_t>(oldest_),
                              events_.end());
    result.insert(result.end(), events_.begin(),
                  events_.begin() + static_cast<std::ptrdiff_t>(oldest_));
    return result;
  }

 private:
  std::mutex mutex_;
  const std::uint64_t session_;
  const std::size_t capacity_;
  const std::uint32_t thread_;  // 1, 2, …
  const long os_thread_;
  bool closed_ = false;
  std::uint32_t next_seq_ = 1;
  std::size_t oldest_ = 0;
  std::uint64_t dropped_ = 0;
  std::vector<Event> events_;
  std::unordered_set<std::string> texts_;  // What marks point to.
  std::string name_;
};

struct Registry {
  std::atomic<std::uint64_t> session{0};  // 0: no trace is on.
  std::mutex mutex;                       // Guards the rest.
  std::uint64_t last_session = 0;
  std::size_t capacity = 0;
  std::vector<std::shared_ptr<Ring>> rings;
};

inline Registry& registry() noexcept {
  // Never destroyed: a thread may record while the program ends.
  static Registry* const the_registry = new Registry;
  return *the_registry;
}

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
