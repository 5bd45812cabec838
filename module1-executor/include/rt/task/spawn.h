// spawn: hands a future to the runtime of this thread, and gives a JoinHandle for its output.
//
// spawn() and JoinHandle are the same for every runtime; what stands behind them differs. Behind
// spawn() is a Scheduler, found through the thread; behind a JoinHandle is a table of three
// functions. Both see futures and outputs as bytes and functions, so that a scheduler may place a
// task in one allocation.
//
// Thread safety: spawn() by any thread that is inside a runtime. A JoinHandle belongs to one thread
// at a time.
//
// Invariants
//   1. A spawned future is polled to its end, or dropped when its runtime is, or when it is
//      aborted.
//   2. A dropped JoinHandle detaches: the task runs on, and its output is dropped. What it throws
//      then, or has thrown, is reported: rt/task/unhandled.h.
//   3. The joiner gets exactly one of: the output, what the task threw, or Cancelled.
//
// The idea is Tokio's tokio::spawn and tokio::task::JoinHandle.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <source_location>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "rt/future/future.h"
#include "rt/future/leaf.h"
#include "rt/platform/sync.h"

namespace rt {

// Thrown at the joiner of a task that was aborted, or whose runtime went away.
class Cancelled : public std::exception {
 public:
  const char* what() const noexcept override { return "the task was cancelled"; }
};

// A future and its output as bytes and functions.
struct FutureVTable {
  std::size_t size;
  std::size_t align;
  void (*move)(void* from, void* to);                     // Move-constructs at `to`.
  bool (*poll)(void* future, Context& cx, void* output);  // Ready: constructs at `output`.
  void (*destroy)(void* future) noexcept;
  std::size_t output_size;  // At least 1, also for void.
  std::size_t output_align;
  void (*move_output)(void* from, void* to);  // Move-constructs at `to`.
  void (*destroy_output)(void* output) noexcept;
  // For a future and its output in the same memory. Pending: returns false. Ready: destroys the
  // future, constructs the output in its place, and returns true. Throws what either of them
  // throws; then the future has been destroyed, and nothing is in its place.
  bool (*poll_in_place)(void* place, Context& cx);
  // A place for either of them, or for the std::exception_ptr of what was thrown.
  std::size_t place_size;
  std::size_t place_align;
};

namespace detail {

// Stands for the output of a future that has none.
struct Unit {};
template <class T>
using StoredOutput = std::conditional_t<std::is_void_v<T>, Unit, T>;

template <Future F>
struct FutureFunctions {
  using Stored = StoredOutput<OutputOf<F>>;

  static void move(void* from, void* to) { new (to) F(std::move(*static_cast<F*>(from))); }
  static bool poll(void* future, Context& cx, void* output) {
    Poll<OutputOf<F>> result = static_cast<F*>(future)->poll(cx);
    if (result.is_pending()) return false;
    if constexpr (std::is_void_v<OutputOf<F>>) {
      new (output) Unit();
    } else {
      new (output) Stored(std::move(result).take());
    }
    return true;
  }
  static void destroy(void* future) noexcept { static_cast<F*>(future)->~F(); }
  static void move_output(void* from, void* to) {
    new (to) Stored(std::move(*static_cast<Stored*>(from)));
  }
  static void destroy_output(void* output) noexcept { static_cast<Stored*>(output)->~Stored(); }
  static bool poll_in_place(void* place, Context& cx) {
    // Destroys the future on the ways out that end it: before the output stands in its place.
    struct Ended {
      explicit Ended(void* f) noexcept : future(f) {}
      ~Ended() { end(); }
      void end() noexcept {
        if (future != nullptr) destroy(std::exchange(future, nullptr));
      }
      void* future;
    };
    Ended ended(place);
    Poll<OutputOf<F>> result = static_cast<F*>(place)->poll(cx);
    if (result.is_pending()) {
      ended.future = nullptr;
      return false;
    }
    ended.end();
    if constexpr (std::is_void_v<OutputOf<F>>) {
      new (place) Unit();
    } else {
      new (place) Stored(std::move(result).take());
    }
    return true;
  }
};

}  // namespace detail

template <Future F>
inline constexpr FutureVTable kFutureVTable = {
    sizeof(F),
    alignof(F),
    &detail::FutureFunctions<F>::move,
    &detail::FutureFunctions<F>::poll,
    &detail::FutureFunctions<F>::destroy,
    sizeof(typename detail::FutureFunctions<F>::Stored),
    alignof(typename detail::FutureFunctions<F>::Stored),
    &detail::FutureFunctions<F>::move_output,
    &detail::FutureFunctions<F>::destroy_output,
    &detail::FutureFunctions<F>::poll_in_place,
    std::max({sizeof(F), sizeof(typename detail::FutureFunctions<F>::Stored),
              sizeof(std::exception_ptr)}),
    std::max({alignof(F), alignof(typename detail::FutureFunctions<F>::Stored),
              alignof(std::exception_ptr)}),
};

// What a scheduler does for a JoinHandle. `task` is whatever the scheduler likes.
struct JoinVTable {
  // Ready: constructs the output at `output` and returns true, or throws what the task threw, or
  // Cancelled. Pending: returns false, and will wake cx's waker.
  bool (*poll_join)(void* task, Context& cx, void* output);
  void (*detach)(void* task) noexcept;  // Ends the handle's interest. No call follows.
  void (*abort)(void* task) noexcept;   // Asks that the task be dropped. It may have ended already.
};

// One owner's claim on a task: the untyped half of a JoinHandle.
struct RawJoinHandle {
  RawJoinHandle(void* t, const JoinVTable* v) noexcept : task(t), vtable(v) {}
  void* task;
  const JoinVTable* vtable;
};

template <class T>
class [[nodiscard]] JoinHandle {
 public:
  using Output = T;

  explicit JoinHandle(RawJoinHandle raw) noexcept : raw_(raw) {}
  JoinHandle(JoinHandle&& other) noexcept
      : raw_(std::exchange(other.raw_, RawJoinHandle(nullptr, nullptr))) {}
  JoinHandle& operator=(JoinHandle&& other) noexcept {
    JoinHandle taken(std::move(other));
    std::swap(raw_, taken.raw_);
    return *this;
  }
  ~JoinHandle() { detach(); }

  // Ready with the output when the task has ended. Throws what the task threw; Cancelled when it
  // was aborted; std::logic_error when polled after it was ready.
  Poll<T> poll(Context& cx) {
    return as_leaf(cx, [&] { return poll_join(cx); });
  }
  // Asks that the task be dropped at its next suspension point. Its joiner gets Cancelled, or the
  // output if the task ended first.
  void abort() noexcept {
    if (raw_.vtable != nullptr) raw_.vtable->abort(raw_.task);
  }

  // Lets the task run on without a joiner. The same as dropping the handle.
  void detach() noexcept {
    if (raw_.vtable == nullptr) return;
    raw_.vtable->detach(raw_.task);
    raw_ = RawJoinHandle(nullptr, nullptr);
  }

 private:
  Poll<T> poll_join(Context& cx) {
    if (raw_.vtable == nullptr) throw std::logic_error("JoinHandle: polled after it was ready");
    using Stored = detail::StoredOutput<T>;
    alignas(Stored) std::byte storage[sizeof(Stored)];
    bool is_ready = false;
    std::exception_ptr thrown;
    try {
      is_ready = raw_.vtable->poll_join(raw_.task, cx, storage);
    } catch (...) {
      thrown = std::current_exception();
    }
    if (thrown != nullptr) {
      detach();
      std::rethrow_exception(std::move(thrown));
    }
    if (!is_ready) return kPending;
    detach();
    if constexpr (std::is_void_v<T>) {
      return kReady;
    } else {
      Stored* output = std::launder(reinterpret_cast<Stored*>(storage));
      Poll<T> result(std::move(*output));
      std::destroy_at(output);
      return result;
    }
  }

  RawJoinHandle raw_;
};

// Where the task is spawned that this thread spawns in this scope. It goes by the side of
// spawn_raw(), since only some schedulers' tasks remember it: those that are a TaskCell.
class [[nodiscard]] SpawnSite {
 public:
  explicit SpawnSite(const std::source_location& where) noexcept
      : outer_(std::exchange(slot(), where)) {}
  SpawnSite(const SpawnSite&) = delete;
  SpawnSite& operator=(const SpawnSite&) = delete;
  ~SpawnSite() { slot() = outer_; }

  // No file: it is not known.
  static std::source_location current() noexcept { return slot(); }

 private:
  struct Tag;
  static std::source_location& slot() noexcept {
    return sync::ThreadLocal<std::source_location, Tag>::get();
  }

  const std::source_location outer_;
};

// Something that runs tasks.
class Scheduler {
 public:
  Scheduler() = default;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  virtual ~Scheduler() = default;

  // Moves the future at `future` into a new task, and runs it some time. The caller still destroys
  // what is left at `future`.
  virtual RawJoinHandle spawn_raw(void* future, const FutureVTable& vtable) = 0;
};

// Makes `scheduler` the current one of this thread for as long as this object lives.
class [[nodiscard]] EnterScheduler {
 public:
  // What the thread runs meanwhile.
  enum class Runs {
    kTasks,  // They wait for each other by co_await: the thread itself must not block.
    kJobs,   // Functions that may block. It is a thread of a pool for such functions.
  };

  explicit EnterScheduler(Scheduler* scheduler, Runs runs = Runs::kTasks) noexcept
      : scheduler_(scheduler), runs_(runs), outer_(std::exchange(innermost(), this)) {}
  EnterScheduler(const EnterScheduler&) = delete;
  EnterScheduler& operator=(const EnterScheduler&) = delete;
  ~EnterScheduler() { innermost() = outer_; }

  // What was entered last on this thread, or null.
  static Scheduler* current() noexcept {
    const EnterScheduler* const here = innermost();
    return here == nullptr ? nullptr : here->scheduler_;
  }
  // Whether this thread has entered `scheduler`, and others perhaps since.
  static bool has_entered(const Scheduler& scheduler) noexcept {
    const EnterScheduler* here = innermost();
    while (here != nullptr && here->scheduler_ != &scheduler) here = here->outer_;
    return here != nullptr;
  }
  // Whether this thread may sleep until a future is ready: nobody's tasks would wait for it.
  static bool may_block() noexcept {
    const EnterScheduler* const here = innermost();
    return here == nullptr || here->scheduler_ == nullptr || here->runs_ == Runs::kJobs;
  }
  // Whether this thread is in a job of `scheduler`, and perhaps in other things since.
  static bool is_in_job_of(const Scheduler& scheduler) noexcept {
    const EnterScheduler* here = innermost();
    while (here != nullptr && (here->scheduler_ != &scheduler || here->runs_ != Runs::kJobs)) {
      here = here->outer_;
    }
    return here != nullptr;
  }

 private:
  struct Tag;
  static const EnterScheduler*& innermost() noexcept {
    return sync::ThreadLocal<const EnterScheduler*, Tag>::get();
  }

  Scheduler* const scheduler_;
  const Runs runs_;
  const EnterScheduler* const outer_;
};

// The scheduler whose tasks this thread is running, or null.
inline Scheduler* current_scheduler() noexcept { return EnterScheduler::current(); }

// For destructors, which cannot throw: prints a line and ends the program.
[[noreturn]] inline void destroyed_inside_a_task(const char* what) noexcept {
  std::fprintf(
      stderr,
      "%s: destroyed inside one of its own tasks, or in its own block_on() or one of its "
      "blocking jobs, which still need it. Let the thread that made it destroy it, outside "
      "of all tasks.\n",
      what);
  std::abort();
}

// Spawns onto a given scheduler.
template <Future F>
JoinHandle<OutputOf<F>> spawn_on(
    Scheduler& scheduler, F future,
    const std::source_location& where = std::source_location::current()) {
  const SpawnSite site(where);
  return JoinHandle<OutputOf<F>>(scheduler.spawn_raw(&future, kFutureVTable<F>));
}

// Spawns onto the runtime of this thread. Throws std::logic_error outside of any.
template <Future F>
JoinHandle<OutputOf<F>> spawn(F future,
                              const std::source_location& where = std::source_location::current()) {
  Scheduler* scheduler = current_scheduler();
  if (scheduler == nullptr) {
    throw std::logic_error("spawn: this thread runs no runtime; call it from inside a task");
  }
  return spawn_on(*scheduler, std::move(future), where);
}

}  // namespace rt
