#include "rt/platform/parker.h"

#include "testkit/parker_tests.h"
#include "testkit/testkit.h"

namespace {

using rt::Parker;
using testkit::step;

// Bugs it is here for: an unpark that only notifies, and leaves nothing to be found by a park that
// comes later.
TEST(Parker, AnUnparkBeforeTheParkIsNotLost) {
  testkit::an_unpark_before_the_park_is_not_lost<Parker>();
}

// Bug it is here for: a park that does not wait for the token.
TEST(Parker, ParkSleepsUntilUnparked) { testkit::park_sleeps_until_unparked<Parker>(); }

// Bug it is here for: tokens that are counted.
TEST(Parker, ManyUnparksLeaveOneToken) { testkit::many_unparks_leave_one_token<Parker>(); }

// Bug it is here for: a token that is taken only if the thread did not have to wait for it.
TEST(Parker, AnUnparkThatEndsAParkIsUsedUp) {
  testkit::an_unpark_that_ends_a_park_is_used_up<Parker>();
}

// Bug it is here for: a parker that works once. The word has to be what it was in the beginning.
TEST(Parker, ParksAgainAndAgain) {
  Parker parker;
  for (int i = 0; i < 3; ++i) {
    step("park() on another thread, and unpark() once that thread sleeps");
    const testkit::ParkingThread parking(parker);
    EXPECT_FALSE(parking.returned());
    parker.unpark();
  }
  step("unpark(), park()");
  parker.unpark();
  parker.park();
}

// An executor sleeps through the interface.
TEST(Parker, IsAPark) {
  Parker parker;
  rt::Park& park = parker;
  park.unpark();
  park.look();
  park.park();
}

}  // namespace
