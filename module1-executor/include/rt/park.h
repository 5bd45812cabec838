// Park: how a thread that has nothing to do sleeps until somebody has work for it.
//
// An executor sleeps through this interface, so that it can sleep on a condition variable in
// module 1, in epoll in module 2, and be told how to sleep by a test.
//
// Thread safety: park() by the owning thread only; unpark() by any thread, any number of times.
//
// Invariants
//   1. An unpark() that happens before park() is never lost: that park() returns at once.
//   2. Everything that happened before an unpark() is visible after the park() that it ends.
//   3. park() may also return for no reason, so a caller looks for work again and, if there is
//      none, parks again.
#pragma once

namespace rt {

class Park {
 public:
  Park() = default;
  Park(const Park&) = delete;
  Park& operator=(const Park&) = delete;
  virtual ~Park() = default;

  virtual void park() = 0;
  virtual void unpark() = 0;
};

}  // namespace rt
