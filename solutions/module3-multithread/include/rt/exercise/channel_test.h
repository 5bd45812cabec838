// the_channel_test: the test that tells a right bounded channel from the wrong ones in
// rt/exercise/channel_suspects.h.
//
// It is called with ChannelForTest, where every expectation has to hold, and with each suspect,
// where at least one must not. A Channel is made with its capacity, and has send(), recv(), take()
// and close(); rt/exercise/channel_suspects.h says of ChannelForTest what they do.
//
// What may be expected is what rt/sync/mpsc.h promises, and nothing else. `Channel` is a name for
// all of them: the test looks at what a channel does, not at which one it is.
#pragma once

#include <optional>

#include "rt/exercise/channel_suspects.h"
#include "rt/exercise/test_bench.h"

namespace rt {

template <class Channel>
void the_channel_test(TestBench& bench) {
  // BEGIN SOLUTION 3.10
  TestBench::Task a = bench.task("a"), b = bench.task("b"), c = bench.task("c");
  {
    bench.note("Scene 1: one waits for room, and when there is room another comes.");
    Channel channel(1);
    auto first = channel.send(1), second = channel.send(2), third = channel.send(3);
    bench.expect(a.poll(first), "there is room for one");
    bench.expect(!b.poll(second), "and not for two");
    bench.expect(channel.take() == 1, "what was sent first comes first");
    bench.expect(!c.poll(third), "the waiter has the room, and not a later sender");
    bench.expect(b.wakes() == 1, "the waiter is told");
    bench.expect(b.poll(second), "and has sent");
    bench.expect(channel.take() == 2, "its value comes next");
  }
  {
    bench.note("Scene 2: one waits for room, and goes away.");
    Channel channel(1);
    auto first = channel.send(1);
    bench.expect(a.poll(first), "there is room for one");
    {
      auto second = channel.send(2);
      bench.expect(!b.poll(second), "and not for two");
    }
    bench.expect(channel.take() == 1, "what was sent first comes first");
    bench.expect(channel.take() == std::nullopt, "what was never sent does not come");
  }
  {
    bench.note("Scene 3: it is closed with a value in it.");
    Channel channel(1);
    auto first = channel.send(1);
    bench.expect(a.poll(first), "there is room for one");
    channel.close();
    bench.expect(channel.take() == 1, "what is in is still received");
  }
  {
    bench.note("Scene 4: it is closed while one waits for room.");
    Channel channel(1);
    auto first = channel.send(1), second = channel.send(2);
    bench.expect(a.poll(first), "there is room for one");
    const int before = b.wakes();
    bench.expect(!b.poll(second), "and not for two");
    channel.close();
    bench.expect(b.wakes() == before + 1, "the waiter is told");
    bench.expect(b.poll(second), "and has its answer");
  }
  // END SOLUTION
}

}  // namespace rt
