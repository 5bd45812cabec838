// The model checker: runs a small scenario once for every way in which its threads can interleave,
// and for every value that the memory model lets a load read. If one of them goes wrong it shows
// that one, as a table with a column for each thread.
//
//   TEST(ParkerModel, UnparkBeforeParkIsNotLost) {
//     testkit::model::check([] {
//       Parker parker;
//       testkit::model::Thread other([&] { parker.unpark(); });
//       parker.park();
//       other.join();
//     });
//   }
//
// The code under test uses rt/platform/sync.h, which in these tests stands for the types in
// testkit/model/{atomic,sync}.h. No thread of the system is started: the scenario's threads are
// fibers, and the checker decides at each operation on a shared object who goes on.
//
// Reported: a failed MODEL_REQUIRE or EXPECT_, a data race on a Cell or on an object's beginning or
// end, a deadlock, an execution that does not end, what is not destroyed by the end, destroyed
// twice or used afterwards, an exception that leaves a thread, misuse of a mutex or a thread.
//
// What a scenario has to keep to
//   1. It starts from nothing, each time, and does the same when it reads the same: nothing static,
//      no time, no random numbers, no order that depends on addresses. rt::sync::Global and
//      ThreadLocal are made anew for each execution.
//   2. Plain data that two threads reach is a Cell, or is ordered by a mutex or an atomic; the
//      scenario's own notes too. The checker leaves out orders that only such data could tell
//      apart.
//   3. A loop that waits for another thread calls yield(). Better, it waits on something.
//   4. It is small: two or three threads with a few operations each. Twice the operations may take
//      a hundred times the executions.
//
// How it explores. A switch away from a thread that could have gone on is a preemption. All
// executions without one are tried, then all with one, and so on up to Options::preemptions: so the
// first counterexample has the fewest. What can be missed is a bug that takes more preemptions; few
// do. A state is not explored twice: two states are the same if every thread has done the same
// operations, each of which read from and came after the same operations of others (the same
// happens-before graph: Musuvathi and Qadeer 2007), with the same thread running and at least as
// many preemptions left. Unlike sleep sets and the classic dynamic partial-order reductions, this
// loses nothing under a bound. A state is known by a hash of 64 bits: among ten million states, one
// in 400,000 searches would take two for the same.
//
// What is not modelled, so that a passing check says nothing about it
//   1. A load that reads a store which its own thread's later store has led to (load buffering).
//   2. A store that takes a place in the modification order before one executed earlier.
//   3. An order of seq_cst operations that goes against happens-before, which C++20 allows where
//      they are mixed with weaker ones on the same atomic.
//   4. Stores more than eight modifications old; more than kMostThreads threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "testkit/model/atomic.h"
#include "testkit/model/condition.h"
#include "testkit/model/object.h"
#include "testkit/model/sync.h"

namespace testkit::model {

class Options {
 public:
  static constexpr int kMostThreads = 7;  // With the scenario's own.

  Options() noexcept {}

  // Up to how many preemptions. kUnbounded: all there are.
  static constexpr int kUnbounded = 100;
  Options& preemptions(int most) noexcept { return set(preemptions_, std::min(most, kUnbounded)); }
  // How many waits of one execution may return for no reason.
  Options& spurious_wakeups(int most) noexcept { return set(spurious_wakeups_, most); }
  // How many timed waits of one execution may time out while another thread could go on. When none
  // can, they always do.
  Options& timeouts(int most) noexcept { return set(timeouts_, most); }
  // How many compare_exchange of one execution may fail without need: by reading an older store
  // than the newest, or, the weak ones, for no reason.
  Options& needless_failures(int most) noexcept { return set(needless_failures_, most); }
  // An execution of more steps does not end: a livelock. At most 20,000.
  Options& max_steps(int most) noexcept { return set(max_steps_, std::min(most, 20'000)); }
  // A search of more executions is given up, as a failure: the scenario is too large.
  Options& max_executions(std::uint64_t most) noexcept {
    max_executions_ = most;
    return *this;
  }
  // Off: states are explored each time they are met. For the checker's own tests.
  Options& reduction(bool on) noexcept {
    reduction_ = on;
    return *this;
  }

  int preemptions() const noexcept { return preemptions_; }
  int spurious_wakeups() const noexcept { return spurious_wakeups_; }
  int timeouts() const noexcept { return timeouts_; }
  int needless_failures() const noexcept { return needless_failures_; }
  int max_steps() const noexcept { return max_steps_; }
  std::uint64_t max_executions() const noexcept { return max_executions_; }
  bool reduction() const noexcept { return reduction_; }

 private:
  Options& set(int& which, int value) noexcept {
    which = value;
    return *this;
  }

  int preemptions_ = 2;
  int spurious_wakeups_ = 1;
  int timeouts_ = 2;
  int needless_failures_ = 1;
  int max_steps_ = 2'000;
  std::uint64_t max_executions_ = 5'000'000;
  bool reduction_ = true;
};

enum class Verdict : std::uint8_t {
  kPassed,
  kAssertion,    // MODEL_REQUIRE.
  kExpectation,  // One of GoogleTest's macros.
  kDataRace,
  kDeadlock,
  kLivelock,          // More than Options::max_steps.
  kLeak,              // Not destroyed by the end.
  kUseAfterEnd,       // Used or destroyed a second time after it was destroyed.
  kMisuse,            // Such as unlocking a mutex that is not held.
  kException,         // One that left a thread.
  kNotDeterministic,  // The same choices led elsewhere.
  kTooLarge,          // More than Options::max_executions.
};
const char* name_of(Verdict verdict) noexcept;
inline void PrintTo(Verdict verdict, std::ostream* out) { *out << name_of(verdict); }

// A step of an execution.
struct Row {
  int thread;
  Place where;
  std::string text;
};

struct Result {
  Result() {}
  bool passed() const noexcept { return verdict == Verdict::kPassed; }

  Verdict verdict = Verdict::kPassed;
  std::uint64_t executions = 0;  // Up to and with the one that failed.
  std::uint64_t states = 0;      // Different ones at the last bound.
  int preemptions = 0;           // Of the one that failed; else the bound that was reached.
  bool is_complete = false;      // No execution was left out for its preemptions.
  std::string what;              // What went wrong, in one line.
  std::string file;              // The line that did it, or was about to.
  int line = 0;
  std::vector<Row> rows;  // The interleaving. Empty if it passed.
  std::string schedule;   // Replays it.
};

namespace detail {

// A reference to the scenario, without its type.
class Scenario {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, Scenario>) Scenario(F&& f)
  noexcept
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        run_([](void* object) { (*static_cast<std::remove_reference_t<F>*>(object))(); }) {}
  Scenario(void (&function)()) noexcept
      : object_(reinterpret_cast<void*>(&function)),
        run_([](void* object) { reinterpret_cast<void (*)()>(object)(); }) {}
  void operator()() const { run_(object_); }

 private:
  void* object_;
  void (*run_)(void*);
};

}  // namespace detail

// Explores, and makes a failure of the running test of what goes wrong. With
// TESTKIT_MODEL_REPLAY=schedule in the environment it runs that execution only, and prints it.
Result check(const Options& options, detail::Scenario scenario, Place place = Place::current());
inline Result check(detail::Scenario scenario, Place place = Place::current()) {
  return check(Options(), scenario, place);
}

// Explores, and says what came of it. For tests of the checker.
Result explore(const Options& options, detail::Scenario scenario);

// A remark: a row of the table.
void note(const std::string& text, Place place = Place::current());

// What a model thread has done since it began. For what a contract says of its costs.
struct Costs {
  int locks = 0;    // Mutexes that it took.
  int updates = 0;  // Read-modify-writes, a compare_exchange that failed among them.
};
Costs costs() noexcept;  // Of the thread that calls.

// What `work` costs the thread that calls.
template <class F>
Costs cost_of(F work) {
  const Costs before = costs();
  work();
  const Costs after = costs();
  return {after.locks - before.locks, after.updates - before.updates};
}

// The model thread that calls: 0 is the scenario, 1 the first thread it started; -1 outside.
inline int this_thread() noexcept { return detail::this_thread(); }

// An assertion: if it is false this execution ends here, and is shown.
#define MODEL_REQUIRE(condition)                                                              \
  do {                                                                                        \
    _Pragma("GCC diagnostic push")                                                            \
        _Pragma("GCC diagnostic ignored \"-Wparentheses\"")::testkit::model::detail::require( \
            ::testkit::model::detail::Condition() <= condition, #condition,                   \
            ::testkit::model::Place::current());                                              \
    _Pragma("GCC diagnostic pop")                                                             \
  } while (false)

// A base or member of what has to be destroyed exactly once by the end of the execution. Copies and
// moved-to objects are objects of their own.
class Tracked : public detail::Object {
 public:
  explicit Tracked(Place place = Place::current()) noexcept
      : Object(detail::Kind::kTracked, place) {}
  Tracked(const Tracked&, Place place = Place::current()) noexcept : Tracked(place) {}
  Tracked& operator=(const Tracked&) noexcept { return *this; }

  // Says that it is used here: that is reported if it has been destroyed, or if nothing orders it
  // after the making or before the destruction.
  void use(Place place = Place::current()) const noexcept;
};

// What was seen over all executions of a check: to prove that a scenario reaches what it is about.
//
//   Outcomes seen;
//   check([&] { …  seen.add(won ? "won" : "lost"); });
//   EXPECT_EQ(seen, Outcomes({"lost", "won"}));
class Outcomes {
 public:
  Outcomes() = default;
  Outcomes(std::initializer_list<std::string> all) : all_(all) {}

  void add(const std::string& outcome);
  const std::set<std::string>& all() const noexcept { return all_; }
  bool contains(const std::string& outcome) const { return all_.count(outcome) > 0; }

  friend bool operator==(const Outcomes& a, const Outcomes& b) { return a.all_ == b.all_; }
  friend void PrintTo(const Outcomes& outcomes, std::ostream* out) {
    for (const std::string& outcome : outcomes.all_) *out << "\n  " << outcome;
  }

 private:
  std::set<std::string> all_;
};

}  // namespace testkit::model
