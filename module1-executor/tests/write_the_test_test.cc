#include "rt/exercise/write_the_test.h"

#include "rt/exercise/suspects.h"
#include "rt/exercise/test_bench.h"
#include "rt/future/manual_event.h"
#include "testkit/suspects.h"
#include "testkit/testkit.h"

namespace {

using testkit::expect_caught;
using testkit::passes_on_the_right;

struct EventCase {
  static constexpr const char* kThing = "event";
  using Right = rt::ManualEvent;
  template <class Event>
  static void run(rt::TestBench& bench) {
    rt::the_test<Event>(bench);
  }
};

// Bug it is here for: a test that expects more than the contract promises.
TEST(WriteTheTest, PassesOnTheRightEvent) { passes_on_the_right<EventCase>(); }

// Bug they are here for: a test that passes whatever it is given.
TEST(WriteTheTest, CatchesSuspectA) { expect_caught<EventCase, rt::SuspectA>("SuspectA"); }
TEST(WriteTheTest, CatchesSuspectB) { expect_caught<EventCase, rt::SuspectB>("SuspectB"); }
TEST(WriteTheTest, CatchesSuspectC) { expect_caught<EventCase, rt::SuspectC>("SuspectC"); }
TEST(WriteTheTest, CatchesSuspectD) { expect_caught<EventCase, rt::SuspectD>("SuspectD"); }

}  // namespace
