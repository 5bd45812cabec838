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
using testkit::model::cost_of;
using testkit::model::Costs;
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

// Bugs it is here for: a lock, or a write to a line that all workers read, for each task that is
// opened while nobody has to be woken: while all run tasks, or somebody searches.
TEST(IdleModel, WhereNobodyHasToBeWokenATaskCostsOneLoad) {
  check([] {
    Idle idle(2);
    const auto costs_nothing = [&idle] {
      const Costs costs = cost_of([&] { MODEL_REQUIRE(idle.worker_to_wake() == std::nullopt); });
      return costs.locks == 0 && costs.updates == 0;
    };
    MODEL_REQUIRE(costs_nothing());
    std::ignore = idle.fall_asleep(0, false);
    MODEL_REQUIRE(idle.try_search());
    MODEL_REQUIRE(costs_nothing());
  });
}

// Bug it is here for: two changes of the word for one step, and somebody who looks in between.
TEST(IdleModel, EachStepChangesTheWordOnce) {
  check(Options().needless_failures(0), [] {
    Idle idle(2);
    const auto changes = [](auto step) { return cost_of([&] { std::ignore = step(); }).updates; };
    MODEL_REQUIRE(changes([&] { return idle.try_search(); }) <= 1);
    MODEL_REQUIRE(changes([&] { return idle.fall_asleep(0, true); }) <= 1);
    MODEL_REQUIRE(changes([&] { return idle.worker_to_wake().has_value(); }) <= 1);
    MODEL_REQUIRE(changes([&] { return idle.wake_up(0); }) <= 1);
    MODEL_REQUIRE(changes([&] { return idle.stop_search(); }) <= 1);
    MODEL_REQUIRE(changes([&] { return idle.fall_asleep(1, false); }) <= 1);
    MODEL_REQUIRE(changes([&] { return idle.wake_up(1); }) <= 1);
  });
}

// Bug it is here for: a step that is done under the mutex, by a load and a store. Those who begin
// and end a search change the same word without the mutex, and one of the two changes is lost.
TEST(IdleModel, NoStepIsLostBesideASearch) {
  check([] {
    Idle idle(4);
    std::ignore = idle.fall_asleep(0, false);
    Thread searcher([&] {
      MODEL_REQUIRE(idle.try_search());
      std::ignore = idle.stop_search();
    });
    MODEL_REQUIRE(!idle.wake_up(0));
    std::ignore = idle.fall_asleep(1, false);
    searcher.join();
    MODEL_REQUIRE(idle.worker_to_wake() == std::size_t{1});
    MODEL_REQUIRE(idle.worker_to_wake() == std::nullopt);
    MODEL_REQUIRE(idle.wake_up(1));
    MODEL_REQUIRE(!idle.stop_search());
  });
}

// Bug it is here for: a worker counts as asleep before it is on the list, or is on the list before
// it counts. Whoever opens a task in between finds nobody on it, or wakes nobody.
TEST(IdleModel, WhoFallsAsleepIsOnTheListAtOnce) {
  Outcomes seen;
  check([&seen] {
    Idle idle(2);
    std::optional<std::size_t> chosen;
    Thread other([&] { chosen = idle.worker_to_wake(); });
    const bool looks = idle.fall_asleep(1, false);
    other.join();
    MODEL_REQUIRE(looks);
    if (chosen.has_value()) {
      MODEL_REQUIRE(*chosen == 1);
      MODEL_REQUIRE(idle.wake_up(1));
    } else {
      MODEL_REQUIRE(idle.worker_to_wake() == std::size_t{1});
    }
    seen.add(chosen.has_value() ? "chosen" : "not yet");
  });
  EXPECT_EQ(seen, Outcomes({"chosen", "not yet"}));
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
