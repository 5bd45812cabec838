#include "rt/future/countdown.h"

#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::Countdown;
using rt::Poll;
using testkit::IsPending;
using testkit::IsReadyWith;
using testkit::step;
using testkit::TestTask;

// Polls by hand: there is no waker, and the test itself decides when to come back.
Poll<std::string> poll(Countdown& countdown) {
  Context cx = Context::without_waker();
  Poll<std::string> result = countdown.poll(cx);
  step("polled: " + testing::PrintToString(result));
  return result;
}

// Bug it is here for: off by one. "Pending for n polls" means that poll n + 1 is the ready one.
TEST(Countdown, IsPendingThreeTimesAndThenReady) {
  Countdown countdown(3);
  EXPECT_THAT(poll(countdown), IsPending()) << "Countdown(3), poll 1 of the 3 pending ones";
  EXPECT_THAT(poll(countdown), IsPending()) << "Countdown(3), poll 2 of the 3 pending ones";
  EXPECT_THAT(poll(countdown), IsPending()) << "Countdown(3), poll 3 of the 3 pending ones";
  EXPECT_THAT(poll(countdown), IsReadyWith("liftoff"))
      << "After 3 pending polls nothing is left to count: poll 4 is the ready one.";
}

TEST(Countdown, FromZeroIsReadyAtTheFirstPoll) {
  Countdown countdown(0);
  EXPECT_THAT(poll(countdown), IsReadyWith("liftoff")) << "Countdown(0) has nothing to count.";
}

// Bugs it is here for: counting down until the count *equals* zero, which a negative one never
// does; taking one away from the smallest number there is, which makes it the largest.
TEST(Countdown, FromBelowZeroIsReadyAtTheFirstPoll) {
  for (const int from : {-1, -5, std::numeric_limits<int>::min()}) {
    Countdown countdown(from);
    EXPECT_THAT(poll(countdown), IsReadyWith("liftoff"))
        << "Countdown(" << from << "): a negative start counts as zero.";
    EXPECT_EQ(countdown.left(), 0);
  }
}

// Bug it is here for: a poll that counts to the end by itself, in a loop. It would be right in the
// end, and nothing else could run meanwhile.
TEST(Countdown, EachPollCountsOne) {
  Countdown countdown(2);
  EXPECT_EQ(countdown.left(), 2) << "Making a Countdown counts nothing, only poll() does.";
  EXPECT_THAT(poll(countdown), IsPending());
  EXPECT_EQ(countdown.left(), 1) << "One poll counts one.";
  EXPECT_THAT(poll(countdown), IsPending());
  EXPECT_EQ(countdown.left(), 0) << "Two polls count two.";
  EXPECT_THAT(poll(countdown), IsReadyWith("liftoff"));
  EXPECT_EQ(countdown.left(), 0) << "The ready poll has nothing left to count.";
}

TEST(Countdown, FromTheLargestNumberCountsDown) {
  constexpr int kMost = std::numeric_limits<int>::max();
  Countdown countdown(kMost);
  EXPECT_THAT(poll(countdown), IsPending());
  EXPECT_THAT(poll(countdown), IsPending());
  EXPECT_EQ(countdown.left(), kMost - 2);
}

// Bug it is here for: a future that answers again after it has ended.
TEST(Countdown, PolledAfterReadyThrows) {
  Countdown countdown(1);
  EXPECT_THAT(poll(countdown), IsPending());
  EXPECT_THAT(poll(countdown), IsReadyWith("liftoff"));
  EXPECT_THROW((void)poll(countdown), std::logic_error)
      << "It has said ready once. A poll after that is its owner's mistake.";
  EXPECT_THROW((void)poll(countdown), std::logic_error) << "And so is every further one.";
}

// Bug it is here for: the end told by the count, which is the same before and after the only poll.
TEST(Countdown, FromBelowZeroPolledAfterReadyThrows) {
  Countdown countdown(std::numeric_limits<int>::min());
  EXPECT_THAT(poll(countdown), IsReadyWith("liftoff"));
  EXPECT_THROW((void)poll(countdown), std::logic_error) << "It has said ready once.";
}

// Bug it is here for: "none left" taken for "has ended". Between the two lies the ready poll.
TEST(Countdown, NoneLeftIsNotYetEnded) {
  Countdown countdown(1);
  EXPECT_THAT(poll(countdown), IsPending());
  EXPECT_EQ(countdown.left(), 0);
  EXPECT_NO_THROW({
    EXPECT_THAT(poll(countdown), IsReadyWith("liftoff"))
        << "Nothing is left to count, and it has not said ready yet.";
  }) << "Nothing is left to count, but it has not said ready yet: that poll must not throw.";
}

// Bug it is here for: a count that is kept in one place for all, in a static variable.
TEST(Countdown, TwoCountdownsCountForThemselves) {
  Countdown one(1), two(2);
  EXPECT_THAT(poll(one), IsPending());
  EXPECT_THAT(poll(two), IsPending());
  EXPECT_THAT(poll(one), IsReadyWith("liftoff")) << "Countdown(1) was polled once before this.";
  EXPECT_THAT(poll(two), IsPending()) << "Countdown(2) was polled once before this.";
  EXPECT_THAT(poll(two), IsReadyWith("liftoff")) << "Countdown(2) was polled twice before this.";
}

TEST(Countdown, MovedBeforeItsFirstPollItCountsTheSame) {
  Countdown made_here(1);
  Countdown countdown = std::move(made_here);
  EXPECT_THAT(poll(countdown), IsPending());
  EXPECT_THAT(poll(countdown), IsReadyWith("liftoff"));
}

// What the next exercise is about: it says pending, and nobody has been told when to come back.
TEST(Countdown, LeavesTheWakerAlone) {
  Countdown countdown(1);
  TestTask task;
  EXPECT_THAT(task.poll(countdown), IsPending());
  EXPECT_THAT(task.poll(countdown), IsReadyWith("liftoff"));
  EXPECT_EQ(task.clones(), 0) << "Nothing happens outside of poll(), so nobody needs a waker.";
  EXPECT_EQ(task.wakes(), 0) << "It is polled by hand. It wakes nobody.";
}

}  // namespace
