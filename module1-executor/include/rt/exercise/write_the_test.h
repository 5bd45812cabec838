// the_test: the test that tells a right event from the wrong ones in rt/exercise/suspects.h.
//
// It is called with the right event, where every expectation has to hold, and with each suspect,
// where at least one must not. An Event has a default constructor, set(), and wait(), whose future
// is ready once the event is set. An event is used by one waiting future at a time.
//
// What may be expected is what every future promises (rt/future/future.h), and nothing else.
// `Event` is a name for all of them: the test looks at what an event does, not at which one it is.
#pragma once

#include "rt/exercise/suspects.h"
#include "rt/exercise/test_bench.h"
#include "rt/platform/todo.h"

namespace rt {

template <class Event>
void the_test(TestBench& bench) {
  RT_TODO("1.11");
}

}  // namespace rt
