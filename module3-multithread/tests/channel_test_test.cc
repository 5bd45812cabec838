#include "rt/channel_test.h"

#include <string>

#include "rt/channel_suspects.h"
#include "rt/test_bench.h"
#include "testkit/testkit.h"

namespace {

using rt::TestBench;

std::string story_of(const TestBench& bench) {
  std::string story;
  for (const std::string& line : bench.story()) story += "  " + line + "\n";
  return story.empty() ? "  nothing\n" : story;
}

// Your test has to pass on the right channel first, or that it fails on a wrong one proves nothing.
bool passes_on_the_right_channel() {
  TestBench bench;
  rt::the_channel_test<rt::ChannelForTest>(bench);
  EXPECT_EQ(bench.failures(), 0) << "The channel is right, and your test says it is not. It did:\n"
                                 << story_of(bench);
  return bench.failures() == 0;
}

template <class Suspect>
void expect_caught(const char* name) {
  if (!passes_on_the_right_channel()) return;
  TestBench bench;
  rt::the_channel_test<Suspect>(bench);
  EXPECT_GT(bench.failures(), 0) << name << " is wrong, and it passed your test. The test did:\n"
                                 << story_of(bench);
}

// Bug it is here for: a test that expects more than the contract promises.
TEST(ChannelTest, PassesOnTheRightChannel) { passes_on_the_right_channel(); }

// The same contract, kept by other means.
TEST(ChannelTest, PassesOnADequeThatIsRight) {
  if (!passes_on_the_right_channel()) return;
  TestBench bench;
  rt::the_channel_test<rt::DequeOfValues>(bench);
  EXPECT_EQ(bench.failures(), 0) << "It keeps the contract, and your test says it does not:\n"
                                 << story_of(bench);
}

// Bug they are here for: a test that passes whatever it is given.
TEST(ChannelTest, CatchesSuspectA) { expect_caught<rt::ChannelSuspectA>("ChannelSuspectA"); }
TEST(ChannelTest, CatchesSuspectB) { expect_caught<rt::ChannelSuspectB>("ChannelSuspectB"); }
TEST(ChannelTest, CatchesSuspectC) { expect_caught<rt::ChannelSuspectC>("ChannelSuspectC"); }
TEST(ChannelTest, CatchesSuspectD) { expect_caught<rt::ChannelSuspectD>("ChannelSuspectD"); }

}  // namespace
