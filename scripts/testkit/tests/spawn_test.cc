// rt/task/spawn.h and rt/task/erased.h: given code that exercises 1.9 and later ones stand on.
#include "rt/task/spawn.h"

#include <array>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "rt/task/erased.h"
#include "testkit/testkit.h"

namespace testkit {
namespace {

using rt::Context;
using rt::JoinHandle;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::poll_fn;
using testing::HasSubstr;

// A task that is nothing but what a JoinHandle asks of it.
struct FakeTask {
  std::optional<std::string> output;
  std::exception_ptr error;
  int polls = 0;
  int detached = 0;
  int aborted = 0;

  static bool poll_join(void* task, Context&, void* output) {
    FakeTask& self = *static_cast<FakeTask*>(task);
    ++self.polls;
    if (self.error != nullptr) std::rethrow_exception(self.error);
    if (!self.output.has_value()) return false;
    new (output) std::string(*std::move(self.output));
    return true;
  }
  static void detach(void* task) noexcept { ++static_cast<FakeTask*>(task)->detached; }
  static void abort(void* task) noexcept { ++static_cast<FakeTask*>(task)->aborted; }
  static constexpr rt::JoinVTable kVTable{&poll_join, &detach, &abort};

  JoinHandle<std::string> handle() {
    return JoinHandle<std::string>(rt::RawJoinHandle(this, &kVTable));
  }
};

TEST(JoinHandleFace, GivesTheOutputAndDetachesOnce) {
  FakeTask fake;
  TestTask task;
  {
    JoinHandle<std::string> handle = fake.handle();
    EXPECT_THAT(task.poll(handle), IsPending());
    EXPECT_EQ(fake.detached, 0);
    fake.output = "an output";
    EXPECT_THAT(task.poll(handle), IsReadyWith("an output"));
    EXPECT_EQ(fake.detached, 1);
    EXPECT_THROW((void)task.poll(handle), std::logic_error);
    handle.abort();
  }
  EXPECT_EQ(fake.polls, 2);
  EXPECT_EQ(fake.detached, 1);
  EXPECT_EQ(fake.aborted, 0) << "nothing is left to abort";
}

TEST(JoinHandleFace, ThrowsAndDetachesOnce) {
  FakeTask fake;
  TestTask task;
  fake.error = std::make_exception_ptr(std::runtime_error("thrown"));
  {
    JoinHandle<std::string> handle = fake.handle();
    EXPECT_THROW((void)task.poll(handle), std::runtime_error);
    EXPECT_EQ(fake.detached, 1);
    EXPECT_THROW((void)task.poll(handle), std::logic_error);
  }
  EXPECT_EQ(fake.detached, 1);
}

TEST(JoinHandleFace, IsDetachedByDroppingAndMovesItsClaim) {
  FakeTask first, second;
  {
    JoinHandle<std::string> a = first.handle();
    JoinHandle<std::string> b = std::move(a);
    EXPECT_EQ(first.detached, 0);
    b.abort();
    EXPECT_EQ(first.aborted, 1);
    b = second.handle();
    EXPECT_EQ(first.detached, 1);
    b.detach();
    b.detach();
    EXPECT_EQ(second.detached, 1);
  }
  EXPECT_EQ(first.detached, 1);
  EXPECT_EQ(second.detached, 1);
}

// Takes spawned futures in, and leaves them alone.
class Collecting final : public rt::Scheduler {
 public:
  rt::RawJoinHandle spawn_raw(void* future, const rt::FutureVTable& vtable) override {
    kept.emplace(future, vtable);
    return rt::RawJoinHandle(&fake, &FakeTask::kVTable);
  }
  FakeTask fake;
  std::optional<rt::ErasedFuture> kept;
};

TEST(Spawn, OutsideOfARuntimeThrows) {
  try {
    (void)rt::spawn(rt::ready(std::string("x")));
    ADD_FAILURE() << "it has to throw";
  } catch (const std::logic_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no runtime"));
  }
}

TEST(Spawn, GoesToTheSchedulerOfThisThread) {
  Collecting outer, inner;
  TestTask task;
  EXPECT_EQ(rt::current_scheduler(), nullptr);
  {
    const rt::EnterScheduler in_outer(&outer);
    {
      const rt::EnterScheduler in_inner(&inner);
      EXPECT_EQ(rt::current_scheduler(), &inner);
      rt::spawn(rt::ready(std::string("x"))).detach();
      std::thread([] { EXPECT_EQ(rt::current_scheduler(), nullptr); }).join();
    }
    EXPECT_EQ(rt::current_scheduler(), &outer);
  }
  EXPECT_EQ(rt::current_scheduler(), nullptr);
  EXPECT_FALSE(outer.kept.has_value());
  ASSERT_TRUE(inner.kept.has_value());
  std::optional<rt::ErasedOutput> output = inner.kept->poll(task.cx());
  ASSERT_TRUE(output.has_value());
}

TEST(ErasedFuture, LivesAndDiesOnce) {
  LifeCounter futures("the future"), outputs("the output");
  TestTask task;
  {
    auto poll = [polls = 0, token = futures.token(), &outputs](Context&) mutable -> Poll<Token> {
      if (++polls == 1) return kPending;
      return outputs.token();
    };
    auto future = poll_fn(std::move(poll));
    rt::ErasedFuture erased(&future, rt::kFutureVTable<decltype(future)>);
    rt::ErasedFuture moved = std::move(erased);
    EXPECT_EQ(futures.live(), 1);
    EXPECT_FALSE(moved.poll(task.cx()).has_value());
    std::optional<rt::ErasedOutput> output = moved.poll(task.cx());
    ASSERT_TRUE(output.has_value());
    EXPECT_TRUE(output->is_full());
    moved.reset();
    moved.reset();
    EXPECT_EQ(futures.live(), 0);
    EXPECT_EQ(outputs.live(), 1);

    alignas(Token) std::array<std::byte, sizeof(Token)> place;
    output->move_to(&place);
    output.reset();
    EXPECT_EQ(outputs.live(), 1);
    std::destroy_at(reinterpret_cast<Token*>(&place));
  }
  EXPECT_EQ(outputs.live(), 0);
}

TEST(ErasedFuture, AnOutputThatNobodyTakesIsDestroyed) {
  LifeCounter outputs("the output");
  TestTask task;
  auto future = poll_fn([&outputs](Context&) -> Poll<Token> { return outputs.token(); });
  rt::ErasedFuture erased(&future, rt::kFutureVTable<decltype(future)>);
  erased.poll(task.cx()).reset();
  EXPECT_EQ(outputs.live(), 0);
  EXPECT_EQ(outputs.destroyed_twice(), 0);
}

struct alignas(128) Wide {
  using Output = std::uintptr_t;
  Wide() {}
  Poll<Output> poll(Context&) { return reinterpret_cast<std::uintptr_t>(this) % 128; }
};

TEST(ErasedFuture, KeepsTheAlignment) {
  TestTask task;
  Wide wide;
  rt::ErasedFuture erased(&wide, rt::kFutureVTable<Wide>);
  std::optional<rt::ErasedOutput> output = erased.poll(task.cx());
  ASSERT_TRUE(output.has_value());
  std::uintptr_t remainder = 1;
  output->move_to(&remainder);
  EXPECT_EQ(remainder, 0U);
}

}  // namespace
}  // namespace testkit
