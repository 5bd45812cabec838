#include "testkit/internal/counted_wakers.h"

#include <gtest/gtest.h>

#include <utility>

#include "testkit/steps.h"

namespace testkit::internal {
namespace {

std::string times(int n) {
  return n == 1 ? "once" : n == 2 ? "twice" : std::to_string(n) + " times";
}

std::string alive(int n) { return " (" + std::to_string(n) + " alive)"; }

}  // namespace

CountedWakers::CountedWakers(std::string n) : name(std::move(n)) {}

void* CountedWakers::new_waker() {
  live.fetch_add(1, std::memory_order_relaxed);
  reference();
  return this;
}

void CountedWakers::reference() { references_.fetch_add(1, std::memory_order_relaxed); }

void CountedWakers::unreference() {
  // Acquire and release: the last owner destroys the hooks after all the others used them.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void CountedWakers::wait_for_wakes(int n) {
  step("waiting until " + quoted() + " has been woken " + times(n));
  // Acquire: pairs with the release in count_wake().
  int seen = wakes.load(std::memory_order_acquire);
  while (seen < n) {
    wakes.wait(seen, std::memory_order_acquire);
    seen = wakes.load(std::memory_order_acquire);
  }
}

std::string CountedWakers::quoted() const { return "waker \"" + name + "\""; }

// False, and a failure, if no waker is left that this could have been done to.
bool CountedWakers::is_live(const char* deed) const {
  if (live.load(std::memory_order_relaxed) > 0) return true;
  ADD_FAILURE() << quoted() << " was " << deed
                << ", but every one of its wakers had been given back already.\n"
                << "Each waker is given back exactly once: by its destructor, or by wake() &&.\n"
                << "This was done\n"
                << called_from("  ") << "The last of them had been given back\n"
                << last_given_back();
  return false;
}

// One waker fewer. Returns how many are left.
int CountedWakers::give_back() {
  const int left = live.fetch_sub(1, std::memory_order_relaxed) - 1;
  if (left == 0) {
    const UnseenByTsan unseen;
    const std::lock_guard lock(mutex_);
    last_give_back_ = capture_here(nullptr);
  }
  return left;
}

std::string CountedWakers::last_given_back() const {
  Stack stack;
  {
    const UnseenByTsan unseen;
    const std::lock_guard lock(mutex_);
    stack = last_give_back_;
  }
  return called_from(stack, "  ");
}

void CountedWakers::count_wake() {
  // Release: pairs with the acquire in CountingWaker::wakes() and wait_for_wakes().
  wakes.fetch_add(1, std::memory_order_release);
  wakes.notify_all();
  if (on_wake) on_wake();
}

void* CountedWakers::clone(void* data) {
  CountedWakers& s = *static_cast<CountedWakers*>(data);
  if (!s.is_live("cloned")) return data;
  s.clones.fetch_add(1, std::memory_order_relaxed);
  s.reference();
  step(s.quoted() + " cloned" + alive(s.live.fetch_add(1, std::memory_order_relaxed) + 1));
  if (s.on_clone) s.on_clone();
  return data;
}

void CountedWakers::wake(void* data) {
  CountedWakers& s = *static_cast<CountedWakers*>(data);
  if (!s.is_live("woken")) return;
  step(s.quoted() + " woken and used up" + alive(s.give_back()));
  s.count_wake();
  s.unreference();
}

void CountedWakers::wake_by_ref(void* data) {
  CountedWakers& s = *static_cast<CountedWakers*>(data);
  if (!s.is_live("woken")) return;
  step(s.quoted() + " woken");
  s.count_wake();
}

void CountedWakers::drop(void* data) {
  CountedWakers& s = *static_cast<CountedWakers*>(data);
  if (!s.is_live("dropped")) return;
  s.drops.fetch_add(1, std::memory_order_relaxed);
  step(s.quoted() + " dropped" + alive(s.give_back()));
  if (s.on_drop) s.on_drop();
  s.unreference();
}

}  // namespace testkit::internal
