#include "rt/exercise/channel_test.h"

#include "rt/exercise/channel_suspects.h"
#include "rt/exercise/test_bench.h"
#include "testkit/suspects.h"
#include "testkit/testkit.h"

namespace {

using testkit::expect_caught;
using testkit::expect_right;
using testkit::passes_on_the_right;

struct ChannelCase {
  static constexpr const char* kThing = "channel";
  using Right = rt::ChannelForTest;
  template <class Channel>
  static void run(rt::TestBench& bench) {
    rt::the_channel_test<Channel>(bench);
  }
};

// Bug it is here for: a test that expects more than the contract promises.
TEST(ChannelTest, PassesOnTheRightChannel) { passes_on_the_right<ChannelCase>(); }

// The same contract, kept by other means.
TEST(ChannelTest, PassesOnADequeThatIsRight) {
  expect_right<ChannelCase, rt::DequeOfValues>("DequeOfValues");
}

// Bug they are here for: a test that passes whatever it is given.
TEST(ChannelTest, CatchesSuspectA) {
  expect_caught<ChannelCase, rt::ChannelSuspectA>("ChannelSuspectA");
}
TEST(ChannelTest, CatchesSuspectB) {
  expect_caught<ChannelCase, rt::ChannelSuspectB>("ChannelSuspectB");
}
TEST(ChannelTest, CatchesSuspectC) {
  expect_caught<ChannelCase, rt::ChannelSuspectC>("ChannelSuspectC");
}
TEST(ChannelTest, CatchesSuspectD) {
  expect_caught<ChannelCase, rt::ChannelSuspectD>("ChannelSuspectD");
}

}  // namespace
