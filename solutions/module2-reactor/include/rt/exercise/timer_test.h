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

namespace rt {

template <class Wheel>
void the_timer_test(TestBench& bench) {
  // BEGIN SOLUTION 2.9
  TimerNode a, b, c;
  {
    bench.note("Scene 1: a timer of a thousand ticks.");
    Wheel wheel;
    bench.expect(wheel.insert(a, 1000), "put in");
    bench.expect(wheel.poll(999) == nullptr, "not due a tick early");
    bench.expect(wheel.next_expiry() == 1000u, "due in a tick");
    bench.expect(wheel.poll(1000) == &a, "due at its tick");
    bench.expect(wheel.poll(1000) == nullptr, "given out once");
  }
  {
    bench.note("Scene 2: two timers of one tick, of which one is cancelled.");
    Wheel wheel;
    wheel.insert(a, 10);
    wheel.insert(b, 10);
    bench.expect(wheel.cancel(a), "taken out");
    bench.expect(wheel.poll(10) == &b, "the other is due");
    bench.expect(wheel.poll(10) == nullptr, "the cancelled one is not");
  }
  {
    bench.note("Scene 3: one is due, and cancels the other.");
    Wheel wheel;
    wheel.insert(a, 10);
    wheel.insert(b, 10);
    const TimerNode* const first = wheel.poll(10);
    bench.expect(first == &a || first == &b, "one of the two is due");
    bench.expect(wheel.cancel(first == &a ? b : a), "the other was still in");
    bench.expect(wheel.poll(10) == nullptr, "the one cancelled in time is not given out");
  }
  {
    bench.note("Scene 4: the longest turn of the wheel, and a timer of a minute or so.");
    Wheel wheel;
    constexpr std::uint64_t kTurn = std::uint64_t{1} << 36;
    wheel.insert(c, kTurn);
    wheel.insert(a, 64'000);
    bench.expect(wheel.next_expiry() == 64'000u, "the nearer one comes next");
    bench.expect(wheel.poll(64'000) == &a, "the nearer one is due");
    bench.expect(wheel.poll(kTurn - 1) == nullptr, "the other is not, a tick early");
    bench.expect(wheel.poll(kTurn) == &c, "the other is due");
  }
  // END SOLUTION
}

}  // namespace rt
