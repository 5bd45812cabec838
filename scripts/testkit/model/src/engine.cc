// The search: which executions there are, and in which order they are tried.
#include "engine.h"

#include <algorithm>
#include <utility>

namespace {

bool g_has_abandoned = false;  // The fibers of an execution, and so what they held.

}  // namespace

// LeakSanitizer asks at the end of the program. After an execution that went wrong there is nothing
// to be learnt from it; a scenario that passed is asked for its leaks as any test is.
extern "C" __attribute__((visibility("default"), used)) int __lsan_is_turned_off() {
  return g_has_abandoned ? 1 : 0;
}

namespace testkit::model::detail {
namespace {

constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

}  // namespace

Engine::Engine() = default;

Engine& Engine::make() { return *(instance_ = new Engine); }

Result Engine::explore(const Options& options, const Scenario& scenario) {
  begin_search(options, scenario);
  Result result;
  for (bound_ = 0; bound_ <= options.preemptions(); ++bound_) {
    if (!search()) return failure();
    result.preemptions = bound_;
    result.is_complete = !was_cut_;
    if (!was_cut_) break;
  }
  result.executions = executions_;
  result.states = visited_.size();
  expectations_.reset();
  return result;
}

void Engine::begin_search(const Options& options, const Scenario& scenario) {
  options_ = options;
  scenario_ = &scenario;
  executions_ = 0;
  visited_.clear();
  points_at_unlock_ = wants_points_at_unlock_ = false;
  is_tracing_ = false;
  expectations_ = std::make_unique<Expectations>();
}

bool Engine::search() {
  const auto begin = [this] {
    path_.clear();
    visited_.clear();
    was_cut_ = false;
  };
  begin();
  for (;;) {
    run_execution();
    ++executions_;
    if (verdict_ != Verdict::kPassed) return false;
    if (wants_points_at_unlock_ && !points_at_unlock_) {
      points_at_unlock_ = true;
      begin();
      continue;
    }
    if (!next_path()) return true;
    if (executions_ >= options_.max_executions()) {
      verdict_ = Verdict::kTooLarge;
      what_ = "the scenario is too large: after " + std::to_string(executions_) +
              " executions there are more to come; take a thread or a few operations out";
      where_ = Place();
      return false;
    }
  }
}

bool Engine::next_path() {
  while (!path_.empty() && path_.back().taken + 1 == path_.back().options) path_.pop_back();
  if (path_.empty()) return false;
  ++path_.back().taken;
  return true;
}

std::size_t Engine::choose(Choice choice, std::size_t options) {
  const bool is_new = position_ == path_.size();
  if (is_new && is_known_) return 0;
  std::uint64_t now = 0;
  if (choice == Choice::kThread && (is_new || options > 1)) now = state();
  if (is_new && choice == Choice::kThread && options_.reduction()) {
    const std::size_t running = is_candidate(current_) ? me() : Visited::kNobody;
    // What is known still runs to its end, so that its destructors do.
    is_known_ = !visited_.add(now, running, bound_ - preemptions_);
  }
  if (options == 1 || (is_new && is_known_)) return 0;
  now = mix(now, self().where.line());
  if (is_new) {
    path_.push_back({choice, static_cast<std::uint8_t>(options), 0, now});
    ++position_;
    return 0;
  }
  PathStep& step = path_[position_++];
  if (step.options == 0) {  // Of a schedule that somebody typed.
    if (step.taken >= options) {
      fail(Verdict::kNotDeterministic,
           "the schedule does not fit: it comes from other code, or from another test",
           self().where);
    }
    step = {choice, static_cast<std::uint8_t>(options), step.taken, now};
  }
  if (step.choice != choice || step.options != options || step.moment != now) {
    fail(Verdict::kNotDeterministic,
         "the scenario is not deterministic: after the same choices it came to another point than "
         "before. Is something static, or read from a clock, or ordered by addresses, or shared by "
         "threads without a Cell?",
         self().where);
  }
  return step.taken;
}

// Everything that decides what can follow, but for who runs and how many preemptions are left.
std::uint64_t Engine::state() const {
  std::uint64_t hash = mix(
      static_cast<std::uint64_t>(time_),
      static_cast<std::uint64_t>((spurious_left_ * 256 + timeouts_left_) * 256 + failures_left_));
  for (int i = 0; i < started_; ++i) {
    const ModelThread& thread = threads_[static_cast<std::size_t>(i)];
    hash = mix(hash, thread.chain);
    if (thread.ever_yielded) {
      hash = mix(hash, static_cast<std::uint64_t>(thread.just_yielded) << 32 |
                           static_cast<std::uint64_t>(thread.below) << 16 |
                           static_cast<std::uint64_t>(thread.scheduled) << 8 | thread.enabled);
    }
  }
  return hash;
}

// ---- one execution ----

void Engine::run_execution() {
  if (++execution_ == 0) ++execution_;
  verdict_ = Verdict::kPassed;
  what_.clear();
  position_ = 0;
  is_known_ = false;
  steps_ = preemptions_ = 0;
  accesses_ = rows_at_point_ = 0;
  spurious_left_ = options_.spurious_wakeups();
  timeouts_left_ = options_.timeouts();
  failures_left_ = options_.needless_failures();
  time_ = 0;
  started_ = 0;
  used_records_ = 0;
  globals_.clear();
  seq_cst_ = 0;
  seq_cst_chain_ = 0;
  fences_.clear();
  rows_.clear();
  pointers_.clear();

  somebody_yielded_ = false;

  explores_here_ = true;
  expectations_->begin();
  add_thread(nullptr);
  current_ = 0;
  switch_fibers(host_, *threads_[0].fiber);
  current_ = -1;
  give_back_deleted();
  if (verdict_ == Verdict::kExpectation) what_ = expectations_->message();
}

void Engine::run_thread(void* thread) {
  Engine& engine = get();
  ModelThread& self = *static_cast<ModelThread*>(thread);
  for (;;) {
    // A step of its own: until it has begun, nobody knows whether its first operation can be done.
    // And so every switch leads to another state, and no state to itself.
    self.chain = mix(self.chain, kBegin);
    try {
      if (self.body == nullptr) {
        (*engine.scenario_)();
      } else {
        self.body->run();
        self.body.reset();
      }
      destroy_all(self.locals);
    } catch (const std::exception& e) {
      engine.fail(Verdict::kException,
                  std::string("an exception left thread ") + engine.letter(engine.current_) + ": " +
                      e.what(),
                  self.where);
    } catch (...) {
      engine.fail(Verdict::kException,
                  std::string("an exception left thread ") + engine.letter(engine.current_),
                  self.where);
    }
    engine.end_thread();
  }
}

void Engine::fail(Verdict verdict, std::string what, Place place) {
  verdict_ = verdict;
  what_ = std::move(what);
  where_ = place;
  g_has_abandoned = true;
  // What a fiber has left standing is forgotten. Those that have ended stand where they began.
  for (ModelThread& thread : threads_) {
    if (thread.wait != Wait::kOver || &thread == &self()) thread.is_fresh = true;
  }
  Fiber& mine = *self().fiber;
  switch_fibers(mine, host_);
  std::abort();  // Nobody comes back.
}

// After all threads have ended, on the stack of the last.
void Engine::end_execution() {
  for (int i = 0; i < started_; ++i) self().now.join(threads_[static_cast<std::size_t>(i)].now);
  destroy_all(globals_);
  if (expectations_->failed()) fail(Verdict::kExpectation, "", self().where);
  for (std::size_t i = 0; i < used_records_; ++i) {
    Record& record = records_[i];
    if (!record.is_alive) continue;
    const std::string what = description(record);
    fail(Verdict::kLeak, "leaked: " + what + ", was never destroyed", record.made);
  }
  switch_fibers(*self().fiber, host_);
}

void Engine::destroy_all(std::vector<Local>& locals) {
  while (!locals.empty()) {
    const Local last = locals.back();
    locals.pop_back();
    last.destroy(last.value);
  }
}

void* Engine::local(const void* key, bool is_global, void* (*begin)(), void (*end)(void*)) {
  std::vector<Local>& locals = !is_running() ? outside_ : is_global ? globals_ : self().locals;
  for (const Local& local : locals) {
    if (local.key != key) continue;
    if (&locals == &globals_) {
      // [stmt.dcl]: whoever comes to an initialized static comes after its initialization.
      self().now.join(local.made);
      self().chain = mix(self().chain, local.chain);
    }
    return local.value;
  }
  void* const value = begin();
  Local local{key, value, end, Clock(), 0};
  if (is_running()) {
    local.made = self().now;
    done(kLocal);  // What its maker does from now on is not part of its making.
    local.chain = self().chain;
  }
  locals.push_back(local);
  return value;
}

// ---- how it is told ----

Result Engine::failure() {
  const Verdict verdict = verdict_;
  const std::uint64_t executions = executions_;
  if (verdict != Verdict::kTooLarge && verdict != Verdict::kNotDeterministic) {
    path_.resize(position_);
    is_tracing_ = true;
    run_execution();  // Once more, and this time with its table.
    is_tracing_ = false;
    if (verdict_ != verdict) {
      verdict_ = Verdict::kNotDeterministic;
      what_ = std::string("the scenario is not deterministic: an execution failed (") +
              name_of(verdict) + ") and, when it was repeated, did not. Is something static?";
    }
  }
  Result result = last_result();
  result.executions = executions;
  return result;
}

Result Engine::replay(const Options& options, const Scenario& scenario,
                      const std::string& schedule) {
  begin_search(options, scenario);
  path_.clear();
  bound_ = options.preemptions();
  for (const char digit : schedule) {
    const char* const at = std::find(std::begin(kDigits), std::end(kDigits) - 1, digit);
    path_.push_back({Choice::kThread, 0, static_cast<std::uint8_t>(at - kDigits), 0});
  }
  is_tracing_ = true;
  run_execution();
  if (verdict_ == Verdict::kPassed && wants_points_at_unlock_) {
    points_at_unlock_ = true;
    for (PathStep& step : path_) step.options = 0;
    run_execution();
  }
  is_tracing_ = false;
  executions_ = 1;
  return last_result();
}

Result Engine::last_result() {
  Result result;
  result.verdict = verdict_;
  result.executions = executions_;
  result.states = visited_.size();
  result.preemptions = preemptions_;
  result.what = what_;
  const bool is_expectation = verdict_ == Verdict::kExpectation;
  result.file = is_expectation ? expectations_->file() : where_.file_name();
  result.line = is_expectation ? expectations_->line() : static_cast<int>(where_.line());
  for (const PathStep& step : path_) result.schedule += kDigits[step.taken];
  // What follows is all first options.
  while (!result.schedule.empty() && result.schedule.back() == '0') result.schedule.pop_back();
  result.rows = rows_;
  expectations_.reset();  // From here on GoogleTest hears of failures itself.
  return result;
}

}  // namespace testkit::model::detail
