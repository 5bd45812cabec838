// Real threads, for ThreadSanitizer: the executor on one, joiners on others.
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "rt/runtime/block_on.h"
#include "rt/runtime/join_handle.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::JoinHandle;
using rt::kPending;
using rt::LocalExecutor;
using rt::Poll;
using rt::poll_fn;

template <rt::Future F>
JoinHandle<rt::OutputOf<F>> spawn(LocalExecutor& executor, F future) {
  return JoinHandle<rt::OutputOf<F>>(
      rt::spawn_with_handle(executor, &future, rt::kFutureVTable<F>));
}

// Pending once, and then ready with the text or with an exception.
auto second_time(int number) {
  auto poll = [number, polls = 0](Context& cx) mutable -> Poll<std::unique_ptr<std::string>> {
    if (++polls == 1) {
      cx.waker().wake_by_ref();
      return kPending;
    }
    if (number % 3 == 0) throw std::runtime_error(std::to_string(number));
    return std::make_unique<std::string>(std::to_string(number));
  };
  return poll_fn(std::move(poll));
}

// Bugs it is here for: an end that falls between "not ended" and "my waker is stored", and is lost;
// an output that is handed over without a lock.
TEST(JoinHandleStress, JoinersOnAnotherThread) {
  constexpr int kTasks = 2'000;
  LocalExecutor executor;
  std::vector<JoinHandle<std::unique_ptr<std::string>>> handles;
  for (int i = 0; i < kTasks; ++i) handles.push_back(spawn(executor, second_time(i)));
  std::thread joiner([&handles] {
    for (int i = 0; i < kTasks; ++i) {
      std::string got;
      try {
        got = *rt::block_on(std::move(handles[static_cast<std::size_t>(i)]));
        EXPECT_NE(i % 3, 0) << "the task threw";
      } catch (const std::runtime_error& error) {
        got = error.what();
        EXPECT_EQ(i % 3, 0) << "the task did not throw";
      }
      EXPECT_EQ(got, std::to_string(i));
    }
  });
  executor.run();
  joiner.join();
}

// Bug it is here for: abort against end. The joiner gets one of the two, and the future is
// destroyed once.
TEST(JoinHandleStress, AbortsRaceWithTheEnd) {
  constexpr int kTasks = 2'000;
  testkit::LifeCounter life("the future");
  LocalExecutor executor;
  std::vector<JoinHandle<int>> handles;
  for (int i = 0; i < kTasks; ++i) {
    auto poll = [polls = 0, token = life.token()](Context& cx) mutable -> Poll<int> {
      if (++polls == 3) return 7;
      cx.waker().wake_by_ref();
      return kPending;
    };
    handles.push_back(spawn(executor, poll_fn(std::move(poll))));
  }
  int outputs = 0, cancelled = 0;
  std::thread joiner([&] {
    for (JoinHandle<int>& handle : handles) {
      handle.abort();
      try {
        EXPECT_EQ(rt::block_on(std::move(handle)), 7);
        ++outputs;
      } catch (const rt::Cancelled&) {
        ++cancelled;
      }
    }
  });
  executor.run();
  joiner.join();
  EXPECT_EQ(outputs + cancelled, kTasks);
  EXPECT_EQ(life.live(), 0);
}

}  // namespace
