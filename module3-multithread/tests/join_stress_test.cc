// Real threads, for ThreadSanitizer: tasks that end on one thread and are joined on another.
#include "rt/task/join.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "rt/runtime/block_on.h"
#include "task_workers.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::Poll;
using task_parts::Workers;

// Pending some times, and then ready with a text, or with an exception.
class Text {
 public:
  using Output = std::unique_ptr<std::string>;
  Text(int number, testkit::Token token) : number_(number), token_(std::move(token)) {}

  Poll<Output> poll(Context& cx) {
    if (++polls_ <= number_ % 4) {
      cx.waker().wake_by_ref();
      return kPending;
    }
    if (number_ % 3 == 0) throw std::runtime_error(std::to_string(number_));
    return std::make_unique<std::string>(std::to_string(number_));
  }

 private:
  int number_;
  int polls_ = 0;
  testkit::Token token_;
};

using Handle = rt::JoinHandle<Text::Output>;

Handle spawn(Workers& workers, int number, testkit::LifeCounter& life) {
  return Handle(rt::join_handle(workers.spawn_joined(Text(number, life.token()))));
}

// Bugs it is here for: an end that falls between "not complete" and "my waker is there" (it hangs);
// an output that is handed over with no order between the two threads.
TEST(JoinStress, JoinersOnAnotherThread) {
  constexpr int kTasks = 1'000;
  testkit::LifeCounter futures("the future");
  Workers workers(2);
  for (int i = 0; i < kTasks; ++i) {
    std::string got;
    try {
      got = *rt::block_on(spawn(workers, i, futures));
      EXPECT_NE(i % 3, 0) << "the task threw";
    } catch (const std::runtime_error& error) {
      got = error.what();
      EXPECT_EQ(i % 3, 0) << "the task did not throw";
    }
    EXPECT_EQ(got, std::to_string(i));
  }
  EXPECT_EQ(futures.live(), 0);
}

// Bug it is here for: abort against end. The joiner gets one of the two.
TEST(JoinStress, AbortsRaceWithTheEnd) {
  constexpr int kTasks = 1'000;
  testkit::LifeCounter futures("the future");
  Workers workers(2);
  for (int i = 0; i < kTasks; ++i) {
    Handle handle = spawn(workers, i, futures);
    handle.abort();
    try {
      const Text::Output got = rt::block_on(std::move(handle));
      EXPECT_EQ(*got, std::to_string(i));
    } catch (const rt::Cancelled&) {
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), std::to_string(i));
    }
  }
  EXPECT_EQ(futures.live(), 0);
}

// Bug it is here for: a handle that goes at the moment when its task ends: the output is dropped by
// both, or by neither; the waker too.
TEST(JoinStress, HandlesThatAreDroppedWhileTheirTasksEnd) {
  constexpr int kTasks = 1'000;
  testkit::LifeCounter futures("the future");
  testkit::TestTask joiner("joiner");
  {
    Workers workers(2);
    for (int i = 0; i < kTasks; ++i) {
      Handle handle = spawn(workers, i, futures);
      if (i % 2 == 0) continue;
      try {
        (void)handle.poll(joiner.cx());
      } catch (const std::runtime_error&) {
      }
    }
    workers.wait_until_idle();
  }
  EXPECT_EQ(futures.live(), 0);
  EXPECT_EQ(joiner.live(), 1) << "its own";
}

}  // namespace
