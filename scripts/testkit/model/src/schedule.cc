// Who goes on: threads, what they wait for, and fairness for those that yield.
#include <algorithm>
#include <utility>

#include "engine.h"

namespace testkit::model::detail {
namespace {

std::uint8_t bit(std::size_t thread) { return static_cast<std::uint8_t>(1U << thread); }
std::uint8_t bit(int thread) { return bit(static_cast<std::size_t>(thread)); }

}  // namespace

// ---- the scheduling point ----

void Engine::point(Place place) {
  ModelThread& thread = self();
  thread.where = place;
  if (expectations_->failed()) fail(Verdict::kExpectation, "", place);
  accesses_ = 0;
  rows_at_point_ = rows_.size();
  if (++steps_ > options_.max_steps()) {
    fail(Verdict::kLivelock,
         "livelock: no end after " + std::to_string(options_.max_steps()) +
             " steps. A loop that waits for another thread has to call yield(), or wait on "
             "something",
         place);
  }
  go_on();
  for (int i = 0; i < started_ && somebody_yielded_; ++i) {
    ModelThread& other = threads_[static_cast<std::size_t>(i)];
    if (!other.ever_yielded || i == current_) continue;
    other.just_yielded = false;
    other.scheduled |= bit(current_);
    other.below &= static_cast<std::uint8_t>(~bit(current_));
  }
}

// Gives the processor to whoever is chosen; returns when this thread has it.
void Engine::go_on() {
  for (;;) {
    Choices options;
    collect(options);
    if (options.count == 0) deadlock();
    const bool can_stay = is_candidate(current_);
    const Option chosen = options.at[choose(Choice::kThread, options.count)];
    if (chosen.is_event) {
      if (runnable_ != 0) --(chosen.woken == Woken::kTimeout ? timeouts_left_ : spurious_left_);
      end_wait(chosen.thread, chosen.woken, 0);
      continue;
    }
    if (chosen.thread == current_) return;
    if (can_stay) ++preemptions_;
    switch_to(chosen.thread);
    return;
  }
}

void Engine::switch_to(int thread) {
  Fiber& from = *self().fiber;
  current_ = thread;
  switch_fibers(from, *self().fiber);
}

void Engine::collect(Choices& options) {
  runnable_ = 0;
  for (int i = 0; i < started_; ++i) {
    if (can_go_on(threads_[static_cast<std::size_t>(i)])) runnable_ |= bit(i);
  }
  candidates_ = runnable_;
  for (int i = 0; i < started_ && somebody_yielded_; ++i) {
    ModelThread& thread = threads_[static_cast<std::size_t>(i)];
    if (!thread.ever_yielded) continue;
    // What a thread takes away from others by its own steps, such as a lock, does not count.
    if (i != current_) thread.enabled &= runnable_;
    if (thread.just_yielded || (thread.below & runnable_) != 0) {
      candidates_ &= static_cast<std::uint8_t>(~bit(i));
    }
  }
  if (candidates_ == 0) candidates_ = runnable_;

  const bool can_stay = is_candidate(current_);
  if (can_stay) options.add({static_cast<std::int8_t>(current_), Woken::kNotified, false});
  for (int n = 1; n <= started_; ++n) {
    const int i = (current_ + n) % started_;
    if (i == current_ || !is_candidate(i)) continue;
    if (can_stay && preemptions_ >= bound_) {
      if (!is_known_) was_cut_ = true;
      continue;
    }
    options.add({static_cast<std::int8_t>(i), Woken::kNotified, false});
  }
  for (int i = 0; i < started_; ++i) {
    const ModelThread& thread = threads_[static_cast<std::size_t>(i)];
    if (thread.wait != Wait::kCondVar) continue;
    const auto id = static_cast<std::int8_t>(i);
    // When nobody can go on, time passes, but no wait returns for no reason: else nothing would
    // ever be a deadlock.
    if (thread.is_timed && (timeouts_left_ > 0 || runnable_ == 0)) {
      options.add({id, Woken::kTimeout, true});
    }
    if (spurious_left_ > 0 && runnable_ != 0) options.add({id, Woken::kSpurious, true});
  }
}

bool Engine::can_go_on(const ModelThread& thread) const {
  switch (thread.wait) {
    case Wait::kNothing:
      return true;
    case Wait::kMutex:
      return records_[thread.wanted].owner < 0;
    case Wait::kSignal:
      return records_[thread.wanted].is_set;
    case Wait::kJoin:
      return threads_[thread.wanted].wait == Wait::kOver;
    case Wait::kCondVar:
    case Wait::kOver:
      return false;
  }
  return false;
}

void Engine::deadlock() {
  std::string what = "deadlock, nobody can go on:";
  Place place = self().where;
  for (int i = 0; i < started_; ++i) {
    const ModelThread& thread = threads_[static_cast<std::size_t>(i)];
    if (thread.wait == Wait::kOver) continue;
    what += "\n  " + letter(i) + " waits for " + waited_for(thread);
    if (thread.wait != Wait::kJoin) place = thread.where;
    if (const std::string at = at_place(thread.where); !at.empty()) what += "," + at;
  }
  fail(Verdict::kDeadlock, what, place);
}

std::string Engine::waited_for(const ModelThread& thread) {
  if (thread.wait == Wait::kJoin) return letter(static_cast<int>(thread.wanted)) + " to end";
  Record& record = records_[thread.wanted];
  const std::string which = name(record, thread.where);
  if (thread.wait == Wait::kMutex)
    return "the mutex " + which + ", held by " + letter(record.owner);
  if (thread.wait == Wait::kCondVar) return "a notify of " + which;
  return "its waker to be woken";
}

// ---- threads ----

// Returns its number. A null body is the scenario.
int Engine::add_thread(std::unique_ptr<Body> body) {
  const int number = started_++;
  ModelThread& thread = threads_[static_cast<std::size_t>(number)];
  if (thread.fiber == nullptr) thread.fiber = std::make_unique<Fiber>();
  if (thread.is_fresh) thread.fiber->begin(&Engine::run_thread, &thread);
  thread.is_fresh = false;
  thread.body = std::move(body);
  thread.locals.clear();
  thread.now = thread.acquired = thread.released = Clock();
  thread.chain = 0;
  thread.made = 0;
  thread.costs = Costs();
  thread.wait = Wait::kNothing;
  thread.where = Place();
  thread.just_yielded = thread.ever_yielded = false;
  thread.yielded_at = 0;
  thread.below = thread.scheduled = thread.enabled = 0;
  if (number > 0) {
    thread.now = self().now;
    thread.chain = mix(self().chain, static_cast<std::uint64_t>(number));
  }
  thread.now[static_cast<std::size_t>(number)] = 1;
  return number;
}

int Engine::start(std::unique_ptr<Body> body, Place place) {
  point(place);
  if (started_ == Options::kMostThreads) {
    fail(Verdict::kMisuse,
         "a scenario has at most " + std::to_string(Options::kMostThreads) + " threads", place);
  }
  const int number = add_thread(std::move(body));
  row("starts ", letter(number));
  done(kStart);
  return number;
}

void Engine::join(int thread, Place place) {
  if (thread < 0 || thread == current_) {
    fail(Verdict::kMisuse, "join() of a thread that was joined, or never started", place);
  }
  self().wait = Wait::kJoin;
  self().wanted = static_cast<std::uint32_t>(thread);
  point(place);
  self().wait = Wait::kNothing;
  const ModelThread& other = threads_[static_cast<std::size_t>(thread)];
  // [thread.thread.member]: a thread's end synchronizes with the join() that waited for it.
  self().now.join(other.now);
  row("joins ", letter(thread));
  done(mix(kJoin, other.chain));
}

// The thread's last step. Comes back when the fiber is wanted for a thread of another execution.
void Engine::end_thread() {
  row("ends");
  self().wait = Wait::kOver;
  for (int i = 0; i < started_; ++i) {
    if (threads_[static_cast<std::size_t>(i)].wait != Wait::kOver) return go_on();
  }
  end_execution();
}

void Engine::yield(Place place) {
  point(place);
  ModelThread& thread = self();
  const auto others = static_cast<std::uint8_t>(runnable_ & ~bit(current_));
  // Fair stateless model checking (Musuvathi and Qadeer 2008): whoever could go on all the time
  // since this thread's last yield, and did not, comes first from now on. So a thread that spins
  // cannot keep the one that it waits for from running, and nothing else is ruled out.
  if (thread.ever_yielded) {
    thread.below |= static_cast<std::uint8_t>(others & thread.enabled & ~thread.scheduled);
  }
  somebody_yielded_ = thread.ever_yielded = thread.just_yielded = true;
  thread.scheduled = 0;
  thread.enabled = others;
  thread.yielded_at = thread.now[me()];
  row("yields");
  done(kYield);
}

void Engine::note(const std::string& text, Place place) {
  self().where = place;
  row("note: ", text);
}

// ---- mutexes ----

void Engine::lock(Object& mutex, Place place) {
  {
    Record& record = record_of(mutex, place);
    if (record.owner == current_) {
      fail(Verdict::kMisuse,
           "thread " + letter(current_) + " locks the mutex " + name(record, place) +
               ", which it holds already",
           place);
    }
    self().wait = Wait::kMutex;
    self().wanted = index_of(record);
  }
  point(place);
  self().wait = Wait::kNothing;
  take(use(mutex, place));
}

void Engine::take(Record& record) {
  record.owner = current_;
  ++self().costs.locks;
  self().now.join(record.sync);  // [thread.mutex.requirements]: unlock() synchronizes with lock().
  row("locks ", record);
  done(mix(kLock, record.chain));
  record.chain = self().chain;
}

void Engine::give(Record& record) {
  record.owner = -1;
  record.sync = self().now;
  done(mix(kUnlock, record.chain));
  record.chain = self().chain;
}

bool Engine::try_lock(Object& mutex, Place place) {
  wants_points_at_unlock_ = true;
  point(place);
  Record& record = use(mutex, place);
  if (record.owner == current_) {
    fail(Verdict::kMisuse,
         "thread " + letter(current_) + " tries to lock the mutex " + name(record, place) +
             ", which it holds already",
         place);
  }
  if (record.owner < 0) {
    take(record);
    return true;
  }
  row("cannot lock ", record);
  done(mix(kTryLock, record.chain));
  record.chain = self().chain;
  return false;
}

void Engine::unlock(Object& mutex, Place place) {
  // Between the last operation and this one only a try_lock() could see a difference.
  if (points_at_unlock_) point(place);
  self().where = place;
  Record& record = use(mutex, place);
  if (record.owner != current_) {
    fail(Verdict::kMisuse,
         "thread " + letter(current_) + " unlocks the mutex " + name(record, place) +
             ", which it does not hold",
         place);
  }
  row("unlocks ", record);
  give(record);
}

// ---- condition variables and signals ----

bool Engine::wait(Object& condition, Object& mutex, bool is_timed, std::int64_t deadline,
                  Place place) {
  point(place);  // A notify without the lock may come between the caller's look and its wait.
  Record& on = use(condition, place);
  Record& held = use(mutex, place);
  if (held.owner != current_) {
    fail(Verdict::kMisuse, "wait() with a mutex that thread " + letter(current_) + " does not hold",
         place);
  }
  row("waits on ", on, ", unlocks ", held);
  done(mix(kWait, on.chain));
  on.chain = self().chain;
  give(held);
  ModelThread& thread = self();
  thread.wait = Wait::kCondVar;
  thread.wanted = index_of(on);
  thread.mutex = index_of(held);
  thread.is_timed = is_timed;
  thread.deadline = deadline;
  go_on();
  thread.wait = Wait::kNothing;
  take(use(mutex, place));
  return thread.woken != Woken::kTimeout;
}

// A thread stops waiting on its condition variable; it still has to get the mutex.
void Engine::end_wait(int number, Woken woken, std::uint64_t notifier) {
  ModelThread& thread = threads_[static_cast<std::size_t>(number)];
  thread.wait = Wait::kMutex;
  thread.wanted = thread.mutex;
  thread.woken = woken;
  thread.chain = mix(thread.chain, mix(kWake + static_cast<std::uint64_t>(woken), notifier));
  if (woken == Woken::kTimeout) time_ = std::max(time_, thread.deadline);
  if (!is_tracing_ || woken == Woken::kNotified) return;
  rows_.push_back(
      {number, thread.where,
       woken == Woken::kTimeout ? "its wait times out" : "its wait ends for no reason"});
}

void Engine::notify(Object& condition, bool all, Place place) {
  point(place);
  Record& record = use(condition, place);
  std::array<int, Clock::kThreads> waiting{};
  std::size_t count = 0;
  for (int i = 0; i < started_; ++i) {
    const ModelThread& thread = threads_[static_cast<std::size_t>(i)];
    if (thread.wait == Wait::kCondVar && thread.wanted == index_of(record)) waiting[count++] = i;
  }
  if (!all && count > 1) {
    waiting[0] = waiting[choose(Choice::kWaiter, count)];
    count = 1;
  }
  std::string woken;
  for (std::size_t i = 0; i < count && is_tracing_; ++i) {
    woken += (i == 0 ? "wakes " : ", ") + letter(waiting[i]);
  }
  row("notifies ", record, ": ", woken.empty() ? "nobody waits" : woken);
  done(mix(kNotify, record.chain));
  record.chain = self().chain;
  for (std::size_t i = 0; i < count; ++i) end_wait(waiting[i], Woken::kNotified, record.chain);
}

void Engine::set_signal(Object& signal, Place place) {
  point(place);
  Record& record = use(signal, place);
  record.is_set = true;
  record.sync.join(self().now);
  row("wakes the waker of ", letter(record.maker));
  done(mix(kSet, record.chain));
  record.chain = self().chain;
}

void Engine::wait_signal(Object& signal, Place place) {
  self().wait = Wait::kSignal;
  self().wanted = index_of(record_of(signal, place));
  point(place);
  self().wait = Wait::kNothing;
  Record& record = use(signal, place);
  record.is_set = false;
  self().now.join(record.sync);
  row("was woken");
  done(mix(kTake, record.chain));
  record.chain = self().chain;
}

}  // namespace testkit::model::detail
