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
#include "rt/platform/todo.h"

namespace rt {

template <class Queue>
void the_queue_test(TestBench& bench) {
  RT_TODO("4.8");
}

}  // namespace rt
