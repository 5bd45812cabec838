// The watchdog of a Runtime: its workers are threads, and the stack is a real one. The clock is
// paused.
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <source_location>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "rt/future/async.h"
#include "rt/platform/clock.h"
#include "rt/runtime/block_on.h"
#include "rt/runtime/runtime.h"
#include "rt/runtime/runtime_watch.h"
#include "rt/runtime/watchdog.h"
#include "rt/task/spawn.h"
#include "rt/time/sleep.h"
#include "testkit/testkit.h"

namespace {

using rt::Async;
using rt::Runtime;
using rt::StuckTask;
using testing::HasSubstr;
using testing::IsEmpty;

// A door behind which a task waits without awaiting.
class Door {
 public:
  [[gnu::noinline]] void stand_in_the_way() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return is_open_; });
  }
  void wait_for(int tasks) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ == tasks; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool is_open_ = false;
};

Async<> bad_task(Door& door) {
  door.stand_in_the_way();
  co_return;
}
Async<> good_task() {
  while (true) co_await rt::sleep(absl::Milliseconds(10));
}

class RuntimeWatchTest : public testing::Test {
 protected:
  ~RuntimeWatchTest() override { door.open(); }

  rt::WatchdogOptions options() {
    rt::WatchdogOptions options;
    options.tell = [this](const StuckTask& stuck) {
      const std::lock_guard lock(mutex_);
      told_.push_back(stuck);
    };
    return options;
  }
  // Lets as many half limits pass. The watchdog looks after each of them.
  void pass(int half_limits) {
    for (int i = 0; i < half_limits; ++i) {
      clock.wait_for_sleepers(1);
      clock.advance(absl::Milliseconds(50));
    }
    clock.wait_for_sleepers(1);
  }
  std::vector<StuckTask> told() {
    const std::lock_guard lock(mutex_);
    return told_;
  }

  testkit::PausedClock clock;
  Door door;

 private:
  std::mutex mutex_;
  std::vector<StuckTask> told_;
};

TEST_F(RuntimeWatchTest, NamesTheTaskThatStandsInTheWay) {
  const std::unique_ptr<Runtime> runtime = Runtime::create(1).value();
  const auto watch = rt::watch(*runtime, options());
  const int line = static_cast<int>(std::source_location::current().line()) + 1;
  auto bad = runtime->spawn(bad_task(door));
  door.wait_for(1);
  pass(4);
  ASSERT_EQ(told().size(), 1u);
  const StuckTask stuck = told()[0];
  EXPECT_THAT(stuck.to_string(), HasSubstr("watchdog_system_test.cc:" + std::to_string(line)));
  EXPECT_EQ(stuck.worker, 0u);
  EXPECT_GE(stuck.held, absl::Milliseconds(100));
  EXPECT_THAT(stuck.stack, HasSubstr("wait")) << "the function in which it blocks";
  door.open();
  rt::block_on(std::move(bad));
}

TEST_F(RuntimeWatchTest, NamesWhatATaskHasSpawned) {
  const std::unique_ptr<Runtime> runtime = Runtime::create(2).value();
  const auto watch = rt::watch(*runtime, options());
  auto parent = runtime->spawn([](Door& d) -> Async<> {
    for (int i = 0; i < 2; ++i) rt::spawn(bad_task(d)).detach();
    co_return;
  }(door));
  door.wait_for(2);
  pass(4);
  ASSERT_EQ(told().size(), 2u);
  EXPECT_NE(told()[0].worker, told()[1].worker);
  EXPECT_EQ(told()[0].spawned_at.line(), told()[1].spawned_at.line());
  door.open();
  rt::block_on(std::move(parent));
}

// Bug it is here for: whoever does not move is named. Most that do not move sleep.
TEST_F(RuntimeWatchTest, NamesNobodyWhileAllIsWell) {
  const std::unique_ptr<Runtime> runtime = Runtime::create(2).value();
  const auto watch = rt::watch(*runtime, options());
  for (int i = 0; i < 4; ++i) runtime->spawn_detached(good_task());
  pass(20);
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(RuntimeWatchTest, MayOutliveTheRuntimeAndEndAtOnce) {
  std::unique_ptr<Runtime> runtime = Runtime::create(1).value();
  { const auto short_lived = rt::watch(*runtime, options()); }
  const auto watch = rt::watch(*runtime, options());
  runtime.reset();
  pass(3);
  EXPECT_THAT(told(), IsEmpty());
}

}  // namespace
