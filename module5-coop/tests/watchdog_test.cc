// The watchdog alone: its workers are what the test says, and its clock is paused.
#include "rt/runtime/watchdog.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "rt/platform/clock.h"
#include "rt/runtime/poll_slot.h"
#include "testkit/process.h"
#include "testkit/testkit.h"

namespace {

using rt::PollSeen;
using rt::StuckTask;
using testing::ElementsAre;
using testing::IsEmpty;
using testkit::HelperThread;
using testkit::step;

class FakeWorkers final : public rt::WatchedWorkers {
 public:
  explicit FakeWorkers(std::size_t count) : polls(count) {}

  std::size_t count() const override { return polls.size(); }
  std::optional<PollSeen> look(std::size_t worker) const override {
    if (worker == 0) looks.fetch_add(1);
    return polls[worker];
  }
  std::string stack(std::size_t worker) override {
    stacks.push_back(worker);
    if (in_stack) in_stack();
    return "stack of worker " + std::to_string(worker);
  }

  std::vector<std::optional<PollSeen>> polls;  // What each worker is in.
  std::vector<std::size_t> stacks;             // Whose stack was taken.
  std::function<void()> in_stack;
  mutable std::atomic<int> looks{0};
};

class WatchdogTest : public testing::Test {
 protected:
  // Worker `worker` begins a poll of `task`.
  void begin(std::size_t worker, rt::trace::TaskId task) {
    step("worker " + std::to_string(worker) + " begins to poll task " + std::to_string(task));
    PollSeen seen;
    seen.poll = ++next_poll_;
    seen.task = task;
    seen.spawned_at = where;
    workers.polls[worker] = seen;
  }
  void end(std::size_t worker) {
    step("worker " + std::to_string(worker) + " ends the poll");
    workers.polls[worker].reset();
  }
  void look_after(absl::Duration by) {
    if (by > absl::ZeroDuration()) clock.advance(by);
    step("look");
    watchdog.look();
  }
  rt::WatchdogOptions options() {
    rt::WatchdogOptions options;
    options.tell = [this](const StuckTask& stuck) {
      told.push_back(stuck);
      step("told: " + stuck.to_string());
      if (in_tell) in_tell();
    };
    return options;
  }
  std::vector<rt::trace::TaskId> tasks_told() const {
    std::vector<rt::trace::TaskId> tasks;
    for (const StuckTask& stuck : told) tasks.push_back(stuck.task);
    return tasks;
  }

  static constexpr absl::Duration kNow = absl::ZeroDuration();
  const std::source_location where = std::source_location::current();
  testkit::PausedClock clock;
  FakeWorkers workers{3};
  std::vector<StuckTask> told;
  std::function<void()> in_tell;
  rt::Watchdog watchdog{workers, options()};

 private:
  std::uint64_t next_poll_ = 0;
};

// --- What is named -------------------------------------------------------------------------------

TEST_F(WatchdogTest, NamesATaskThatHasKeptAWorkerForTheLimit) {
  begin(1, 17);
  look_after(kNow);
  look_after(absl::Milliseconds(50));
  EXPECT_THAT(tasks_told(), IsEmpty());
  look_after(absl::Milliseconds(50));
  ASSERT_THAT(tasks_told(), ElementsAre(17));
  const StuckTask& stuck = told[0];
  EXPECT_EQ(stuck.worker, 1u);
  EXPECT_EQ(stuck.held, absl::Milliseconds(100));
  EXPECT_EQ(stuck.spawned_at.line(), where.line());
  EXPECT_STREQ(stuck.spawned_at.file_name(), where.file_name());
  EXPECT_EQ(stuck.stack, "stack of worker 1");
  EXPECT_EQ(stuck.to_string(), "task 17, spawned at " + std::string(where.file_name()) + ":" +
                                   std::to_string(where.line()) + ", has kept worker 1 for 100ms");
}

TEST_F(WatchdogTest, NamesNothingBeforeTheLimit) {
  begin(0, 17);
  look_after(kNow);
  look_after(absl::Milliseconds(99));
  EXPECT_THAT(tasks_told(), IsEmpty());
  look_after(absl::Milliseconds(1));
  EXPECT_THAT(tasks_told(), ElementsAre(17));
}

// Bug it is here for: the limit is what is told, and not the time.
TEST_F(WatchdogTest, SaysForHowLong) {
  begin(0, 17);
  look_after(absl::Milliseconds(30));
  look_after(absl::Milliseconds(90));
  look_after(absl::Milliseconds(90));
  ASSERT_THAT(tasks_told(), ElementsAre(17));
  EXPECT_EQ(told[0].held, absl::Milliseconds(180)) << "since the first look that has found it";
}

TEST_F(WatchdogTest, NamesAPollOnce) {
  begin(0, 17);
  for (int i = 0; i < 10; ++i) look_after(absl::Milliseconds(50));
  EXPECT_THAT(tasks_told(), ElementsAre(17));
}

TEST_F(WatchdogTest, NamesTheSameTaskAgainForAnotherPoll) {
  for (int i = 0; i < 2; ++i) {
    begin(0, 17);
    look_after(kNow);
    look_after(absl::Milliseconds(100));
    end(0);
    look_after(absl::Milliseconds(100));
  }
  EXPECT_THAT(tasks_told(), ElementsAre(17, 17));
}

// Bug it is here for: two polls of one task are taken for one that lasts.
TEST_F(WatchdogTest, NamesNoTaskThatIsPolledAgainAndAgain) {
  for (int i = 0; i < 10; ++i) {
    begin(0, 17);
    look_after(absl::Milliseconds(50));
  }
  EXPECT_THAT(tasks_told(), IsEmpty());
}

// Bug it is here for: the time of the poll before is counted in.
TEST_F(WatchdogTest, TheTimeBeginsAnewWithEachPoll) {
  for (rt::trace::TaskId task = 1; task <= 5; ++task) {
    begin(0, task);
    look_after(absl::Milliseconds(30));
    look_after(absl::Milliseconds(60));
  }
  EXPECT_THAT(tasks_told(), IsEmpty());
}

// Bug it is here for: a worker that does not move is stuck, it seems. It sleeps.
TEST_F(WatchdogTest, NamesNoWorkerThatPollsNothing) {
  for (int i = 0; i < 10; ++i) look_after(absl::Milliseconds(50));
  begin(0, 17);
  look_after(absl::Milliseconds(50));
  end(0);
  for (int i = 0; i < 10; ++i) look_after(absl::Milliseconds(50));
  EXPECT_THAT(tasks_told(), IsEmpty());
}

TEST_F(WatchdogTest, LooksAtEachWorkerForItself) {
  begin(0, 1);
  begin(2, 3);
  look_after(kNow);
  begin(1, 2);
  look_after(absl::Milliseconds(50));
  end(0);
  look_after(absl::Milliseconds(50));
  EXPECT_THAT(tasks_told(), ElementsAre(3));
  look_after(absl::Milliseconds(50));
  EXPECT_THAT(tasks_told(), ElementsAre(3, 2));
}

TEST_F(WatchdogTest, NamesSeveralInOneLook) {
  for (std::size_t worker = 0; worker < 3; ++worker) begin(worker, worker + 1);
  look_after(kNow);
  look_after(absl::Milliseconds(100));
  EXPECT_THAT(tasks_told(), ElementsAre(1, 2, 3));
}

TEST_F(WatchdogTest, KeepsToTheLimitThatItWasGiven) {
  rt::WatchdogOptions chosen = options();
  chosen.limit = absl::Seconds(5);
  rt::Watchdog patient(workers, std::move(chosen));
  begin(0, 17);
  patient.look();
  clock.advance(absl::Seconds(4));
  patient.look();
  EXPECT_THAT(tasks_told(), IsEmpty());
  clock.advance(absl::Seconds(1));
  patient.look();
  EXPECT_THAT(tasks_told(), ElementsAre(17));
}

// --- The stack -----------------------------------------------------------------------------------

// Bug it is here for: each look interrupts the workers.
TEST_F(WatchdogTest, TakesTheStackOnlyOfWhatItNames) {
  begin(0, 1);
  begin(1, 2);
  look_after(kNow);
  look_after(absl::Milliseconds(50));
  end(0);
  look_after(absl::Milliseconds(50));
  look_after(absl::Milliseconds(50));
  EXPECT_THAT(workers.stacks, ElementsAre(1));
}

// Bug it is here for: the stack is that of the park in which the worker is by now.
TEST_F(WatchdogTest, LeavesOutTheStackOfAPollThatHasEndedMeanwhile) {
  begin(0, 17);
  look_after(kNow);
  workers.in_stack = [this] { end(0); };
  look_after(absl::Milliseconds(100));
  ASSERT_THAT(tasks_told(), ElementsAre(17));
  EXPECT_EQ(told[0].stack, "");
  EXPECT_EQ(told[0].spawned_at.line(), where.line());
}

// Bug it is here for: the worker polls, so the stack is that of the poll. It is in the next one.
TEST_F(WatchdogTest, LeavesOutTheStackOfAnotherPoll) {
  begin(0, 17);
  look_after(kNow);
  workers.in_stack = [this] { begin(0, 17); };
  look_after(absl::Milliseconds(100));
  ASSERT_THAT(tasks_told(), ElementsAre(17));
  EXPECT_EQ(told[0].stack, "");
}

// --- The thread ----------------------------------------------------------------------------------

TEST_F(WatchdogTest, LooksEveryHalfLimit) {
  const HelperThread thread([this] { watchdog.run(); });
  clock.wait_for_sleepers(1);
  const int first = workers.looks;
  clock.advance(absl::Milliseconds(49));
  clock.wait_for_sleepers(1);
  EXPECT_EQ(workers.looks, first);
  for (int i = 1; i <= 3; ++i) {
    clock.advance(i == 1 ? absl::Milliseconds(1) : absl::Milliseconds(50));
    clock.wait_for_sleepers(1);
    EXPECT_EQ(workers.looks, first + i);
  }
  watchdog.stop();
}

// Bug it is here for: looks are a limit apart, and a poll may last for three before it is named.
TEST_F(WatchdogTest, NamesAPollWithinTwoLimitsOfItsBeginning) {
  const HelperThread thread([this] { watchdog.run(); });
  clock.wait_for_sleepers(1);
  begin(0, 17);  // Nobody looks: the thread sleeps.
  for (int i = 0; i < 4; ++i) {
    clock.advance(absl::Milliseconds(50));
    clock.wait_for_sleepers(1);
  }
  EXPECT_THAT(tasks_told(), ElementsAre(17));
  watchdog.stop();
}

TEST_F(WatchdogTest, RunsNotAtAllWhenItWasStoppedBefore) {
  watchdog.stop();
  watchdog.run();
}

}  // namespace
