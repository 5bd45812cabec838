// Every interleaving of those who open tasks and those who sleep. A task that is left while a
// worker sleeps is a deadlock: somebody waits for it.
#include "rt/runtime/idle.h"

#include <atomic>
#include <cstddef>
#include <deque>
#include <optional>
#include <tuple>

#include "rt/platform/sync.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::Idle;
using rt::sync::Atomic;
using testkit::model::check;
using testkit::model::Options;
using testkit::model::Outcomes;
using testkit::model::Thread;

// What a worker sleeps on: stays until it is taken.
class Token {
 public:
  void leave() {
    const rt::sync::Lock lock(mutex_);
    is_there_.write() = true;
    changed_.notify_one();
  }
  void take() {
    rt::sync::Lock lock(mutex_);
    while (!is_there_.read()) changed_.wait(lock);
    is_there_.write() = false;
  }

 private:
  rt::sync::Mutex mutex_;
  rt::sync::CondVar changed_;
  rt::sync::Cell<bool> is_there_{false};
};

// Workers that do what the header asks for, and one queue that only those find who search: the
// queue of somebody who is busy for long. The tasks are only counted.
class Crew {
 public:
  explicit Crew(std::size_t workers) : idle_(workers), sleeps_(workers) {}

  void open_task() {
    tasks_.fetch_add(1);
    notify();
  }

  // Runs as many tasks, and ends.
  template <class Task>
  void work(std::size_t self, int tasks, Task run) {
    bool searches = false;
    while (tasks > 0) {
      if (!searches) searches = idle_.try_search();
      if (searches && take()) {
        searches = false;
        if (idle_.stop_search()) look();
        run();
        --tasks;
        continue;
      }
      if (idle_.fall_asleep(self, searches)) look();
      sleeps_[self].take();
      searches = idle_.wake_up(self);
    }
  }

  // What a worker does that has found a task: `run` it.
  template <class Task>
  void find_and_run(Task run) {
    const bool searches = idle_.try_search();
    if (searches && idle_.stop_search()) look();
    run();
  }

 private:
  void notify() {
    if (const std::optional<std::size_t> worker = idle_.worker_to_wake()) sleeps_[*worker].leave();
  }
  void look() {
    if (tasks_.load() > 0) notify();
  }
  // As a thief does: it may see an old number, and find nothing.
  bool take() {
    int count = tasks_.load(std::memory_order_acquire);
    while (count > 0) {
      if (tasks_.compare_exchange_strong(count, count - 1)) return true;
    }
    return false;
  }

  Idle idle_;
  std::deque<Token> sleeps_;
  Atomic<int> tasks_{0};
};

// Bugs it is here for: the last that searched falls asleep without a second look; it looks, and
// says only then that it sleeps; one of the four steps is weaker than seq_cst.
TEST(IdleModel, NoTaskIsLeftWhileTheWorkerSleeps) {
  check(Options().preemptions(3), [] {
    Crew crew(1);
    Token done;
    Thread worker([&] { crew.work(0, 2, [&] { done.leave(); }); });
    for (int i = 0; i < 2; ++i) {
      crew.open_task();
      done.take();
    }
    worker.join();
  });
}

// Bug it is here for: a worker may not search, since another one does, and falls asleep; meanwhile
// that one has found a task. It opens another one, sees nobody asleep, and is busy for long.
TEST(IdleModel, NoTaskIsLeftBesideABusyWorker) {
  check(Options().preemptions(3), [] {
    Crew crew(2);
    Token done;
    Thread worker([&] { crew.work(1, 1, [&] { done.leave(); }); });
    crew.find_and_run([&] {
      crew.open_task();
      done.take();
    });
    worker.join();
  });
}

// Bugs it is here for: all think that another one searches; who was chosen does not search; who has
// found one task does not look for more. The first task is not done before the second has come to
// it: with one of them left, both workers are stuck.
TEST(IdleModel, NoTaskIsLeftWhileOneOfTwoSleeps) {
  check(Options().preemptions(3).spurious_wakeups(0), [] {
    Crew crew(2);
    Token second_came;
    Atomic<int> come{0};
    const auto meet = [&] { come.fetch_add(1) == 0 ? second_came.take() : second_came.leave(); };
    Thread first([&] { crew.work(0, 1, meet); }), second([&] { crew.work(1, 1, meet); });
    crew.open_task();
    crew.open_task();
    first.join();
    second.join();
  });
}

// The same with three workers, one of which opens the tasks and is busy for long: two may search at
// a time.
TEST(IdleModel, NoTaskIsLeftWhileOneOfThreeSleeps) {
  check(Options().spurious_wakeups(0), [] {
    Crew crew(3);
    Token second_came;
    Atomic<int> come{0};
    const auto meet = [&] { come.fetch_add(1) == 0 ? second_came.take() : second_came.leave(); };
    Thread first([&] { crew.work(1, 1, meet); }), second([&] { crew.work(2, 1, meet); });
    crew.find_and_run([&] {
      crew.open_task();
      crew.open_task();
      first.join();
      second.join();
    });
  });
}

// Bug it is here for: two who open a task look, both see somebody asleep, and both wake one.
TEST(IdleModel, TwoWhoOpenATaskAtOnceWakeOne) {
  check([] {
    Idle idle(2);
    std::ignore = idle.fall_asleep(0, false);
    std::ignore = idle.fall_asleep(1, false);
    bool one = false, two = false;
    Thread other([&] { one = idle.worker_to_wake().has_value(); });
    two = idle.worker_to_wake().has_value();
    other.join();
    MODEL_REQUIRE(one != two);
  });
}

// Bug it is here for: the worker wakes by itself just when it is chosen, and both
// think that the other one has taken it off the list.
TEST(IdleModel, WhoWakesByItselfKnowsWhetherItWasChosen) {
  Outcomes seen;
  check([&seen] {
    Idle idle(2);
    std::ignore = idle.fall_asleep(0, false);
    bool chosen = false;
    Thread other([&] { chosen = idle.worker_to_wake().has_value(); });
    const bool searches = idle.wake_up(0);
    other.join();
    MODEL_REQUIRE(searches == chosen);
    MODEL_REQUIRE(idle.worker_to_wake() == std::nullopt);
    if (searches) MODEL_REQUIRE(!idle.stop_search());
    seen.add(searches ? "chosen" : "by itself");
  });
  EXPECT_EQ(seen, Outcomes({"by itself", "chosen"}));
}

}  // namespace
