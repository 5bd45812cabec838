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
#include "rt/platform/todo.h"

namespace rt {

template <class Budget>
void the_budget_test(TestBench& bench) {
  RT_TODO("5.10");
}

template <class Pool>
void the_pool_test(TestBench& bench) {
  RT_TODO("5.10");
}

template <class Token>
void the_token_test(TestBench& bench) {
  RT_TODO("5.10");
}

}  // namespace rt
