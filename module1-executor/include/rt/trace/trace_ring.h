// What a trace is made of: events, and the ring in which each thread keeps its own.
// rt/trace/trace.h fills them, rt/trace/trace_writer.h reads them.
//
// Thread safety: a Ring's record…() by its own thread; close() by any; the readers after close().
//
// Invariants
//   1. Events are kept in the order in which they were recorded, numbered by `seq`.
//   2. A full ring forgets its oldest events, and counts them.
//   3. After close() nothing is recorded any more.
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
#include <vector>

#include "rt/platform/clock.h"

// The std types and not those of rt/platform/sync.h: a model checker does not look in here, and a
// trace that took part in the interleavings would change them.

namespace rt::trace {

using TaskId = std::uint64_t;  // 0: no task.

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

}  // namespace detail
}  // namespace rt::trace
