// Tasks that give way all the time, on several workers at once.
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "rt/future/async.h"
#include "rt/future/yield_now.h"
#include "rt/net/unix_stream.h"
#include "rt/runtime/runtime.h"
#include "rt/task/spawn.h"
#include "testkit/testkit.h"

namespace {

constexpr int kTasks = 50;
constexpr int kYields = 200;

rt::Async<int> gives_way() {
  int times = 0;
  for (; times < kYields; ++times) co_await rt::yield_now();
  co_return times;
}

TEST(YieldNowStress, NobodyIsLostAmongWorkersThatSteal) {
  const std::unique_ptr<rt::Runtime> runtime = rt::Runtime::create(4).value();
  std::vector<rt::JoinHandle<int>> tasks;
  for (int i = 0; i < kTasks; ++i) tasks.push_back(runtime->spawn(gives_way()));
  for (rt::JoinHandle<int>& task : tasks) {
    EXPECT_EQ(runtime->block_on(std::move(task)), kYields);
  }
}

TEST(YieldNowStress, SocketsAreServedBesideTasksThatNeverStop) {
  const std::unique_ptr<rt::Runtime> runtime = rt::Runtime::create(2).value();
  std::atomic<bool> stop{false};
  const auto spins = [&stop]() -> rt::Async<> {
    while (!stop.load()) co_await rt::yield_now();
  };
  std::vector<rt::JoinHandle<void>> tasks;
  for (int i = 0; i < 8; ++i) tasks.push_back(runtime->spawn(spins()));
  const auto echoes = []() -> rt::Async<int> {
    auto made = rt::UnixStream::pair();
    EXPECT_TRUE(made.ok());
    auto [one, other] = *std::move(made);
    const auto answers = [](rt::UnixStream stream) -> rt::Async<> {
      std::array<char, 1> byte;
      for (;;) {
        absl::StatusOr<std::size_t> got = co_await stream.read(absl::MakeSpan(byte));
        if (!got.ok() || *got == 0) co_return;
        absl::Status sent = co_await stream.write_all("y");
        EXPECT_TRUE(sent.ok());
      }
    };
    rt::JoinHandle<void> answering = rt::spawn(answers(std::move(other)));
    int rounds = 0;
    std::array<char, 1> byte;
    for (; rounds < 50; ++rounds) {
      absl::Status sent = co_await one.write_all("x");
      absl::StatusOr<std::size_t> got = co_await one.read(absl::MakeSpan(byte));
      EXPECT_TRUE(sent.ok() && got.ok());
    }
    EXPECT_TRUE(one.shutdown_write().ok());
    co_await answering;
    co_return rounds;
  };
  EXPECT_EQ(runtime->block_on(runtime->spawn(echoes())), 50);
  stop.store(true);
  for (rt::JoinHandle<void>& task : tasks) runtime->block_on(std::move(task));
}

}  // namespace
