// the_queue_test: the test that tells a right queue from the wrong ones in
// rt/exercise/queue_suspects.h.
//
// It is called with QueueForTest, where every expectation has to hold, and with each suspect, where
// at least one must not. A Queue may be made with the index at which its ring begins, has
// kCapacity, push(), pop() and steal(); rt/exercise/queue_suspects.h says of QueueForTest what they
// do.
//
// What may be expected is what rt/runtime/local_queue.h and rt/runtime/steal.h promise, and nothing
// else. `Queue` is a name for all of them: the test looks at what a queue does, not at which one it
// is.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "rt/exercise/queue_suspects.h"
#include "rt/exercise/test_bench.h"

namespace rt {

template <class Queue>
void the_queue_test(TestBench& bench) {
  // BEGIN SOLUTION 4.8
  constexpr int kCapacity = static_cast<int>(Queue::kCapacity);
  const auto fill = [](Queue& queue, int count) {
    for (int n = 1; n <= count; ++n) queue.push(n);
  };
  {
    bench.note("Scene 1: a full queue, and a thief who has claimed and not copied.");
    Queue queue;
    fill(queue, kCapacity);
    auto theft = queue.steal();
    bench.expect(theft.count() == Queue::kCapacity / 2, "he claims half");
    bench.expect(!queue.push(1'001), "what he copies is no room yet");
    bench.expect(queue.pop() == kCapacity / 2 + 1, "the owner takes what comes behind it");
    bench.expect(!queue.push(1'002), "nor is what lies behind the thief's slots");
    const std::vector<int> stolen = theft.finish();
    bench.expect(stolen.front() == 1 && stolen.back() == kCapacity / 2, "he has the older half");
    bench.expect(queue.push(1'003), "then there is room");
  }
  {
    bench.note("Scene 2: a second thief comes while the first one copies.");
    Queue queue;
    fill(queue, 8);
    auto first = queue.steal();
    auto second = queue.steal();
    bench.expect(first.count() == 4, "the first claims half");
    bench.expect(second.count() == 0, "the second goes away");
    first.finish();
    bench.expect(queue.steal().count() == 2, "and may come back when the first is done");
  }
  {
    bench.note("Scene 3: the indices wrap.");
    Queue queue(~std::uint32_t{0} - 1);
    fill(queue, 4);
    for (int n = 1; n <= 4; ++n) bench.expect(queue.pop() == n, "what was pushed comes out");
    bench.expect(queue.pop() == std::nullopt, "and no more");
  }
  // END SOLUTION
}

}  // namespace rt
