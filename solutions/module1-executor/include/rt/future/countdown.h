// Countdown: a future that is pending a given number of times and then ready.
//
// It is the smallest future there is, and it breaks one rule of the contract on purpose: when it
// says pending it arranges no wake, so somebody has to poll it by hand. (It has no choice: wakers
// come with exercise 1.2, and until then rt::Waker is declared and no more.)
//
// Thread safety: none needed; one owner polls it.
//
// Invariants
//   1. Countdown(n) is pending for n polls, and ready with "liftoff" at poll n + 1.
//   2. Constructing it counts nothing down: only poll() does.
#pragma once

#include <stdexcept>
#include <string>

#include "rt/future/future.h"

namespace rt {

class [[nodiscard]] Countdown {
 public:
  using Output = std::string;

  // `from` is how many polls will be pending; negative counts as zero.
  explicit Countdown(int from) noexcept : left_(from) {}

  // Pending while there is something to count. Throws std::logic_error when polled after ready.
  Poll<std::string> poll(Context&) {
    // BEGIN SOLUTION 1.1
    if (done_) throw std::logic_error("Countdown: polled after it was ready");
    if (left_ > 0) {
      --left_;
      return kPending;
    }
    done_ = true;
    return std::string("liftoff");
    // END SOLUTION
  }

  // How many polls will still be pending.
  int left() const noexcept { return left_ > 0 ? left_ : 0; }

 private:
  int left_;
  bool done_ = false;
};

static_assert(Future<Countdown>);

}  // namespace rt
