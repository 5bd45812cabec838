// Work that keeps a thread: in a task, where it keeps a worker, and on the pool for blocking calls.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "rt/future/async.h"
#include "rt/platform/clock.h"
#include "rt/runtime/spawn_blocking.h"

namespace demo {

inline volatile std::uint64_t sink;  // So that the compiler does not leave the work out.

inline void compute(absl::Duration how_long) {
  const rt::Instant end = rt::clock::now() + how_long;
  std::uint64_t x = 1;
  while (rt::clock::now() < end) x = x * 6364136223846793005u + 1442695040888963407u;
  sink = x;
}

inline rt::Async<> computes(absl::Duration how_long) {
  compute(how_long);
  co_return;
}
inline rt::Async<> computes_on_the_pool(absl::Duration how_long) {
  co_await rt::spawn_blocking([how_long] { compute(how_long); });
}

}  // namespace demo
