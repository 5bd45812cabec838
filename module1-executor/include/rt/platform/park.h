// Park: how a thread that has nothing to do sleeps until somebody has work for it.
//
// An executor sleeps through this interface, so that it can sleep on a condition variable or in
// epoll, and be told how to sleep by a test.
//
// Thread safety: park() and look() by the owning thread only; unpark() by any thread, any number of
// times.
//
// Invariants
//   1. An unpark() that happens before park() is never lost: that park() returns at once.
//   2. Everything that happened before an unpark() is visible after the park() that it ends.
//   3. park() may also return for no reason, so a caller looks for work again and, if there is
//      none, parks again.
//   4. A Park that brings events brings them in every park(), whatever ends it, and in look().
#pragma once

#include <string>

namespace rt {

class Park {
 public:
  Park() = default;
  Park(const Park&) = delete;
  Park& operator=(const Park&) = delete;
  virtual ~Park() = default;

  virtual void park() = 0;
  virtual void unpark() = 0;

  // Takes the events that are there already, and never sleeps. A busy executor calls it now and
  // then, so that whoever waits for an event does not wait until nobody has work. It uses no
  // unpark() up.
  virtual void look() {}

  // For the report of a hang: in a few words, how it sleeps at this moment. Takes no lock.
  virtual std::string describe() const { return "?"; }
};

}  // namespace rt
