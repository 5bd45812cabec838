// Every interleaving of those who wake a task and those who run it.
#include "rt/task/task_state.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::TaskState;
using rt::TaskWord;
using testkit::model::check;
using testkit::model::cost_of;
using testkit::model::Outcomes;
using testkit::model::Thread;
using Wake = TaskState::Wake;
using Bits = TaskWord::Bits;

// A task that is a word and no more. Its memory goes with its last reference; a leak, or a use
// afterwards, is reported.
struct Task : testkit::model::Tracked {
  explicit Task(Bits bits) : state(bits) {}

  void let_go(Bits count = 1) {
    if (state.release(count)) delete this;
  }

  TaskState state;
  testkit::model::Tracked future;
};

// Where the task waits for a runner: in a queue that has room for one.
class Queue {
 public:
  void push(Task* task) {
    const rt::sync::Lock lock(mutex_);
    MODEL_REQUIRE(task_ == nullptr);  // A task that stands in the queue twice.
    task_ = task;
    changed_.notify_one();
  }
  // Null: closed, and empty.
  Task* pop() {
    rt::sync::Lock lock(mutex_);
    while (task_ == nullptr && !is_closed_) changed_.wait(lock);
    return std::exchange(task_, nullptr);
  }
  void close() {
    const rt::sync::Lock lock(mutex_);
    is_closed_ = true;
    changed_.notify_all();
  }

 private:
  rt::sync::Mutex mutex_;
  rt::sync::CondVar changed_;
  Task* task_ = nullptr;
  bool is_closed_ = false;
};

void wake(Task* task, Queue& queue, bool by_value) {
  const Wake outcome = by_value ? task->state.wake_by_value() : task->state.wake_by_ref();
  if (outcome == Wake::kSchedule) queue.push(task);
  if (outcome == Wake::kFree) delete task;
  if (!by_value) task->let_go();
}

// Runs what is in the queue until `poll` says ready, or somebody else has ended the task. `ended`
// is the number of references that go with the end, the runner's own among them.
template <class Poll>
void run(Queue& queue, Bits references, Poll poll) {
  while (Task* const task = queue.pop()) {
    switch (task->state.begin_run()) {
      case TaskState::Start::kNotMine:
        task->let_go();
        continue;
      case TaskState::Start::kCancelled:
        break;
      case TaskState::Start::kRun:
        task->future.use();
        if (poll()) break;
        switch (task->state.end_run()) {
          case TaskState::Stop::kIdle:
            continue;
          case TaskState::Stop::kFree:
            delete task;
            continue;
          case TaskState::Stop::kScheduled:
            queue.push(task);
            continue;
          case TaskState::Stop::kCancelled:
            break;
        }
    }
    MODEL_REQUIRE(task->state.complete(references) == TaskState::End::kDropOutput);
    task->let_go(references);
    queue.close();
    return;
  }
}

// A task that ends when both flags are set, which another two threads do. If one of their wakes is
// lost, or does not show what its thread did before it, the runner waits for ever.
void two_wakers(bool by_value) {
  Queue queue;
  rt::sync::Atomic<bool> one_said(false), two_said(false);
  // References: the list's, the queue's, and the two wakers'.
  Task* const task = new Task(TaskWord::kNotified | 4 * TaskWord::kReference);
  Thread one([&] {
    // Relaxed: the wake has to make it visible.
    one_said.store(true, std::memory_order_relaxed);
    wake(task, queue, by_value);
  });
  Thread two([&] {
    two_said.store(true, std::memory_order_relaxed);
    wake(task, queue, false);
  });
  queue.push(task);
  run(queue, 2, [&] {
    return one_said.load(std::memory_order_relaxed) && two_said.load(std::memory_order_relaxed);
  });
  one.join();
  two.join();
}

// Bug it is here for: a step that is two, and has a moment in between.
TEST(TaskStateModel, EachStepIsOneUpdate) {
  check(testkit::model::Options().needless_failures(0), [] {
    TaskState state(/*joined=*/true);
    const auto is_one = [](auto step) { MODEL_REQUIRE(cost_of(step).updates == 1); };
    is_one([&] { MODEL_REQUIRE(state.begin_run() == TaskState::Start::kRun); });
    is_one([&] { MODEL_REQUIRE(state.end_run() == TaskState::Stop::kIdle); });
    is_one([&] { MODEL_REQUIRE(state.wake_by_ref() == Wake::kSchedule); });
    is_one([&] { MODEL_REQUIRE(state.wake_by_value() == Wake::kNothing); });
    is_one([&] { MODEL_REQUIRE(state.cancel() == Wake::kNothing); });
    is_one([&] { MODEL_REQUIRE(state.claim()); });
    is_one([&] { MODEL_REQUIRE(state.complete(1) == TaskState::End::kHandedOver); });
    is_one([&] { MODEL_REQUIRE(!state.claim()); });  // Also one that changes nothing.
  });
}

// Bugs it is here for: a wake that comes while the task runs, and is dropped; one that comes
// between the look at the bit and the step to idle; one that finds the task notified, and publishes
// nothing.
TEST(TaskStateModel, NoWakeIsLost) {
  check([] { two_wakers(false); });
}

TEST(TaskStateModel, NoWakeByValueIsLost) {
  check([] { two_wakers(true); });
}

// Bug it is here for: two threads that poll at the same time; or a poll that does not see what the
// one before it left, on another thread.
TEST(TaskStateModel, PollsComeOneAfterAnother) {
  Outcomes seen;
  check([&seen] {
    Queue queue;
    rt::sync::Atomic<bool> said(false);
    rt::sync::Cell<int> polls(0);  // The future's own.
    Task* const task = new Task(TaskWord::kNotified | 3 * TaskWord::kReference);
    const auto poll = [&] {
      ++polls.write();
      return said.load(std::memory_order_relaxed);
    };
    Thread runner([&] { run(queue, 2, poll); });
    Thread waker([&] {
      said.store(true, std::memory_order_relaxed);
      wake(task, queue, false);
    });
    queue.push(task);
    run(queue, 2, poll);
    runner.join();
    waker.join();
    seen.add(absl::StrCat(polls.read()));
  });
  EXPECT_EQ(seen, Outcomes({"1", "2"})) << "polls";
}

// Bugs it is here for: a future that is dropped by the shutdown and by the runner, or by neither; a
// shutdown that waits for a wake that never comes to the queue.
TEST(TaskStateModel, AClaimMeetsAWakeAndARun) {
  Outcomes seen;
  check([&seen] {
    Queue queue;
    bool is_polled = false;
    Task* const task = new Task(3 * TaskWord::kReference);  // The list's, a waker's, and ours.
    Thread waker([&] { wake(task, queue, true); });
    Thread runner([&] {
      run(queue, 1, [&] {
        is_polled = true;
        return false;
      });
    });
    const bool is_ours = task->state.claim();
    if (is_ours) {
      task->future.use();
      MODEL_REQUIRE(task->state.complete(1) == TaskState::End::kDropOutput);
    }
    task->let_go();
    task->let_go();
    waker.join();
    queue.close();
    runner.join();
    seen.add(is_ours ? "dropped by the shutdown" : "dropped by the runner");
    if (is_polled) seen.add("polled");
  });
  EXPECT_EQ(seen, Outcomes({"dropped by the shutdown", "dropped by the runner", "polled"}));
}

// Bug it is here for: a cancel that meets a run, and leaves the task idle; or that puts it into the
// queue while it runs.
TEST(TaskStateModel, ACancelMeetsARun) {
  Outcomes seen;
  check([&seen] {
    Queue queue;
    bool is_polled = false;
    Task* const task = new Task(TaskWord::kNotified | 3 * TaskWord::kReference);
    Thread canceller([&] {
      if (task->state.cancel() == Wake::kSchedule) queue.push(task);
      task->let_go();
    });
    queue.push(task);
    run(queue, 2, [&] {
      is_polled = true;
      return false;
    });
    canceller.join();
    seen.add(is_polled ? "polled" : "never polled");
  });
  EXPECT_EQ(seen, Outcomes({"polled", "never polled"}));
}

}  // namespace
