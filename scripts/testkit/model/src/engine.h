// Engine: one search, and the execution that it is in. The checked types call it; nothing else
// does.
//
// An execution is a list of choices (who goes on, which store a load reads, …). The search is
// depth-first over these lists: run() repeats the choices of a prefix, takes the first option at
// each choice after it, and next_path() then turns the last choice that has options left.
//
// Invariants
//   1. An operation is a scheduling point and then, with nothing in between, its effect.
//   2. `chain` of a thread is a hash of all that its future depends on: its operations, what they
//      read from, and what they came after in the order of one object. Equal chains of all threads
//      mean equal states. No hash depends on an address or a value.
//   3. While an execution goes wrong nothing is thrown and no destructor runs: fail() leaves the
//      fibers as they stand. So operations may be noexcept, and run within destructors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "clock.h"
#include "expectations.h"
#include "fiber.h"
#include "testkit/model/model.h"
#include "visited.h"

// Called at each row of a table, with its number: a place for a breakpoint.
extern "C" void testkit_model_step(int step);

namespace testkit::model::detail {

// heap.cc: frees what the execution that has ended deleted.
void give_back_deleted() noexcept;

std::uint64_t updated(Update how, std::uint64_t old, std::uint64_t operand, std::size_t bytes);

// What a choice is between.
enum class Choice : std::uint8_t { kThread, kStore, kWaiter, kWeakFailure };

struct PathStep {
  Choice choice;
  std::uint8_t options;
  std::uint8_t taken;
  std::uint64_t moment;  // The state then, and the line: a replay has to come by the same.
};

struct Store {
  std::uint64_t value;
  std::uint64_t chain;  // Which operation wrote it, and after which other stores.
  Clock sync;           // What an acquire load of it synchronizes with.
  std::array<Tick, Clock::kThreads> seen;  // When each thread first wrote or read it; 0 is never.
  Tick seq_cst;  // The first seq_cst operation that wrote or read it; 0 is none.
  int row;       // Of the table.
};

// The books on one object.
struct Record {
  static constexpr std::uint32_t kStores = 8;

  const Object* object;
  Kind kind;
  bool is_alive;
  std::uint8_t maker;
  Tick made_at;
  std::uint64_t chain;  // Of the last operation on a mutex, condition variable or signal.
  std::array<Tick, Clock::kThreads> used_at;
  std::array<Place, Clock::kThreads> used_where;
  Place made;
  Place ended;
  std::string name;  // In the table.

  Shape shape;                        // Atomic.
  std::uint32_t stores;               // How many there were; the last kStores are kept.
  std::array<Store, kStores> recent;  // At number % kStores.

  int writer;  // Cell: who wrote it last.
  Tick wrote_at;
  Place wrote_where;

  int owner;    // Mutex: who holds it, or -1.
  bool is_set;  // Signal.
  Clock sync;   // Mutex, signal: what the next owner sees.

  Store& store(std::uint32_t number) noexcept { return recent[number % kStores]; }
};

enum class Wait : std::uint8_t { kNothing, kMutex, kCondVar, kJoin, kSignal, kOver };
enum class Woken : std::uint8_t { kNotified, kSpurious, kTimeout };

// A value of a ThreadLocal or a Global.
struct Local {
  const void* key;
  void* value;
  void (*destroy)(void*);
  Clock made;  // Everything that happens before its making, and the making.
  std::uint64_t chain;
};

struct ModelThread {
  std::unique_ptr<Fiber> fiber;
  bool is_fresh = true;  // The fiber has to begin anew.
  std::unique_ptr<Body> body;
  std::vector<Local> locals;

  Clock now;
  Clock acquired;  // What an acquire fence would add: the clocks of relaxed loads.
  Clock released;  // As of the last release fence: what a relaxed store publishes.
  std::uint64_t chain;
  std::uint32_t made;  // Objects.
  Costs costs;

  Wait wait;
  std::uint32_t wanted;  // The record of the mutex, condition variable or signal; or the thread.
  std::uint32_t mutex;   // That it will take after waiting on a condition variable.
  bool is_timed;
  std::int64_t deadline;
  Woken woken;
  Place where;  // Its last operation.

  // Fairness, for those that yield. Bits are threads.
  bool just_yielded;  // Nobody has done a step since.
  bool ever_yielded;
  Tick yielded_at;
  std::uint8_t below;      // Those that come before it as long as they can go on.
  std::uint8_t scheduled;  // Those that did a step since its last yield.
  std::uint8_t enabled;    // Those that could go on all the time since its last yield.
};

class Engine {
 public:
  // Made at its first use and never destroyed: a scenario that went wrong leaves threads in it, as
  // they stand.
  static Engine& get() { return instance_ != nullptr ? *instance_ : make(); }

  // True on a model thread, where the rest of these functions may be called.
  bool is_running() const noexcept { return current_ >= 0; }
  // The same, asked by any thread of the system. (The test kit has one that watches for hangs.)
  static bool is_running_here() noexcept { return explores_here_ && instance_->is_running(); }
  int current() const noexcept { return current_; }
  Costs costs() noexcept { return is_running() ? self().costs : Costs(); }
  // The time. A thread that has read it may go on in another way than one that read an earlier one.
  std::int64_t read_time() noexcept {
    if (is_running()) self().chain = mix(self().chain, static_cast<std::uint64_t>(time_));
    return time_;
  }

  Result explore(const Options& options, const Scenario& scenario);
  // One execution, with its table.
  Result replay(const Options& options, const Scenario& scenario, const std::string& schedule);

  // Objects.
  void made(Object& object, Kind kind, Place place);
  void ended(Object& object);
  Record& use(const Object& object, Place place);

  // Atomics.
  void make_atomic(const AtomicWord& word, std::uint64_t value, Shape shape);
  std::uint64_t load(const AtomicWord& word, std::memory_order order, Place place);
  void store(AtomicWord& word, std::uint64_t value, std::memory_order order, Place place);
  std::uint64_t update(AtomicWord& word, Update how, std::uint64_t operand, std::memory_order order,
                       Place place);
  bool compare_exchange(AtomicWord& word, std::uint64_t& expected, std::uint64_t desired,
                        std::memory_order success, std::memory_order failure, bool is_weak,
                        Place place);
  void fence(std::memory_order order, Place place);

  // Cells.
  void read_cell(const Object& cell, Place place);
  void write_cell(Object& cell, Place place);

  // Mutexes, condition variables, signals.
  void lock(Object& mutex, Place place);
  bool try_lock(Object& mutex, Place place);
  void unlock(Object& mutex, Place place);
  bool wait(Object& condition, Object& mutex, bool is_timed, std::int64_t deadline, Place place);
  void notify(Object& condition, bool all, Place place);
  void set_signal(Object& signal, Place place);
  void wait_signal(Object& signal, Place place);

  // Threads.
  int start(std::unique_ptr<Body> body, Place place);
  void join(int thread, Place place);
  void yield(Place place);
  void* local(const void* key, bool is_global, void* (*begin)(), void (*end)(void*));

  [[noreturn]] void deleted_twice();
  void note(const std::string& text, Place place);
  [[noreturn]] void fail(Verdict verdict, std::string what, Place place);
  Place where() { return self().where; }  // This thread's last operation.
  static std::string letter(int thread);

 private:
  struct Option {
    std::int8_t thread;
    Woken woken;
    bool is_event;  // The thread's wait ends, and nobody is switched to.
  };
  struct Choices {
    void add(Option option) noexcept { at[count++] = option; }
    std::array<Option, 3 * Clock::kThreads> at;
    std::size_t count = 0;
  };

  // What an operation was, in a chain.
  enum : std::uint64_t {
    kBegin = 1,
    kStart,
    kJoin,
    kYield,
    kLock,
    kTryLock,
    kUnlock,
    kWait,
    kNotify,
    kSet,
    kTake,
    kLoad,
    kStore,
    kFence,
    kLocal,
    kWake
  };

  Engine();
  static Engine& make();

  // engine.cc: the search.
  void begin_search(const Options& options, const Scenario& scenario);
  bool search();  // At one bound. False: an execution failed.
  bool next_path();
  std::size_t choose(Choice choice, std::size_t options);
  std::uint64_t state() const;
  void run_execution();
  static void run_thread(void* thread);
  void end_execution();
  static void destroy_all(std::vector<Local>& locals);
  Result failure();
  Result last_result();

  // schedule.cc: who goes on.
  void point(Place place);
  void go_on();
  void switch_to(int thread);
  void collect(Choices& options);
  bool is_candidate(int thread) const noexcept { return (candidates_ >> thread & 1) != 0; }
  bool can_go_on(const ModelThread& thread) const;
  [[noreturn]] void deadlock();
  std::string waited_for(const ModelThread& thread);
  int add_thread(std::unique_ptr<Body> body);
  void end_thread();
  void take(Record& mutex);
  void give(Record& mutex);
  void end_wait(int thread, Woken woken, std::uint64_t notifier);

  // memory.cc: what is read, and what that orders.
  Record& record_of(const Object& object, Place place) {
    if (object.execution_ == execution_ && object.record_ < used_records_) {
      Record& record = records_[object.record_];
      if (record.object == &object && record.is_alive) return record;
    }
    no_such_record(object, place);
  }
  [[noreturn]] void no_such_record(const Object& object, Place place);
  std::uint32_t index_of(const Record& record) const noexcept {
    return static_cast<std::uint32_t>(&record - records_.data());
  }
  void check_ordered(Record& record, Place place) {
    // [intro.races]: making an object is no atomic operation, not even of an atomic.
    if (!self().now.covers(record.maker, record.made_at)) not_published(record, place);
  }
  [[noreturn]] void not_published(Record& record, Place place);
  void count_access(Place place);
  [[noreturn]] void race(Record& record, int other, const char* did, const char* does, Place place);
  // Counts the operation: what it did goes into the chain, and the thread's time goes on, so that
  // what follows is not published by what this operation published.
  void done(std::uint64_t what) {
    self().chain = mix(self().chain, what);
    ++self().now[me()];
  }
  std::uint32_t oldest_readable(Record& record, bool by_seq_cst);
  Store& pick(Record& record, bool by_seq_cst, const std::uint64_t* except);
  void read_from(Store& store, std::memory_order order);
  void finish_load(Store& store, std::memory_order order);
  Store& append(Record& record, std::uint64_t value, std::memory_order order, const Store* after);
  void count_seq_cst(Store& store);

  // report.cc: how it is told.
  template <class... Parts>
  void row(Parts&&... parts) {
    if (is_tracing_) add_row(current_, self().where, (std::string() + ... + text(parts)));
  }
  static const char* text(const char* part) { return part; }
  static const std::string& text(const std::string& part) { return part; }
  const std::string& text(Record& record) { return name(record, self().where); }
  void add_row(int thread, Place where, std::string text);
  const std::string& name(Record& record, Place place);
  std::string description(Record& record);
  std::string value_text(const Record& record, std::uint64_t value);
  std::string missed(Record& record, const Store& store);
  static std::string at_place(Place place);

  ModelThread& self() { return threads_[static_cast<std::size_t>(current_)]; }
  std::size_t me() const noexcept { return static_cast<std::size_t>(current_); }

  static constinit inline Engine* instance_ = nullptr;
  static constinit inline thread_local bool explores_here_ = false;

  // The search.
  Options options_;
  const Scenario* scenario_ = nullptr;
  int bound_ = 0;
  bool was_cut_ = false;           // A switch was left out for the bound.
  bool points_at_unlock_ = false;  // There is a try_lock(), which can see that a mutex is held.
  bool wants_points_at_unlock_ = false;
  std::vector<PathStep> path_;
  std::size_t position_ = 0;
  std::uint64_t executions_ = 0;
  Visited visited_;

  // The execution.
  std::uint32_t execution_ = 0;
  int current_ = -1;
  bool is_known_ = false;      // What follows was explored from another prefix: no choice is left.
  std::uint8_t runnable_ = 0;  // Threads that could go on, as bits,
  std::uint8_t candidates_ = 0;  // and those of them whose turn it may be.
  bool somebody_yielded_ = false;
  int steps_ = 0;
  std::size_t accesses_ = 0;       // To cells, since the last point,
  std::size_t rows_at_point_ = 0;  // where there were so many rows.
  int preemptions_ = 0;
  int spurious_left_ = 0;
  int timeouts_left_ = 0;
  int failures_left_ = 0;
  std::int64_t time_ = 0;
  Fiber host_{Fiber::Host()};
  std::array<ModelThread, Clock::kThreads> threads_;
  int started_ = 0;
  std::vector<Record> records_;
  std::size_t used_records_ = 0;
  std::vector<Local> globals_;
  std::vector<Local> outside_;  // Of whoever asks while no scenario runs.
  // The order of seq_cst operations is that in which they are executed.
  Tick seq_cst_ = 0;                 // How many there were,
  std::uint64_t seq_cst_chain_ = 0;  // and which, in any order.
  struct Fence {
    Tick number;   // Among the seq_cst operations.
    Clock before;  // All that happens before this fence, or before one that is earlier than it.
  };
  std::vector<Fence> fences_;

  // How it went.
  Verdict verdict_ = Verdict::kPassed;
  std::string what_;
  Place where_;
  std::unique_ptr<Expectations> expectations_;
  bool is_tracing_ = false;
  std::vector<Row> rows_;
  std::vector<std::uint64_t> pointers_;  // In the order in which the table names them.
};

}  // namespace testkit::model::detail
