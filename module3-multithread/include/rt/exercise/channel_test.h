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
#include "rt/platform/todo.h"

namespace rt {

template <class Channel>
void the_channel_test(TestBench& bench) {
  RT_TODO("3.10");
}

}  // namespace rt
