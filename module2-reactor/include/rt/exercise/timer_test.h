// the_timer_test: the test that tells a right timer wheel from the wrong ones in
// rt/exercise/timer_suspects.h.
//
// It is called with TimerWheel, where every expectation has to hold, and with each suspect, where
// at least one must not. A Wheel has the face of TimerWheel: insert(), cancel(), next_expiry(),
// poll() and elapsed().
//
// What may be expected is what rt/driver/timer_wheel.h promises, and nothing else. `Wheel` is a
// name for all of them: the test looks at what a wheel does, not at which one it is.
#pragma once

#include <cstdint>

#include "rt/driver/timer_node.h"
#include "rt/exercise/test_bench.h"
#include "rt/exercise/timer_suspects.h"
#include "rt/platform/todo.h"

namespace rt {

template <class Wheel>
void the_timer_test(TestBench& bench) {
  RT_TODO("2.9");
}

}  // namespace rt
