// Real threads, for ThreadSanitizer.
#include <atomic>
#include <thread>

#include "rt/platform/parker.h"
#include "testkit/parker_tests.h"
#include "testkit/testkit.h"

namespace {

using rt::Parker;

// Bugs it is here for: a lost unpark (it hangs); plain data that an unpark does not publish.
TEST(ParkerStress, TwoThreadsTakeTurns) { testkit::two_threads_take_turns<Parker>(); }

// Bug it is here for: an unpark that is lost because another came at the same moment.
TEST(ParkerStress, ManyUnparkersOneSleeper) {
  constexpr int kEach = 5'000;
  Parker parker;
  std::atomic<int> done{0};
  const auto body = [&] {
    for (int i = 0; i < kEach; ++i) {
      done.fetch_add(1, std::memory_order_relaxed);
      parker.unpark();
    }
  };
  std::thread first(body), second(body);
  while (done.load(std::memory_order_relaxed) < 2 * kEach) parker.park();
  first.join();
  second.join();
  EXPECT_EQ(done.load(), 2 * kEach);
}

}  // namespace
