// Real threads, for ThreadSanitizer: whoever has the lock sees what those before it did.
#include <map>
#include <thread>

#include "rt/runtime/block_on.h"
#include "rt/sync/mutex.h"
#include "testkit/testkit.h"

namespace {

// Bugs it is here for: two who hold it; a lost wake (it hangs).
TEST(MutexStress, WhatItGuardsStaysWhole) {
  constexpr int kRounds = 3'000;
  rt::Mutex<std::map<int, int>> counts;
  const auto work = [&counts] {
    for (int i = 0; i < kRounds; ++i) {
      const auto guard = rt::block_on(counts.lock());
      ++(*guard)[i % 7];
      if (i % 7 == 6) guard->erase(i % 3);
    }
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_LE(counts.try_lock().value()->size(), 7u);
}

// Bug it is here for: a lock that is handed to a future that goes at the same moment.
TEST(MutexStress, WhoGoesLosesNothing) {
  constexpr int kRounds = 3'000;
  rt::Mutex<int> count(0);
  std::thread other([&count] {
    testkit::TestTask task("impatient");
    for (int i = 0; i < kRounds; ++i) {
      auto asked = count.lock();
      [[maybe_unused]] const bool got = asked.poll(task.cx()).is_ready();
    }
  });
  for (int i = 0; i < kRounds; ++i) ++*rt::block_on(count.lock());
  other.join();
  EXPECT_EQ(*count.try_lock().value(), kRounds);
}

}  // namespace
