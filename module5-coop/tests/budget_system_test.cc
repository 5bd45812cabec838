// Every leaf future of modules 1 to 4 asks for its unit of the budget. Here they are, one by one. A
// leaf waits for something that is not a future; a future that is made of others, such as a
// timeout, has no part in it. (1.1's Countdown waits for nothing but its polls. yield_now() and
// Backoff give way in any case.)
#include <signal.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "budget_parts.h"
#include "rt/future/async.h"
#include "rt/future/budget.h"
#include "rt/future/future.h"
#include "rt/future/manual_event.h"
#include "rt/future/thread_timer.h"
#include "rt/future/yield_now.h"
#include "rt/net/socket_address.h"
#include "rt/net/tcp.h"
#include "rt/net/udp.h"
#include "rt/net/unix_stream.h"
#include "rt/process/child.h"
#include "rt/process/signal.h"
#include "rt/runtime/io_executor.h"
#include "rt/runtime/io_pool.h"
#include "rt/runtime/local_runtime.h"
#include "rt/runtime/runtime.h"
#include "rt/sync/mpsc.h"
#include "rt/sync/mutex.h"
#include "rt/sync/notify.h"
#include "rt/sync/oneshot.h"
#include "rt/sync/semaphore.h"
#include "rt/time/sleep.h"
#include "testkit/sockets.h"
#include "testkit/testkit.h"

namespace {

namespace coop = rt::coop;
using budget_parts::left;
using rt::Context;
using rt::Poll;
using testkit::PausedClock;

constexpr int kBudget = 128;

// Polls the leaf with nothing left first: what does it say? Then as it is.
template <rt::Future F>
class WithNothingLeft {
 public:
  using Output = rt::OutputOf<F>;
  WithNothingLeft(F leaf, bool& was_refused) noexcept
      : leaf_(std::move(leaf)), was_refused_(&was_refused) {}
  Poll<Output> poll(Context& cx) {
    if (has_tried_) return leaf_.poll(cx);
    has_tried_ = true;
    const coop::BudgetScope poll;
    for (int i = 0; i < kBudget; ++i) EXPECT_TRUE(coop::Unit().was_there());
    Poll<Output> said = leaf_.poll(cx);
    *was_refused_ = said.is_pending();
    return said;
  }

 private:
  F leaf_;
  bool* was_refused_;
  bool has_tried_ = false;
};

// Two leaves of a kind that have something to give, or will have: the first costs a unit; the
// second is refused in a poll with nothing left, and wakes its task: else this never ends.
template <class Leaf>
rt::Async<> asks(std::string name, Leaf one, Leaf two) {
  // After this the poll is a new one. If the leaf has to wait, so is the one in which it answers.
  co_await rt::yield_now();
  (void)co_await std::move(one);
  EXPECT_EQ(left(), kBudget - 1) << name << " has cost no unit.";
  bool was_refused = false;
  (void)co_await WithNothingLeft<Leaf>(std::move(two), was_refused);
  EXPECT_TRUE(was_refused) << name << " has answered in a poll whose budget was spent.";
}

template <class T>
T need(absl::StatusOr<T> made) {
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

// --- Of module 1 ---------------------------------------------------------------------------------

rt::Async<> join_handles() {
  rt::JoinHandle<int> one = rt::spawn(rt::ready(1)), two = rt::spawn(rt::ready(2));
  co_await rt::yield_now();  // Both have ended, if there is one worker.
  co_await asks("JoinHandle", std::move(one), std::move(two));
}

rt::Async<> events() {
  rt::ManualEvent event;
  event.set();
  co_await asks("ManualEvent", event.wait(), event.wait());
}

TEST(EveryLeafAsks, ManualEvent) { rt::LocalRuntime().block_on(events()); }

TEST(EveryLeafAsks, ThreadTimer) {
  rt::LocalRuntime().block_on(asks("ThreadTimer", rt::ThreadTimer(absl::ZeroDuration()),
                                   rt::ThreadTimer(absl::ZeroDuration())));
}

TEST(EveryLeafAsks, JoinHandleOfALocalRuntime) { rt::LocalRuntime().block_on(join_handles()); }

// --- Of module 2 ---------------------------------------------------------------------------------

// On one worker of the newest runtime.
template <class Future>
void run(Future future) {
  std::unique_ptr<rt::Runtime> runtime = need(rt::Runtime::create(1));
  runtime->block_on(runtime->spawn(std::move(future)));
}

rt::Async<> timers() {
  co_await asks("sleep", rt::sleep(absl::ZeroDuration()), rt::sleep(absl::ZeroDuration()));
  rt::Interval first = rt::interval(absl::Seconds(1)), second = rt::interval(absl::Seconds(1));
  co_await asks("Interval::tick", first.tick(), second.tick());
  rt::Sleep one = rt::sleep(absl::Seconds(1)), two = rt::sleep(absl::Seconds(1));
  co_await asks("a sleep that has to wait", std::move(one), std::move(two));
}

TEST(EveryLeafAsks, Timers) {
  const PausedClock clock;
  rt::clock::set_auto_advance(true);
  run(timers());
}

// Each has written two bytes that nobody has read.
template <class Stream>
rt::Async<> streams(Stream& one, Stream& other) {
  std::array<char, 1> byte;
  co_await asks("write", one.write("x"), one.write("x"));
  co_await asks("write_all", one.write_all("x"), one.write_all("x"));
  co_await asks("read", other.read(absl::MakeSpan(byte)), other.read(absl::MakeSpan(byte)));
}

rt::Async<> tcp() {
  rt::TcpListener listener = need(rt::TcpListener::bind(rt::SocketAddress::loopback(0)));
  const rt::SocketAddress address = need(listener.local_address());
  co_await asks("connect", rt::TcpStream::connect(address), rt::TcpStream::connect(address));
  co_await asks("accept", listener.accept(), listener.accept());
  absl::StatusOr<rt::TcpStream> one = co_await rt::TcpStream::connect(address);
  absl::StatusOr<rt::TcpStream> other = co_await listener.accept();
  EXPECT_TRUE(one.ok() && other.ok());
  co_await streams(*one, *other);
}

TEST(EveryLeafAsks, Tcp) { run(tcp()); }

rt::Async<> udp() {
  rt::UdpSocket one = need(rt::UdpSocket::bind(rt::SocketAddress::loopback(0)));
  rt::UdpSocket other = need(rt::UdpSocket::bind(rt::SocketAddress::loopback(0)));
  const rt::SocketAddress to = other.local_address();
  std::array<char, 1> byte;
  co_await asks("send_to", one.send_to("x", to), one.send_to("x", to));
  co_await asks("receive_from", other.receive_from(absl::MakeSpan(byte)),
                other.receive_from(absl::MakeSpan(byte)));
}

TEST(EveryLeafAsks, Udp) { run(udp()); }

rt::Async<> unix_streams() {
  auto [one, other] = need(rt::UnixStream::pair());
  co_await streams(one, other);
}

TEST(EveryLeafAsks, UnixStream) { run(unix_streams()); }

rt::Async<> children() {
  rt::Child one = need(rt::Child::spawn({"true"})), other = need(rt::Child::spawn({"true"}));
  co_await asks("Child::wait", one.wait(), other.wait());
}

TEST(EveryLeafAsks, Child) { run(children()); }

rt::Async<> signals() {
  rt::Signals one = need(rt::Signals::listen({SIGUSR1}));
  rt::Signals other = need(rt::Signals::listen({SIGUSR1}));
  ::raise(SIGUSR1);
  co_await asks("Signals::next", one.next(), other.next());
}

TEST(EveryLeafAsks, Signals) { run(signals()); }

// --- Of module 3 ---------------------------------------------------------------------------------

rt::Async<> permits() {
  rt::Semaphore semaphore(2);
  co_await asks("Semaphore::acquire", semaphore.acquire(), semaphore.acquire());
  rt::Mutex<int> one(1), other(2);
  co_await asks("Mutex::lock", one.lock(), other.lock());
}

TEST(EveryLeafAsks, SemaphoreAndMutex) { run(permits()); }

rt::Async<> notified() {
  rt::Notify one, other;
  one.notify_one();
  other.notify_one();
  co_await asks("Notify::notified", one.notified(), other.notified());
}

TEST(EveryLeafAsks, Notify) { run(notified()); }

rt::Async<> oneshots() {
  auto one = rt::oneshot::channel<int>(), other = rt::oneshot::channel<int>();
  std::move(one.first).send(1);
  std::move(other.first).send(2);
  co_await asks("oneshot::Receiver", std::move(one.second), std::move(other.second));
  auto alone = rt::oneshot::channel<int>(), alone_too = rt::oneshot::channel<int>();
  { const auto dropped = std::move(alone.second), dropped_too = std::move(alone_too.second); }
  co_await asks("oneshot::Sender::closed", alone.first.closed(), alone_too.first.closed());
}

TEST(EveryLeafAsks, Oneshot) { run(oneshots()); }

rt::Async<> messages() {
  auto [sender, receiver] = rt::mpsc::channel<int>(8);
  co_await asks("mpsc::Sender::send", sender.send(1), sender.send(2));
  co_await asks("mpsc::Receiver::recv", receiver.recv(), receiver.recv());
}

TEST(EveryLeafAsks, Mpsc) { run(messages()); }

TEST(EveryLeafAsks, JoinHandleOfAPool) {
  std::unique_ptr<rt::IoPool> pool = need(rt::IoPool::create(1));
  pool->block_on(pool->spawn(join_handles()));
}

TEST(EveryLeafAsks, JoinHandleOfARuntime) { run(join_handles()); }

// --- What the budget is for ----------------------------------------------------------------------

// Never has to wait, until it is told to stop.
rt::Async<> greedy(const bool& stop) {
  rt::ManualEvent event;
  event.set();
  while (!stop) co_await event.wait();
}

template <class Runtime>
void a_greedy_task_lets_a_socket_be_served(Runtime& runtime) {
  bool stop = false;
  rt::JoinHandle<void> hog = runtime.spawn(greedy(stop));
  const auto serve = [&stop]() -> rt::Async<> {
    auto [one, other] = need(rt::UnixStream::pair());
    std::array<char, 1> byte;
    for (int i = 0; i < 3; ++i) {
      auto reading = rt::spawn([](rt::UnixStream stream, absl::Span<char> to) -> rt::Async<> {
        absl::StatusOr<std::size_t> got = co_await stream.read(to);
        EXPECT_TRUE(got.ok());
      }(std::move(other), absl::MakeSpan(byte)));
      absl::Status sent = co_await one.write_all("x");
      EXPECT_TRUE(sent.ok());
      co_await reading;
      auto next = need(rt::UnixStream::pair());
      one = std::move(next.first);
      other = std::move(next.second);
    }
    stop = true;
  };
  runtime.block_on(runtime.spawn(serve()));
  runtime.block_on(std::move(hog));
}

TEST(AGreedyTask, LetsSocketsBeServedByAnIoExecutor) {
  const std::unique_ptr<rt::IoExecutor> executor = need(rt::IoExecutor::create());
  a_greedy_task_lets_a_socket_be_served(*executor);
}

TEST(AGreedyTask, LetsSocketsBeServedByAPoolOfOneWorker) {
  const std::unique_ptr<rt::IoPool> pool = need(rt::IoPool::create(1));
  a_greedy_task_lets_a_socket_be_served(*pool);
}

TEST(AGreedyTask, LetsSocketsBeServedByARuntimeOfOneWorker) {
  const std::unique_ptr<rt::Runtime> runtime = need(rt::Runtime::create(1));
  a_greedy_task_lets_a_socket_be_served(*runtime);
}

TEST(AGreedyTask, EndsWhenItsTimeIsUp) {
  // The limit is looked at also by a task that has spent its budget in what is limited.
  const PausedClock clock;
  const auto forever = []() -> rt::Async<> {
    rt::ManualEvent event;
    event.set();
    for (;;) {
      co_await event.wait();
      rt::clock::advance(absl::Milliseconds(1));
    }
  };
  const auto limited = [&]() -> rt::Async<absl::Status> {
    co_return co_await rt::timeout(absl::Seconds(1), forever());
  };
  const std::unique_ptr<rt::Runtime> runtime = need(rt::Runtime::create(1));
  const absl::Status ended = runtime->block_on(runtime->spawn(limited()));
  EXPECT_EQ(ended.code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
