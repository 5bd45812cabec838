#include "rt/exercise/coop_test.h"

#include "rt/exercise/coop_suspects.h"
#include "rt/exercise/test_bench.h"
#include "testkit/suspects.h"
#include "testkit/testkit.h"

namespace {

using testkit::expect_caught;
using testkit::expect_right;
using testkit::passes_on_the_right;

struct BudgetCase {
  static constexpr const char* kThing = "budget";
  using Right = rt::BudgetForTest;
  template <class Budget>
  static void run(rt::TestBench& bench) {
    rt::the_budget_test<Budget>(bench);
  }
};
struct PoolCase {
  static constexpr const char* kThing = "pool";
  using Right = rt::PoolOfSteps;
  template <class Pool>
  static void run(rt::TestBench& bench) {
    rt::the_pool_test<Pool>(bench);
  }
};
struct TokenCase {
  static constexpr const char* kThing = "token";
  using Right = rt::TokenForTest;
  template <class Token>
  static void run(rt::TestBench& bench) {
    rt::the_token_test<Token>(bench);
  }
};

// Bug they are here for: a test that expects more than the contract promises.
TEST(BudgetTest, PassesOnTheRightBudget) { passes_on_the_right<BudgetCase>(); }
TEST(BudgetTest, PassesOnOneThatCounts) {
  expect_right<BudgetCase, rt::CountedBudget>("CountedBudget");
}
TEST(PoolTest, PassesOnTheRightPool) { passes_on_the_right<PoolCase>(); }
TEST(TokenTest, PassesOnTheRightToken) { passes_on_the_right<TokenCase>(); }
TEST(TokenTest, PassesOnATreeThatIsRight) { expect_right<TokenCase, rt::TokenTree>("TokenTree"); }

// Bug they are here for: a test that passes whatever it is given.
TEST(BudgetTest, CatchesSuspectA) { expect_caught<BudgetCase, rt::CoopSuspectA>("CoopSuspectA"); }
TEST(BudgetTest, CatchesSuspectB) { expect_caught<BudgetCase, rt::CoopSuspectB>("CoopSuspectB"); }
TEST(PoolTest, CatchesSuspectC) { expect_caught<PoolCase, rt::CoopSuspectC>("CoopSuspectC"); }
TEST(PoolTest, CatchesSuspectD) { expect_caught<PoolCase, rt::CoopSuspectD>("CoopSuspectD"); }
TEST(TokenTest, CatchesSuspectE) { expect_caught<TokenCase, rt::CoopSuspectE>("CoopSuspectE"); }
TEST(TokenTest, CatchesSuspectF) { expect_caught<TokenCase, rt::CoopSuspectF>("CoopSuspectF"); }

}  // namespace
