// Algorithms of the kind that the course is about, right and with one mistake each. They are
// written for this test, as small as the mistake allows.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "cases.h"

namespace testkit::model {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;
constexpr auto kAcqRel = std::memory_order_acq_rel;
constexpr auto kSeqCst = std::memory_order_seq_cst;

// ---- a parker ----

enum class ParkerBug {
  kNone,
  kChecksThenSets,       // park() looks for a token and then stores kParked, in two steps.
  kNoRoundTrip,          // unpark() does not take the lock between its exchange and its notify.
  kReturnsEarly,         // unpark() does nothing when a token is there, not even publish.
  kPublishesNothing,     // unpark() exchanges without release.
  kTakesWithoutAcquire,  // park() consumes the token without acquire.
  kNotifiesFirst,        // unpark() notifies and then leaves the token.
  kWaitsOnce,            // park() does not look again when its wait ends.
};

class Parker {
 public:
  explicit Parker(ParkerBug bug) : bug_(bug) {}

  void park() {
    const auto order = bug_ == ParkerBug::kTakesWithoutAcquire ? kRelaxed : kAcquire;
    int expected = kNotified;
    if (state_.compare_exchange_strong(expected, kEmpty, order, kRelaxed)) return;
    Lock lock(mutex_);
    if (bug_ == ParkerBug::kChecksThenSets) {
      if (state_.load(kAcquire) == kNotified) {
        state_.store(kEmpty, kRelaxed);
        return;
      }
      state_.store(kParked, kRelaxed);
    } else {
      expected = kEmpty;
      if (!state_.compare_exchange_strong(expected, kParked, kRelaxed, kRelaxed)) {
        state_.exchange(kEmpty, order);
        return;
      }
    }
    do {
      condition_.wait(lock);
    } while (state_.load(kRelaxed) != kNotified && bug_ != ParkerBug::kWaitsOnce);
    state_.exchange(kEmpty, order);
  }

  void unpark() {
    if (bug_ == ParkerBug::kReturnsEarly && state_.load(kRelaxed) == kNotified) return;
    if (bug_ == ParkerBug::kNotifiesFirst) {
      { const Lock lock(mutex_); }
      condition_.notify_one();
      state_.exchange(kNotified, kRelease);
      return;
    }
    const auto order = bug_ == ParkerBug::kPublishesNothing ? kRelaxed : kRelease;
    if (state_.exchange(kNotified, order) != kParked) return;
    if (bug_ != ParkerBug::kNoRoundTrip) const Lock lock(mutex_);
    condition_.notify_one();
  }

 private:
  enum : int { kEmpty, kParked, kNotified };
  const ParkerBug bug_;
  Atomic<int> state_{kEmpty};
  Mutex mutex_;
  CondVar condition_;
};

// Each of two threads leaves a message and unparks; the third parks until it has seen both. The
// messages are relaxed, so that only the parker orders anything: what a token does not bring along
// is waited for in vain.
template <ParkerBug kBug>
void parker() {
  Parker parker(kBug);
  Atomic<int> first(0);
  Atomic<int> second(0);
  const auto send = [&](Atomic<int>& message) {
    message.store(1, kRelaxed);
    parker.unpark();
  };
  Thread a([&] { send(first); });
  Thread b([&] { send(second); });
  for (int seen = 0; seen < 2;) {
    parker.park();
    seen = first.load(kRelaxed) + second.load(kRelaxed);
    MODEL_REQUIRE(seen > 0);  // Nobody unparked.
  }
  a.join();
  b.join();
}

// ---- a task that is woken ----

enum class TaskBug {
  kNone,
  kDropsWakeWhileRunning,  // A wake that comes during a poll is taken for seen.
  kReturnsEarly,   // A wake of a task that is notified reads, and does not write (Tokio #7622).
  kStaysNotified,  // The runner does not take the mark back: it polls for ever.
  kTwoSteps,       // The wake looks, and then writes.
};

// idle -> notified -> running -> idle, and running+notified when woken meanwhile.
class Task {
 public:
  enum : int { kIdle = 0, kRunning = 1, kNotified = 2 };
  explicit Task(TaskBug bug) : bug_(bug) {}

  // True: the caller puts the task into the queue.
  bool wake() {
    if (bug_ == TaskBug::kTwoSteps) {
      const int seen = state_.load(kAcquire);
      state_.store(seen | kNotified, kRelease);
      return seen == kIdle;
    }
    int seen = state_.load(kRelaxed);
    for (;;) {
      if (bug_ == TaskBug::kReturnsEarly && (seen & kNotified) != 0) return false;
      if (bug_ == TaskBug::kDropsWakeWhileRunning && (seen & kRunning) != 0) return false;
      if (state_.compare_exchange_weak(seen, seen | kNotified, kAcqRel, kRelaxed)) {
        return seen == kIdle;
      }
    }
  }
  void begin() {
    if (bug_ == TaskBug::kStaysNotified) {
      state_.fetch_or(kRunning, kAcqRel);
    } else {
      state_.exchange(kRunning, kAcqRel);
    }
  }
  // True: it was woken while it ran, and goes into the queue again.
  bool end() {
    int seen = kRunning;
    if (state_.compare_exchange_strong(seen, kIdle, kAcqRel, kAcquire)) return false;
    state_.exchange(kNotified, kAcqRel);
    return true;
  }

 private:
  const TaskBug bug_;
  Atomic<int> state_{kNotified};
};

// The runner polls until it has seen both events; each is told by a wake, and by nothing else.
template <TaskBug kBug>
void task() {
  Task task(kBug);
  Atomic<int> first(0);
  Atomic<int> second(0);
  Mutex mutex;
  CondVar changed;
  int queued = 1;  // Guarded by the mutex.
  const auto push = [&] {
    const Lock lock(mutex);
    MODEL_REQUIRE(queued == 0);  // Twice in the queue.
    ++queued;
    changed.notify_one();
  };
  const auto happen = [&](Atomic<int>& event) {
    event.store(1, kRelaxed);
    if (task.wake()) push();
  };
  Thread a([&] { happen(first); });
  Thread b([&] { happen(second); });
  for (int seen = 0; seen < 2;) {
    {
      Lock lock(mutex);
      while (queued == 0) changed.wait(lock);
      --queued;
    }
    task.begin();
    seen = first.load(kRelaxed) + second.load(kRelaxed);
    if (task.end()) push();
  }
  a.join();
  b.join();
}

// ---- readiness and its waker: what is published, and who is looked for, in which order? ----

enum class ReadyBug {
  kNone,
  kWakersFirst,   // The event takes the waker, and then publishes that it has come.
  kLooksOnce,     // The waiter looks, and then leaves its waker.
  kRelaxedEvent,  // The event publishes nothing.
};

template <ReadyBug kBug>
void readiness() {
  Atomic<int> ready(0);
  Cell<int> data(0);
  Mutex mutex;
  bool has_waker = false;  // Guarded by the mutex.
  Mutex sleeping;
  CondVar condition;
  bool woken = false;  // Guarded by `sleeping`.
  Thread event([&] {
    data.write() = 7;
    const auto publish = [&] {
      ready.store(1, kBug == ReadyBug::kRelaxedEvent ? kRelaxed : kRelease);
    };
    if (kBug != ReadyBug::kWakersFirst) publish();
    bool wakes = false;
    {
      const Lock lock(mutex);
      wakes = std::exchange(has_waker, false);
    }
    if (kBug == ReadyBug::kWakersFirst) publish();
    if (wakes) {
      const Lock lock(sleeping);
      woken = true;
      condition.notify_one();
    }
  });
  while (ready.load(kAcquire) == 0) {
    {
      const Lock lock(mutex);
      has_waker = true;
    }
    if (kBug != ReadyBug::kLooksOnce && ready.load(kAcquire) == 1) break;
    Lock lock(sleeping);
    while (!woken) condition.wait(lock);
    woken = false;
  }
  MODEL_REQUIRE(data.read() == 7);
  event.join();
}

// ---- a worker that goes to sleep ----

enum class IdleBug {
  kNone,
  kTwoSteps,    // It stops searching, and only later says that it sleeps.
  kAcqRelOnly,  // Its own count and the other's queue are read without an order between the two.
};

// The sleeper says that it sleeps and looks at the queue once more; the pusher fills the queue and
// looks whether anybody sleeps.
template <IdleBug kBug>
void idle() {
  const auto order = kBug == IdleBug::kAcqRelOnly ? kAcqRel : kSeqCst;
  const auto load = kBug == IdleBug::kAcqRelOnly ? kAcquire : kSeqCst;
  const auto store = kBug == IdleBug::kAcqRelOnly ? kRelease : kSeqCst;
  Atomic<int> queue(0);
  Atomic<int> searching(1);
  Atomic<int> asleep(0);
  Parker parker(ParkerBug::kNone);
  Thread pusher([&] {
    queue.store(1, store);
    // Whoever searches will find it; so nobody is woken then.
    if (kBug == IdleBug::kTwoSteps) {
      if (searching.load(kSeqCst) == 0 && asleep.load(kSeqCst) == 1) parker.unpark();
    } else if (asleep.load(load) == 1) {
      parker.unpark();
    }
  });
  if (kBug == IdleBug::kTwoSteps) {
    if (queue.load(kSeqCst) == 0) {
      searching.store(0, kSeqCst);
      if (queue.load(kSeqCst) == 0) {
        asleep.store(1, kSeqCst);
        parker.park();
      }
    }
  } else {
    asleep.store(1, store);
    if (queue.load(load) == 0) parker.park();
  }
  pusher.join();
  static_cast<void>(order);
}

// ---- a ring with one pusher, which also pops, and thieves that take half of it ----

enum class RingBug {
  kNone,
  kRealCapacity,     // A push asks whether there is room behind what is popped, not what is stolen.
  kRelaxedPush,      // The tail is published without release.
  kRelaxedSteal,     // The tail is read without acquire.
  kPopForgetsThief,  // A pop during a steal puts both halves of the head to the same place.
  kSecondThief,      // A thief does not look whether another one is at it.
  kFreedBeforeCopied,  // The thief moves both halves of the head, and copies afterwards.
  kRelaxedRelease,     // The thief gives the slots back without release.
};

// The head is two numbers: `stolen`, behind which slots are free, and `real`, which is next to be
// taken. They differ while a thief copies what is between them.
class Ring {
 public:
  static constexpr std::uint32_t kCapacity = 4;
  explicit Ring(RingBug bug) : bug_(bug) {}

  // By the owner. False: full.
  bool push(int value) {
    const std::uint32_t head = head_.load(kAcquire);
    const std::uint32_t tail = tail_.load(kRelaxed);
    const std::uint32_t first = bug_ == RingBug::kRealCapacity ? real(head) : stolen(head);
    if (tail - first >= kCapacity) return false;
    slots_[tail % kCapacity].write() = value;
    tail_.store(tail + 1, bug_ == RingBug::kRelaxedPush ? kRelaxed : kRelease);
    return true;
  }
  // By the owner. 0: empty.
  int pop() {
    std::uint32_t head = head_.load(kAcquire);
    for (;;) {
      const std::uint32_t at = real(head);
      if (at == tail_.load(kRelaxed)) return 0;
      const bool alone = stolen(head) == at || bug_ == RingBug::kPopForgetsThief;
      const std::uint32_t next = pack(alone ? at + 1 : stolen(head), at + 1);
      if (head_.compare_exchange_strong(head, next, kAcqRel, kAcquire)) {
        return slots_[at % kCapacity].read();
      }
    }
  }
  // By anybody else. Returns how many were put into `out`.
  std::size_t steal(std::array<int, kCapacity>& out) {
    std::uint32_t head = head_.load(kAcquire);
    std::uint32_t from = 0;
    std::uint32_t count = 0;
    std::uint32_t next = 0;
    do {
      from = real(head);
      if (stolen(head) != from && bug_ != RingBug::kSecondThief) return 0;
      const std::uint32_t tail = tail_.load(bug_ == RingBug::kRelaxedSteal ? kRelaxed : kAcquire);
      // A tail that is older than the head says that nothing is there.
      const std::uint32_t there = tail - from > kCapacity ? 0 : tail - from;
      count = there - there / 2;
      if (count == 0) return 0;
      next = bug_ == RingBug::kFreedBeforeCopied ? pack(from + count, from + count)
                                                 : pack(stolen(head), from + count);
    } while (!head_.compare_exchange_strong(head, next, kAcqRel, kAcquire));
    for (std::uint32_t i = 0; i < count; ++i) out[i] = slots_[(from + i) % kCapacity].read();
    if (bug_ == RingBug::kFreedBeforeCopied) return count;
    head = next;
    const auto order = bug_ == RingBug::kRelaxedRelease ? kRelaxed : kAcqRel;
    while (!head_.compare_exchange_strong(head, pack(real(head), real(head)), order, kAcquire)) {
    }
    return count;
  }

 private:
  static std::uint32_t stolen(std::uint32_t head) { return head >> 16; }
  static std::uint32_t real(std::uint32_t head) { return head & 0xFFFF; }
  static std::uint32_t pack(std::uint32_t stolen, std::uint32_t real) {
    return stolen << 16 | real;
  }

  const RingBug bug_;
  Atomic<std::uint32_t> head_{0};
  Atomic<std::uint32_t> tail_{0};
  std::array<Cell<int>, kCapacity> slots_;
};

// The owner pushes `kFirst` values, then pops and pushes in turn, so that slots are used again;
// thieves steal. Each value has to be taken exactly once.
template <RingBug kBug, int kThieves, int kFirst, int kMore>
void ring() {
  Ring ring(kBug);
  std::array<int, 16> taken{};
  std::array<std::array<int, Ring::kCapacity>, 2> stolen{};
  std::array<std::size_t, 2> count{};
  int pushed = 0;
  const auto push = [&] {
    if (!ring.push(++pushed)) taken[static_cast<std::size_t>(pushed)] = 1;  // It was full.
  };
  const auto pop = [&] {
    const int value = ring.pop();
    if (value != 0) ++taken[static_cast<std::size_t>(value)];
    return value != 0;
  };
  for (int i = 0; i < kFirst; ++i) push();
  std::array<Thread, 2> thieves;
  for (std::size_t i = 0; i < kThieves; ++i) {
    thieves[i] = Thread([&, i] { count[i] = ring.steal(stolen[i]); });
  }
  for (int i = 0; i < kMore; ++i) {
    pop();
    push();
  }
  for (std::size_t i = 0; i < kThieves; ++i) thieves[i].join();
  while (pop()) {
  }
  for (std::size_t i = 0; i < kThieves; ++i) {
    for (std::size_t n = 0; n < count[i]; ++n) ++taken[static_cast<std::size_t>(stolen[i][n])];
  }
  for (int i = 1; i <= pushed; ++i) MODEL_REQUIRE(taken[static_cast<std::size_t>(i)] == 1);
}

// ---- the classics ----

enum class CountBug { kNone, kRelaxedDrop, kTwoSteps };

// A counted reference: the last one destroys what all have used.
template <CountBug kBug>
void counted() {
  struct Block {
    Atomic<int> references{2};
    Cell<int> value;
  };
  auto* const block = new Block;
  const auto drop = [block] {
    if (kBug == CountBug::kTwoSteps) {
      const int left = block->references.load(kAcquire) - 1;
      block->references.store(left, kRelease);
      if (left == 0) delete block;
      return;
    }
    const auto order = kBug == CountBug::kRelaxedDrop ? kRelaxed : kAcqRel;
    if (block->references.fetch_sub(1, order) == 1) delete block;
  };
  Thread other([&] {
    static_cast<void>(block->value.read());
    drop();
  });
  static_cast<void>(block->value.read());
  drop();
  other.join();
}

template <bool kWithLock>
void notify() {
  Mutex mutex;
  CondVar condition;
  Atomic<bool> done(false);
  Thread other([&] {
    if (kWithLock) {
      const Lock lock(mutex);
      done.store(true);
    } else {
      done.store(true);
    }
    condition.notify_one();
  });
  {
    Lock lock(mutex);
    while (!done.load()) condition.wait(lock);
  }
  other.join();
}

template <bool kSameOrder>
void two_locks() {
  Mutex first;
  Mutex second;
  Thread other([&] {
    const Lock a(kSameOrder ? first : second);
    const Lock b(kSameOrder ? second : first);
  });
  {
    const Lock a(first);
    const Lock b(second);
  }
  other.join();
}

template <bool kRight>
void spin_lock() {
  Atomic<bool> locked(false);
  Cell<int> guarded(0);
  const auto add = [&] {
    while (locked.exchange(true, kAcquire)) yield();
    guarded.write() += 1;
    locked.store(false, kRight ? kRelease : kRelaxed);
  };
  Thread other(add);
  add();
  other.join();
  MODEL_REQUIRE(guarded.read() == 2);
}

template <std::memory_order kOrder>
void dekker() {
  const auto load = kOrder == kSeqCst ? kSeqCst : kAcquire;
  const auto store = kOrder == kSeqCst ? kSeqCst : kRelease;
  Atomic<bool> mine(false);
  Atomic<bool> yours(false);
  Cell<int> guarded(0);
  Thread other([&] {
    yours.store(true, store);
    if (!mine.load(load)) guarded.write() = 1;
  });
  mine.store(true, store);
  if (!yours.load(load)) guarded.write() = 2;
  other.join();
}

template <bool kAtomicCheck>
void once() {
  Atomic<int> state(0);
  Atomic<int> made(0);
  const auto get = [&] {
    if (kAtomicCheck) {
      int expected = 0;
      if (state.compare_exchange_strong(expected, 1)) made.fetch_add(1);
    } else if (state.load() == 0) {
      state.store(1);
      made.fetch_add(1);
    }
  };
  Thread other(get);
  get();
  other.join();
  MODEL_REQUIRE(made.load() == 1);
}

// A stack of nodes that are used again: a pop that was interrupted takes a next that is old (ABA).
template <bool kCounted>
void stack() {
  constexpr std::uint32_t kNone = 7;
  std::array<Atomic<std::uint32_t>, 2> next;
  next[0].store(1, kRelaxed);
  next[1].store(kNone, kRelaxed);
  Atomic<std::uint32_t> top(0);  // The index, and above it a count of changes.
  const auto index = [](std::uint32_t word) { return word & 7U; };
  const auto changed = [&](std::uint32_t word, std::uint32_t to) {
    return kCounted ? ((word & ~7U) + 8) | to : to;
  };
  const auto pop = [&] {
    std::uint32_t seen = top.load(kAcquire);
    while (index(seen) != kNone) {
      const std::uint32_t after = next[index(seen)].load(kRelaxed);
      if (top.compare_exchange_strong(seen, changed(seen, after), kAcqRel, kAcquire)) break;
    }
    return index(seen);
  };
  const auto push = [&](std::uint32_t node) {
    std::uint32_t seen = top.load(kRelaxed);
    do {
      next[node].store(index(seen), kRelaxed);
    } while (!top.compare_exchange_strong(seen, changed(seen, node), kAcqRel, kRelaxed));
  };
  std::uint32_t mine = kNone;
  Thread other([&] {
    const std::uint32_t a = pop();
    const std::uint32_t b = pop();
    if (a != kNone) push(a);
    mine = b;
  });
  const std::uint32_t got = pop();
  other.join();
  const std::uint32_t left = pop();
  const std::array<std::uint32_t, 3> all = {got, mine, left};
  for (std::uint32_t node = 0; node < 2; ++node) {
    int times = 0;
    for (const std::uint32_t each : all) times += each == node;
    MODEL_REQUIRE(times <= 1);  // Nobody has what another one has.
  }
}

}  // namespace

const std::vector<Seeded>& seeded_bugs() {
  using V = Verdict;
  static const auto* const cases = new std::vector<Seeded>{
      {"parker", "", &parker<ParkerBug::kNone>, V::kPassed, 2},
      {"parker", "checks, then sets", &parker<ParkerBug::kChecksThenSets>, V::kDeadlock, 1},
      {"parker", "unpark without the lock", &parker<ParkerBug::kNoRoundTrip>, V::kDeadlock, 0},
      {"parker", "returns early on a token", &parker<ParkerBug::kReturnsEarly>, V::kDeadlock, 0},
      {"parker", "publishes nothing", &parker<ParkerBug::kPublishesNothing>, V::kDeadlock, 0},
      {"parker", "takes without acquire", &parker<ParkerBug::kTakesWithoutAcquire>, V::kDeadlock,
       0},
      {"parker", "notifies first", &parker<ParkerBug::kNotifiesFirst>, V::kDeadlock, 0},
      {"parker", "waits once", &parker<ParkerBug::kWaitsOnce>, V::kAssertion, 0},
      {"task", "", &task<TaskBug::kNone>, V::kPassed, 2},
      {"task", "drops a wake while it runs", &task<TaskBug::kDropsWakeWhileRunning>, V::kDeadlock,
       0},
      {"task", "returns early when notified", &task<TaskBug::kReturnsEarly>, V::kDeadlock, 0},
      {"task", "stays notified", &task<TaskBug::kStaysNotified>, V::kLivelock, 0},
      {"task", "a wake in two steps", &task<TaskBug::kTwoSteps>, V::kAssertion, 0},
      {"readiness", "", &readiness<ReadyBug::kNone>, V::kPassed, 2},
      {"readiness", "takes the waker first", &readiness<ReadyBug::kWakersFirst>, V::kDeadlock, 1},
      {"readiness", "looks once", &readiness<ReadyBug::kLooksOnce>, V::kDeadlock, 1},
      {"readiness", "publishes nothing", &readiness<ReadyBug::kRelaxedEvent>, V::kDataRace, 1},
      {"idle", "", &idle<IdleBug::kNone>, V::kPassed, 2},
      {"idle", "in two steps", &idle<IdleBug::kTwoSteps>, V::kDeadlock, 1},
      {"idle", "without seq_cst", &idle<IdleBug::kAcqRelOnly>, V::kDeadlock, 0},
      {"ring", "", &ring<RingBug::kNone, 1, 3, 2>, V::kPassed, 2},
      {"ring, two thieves", "", &ring<RingBug::kNone, 2, 4, 1>, V::kPassed, 2},
      {"ring", "room behind the real head", &ring<RingBug::kRealCapacity, 1, 4, 2>, V::kDataRace,
       2},
      {"ring", "tail without release", &ring<RingBug::kRelaxedPush, 1, 0, 2>, V::kDataRace, 0},
      {"ring", "tail without acquire", &ring<RingBug::kRelaxedSteal, 1, 0, 2>, V::kDataRace, 0},
      {"ring", "a pop forgets the thief", &ring<RingBug::kPopForgetsThief, 1, 4, 3>, V::kDataRace,
       2},
      {"ring, two thieves", "a second thief", &ring<RingBug::kSecondThief, 2, 4, 1>, V::kDataRace,
       2},
      {"ring", "slots freed before they are copied", &ring<RingBug::kFreedBeforeCopied, 1, 4, 2>,
       V::kDataRace, 1},
      {"ring", "slots freed without release", &ring<RingBug::kRelaxedRelease, 1, 4, 2>,
       V::kDataRace, 1},
      {"counted", "", &counted<CountBug::kNone>, V::kPassed, 2},
      {"counted", "a relaxed drop", &counted<CountBug::kRelaxedDrop>, V::kDataRace, 0},
      {"counted", "a drop in two steps", &counted<CountBug::kTwoSteps>, V::kLeak, 0},
      {"notify", "", &notify<true>, V::kPassed, 2},
      {"notify", "without the lock", &notify<false>, V::kDeadlock, 1},
      {"two locks", "", &two_locks<true>, V::kPassed, 2},
      {"two locks", "in two orders", &two_locks<false>, V::kDeadlock, 1},
      {"spin lock", "", &spin_lock<true>, V::kPassed, 2},
      {"spin lock", "a relaxed unlock", &spin_lock<false>, V::kDataRace, 0},
      {"dekker", "", &dekker<kSeqCst>, V::kPassed, 2},
      {"dekker", "without seq_cst", &dekker<kAcqRel>, V::kDataRace, 0},
      {"once", "", &once<true>, V::kPassed, 2},
      {"once", "looks, then sets", &once<false>, V::kAssertion, 1},
      {"stack", "", &stack<true>, V::kPassed, 2},
      {"stack", "without a count", &stack<false>, V::kAssertion, 1},
  };
  return *cases;
}

}  // namespace testkit::model
