#include "rt/task/task_state.h"

#include <csignal>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "testkit/testkit.h"

namespace {

using rt::TaskState;
using rt::TaskWord;
using testkit::step;
using Start = TaskState::Start;
using Stop = TaskState::Stop;
using End = TaskState::End;
using Wake = TaskState::Wake;
using Bits = TaskWord::Bits;

constexpr Bits kRunning = TaskWord::kRunning;
constexpr Bits kNotified = TaskWord::kNotified;
constexpr Bits kComplete = TaskWord::kComplete;
constexpr Bits kCancelled = TaskWord::kCancelled;
constexpr Bits kJoinInterest = TaskWord::kJoinInterest;
constexpr Bits kJoinWaker = TaskWord::kJoinWaker;
constexpr Bits refs(Bits count) { return count * TaskWord::kReference; }

// The word in words: "running, notified, 3 references".
std::string in_words(Bits bits) {
  std::string text;
  const auto add = [&](Bits bit, const char* name) {
    if ((bits & bit) != 0) absl::StrAppend(&text, name, ", ");
  };
  add(kRunning, "running");
  add(kNotified, "notified");
  add(kComplete, "complete");
  add(kCancelled, "cancelled");
  add(kJoinInterest, "join interest");
  add(kJoinWaker, "join waker");
  const Bits count = TaskWord::references(bits);
  return absl::StrCat(text, count, count == 1 ? " reference" : " references");
}

// A word, and the steps that it takes. Each step and what it makes of the word goes into the log.
class Task {
 public:
  explicit Task(Bits bits) : state_(bits) { step(absl::StrCat("the task: ", word())); }

  Start begin_run() { return say("begin_run()", state_.begin_run()); }
  Stop end_run() { return say("end_run()", state_.end_run()); }
  End complete(Bits count) {
    return say(absl::StrCat("complete(", count, ")"), state_.complete(count));
  }
  Wake wake_by_ref() { return say("wake_by_ref()", state_.wake_by_ref()); }
  Wake wake_by_value() { return say("wake_by_value()", state_.wake_by_value()); }
  Wake cancel() { return say("cancel()", state_.cancel()); }
  bool claim() { return say("claim()", state_.claim()); }
  bool release(Bits count = 1) { return say("release()", state_.release(count)); }

  std::string word() { return in_words(state_.word().load()); }

 private:
  template <class Outcome>
  Outcome say(const std::string& what, Outcome outcome) {
    step(absl::StrCat(what, ": ", word()));
    return outcome;
  }

  TaskState state_;
};

// --- A life without surprises --------------------------------------------------------------------

TEST(TaskState, ANewTaskIsScheduledWithAReferenceForEachOwner) {
  TaskState joined(true), alone(false);
  EXPECT_EQ(in_words(joined.word().load()), "notified, join interest, 3 references");
  EXPECT_EQ(in_words(alone.word().load()), "notified, 2 references");
  EXPECT_EQ(joined.begin_run(), Start::kRun);
  EXPECT_EQ(alone.begin_run(), Start::kRun);
  EXPECT_EQ(in_words(alone.word().load()), "running, 2 references");
}

TEST(TaskState, ARunTakesTheNotificationAndKeepsTheReference) {
  Task task(kNotified | refs(2));
  EXPECT_EQ(task.begin_run(), Start::kRun);
  EXPECT_EQ(task.word(), "running, 2 references");
}

TEST(TaskState, ARunThatNobodyWokeEndsIdleAndGivesItsReferenceBack) {
  Task task(kRunning | refs(2));
  EXPECT_EQ(task.end_run(), Stop::kIdle);
  EXPECT_EQ(task.word(), "1 reference");
}

TEST(TaskState, AWakeSchedulesAnIdleTask) {
  Task task(refs(1));
  EXPECT_EQ(task.wake_by_ref(), Wake::kSchedule);
  EXPECT_EQ(task.word(), "notified, 2 references") << "one of them is for the queue";
  EXPECT_EQ(task.begin_run(), Start::kRun);
}

// Bug it is here for: a reference made for the queue, and the waker's own one given back: two steps
// where one is enough.
TEST(TaskState, AWakeByValueGivesItsReferenceToTheQueue) {
  Task task(refs(2));
  EXPECT_EQ(task.wake_by_value(), Wake::kSchedule);
  EXPECT_EQ(task.word(), "notified, 2 references");
}

// --- Wakes at every moment -----------------------------------------------------------------------

// Bug it is here for: a wake that looks at notified only, and so puts a running task into the
// queue: two threads poll it.
TEST(TaskState, AWakeDuringTheRunIsForItsEnd) {
  for (const bool by_value : {false, true}) {
    Task task(kRunning | refs(3));
    EXPECT_EQ(by_value ? task.wake_by_value() : task.wake_by_ref(), Wake::kNothing);
    EXPECT_EQ(task.word(),
              by_value ? "running, notified, 2 references" : "running, notified, 3 references");
    EXPECT_EQ(task.end_run(), Stop::kScheduled);
    EXPECT_EQ(task.word(), by_value ? "notified, 2 references" : "notified, 3 references")
        << "the run's reference is the queue's again";
  }
}

// Bug it is here for: notified that is taken away at the end of the run, with the wake that came in
// it; or not at all, and then the task runs for ever.
TEST(TaskState, AWakeBeforeTheRunIsUsedUpByIt) {
  Task task(kNotified | refs(2));
  task.wake_by_ref();
  task.begin_run();
  EXPECT_EQ(task.end_run(), Stop::kIdle);
}

// Bug it is here for: a task that stands in the queue twice.
TEST(TaskState, HoweverOftenWokenItIsScheduledOnce) {
  Task task(refs(4));
  EXPECT_EQ(task.wake_by_ref(), Wake::kSchedule);
  EXPECT_EQ(task.wake_by_ref(), Wake::kNothing);
  EXPECT_EQ(task.word(), "notified, 5 references");
  EXPECT_EQ(task.wake_by_value(), Wake::kNothing);
  EXPECT_EQ(task.word(), "notified, 4 references") << "the waker was used up";
}

TEST(TaskState, AWakeDuringTheRunComesOnceToo) {
  Task task(kRunning | refs(4));
  task.wake_by_ref();
  EXPECT_EQ(task.wake_by_ref(), Wake::kNothing);
  EXPECT_EQ(task.wake_by_value(), Wake::kNothing);
  EXPECT_EQ(task.word(), "running, notified, 3 references");
}

// Bug it is here for: a task that is woken after its end, and polled once more.
TEST(TaskState, AWakeAfterTheEndDoesNothing) {
  Task task(kComplete | refs(2));
  EXPECT_EQ(task.wake_by_ref(), Wake::kNothing);
  EXPECT_EQ(task.word(), "complete, 2 references");
  EXPECT_EQ(task.wake_by_value(), Wake::kNothing);
  EXPECT_EQ(task.word(), "complete, 1 reference");
  EXPECT_EQ(task.wake_by_value(), Wake::kFree) << "that was the last reference";
}

TEST(TaskState, TheLastReferenceMayBeThatOfTheRun) {
  Task task(kRunning | refs(1));
  EXPECT_EQ(task.end_run(), Stop::kFree) << "nobody can wake it any more";
}

// --- The end -------------------------------------------------------------------------------------

TEST(TaskState, WithAHandleTheEndHandsTheOutputOver) {
  Task task(kRunning | kJoinInterest | refs(3));
  EXPECT_EQ(task.complete(2), End::kHandedOver);
  EXPECT_EQ(task.word(), "complete, join interest, 1 reference")
      << "the references are given back in the same step";
}

TEST(TaskState, AWaitingJoinerIsToBeWoken) {
  Task task(kRunning | kJoinInterest | kJoinWaker | refs(3));
  EXPECT_EQ(task.complete(2), End::kWakeJoiner);
  EXPECT_EQ(task.word(), "complete, join interest, 3 references")
      << "the waker is taken, and the task is still needed for it";
  EXPECT_FALSE(task.release(2));
  EXPECT_TRUE(task.release());
}

TEST(TaskState, WithoutAHandleTheOutputIsToBeDropped) {
  Task task(kRunning | refs(2));
  EXPECT_EQ(task.complete(2), End::kDropOutput);
  EXPECT_EQ(task.word(), "complete, 2 references");
  EXPECT_TRUE(task.release(2));
}

TEST(TaskState, AnEndedTaskIsNotRun) {
  Task task(kComplete | kNotified | refs(2));
  EXPECT_EQ(task.begin_run(), Start::kNotMine);
  EXPECT_EQ(task.word(), "notified, complete, 2 references");
}

// --- Cancelling ----------------------------------------------------------------------------------

TEST(TaskState, CancellingAnIdleTaskSchedulesIt) {
  Task task(refs(1));
  EXPECT_EQ(task.cancel(), Wake::kSchedule);
  EXPECT_EQ(task.word(), "notified, cancelled, 2 references");
  EXPECT_EQ(task.begin_run(), Start::kCancelled);
  EXPECT_EQ(task.word(), "running, cancelled, 2 references");
  EXPECT_EQ(task.complete(2), End::kDropOutput);
}

// Bug it is here for: a cancelled task that stands in the queue twice.
TEST(TaskState, CancellingAScheduledTaskLeavesItInTheQueue) {
  Task task(kNotified | refs(2));
  EXPECT_EQ(task.cancel(), Wake::kNothing);
  EXPECT_EQ(task.cancel(), Wake::kNothing);
  EXPECT_EQ(task.word(), "notified, cancelled, 2 references");
  EXPECT_EQ(task.begin_run(), Start::kCancelled);
}

// Bug it is here for: a cancelled task that goes idle, and is never dropped.
TEST(TaskState, CancellingARunningTaskIsForItsEnd) {
  Task task(kRunning | refs(2));
  EXPECT_EQ(task.cancel(), Wake::kNothing);
  EXPECT_EQ(task.end_run(), Stop::kCancelled);
  EXPECT_EQ(task.word(), "running, cancelled, 2 references")
      << "it is still the runner's: nobody else may drop the future";
}

TEST(TaskState, CancelledAndWokenDuringTheRunItIsNotScheduled) {
  Task task(kRunning | refs(2));
  task.wake_by_ref();
  task.cancel();
  EXPECT_EQ(task.end_run(), Stop::kCancelled);
}

TEST(TaskState, ATaskThatIsReadyAllTheSameKeepsItsOutput) {
  Task task(kRunning | kJoinInterest | refs(3));
  task.cancel();
  EXPECT_EQ(task.complete(2), End::kHandedOver);
}

TEST(TaskState, CancellingAnEndedTaskDoesNothing) {
  Task task(kComplete | refs(1));
  EXPECT_EQ(task.cancel(), Wake::kNothing);
  EXPECT_EQ(task.word(), "complete, 1 reference");
}

// --- The end of a runtime ------------------------------------------------------------------------

TEST(TaskState, AClaimGivesAnIdleTask) {
  Task task(refs(1));
  EXPECT_TRUE(task.claim());
  EXPECT_EQ(task.word(), "running, cancelled, 1 reference");
  EXPECT_EQ(task.wake_by_ref(), Wake::kNothing) << "a wake does not put it into a queue";
  EXPECT_EQ(task.complete(1), End::kDropOutput);
}

// Bug it is here for: a claim that leaves a scheduled task to the queue. The queue's reference may
// be in the hands of a thread that has not put it there yet.
TEST(TaskState, AClaimGivesAScheduledTaskAndTheQueueGetsNothing) {
  Task task(kNotified | refs(2));
  EXPECT_TRUE(task.claim());
  EXPECT_EQ(task.begin_run(), Start::kNotMine) << "who claimed it drops it";
  EXPECT_EQ(task.complete(1), End::kDropOutput);
  EXPECT_EQ(task.begin_run(), Start::kNotMine);
}

TEST(TaskState, AClaimLeavesARunningTaskToItsRunner) {
  Task task(kRunning | refs(2));
  EXPECT_FALSE(task.claim());
  EXPECT_EQ(task.end_run(), Stop::kCancelled);
}

TEST(TaskState, TwoClaimsGiveTheTaskOnce) {
  Task task(refs(2));
  EXPECT_TRUE(task.claim());
  EXPECT_FALSE(task.claim());
}

TEST(TaskState, AClaimOfAnEndedTaskDoesNothing) {
  Task task(kComplete | refs(1));
  EXPECT_FALSE(task.claim());
  EXPECT_EQ(task.word(), "complete, 1 reference");
}

// --- Nothing else changes ------------------------------------------------------------------------

// Bug it is here for: a step that writes a bit of somebody else's: of the JoinHandle, say.
TEST(TaskState, TheStepsLeaveTheBitsOfTheHandleAlone) {
  for (const Bits others : {Bits{0}, kJoinInterest, kJoinInterest | kJoinWaker}) {
    Task task(kNotified | others | refs(3));
    task.begin_run();
    task.wake_by_ref();
    task.end_run();
    task.begin_run();
    task.end_run();
    task.wake_by_ref();
    task.cancel();
    task.claim();
    EXPECT_EQ(task.word(), in_words(kRunning | kNotified | kCancelled | others | refs(3)));
  }
}

// Bug it is here for: a count that overflows. The next reference that goes would free the task in
// the hands of all the others.
TEST(TaskState, TooManyReferencesEndTheProgram) {
  Task task(~Bits{0} - 2 * TaskWord::kReference + 1);  // Idle.
  EXPECT_EQ(task.release(), false);
  TaskState running(kRunning | refs(1));
  running.wake_by_ref();
  std::signal(SIGABRT, SIG_DFL);  // The ends are what is wanted, and no reports of a crash.
  EXPECT_DEATH(task.wake_by_ref(), "");
  EXPECT_DEATH(task.cancel(), "");
  TaskWord word(~Bits{0} / 2 + 1);
  EXPECT_DEATH(word.retain(), "a task has more references than its word can count");
}

}  // namespace
