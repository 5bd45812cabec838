#include "rt/sync/mutex.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "testkit/testkit.h"

namespace {

using rt::Poll;
using testkit::step;
using testkit::TestTask;
using Text = rt::Mutex<std::string>;

static_assert(!std::is_move_constructible_v<Text>, "guards find it by address");
static_assert(!std::is_copy_constructible_v<Text::Guard>, "one holds the lock");

constexpr int kOnlyItsOwn = 1;  // TestTask::live() counts the task's own waker too.

// Polls; a guard that it gets stays in `guard`.
struct Asker {
  Asker(std::string name, Text& mutex) : task(std::move(name)), future(mutex.lock()) {}

  bool poll() {
    Poll<Text::Guard> polled = task.poll(*future);
    if (polled.is_pending()) return false;
    guard.emplace(std::move(polled).take());
    return true;
  }

  TestTask task;
  std::optional<Text::Lock> future;
  std::optional<Text::Guard> guard;
};

TEST(Mutex, OneAtATime) {
  Text text("");
  Asker a("a", text), b("b", text);
  EXPECT_TRUE(a.poll());
  EXPECT_FALSE(b.poll());
  **a.guard += "a";
  a.guard.reset();
  EXPECT_EQ(b.task.wakes(), 1);
  EXPECT_TRUE(b.poll());
  (*b.guard)->append("b");
  EXPECT_EQ(**b.guard, "ab");
  b.guard.reset();
  EXPECT_EQ(b.task.live(), kOnlyItsOwn);
}

TEST(Mutex, TriesWithoutWaiting) {
  Text text("x");
  std::optional<Text::Guard> guard = text.try_lock();
  ASSERT_TRUE(guard.has_value());
  EXPECT_EQ(**guard, "x");
  EXPECT_FALSE(text.try_lock().has_value());
  guard.reset();
  EXPECT_TRUE(text.try_lock().has_value());
}

// Bug it is here for: a guard that is moved from and gives the lock back as well.
TEST(Mutex, AGuardThatIsMovedKeepsTheLock) {
  Text text("");
  std::optional<Text::Guard> first = text.try_lock();
  ASSERT_TRUE(first.has_value());
  {
    const Text::Guard second = *std::move(first);
    first.reset();
    EXPECT_FALSE(text.try_lock().has_value()) << "second has it";
    *second = "moved";
  }
  first = text.try_lock();
  ASSERT_TRUE(first.has_value()) << "second has given it back, once";
  EXPECT_EQ(**first, "moved");
}

TEST(Mutex, AGuardThatTakesAnothersPlaceGivesItsOwnBack) {
  Text one("1"), two("2");
  std::optional<Text::Guard> guard = one.try_lock(), other = two.try_lock();
  ASSERT_TRUE(guard.has_value() && other.has_value());
  *guard = *std::move(other);
  EXPECT_EQ(**guard, "2");
  EXPECT_TRUE(one.try_lock().has_value());
  EXPECT_FALSE(two.try_lock().has_value());
}

TEST(Mutex, ServesInOrderAndNobodyOvertakes) {
  Text text("");
  Asker a("a", text), b("b", text), c("c", text);
  EXPECT_TRUE(a.poll());
  EXPECT_FALSE(b.poll());
  EXPECT_FALSE(c.poll());
  a.guard.reset();
  EXPECT_FALSE(text.try_lock().has_value()) << "it is b's, though b has not polled yet";
  EXPECT_FALSE(c.poll());
  EXPECT_TRUE(b.poll());
}

// Bug it is here for: a lock that stays with a future that is gone.
TEST(Mutex, WhoGoesPassesItOn) {
  Text text("");
  Asker a("a", text), b("b", text), c("c", text);
  EXPECT_TRUE(a.poll());
  EXPECT_FALSE(b.poll());
  EXPECT_FALSE(c.poll());
  a.guard.reset();
  step("b's lock() is dropped");
  b.future.reset();
  EXPECT_EQ(c.task.wakes(), 1);
  EXPECT_TRUE(c.poll());
}

// Bug it is here for: what was said to a future that then goes is said to nobody else.
TEST(Mutex, WhoIsToldAndGoesWithNobodyBehindItLeavesItFree) {
  Text text("");
  Asker a("a", text), b("b", text);
  EXPECT_TRUE(a.poll());
  EXPECT_FALSE(b.poll());
  a.guard.reset();
  EXPECT_EQ(b.task.wakes(), 1);
  b.future.reset();
  EXPECT_TRUE(text.try_lock().has_value());
  EXPECT_EQ(b.task.live(), kOnlyItsOwn);
}

// A wake may run the woken task then and there.
TEST(Mutex, TheNextMayTakeItWithinTheWake) {
  Text text("");
  Asker a("a", text), b("b", text);
  EXPECT_TRUE(a.poll());
  EXPECT_FALSE(b.poll());
  bool inside = false;
  b.task.on_wake([&] { inside = b.poll(); });
  a.guard.reset();
  EXPECT_TRUE(inside);
  b.task.on_wake(nullptr);
}

TEST(Mutex, ALockThatWasNeverPolledTakesNothing) {
  Text text("");
  { [[maybe_unused]] const Text::Lock never_polled = text.lock(); }
  EXPECT_TRUE(text.try_lock().has_value());
}

TEST(Mutex, AnExceptionGivesItBack) {
  Text text("");
  try {
    const std::optional<Text::Guard> guard = text.try_lock();
    **guard = "half";
    throw std::runtime_error("in the middle");
  } catch (const std::runtime_error&) {
  }
  const std::optional<Text::Guard> guard = text.try_lock();
  ASSERT_TRUE(guard.has_value());
  EXPECT_EQ(**guard, "half") << "as it was left";
}

TEST(Mutex, HoldsWhatCannotBeMovedOrCopied) {
  rt::Mutex<std::unique_ptr<int>> owner(std::make_unique<int>(1));
  EXPECT_EQ(**owner.try_lock().value(), 1);
  struct Immovable {
    Immovable(int a, int b) : sum(a + b) {}
    Immovable(Immovable&&) = delete;
    int sum;
  };
  rt::Mutex<Immovable> fixed(1, 2);
  EXPECT_EQ(fixed.try_lock().value()->sum, 3);
}

TEST(Mutex, PolledAfterReadyIsAnError) {
  Text text("");
  Asker a("a", text);
  EXPECT_TRUE(a.poll());
  EXPECT_THROW((void)a.future->poll(a.task.cx()), std::logic_error);
}

}  // namespace
