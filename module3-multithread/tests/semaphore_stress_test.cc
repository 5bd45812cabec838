// Real threads, for ThreadSanitizer: who holds permits sees what those before it did.
#include <array>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "rt/runtime/block_on.h"
#include "rt/sync/semaphore.h"
#include "testkit/testkit.h"

namespace {

// Calls fn(index) on two threads, and returns when both have ended.
template <class Fn>
void on_two_threads(Fn fn) {
  std::thread other([&fn] { fn(1); });
  fn(0);
  other.join();
}

// Bugs it is here for: a lost wake (it hangs); permits that do not order their holders.
TEST(SemaphoreStress, OnePermitIsALock) {
  constexpr int kRounds = 3'000;
  rt::Semaphore semaphore(1);
  int count = 0;  // Plain: only the permit orders the two threads.
  on_two_threads([&](int) {
    for (int i = 0; i < kRounds; ++i) {
      const auto permit = rt::block_on(semaphore.acquire());
      ++count;
    }
  });
  EXPECT_EQ(count, 2 * kRounds);
  EXPECT_EQ(semaphore.available(), 1u);
}

// Bug it is here for: permits lost or doubled, when one wants many and another wants few.
TEST(SemaphoreStress, FewAndManyPermits) {
  constexpr int kRounds = 2'000;
  rt::Semaphore semaphore(3);
  std::atomic<int> held{0};
  on_two_threads([&](int index) {
    const int wants = index + 2;
    for (int i = 0; i < kRounds; ++i) {
      const auto permit = rt::block_on(semaphore.acquire(static_cast<std::size_t>(wants)));
      EXPECT_LE(held.fetch_add(wants) + wants, 3);
      held.fetch_sub(wants);
    }
  });
  EXPECT_EQ(semaphore.available(), 3u);
}

// Bug it is here for: a permit that goes to somebody who goes at the same moment.
TEST(SemaphoreStress, WhoGoesLosesNothing) {
  constexpr int kRounds = 3'000;
  rt::Semaphore semaphore(1);
  on_two_threads([&](int index) {
    testkit::TestTask task("impatient");
    for (int i = 0; i < kRounds; ++i) {
      if (index == 0) {
        const auto permit = rt::block_on(semaphore.acquire());
      } else {
        rt::Semaphore::Acquire asked = semaphore.acquire();
        [[maybe_unused]] const bool got = asked.poll(task.cx()).is_ready();
      }
    }
  });
  EXPECT_EQ(semaphore.available(), 1u);
}

}  // namespace
