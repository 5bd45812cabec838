// The pool as a whole: tasks on several workers, real sockets, timers and join handles.
#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "rt/driver/driver_handle.h"
#include "rt/future/async.h"
#include "rt/net/socket_address.h"
#include "rt/net/tcp.h"
#include "rt/runtime/block_on.h"
#include "rt/runtime/io_pool.h"
#include "rt/task/spawn.h"
#include "rt/time/sleep.h"
#include "testkit/testkit.h"

namespace {

using rt::Async;
using rt::Context;
using rt::IoPool;
using rt::JoinHandle;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::poll_fn;
using testkit::LifeCounter;

constexpr std::size_t kWorkers = 3;

std::unique_ptr<IoPool> make_pool() { return IoPool::create(kWorkers).value(); }

Async<> echo(rt::TcpStream stream) {
  std::array<char, 64> buffer;
  while (true) {
    const absl::StatusOr<std::size_t> got = co_await stream.read(absl::MakeSpan(buffer));
    if (!got.ok() || *got == 0) co_return;
    const absl::string_view data(buffer.data(), *got);
    if (!(co_await stream.write_all(data)).ok()) co_return;
  }
}

Async<> serve(rt::TcpListener& listener, int connections) {
  for (; connections > 0; --connections) {
    absl::StatusOr<rt::TcpStream> stream = co_await listener.accept();
    if (!stream.ok()) co_return;
    rt::spawn(echo(*std::move(stream))).detach();
  }
}

// How many of its messages came back.
Async<int> talk(rt::SocketAddress address, int messages) {
  absl::StatusOr<rt::TcpStream> stream = co_await rt::TcpStream::connect(address);
  int good = 0;
  for (int i = 0; stream.ok() && i < messages; ++i) {
    const std::string words = "message " + std::to_string(i);
    if (!(co_await stream->write_all(words)).ok()) break;
    std::array<char, 64> buffer;
    std::size_t heard = 0;
    while (heard < words.size()) {
      const auto rest = absl::MakeSpan(buffer).subspan(heard);
      const absl::StatusOr<std::size_t> got = co_await stream->read(rest);
      if (!got.ok() || *got == 0) co_return good;
      heard += *got;
    }
    if (absl::string_view(buffer.data(), heard) == words) ++good;
    if (i % 4 == 0) co_await rt::sleep(absl::Microseconds(500));
  }
  co_return good;
}

// Bug it is here for: an event that comes while the workers change places, and waits for ever.
TEST(IoPoolSystem, SocketsAndTimersOnSeveralWorkers) {
  constexpr int kClients = 20;
  constexpr int kMessages = 20;
  const std::unique_ptr<IoPool> pool = make_pool();
  const rt::EnterDriver inside(pool->driver());
  rt::TcpListener listener = rt::TcpListener::bind(rt::SocketAddress::loopback(0)).value();
  const rt::SocketAddress address = listener.local_address().value();
  JoinHandle<void> server = pool->spawn(serve(listener, kClients));
  std::vector<JoinHandle<int>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(pool->spawn(talk(address, kMessages)));
  int good = 0;
  for (JoinHandle<int>& client : clients) good += pool->block_on(std::move(client));
  EXPECT_EQ(good, kClients * kMessages);
  pool->block_on(std::move(server));
}

// --- Join handles --------------------------------------------------------------------------------

Async<int> answer() { co_return 42; }
Async<int> fail() {
  co_await rt::sleep(absl::Microseconds(100));
  throw std::runtime_error("of the task");
}

TEST(IoPoolSystem, AJoinHandleMayBeAwaitedAnywhere) {
  const std::unique_ptr<IoPool> pool = make_pool(), other = make_pool();
  EXPECT_EQ(pool->block_on(pool->spawn(answer())), 42);
  EXPECT_EQ(other->block_on(pool->spawn(answer())), 42);
  EXPECT_EQ(rt::block_on(pool->spawn(answer())), 42) << "outside of any runtime";
  EXPECT_EQ(other->block_on(other->spawn(pool->spawn(answer()))), 42) << "by a task of another";
  EXPECT_THROW(other->block_on(pool->spawn(fail())), std::runtime_error);
}

TEST(IoPoolSystem, AJoinHandleIsAwaitedOnce) {
  const std::unique_ptr<IoPool> pool = make_pool();
  JoinHandle<int> handle = pool->spawn(answer());
  const auto join = [&handle](Context& cx) { return handle.poll(cx); };
  EXPECT_EQ(rt::block_on(poll_fn(join)), 42);
  EXPECT_THROW(rt::block_on(poll_fn(join)), std::logic_error);
}

TEST(IoPoolSystem, AnAbortedTaskIsCancelled) {
  const std::unique_ptr<IoPool> pool = make_pool();
  JoinHandle<void> handle = pool->spawn([]() -> Async<> { co_await rt::sleep(absl::Hours(1)); }());
  handle.abort();
  EXPECT_THROW(pool->block_on(std::move(handle)), rt::Cancelled);
}

// --- The end -------------------------------------------------------------------------------------

// Bug it is here for: a handle whose task is neither run nor dropped waits for ever.
TEST(IoPoolSystem, TasksThatAreLeftOrComeTooLateAreCancelled) {
  LifeCounter life;
  const auto waits = [](testkit::Token) -> Async<int> {
    co_await rt::sleep(absl::Hours(1));
    co_return 0;
  };
  const std::unique_ptr<IoPool> pool = make_pool();
  std::vector<JoinHandle<int>> left;
  for (int i = 0; i < 10; ++i) left.push_back(pool->spawn(waits(life.token())));
  pool->shutdown();
  EXPECT_EQ(life.live(), 0);
  for (JoinHandle<int>& handle : left) {
    EXPECT_THROW(rt::block_on(std::move(handle)), rt::Cancelled);
  }
  JoinHandle<int> late = pool->spawn(waits(life.token()));
  EXPECT_EQ(life.live(), 0);
  EXPECT_THROW(rt::block_on(std::move(late)), rt::Cancelled);
}

// Bug it is here for: a task is dropped where no driver is entered, or after it has gone.
TEST(IoPoolSystem, TasksAreDroppedInsideTheirRuntime) {
  struct LooksInItsEnd {
    explicit LooksInItsEnd(std::atomic<int>& s) noexcept : seen(&s) {}
    LooksInItsEnd(LooksInItsEnd&& other) noexcept : seen(std::exchange(other.seen, nullptr)) {}
    ~LooksInItsEnd() {
      if (seen == nullptr) return;
      rt::current_driver();
      if (rt::current_scheduler() != nullptr) seen->fetch_add(1);
    }
    std::atomic<int>* seen;
  };
  std::atomic<int> seen{0};
  {
    const std::unique_ptr<IoPool> pool = make_pool();
    for (int i = 0; i < 4; ++i) {
      auto wait = [mine = LooksInItsEnd(seen)](Context&) -> Poll<void> { return kPending; };
      pool->spawn_detached(poll_fn(std::move(wait)));
    }
  }
  EXPECT_EQ(seen.load(), 4);
}

// Bug it is here for: a timer that lives on elsewhere keeps the driver, or uses it.
TEST(IoPoolSystem, ATimerThatOutlivesThePoolIsCancelled) {
  testkit::TestTask task;
  std::optional<rt::Sleep> timer;
  {
    const std::unique_ptr<IoPool> pool = make_pool();
    const rt::EnterDriver inside(pool->driver());
    timer.emplace(rt::sleep(absl::Hours(1)));
    EXPECT_THAT(task.poll(*timer), testkit::IsPending());
    pool->block_on(pool->spawn(answer()));
  }
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_THROW((void)task.poll(*timer), rt::Cancelled);
}

TEST(IoPoolSystem, TooManyWorkersIsAnErrorThatSaysHowManyItMayHave) {
  const absl::Status status = IoPool::create(std::size_t{1} << 40).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()),
            "IoPool: 1099511627776 workers; it may have 32768 at most");
  EXPECT_EQ(make_pool()->block_on(answer()), 42);
}

TEST(IoPoolSystem, NoWorkersIsAnError) {
  const absl::StatusOr<std::unique_ptr<IoPool>> none = IoPool::create(0);
  EXPECT_FALSE(none.ok());
  EXPECT_EQ(make_pool()->block_on(answer()), 42);
}

// Bugs it is here for: it would wait for itself, or be gone while its block_on() goes on.
TEST(IoPoolDeathTest, DestroyedInOneOfItsTasksOrInItsBlockOnEndsTheProgram) {
  constexpr char kMessage[] = "rt::IoPool: destroyed inside one of its own tasks";
  EXPECT_DEATH(
      {
        std::signal(SIGABRT, SIG_DFL);  // The end is what is wanted, and no report of a crash.
        std::unique_ptr<IoPool> pool = make_pool();
        pool->spawn_detached(poll_fn([&pool](Context&) -> Poll<void> {
          pool.reset();
          return kReady;
        }));
        rt::block_on(poll_fn([](Context&) -> Poll<void> { return kPending; }));
      },
      kMessage);
  EXPECT_DEATH(
      {
        std::signal(SIGABRT, SIG_DFL);
        std::unique_ptr<IoPool> pool = make_pool();
        pool->block_on(poll_fn([&pool](Context&) -> Poll<void> {
          pool.reset();
          return kReady;
        }));
      },
      kMessage);
}

}  // namespace
