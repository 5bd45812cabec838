// The litmus tests. Two threads unless it says so; x, y are atomics that begin with 0, r1, r2, …
// what was read, in the order of the text. An outcome is the list of what was read.
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include "cases.h"

namespace testkit::model {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;
constexpr auto kAcqRel = std::memory_order_acq_rel;
constexpr auto kSeqCst = std::memory_order_seq_cst;

struct Memory {
  Atomic<int> x{0};
  Atomic<int> y{0};
  std::array<int, 4> r{};  // Each is written by one thread, and read after all have ended.

  std::string read(std::size_t count) const {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += static_cast<char>('0' + r[i]);
    return text;
  }
};

template <class First, class Second>
void two(First first, Second second) {
  Thread a(std::move(first));
  Thread b(std::move(second));
  a.join();
  b.join();
}

// ---- message passing: x is the message, y says that it is there ----

template <std::memory_order kStore, std::memory_order kLoad>
void message(Outcomes& seen) {
  Memory m;
  two(
      [&] {
        m.x.store(1, kRelaxed);
        m.y.store(1, kStore);
      },
      [&] {
        m.r[0] = m.y.load(kLoad);
        m.r[1] = m.x.load(kRelaxed);
      });
  seen.add(m.read(2));
}

template <bool kReleaseFence, bool kAcquireFence>
void message_with_fences(Outcomes& seen) {
  Memory m;
  two(
      [&] {
        m.x.store(1, kRelaxed);
        if (kReleaseFence) fence(kRelease);
        m.y.store(1, kRelaxed);
      },
      [&] {
        m.r[0] = m.y.load(kRelaxed);
        if (kAcquireFence) fence(kAcquire);
        m.r[1] = m.x.load(kRelaxed);
      });
  seen.add(m.read(2));
}

// ---- store buffering: each stores its own and looks at the other's ----

template <std::memory_order kStore1, std::memory_order kLoad1, std::memory_order kStore2,
          std::memory_order kLoad2>
void buffering(Outcomes& seen) {
  Memory m;
  two(
      [&] {
        m.x.store(1, kStore1);
        m.r[0] = m.y.load(kLoad1);
      },
      [&] {
        m.y.store(1, kStore2);
        m.r[1] = m.x.load(kLoad2);
      });
  seen.add(m.read(2));
}

template <std::memory_order kFence1, std::memory_order kFence2>
void buffering_with_fences(Outcomes& seen) {
  Memory m;
  two(
      [&] {
        m.x.store(1, kRelaxed);
        fence(kFence1);
        m.r[0] = m.y.load(kRelaxed);
      },
      [&] {
        m.y.store(1, kRelaxed);
        fence(kFence2);
        m.r[1] = m.x.load(kRelaxed);
      });
  seen.add(m.read(2));
}

// One side has a fence, the other seq_cst operations.
template <std::memory_order kStore, std::memory_order kLoad>
void buffering_mixed(Outcomes& seen) {
  Memory m;
  two(
      [&] {
        m.x.store(1, kRelaxed);
        fence(kSeqCst);
        m.r[0] = m.y.load(kRelaxed);
      },
      [&] {
        m.y.store(1, kStore);
        m.r[1] = m.x.load(kLoad);
      });
  seen.add(m.read(2));
}

void buffering_by_exchange(Outcomes& seen) {
  Memory m;
  two(
      [&] {
        m.x.store(1, kRelaxed);
        m.r[0] = m.y.exchange(1, kAcqRel);
      },
      [&] {
        m.r[1] = m.y.exchange(1, kAcqRel);
        m.r[2] = m.x.load(kRelaxed);
      });
  seen.add(m.read(3));
}

// ---- load buffering ----

void load_buffering(Outcomes& seen) {
  Memory m;
  two(
      [&] {
        m.r[0] = m.x.load(kRelaxed);
        m.y.store(1, kRelaxed);
      },
      [&] {
        m.r[1] = m.y.load(kRelaxed);
        m.x.store(1, kRelaxed);
      });
  seen.add(m.read(2));
}

// ---- coherence: one atomic has one modification order ----

void two_reads(Outcomes& seen) {
  Memory m;
  two(
      [&] {
        m.x.store(1, kRelaxed);
        m.x.store(2, kRelaxed);
      },
      [&] {
        m.r[0] = m.x.load(kRelaxed);
        m.r[1] = m.x.load(kRelaxed);
      });
  seen.add(m.read(2));
}

void own_write(Outcomes& seen) {
  Memory m;
  two(
      [&] {
        m.x.store(1, kRelaxed);
        m.r[0] = m.x.load(kRelaxed);
      },
      [&] { m.x.store(2, kRelaxed); });
  m.r[1] = m.x.load(kRelaxed);
  seen.add(m.read(2));
}

// What was read is a floor for others too, once that is passed on: the second thread reads x and
// tells the third by y.
template <std::memory_order kTell, std::memory_order kHear>
void read_is_passed_on(Outcomes& seen) {
  Memory m;
  Thread a([&] { m.x.store(1, kRelaxed); });
  Thread b([&] {
    m.r[0] = m.x.load(kRelaxed);
    m.y.store(1, kTell);
  });
  Thread c([&] {
    m.r[1] = m.y.load(kHear);
    m.r[2] = m.x.load(kRelaxed);
  });
  a.join();
  b.join();
  c.join();
  seen.add(m.read(3));
}

template <std::memory_order kStore>
void two_writers_each(Outcomes& seen) {
  Memory m;
  two(
      [&] {
        m.x.store(1, kStore);
        m.y.store(2, kStore);
      },
      [&] {
        m.y.store(1, kStore);
        m.x.store(2, kStore);
      });
  m.r[0] = m.x.load(kRelaxed);
  m.r[1] = m.y.load(kRelaxed);
  seen.add(m.read(2));
}

// ---- independent reads of independent writes: do two readers agree on the order? ----

template <std::memory_order kStore, std::memory_order kLoad, bool kFences>
void independent(Outcomes& seen) {
  Memory m;
  Thread a([&] { m.x.store(1, kStore); });
  Thread b([&] { m.y.store(1, kStore); });
  Thread c([&] {
    m.r[0] = m.x.load(kLoad);
    if (kFences) fence(kSeqCst);
    m.r[1] = m.y.load(kLoad);
  });
  Thread d([&] {
    m.r[2] = m.y.load(kLoad);
    if (kFences) fence(kSeqCst);
    m.r[3] = m.x.load(kLoad);
  });
  a.join();
  b.join();
  c.join();
  d.join();
  // Only whether they disagree: all sixteen results are too many to read.
  seen.add(m.read(4) == "1010" ? "disagree" : "agree");
}

// ---- release sequences ----

// x is the message; y is 1 from its writer, and then changed by another thread.
template <bool kByUpdate>
void sequence_of_another(Outcomes& seen) {
  Memory m;
  Thread a([&] {
    m.x.store(1, kRelaxed);
    m.y.store(1, kRelease);
  });
  Thread b([&] {
    if (kByUpdate) {
      m.y.fetch_add(1, kRelaxed);
    } else if (m.y.load(kRelaxed) == 1) {
      m.y.store(2, kRelaxed);
    }
  });
  Thread c([&] {
    m.r[0] = m.y.load(kAcquire);
    m.r[1] = m.x.load(kRelaxed);
  });
  a.join();
  b.join();
  c.join();
  if (m.r[0] == 2) seen.add(m.r[1] == 1 ? "sees the message" : "misses the message");
}

// The writer itself stores once more, without release.
void sequence_of_the_same(Outcomes& seen) {
  Memory m;
  two(
      [&] {
        m.x.store(1, kRelaxed);
        m.y.store(1, kRelease);
        m.y.store(2, kRelaxed);
      },
      [&] {
        m.r[0] = m.y.load(kAcquire);
        m.r[1] = m.x.load(kRelaxed);
      });
  if (m.r[0] == 2) seen.add(m.r[1] == 1 ? "sees the message" : "misses the message");
}

// A release fence, a relaxed store, and a relaxed update by another thread after it.
void sequence_of_a_fence(Outcomes& seen) {
  Memory m;
  Thread a([&] {
    m.x.store(1, kRelaxed);
    fence(kRelease);
    m.y.store(1, kRelaxed);
  });
  Thread b([&] { m.y.fetch_add(1, kRelaxed); });
  Thread c([&] {
    m.r[0] = m.y.load(kAcquire);
    m.r[1] = m.x.load(kRelaxed);
  });
  a.join();
  b.join();
  c.join();
  if (m.r[0] == 2) seen.add(m.r[1] == 1 ? "sees the message" : "misses the message");
}

// ---- causality through a third thread ----

template <std::memory_order kStore, std::memory_order kLoad>
void causality(Outcomes& seen) {
  Memory m;
  Thread a([&] { m.x.store(1, kRelaxed); });
  Thread b([&] {
    m.r[0] = m.x.load(kLoad);
    m.y.store(1, kStore);
  });
  Thread c([&] {
    m.r[1] = m.y.load(kLoad);
    m.r[2] = m.x.load(kRelaxed);
  });
  a.join();
  b.join();
  c.join();
  seen.add(m.read(3) == "110" ? "effect without cause" : "in order");
}

// ---- read-modify-writes ----

void two_adds(Outcomes& seen) {
  Memory m;
  two([&] { m.r[0] = m.x.fetch_add(1, kRelaxed); }, [&] { m.r[1] = m.x.fetch_add(1, kRelaxed); });
  m.r[2] = m.x.load(kRelaxed);
  seen.add(m.read(3));
}

void failing_compare_exchange(Outcomes& seen) {
  Memory m;
  two(
      [&] {
        m.x.store(1, kRelaxed);
        m.y.store(1, kRelaxed);
      },
      [&] {
        m.r[0] = m.y.load(kRelaxed);
        int expected = 1;
        m.r[1] = m.x.compare_exchange_strong(expected, 5, kRelaxed) ? 1 : 0;
        m.r[2] = expected;
      });
  if (m.r[0] == 1) seen.add(m.r[1] == 1 ? "exchanged" : "read the older");
}

void weak_compare_exchange(Outcomes& seen) {
  Atomic<int> x(1);
  int expected = 1;
  const bool done = x.compare_exchange_weak(expected, 2, kRelaxed);
  seen.add(done ? "exchanged" : "failed, and read " + std::to_string(expected));
}

// A strong one fails only where there is another value.
void strong_compare_exchange(Outcomes& seen) {
  Memory m;
  two([&] { m.x.store(1, kRelaxed); },
      [&] {
        int expected = 0;
        const bool done = m.x.compare_exchange_strong(expected, 5, kRelaxed);
        seen.add(done ? "exchanged" : "read " + std::to_string(expected));
      });
}

// The order of a seq_cst store and a seq_cst fence shows later: only if the fence is first may x be
// read behind y. `kFenceFirst`: which of the two threads is started first.
template <bool kFenceFirst>
void store_against_fence(Outcomes& seen) {
  Memory m;
  const auto store = [&] {
    m.x.store(1, kSeqCst);
    m.y.store(1, kRelaxed);
  };
  const auto look = [&] {
    fence(kSeqCst);
    m.r[0] = m.y.load(kRelaxed);
    m.r[1] = m.x.load(kRelaxed);
  };
  if (kFenceFirst) {
    two(look, store);
  } else {
    two(store, look);
  }
  seen.add(m.read(2));
}

// ---- orders that have to be told apart ----
//
// Something has happened in one of two orders, and then there is a choice that has nothing to do
// with it. Whoever takes the two orders for the same state sees only three of the four results.

std::string coin() {
  Atomic<int> x(0);
  int expected = 0;
  return x.compare_exchange_weak(expected, 1, kRelaxed) ? ", heads" : ", tails";
}

void order_of_stores(Outcomes& seen) {
  Memory m;
  two([&] { m.x.store(1, kRelaxed); }, [&] { m.x.store(2, kRelaxed); });
  seen.add(std::to_string(m.x.load(kRelaxed)) + coin());
}

void order_of_updates(Outcomes& seen) {
  Memory m;
  two([&] { m.x.exchange(1, kRelaxed); }, [&] { m.x.exchange(2, kRelaxed); });
  seen.add(std::to_string(m.x.load(kRelaxed)) + coin());
}

void order_of_locks(Outcomes& seen) {
  Mutex mutex;
  int last = 0;  // Guarded by the mutex.
  const auto set = [&](int value) {
    const Lock lock(mutex);
    last = value;
  };
  two([&] { set(1); }, [&] { set(2); });
  seen.add(std::to_string(last) + coin());
}

void order_of_waits(Outcomes& seen) {
  Mutex mutex;
  CondVar condition;
  bool done = false;
  bool has_waited = false;
  two(
      [&] {
        Lock lock(mutex);
        while (!done) {
          has_waited = true;
          condition.wait(lock);
        }
      },
      [&] {
        const Lock lock(mutex);
        done = true;
        condition.notify_one();
      });
  seen.add((has_waited ? "waited" : "went on") + coin());
}

void order_of_timeouts(Outcomes& seen) {
  Mutex mutex;
  CondVar condition;
  const auto wait = [&](int milliseconds) {
    Lock lock(mutex);
    condition.wait_for(lock, std::chrono::milliseconds(milliseconds));
  };
  two([&] { wait(1); }, [&] { wait(2); });
  seen.add(std::to_string(SteadyClock::now().time_since_epoch() / std::chrono::milliseconds(1)) +
           coin());
}

// When a thread has read the clock: before another one's wait timed out, or after.
void order_of_clock_reads(Outcomes& seen) {
  Mutex mutex;
  CondVar condition;
  Memory m;
  two(
      [&] {
        Lock lock(mutex);
        condition.wait_for(lock, std::chrono::milliseconds(1));
      },
      [&] {
        const auto now = SteadyClock::now().time_since_epoch();
        m.x.fetch_add(1, kRelaxed);  // A point at which the other wait may time out.
        m.r[0] = static_cast<int>(now / std::chrono::milliseconds(1));
      });
  if (SteadyClock::now().time_since_epoch() > std::chrono::milliseconds(0)) {
    seen.add(m.read(1) + coin());
  }
}

void order_of_first_uses(Outcomes& seen) {
  struct Tag;
  struct Maker {
    int thread = this_thread();
  };
  Memory m;
  const auto use = [&] {
    m.x.fetch_add(0, kRelaxed);  // A point at which the other may go first.
    static_cast<void>(Global<Maker, Tag>::get());
  };
  two(use, use);
  seen.add(std::to_string(Global<Maker, Tag>::get().thread) + coin());
}

void store_and_look(Outcomes& seen) {  // "R": a store against a store, a load against a store.
  Memory m;
  two(
      [&] {
        m.x.store(1, kSeqCst);
        m.y.store(1, kSeqCst);
      },
      [&] {
        m.y.store(2, kSeqCst);
        m.r[0] = m.x.load(kSeqCst);
      });
  m.r[1] = m.y.load(kRelaxed);
  seen.add(m.read(2));
}

}  // namespace

const std::vector<Litmus>& litmus_tests() {
  const Outcomes all({"00", "01", "10", "11"});
  const Outcomes in_order({"00", "01", "11"});
  const Outcomes not_both({"01", "10", "11"});
  static const auto* const tests = new std::vector<Litmus>{
      {"message, release and acquire",
       "the acquire load that reads the release store synchronizes with it",
       &message<kRelease, kAcquire>, in_order},
      {"message, relaxed store", "nothing is released", &message<kRelaxed, kAcquire>, all},
      {"message, relaxed load", "nothing is acquired", &message<kRelease, kRelaxed>, all},
      {"message, seq_cst", "seq_cst is release and acquire too", &message<kSeqCst, kSeqCst>,
       in_order},
      {"message, both fences", "a release fence synchronizes with an acquire fence",
       &message_with_fences<true, true>, in_order},
      {"message, release fence only", "nothing is acquired", &message_with_fences<true, false>,
       all},
      {"message, acquire fence only", "nothing is released", &message_with_fences<false, true>,
       all},
      {"buffering, relaxed", "no rule forbids it",
       &buffering<kRelaxed, kRelaxed, kRelaxed, kRelaxed>, all},
      {"buffering, release and acquire", "neither load reads from a store that orders it",
       &buffering<kRelease, kAcquire, kRelease, kAcquire>, all},
      {"buffering, seq_cst", "of two seq_cst stores one is first, and the other's load is later",
       &buffering<kSeqCst, kSeqCst, kSeqCst, kSeqCst>, not_both},
      {"buffering, seq_cst stores, acquire loads", "the loads are not in the seq_cst order",
       &buffering<kSeqCst, kAcquire, kSeqCst, kAcquire>, all},
      {"buffering, one side seq_cst", "the other side is not in the seq_cst order",
       &buffering<kSeqCst, kSeqCst, kRelease, kAcquire>, all},
      {"buffering, seq_cst fences", "a load after the later fence sees what is before the earlier",
       &buffering_with_fences<kSeqCst, kSeqCst>, not_both},
      {"buffering, acq_rel fences", "only seq_cst fences have an order among themselves",
       &buffering_with_fences<kAcqRel, kAcqRel>, all},
      {"buffering, one seq_cst fence", "it has no other to be ordered with",
       &buffering_with_fences<kSeqCst, kAcqRel>, all},
      {"buffering, fence against seq_cst operations", "fences are in the order of the operations",
       &buffering_mixed<kSeqCst, kSeqCst>, not_both},
      {"buffering, fence against a relaxed load", "that load is not in the seq_cst order",
       &buffering_mixed<kSeqCst, kRelaxed>, all},
      {"buffering, fence against a relaxed store", "that store is not in the seq_cst order",
       &buffering_mixed<kRelaxed, kSeqCst>, all},
      {"buffering, by an exchange on each side", "one exchange reads the other's, and acquires",
       &buffering_by_exchange, Outcomes({"011", "100", "101"})},
      {"load buffering", "NOT MODELLED: C++ allows 11 as well", &load_buffering,
       Outcomes({"00", "01", "10"})},
      {"coherence, two reads", "read-read coherence: never back in the modification order",
       &two_reads, Outcomes({"00", "01", "02", "11", "12", "22"})},
      {"coherence, own write", "write-read coherence", &own_write, Outcomes({"11", "12", "22"})},
      {"coherence, a read passed on", "read-read coherence, by happens-before",
       &read_is_passed_on<kRelease, kAcquire>,
       Outcomes({"000", "001", "010", "011", "100", "101", "111"})},
      {"coherence, a read not passed on", "nothing orders the two reads",
       &read_is_passed_on<kRelaxed, kRelaxed>,
       Outcomes({"000", "001", "010", "011", "100", "101", "110", "111"})},
      {"two writers each, relaxed", "NOT MODELLED: C++ allows 11 as well",
       &two_writers_each<kRelaxed>, Outcomes({"12", "21", "22"})},
      {"two writers each, seq_cst", "the stores are in one order", &two_writers_each<kSeqCst>,
       Outcomes({"12", "21", "22"})},
      {"independent, acquire", "nothing orders the two writers",
       &independent<kRelease, kAcquire, false>, Outcomes({"agree", "disagree"})},
      {"independent, seq_cst", "all are in one order", &independent<kSeqCst, kSeqCst, false>,
       Outcomes({"agree"})},
      {"independent, seq_cst loads only",
       "a load that reads behind another seq_cst load comes before it",
       &independent<kRelaxed, kSeqCst, false>, Outcomes({"agree"})},
      {"independent, seq_cst stores only", "the loads are not in the order",
       &independent<kSeqCst, kAcquire, false>, Outcomes({"agree", "disagree"})},
      {"independent, seq_cst fences between relaxed loads",
       "what is read before a fence is seen after a later one",
       &independent<kRelaxed, kRelaxed, true>, Outcomes({"agree"})},
      {"release sequence, an update of another thread", "a read-modify-write goes on with it",
       &sequence_of_another<true>, Outcomes({"sees the message"})},
      {"release sequence, a store of another thread", "a store ends it",
       &sequence_of_another<false>, Outcomes({"misses the message", "sees the message"})},
      {"release sequence, a store of the same thread", "since C++20 that ends it as well",
       &sequence_of_the_same, Outcomes({"misses the message", "sees the message"})},
      {"release sequence, of a fence", "a relaxed store after a release fence would head one",
       &sequence_of_a_fence, Outcomes({"sees the message"})},
      {"causality, release and acquire", "happens-before is transitive",
       &causality<kRelease, kAcquire>, Outcomes({"in order"})},
      {"causality, relaxed", "no synchronization", &causality<kRelaxed, kRelaxed>,
       Outcomes({"effect without cause", "in order"})},
      {"two adds", "a read-modify-write reads the last value", &two_adds, Outcomes({"012", "102"})},
      {"a compare_exchange that fails", "it is a load then", &failing_compare_exchange,
       Outcomes({"exchanged", "read the older"})},
      {"a weak compare_exchange", "it may fail for no reason", &weak_compare_exchange,
       Outcomes({"exchanged", "failed, and read 1"})},
      {"a strong compare_exchange", "it fails only if the value is another one",
       &strong_compare_exchange, Outcomes({"exchanged", "read 1"})},
      {"store against fence", "what comes before a fence in the seq_cst order is seen after it",
       &store_against_fence<false>, all},
      {"store against fence, started first", "the same", &store_against_fence<true>, all},
      {"order of stores", "the modification order", &order_of_stores,
       Outcomes({"1, heads", "1, tails", "2, heads", "2, tails"})},
      {"order of updates", "the modification order", &order_of_updates,
       Outcomes({"1, heads", "1, tails", "2, heads", "2, tails"})},
      {"order of locks", "what the lock guards", &order_of_locks,
       Outcomes({"1, heads", "1, tails", "2, heads", "2, tails"})},
      {"order of waits", "a notify wakes those who wait", &order_of_waits,
       Outcomes({"waited, heads", "waited, tails", "went on, heads", "went on, tails"})},
      {"order of timeouts", "a wait that begins later ends later; one may end for no reason",
       &order_of_timeouts,
       Outcomes({"1, heads", "1, tails", "2, heads", "2, tails", "3, heads", "3, tails"})},
      {"order of clock reads", "the clock goes on when a wait times out", &order_of_clock_reads,
       Outcomes({"0, heads", "0, tails", "1, heads", "1, tails"})},
      {"order of first uses", "who comes first makes it", &order_of_first_uses,
       Outcomes({"1, heads", "1, tails", "2, heads", "2, tails"})},
      {"store and look, seq_cst", "the stores and the load are in one order", &store_and_look,
       Outcomes({"01", "11", "12"})},
  };
  return *tests;
}

}  // namespace testkit::model
