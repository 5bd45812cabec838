// Four queues that can be stolen from, each written by somebody who was sure of it. Each is wrong
// in one way.
//
// They have the face of QueueForTest, which is the right one: a ring of 256 numbers, first in,
// first out, with what rt/runtime/local_queue.h and rt/runtime/steal.h promise. A theft is taken
// apart here, so that a test with one thread can do something in the middle of it:
//
//   auto theft = queue.steal();    claims the older half, rounded up; theft.count() says how many
//   …                              here the thief has stopped, and the owner goes on
//   theft.finish()                 copies them, frees the slots, and gives the numbers
//
// A theft that goes out of scope is finished there.
//
// All of them work when a theft is finished before anything else happens, and none goes very far.
// Exercise 4.8 is to find out what is wrong with the others' work without changing it. Try without
// reading on first: the contract says all that you need.
//
// Thread safety: none; they are for one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "rt/runtime/local_queue.h"
#include "rt/runtime/task_ring.h"
#include "rt/task/task_header.h"

namespace rt {

// The right queue: that of 4.1, with tasks that are numbers.
class QueueForTest {
 public:
  static constexpr std::uint32_t kCapacity = TaskRing::kCapacity;

  // What a thief has claimed. It lives no longer than the queue.
  class [[nodiscard]] Theft {
   public:
    Theft(const Theft&) = delete;
    Theft& operator=(const Theft&) = delete;
    ~Theft() { finish(); }
    std::uint32_t count() const { return count_; }
    // The numbers, the oldest first. Once; after that there are none.
    std::vector<int> finish();

   private:
    friend class QueueForTest;
    Theft(TaskRing& ring, std::uint32_t first, std::uint32_t count)
        : ring_(ring), first_(first), count_(count) {}
    TaskRing& ring_;
    const std::uint32_t first_;
    const std::uint32_t count_;
    bool is_finished_ = false;
  };

  // `first`: the index at which the ring begins; it counts up from there, and wraps at 2^32.
  explicit QueueForTest(std::uint32_t first = 0) : queue_(first) {}

  // To the back. False: there is no room.
  bool push(int number);
  // The oldest number that nobody has claimed, or none.
  std::optional<int> pop() {
    TaskRef task = queue_.pop();
    return task ? std::optional(number_of(*task)) : std::nullopt;
  }
  // A thief begins. He claims nothing if the queue is empty, or if another thief is at it.
  Theft steal();

 private:
  class Number;
  static int number_of(TaskHeader& task);

  LocalQueue queue_;
};

// What the suspects have in common. With none of its virtual functions replaced it is right.
class RingOfNumbers {
 public:
  static constexpr std::uint32_t kCapacity = 256;

  class [[nodiscard]] Theft {
   public:
    Theft(const Theft&) = delete;
    Theft& operator=(const Theft&) = delete;
    ~Theft() { finish(); }
    std::uint32_t count() const { return count_; }
    std::vector<int> finish() {
      return ring_.copy_and_free(first_, std::exchange(is_finished_, true) ? 0 : count_);
    }

   private:
    friend class RingOfNumbers;
    Theft(RingOfNumbers& ring, std::uint32_t first, std::uint32_t count)
        : ring_(ring), first_(first), count_(count) {}
    RingOfNumbers& ring_;
    const std::uint32_t first_;
    const std::uint32_t count_;
    bool is_finished_ = false;
  };

  explicit RingOfNumbers(std::uint32_t first = 0) : steal_(first), real_(first), tail_(first) {}
  RingOfNumbers(const RingOfNumbers&) = delete;
  RingOfNumbers& operator=(const RingOfNumbers&) = delete;
  virtual ~RingOfNumbers() = default;

  bool push(int number) {
    if (!has_room()) return false;
    numbers_[tail_++ % kCapacity] = number;
    return true;
  }
  std::optional<int> pop() {
    if (!has_task()) return std::nullopt;
    const int number = numbers_[real_ % kCapacity];
    popped();
    return number;
  }
  Theft steal() {
    const std::uint32_t size = tail_ - real_;
    const std::uint32_t count = may_steal() ? size - size / 2 : 0;
    real_ += count;
    return Theft(*this, real_ - count, count);
  }

 protected:
  virtual bool has_room() const { return tail_ - steal_ < kCapacity; }
  virtual bool has_task() const { return real_ != tail_; }
  virtual bool may_steal() const { return steal_ == real_; }
  virtual void popped() {
    if (steal_ == real_) ++steal_;
    ++real_;
  }

  std::uint32_t steal_;
  std::uint32_t real_;
  std::uint32_t tail_;

 private:
  std::vector<int> copy_and_free(std::uint32_t first, std::uint32_t count) {
    std::vector<int> copied;
    for (std::uint32_t i = 0; i < count; ++i) {
      copied.push_back(numbers_[(first + i) % kCapacity]);
    }
    if (count > 0) steal_ = real_;
    return copied;
  }

  std::array<int, kCapacity> numbers_{};
};

// Right, and made of a deque: it copies when it claims, and remembers that the room is not free.
class DequeOfNumbers {
 public:
  static constexpr std::uint32_t kCapacity = 256;

  class [[nodiscard]] Theft {
   public:
    Theft(const Theft&) = delete;
    Theft& operator=(const Theft&) = delete;
    ~Theft() { finish(); }
    std::uint32_t count() const { return count_; }
    std::vector<int> finish() {
      if (!numbers_.empty()) queue_.held_ = 0;
      return std::exchange(numbers_, {});
    }

   private:
    friend class DequeOfNumbers;
    Theft(DequeOfNumbers& queue, std::vector<int> numbers)
        : queue_(queue),
          numbers_(std::move(numbers)),
          count_(static_cast<std::uint32_t>(numbers_.size())) {}
    DequeOfNumbers& queue_;
    std::vector<int> numbers_;
    const std::uint32_t count_;
  };

  explicit DequeOfNumbers(std::uint32_t = 0) {}

  bool push(int number) {
    if (numbers_.size() + held_ >= kCapacity) return false;
    numbers_.push_back(number);
    return true;
  }
  std::optional<int> pop() {
    if (numbers_.empty()) return std::nullopt;
    if (held_ > 0) ++held_;  // Its slot lies behind those of the thief.
    const int number = numbers_.front();
    numbers_.pop_front();
    return number;
  }
  Theft steal() {
    std::vector<int> claimed;
    if (held_ == 0) {
      held_ = numbers_.size() - numbers_.size() / 2;
      const auto end = numbers_.begin() + static_cast<std::ptrdiff_t>(held_);
      claimed.assign(numbers_.begin(), end);
      numbers_.erase(numbers_.begin(), end);
    }
    return Theft(*this, std::move(claimed));
  }

 private:
  std::deque<int> numbers_;
  std::size_t held_ = 0;  // Slots that are not free: a thief's, and those popped behind them.
};

class QueueSuspectA final : public RingOfNumbers {
  using RingOfNumbers::RingOfNumbers;
  bool has_room() const override { return tail_ - real_ < kCapacity; }
};

class QueueSuspectB final : public RingOfNumbers {
  using RingOfNumbers::RingOfNumbers;
  void popped() override { steal_ = ++real_; }
};

class QueueSuspectC final : public RingOfNumbers {
  using RingOfNumbers::RingOfNumbers;
  bool may_steal() const override { return true; }
};

class QueueSuspectD final : public RingOfNumbers {
  using RingOfNumbers::RingOfNumbers;
  bool has_task() const override { return real_ < tail_; }
};

// --- QueueForTest ---

// A task that is a number, and is never run. Its last reference frees it.
class QueueForTest::Number final : public TaskHeader {
 public:
  static TaskRef make(int number) { return TaskRef::from_raw(new Number(number)); }
  const int number;

 private:
  class NoScheduler final : public TaskScheduler {
    void schedule(TaskRef) noexcept override {}
    void yield(TaskRef) noexcept override {}
    bool release(TaskHeader&) noexcept override { return false; }
  };
  static TaskScheduler& no_scheduler() {
    static NoScheduler scheduler;
    return scheduler;
  }
  explicit Number(int n) : TaskHeader(kVTable, no_scheduler(), /*joined=*/false), number(n) {
    static_cast<void>(state.release());  // The list's reference: there is no list.
  }
  static void nothing(TaskHeader&) noexcept {}
  static void free(TaskHeader& task) noexcept { delete static_cast<Number*>(&task); }
  static constexpr TaskVTable kVTable{&nothing, &nothing, &free, [](TaskHeader&, void*) {},
                                      &nothing};
};

inline int QueueForTest::number_of(TaskHeader& task) { return static_cast<Number&>(task).number; }

inline bool QueueForTest::push(int number) {
  TaskRef task = Number::make(number);
  return queue_.push(task);
}

inline QueueForTest::Theft QueueForTest::steal() {
  TaskRing& ring = queue_.ring();
  const TaskRing::Head head = TaskRing::unpack(ring.head.load());
  const std::uint32_t size = ring.tail.load() - head.real;
  const std::uint32_t count = head.is_stolen_from() ? 0 : size - size / 2;
  ring.head.store(TaskRing::pack(TaskRing::Head(head.steal, head.real + count)));
  return Theft(ring, head.real, count);
}

inline std::vector<int> QueueForTest::Theft::finish() {
  std::vector<int> numbers;
  if (count_ == 0 || std::exchange(is_finished_, true)) return numbers;
  for (std::uint32_t i = 0; i < count_; ++i) {
    numbers.push_back(number_of(*TaskRef::from_raw(ring_.slot(first_ + i).read())));
  }
  const std::uint32_t real = TaskRing::unpack(ring_.head.load()).real;
  ring_.head.store(TaskRing::pack(TaskRing::Head(real, real)));
  return numbers;
}

}  // namespace rt
