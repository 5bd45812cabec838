#include "rt/future/select.h"

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "rt/future/async.h"
#include "testkit/testkit.h"

namespace {

using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::SeedThread;
using testkit::step;
using testkit::TestTask;

constexpr int kOnlyItsOwn = 1;  // TestTask::live() counts the task's own waker too.

// What the branches of one test do, in the order in which they do it: "a" is polled, "~a" is gone.
using Log = std::vector<std::string>;

// A branch that is pending until the test has given it something. It says so when it is moved after
// its first poll, or polled after it was ready.
template <class T>
class Branch {
 public:
  using Output = T;

  struct Script {
    explicit Script(std::string its_name) : name(std::move(its_name)) {}
    std::string name;
    std::optional<rt::NonVoid<T>> output;
    bool fails = false;
    std::function<void()> in_poll, at_its_end;
    int polls = 0;
    std::optional<rt::Waker> waker;
  };

  Branch(Script& script, Log& log) : script_(&script), log_(&log) {}
  Branch(Branch&& other) noexcept
      : script_(std::exchange(other.script_, nullptr)), log_(other.log_) {
    if (script_ == nullptr) return;
    EXPECT_EQ(script_->polls, 0) << script_->name << " is moved";
  }
  Branch& operator=(Branch&&) = delete;
  ~Branch() {
    if (script_ == nullptr) return;
    log_->push_back("~" + script_->name);
    script_->waker.reset();
    if (script_->at_its_end) script_->at_its_end();
  }

  Poll<T> poll(rt::Context& cx) {
    log_->push_back(script_->name);
    ++script_->polls;
    EXPECT_FALSE(was_ready_) << script_->name << " is polled after it was ready";
    if (script_->in_poll) script_->in_poll();
    if (script_->fails) throw std::runtime_error(script_->name);
    if (!script_->output.has_value()) {
      script_->waker.emplace(cx.waker().clone());
      return kPending;
    }
    was_ready_ = true;
    if constexpr (std::is_void_v<T>) {
      return kReady;
    } else {
      return *std::exchange(script_->output, std::nullopt);
    }
  }

 private:
  Script* script_;  // Null: moved from.
  Log* log_;
  bool was_ready_ = false;
};

class SelectTest : public testing::Test {
 protected:
  auto fair() { return rt::select(branch(a_), branch(b_), branch(c_)); }
  auto biased() { return rt::select_biased(branch(a_), branch(b_), branch(c_)); }

  Branch<int> branch(Branch<int>::Script& script) { return Branch<int>(script, log_); }
  Branch<void> branch(Branch<void>::Script& script) { return Branch<void>(script, log_); }
  Branch<std::string> branch(Branch<std::string>::Script& script) {
    return Branch<std::string>(script, log_);
  }

  std::size_t gone() const {
    std::size_t count = 0;
    for (const std::string& line : log_) count += line.front() == '~' ? 1 : 0;
    return count;
  }

  Log log_;
  Branch<int>::Script a_{"a"};
  Branch<std::string>::Script b_{"b"};
  Branch<void>::Script c_{"c"};
  TestTask task_;
};

TEST_F(SelectTest, GivesTheOutputAndSaysWhoseItIs) {
  auto select = fair();
  EXPECT_TRUE(task_.poll(select).is_pending());
  b_.output = "late";
  auto result = task_.poll(select);
  ASSERT_TRUE(result.is_ready());
  auto output = std::move(result).take();
  ASSERT_EQ(output.index(), 1u);
  EXPECT_EQ(std::get<1>(output), "late");
}

TEST_F(SelectTest, TheSameTypeTwiceIsToldApart) {
  Branch<int>::Script d("d");
  auto select = rt::select(branch(a_), branch(d));
  d.output = 4;
  auto output = task_.poll(select);
  ASSERT_TRUE(output.is_ready());
  EXPECT_EQ(output.value().index(), 1u);
}

TEST_F(SelectTest, OneBranchIsEnough) {
  auto select = rt::select(branch(c_));
  EXPECT_TRUE(task_.poll(select).is_pending());
  c_.output.emplace();
  EXPECT_TRUE(task_.poll(select).is_ready());
}

TEST_F(SelectTest, GivesWhatCanOnlyBeMoved) {
  auto select = rt::select_biased(rt::ready(std::make_unique<int>(3)), branch(a_));
  auto result = task_.poll(select);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(*std::get<0>(std::move(result).take()), 3);
}

// Bug it is here for: a select that polls one branch, and lets the others sleep.
TEST_F(SelectTest, PendingItHasPolledEachOnceWithTheNewestWaker) {
  auto select = fair();
  EXPECT_TRUE(task_.poll(select).is_pending());
  EXPECT_EQ(std::tuple(a_.polls, b_.polls, c_.polls), std::tuple(1, 1, 1));
  TestTask other("other");
  EXPECT_TRUE(other.poll(select).is_pending());
  EXPECT_EQ(std::tuple(a_.polls, b_.polls, c_.polls), std::tuple(2, 2, 2));
  EXPECT_EQ(task_.live(), kOnlyItsOwn);
  c_.waker->wake_by_ref();
  EXPECT_EQ(other.wakes(), 1);
}

// --- The end -------------------------------------------------------------------------------------

// Bug it is here for: losers that go on until somebody destroys the select.
TEST_F(SelectTest, TheLosersAreGoneBeforeTheResultIsSeen) {
  auto select = fair();
  a_.output = 1;
  EXPECT_TRUE(task_.poll(select).is_ready());
  EXPECT_EQ(gone(), 3u);
  EXPECT_EQ(task_.live(), kOnlyItsOwn);
}

TEST_F(SelectTest, AfterTheWinnerNobodyIsPolled) {
  auto select = biased();
  a_.output = 1;
  b_.output = "two";
  EXPECT_TRUE(task_.poll(select).is_ready());
  EXPECT_EQ(b_.polls + c_.polls, 0);
  EXPECT_TRUE(b_.output.has_value()) << "what a loser has got is not lost";
}

TEST_F(SelectTest, PolledAfterReadyIsAnError) {
  auto select = fair();
  c_.output.emplace();
  EXPECT_TRUE(task_.poll(select).is_ready());
  EXPECT_THROW((void)task_.poll(select), std::logic_error);
  EXPECT_EQ(c_.polls, 1);
}

// Bug it is here for: an exception that goes out, and branches that stay behind.
TEST_F(SelectTest, WhatABranchThrowsIsTheResult) {
  auto select = biased();
  EXPECT_TRUE(task_.poll(select).is_pending());
  b_.fails = true;
  c_.output.emplace();
  try {
    (void)task_.poll(select);
    ADD_FAILURE() << "poll() should have thrown what b has thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "b");
    EXPECT_EQ(gone(), 3u) << "before the exception is seen";
  }
  EXPECT_EQ(c_.polls, 1) << "b has thrown before its turn came";
  EXPECT_EQ(task_.live(), kOnlyItsOwn);
  EXPECT_THROW((void)task_.poll(select), std::logic_error);
}

TEST_F(SelectTest, AWinnerComesBeforeOneThatWouldThrow) {
  auto select = biased();
  a_.output = 1;
  b_.fails = true;
  EXPECT_TRUE(task_.poll(select).is_ready());
}

TEST_F(SelectTest, DroppedItDropsAllAndPollsNobody) {
  {
    auto select = fair();
    EXPECT_TRUE(task_.poll(select).is_pending());
  }
  EXPECT_EQ(gone(), 3u);
  EXPECT_EQ(a_.polls + b_.polls + c_.polls, 3);
  EXPECT_EQ(task_.live(), kOnlyItsOwn);
}

// A loser may wake the task, or throw and catch, when it is destroyed.
TEST_F(SelectTest, ALoserMayDoAnythingWhenItIsDestroyed) {
  for (const bool b_throws : {false, true}) {
    Branch<int>::Script loser("loser"), winner("winner");
    loser.at_its_end = [&] {
      task_.waker().wake_by_ref();
      try {
        throw std::runtime_error("inside");
      } catch (const std::runtime_error&) {
        step("the loser has caught its own exception");
      }
    };
    auto select = rt::select_biased(branch(loser), branch(winner));
    EXPECT_TRUE(task_.poll(select).is_pending());
    if (b_throws) {
      winner.fails = true;
      EXPECT_THROW((void)task_.poll(select), std::runtime_error);
    } else {
      winner.output = 2;
      EXPECT_TRUE(task_.poll(select).is_ready());
    }
  }
  EXPECT_EQ(task_.wakes(), 2);
}

// --- Who begins ----------------------------------------------------------------------------------

// Who wins `rounds` selects of three that are all ready, with this seed.
std::vector<std::size_t> winners(std::uint64_t seed, int rounds) {
  const SeedThread seeded(seed);
  TestTask task;
  std::vector<std::size_t> all;
  for (int i = 0; i < rounds; ++i) {
    auto select = rt::select(rt::ready(1), rt::ready(2), rt::ready(3));
    all.push_back(select.poll(task.cx()).value().index());
  }
  return all;
}

// Bug it is here for: one that always begins with the first: the others never have their turn.
TEST_F(SelectTest, EachOfThreeThatAreReadyWinsAThird) {
  constexpr int kRounds = 600;
  std::array<int, 3> wins{};
  for (const std::size_t winner : winners(1, kRounds)) ++wins[winner];
  for (const int count : wins) {
    EXPECT_GT(count, kRounds / 6);
    EXPECT_LT(count, kRounds / 2);
  }
}

TEST_F(SelectTest, TheSameSeedGivesTheSameWinners) {
  EXPECT_EQ(winners(7, 64), winners(7, 64));
  EXPECT_NE(winners(7, 64), winners(8, 64)) << "another seed gives others";
}

// Bug it is here for: a start that is drawn from all but one, or a turn that ends at the last.
TEST_F(SelectTest, AfterTheLastComesTheFirst) {
  const SeedThread seeded(3);
  std::array<int, 3> begun{};
  for (int i = 0; i < 90; ++i) {
    log_.clear();
    {
      auto select = fair();
      EXPECT_TRUE(select.poll(task_.cx()).is_pending());
      a_.polls = b_.polls = c_.polls = 0;
    }
    log_.resize(3);  // The polls, and not the ends.
    const Log from_a{"a", "b", "c"}, from_b{"b", "c", "a"}, from_c{"c", "a", "b"};
    ASSERT_TRUE(log_ == from_a || log_ == from_b || log_ == from_c) << testing::PrintToString(log_);
    ++begun[static_cast<std::size_t>(log_[0][0] - 'a')];
  }
  for (const int count : begun) EXPECT_GT(count, 0);
}

TEST_F(SelectTest, BiasedItKeepsToTheOrderAndDrawsNoNumber) {
  const SeedThread seeded(5);
  rt::FastRandom same(5);
  for (int i = 0; i < 20; ++i) {
    auto select = rt::select_biased(rt::ready(1), rt::ready(2), rt::ready(3));
    EXPECT_EQ(select.poll(task_.cx()).value().index(), 0u);
  }
  auto select = biased();
  EXPECT_TRUE(task_.poll(select).is_pending());
  EXPECT_EQ(log_, (Log{"a", "b", "c"}));
  EXPECT_EQ(rt::thread_random().below(1'000'000), same.below(1'000'000));
}

// --- With others ---------------------------------------------------------------------------------

TEST_F(SelectTest, ABranchByReferenceLivesOn) {
  Branch<int> kept = branch(a_);
  {
    auto select = rt::select_biased(rt::by_ref(kept), branch(c_));
    EXPECT_TRUE(task_.poll(select).is_pending());
    c_.output.emplace();
    EXPECT_TRUE(task_.poll(select).is_ready());
  }
  EXPECT_EQ(log_.back(), "~c");
  a_.output = 5;
  EXPECT_EQ(task_.poll(kept).value(), 5);
}

TEST_F(SelectTest, ACoroutineAwaitsSelectsOfJoinsOfSelects) {
  Branch<int>::Script d("d");
  const auto main = [&]() -> rt::Async<std::size_t> {
    auto first =
        co_await rt::select(rt::join(rt::select(branch(a_), branch(b_)), branch(c_)), branch(d));
    co_return first.index();
  };
  auto task = main();
  EXPECT_TRUE(task_.poll(task).is_pending());
  a_.output = 1;
  EXPECT_TRUE(task_.poll(task).is_pending()) << "c is not there yet";
  EXPECT_EQ(gone(), 2u) << "the inner select is through";
  c_.output.emplace();
  auto result = task_.poll(task);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(result.value(), 0u);
  EXPECT_EQ(gone(), 4u);
}

}  // namespace
