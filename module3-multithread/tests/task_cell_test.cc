#include "rt/task/task_cell.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "task_parts.h"
#include "testkit/internal/counting_new.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::TaskRef;
using rt::TaskWord;
using rt::Waker;
using task_parts::Body;
using task_parts::HandScheduler;
using task_parts::Output;
using testkit::LifeCounter;
using testkit::step;
using testkit::TestTask;
using testkit::internal::allocations;

class TaskCell : public testing::Test {
 protected:
  using Script = std::function<Body::Poll(Context&)>;

  // A task that polls `script`.
  void spawn(Script script) { scheduler_.spawn(Body(std::move(script), futures_.token())); }
  TaskRef spawn_joined(Script script) {
    return scheduler_.spawn_joined(Body(std::move(script), futures_.token()));
  }

  // Pending until done_; keeps the newest waker.
  Script waiting() {
    return [this](Context& cx) -> Body::Poll {
      ++polls_;
      if (done_) return output();
      waker_.emplace(cx.waker().clone());
      return kPending;
    };
  }

  Script ready() {
    return [this](Context&) -> Body::Poll {
      ++polls_;
      return output();
    };
  }

  Output output() { return Output(7, outputs_.token()); }

  // What a JoinHandle does with a task that is complete.
  std::string take(TaskRef& joined) {
    alignas(Output) std::byte place[sizeof(Output)];
    try {
      joined->vtable->take_output(*joined, place);
    } catch (const std::exception& error) {
      return error.what();
    }
    Output* const taken = std::launder(reinterpret_cast<Output*>(place));
    const int number = taken->number;
    std::destroy_at(taken);
    return std::to_string(number);
  }

  LifeCounter futures_{"the future"};
  LifeCounter outputs_{"the output"};
  int polls_ = 0;
  bool done_ = false;
  HandScheduler scheduler_;
  std::optional<Waker> waker_;  // Of the task. Dropped before the scheduler goes.
};

// --- From the queue to the end -------------------------------------------------------------------

TEST_F(TaskCell, PollsAFutureToItsEnd) {
  spawn(waiting());
  EXPECT_EQ(polls_, 0) << "to spawn polls nothing";
  scheduler_.run_all();
  EXPECT_EQ(polls_, 1);
  EXPECT_EQ(scheduler_.alive(), 1u);
  done_ = true;
  std::move(*waker_).wake();
  waker_.reset();
  EXPECT_EQ(scheduler_.scheduled(), 1u);
  scheduler_.run_all();
  EXPECT_EQ(polls_, 2);
  EXPECT_EQ(scheduler_.alive(), 0u);
  EXPECT_EQ(scheduler_.freed, 1);
}

TEST_F(TaskCell, AtTheEndFutureAndOutputAreDestroyedOnce) {
  spawn(ready());
  EXPECT_EQ(futures_.live(), 1);
  scheduler_.run_all();
  EXPECT_EQ(futures_.live(), 0);
  EXPECT_EQ(outputs_.created(), 1);
  EXPECT_EQ(outputs_.live(), 0) << "nobody joins";
  EXPECT_EQ(scheduler_.freed, 1);
}

TEST_F(TaskCell, WithAHandleTheOutputStaysUntilItIsTaken) {
  TaskRef joined = spawn_joined(ready());
  scheduler_.run_all();
  EXPECT_EQ(futures_.live(), 0) << "the future is gone, however long the handle lives";
  EXPECT_EQ(outputs_.live(), 1);
  EXPECT_EQ(scheduler_.alive(), 0u);
  EXPECT_EQ(take(joined), "7");
  EXPECT_EQ(outputs_.live(), 0);
  EXPECT_EQ(scheduler_.freed, 0) << "the handle still has its reference";
  joined = TaskRef();
  EXPECT_EQ(scheduler_.freed, 1);
}

TEST_F(TaskCell, AnOutputThatIsNotTakenIsDropped) {
  TaskRef joined = spawn_joined(ready());
  scheduler_.run_all();
  joined->vtable->drop_output(*joined);
  EXPECT_EQ(outputs_.live(), 0);
  joined = TaskRef();
  EXPECT_EQ(scheduler_.freed, 1);
}

// Bug it is here for: one allocation for the future, and others for the output, or for each waker.
TEST_F(TaskCell, ATaskIsOneAllocation) {
  spawn(ready());
  scheduler_.run_all();  // What a first task allocates for the trace and the test kit is not meant.
  Body body(ready(), futures_.token());
  [[maybe_unused]] const std::size_t before = allocations;
  rt::NewTask task =
      rt::TaskCell::create(&body, rt::kFutureVTable<Body>, scheduler_, /*joined=*/true);
  const std::size_t made = allocations;
  std::move(task.scheduled).run();
  const std::size_t run = allocations;
// In a release build, tasks have memory of their own.
#if defined(TESTKIT_COUNTS_NEW) && defined(RT_BLOCKS_KEEP_NOTHING)
  EXPECT_EQ(made - before, 1u);
#endif
  EXPECT_EQ(run - made, 0u) << "to run it, and to keep its output, takes none";
}

TEST_F(TaskCell, WakersAllocateNothing) {
  spawn(waiting());
  scheduler_.run_all();
  const std::size_t before = allocations;
  {
    Waker another = waker_->clone();
    Waker third = another.clone();
    EXPECT_TRUE(third.will_wake(*waker_));
  }
  EXPECT_EQ(allocations - before, 0u);
  waker_.reset();
}

struct Remembers {
  using Output = int;
  Remembers() {}
  rt::Poll<int> poll(Context& cx) {
    if (first == nullptr) {
      first = this;
      cx.waker().wake_by_ref();
      return kPending;
    }
    EXPECT_EQ(this, first);
    return 1;
  }
  Remembers* first = nullptr;
};

// A future may not move once it was polled: others have its address.
TEST_F(TaskCell, TheFutureStaysWhereItWasPolledFirst) {
  scheduler_.spawn(Remembers());
  scheduler_.run_all();
  EXPECT_EQ(scheduler_.freed, 1);
}

struct alignas(64) Wide {
  using Output = int;
  Wide() {}
  rt::Poll<int> poll(Context&) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(this) % 64, 0u);
    return 1;
  }
};

TEST_F(TaskCell, ATaskHasTheAlignmentThatItsFutureWants) {
  scheduler_.spawn(Wide());
  scheduler_.run_all();
  EXPECT_EQ(scheduler_.freed, 1);
}

// --- Wakes ---------------------------------------------------------------------------------------

TEST_F(TaskCell, WokenTwiceItIsScheduledOnce) {
  spawn(waiting());
  scheduler_.run_all();
  waker_->wake_by_ref();
  waker_->wake_by_ref();
  EXPECT_EQ(scheduler_.scheduled(), 1u);
  scheduler_.run_all();
  EXPECT_EQ(polls_, 2);
  waker_.reset();
}

// Bug it is here for: a wake during the poll that is lost; or one that does not go behind the
// others.
TEST_F(TaskCell, WokenDuringItsPollItYields) {
  spawn([this](Context& cx) -> Body::Poll {
    if (++polls_ == 3) return output();
    cx.waker().wake_by_ref();
    cx.waker().clone().wake();
    EXPECT_EQ(scheduler_.scheduled(), 0u) << "it runs: nobody else may poll it now";
    return kPending;
  });
  scheduler_.run_one();
  EXPECT_EQ(scheduler_.scheduled(), 1u);
  EXPECT_EQ(scheduler_.yields, 1);
  scheduler_.run_all();
  EXPECT_EQ(polls_, 3);
  EXPECT_EQ(scheduler_.schedules, 1) << "the spawn";
  EXPECT_EQ(scheduler_.freed, 1);
}

// Bug it is here for: a look for wakes that comes before the look whether it is ready.
TEST_F(TaskCell, WokenDuringItsLastPollItIsNotScheduled) {
  spawn([this](Context& cx) -> Body::Poll {
    cx.waker().wake_by_ref();
    cx.waker().clone().wake();
    return output();
  });
  scheduler_.run_one();
  EXPECT_EQ(scheduler_.scheduled(), 0u);
  EXPECT_EQ(outputs_.created(), 1);
  EXPECT_EQ(scheduler_.freed, 1);
}

// Bug it is here for: a waker that keeps the future alive, or that wakes what has ended.
TEST_F(TaskCell, AWakerMayOutliveTheTask) {
  spawn(waiting());
  scheduler_.run_all();
  Waker left = waker_->clone();
  done_ = true;
  waker_->wake_by_ref();
  scheduler_.run_all();
  EXPECT_EQ(futures_.live(), 0);
  EXPECT_EQ(outputs_.live(), 0) << "nobody joins: the output goes at the end, not with the waker";
  EXPECT_EQ(scheduler_.freed, 0);
  left.wake_by_ref();
  waker_->wake_by_ref();
  EXPECT_EQ(scheduler_.scheduled(), 0u);
  waker_.reset();
  EXPECT_EQ(scheduler_.freed, 0);
  std::move(left).wake();
  EXPECT_EQ(scheduler_.freed, 1)
      << "the last reference frees it, also when it is used up by a wake";
}

TEST_F(TaskCell, AWakerThatIsDroppedLastFreesTheTask) {
  spawn(waiting());
  scheduler_.close();
  EXPECT_EQ(scheduler_.freed, 1) << "never polled: there is no waker";
  spawn(waiting());
  scheduler_.run_all();
  scheduler_.close();
  EXPECT_EQ(scheduler_.freed, 1);
  waker_.reset();
  EXPECT_EQ(scheduler_.freed, 2);
}

// Bug it is here for: the future keeps a waker, the waker the task, and the task the future.
TEST_F(TaskCell, AFutureThatKeepsItsOwnWakerIsFreed) {
  auto kept = std::make_shared<std::optional<Waker>>();
  spawn([this, kept](Context& cx) -> Body::Poll {
    if (++polls_ == 2) return output();
    kept->emplace(cx.waker().clone());
    cx.waker().wake_by_ref();
    return kPending;
  });
  kept.reset();
  scheduler_.run_all();
  EXPECT_EQ(scheduler_.freed, 1);
}

// Bug it is here for: a wake that still looks at the task when it has given its reference away.
// AddressSanitizer sees it.
TEST_F(TaskCell, AWakeMayRunAndFreeTheTask) {
  spawn(waiting());
  scheduler_.run_all();
  done_ = true;
  scheduler_.run_in_schedule();
  Waker last = std::move(*waker_);
  waker_.reset();
  std::move(last).wake();
  EXPECT_EQ(scheduler_.freed, 1);
}

struct WakesAtItsEnd {
  using Output = int;
  explicit WakesAtItsEnd(bool r) : is_ready(r) {}
  WakesAtItsEnd(WakesAtItsEnd&& other) noexcept : is_ready(other.is_ready) {}
  ~WakesAtItsEnd() {
    if (waker.has_value()) waker->wake_by_ref();
  }
  rt::Poll<int> poll(Context& cx) {
    waker.emplace(cx.waker().clone());
    if (is_ready) return 1;
    return kPending;
  }
  bool is_ready;
  std::optional<Waker> waker;
};

// A destructor may do anything, and wake its own task.
TEST_F(TaskCell, WokenByItsOwnDestructorItIsNotScheduled) {
  scheduler_.spawn(WakesAtItsEnd(true));
  scheduler_.run_all();
  scheduler_.spawn(WakesAtItsEnd(false));
  scheduler_.run_all();
  scheduler_.close();
  EXPECT_EQ(scheduler_.schedules, 2) << "the two spawns";
  EXPECT_EQ(scheduler_.freed, 2);
}

// --- What is thrown ------------------------------------------------------------------------------

// Bug it is here for: an exception that leaves run(), and ends the worker; or that is lost.
TEST_F(TaskCell, WhatAPollThrowsIsForTheJoiner) {
  TaskRef joined = spawn_joined([](Context&) -> Body::Poll { throw std::runtime_error("broken"); });
  scheduler_.run_all();
  EXPECT_EQ(futures_.live(), 0) << "a future that threw is dropped";
  EXPECT_EQ(scheduler_.alive(), 0u);
  EXPECT_EQ(take(joined), "broken");
  joined = TaskRef();
  EXPECT_EQ(scheduler_.freed, 1);
  EXPECT_EQ(scheduler_.unheard.size(), 0u) << "the joiner has heard of it";
}

// Bug it is here for: a task fails, and nobody ever hears of it.
TEST_F(TaskCell, WhatIsThrownAndNobodyJoinsIsForTheScheduler) {
  spawn([](Context&) -> Body::Poll { throw std::runtime_error("broken"); });
  scheduler_.run_all();
  EXPECT_EQ(futures_.live(), 0);
  EXPECT_EQ(scheduler_.freed, 1);
  ASSERT_EQ(scheduler_.unheard.size(), 1u);
  EXPECT_THROW(std::rethrow_exception(scheduler_.unheard[0]), std::runtime_error);
}

TEST_F(TaskCell, WhatIsThrownAndIsDroppedByTheHandleIsForTheScheduler) {
  TaskRef joined = spawn_joined([](Context&) -> Body::Poll { throw std::runtime_error("broken"); });
  scheduler_.run_all();
  EXPECT_EQ(scheduler_.unheard.size(), 0u) << "somebody may still join";
  joined->vtable->drop_output(*joined);
  EXPECT_EQ(scheduler_.unheard.size(), 1u);
  joined->vtable->drop_output(*joined);
  joined = TaskRef();
  EXPECT_EQ(scheduler_.unheard.size(), 1u) << "once is enough";
  EXPECT_EQ(scheduler_.freed, 1);
}

// An output whose n-th move throws.
struct Jumpy {
  Jumpy(int m, testkit::Token t) : moves_left(m), token(std::move(t)) {}
  Jumpy(Jumpy&& other) : moves_left(other.moves_left - 1), token(other.token) {
    if (moves_left < 0) throw std::runtime_error("no more moves");
  }
  int moves_left;
  testkit::Token token;
};

struct GivesJumpy {
  using Output = Jumpy;
  GivesJumpy(int m, LifeCounter& l) : moves(m), life(&l) {}
  rt::Poll<Jumpy> poll(Context&) { return rt::Poll<Jumpy>(Jumpy(moves, life->token())); }
  int moves;
  LifeCounter* life;
};

// Bug it is here for: a throw between the future's end and the output: then neither is in the
// place, or both are.
TEST_F(TaskCell, AnOutputThatCannotBeMovedIsWhatWasThrown) {
  bool reached_the_end = false;
  for (int moves = 0; !reached_the_end; ++moves) {
    ASSERT_LT(moves, 10);
    step("the output can be moved so often: " + std::to_string(moves));
    TaskRef joined = scheduler_.spawn_joined(GivesJumpy(moves, outputs_));
    scheduler_.run_all();
    alignas(Jumpy) std::byte place[sizeof(Jumpy)];
    try {
      joined->vtable->take_output(*joined, place);
      std::destroy_at(std::launder(reinterpret_cast<Jumpy*>(place)));
      reached_the_end = true;
    } catch (const std::runtime_error&) {
    }
    joined->vtable->drop_output(*joined);
    joined = TaskRef();
    EXPECT_EQ(outputs_.live(), 0);
    EXPECT_EQ(scheduler_.freed, moves + 1);
  }
}

struct Stuck {
  using Output = int;
  Stuck() {}
  Stuck(Stuck&&) { throw std::runtime_error("stuck"); }
  rt::Poll<int> poll(Context&) { return 1; }
};

TEST_F(TaskCell, AFutureThatCannotBeMovedMakesNoTask) {
  spawn(ready());
  scheduler_.run_all();
  Stuck stuck;
  EXPECT_THROW(rt::TaskCell::create(&stuck, rt::kFutureVTable<Stuck>, scheduler_, false),
               std::runtime_error);
  EXPECT_EQ(scheduler_.created, 1);
}

// --- Cancelled, and shut down --------------------------------------------------------------------

TEST_F(TaskCell, ACancelledTaskIsDroppedAndNotPolled) {
  TaskRef joined = spawn_joined(waiting());
  joined->state.cancel();
  scheduler_.run_all();
  EXPECT_EQ(polls_, 0);
  EXPECT_EQ(futures_.live(), 0);
  EXPECT_EQ(take(joined), rt::Cancelled().what());
  joined = TaskRef();
  EXPECT_EQ(scheduler_.freed, 1);
}

TEST_F(TaskCell, CancelledDuringItsPollItIsDroppedAfterIt) {
  TaskRef joined;
  joined = spawn_joined([&, this](Context&) -> Body::Poll {
    joined->state.cancel();
    EXPECT_EQ(futures_.live(), 1);
    return kPending;
  });
  scheduler_.run_all();
  EXPECT_EQ(futures_.live(), 0);
  EXPECT_EQ(scheduler_.alive(), 0u);
  EXPECT_EQ(take(joined), rt::Cancelled().what());
}

TEST_F(TaskCell, ReadyAtItsLastPollItKeepsItsOutput) {
  TaskRef joined;
  joined = spawn_joined([&, this](Context&) -> Body::Poll {
    joined->state.cancel();
    return output();
  });
  scheduler_.run_all();
  EXPECT_EQ(take(joined), "7");
}

// Bug it is here for: a shutdown that leaves the future in the task until the last waker is gone.
TEST_F(TaskCell, AShutdownDropsTheFutureThenAndThere) {
  spawn(waiting());
  scheduler_.run_all();
  scheduler_.close();
  EXPECT_EQ(futures_.live(), 0);
  EXPECT_EQ(scheduler_.freed, 0) << "a waker is left";
  waker_->wake_by_ref();
  EXPECT_EQ(scheduler_.scheduled(), 0u);
  waker_.reset();
  EXPECT_EQ(scheduler_.freed, 1);
}

// Bug it is here for: a future that is dropped by the shutdown, and again by the queue.
TEST_F(TaskCell, ATaskThatWasShutDownIsNotRun) {
  TaskRef joined = spawn_joined(waiting());
  joined.clone().shutdown();
  EXPECT_EQ(futures_.live(), 0);
  EXPECT_EQ(scheduler_.alive(), 0u) << "it is taken off the list";
  EXPECT_EQ(scheduler_.scheduled(), 1u);
  scheduler_.run_all();
  EXPECT_EQ(polls_, 0);
  EXPECT_EQ(take(joined), rt::Cancelled().what());
  joined.clone().shutdown();
  joined = TaskRef();
  EXPECT_EQ(scheduler_.freed, 1);
}

// Bug it is here for: a future that is destroyed while it is polled.
TEST_F(TaskCell, ShutDownDuringItsPollItIsDroppedAfterIt) {
  TaskRef joined;
  joined = spawn_joined([&, this](Context&) -> Body::Poll {
    joined.clone().shutdown();
    EXPECT_EQ(futures_.live(), 1);
    return kPending;
  });
  scheduler_.run_all();
  EXPECT_EQ(futures_.live(), 0);
  EXPECT_EQ(take(joined), rt::Cancelled().what());
}

// A scheduler that breaks its promise. Still nothing leaks.
TEST_F(TaskCell, ATaskThatEverybodyForgetsDropsItsFuture) {
  Body body(ready(), futures_.token());
  {
    const rt::NewTask forgotten =
        rt::TaskCell::create(&body, rt::kFutureVTable<Body>, scheduler_, /*joined=*/true);
    EXPECT_EQ(futures_.live(), 1);
  }
  EXPECT_EQ(futures_.live(), 0);
  EXPECT_EQ(scheduler_.freed, 1);
}

// --- Who is told, and when -----------------------------------------------------------------------

// Puts a waker there, as the JoinHandle of 3.5 does it.
void wait_for(rt::TaskHeader& task, TestTask& joiner) {
  task.join_waker.write() = joiner.waker().clone();
  task.state.word().update([](TaskWord::Bits, TaskWord::Bits& after) {
    after |= TaskWord::kJoinWaker;
    return true;
  });
}

// Bugs it is here for: a joiner that is woken before the future is gone, or that is not woken.
TEST_F(TaskCell, TheJoinerIsWokenOnceAndTheFutureIsGone) {
  for (const bool is_cancelled : {false, true}) {
    TestTask joiner("joiner");
    TaskRef joined = spawn_joined(ready());
    wait_for(*joined, joiner);
    if (is_cancelled) joined->state.cancel();
    joiner.on_wake([&, this] {
      EXPECT_EQ(futures_.live(), 0);
      EXPECT_TRUE(joined->state.is_complete());
      joined->vtable->drop_output(*joined);
      joined = TaskRef();
    });
    scheduler_.run_all();
    EXPECT_EQ(joiner.wakes(), 1);
    EXPECT_EQ(joiner.live(), 1) << "the joiner's own: the wake has used the other up";
    EXPECT_EQ(scheduler_.alive(), 0u);
    joiner.on_wake(nullptr);
  }
  EXPECT_EQ(scheduler_.freed, 2);
}

// Bug it is here for: a waker that is taken out of a task that may have been freed. The handle may
// let go as soon as the task is complete; here it has done so already.
TEST_F(TaskCell, WhoWakesTheJoinerDoesNotNeedTheTask) {
  TestTask joiner("joiner");
  {
    const TaskRef joined = spawn_joined(ready());
    wait_for(*joined, joiner);
  }
  scheduler_.run_all();
  EXPECT_EQ(joiner.wakes(), 1);
  EXPECT_EQ(joiner.live(), 1) << "the joiner's own";
  EXPECT_EQ(scheduler_.freed, 1);
}

// Bug it is here for: a joiner that is woken by reference. Its waker then stays for as long as the
// task's memory does, which a waker of the task may keep.
TEST_F(TaskCell, TheJoinersWakerDoesNotStayInTheTask) {
  TestTask joiner("joiner");
  TaskRef joined = spawn_joined(waiting());
  scheduler_.run_all();
  wait_for(*joined, joiner);
  done_ = true;
  waker_->wake_by_ref();
  scheduler_.run_all();
  EXPECT_EQ(joiner.wakes(), 1);
  EXPECT_EQ(joiner.live(), 1) << "the joiner's own";
  joined->vtable->drop_output(*joined);
  joined = TaskRef();
  EXPECT_EQ(scheduler_.freed, 0) << "a waker of the task is left";
  waker_.reset();
}

}  // namespace
