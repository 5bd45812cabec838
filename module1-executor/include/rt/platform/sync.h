// The synchronization types of the runtime. Runtime code names atomics, mutexes, condition
// variables, threads and shared plain data by these names only, never by their std names: so a
// model checker can put its own types in their place and run every interleaving.
//
// There are two worlds. In `plain` each name is the standard type and costs nothing. In `checked`,
// which the model tests are built in (RT_MODEL_CHECKED), each is the type of the same face in
// scripts/testkit/model. They are different types to the linker: what was compiled in one world and
// what was compiled in the other must never meet in a program.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#ifdef RT_MODEL_CHECKED
#include "testkit/model/atomic.h"
#include "testkit/model/sync.h"
#define RT_SYNC_WORLD checked
#else
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#define RT_SYNC_WORLD plain
#endif

namespace rt::sync {
inline namespace RT_SYNC_WORLD {

#ifdef RT_MODEL_CHECKED

using testkit::model::Atomic;
using testkit::model::Cell;
using testkit::model::CondVar;
using testkit::model::Global;
using testkit::model::Lock;
using testkit::model::Mutex;
using testkit::model::SteadyClock;
using testkit::model::this_thread_id;
using testkit::model::Thread;
using testkit::model::ThreadLocal;
using testkit::model::yield;
using ShortMutex = Mutex;
using ShortLock = Lock;

#else

template <class T>
using Atomic = std::atomic<T>;
using Mutex = std::mutex;
using Lock = std::unique_lock<Mutex>;
using CondVar = std::condition_variable;
using Thread = std::thread;
using SteadyClock = std::chrono::steady_clock;

// What Thread::get_id() gives of the thread that asks.
inline Thread::id this_thread_id() noexcept { return std::this_thread::get_id(); }

// In a loop that looks again and again for what another thread is about to do.
inline void yield() noexcept { std::this_thread::yield(); }

// A mutex for a handful of instructions that wait for nothing and call nobody. Who finds it taken
// lets others run, and looks again: to sleep would take longer than it is ever held, unless its
// holder has lost the processor. It is one byte, and takes one RMW and no call.
//
// What it buys in place of a Mutex, on two cores: where it guards the list of all tasks, a million
// tasks, spawned and joined, take 0.6 of the time; where it guards the timers, to cancel one 0.6.
class ShortMutex {
 public:
  ShortMutex() noexcept = default;
  ShortMutex(const ShortMutex&) = delete;
  ShortMutex& operator=(const ShortMutex&) = delete;

  void lock() noexcept {
    // Acquire: pairs with unlock().
    while (is_taken_.exchange(true, std::memory_order_acquire)) [[unlikely]] {
        while (is_taken_.load(std::memory_order_relaxed)) yield();
      }
  }
  void unlock() noexcept { is_taken_.store(false, std::memory_order_release); }

 private:
  Atomic<bool> is_taken_{false};
};

// Has it, from here to the end of the scope.
class [[nodiscard]] ShortLock {
 public:
  explicit ShortLock(ShortMutex& mutex) noexcept : mutex_(mutex) { mutex_.lock(); }
  ShortLock(const ShortLock&) = delete;
  ShortLock& operator=(const ShortLock&) = delete;
  ~ShortLock() { mutex_.unlock(); }

 private:
  ShortMutex& mutex_;
};

// Plain data that several threads reach, guarded by something else. A checker sees each access
// through read() and write() and reports two that race.
template <class T>
class Cell {
 public:
  template <class... Args>
  requires std::is_constructible_v<T, Args...>
  explicit Cell(Args&&... args) : value_(std::forward<Args>(args)...) {}
  Cell(const Cell&) = delete;
  Cell& operator=(const Cell&) = delete;

  const T& read() const noexcept { return value_; }
  T& write() noexcept { return value_; }

 private:
  T value_;
};

// One T for each thread and each Tag.
template <class T, class Tag>
class ThreadLocal {
 public:
  static T& get() noexcept {
    thread_local T value{};
    return value;
  }
};

// One T for the program and each Tag: where a static variable would hold a lock or an atomic. In
// the other world there is one for each execution.
template <class T, class Tag>
class Global {
 public:
  static T& get() noexcept {
    static T value{};
    return value;
  }
};

#endif

// A counted reference to a T that the last reference destroys: one word, so that it fits in a
// waker's data pointer. (A std::shared_ptr is two words.)
//
// Thread safety: like std::shared_ptr. Different Arcs to one T may be used by different threads.
template <class T>
class Arc {
 public:
  template <class... Args>
  static Arc make(Args&&... args) {
    return Arc(new Block(std::forward<Args>(args)...));
  }

  Arc() noexcept = default;
  Arc(const Arc& other) noexcept : block_(other.block_) {
    // Relaxed: the new reference is made from one that keeps the T alive, and publishes nothing.
    if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  Arc(Arc&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Arc& operator=(Arc other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Arc() {
    // Acquire and release: each drop publishes its thread's accesses, and the last one sees all.
    if (block_ != nullptr && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete block_;
    }
  }

  T& operator*() const noexcept { return block_->value; }
  T* operator->() const noexcept { return &block_->value; }
  T* get() const noexcept { return block_ == nullptr ? nullptr : &block_->value; }
  explicit operator bool() const noexcept { return block_ != nullptr; }
  friend bool operator==(const Arc& a, const Arc& b) noexcept { return a.block_ == b.block_; }

  // Gives the reference away as a word; from_raw() takes it back. Each word is taken back once.
  void* into_raw() && noexcept { return std::exchange(block_, nullptr); }
  static Arc from_raw(void* raw) noexcept { return Arc(static_cast<Block*>(raw)); }

 private:
  struct Block {
    template <class... Args>
    explicit Block(Args&&... args) : value(std::forward<Args>(args)...) {}
    Atomic<std::size_t> references{1};
    T value;
  };

  explicit Arc(Block* block) noexcept : block_(block) {}

  Block* block_ = nullptr;
};

}  // namespace RT_SYNC_WORLD
}  // namespace rt::sync

#undef RT_SYNC_WORLD
