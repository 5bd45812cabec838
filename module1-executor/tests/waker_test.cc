#include "rt/future/waker.h"

#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "rt/future/arc_waker.h"
#include "rt/platform/sync.h"
#include "testkit/testkit.h"

namespace {

using rt::Waker;
using rt::WakerVTable;
using testkit::CountingWaker;
using testkit::step;

static_assert(sizeof(Waker) == 2 * sizeof(void*), "A waker is two words");
static_assert(!std::is_copy_constructible_v<Waker> && !std::is_copy_assignable_v<Waker>,
              "A second owner comes from clone(), where one sees it");
static_assert(std::is_nothrow_move_constructible_v<Waker>);
static_assert(std::is_nothrow_move_assignable_v<Waker>);
static_assert(std::is_nothrow_destructible_v<Waker>);
static_assert(noexcept(std::declval<const Waker&>().clone()));
static_assert(noexcept(std::declval<const Waker&>().wake_by_ref()));
static_assert(noexcept(std::declval<Waker>().wake()));

// --- Each owner gives its reference back once ----------------------------------------------------

TEST(Waker, GivesItsReferenceBackWhenItEnds) {
  CountingWaker counter;
  {
    const Waker waker = counter.waker();
    EXPECT_EQ(counter.live(), 1);
  }
  EXPECT_EQ(counter.drops(), 1) << "The destructor calls the table's drop, once.";
  EXPECT_EQ(counter.wakes(), 0) << "Dropping a waker wakes nobody.";
}

// --- Moving --------------------------------------------------------------------------------------

// Bug it is here for: the moved-from waker gives the reference back as well.
TEST(Waker, MovedFromOwnsNothing) {
  CountingWaker counter;
  {
    Waker first = counter.waker();
    {
      const Waker second = std::move(first);
      EXPECT_EQ(counter.live(), 1) << "A move makes no second owner.";
      second.wake_by_ref();
      EXPECT_EQ(counter.wakes(), 1) << "The waker that was moved to wakes the task.";
    }
    EXPECT_EQ(counter.live(), 0) << "The waker that was moved to has ended.";
  }
  EXPECT_EQ(counter.drops(), 1) << "One reference is dropped once: the moved-from waker has none.";
  EXPECT_EQ(counter.clones(), 0) << "Moving clones nothing.";
}

// Bug it is here for: the reference that the left side had is forgotten.
TEST(Waker, AssignmentGivesTheOldReferenceBack) {
  CountingWaker old_counter("old"), new_counter("new");
  {
    Waker waker = old_counter.waker();
    waker = new_counter.waker();
    EXPECT_EQ(old_counter.live(), 0)
        << "The waker that was assigned to had a reference. It is given back by the assignment.";
    EXPECT_EQ(old_counter.drops(), 1);
    EXPECT_EQ(new_counter.live(), 1);
    waker.wake_by_ref();
    EXPECT_EQ(new_counter.wakes(), 1);
    EXPECT_EQ(old_counter.wakes(), 0);
  }
  EXPECT_EQ(new_counter.drops(), 1);
}

TEST(Waker, AssignmentToAMovedFromWakerMakesItUsableAgain) {
  CountingWaker counter;
  {
    Waker first = counter.waker();
    Waker second = std::move(first);
    first = std::move(second);
    EXPECT_EQ(counter.live(), 1) << "The reference went there and back.";
    first.wake_by_ref();
    EXPECT_EQ(counter.wakes(), 1);
  }
  EXPECT_EQ(counter.drops(), 1);
}

TEST(Waker, AssignmentFromAMovedFromWakerLeavesNothing) {
  CountingWaker counter;
  {
    Waker first = counter.waker();
    const Waker second = std::move(first);
    Waker third = counter.waker();
    third = std::move(first);
    EXPECT_EQ(counter.live(), 1) << "The third had a reference of its own, and gives it back.";
  }
  EXPECT_EQ(counter.live(), 0);
  EXPECT_EQ(counter.drops(), 2);
}

// Bug it is here for: a = std::move(a) drops what it is about to keep.
TEST(Waker, SelfMoveKeepsTheReference) {
  CountingWaker counter;
  {
    Waker waker = counter.waker();
    Waker& same = waker;  // Two names, so that the compiler does not warn.
    waker = std::move(same);
    EXPECT_EQ(counter.live(), 1) << "a = std::move(a) must not give a's only reference back.";
    waker.wake_by_ref();
    EXPECT_EQ(counter.wakes(), 1) << "After a = std::move(a), a still wakes its task.";
  }
  EXPECT_EQ(counter.drops(), 1);
}

// --- Cloning -------------------------------------------------------------------------------------

TEST(Waker, CloneIsASecondOwner) {
  CountingWaker counter;
  std::optional<Waker> first = counter.waker();
  {
    const Waker second = first->clone();
    EXPECT_EQ(counter.clones(), 1) << "clone() asks the table's clone, once.";
    EXPECT_EQ(counter.live(), 2);
    step("the first waker ends");
    first.reset();
    EXPECT_EQ(counter.live(), 1) << "The clone lives on by itself.";
    second.wake_by_ref();
    EXPECT_EQ(counter.wakes(), 1) << "The clone wakes the task, also without the first.";
  }
  EXPECT_EQ(counter.live(), 0) << "Two owners, two give-backs.";
  EXPECT_EQ(counter.drops(), 2);
}

// Each reference of this kind is a thing of its own: clone makes another one, at another address.
class Ticket {
 public:
  explicit Ticket(std::vector<int>& log, int number) : log_(log), number_(number) {}

  static Waker waker(std::vector<int>& log) { return Waker(new Ticket(log, 1), &kVTable); }

 private:
  static Ticket* self(void* data) { return static_cast<Ticket*>(data); }
  static void* clone(void* data) { return new Ticket(self(data)->log_, self(data)->number_ + 1); }
  static void wake(void* data) {
    wake_by_ref(data);
    drop(data);
  }
  static void wake_by_ref(void* data) {
    step("ticket " + std::to_string(self(data)->number_) + " woken");
    self(data)->log_.push_back(self(data)->number_);
  }
  static void drop(void* data) {
    step("ticket " + std::to_string(self(data)->number_) + " dropped");
    delete self(data);
  }

  static constexpr WakerVTable kVTable{&clone, &wake, &wake_by_ref, &drop};

  std::vector<int>& log_;
  const int number_;
};

// Bug it is here for: the table's clone is called, and what it returned is thrown away.
TEST(Waker, CloneHoldsWhatTheTablesCloneReturned) {
  std::vector<int> woken;
  const Waker first = Ticket::waker(woken);
  const Waker second = first.clone();
  second.wake_by_ref();
  EXPECT_EQ(woken, std::vector{2})
      << "clone() of ticket 1 returned ticket 2, and that is what the new waker holds.";
  first.wake_by_ref();
  EXPECT_EQ(woken, (std::vector{2, 1})) << "The first waker holds what it held before.";
}

// --- Waking --------------------------------------------------------------------------------------

TEST(Waker, WakeByRefWakesAndKeepsTheWaker) {
  CountingWaker counter;
  {
    const Waker waker = counter.waker();
    waker.wake_by_ref();
    waker.wake_by_ref();
    EXPECT_EQ(counter.wakes(), 2) << "Each wake_by_ref() is one wake.";
    EXPECT_EQ(counter.live(), 1) << "wake_by_ref() keeps the reference.";
    EXPECT_EQ(counter.clones(), 0) << "wake_by_ref() needs no second owner.";
  }
  EXPECT_EQ(counter.live(), 0);
}

// Bug it is here for: wake() has given the reference back, and the destructor gives it back again.
TEST(Waker, WakeUsesTheWakerUp) {
  CountingWaker counter;
  {
    Waker waker = counter.waker();
    std::move(waker).wake();
    EXPECT_EQ(counter.wakes(), 1);
    EXPECT_EQ(counter.live(), 0) << "The table's wake has given the reference back.";
  }
  EXPECT_EQ(counter.drops(), 0)
      << "wake() && uses the waker up; there is nothing left for its destructor to drop.";
  EXPECT_EQ(counter.clones(), 0) << "wake() && hands over the reference that the waker has.";
}

// Bug it is here for: wake() && made of wake_by_ref and a drop. The count of references is right in
// the end, and each wake pays for one more give-back.
TEST(Waker, WakeIsOneCallOfTheTablesWake) {
  static int calls_of_wake, calls_of_others;
  calls_of_wake = calls_of_others = 0;
  static constexpr WakerVTable kTable(
      [](void* data) {
        ++calls_of_others;
        return data;
      },
      [](void*) { ++calls_of_wake; }, [](void*) { ++calls_of_others; },
      [](void*) { ++calls_of_others; });
  {
    Waker waker(nullptr, &kTable);
    std::move(waker).wake();
  }
  EXPECT_EQ(calls_of_wake, 1);
  EXPECT_EQ(calls_of_others, 0) << "wake() && is the table's wake, and nothing else: no\n"
                                   "wake_by_ref, no clone, no drop.";
}

// Bug it is here for: who wakes several tasks is left by the first exception, and those behind it
// sleep for ever. That none of the four throws is what all who wake count on.
TEST(WakerDeathTest, AFunctionOfTheTableThatThrowsEndsTheProgram) {
  struct Throwing {
    static void* clone(void*) { throw std::runtime_error("of clone"); }
    static void wake(void*) { throw std::runtime_error("of wake"); }
    static void wake_by_ref(void*) { throw std::runtime_error("of wake_by_ref"); }
    static void drop(void* throws) {
      if (throws != nullptr) throw std::runtime_error("of drop");
    }
  };
  static constexpr WakerVTable kThrowing(&Throwing::clone, &Throwing::wake, &Throwing::wake_by_ref,
                                         &Throwing::drop);
  const auto dies = [](auto act, const char* because) {
    const auto ends_the_program = [&] {
      std::signal(SIGABRT, SIG_DFL);  // The end is what is wanted, and no report of a crash.
      try {
        act();
      } catch (const std::runtime_error&) {
      }
    };
    EXPECT_DEATH(ends_the_program(), because);
  };
  dies([] { Waker(nullptr, &kThrowing).wake(); }, "of wake");
  dies([] { Waker(nullptr, &kThrowing).wake_by_ref(); }, "of wake_by_ref");
  dies([] { Waker(nullptr, &kThrowing).clone(); }, "of clone");
  int something = 0;
  dies([&] { const Waker dropped(&something, &kThrowing); }, "of drop");
}

TEST(Waker, CanBeKeptInAVector) {
  CountingWaker counter;
  {
    std::vector<Waker> wakers;
    for (int i = 0; i < 100; ++i) wakers.push_back(counter.waker());
    EXPECT_EQ(counter.live(), 100) << "A vector that grows moves its wakers.";
    wakers.erase(wakers.begin(), wakers.begin() + 60);
    EXPECT_EQ(counter.live(), 40) << "60 were taken out of the vector.";
    for (Waker& waker : wakers) std::move(waker).wake();
    EXPECT_EQ(counter.wakes(), 40);
    EXPECT_EQ(counter.live(), 0) << "All are used up.";
  }
  EXPECT_EQ(counter.drops(), 60);
}

// Bug it is here for: null data taken for "owns nothing". What the data means, null included, is
// known to the table only.
TEST(Waker, NullIsDataLikeAnyOther) {
  static int drops, wakes;
  drops = wakes = 0;
  static constexpr WakerVTable kTable([](void* data) { return data; }, [](void*) { ++wakes; },
                                      [](void*) { ++wakes; }, [](void*) { ++drops; });
  {
    const Waker waker(nullptr, &kTable);
    waker.wake_by_ref();
    const Waker second = waker.clone();
  }
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(drops, 2) << "A waker whose data is null owns a reference as any other does.";
}

// --- Comparing -----------------------------------------------------------------------------------

TEST(Waker, WillWakeItsClone) {
  CountingWaker counter;
  const Waker waker = counter.waker();
  const Waker clone = waker.clone();
  EXPECT_TRUE(waker.will_wake(waker)) << "A waker wakes the task that it wakes.";
  EXPECT_TRUE(waker.will_wake(clone)) << "Same data, same table: the same task.";
  EXPECT_TRUE(clone.will_wake(waker));
  EXPECT_EQ(counter.clones(), 1) << "Comparing clones nothing.";
  EXPECT_EQ(counter.wakes(), 0) << "Comparing wakes nobody.";
}

// Bug it is here for: only the tables are compared. All the tasks of one executor share a table.
TEST(Waker, WillNotWakeAnotherTaskOfTheSameExecutor) {
  CountingWaker a("a"), b("b");
  const Waker waker_a = a.waker(), waker_b = b.waker();
  EXPECT_FALSE(waker_a.will_wake(waker_b)) << "The same table, but other data: another task.";
  EXPECT_FALSE(waker_b.will_wake(waker_a));
}

// Bug it is here for: only the data is compared. Two executors may give the same pointer two
// meanings.
TEST(Waker, WillNotWakeAcrossTables) {
  static constexpr WakerVTable kOne([](void* data) { return data; }, [](void*) {}, [](void*) {},
                                    [](void*) {});
  static constexpr WakerVTable kOther([](void* data) { return data; }, [](void*) {}, [](void*) {},
                                      [](void*) {});
  int data = 0;
  const Waker one(&data, &kOne), other(&data, &kOther);
  EXPECT_FALSE(one.will_wake(other)) << "The same data, but other tables: not the same task.";
  EXPECT_FALSE(other.will_wake(one));
}

// --- The functions of the table call back --------------------------------------------------------
// A wake may run a task, and a drop may destroy one. Either may come straight back to this waker.

// Bug it is here for: wake() && that empties the waker only after the wake. The woken task may end
// and destroy the very place in which the waker stands.
TEST(Waker, WakeMayDestroyTheWakerItself) {
  CountingWaker counter;
  auto place = std::make_unique<Waker>(counter.waker());
  counter.on_wake([&] {
    step("the wake destroys the place in which the waker stood");
    place.reset();
  });
  std::move(*place).wake();
  EXPECT_EQ(counter.wakes(), 1);
  EXPECT_EQ(counter.live(), 0);
  EXPECT_EQ(counter.drops(), 0)
      << "The waker was destroyed inside its own wake(), and must have been empty by then.";
}

// Bug it is here for: assignment that drops the old reference while it still holds it. What the
// drop calls would see it there, and use it or drop it again.
TEST(Waker, AssignmentLetsGoOfTheOldReferenceBeforeItIsDropped) {
  bool was_looked_at = false, held_the_old_one = false;
  CountingWaker old_counter("old"), new_counter("new");
  Waker waker = old_counter.waker();
  const Waker another_old = waker.clone();
  old_counter.on_drop([&] {
    if (std::exchange(was_looked_at, true)) return;  // The other one's drop, at the test's end.
    step("the drop looks back at the waker that is being assigned to");
    held_the_old_one = waker.will_wake(another_old);
  });
  waker = new_counter.waker();
  EXPECT_TRUE(was_looked_at) << "The old reference has to be dropped by the assignment.";
  EXPECT_FALSE(held_the_old_one)
      << "While the old reference was being dropped, the waker still held it.\n"
         "What runs in a drop may come back to this waker; so let go first, then drop.";
  EXPECT_TRUE(waker.will_wake(new_counter.waker()));
}

// --- On what is given around it ------------------------------------------------------------------

class Bell {
 public:
  explicit Bell(testkit::Token token) : token_(std::move(token)) {}
  static void wake_by_ref(const rt::sync::Arc<Bell>& self) {
    step("the bell rings");
    self->rings_.fetch_add(1);
  }
  int rings() const { return rings_.load(); }

 private:
  testkit::Token token_;
  rt::sync::Atomic<int> rings_{0};
};

TEST(Waker, KeepsAnArcAlive) {
  testkit::LifeCounter bells("bell");
  auto bell = rt::sync::Arc<Bell>::make(bells.token());
  {
    Waker first = rt::waker_from(bell);
    Waker second = first.clone();
    first.wake_by_ref();
    std::move(first).wake();
    EXPECT_EQ(bell->rings(), 2);
    EXPECT_TRUE(second.will_wake(rt::waker_from(bell)));
    bell = rt::sync::Arc<Bell>();
    EXPECT_EQ(bells.live(), 1) << "The second waker still holds a reference to the bell.";
    std::move(second).wake();
    EXPECT_EQ(bells.live(), 0) << "The last waker was used up, and with it the bell has gone.";
  }
  EXPECT_EQ(bells.destroyed_twice(), 0);
}

TEST(Waker, ClonesMayBeUsedByDifferentThreads) {
  CountingWaker counter;
  {
    const Waker waker = counter.waker();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([mine = waker.clone()]() mutable {
        for (int n = 0; n < 100; ++n) mine.clone().wake();
        mine.wake_by_ref();
        std::move(mine).wake();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(counter.wakes(), 4 * 102);
    EXPECT_EQ(counter.live(), 1) << "Only the first waker is left.";
  }
  EXPECT_EQ(counter.live(), 0);
}

}  // namespace
