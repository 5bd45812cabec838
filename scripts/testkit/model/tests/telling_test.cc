// How a failure is told: the table, the schedule that replays it, the trace.
#include <gmock/gmock-more-matchers.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "report.h"
#include "testkit/model/model.h"

namespace testkit::model {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;
using testing::SizeIs;

constexpr auto kRelaxed = std::memory_order_relaxed;

// What each thread does is counted for itself.
TEST(ModelCosts, CountsMutexesAndReadModifyWrites) {
  const Result result = explore(Options().needless_failures(0), [] {
    Mutex mutex;
    Atomic<int> number(0);
    Thread other([&] { number.fetch_add(1); });
    const Costs costs = cost_of([&] {
      { const Lock lock(mutex); }
      { const Lock lock(mutex, std::try_to_lock); }
      number.store(number.load());
      number.exchange(5);
      int expected = 7;
      number.compare_exchange_strong(expected, 8);
    });
    other.join();
    MODEL_REQUIRE(costs.locks == 2);
    MODEL_REQUIRE(costs.updates == 2);
  });
  EXPECT_TRUE(result.passed()) << result.what;
}

// A message that is not published: the reader finds the flag and not the data.
void message() {
  Atomic<int> data_(0);
  Atomic<bool> is_there_(false);
  Thread writer([&] {
    data_.store(7, kRelaxed);
    is_there_.store(true, kRelaxed);
  });
  if (is_there_.load(kRelaxed)) MODEL_REQUIRE(data_.load(kRelaxed) == 7);
  writer.join();
}

std::string table(const Result& result) { return detail::table_of(result.rows, 100); }

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) result.push_back(line);
  return result;
}

TEST(ModelTable, ShowsEachStepAndWhatAStaleReadMissed) {
  const Result result = explore(Options(), message);
  ASSERT_EQ(result.verdict, Verdict::kAssertion);
  EXPECT_EQ(result.what, "not true: data_.load(kRelaxed) == 7 (0 == 7)");
  EXPECT_THAT(result.file, HasSubstr("telling_test.cc"));
  EXPECT_EQ(result.preemptions, 1);
  const std::string text = table(result);
  EXPECT_THAT(text, HasSubstr("step where               A                    B\n"));
  EXPECT_THAT(text, HasSubstr("                       writes data_: 7 (relaxed)\n")) << text;
  EXPECT_THAT(text, HasSubstr("reads data_: 0 (relaxed), not the newer 7 of step 2\n")) << text;
}

TEST(ModelTable, FitsNarrowPages) {
  for (int threads = 1; threads < Options::kMostThreads; ++threads) {
    const Result result = explore(Options().preemptions(0), [threads] {
      Atomic<unsigned long> a_word_with_a_long_name(0x123456789ABCDEF);
      std::vector<Thread> all;
      for (int i = 0; i < threads; ++i) {
        all.emplace_back([&] { a_word_with_a_long_name.fetch_or(0xF00000000000000F); });
      }
      for (Thread& thread : all) thread.join();
      MODEL_REQUIRE(false);
    });
    EXPECT_THAT(lines(table(result)), Each(SizeIs(testing::Le(76U)))) << table(result);
  }
}

TEST(ModelTable, KeepsTheFirstAndTheLastOfMany) {
  const Result result = explore(Options().max_steps(300), [] {
    Atomic<int> x(0);
    for (;;) x.fetch_add(1);
  });
  ASSERT_EQ(result.verdict, Verdict::kLivelock);
  const std::vector<std::string> kept = lines(detail::table_of(result.rows, 40));
  EXPECT_LE(kept.size(), 42U);
  EXPECT_THAT(kept[1], HasSubstr("0 -> 1"));
  EXPECT_THAT(kept.back(), HasSubstr("299 -> 300"));
}

TEST(ModelTable, LeavesOutTheSetUpFirst) {
  const Result result = explore(Options().preemptions(0), [] {
    Atomic<int> x(0);
    for (int i = 0; i < 30; ++i) x.fetch_add(1);
    Thread other([&] { x.fetch_add(100); });
    other.join();
    MODEL_REQUIRE(false);
  });
  ASSERT_EQ(result.verdict, Verdict::kAssertion);
  const std::vector<std::string> kept = lines(detail::table_of(result.rows, 20));
  EXPECT_EQ(kept[1], "     ... 30 lines of set-up ...");
  EXPECT_THAT(kept[2], HasSubstr("starts B"));
  EXPECT_THAT(kept[2], HasSubstr("  31 ")) << "a step keeps its number";
  EXPECT_THAT(table(result), HasSubstr("0 -> 1")) << "with room for all, all are shown";
}

TEST(ModelTable, NamesWhatTheSourceNames) {
  const Result result = explore(Options().preemptions(0), [] {
    struct Shared {
      Mutex mutex_;
      CondVar changed_;
      Atomic<int*> pointer_{nullptr};
      Cell<int> slots_[2];
    };
    Shared first;
    Shared second;
    int value = 1;
    {
      const Lock lock(first.mutex_);
      first.changed_.notify_all();
      second.changed_.notify_all();
    }
    first.pointer_.store(&value);
    first.slots_[1].write() = 2;
    note("half way");
    MODEL_REQUIRE(false);
  });
  EXPECT_THAT(table(result),
              AllOf(HasSubstr("locks mutex_"), HasSubstr("notifies changed_: nobody waits"),
                    HasSubstr("notifies changed_#2:"), HasSubstr("writes pointer_: p1"),
                    HasSubstr("writes the cell slots_"), HasSubstr("note: half way")))
      << table(result);
}

TEST(ModelTable, ADeadlockSaysWhoWaitsForWhat) {
  const Result result = explore(Options(), [] {
    Mutex first;
    Mutex second;
    Thread other([&] {
      const Lock a(second);
      const Lock b(first);
    });
    {
      const Lock a(first);
      const Lock b(second);
    }
    other.join();
  });
  ASSERT_EQ(result.verdict, Verdict::kDeadlock);
  EXPECT_THAT(result.what,
              AllOf(HasSubstr("A waits for the mutex second, held by B, at telling_test.cc"),
                    HasSubstr("B waits for the mutex first, held by A, at telling_test.cc")));
}

TEST(ModelTable, ARaceSaysBothPlaces) {
  const Result result = explore(Options(), [] {
    Cell<int> data(0);
    Thread other([&] { data.write() = 1; });
    static_cast<void>(data.read());
    other.join();
  });
  ASSERT_EQ(result.verdict, Verdict::kDataRace);
  EXPECT_THAT(result.what, AllOf(HasSubstr("data race on data"), HasSubstr("A reads it at"),
                                 HasSubstr("B writes it at")));
}

TEST(ModelReplay, TheScheduleLeadsThereAgain) {
  const Result found = explore(Options(), message);
  ::setenv("TESTKIT_MODEL_REPLAY",
           ("1-" + std::to_string(found.preemptions) + "-" + found.schedule).c_str(), 1);
  testing::TestPartResultArray failures;
  Result again;
  testing::internal::CaptureStdout();
  {
    const testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    again = check(message);
  }
  ::unsetenv("TESTKIT_MODEL_REPLAY");
  const std::string printed = testing::internal::GetCapturedStdout();
  EXPECT_EQ(again.verdict, found.verdict);
  EXPECT_EQ(table(again), table(found));
  EXPECT_EQ(again.executions, 1U);
  EXPECT_EQ(failures.size(), 1);
  EXPECT_THAT(printed, HasSubstr("not the newer 7"));
}

TEST(ModelReplay, AScheduleThatDoesNotFitIsSaid) {
  ::setenv("TESTKIT_MODEL_REPLAY", "1-2-zzzz", 1);
  testing::TestPartResultArray failures;
  Result result;
  testing::internal::CaptureStdout();
  {
    const testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    result = check(message);
  }
  testing::internal::GetCapturedStdout();
  ::unsetenv("TESTKIT_MODEL_REPLAY");
  EXPECT_EQ(result.verdict, Verdict::kNotDeterministic);
}

std::string failure_of(detail::Scenario scenario) {
  testing::TestPartResultArray failures;
  {
    const testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    check(scenario);
  }
  return failures.size() == 1 ? failures.GetTestPartResult(0).message() : "";
}

TEST(ModelTable, TwoCountsInOneWordAreToldApart) {
  const Result result = explore(Options(), [] {
    Atomic<std::uint64_t> both(0);
    both.store((std::uint64_t{3} << 32) | 4);
    both.store(~std::uint64_t{0});
    MODEL_REQUIRE(false);
  });
  EXPECT_THAT(table(result), AllOf(HasSubstr("3 << 32 | 4"), HasSubstr("0xffffffffffffffff")));
}

enum class Colour { kRed, kGreen };

std::string told_of(detail::Scenario scenario) { return explore(Options(), scenario).what; }

TEST(ModelRequire, TellsBothValues) {
  const std::size_t two = 2;
  Colour green = Colour::kGreen;
  EXPECT_EQ(told_of([&] { MODEL_REQUIRE(two == 3); }), "not true: two == 3 (2 == 3)");
  EXPECT_EQ(told_of([&] { MODEL_REQUIRE(two + 1 < 1 + 1); }), "not true: two + 1 < 1 + 1 (3 < 2)");
  EXPECT_EQ(told_of([&] { MODEL_REQUIRE(two <= 1); }), "not true: two <= 1 (2 <= 1)");
  EXPECT_EQ(told_of([&] { MODEL_REQUIRE(green == Colour::kRed); }),
            "not true: green == Colour::kRed (kGreen == kRed)");
}

TEST(ModelRequire, OfWhatHasNoWordsTheConditionIsEnough) {
  const std::string text = "a";
  const bool no = false;
  EXPECT_EQ(told_of([&] { MODEL_REQUIRE(text == "b"); }), "not true: text == \"b\"");
  EXPECT_EQ(told_of([&] { MODEL_REQUIRE(no); }), "not true: no");
  EXPECT_EQ(told_of([&] { MODEL_REQUIRE(!text.empty() && text.size() == 2); }),
            "not true: !text.empty() && text.size() == 2");
  EXPECT_EQ(told_of([&] { MODEL_REQUIRE(text.size() == 1 || no); }), "");
}

TEST(ModelCheck, AFailureIsToldWithItsReplay) {
  EXPECT_THAT(failure_of(message),
              AllOf(HasSubstr("not true: data_.load(kRelaxed) == 7 (0 == 7)\n\nstep where"),
                    HasSubstr("with 1 preemption."), HasSubstr("TESTKIT_MODEL_REPLAY=1-1-"),
                    HasSubstr("--gtest_filter=ModelCheck.AFailureIsToldWithItsReplay")));
}

TEST(ModelCheck, AnExpectationInAScenarioIsToldOnceWithItsInterleaving) {
  const std::string text = failure_of([] {
    Atomic<int> x(0);
    Thread other([&] { x.store(1); });
    EXPECT_EQ(x.load(), 0) << "too late";
    other.join();
  });
  EXPECT_THAT(text, AllOf(HasSubstr("too late"), HasSubstr("reads x: 1"), Not(HasSubstr("joins"))));
}

TEST(ModelCheck, SoIsOneAfterTheLastStep) {
  EXPECT_THAT(failure_of([] { EXPECT_TRUE(false) << "at the end"; }), HasSubstr("at the end"));
}

TEST(ModelCheck, ATraceIsWrittenWhereItWasAskedFor) {
  const std::string path = testing::TempDir() + "model_trace.json";
  ::setenv("TESTKIT_MODEL_TRACE", path.c_str(), 1);
  const std::string text = failure_of(message);
  ::unsetenv("TESTKIT_MODEL_TRACE");
  EXPECT_THAT(text, HasSubstr("It is in " + path));
  std::ifstream in(path);
  std::ostringstream content;
  content << in.rdbuf();
  std::remove(path.c_str());
  const std::vector<std::string> written = lines(content.str());
  ASSERT_GT(written.size(), 5U);
  EXPECT_EQ(written.front(), "[");
  EXPECT_EQ(written.back(), "]");
  EXPECT_THAT(written[1], AllOf(HasSubstr(R"("ph":"M")"), HasSubstr(R"("schema":"coro-trace/1")")));
  EXPECT_THAT(content.str(), HasSubstr(R"("tid":2,"ts":1.000,"dur":1.000,"name":"writes data_)"));
}

TEST(ModelCheck, ExecutionsAreRecorded) {
  const Result result = check([] {
    Atomic<int> x(0);
    Thread other([&] { x.store(1); });
    x.store(2);
    other.join();
  });
  const testing::TestInfo* const info = testing::UnitTest::GetInstance()->current_test_info();
  ASSERT_GT(info->result()->test_property_count(), 0);
  EXPECT_STREQ(info->result()->GetTestProperty(0).key(), "model_executions");
  EXPECT_EQ(info->result()->GetTestProperty(0).value(), std::to_string(result.executions));
}

}  // namespace
}  // namespace testkit::model
