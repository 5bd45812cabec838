// The public face of the runtime, as a program meets it: a few tests of each part. None of them
// looks at a clock or depends on luck.
#include "rt/rt.h"

#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace {

using rt::Async;

template <rt::Future F>
rt::OutputOf<F> run(F main) {
  auto runtime = rt::Runtime::create(2);
  if (!runtime.ok()) throw std::runtime_error(runtime.status().ToString());
  return (*runtime)->block_on(std::move(main));
}

Async<int> number(int value) { co_return value; }

Async<int> fails() {
  co_await rt::ready(1);
  throw std::runtime_error("as it should");
}

TEST(Runtime, JoinsWhatItHasSpawned) {
  auto main = []() -> Async<int> {
    std::vector<rt::JoinHandle<int>> tasks;
    for (int i = 1; i <= 1000; ++i) tasks.push_back(rt::spawn(number(i)));
    int sum = 0;
    for (auto& task : tasks) sum += co_await std::move(task);
    co_return sum;
  };
  EXPECT_EQ(run(main()), 500'500);
}

TEST(Runtime, HandsAnExceptionToWhoeverJoins) {
  auto main = []() -> Async<std::string> {
    rt::JoinHandle<int> task = rt::spawn(fails());
    try {
      co_await std::move(task);
    } catch (const std::runtime_error& error) {
      co_return error.what();
    }
    co_return "nothing was thrown";
  };
  EXPECT_EQ(run(main()), "as it should");
}

TEST(Runtime, RunsOnTheCallingThreadToo) {
  auto executor = rt::IoExecutor::create();
  ASSERT_TRUE(executor.ok()) << executor.status();
  EXPECT_EQ((*executor)->block_on(number(42)), 42);
}

TEST(Combinators, JoinWaitsForAllAndARaceForTheFirst) {
  auto main = []() -> Async<int> {
    const auto [one, two] = co_await rt::join(number(1), number(2));
    auto first = co_await rt::race(rt::sleep(absl::InfiniteDuration()), number(39));
    co_return one + two + (first.index() == 1 ? std::get<1>(first) : 0);
  };
  EXPECT_EQ(run(main()), 42);
}

TEST(Time, ATimeoutEndsWhatWouldTakeForEver) {
  auto main = []() -> Async<bool> {
    const absl::Status slept =
        co_await rt::timeout(absl::Milliseconds(1), rt::sleep(absl::InfiniteDuration()));
    co_return absl::IsDeadlineExceeded(slept);
  };
  EXPECT_TRUE(run(main()));
}

Async<> produce(rt::mpsc::Sender<int> sender, int count) {
  for (int i = 0; i < count; ++i) {
    const bool was_sent = co_await sender.send(i);
    if (!was_sent) co_return;
  }
}

TEST(Channel, KeepsTheOrderAndEndsWithItsSenders) {
  auto main = []() -> Async<std::vector<int>> {
    auto [sender, receiver] = rt::mpsc::channel<int>(2);
    rt::spawn(produce(std::move(sender), 5)).detach();
    std::vector<int> received;
    while (true) {
      const std::optional<int> value = co_await receiver.recv();
      if (!value.has_value()) co_return received;
      received.push_back(*value);
    }
  };
  EXPECT_EQ(run(main()), (std::vector<int>{0, 1, 2, 3, 4}));
}

Async<> add(rt::Mutex<int>& sum, int times) {
  for (int i = 0; i < times; ++i) {
    auto guard = co_await sum.lock();
    ++*guard;
  }
}

TEST(Mutex, LetsOneTaskAtATimeReachItsValue) {
  rt::Mutex<int> sum(0);
  auto main = [&]() -> Async<int> {
    auto one = rt::spawn(add(sum, 1000));
    auto other = rt::spawn(add(sum, 1000));
    co_await std::move(one);
    co_await std::move(other);
    auto guard = co_await sum.lock();
    co_return *guard;
  };
  EXPECT_EQ(run(main()), 2000);
}

TEST(CancellationToken, EndsWhatWouldWaitForEver) {
  auto main = []() -> Async<bool> {
    const rt::CancellationToken stop;
    const rt::CancellationToken child = stop.child_token();
    stop.cancel();
    const auto slept = co_await child.run_until_cancelled(number(1));
    co_return child.is_cancelled() && !slept.has_value();
  };
  EXPECT_TRUE(run(main()));
}

TEST(SpawnBlocking, ReturnsWhatTheFunctionReturns) {
  auto main = []() -> Async<std::string> {
    co_return co_await rt::spawn_blocking([] { return std::string("from a thread"); });
  };
  EXPECT_EQ(run(main()), "from a thread");
}

TEST(Fs, ReadsWhatItHasWritten) {
  auto main = []() -> Async<std::string> {
    absl::StatusOr<rt::fs::TempFile> temp = co_await rt::fs::TempFile::create();
    if (!temp.ok()) co_return temp.status().ToString();
    const absl::Status written = co_await temp->file().write_at(0, "a draft");
    if (!written.ok()) co_return written.ToString();
    const absl::StatusOr<std::string> text = co_await temp->file().read_at(0, 64);
    co_return text.ok() ? *text : text.status().ToString();
  };
  EXPECT_EQ(run(main()), "a draft");
}

Async<> echo_once(rt::TcpListener& listener) {
  absl::StatusOr<rt::TcpStream> stream = co_await listener.accept();
  if (!stream.ok()) co_return;
  std::array<char, 64> buffer;
  const absl::StatusOr<std::size_t> got = co_await stream->read(absl::MakeSpan(buffer));
  if (!got.ok()) co_return;
  const absl::Status sent = co_await stream->write_all({buffer.data(), *got});
  if (!sent.ok()) co_return;
}

TEST(Tcp, BringsBackWhatWasSent) {
  auto main = []() -> Async<std::string> {
    auto listener = rt::TcpListener::bind(rt::SocketAddress::loopback(0));
    if (!listener.ok()) co_return listener.status().ToString();
    auto server = rt::spawn(echo_once(*listener));
    auto stream = co_await rt::TcpStream::connect(*listener->local_address());
    if (!stream.ok()) co_return stream.status().ToString();
    const absl::Status sent = co_await stream->write_all("hello");
    if (!sent.ok()) co_return sent.ToString();
    std::string answer;
    std::array<char, 64> buffer;
    while (answer.size() < 5) {
      const absl::StatusOr<std::size_t> got = co_await stream->read(absl::MakeSpan(buffer));
      if (!got.ok() || *got == 0) break;
      answer.append(buffer.data(), *got);
    }
    co_await std::move(server);
    co_return answer;
  };
  EXPECT_EQ(run(main()), "hello");
}

}  // namespace
