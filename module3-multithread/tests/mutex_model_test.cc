// Every interleaving of those who want the lock.
#include <optional>
#include <utility>

#include "rt/sync/mutex.h"
#include "testkit/model/block_on.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using testkit::model::block_on;
using testkit::model::check;
using testkit::model::Outcomes;
using testkit::model::Thread;

// The value stands in a sync::Cell of the mutex: two who reach it at once are a data race.
TEST(MutexModel, OneAtATime) {
  check([] {
    rt::Mutex<int> count(0);
    const auto work = [&count] { ++*block_on(count.lock()); };
    Thread one(work), two(work);
    work();
    one.join();
    two.join();
    MODEL_REQUIRE(*count.try_lock().value() == 3);
  });
}

// Bug it is here for: a guard that gives back before, or without, having published.
TEST(MutexModel, TryingSeesWhatWasDoneOrFails) {
  Outcomes seen;
  check([&seen] {
    rt::Mutex<int> count(0);
    Thread other([&count] { ++*block_on(count.lock()); });
    std::optional<rt::Mutex<int>::Guard> guard = count.try_lock();
    seen.add(!guard.has_value() ? "it is held" : **guard == 0 ? "before" : "after");
    guard.reset();
    other.join();
  });
  EXPECT_EQ(seen, Outcomes({"after", "before", "it is held"}));
}

// Bug it is here for: the lock stays with a future that goes when it is its turn.
TEST(MutexModel, WhoGoesPassesItOn) {
  check([] {
    rt::Mutex<int> count(0);
    Thread other([&count] {
      testkit::CountingWaker nobody;
      const rt::Waker waker = nobody.waker();
      rt::Context cx(waker);
      rt::Mutex<int>::Lock asked = count.lock();
      if (asked.poll(cx).is_ready()) testkit::model::note("it was free");
    });
    Thread third([&count] { ++*block_on(count.lock()); });
    ++*block_on(count.lock());
    other.join();
    third.join();
    MODEL_REQUIRE(*count.try_lock().value() == 2);
  });
}

}  // namespace
