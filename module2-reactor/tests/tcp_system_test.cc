// Servers and clients as coroutines on one thread, over TCP, with a reactor in which that thread
// sleeps.
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "io_parts.h"
#include "rt/future/async.h"
#include "rt/future/combinators.h"
#include "rt/future/thread_timer.h"
#include "rt/net/tcp.h"
#include "rt/platform/park.h"
#include "rt/runtime/local_runtime.h"
#include "rt/task/spawn.h"

namespace {

using rt::Async;
using rt::SocketAddress;
using rt::TcpListener;
using rt::TcpStream;
using testkit::Fd;

// Sleeps in a reactor. (2.7 does it with timers, and sparing of interrupts.)
class ReactorPark final : public rt::Park {
 public:
  explicit ReactorPark(rt::Reactor& reactor) : reactor_(reactor) {}
  void park() override { ASSERT_TRUE(reactor_.turn(absl::InfiniteDuration()).ok()); }
  void look() override { ASSERT_TRUE(reactor_.turn(absl::ZeroDuration()).ok()); }
  void unpark() override { reactor_.interrupt(); }

 private:
  rt::Reactor& reactor_;
};

class TcpSystem : public testing::Test, public io_parts::OnAReactor {
 protected:
  TcpListener listener = *TcpListener::bind(SocketAddress::loopback(0));
  SocketAddress where = *listener.local_address();
  ReactorPark park{reactor()};
  rt::LocalRuntime runtime{park};
};

// Reads until the end or an error, and sends all of it back.
Async<absl::Status> echo(TcpStream stream) {
  char buffer[4096];
  for (;;) {
    const absl::StatusOr<std::size_t> count = co_await stream.read(absl::MakeSpan(buffer));
    if (!count.ok()) co_return count.status();
    if (*count == 0) co_return absl::OkStatus();
    const absl::Status written = co_await stream.write_all(absl::string_view(buffer, *count));
    if (!written.ok()) co_return written;
  }
}

Async<void> serve(TcpListener& listener, int clients) {
  std::vector<rt::JoinHandle<absl::Status>> handles;
  for (int i = 0; i < clients; ++i) {
    absl::StatusOr<TcpStream> stream = co_await listener.accept();
    EXPECT_TRUE(stream.ok()) << stream.status().ToString();
    handles.push_back(rt::spawn(echo(*std::move(stream))));
  }
  for (rt::JoinHandle<absl::Status>& handle : handles) {
    const absl::Status status = co_await handle;
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
}

// Reads until it has `size` bytes, or the end.
Async<std::string> receive(TcpStream& stream, std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const absl::StatusOr<std::size_t> count =
        co_await stream.read(absl::MakeSpan(&bytes[got], size - got));
    if (!count.ok() || *count == 0) break;
    got += *count;
  }
  bytes.resize(got);
  co_return bytes;
}

Async<void> talk(SocketAddress where, int name, int messages) {
  absl::StatusOr<TcpStream> stream = co_await TcpStream::connect(where);
  EXPECT_TRUE(stream.ok()) << stream.status().ToString();
  for (int i = 0; i < messages; ++i) {
    const std::string message = absl::StrCat("message ", i, " of client ", name);
    const absl::Status written = co_await stream->write_all(message);
    EXPECT_TRUE(written.ok()) << written.ToString();
    const std::string answer = co_await receive(*stream, message.size());
    EXPECT_EQ(answer, message);
  }
}

TEST_F(TcpSystem, AHundredClientsOnOneThread) {
  std::vector<rt::JoinHandle<void>> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(runtime.spawn(talk(where, i, 10)));
  runtime.block_on(serve(listener, 100));
  runtime.block_on(rt::join_all(std::move(clients)));
}

// Bug it is here for: a read that is answered EAGAIN before each wait.
TEST_F(TcpSystem, AMessageCostsOneReadAndOneWrite) {
  constexpr int kMessages = 100;
  io_parts::Kernel kernel;
  std::vector<rt::JoinHandle<void>> clients;
  clients.push_back(runtime.spawn(talk(where, 0, kMessages)));
  runtime.block_on(serve(listener, 1));
  runtime.block_on(rt::join_all(std::move(clients)));
  // On each side. A message is short, and does not come in parts; a buffer that is filled to its
  // last byte leaves a doubt, so the client may ask once more.
  EXPECT_EQ(kernel.writes, 2 * kMessages);
  EXPECT_LE(kernel.reads, 3 * kMessages + 1) << "A read for each message and side, and the end.";
}

Async<void> send_and_end(TcpStream::WriteHalf half, std::string text) {
  const absl::Status written = co_await half.write_all(text);
  EXPECT_TRUE(written.ok()) << written.ToString();
}

Async<std::string> read_to_end(TcpStream::ReadHalf half) {
  std::string all;
  char buffer[4096];
  for (;;) {
    const absl::StatusOr<std::size_t> count = co_await half.read(absl::MakeSpan(buffer));
    EXPECT_TRUE(count.ok()) << count.status().ToString();
    if (!count.ok() || *count == 0) co_return all;
    all.append(buffer, *count);
  }
}

Async<TcpStream> connected(SocketAddress where) {
  absl::StatusOr<TcpStream> stream = co_await TcpStream::connect(where);
  EXPECT_TRUE(stream.ok()) << stream.status().ToString();
  co_return *std::move(stream);
}

// Bug it is here for: who writes all before he reads waits for ever, once both ways are full.
TEST_F(TcpSystem, TwoTasksOnTheTwoHalves) {
  const std::string text(8 << 20, 'x');  // More than both ways hold.
  rt::JoinHandle<void> server = runtime.spawn(serve(listener, 1));
  auto [reads, writes] = runtime.block_on(connected(where)).split();
  rt::JoinHandle<void> writer = runtime.spawn(send_and_end(std::move(writes), text));
  EXPECT_EQ(runtime.block_on(read_to_end(std::move(reads))).size(), text.size());
  runtime.block_on(std::move(writer));
  runtime.block_on(std::move(server));
}

// Bug it is here for: a peer that resets in the middle of a write, and SIGPIPE ends the process.
TEST_F(TcpSystem, APeerThatResetsInTheMiddleOfAWriteIsAStatus) {
  const Fd plain = testkit::listen_tcp();
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  ::getsockname(plain.get(), reinterpret_cast<sockaddr*>(&storage), &length);
  TcpStream stream = runtime.block_on(connected(SocketAddress::from(storage)));
  Fd peer(::accept(plain.get(), nullptr, nullptr));
  const std::string text(64 << 20, 'x');
  rt::JoinHandle<absl::Status> writer =
      runtime.spawn([](TcpStream to, const std::string& all) -> Async<absl::Status> {
        const absl::Status first = co_await to.write_all(all);
        const absl::Status second = co_await to.write_all("and more");
        EXPECT_FALSE(second.ok());
        co_return first;
      }(std::move(stream), text));
  runtime.run_until_stalled();
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  peer.close();
  const absl::Status status = runtime.block_on(std::move(writer));
  EXPECT_NE(status.message().find("write 127.0.0.1:"), absl::string_view::npos)
      << status.ToString();
}

// Bug it is here for: a connect that loses a race, and goes on.
TEST_F(TcpSystem, AConnectThatTakesTooLongIsCancelled) {
  testkit::PausedClock clock;
  const Fd full(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  SocketAddress nobody = SocketAddress::loopback(0);
  ASSERT_EQ(::bind(full.get(), nobody.data(), nobody.size()), 0);
  ASSERT_EQ(::listen(full.get(), 0), 0);
  nobody = *rt::detail::local_address(full.get());
  const Fd in_the_queue = testkit::connect_to(full);
  io_parts::wait_for_queue(full.get(), 1);
  const std::ptrdiff_t files = testkit::open_files();
  auto limited =
      runtime.spawn(rt::race(TcpStream::connect(nobody), rt::ThreadTimer(absl::Seconds(5))));
  runtime.run_until_stalled();
  clock.advance(absl::Seconds(5));
  EXPECT_EQ(runtime.block_on(std::move(limited)).index(), 1u) << "The time was over first.";
  EXPECT_EQ(testkit::open_files(), files);
}

// Bug it is here for: a server that ends, or burns its thread, at the limit of descriptors.
TEST_F(TcpSystem, AtTheLimitOfDescriptorsClientsWait) {
  constexpr int kClients = 20;
  std::vector<Fd> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    ASSERT_EQ(::connect(clients.back().get(), where.data(), where.size()), 0);
    testkit::send_all(clients.back(), "hello");
    testkit::end_output(clients.back());
  }
  runtime.block_on(serve(listener, 1));  // While there are descriptors.
  io_parts::Kernel kernel;
  kernel.most_accepted = 3;  // (With none left at all, the sanitizers have false alarms.)
  testing::internal::CaptureStderr();
  runtime.block_on(serve(listener, kClients - 1));
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  for (const Fd& client : clients) EXPECT_EQ(testkit::receive_all(client), "hello");
}

}  // namespace
