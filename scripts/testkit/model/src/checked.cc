// The checked types: inside a scenario they call the engine, outside they are plain.
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "engine.h"
#include "testkit/model/atomic.h"
#include "testkit/model/model.h"
#include "testkit/model/sync.h"

namespace testkit::model {
namespace detail {
namespace {

Engine& engine() { return Engine::get(); }
bool is_running() noexcept { return engine().is_running(); }

// For what makes no sense outside of a scenario: there is nobody to wait for.
void require_running(const char* what) {
  if (is_running()) return;
  std::fprintf(stderr, "model checker: %s outside of check()\n", what);
  std::abort();
}

}  // namespace

Object::Object(Kind kind, Place place) noexcept {
  if (is_running()) engine().made(*this, kind, place);
}

Object::~Object() {
  if (is_running()) engine().ended(*this);
  execution_ = 0xFFFFFFFF;
}

AtomicWord::AtomicWord(std::uint64_t value, Shape shape, Place place) noexcept
    : Object(Kind::kAtomic, place), outside_(value), shape_(shape) {
  if (is_running()) engine().make_atomic(*this, value, shape);
}

std::uint64_t AtomicWord::load_word(std::memory_order order, Place place) const noexcept {
  return is_running() ? engine().load(*this, order, place) : outside_;
}

void AtomicWord::store_word(std::uint64_t value, std::memory_order order, Place place) noexcept {
  if (is_running()) return engine().store(*this, value, order, place);
  outside_ = value;
}

std::uint64_t AtomicWord::update_word(Update how, std::uint64_t operand, std::memory_order order,
                                      Place place) noexcept {
  if (is_running()) return engine().update(*this, how, operand, order, place);
  return std::exchange(outside_, updated(how, outside_, operand, shape_.bytes));
}

bool AtomicWord::compare_exchange_word(std::uint64_t& expected, std::uint64_t desired,
                                       std::memory_order success, std::memory_order failure,
                                       bool is_weak, Place place) noexcept {
  if (is_running()) {
    return engine().compare_exchange(*this, expected, desired, success, failure, is_weak, place);
  }
  if (outside_ == expected) {
    outside_ = desired;
    return true;
  }
  expected = outside_;
  return false;
}

void CellBase::reading(Place place) const noexcept {
  if (is_running()) engine().read_cell(*this, place);
}
void CellBase::writing(Place place) noexcept {
  if (is_running()) engine().write_cell(*this, place);
}

void Signal::set(Place place) {
  if (is_running()) engine().set_signal(*this, place);
}
void Signal::wait(Place place) {
  require_running("block_on");
  engine().wait_signal(*this, place);
}

int start_thread(std::unique_ptr<Body> body, Place place) {
  require_running("a Thread is started");
  return engine().start(std::move(body), place);
}
void join_thread(int thread, Place place) { engine().join(thread, place); }
void dropped_thread(int thread, Place place) {
  engine().fail(Verdict::kMisuse,
                "the Thread object of thread " + Engine::letter(thread) +
                    " is destroyed before join() or detach(): std::terminate",
                place);
}
int this_thread() noexcept { return engine().current(); }

void* local_value(const void* key, bool is_global, void* (*make)(), void (*destroy)(void*)) {
  return engine().local(key, is_global, make, destroy);
}

void require_failed(const char* condition, const std::string& values, Place place) {
  std::string what = std::string("not true: ") + condition;
  if (!values.empty() && values != condition) what += " (" + values + ")";
  engine().fail(Verdict::kAssertion, what, place);
}

}  // namespace detail

void fence(std::memory_order order, Place place) noexcept {
  if (detail::is_running()) detail::engine().fence(order, place);
}
void yield(Place place) {
  if (detail::is_running()) detail::engine().yield(place);
}
void note(const std::string& text, Place place) {
  if (detail::is_running()) detail::engine().note(text, place);
}

Costs costs() noexcept { return detail::engine().costs(); }

SteadyClock::time_point SteadyClock::now() noexcept {
  return time_point(duration(detail::engine().read_time()));
}

// Outside of a scenario there is one thread, so nobody is kept out and nobody waits.
void Mutex::lock(Place place) {
  if (detail::is_running()) detail::engine().lock(*this, place);
}
bool Mutex::try_lock(Place place) {
  return !detail::is_running() || detail::engine().try_lock(*this, place);
}
void Mutex::unlock(Place place) {
  if (detail::is_running()) detail::engine().unlock(*this, place);
}

void CondVar::notify_one(Place place) noexcept {
  if (detail::is_running()) detail::engine().notify(*this, false, place);
}
void CondVar::notify_all(Place place) noexcept {
  if (detail::is_running()) detail::engine().notify(*this, true, place);
}
bool CondVar::wait_on(Mutex& mutex, bool is_timed, std::chrono::nanoseconds deadline, Place place) {
  detail::require_running("a condition variable is waited on");
  return detail::engine().wait(*this, mutex, is_timed, deadline.count(), place);
}

void Tracked::use(Place place) const noexcept {
  if (detail::is_running()) detail::engine().use(*this, place);
}

void Outcomes::add(const std::string& outcome) { all_.insert(outcome); }

}  // namespace testkit::model
