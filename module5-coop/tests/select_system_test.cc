// A runtime's seed decides who begins.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "rt/future/async.h"
#include "rt/future/future.h"
#include "rt/future/select.h"
#include "rt/runtime/runtime.h"
#include "testkit/testkit.h"

namespace {

using Winners = std::vector<std::size_t>;

rt::Async<Winners> select_again_and_again() {
  Winners winners;
  while (winners.size() < 64) {
    auto first = co_await rt::select(rt::ready(1), rt::ready(2), rt::ready(3));
    winners.push_back(first.index());
  }
  co_return winners;
}

Winners winners(std::uint64_t seed) {
  const std::unique_ptr<rt::Runtime> runtime =
      rt::Runtime::Builder().worker_threads(1).seed(seed).build().value();
  return runtime->block_on(runtime->spawn(select_again_and_again()));
}

TEST(SelectSystem, TheSameSeedOfARuntimeGivesTheSameWinners) {
  EXPECT_EQ(winners(7), winners(7));
  EXPECT_NE(winners(7), winners(8));
}

}  // namespace
