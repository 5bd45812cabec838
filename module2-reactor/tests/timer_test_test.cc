#include "rt/exercise/timer_test.h"

#include "rt/driver/timer_wheel.h"
#include "rt/exercise/test_bench.h"
#include "rt/exercise/timer_suspects.h"
#include "testkit/suspects.h"
#include "testkit/testkit.h"

namespace {

using testkit::expect_caught;
using testkit::passes_on_the_right;

struct WheelCase {
  static constexpr const char* kThing = "wheel";
  using Right = rt::TimerWheel;
  template <class Wheel>
  static void run(rt::TestBench& bench) {
    rt::the_timer_test<Wheel>(bench);
  }
};

// Bug it is here for: a test that expects more than the contract promises.
TEST(TimerTest, PassesOnTheRightWheel) { passes_on_the_right<WheelCase>(); }

// Bug they are here for: a test that passes whatever it is given.
TEST(TimerTest, CatchesSuspectA) { expect_caught<WheelCase, rt::WheelSuspectA>("WheelSuspectA"); }
TEST(TimerTest, CatchesSuspectB) { expect_caught<WheelCase, rt::WheelSuspectB>("WheelSuspectB"); }
TEST(TimerTest, CatchesSuspectC) { expect_caught<WheelCase, rt::WheelSuspectC>("WheelSuspectC"); }
TEST(TimerTest, CatchesSuspectD) { expect_caught<WheelCase, rt::WheelSuspectD>("WheelSuspectD"); }

}  // namespace
