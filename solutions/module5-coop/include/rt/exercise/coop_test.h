// Three tests, that tell a right budget, pool and cancellation token from the wrong ones in
// rt/exercise/coop_suspects.h.
//
// Each is called with a right one, where every expectation has to hold, and with two suspects,
// where at least one must not. What they are made with, and what they can do, is told at the top of
// rt/exercise/coop_suspects.h.
//
// What may be expected is what the headers of 5.1, 5.4 and 5.6 promise, and nothing else. `Budget`,
// `Pool` and `Token` are names for all of them: a test looks at what a thing does, not at which one
// it is.
#pragma once

#include <vector>

#include "rt/exercise/coop_suspects.h"
#include "rt/exercise/test_bench.h"

namespace rt {

template <class Budget>
void the_budget_test(TestBench& bench) {
  // BEGIN SOLUTION 5.10
  Budget budget;
  const auto left = [&budget] {
    auto first = budget.take();
    int units = first.was_there() ? 1 : 0;
    while (units > 0 && units <= 128 && budget.take().was_there()) ++units;
    first.give_back();
    return units;
  };
  bench.note("A leaf takes a unit, others take more, and it has nothing to give in the end.");
  typename Budget::Poll poll(budget);
  {
    auto unit = budget.take();
    for (int i = 0; i < 5; ++i) budget.take();
    unit.give_back();
  }
  bench.expect(left() == 128, "all is given back with the first unit");
  bench.note("A poll in the middle of a poll.");
  for (int i = 0; i < 28; ++i) budget.take();
  { const typename Budget::Poll inner(budget); }
  bench.expect(left() == 100, "the outer poll goes on with what it had");
  // END SOLUTION
}

template <class Pool>
void the_pool_test(TestBench& bench) {
  // BEGIN SOLUTION 5.10
  {
    bench.note("One thread is idle, and two jobs come.");
    Pool pool(8);
    pool.submit(1);
    pool.ends(0);
    pool.submit(2);
    pool.submit(3);
    bench.expect(pool.threads() == 2, "the second job has a thread of its own");
  }
  {
    bench.note("The time of a thread is up, and a job has come that counts on it.");
    Pool pool(8);
    pool.submit(1);
    pool.ends(0);
    pool.submit(2);
    pool.time_is_up(0);
    bench.expect(pool.begun() == std::vector<int>{1, 2}, "the job has begun");
  }
  // END SOLUTION
}

template <class Token>
void the_token_test(TestBench& bench) {
  // BEGIN SOLUTION 5.10
  {
    bench.note("A child that is made when it is too late.");
    const Token token;
    token.cancel();
    bench.expect(token.child().is_cancelled(), "it is cancelled");
  }
  {
    bench.note("Who waits goes before the token is cancelled.");
    const Token token;
    TestBench::Task task = bench.task("task");
    {
      auto waiting = token.cancelled();
      bench.expect(!task.poll(waiting), "pending before it is cancelled");
    }
    token.cancel();
    bench.expect(task.wakes() == 0, "nobody is woken");
  }
  // END SOLUTION
}

}  // namespace rt
