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

namespace rt {

template <class Event>
void the_test(TestBench& bench) {
  // BEGIN SOLUTION 1.11
  {
    bench.note("Scene 1: the future goes from one task to another.");
    Event event;
    auto waiting = event.wait();
    TestBench::Task a = bench.task("a"), b = bench.task("b");
    bench.expect(!a.poll(waiting), "pending before it is set");
    bench.expect(!b.poll(waiting), "pending before it is set");
    bench.expect(a.wakes() + b.wakes() == 0, "nobody is woken before it is set");
    event.set();
    bench.expect(b.wakes() == 1, "the newest task is woken");
    bench.expect(b.poll(waiting), "ready once it is set");
  }
  {
    bench.note("Scene 2: it is set before anybody waits.");
    Event event;
    event.set();
    auto waiting = event.wait();
    TestBench::Task a = bench.task("a");
    bench.expect(a.poll(waiting), "ready at the first poll");
  }
  {
    bench.note("Scene 3: the future is dropped while it waits.");
    Event event;
    TestBench::Task a = bench.task("a");
    {
      auto waiting = event.wait();
      bench.expect(!a.poll(waiting), "pending before it is set");
    }
    event.set();
    bench.expect(a.wakes() == 0, "a task that dropped its future is not woken");
  }
  // END SOLUTION
}

}  // namespace rt
