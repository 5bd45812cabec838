// Who sleeps, who searches, who is woken: one step after another, on one thread.
#include "rt/runtime/idle.h"

#include <cstddef>
#include <optional>
#include <string>

#include "testkit/testkit.h"

namespace {

using rt::Idle;
using testkit::step;

class IdleTest : public testing::Test {
 protected:
  // The worker, which searches or not, falls asleep.
  bool falls_asleep(std::size_t worker, bool searches = false) {
    const bool looks = idle.fall_asleep(worker, searches);
    step("worker " + std::to_string(worker) + " falls asleep" + (looks ? ", and has to look" : ""));
    return looks;
  }
  std::optional<std::size_t> opens_a_task() {
    const std::optional<std::size_t> worker = idle.worker_to_wake();
    step("a task is opened: " + (worker.has_value()
                                     ? "worker " + std::to_string(*worker) + " is woken"
                                     : "nobody is woken"));
    return worker;
  }
  bool wakes_up(std::size_t worker) {
    const bool searches = idle.wake_up(worker);
    step("worker " + std::to_string(worker) + " wakes up" + (searches ? ", and searches" : ""));
    return searches;
  }

  Idle idle{4};
};

// --- Who is woken --------------------------------------------------------------------------------

TEST_F(IdleTest, WhereNobodySleepsNobodyIsWoken) { EXPECT_EQ(opens_a_task(), std::nullopt); }

TEST_F(IdleTest, ATaskWakesTheWorkerThatFellAsleepLast) {
  for (const std::size_t worker : {2u, 0u, 3u}) falls_asleep(worker);
  EXPECT_EQ(opens_a_task(), 3u);
}

// Bug it is here for: a worker is woken for each task. The first to arrive takes half of them, and
// the others find nothing. (The thundering herd.)
TEST_F(IdleTest, WhoIsWokenCountsAsOneWhoSearchesAtOnce) {
  for (const std::size_t worker : {0u, 1u, 2u}) falls_asleep(worker);
  EXPECT_EQ(opens_a_task(), 2u);
  EXPECT_EQ(opens_a_task(), std::nullopt) << "2 is on its way, though its thread does not know yet";
  EXPECT_TRUE(wakes_up(2));
  EXPECT_EQ(opens_a_task(), std::nullopt) << "2 searches";
}

TEST_F(IdleTest, WhileOneSearchesNobodyIsWoken) {
  falls_asleep(0);
  ASSERT_TRUE(idle.try_search());
  step("worker 1 searches");
  EXPECT_EQ(opens_a_task(), std::nullopt);
}

// Bug it is here for: a woken worker counts for ever as searching. Nobody is woken any more.
TEST_F(IdleTest, WhoHasFoundATaskSearchesNoMore) {
  for (const std::size_t worker : {0u, 1u}) falls_asleep(worker);
  ASSERT_EQ(opens_a_task(), 1u);
  ASSERT_TRUE(wakes_up(1));
  EXPECT_TRUE(idle.stop_search());
  step("worker 1 has found a task");
  EXPECT_EQ(opens_a_task(), 0u);
}

TEST_F(IdleTest, WhoFoundNothingAndSleepsMayBeWokenAgain) {
  falls_asleep(0);
  ASSERT_EQ(opens_a_task(), 0u);
  ASSERT_TRUE(wakes_up(0));
  EXPECT_TRUE(falls_asleep(0, /*searches=*/true));
  EXPECT_EQ(opens_a_task(), 0u);
}

// Bug it is here for: it wakes by itself, for an event, and is still on the list. Whoever opens a
// task wakes it, though it is awake, and leaves one asleep that really sleeps.
TEST_F(IdleTest, WhoWakesByItselfIsOnTheListNoMore) {
  for (const std::size_t worker : {0u, 1u}) falls_asleep(worker);
  EXPECT_FALSE(wakes_up(1)) << "nobody has chosen it";
  EXPECT_EQ(opens_a_task(), 0u);
  EXPECT_TRUE(wakes_up(0));
}

// Bug it is here for: who wakes by itself counts as one who searches.
TEST_F(IdleTest, WhoWakesByItselfDoesNotSearch) {
  for (const std::size_t worker : {0u, 1u, 2u}) falls_asleep(worker);
  EXPECT_FALSE(wakes_up(1));
  EXPECT_EQ(opens_a_task(), 2u);
}

// Bug it is here for: it was chosen, and wakes by itself before it was unparked. It searches all
// the same, or nobody does.
TEST_F(IdleTest, WhoWakesByItselfAndWasChosenSearches) {
  falls_asleep(0);
  falls_asleep(1);
  ASSERT_EQ(opens_a_task(), 1u);
  EXPECT_TRUE(wakes_up(1));
  EXPECT_TRUE(falls_asleep(1, /*searches=*/true)) << "it was the only one that searched";
}

TEST_F(IdleTest, AllAreWokenInTheEnd) {
  for (const std::size_t worker : {0u, 1u, 2u, 3u}) falls_asleep(worker);
  for (const std::size_t worker : {3u, 2u, 1u, 0u}) {
    EXPECT_EQ(opens_a_task(), worker);
    EXPECT_TRUE(wakes_up(worker));
    EXPECT_EQ(idle.stop_search(), worker != 0) << "whether somebody sleeps";
  }
  EXPECT_EQ(opens_a_task(), std::nullopt);
}

// --- Who searches --------------------------------------------------------------------------------

TEST_F(IdleTest, HalfOfTheWorkersSearchAtMost) {
  EXPECT_TRUE(idle.try_search());
  EXPECT_TRUE(idle.try_search());
  EXPECT_FALSE(idle.try_search());
  EXPECT_FALSE(idle.stop_search());
  EXPECT_TRUE(idle.try_search()) << "one has stopped";
}

TEST_F(IdleTest, OfThreeTwoMaySearch) {
  Idle three(3);
  EXPECT_TRUE(three.try_search());
  EXPECT_TRUE(three.try_search());
  EXPECT_FALSE(three.try_search());
}

TEST_F(IdleTest, AWorkerThatIsAloneMaySearch) {
  Idle one(1);
  EXPECT_TRUE(one.try_search());
  EXPECT_TRUE(one.fall_asleep(0, true)) << "nobody else will look";
}

TEST_F(IdleTest, WhoWasChosenCountsAsWell) {
  falls_asleep(0);
  ASSERT_EQ(opens_a_task(), 0u);
  EXPECT_TRUE(idle.try_search());
  EXPECT_FALSE(idle.try_search());
}

// --- Who looks once more -------------------------------------------------------------------------

// Bug it is here for: everybody thinks that another one searches.
TEST_F(IdleTest, TheLastThatSearchesLooksBeforeItSleeps) {
  ASSERT_TRUE(idle.try_search());
  ASSERT_TRUE(idle.try_search());
  EXPECT_FALSE(falls_asleep(0, /*searches=*/true)) << "another one searches";
  EXPECT_TRUE(falls_asleep(1, /*searches=*/true));
}

// Bug it is here for: only those who searched look again. This one was refused, since somebody
// searched; that one has found a task meanwhile, and nobody searches now.
TEST_F(IdleTest, WhoWasNotSearchingLooksTooIfNobodyDoes) {
  EXPECT_TRUE(falls_asleep(0, /*searches=*/false));
}

TEST_F(IdleTest, WhoWasNotSearchingNeedNotLookWhileAnotherOneDoes) {
  ASSERT_TRUE(idle.try_search());
  EXPECT_FALSE(falls_asleep(0, /*searches=*/false));
}

TEST_F(IdleTest, TheLastThatSearchesLooksWhenItHasFoundATask) {
  falls_asleep(0);
  ASSERT_TRUE(idle.try_search());
  ASSERT_TRUE(idle.try_search());
  EXPECT_FALSE(idle.stop_search()) << "another one searches";
  EXPECT_TRUE(idle.stop_search());
}

// Bug it is here for: a look through all queues each time that a search ends, though nobody could
// be woken.
TEST_F(IdleTest, NobodyLooksForThoseWhoDoNotSleep) {
  ASSERT_TRUE(idle.try_search());
  EXPECT_FALSE(idle.stop_search());
}

}  // namespace
