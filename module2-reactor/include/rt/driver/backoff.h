// Backoff: a future that is ready a little later. It is for code that has found that there is none
// of something now, and nobody who would say when there is: descriptors, for example.
//
// It waits by a ThreadTimer. That costs a thread, but none of the things that may have run out in
// this process, and it works without a runtime's timers. Where not even a thread is to be had, it
// gives way to the other tasks once, and is ready.
//
// Thread safety: like any future.
#pragma once

#include <system_error>

#include "absl/time/time.h"
#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/thread_timer.h"
#include "rt/future/yield_now.h"

namespace rt {

class [[nodiscard]] Backoff {
 public:
  using Output = void;

  static constexpr absl::Duration kPause = absl::Milliseconds(50);

  Backoff() noexcept : timer_(kPause) {}

  Poll<void> poll(Context& cx) {
    if (gave_way_) return kReady;
    try {
      return timer_.poll(cx);
    } catch (const std::system_error&) {
      gave_way_ = true;
    }
    coop::defer(cx.waker());
    return kPending;
  }

 private:
  ThreadTimer timer_;
  bool gave_way_ = false;
};

}  // namespace rt
