// The test kit's parts, one by one.
#include <gtest/gtest-spi.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "testkit/internal/clip.h"
#include "testkit/internal/events.h"
#include "testkit/testkit.h"

namespace rt {
enum class KitTestPlace { kHere, kThere };
}  // namespace rt

namespace testkit {
namespace {

using testing::DescribeMatcher;
using testing::HasSubstr;
using testing::Not;
using testing::Pointee;
using testing::PrintToString;

struct Opaque {
  int inside = 0;
};

// ---- Poll: matchers and printing ----

TEST(PollMatchers, TellPendingFromReady) {
  const rt::Poll<int> pending = rt::kPending;
  const rt::Poll<int> seven = 7;
  EXPECT_THAT(pending, IsPending());
  EXPECT_THAT(pending, Not(IsReady()));
  EXPECT_THAT(pending, Not(IsReadyWith(7)));
  EXPECT_THAT(seven, IsReady());
  EXPECT_THAT(seven, Not(IsPending()));
  EXPECT_THAT(seven, IsReadyWith(7));
  EXPECT_THAT(seven, Not(IsReadyWith(8)));
  EXPECT_THAT(seven, IsReadyWith(testing::Lt(8)));
}

TEST(PollMatchers, TakeVoidAndMoveOnlyOutputs) {
  EXPECT_THAT(rt::Poll<void>(rt::kPending), IsPending());
  EXPECT_THAT(rt::Poll<void>(rt::kReady), IsReady());
  EXPECT_THAT(rt::Poll<std::unique_ptr<int>>(std::make_unique<int>(7)), IsReadyWith(Pointee(7)));
  EXPECT_THAT(rt::Poll<std::string>(std::string("seven")), IsReadyWith("seven"));
  EXPECT_THAT(rt::Poll<std::string>(std::string("seven")), IsReadyWith(HasSubstr("eve")));
}

TEST(PollMatchers, SayWhatTheyExpect) {
  EXPECT_EQ(DescribeMatcher<rt::Poll<int>>(IsPending()), "pending");
  EXPECT_EQ(DescribeMatcher<rt::Poll<int>>(IsReady()), "ready");
  EXPECT_EQ(DescribeMatcher<rt::Poll<int>>(IsReadyWith(7)),
            "ready with a value that is equal to 7");
}

TEST(PollPrinting, SaysPendingOrTheValue) {
  EXPECT_EQ(PrintToString(rt::Poll<int>(rt::kPending)), "pending");
  EXPECT_EQ(PrintToString(rt::Poll<int>(7)), "ready with 7");
  EXPECT_EQ(PrintToString(rt::Poll<void>(rt::kReady)), "ready");
  EXPECT_EQ(PrintToString(rt::Poll<std::string>(std::string("x"))), "ready with \"x\"");
  EXPECT_EQ(PrintToString(rt::Poll<std::pair<int, bool>>(std::pair(1, true))),
            "ready with (1, true)");
  EXPECT_THAT(PrintToString(rt::Poll<Opaque>(Opaque())), HasSubstr("ready with a value of type "));
}

TEST(PollPrinting, SaysTheErrorOfAStatus) {
  using Result = absl::StatusOr<int>;
  EXPECT_EQ(PrintToString(rt::Poll<Result>(Result(7))), "ready with 7");
  EXPECT_THAT(PrintToString(rt::Poll<Result>(Result(absl::InternalError("read 5: EIO")))),
              AllOf(HasSubstr("ready with the error"), HasSubstr("read 5: EIO")));
}

// ---- CountingWaker and TestTask ----

TEST(CountingWakerTest, CountsClonesWakesAndDrops) {
  CountingWaker counter("a");
  {
    const rt::Waker one = counter.waker();
    EXPECT_EQ(counter.live(), 1);
    rt::Waker two = one.clone();
    EXPECT_EQ(counter.clones(), 1);
    EXPECT_EQ(counter.live(), 2);
    EXPECT_TRUE(one.will_wake(two));
    one.wake_by_ref();
    EXPECT_EQ(counter.wakes(), 1);
    EXPECT_EQ(counter.live(), 2);
    std::move(two).wake();
    EXPECT_EQ(counter.wakes(), 2);
    EXPECT_EQ(counter.live(), 1);
    EXPECT_EQ(counter.drops(), 0);
  }
  EXPECT_EQ(counter.drops(), 1);
  EXPECT_EQ(counter.live(), 0);
}

TEST(CountingWakerTest, WakersOfTwoCountersAreNotTheSame) {
  CountingWaker a("a");
  CountingWaker b("b");
  EXPECT_FALSE(a.waker().will_wake(b.waker()));
}

TEST(CountingWakerTest, WakersMayOutliveTheCounter) {
  std::optional<CountingWaker> counter(std::in_place, "a");
  rt::Waker waker = counter->waker();
  counter.reset();
  const rt::Waker another = waker.clone();
  std::move(waker).wake();
}

TEST(CountingWakerTest, WaitsForWakesOfAnotherThread) {
  CountingWaker counter("a");
  rt::Waker waker = counter.waker();
  int written = 0;  // Ordered by the wake alone.
  std::thread thread([&] {
    waker.wake_by_ref();
    written = 1;
    waker.wake_by_ref();
  });
  counter.wait_for_wakes(2);
  EXPECT_EQ(written, 1);
  thread.join();
}

TEST(CountingWakerTest, HooksAreCalledInsideCloneWakeAndDrop) {
  CountingWaker counter("a");
  std::string calls;
  counter.on_clone([&] { calls += "c" + std::to_string(counter.clones()); });
  counter.on_wake([&] { calls += "w" + std::to_string(counter.wakes()); });
  counter.on_drop([&] { calls += "d"; });
  {
    const rt::Waker waker = counter.waker();
    waker.wake_by_ref();
    std::move(waker.clone()).wake();
  }
  EXPECT_EQ(calls, "w1c1w2d");
}

TEST(CountingWakerTest, AMovedWakerIsGivenBackOnce) {
  CountingWaker counter("a");
  {
    rt::Waker one = counter.waker();
    const rt::Waker two = std::move(one);
  }
  EXPECT_EQ(counter.drops(), 1);
}

TEST(TestTaskTest, PollsWithItsOwnWaker) {
  TestTask task("a");
  auto future = rt::poll_fn([](rt::Context& cx) -> rt::Poll<int> {
    cx.waker().wake_by_ref();
    return rt::kPending;
  });
  EXPECT_THAT(task.poll(future), IsPending());
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_EQ(task.live(), 1);
  EXPECT_EQ(steps_so_far(),
            "The steps so far:\n"
            "  1. waker \"a\" woken\n"
            "  2. task \"a\" polled: pending\n");
}

TEST(TestTaskTest, SaysThatAPollThrew) {
  TestTask task("a");
  auto future =
      rt::poll_fn([](rt::Context&) -> rt::Poll<int> { throw std::runtime_error("no more"); });
  EXPECT_THROW(static_cast<void>(task.poll(future)), std::runtime_error);
  EXPECT_THAT(steps_so_far(), HasSubstr("1. task \"a\" polled: it threw \"no more\"\n"));
}

// ---- The step log ----

TEST(Steps, AreNumberedAndEqualOnesCounted) {
  EXPECT_EQ(steps_so_far(), "");
  step("one");
  step("two");
  step("two");
  step("three\nin two lines");
  EXPECT_EQ(steps_so_far(),
            "The steps so far:\n"
            "  1. one\n"
            "  2. two  (2 times)\n"
            "  3. three\n"
            "     in two lines\n");
}

TEST(Steps, FoldWhatALoopRepeats) {
  step("before");
  for (int i = 0; i < 100; ++i) {
    step("read");
    step("write");
  }
  for (int i = 0; i < 3; ++i) {
    step("a");
    step("b");
    step("b");
    step("c");
  }
  EXPECT_EQ(steps_so_far(),
            "The steps so far:\n"
            "  1. before\n"
            "  2. read\n"
            "  3. write\n"
            "     (steps 2 and 3: 100 times)\n"
            "  4. a\n"
            "  5. b  (2 times)\n"
            "  6. c\n"
            "     (steps 4 to 6: 3 times)\n");
}

TEST(Steps, FoldNothingThatCameTwiceOnly) {
  for (const char* text : {"a", "b", "a", "b", "b"}) step(text);
  EXPECT_EQ(steps_so_far(),
            "The steps so far:\n"
            "  1. a\n"
            "  2. b\n"
            "  3. a\n"
            "  4. b  (2 times)\n");
}

// Bug it is here for: a step that the reader has seen changes, or vanishes, afterwards.
TEST(Steps, FoldNothingThatWasShown) {
  for (const char* text : {"a", "b", "a", "b"}) step(text);
  internal::new_steps();
  for (const char* text : {"a", "b", "a", "b", "a", "b"}) step(text);
  EXPECT_EQ(internal::new_steps(),
            "The steps since then:\n"
            "  5. a\n"
            "  6. b\n"
            "     (steps 5 and 6: 3 times)\n");
}

// ---- Long messages ----

TEST(Clip, LeavesWhatFits) {
  EXPECT_EQ(internal::clip(""), "");
  EXPECT_EQ(internal::clip("a \"b\" c\n"), "a \"b\" c\n");
  const std::string sentence(300, 's');  // Not quoted: somebody wrote it for the reader.
  EXPECT_EQ(internal::clip(sentence), sentence);
}

TEST(Clip, CutsLongStringsAndSaysHowLongTheyAre) {
  const std::string x(98, 'x');
  EXPECT_EQ(internal::clip("Which is: \"" + x + "\\n\\x1\" \"2\\\"yz\"\nmore"),
            "Which is: \"" + x + "\\n\\x1\" \"…\" (104 characters)\nmore");
}

TEST(Clip, SaysWhereTwoLongStringsDiffer) {
  const std::string x(150, 'x');
  EXPECT_THAT(internal::clip("\"" + x + "y\"\n\"" + x + "z\""),
              HasSubstr("\nThe first 150 characters of both are the same."));
  EXPECT_THAT(internal::clip("\"" + x + "\"\n\"" + x + "\""), Not(HasSubstr("The first")));
  EXPECT_THAT(internal::clip("\"a" + x + "\"\n\"" + x + "\""), Not(HasSubstr("The first")));
}

TEST(Clip, CutsADiff) {
  std::string diff = "With diff:\n@@ @@\n-" + std::string(101, 'x') + "\n";
  for (int i = 0; i < 10; ++i) diff += "+line\n";
  EXPECT_EQ(internal::clip(diff + "said by the test"),
            "With diff:\n@@ @@\n-" + std::string(99, 'x') +
                "…\n+line\n+line\n+line\n+line\n+line\n"
                "  … 5 lines of it are left out …\nsaid by the test");
}

TEST(Steps, SayWhichThread) {
  step("mine");
  std::thread([] { step("another's"); }).join();
  std::thread([] { step("a third's"); }).join();
  EXPECT_EQ(steps_so_far(),
            "The steps so far:\n"
            "  1. mine\n"
            "  2. [thread 2] another's\n"
            "  3. [thread 3] a third's\n");
}

TEST(Steps, MayBeLoggedByManyThreadsAtOnce) {
  std::thread a([] {
    for (int i = 0; i < 1000; ++i) step("a" + std::to_string(i));
  });
  std::thread b([] {
    for (int i = 0; i < 1000; ++i) step("b" + std::to_string(i));
  });
  a.join();
  b.join();
  EXPECT_THAT(steps_so_far(), HasSubstr("  2000. "));
}

// ---- LifeCounter ----

TEST(LifeCounterTest, CountsCopiesButNotWhatWasMovedFrom) {
  LifeCounter life;
  {
    Token one = life.token();
    EXPECT_EQ(life.live(), 1);
    const Token copy = one;
    EXPECT_EQ(life.live(), 2);
    const Token moved = std::move(one);
    EXPECT_EQ(life.live(), 2);
    EXPECT_EQ(life.created(), 2);
  }
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
}

TEST(LifeCounterTest, AssignmentEndsWhatWasThere) {
  LifeCounter a;
  LifeCounter b;
  Token token = a.token();
  token = b.token();
  EXPECT_EQ(a.live(), 0);
  EXPECT_EQ(b.live(), 1);
  const Token other = a.token();
  token = other;
  EXPECT_EQ(a.live(), 2);
  EXPECT_EQ(b.live(), 0);
  Token& same = token;
  token = std::move(same);
  EXPECT_EQ(a.live(), 2);
}

TEST(LifeCounterTest, TokensMayOutliveTheCounter) {
  std::optional<LifeCounter> life(std::in_place);
  const Token token = life->token();
  life.reset();
}

TEST(LifeCounterTest, SeesASecondDestruction) {
  LifeCounter life("the frame");
  alignas(Token) unsigned char memory[sizeof(Token)];
  auto* const token = new (memory) Token(life.token());
  token->~Token();
  EXPECT_NONFATAL_FAILURE(token->~Token(), "\"the frame\" was destroyed twice.");
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 1);
}

// ---- PausedClock ----

TEST(PausedClockTest, TimeMovesOnlyByAdvance) {
  PausedClock clock;
  const rt::Instant before = clock.now();
  EXPECT_EQ(clock.now(), before);
  clock.advance(absl::Seconds(90));
  EXPECT_EQ(clock.now() - before, absl::Seconds(90));
  EXPECT_THAT(steps_so_far(), HasSubstr("1. clock paused\n  2. clock advanced by 1m30s\n"));
}

TEST(PausedClockTest, AnAdvanceEndsAWait) {
  PausedClock clock;
  rt::sync::Mutex mutex;
  rt::sync::CondVar condvar;
  std::thread thread([&, deadline = clock.now() + absl::Seconds(10)] {
    rt::sync::Lock lock(mutex);
    EXPECT_FALSE(rt::clock::wait_until(lock, condvar, deadline, [] { return false; }));
    step("the wait is over");
  });
  clock.wait_for_sleepers(1);
  clock.advance(absl::Seconds(10));
  thread.join();
}

// ---- Events ----

TEST(Json, EscapesWhatMustBe) {
  EXPECT_EQ(internal::json_string("plain"), "\"plain\"");
  EXPECT_EQ(internal::json_string("a\"b\\c\nd\te"), "\"a\\\"b\\\\c\\nd\\u0009e\"");
  EXPECT_EQ(internal::json_string("é … 🙂"), "\"é … 🙂\"");
  EXPECT_EQ(internal::json_string("\xff"), "\"\\ufffd\"");
  EXPECT_EQ(internal::json_string("\xe2\x82"), "\"\\ufffd\\ufffd\"");             // Cut short.
  EXPECT_EQ(internal::json_string("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");  // A surrogate.
}

TEST(Values, AnEnumOfTheCourseIsPrintedByName) {
  EXPECT_EQ(testing::PrintToString(rt::KitTestPlace::kThere), "kThere");
  EXPECT_EQ(testing::PrintToString(static_cast<rt::KitTestPlace>(7)), "7");
}

}  // namespace
}  // namespace testkit
