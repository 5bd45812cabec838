// Tests that misbehave on purpose. endings_test runs them one by one, and looks at how each ends
// and at what a reader is told. They are no part of any test run by themselves.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "rt/platform/clock.h"
#include "rt/platform/todo.h"
#include "rt/runtime/io_executor.h"
#include "rt/runtime/runtime.h"
#include "rt/time/sleep.h"
#include "testkit/testkit.h"

#define ACT __attribute__((noinline))  // Seen in a stack at -O2 too.

namespace learner {

using testkit::step;

// Named as a learner's own functions would be: the reports have to show these.
ACT void wait_for_ever(std::mutex& mutex, std::condition_variable& condvar) {
  std::unique_lock lock(mutex);
  condvar.wait(lock, [] { return false; });
}

ACT void lock_twice(std::mutex& mutex) {
  mutex.lock();
  mutex.lock();
  step("never comes here");
}

std::atomic<bool> g_never{false};
volatile bool g_never_volatile = false;

ACT void spin_on_atomic() {
  while (!g_never.load()) {
  }
}

ACT void spin_on_nothing() {
  while (!g_never_volatile) {
  }
}

ACT void abort_here() { std::abort(); }

ACT void throw_here() { throw std::runtime_error("the disk is on fire"); }

ACT int read_freed() {
  auto value = std::make_unique<int>(7);
  const int* const volatile dangling = value.get();
  value.reset();
  return *dangling;
}

ACT int overflow(int x) { return x + 2147483647; }

int* volatile g_nowhere = nullptr;
ACT void write_null() { *g_nowhere = 1; }

ACT void forget(std::string*) {}

}  // namespace learner

using testkit::step;

TEST(Acts, Passes) { step("all is well"); }

TEST(Acts, Skips) { GTEST_SKIP() << "not on this machine"; }

TEST(Acts, FailsAfterSteps) {
  step("opened the door");
  step("went in");
  step("went in");
  EXPECT_EQ(1 + 1, 3) << "the sum is off";
  step("sat down");
  EXPECT_TRUE(false);
}

TEST(Acts, FailsInAThread) {
  step("starting the thread");
  std::thread thread([] {
    step("running");
    ADD_FAILURE() << "the thread is unhappy";
  });
  thread.join();
}

TEST(Acts, Throws) {
  step("about to throw");
  learner::throw_here();
}

TEST(Acts, ThrowsInAThread) {
  step("about to throw");
  std::thread thread([] { learner::throw_here(); });
  thread.join();
}

TEST(Acts, Aborts) {
  step("about to abort");
  learner::abort_here();
}

TEST(Acts, WritesNull) {
  step("about to write to null");
  learner::write_null();
}

TEST(Acts, Todo) {
  step("about to call a stub");
  RT_TODO("1.6");
}

TEST(Acts, DiesAsItShould) { EXPECT_DEATH(learner::abort_here(), "abort.. was called"); }

// Busy for longer than a hang takes, but in a child: whoever waits for that one does not hang.
TEST(Acts, WaitsForABusyChild) {
  const pid_t child = ::fork();
  if (child == 0) {
    timespec used{};
    while (used.tv_sec < 4) ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Acts, LogsManySteps) {
  for (int i = 1; i <= 1000; ++i) step("step " + std::to_string(i));
  FAIL() << "enough";
}

TEST(Acts, SaysWhatIsNotUtf8) { FAIL() << "bytes: \xff\xc0\x80 \x01 \"quoted\" back\\slash é"; }

TEST(Acts, TodoInADeathTest) { EXPECT_DEATH(RT_TODO("1.6"), "a message of the exercise's own"); }

TEST(Acts, HangsOnACondVar) {
  step("waiting for what never comes");
  std::mutex mutex;
  std::condition_variable condvar;
  std::thread thread([&] { learner::wait_for_ever(mutex, condvar); });
  thread.join();
}

TEST(Acts, HangsOnAMutex) {
  std::mutex mutex;
  learner::lock_twice(mutex);
  step("never comes here");
}

TEST(Acts, HangsInRead) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  char byte;
  ASSERT_EQ(::read(ends[0], &byte, 1), 1);
}

TEST(Acts, HangsOnAnAtomic) {
  learner::g_never.wait(false);
  step("never comes here");  // Else the wait is a tail call, and the test not in the stack.
}

TEST(Acts, SpinsOnAnAtomic) {
  step("spinning");
  learner::spin_on_atomic();
}

TEST(Acts, SpinsOnNothing) {
  std::thread thread([] { learner::spin_on_nothing(); });
  thread.join();
}

TEST(Acts, HangsWithANote) {
  testkit::on_hang([] { return std::string("task 1 waits for task 2"); });
  testkit::on_hang([]() -> std::string {
    std::mutex mutex;
    learner::lock_twice(mutex);
    return "never said";
  });
  std::mutex mutex;
  learner::lock_twice(mutex);
  step("never comes here");
}

TEST(Acts, HangsInARuntime) {
  rt::clock::pause();
  const auto executor = rt::IoExecutor::create().value();
  executor->block_on(rt::sleep(absl::Seconds(1)));
  step("never comes here");
}

TEST(Acts, HangsInAThreadedRuntime) {
  rt::clock::pause();
  const auto runtime = rt::Runtime::create(1).value();
  runtime->block_on(rt::sleep(absl::Seconds(1)));
  step("never comes here");
}

TEST(Acts, Leaks) {
  step("about to leak");
  learner::forget(new std::string("nobody deletes me, and I am too long for the object"));
}

TEST(Acts, ReadsFreedMemory) {
  step("about to read freed memory");
  EXPECT_EQ(learner::read_freed(), 7);
}

TEST(Acts, OverflowsAnInt) {
  step("about to overflow");
  EXPECT_EQ(learner::overflow(1), 0);
}

// The steps that both threads log must not order the two accesses.
TEST(Acts, Races) {
  int shared = 0;
  std::atomic<int> turn{0};
  std::thread thread([&] {
    shared = 1;
    step("wrote");
    turn.store(1, std::memory_order_relaxed);
  });
  while (turn.load(std::memory_order_relaxed) == 0) std::this_thread::yield();
  step("reading");
  EXPECT_GE(shared, 0);
  thread.join();
}

TEST(Acts, WaitsForAWakeThatNeverComes) {
  testkit::CountingWaker counter("a");
  rt::Waker waker = counter.waker();
  waker.wake_by_ref();
  counter.wait_for_wakes(2);
}

TEST(Acts, ExpectsReady) {
  testkit::TestTask task("a");
  int polls = 0;
  auto future = rt::poll_fn([&](rt::Context& cx) -> rt::Poll<int> {
    rt::Waker kept = cx.waker().clone();
    if (++polls < 3) return rt::kPending;
    return 7;
  });
  EXPECT_THAT(task.poll(future), testkit::IsPending());
  EXPECT_THAT(task.poll(future), testkit::IsReadyWith(7));
  EXPECT_THAT(task.poll(future), testkit::IsReadyWith(8));
  EXPECT_THAT(task.poll(future), testkit::IsReadyWith(testing::Gt(9)));
  EXPECT_THAT(task.poll(future), testkit::IsPending());
}

TEST(Acts, DropsAWakerTwice) {
  testkit::CountingWaker counter("a");
  rt::Waker waker = counter.waker();
  alignas(rt::Waker) unsigned char copy[sizeof(rt::Waker)];
  std::memcpy(copy, &waker, sizeof copy);
  reinterpret_cast<rt::Waker*>(copy)->~Waker();
}

TEST(Acts, DestroysATokenTwice) {
  testkit::LifeCounter life("the frame");
  alignas(testkit::Token) unsigned char memory[sizeof(testkit::Token)];
  auto* const token = new (memory) testkit::Token(life.token());
  token->~Token();
  token->~Token();
  EXPECT_EQ(life.destroyed_twice(), 1);
  EXPECT_EQ(life.live(), 0);
}

// Nobody continues the child. It ends with the test's process.
TEST(Acts, WaitsForAStoppedChild) {
  testkit::step("waiting for the child");
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
}

// The signal that asks for the thread's stack ends this call, and the test would pass.
TEST(Acts, HangsInPause) {
  testkit::step("pausing");
  ::pause();
}
