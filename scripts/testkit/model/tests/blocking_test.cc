// What the checker reports, one kind at a time; and which choices mutexes, condition variables,
// timed waits and yields give it.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "testkit/model/model.h"

namespace testkit::model {
namespace {

using std::chrono::milliseconds;
constexpr auto kRelaxed = std::memory_order_relaxed;

Result explored(detail::Scenario scenario) { return explore(Options(), scenario); }

// ---- mutexes ----

TEST(ModelMutex, KeepsOthersOutAndOrders) {
  Outcomes seen;
  const Result result = explored([&] {
    Mutex mutex;
    Cell<int> guarded(0);
    const auto add = [&] {
      const Lock lock(mutex);
      guarded.write() = guarded.read() * 2 + this_thread();
    };
    Thread a(add);
    Thread b(add);
    a.join();
    b.join();
    seen.add(std::to_string(guarded.read()));
  });
  EXPECT_TRUE(result.passed()) << result.what;
  EXPECT_EQ(seen, Outcomes({"4", "5"}));  // Both orders: 1*2+2, 2*2+1.
}

TEST(ModelMutex, GoesToAnyWhoWantIt) {
  Outcomes seen;
  EXPECT_TRUE(explored([&] {
                Mutex mutex;
                Cell<int> last(0);
                const auto take = [&] {
                  const Lock lock(mutex);
                  last.write() = this_thread();
                };
                std::optional<Lock> mine(mutex);
                Thread a(take);
                Thread b(take);
                Thread c(take);
                mine.reset();
                a.join();
                b.join();
                c.join();
                seen.add(std::to_string(last.read()));
              }).passed());
  EXPECT_EQ(seen, Outcomes({"1", "2", "3"}));
}

TEST(ModelMutex, TryLockSeesThatItIsHeld) {
  Outcomes seen;
  EXPECT_TRUE(explored([&] {
                Mutex mutex;
                Thread other([&] { const Lock lock(mutex); });
                if (mutex.try_lock()) {
                  mutex.unlock();
                  seen.add("free");
                } else {
                  seen.add("held");
                }
                other.join();
              }).passed());
  EXPECT_EQ(seen, Outcomes({"free", "held"}));
}

TEST(ModelMutex, MisuseIsReported) {
  EXPECT_EQ(explored([] {
              Mutex mutex;
              const Lock once(mutex);
              const Lock twice(mutex);
            }).verdict,
            Verdict::kMisuse);
  EXPECT_EQ(explored([] {
              Mutex mutex;
              mutex.unlock();
            }).verdict,
            Verdict::kMisuse);
  EXPECT_EQ(explored([] {
              Mutex mutex;
              mutex.lock();
            }).verdict,
            Verdict::kMisuse);  // It is destroyed while it is locked.
}

// ---- condition variables ----

TEST(ModelCondVar, NotifyOneWakesAnyOfThoseWhoWait) {
  Outcomes seen;
  EXPECT_TRUE(explored([&] {
                Mutex mutex;
                CondVar condition;
                int waiting = 0;
                int tokens = 0;
                int first = 0;
                const auto wait = [&] {
                  Lock lock(mutex);
                  ++waiting;
                  while (tokens == 0) condition.wait(lock);
                  --tokens;
                  if (first == 0) first = this_thread();
                };
                Thread a(wait);
                Thread b(wait);
                for (int i = 0; i < 2; ++i) {
                  const Lock lock(mutex);
                  ++tokens;
                  condition.notify_one();
                }
                a.join();
                b.join();
                seen.add(std::to_string(first));
              }).passed());
  EXPECT_EQ(seen, Outcomes({"1", "2"}));
}

TEST(ModelCondVar, WaitsMayEndForNoReason) {
  const auto scenario = [] {
    Mutex mutex;
    CondVar condition;
    bool done = false;
    Thread other([&] {
      const Lock lock(mutex);
      done = true;
      condition.notify_one();
    });
    {
      Lock lock(mutex);
      if (!done) condition.wait(lock);  // Not in a loop.
      MODEL_REQUIRE(done);
    }
    other.join();
  };
  EXPECT_EQ(explored(scenario).verdict, Verdict::kAssertion);
  EXPECT_EQ(explore(Options().spurious_wakeups(0), scenario).verdict, Verdict::kPassed);
}

TEST(ModelCondVar, AWaitThatEndsForNoReasonSavesNobody) {
  EXPECT_EQ(explored([] {
              Mutex mutex;
              CondVar condition;
              bool done = false;
              Thread other([&] {
                const Lock lock(mutex);
                done = true;  // And tells nobody.
              });
              {
                Lock lock(mutex);
                while (!done) condition.wait(lock);
              }
              other.join();
            }).verdict,
            Verdict::kDeadlock);
}

TEST(ModelCondVar, NotifyAllWakesEverybody) {
  EXPECT_TRUE(explored([] {
                Mutex mutex;
                CondVar condition;
                bool done = false;
                const auto wait = [&] {
                  Lock lock(mutex);
                  condition.wait(lock, [&] { return done; });
                };
                Thread a(wait);
                Thread b(wait);
                {
                  const Lock lock(mutex);
                  done = true;
                }
                condition.notify_all();
                a.join();
                b.join();
              }).passed());
}

TEST(ModelCondVar, TimedWaitsTimeOutOrNot) {
  Outcomes seen;
  EXPECT_TRUE(explored([&] {
                Mutex mutex;
                CondVar condition;
                bool done = false;
                Thread other([&] {
                  const Lock lock(mutex);
                  done = true;
                  condition.notify_one();
                });
                {
                  Lock lock(mutex);
                  const auto begin = SteadyClock::now();
                  const bool in_time =
                      condition.wait_for(lock, milliseconds(5), [&] { return done; });
                  const bool has_passed = SteadyClock::now() - begin >= milliseconds(5);
                  seen.add(std::string(in_time ? "done" : "late") + (has_passed ? ", 5 ms" : ""));
                }
                other.join();
              }).passed());
  // Done when it had just timed out is possible too.
  EXPECT_EQ(seen, Outcomes({"done", "done, 5 ms", "late, 5 ms"}));
}

TEST(ModelCondVar, WhenNobodyCanGoOnTimePasses) {
  EXPECT_TRUE(explore(Options().timeouts(0), [] {
                Mutex mutex;
                CondVar condition;
                Lock lock(mutex);
                for (int i = 0; i < 20; ++i) {
                  MODEL_REQUIRE(condition.wait_for(lock, milliseconds(1)) ==
                                std::cv_status::timeout);
                }
                MODEL_REQUIRE(SteadyClock::now().time_since_epoch() == milliseconds(20));
              }).passed());
}

// ---- loops ----

TEST(ModelYield, ASpinLoopThatYieldsEnds) {
  const Result result = explored([] {
    Atomic<int> ready(0);
    Thread a([&] { ready.fetch_add(1, kRelaxed); });
    Thread b([&] { ready.fetch_add(1, kRelaxed); });
    while (ready.load(kRelaxed) != 2) yield();
    a.join();
    b.join();
  });
  EXPECT_TRUE(result.passed()) << result.what;
}

TEST(ModelYield, ASwitchAtAYieldIsNoPreemption) {
  Outcomes seen;
  EXPECT_TRUE(explore(Options().preemptions(0), [&] {
                Atomic<int> x(0);
                Thread other([&] { seen.add(std::to_string(x.load())); });
                x.store(1);
                yield();
                x.store(2);
                other.join();
              }).passed());
  EXPECT_EQ(seen, Outcomes({"1"}));  // Whoever yields does not go on before another one.
}

TEST(ModelYield, TwoThatSpinLetTheThirdGoOn) {
  const Result result = explored([] {
    Atomic<int> ready(0);
    const auto spin = [&] {
      while (ready.load(kRelaxed) == 0) yield();
    };
    Thread a(spin);
    Thread b(spin);
    ready.store(1, kRelaxed);
    a.join();
    b.join();
  });
  EXPECT_TRUE(result.passed()) << result.what;
}

TEST(ModelYield, ALoopWithoutYieldIsALivelock) {
  const Result result = explore(Options().max_steps(100), [] {
    Atomic<int> ready(0);
    Thread other([&] { ready.store(1); });
    while (ready.load() == 0) {
    }
    other.join();
  });
  EXPECT_EQ(result.verdict, Verdict::kLivelock);
}

TEST(ModelYield, SoIsWaitingForWhatNeverComes) {
  const Result result = explore(Options().max_steps(100), [] {
    Atomic<int> ready(0);
    Thread other([&] {
      while (ready.load() == 0) yield();
    });
    other.join();
  });
  EXPECT_EQ(result.verdict, Verdict::kLivelock);
}

// A count that has wrapped, for example. No other thread has a turn in it, so no step ends it.
TEST(ModelYield, AndALoopOverCellsThatNeverEnds) {
  const Result result = explore(Options().max_steps(100), [] {
    Cell<int> cell(0);
    for (;;) cell.write() = 1;
  });
  EXPECT_EQ(result.verdict, Verdict::kLivelock);
  EXPECT_EQ(result.what, "no end: 10000 accesses to cells, and so on. Does a loop count too far?");
  EXPECT_LE(result.rows.size(), 15U);
}

// ---- data races ----

TEST(ModelRace, TwoWritesAWriteAndAReadButNotTwoReads) {
  const auto race = [](bool first_writes, bool second_writes) {
    return explored([=] {
             Cell<int> cell(0);
             const auto access = [&](bool writes) {
               if (writes) {
                 cell.write() = 1;
               } else {
                 static_cast<void>(cell.read());
               }
             };
             Thread other([&] { access(second_writes); });
             access(first_writes);
             other.join();
           })
        .verdict;
  };
  EXPECT_EQ(race(true, true), Verdict::kDataRace);
  EXPECT_EQ(race(true, false), Verdict::kDataRace);
  EXPECT_EQ(race(false, true), Verdict::kDataRace);
  EXPECT_EQ(race(false, false), Verdict::kPassed);
}

TEST(ModelRace, WhatIsAfterAReleaseIsNotPublishedByIt) {
  EXPECT_EQ(explored([] {
              Cell<int> cell(0);
              Atomic<int> flag(0);
              Thread other([&] {
                flag.store(1, std::memory_order_release);
                cell.write() = 1;
              });
              if (flag.load(std::memory_order_acquire) == 1) static_cast<void>(cell.read());
              other.join();
            }).verdict,
            Verdict::kDataRace);
}

TEST(ModelRace, StartAndJoinOrder) {
  EXPECT_TRUE(explored([] {
                Cell<int> cell(1);
                cell.write() = 2;
                Thread other([&] { cell.write() = cell.read() + 1; });
                other.join();
                MODEL_REQUIRE(cell.read() == 3);
              }).passed());
}

TEST(ModelRace, AnObjectThatNobodyHasPublished) {
  EXPECT_EQ(explored([] {
              struct Node {
                Atomic<int> value{1};
              };
              Atomic<Node*> published(nullptr);
              Thread other([&] { published.store(new Node, kRelaxed); });
              if (Node* const node = published.load(kRelaxed))
                static_cast<void>(node->value.load());
              other.join();
              delete published.load();
            }).verdict,
            Verdict::kDataRace);
}

// ---- ends ----

TEST(ModelEnd, ALeakIsReported) {
  const Result result = explored([] { static_cast<void>(new Tracked); });
  EXPECT_EQ(result.verdict, Verdict::kLeak);
}

TEST(ModelEnd, SoIsALeakInOneOrderOnly) {
  EXPECT_EQ(explored([] {
              Atomic<Tracked*> slot(nullptr);
              Thread other([&] { delete slot.exchange(new Tracked); });
              delete slot.exchange(nullptr);
              other.join();
            }).verdict,
            Verdict::kLeak);
}

TEST(ModelEnd, DestroyedTwice) {
  EXPECT_EQ(explored([] {
              alignas(Tracked) std::byte memory[sizeof(Tracked)];
              auto* const object = new (memory) Tracked;
              object->~Tracked();
              object->~Tracked();
            }).verdict,
            Verdict::kUseAfterEnd);
}

TEST(ModelEnd, UsedAfterwards) {
  EXPECT_EQ(explored([] {
              std::optional<Atomic<int>> atomic(std::in_place, 1);
              Atomic<int>& dangling = *atomic;
              Thread other([&] { atomic.reset(); });
              other.join();
              dangling.store(2);
            }).verdict,
            Verdict::kUseAfterEnd);
}

#ifndef TESTKIT_MODEL_ASAN  // AddressSanitizer reports these itself, and ends the process.
TEST(ModelEnd, UsedAfterItsMemoryWasGivenBack) {
  EXPECT_EQ(explored([] {
              Atomic<Atomic<int>*> slot(new Atomic<int>(1));
              Atomic<int>* const dangling = slot.load();
              delete slot.load();
              const auto other = std::make_unique<std::array<char, sizeof *dangling>>();
              other->fill(1);
              dangling->store(2);
            }).verdict,
            Verdict::kUseAfterEnd);
}

TEST(ModelEnd, DeletedTwice) {
  EXPECT_EQ(explored([] {
              Atomic<int*> slot(new int);
              const auto drop = [&] { delete slot.load(); };
              Thread other(drop);
              other.join();
              drop();
            }).verdict,
            Verdict::kUseAfterEnd);
}
#endif

TEST(ModelEnd, DestroyedWhileAnotherMayStillUseIt) {
  // The last to look is not the last to use: the classic of a flag on the waiter's stack.
  const Result result = explored([] {
    std::optional<Mutex> mutex(std::in_place);
    Atomic<bool> done(false);
    Thread other([&] {
      mutex->lock();
      done.store(true);
      mutex->unlock();
    });
    while (!done.load()) yield();
    mutex.reset();
    other.join();
  });
  EXPECT_FALSE(result.passed());
}

TEST(ModelEnd, WhatWasMadeOutsideIsReported) {
  Atomic<int> outside(1);
  EXPECT_EQ(outside.fetch_add(2), 1);
  EXPECT_EQ(outside.load(), 3);
  const Result result = explored([&] { outside.store(1); });
  EXPECT_EQ(result.verdict, Verdict::kMisuse);
  EXPECT_NE(result.what.find("outside"), std::string::npos) << result.what;
}

TEST(ModelEnd, AStaticIsReported) {
  const Result result = explored([] {
    static Atomic<int> counter(0);
    counter.fetch_add(1);
  });
  EXPECT_FALSE(result.passed());
  EXPECT_NE(result.what.find("static"), std::string::npos) << result.what;
}

TEST(ModelEnd, AGlobalIsNew) {
  struct Tag;
  const Result result = explored([] {
    using Counter = Global<Atomic<int>, Tag>;
    Thread other([] { Counter::get().fetch_add(1); });
    Counter::get().fetch_add(1);
    other.join();
    MODEL_REQUIRE(Counter::get().load() == 2);
  });
  EXPECT_TRUE(result.passed()) << result.what;
}

// ---- threads ----

TEST(ModelThread, HasItsOwnThreadLocals) {
  struct Tag;
  Outcomes destroyed;
  const Result result = explored([&] {
    struct Local : Tracked {
      int value = 0;
    };
    using Mine = ThreadLocal<Local, Tag>;
    Mine::get().value = 1;
    Thread other([] {
      MODEL_REQUIRE(Mine::get().value == 0);
      Mine::get().value = 2;
    });
    other.join();
    MODEL_REQUIRE(Mine::get().value == 1);
  });
  EXPECT_TRUE(result.passed()) << result.what;
}

TEST(ModelThread, AnExceptionThatLeavesItIsReported) {
  const Result result = explored([] {
    Thread other([] { throw std::runtime_error("boom"); });
    other.join();
  });
  EXPECT_EQ(result.verdict, Verdict::kException);
  EXPECT_NE(result.what.find("boom"), std::string::npos) << result.what;
}

TEST(ModelThread, ExceptionsInsideOfItAreItsOwn) {
  const Result result = explored([] {
    Atomic<int> caught(0);
    const auto run = [&](int mine) {
      try {
        throw mine;
      } catch (int value) {
        caught.fetch_add(1);  // Others throw and catch meanwhile.
        try {
          throw;
        } catch (int again) {
          MODEL_REQUIRE(again == value && value == mine);
        }
      }
    };
    Thread a([&] { run(1); });
    Thread b([&] { run(2); });
    run(3);
    a.join();
    b.join();
    MODEL_REQUIRE(caught.load() == 3);
  });
  EXPECT_TRUE(result.passed()) << result.what;
}

TEST(ModelThread, HasToBeJoinedOrDetached) {
  EXPECT_EQ(explored([] { const Thread other([] {}); }).verdict, Verdict::kMisuse);
  EXPECT_TRUE(explored([] { Thread([] {}).detach(); }).passed());
  EXPECT_EQ(explored([] { Thread().join(); }).verdict, Verdict::kMisuse);
}

TEST(ModelThread, TakesArgumentsAndWhatCanOnlyBeMoved) {
  EXPECT_TRUE(explored([] {
                int sum = 0;
                Thread a([&sum](int x, std::unique_ptr<int> y) { sum = x + *y; }, 1,
                         std::make_unique<int>(2));
                a.join();
                Thread b([&sum, z = std::make_unique<int>(3)] { sum += *z; });
                b.join();
                MODEL_REQUIRE(sum == 6);
              }).passed());
}

TEST(ModelThread, TooManyAreReported) {
  EXPECT_EQ(explore(Options().preemptions(0),
                    [] {
                      std::array<Thread, Options::kMostThreads> threads;
                      for (Thread& thread : threads) thread = Thread([] {});
                      for (Thread& thread : threads) thread.join();
                    })
                .verdict,
            Verdict::kMisuse);
}

// ---- the rest ----

TEST(ModelLimits, TooManyExecutionsAreAFailure) {
  const Result result = explore(Options().max_executions(10), [] {
    Atomic<int> x(0);
    const auto add = [&] {
      for (int i = 0; i < 4; ++i) x.fetch_add(1);
    };
    Thread a(add);
    Thread b(add);
    a.join();
    b.join();
  });
  EXPECT_EQ(result.verdict, Verdict::kTooLarge);
}

TEST(ModelLimits, OnlyTheLastStoresAreKept) {
  Outcomes seen;
  EXPECT_TRUE(explored([&] {
                Atomic<int> x(0);
                Thread other([&] {
                  for (int i = 1; i <= 9; ++i) x.store(i, kRelaxed);
                });
                Atomic<int> unused(0);
                other.join();
                MODEL_REQUIRE(x.load(kRelaxed) == 9);
              }).passed());
  EXPECT_TRUE(explore(Options().preemptions(0), [&] {
                Atomic<int> x(0);
                Thread writer([&] {
                  for (int i = 1; i <= 9; ++i) x.store(i, kRelaxed);
                });
                Thread reader([&] { seen.add(std::to_string(x.load(kRelaxed))); });
                writer.join();
                reader.join();
              }).passed());
  EXPECT_EQ(seen, Outcomes({"0", "2", "3", "4", "5", "6", "7", "8", "9"}));
}

TEST(ModelLimits, AReplayedPrefixOffersTheSameChoices) {
  int executions = 0;
  const Result result = explore(Options().preemptions(Options::kUnbounded), [&] {
    Atomic<int> x(0);
    Thread other([&] { x.store(1); });
    if (++executions > 5) x.store(2);  // Read from something that lives longer than an execution.
    x.store(3);
    other.join();
  });
  EXPECT_EQ(result.verdict, Verdict::kNotDeterministic);
}

TEST(ModelLimits, AFailureThatDoesNotComeAgainIsNotDeterministic) {
  int executions = 0;
  const Result result = explored([&] { MODEL_REQUIRE(++executions > 1); });
  EXPECT_EQ(result.verdict, Verdict::kNotDeterministic);
}

}  // namespace
}  // namespace testkit::model
