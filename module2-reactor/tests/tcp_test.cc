#include "rt/net/tcp.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <stdexcept>
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
#include "rt/driver/backoff.h"
#include "rt/driver/io_operation.h"
#include "rt/driver/io_stream.h"
#include "rt/net/socket_address.h"
#include "testkit/sockets.h"
#include "testkit/testkit.h"

namespace {

using io_parts::error_of;
using io_parts::Kernel;
using io_parts::same;
using rt::IoStream;
using rt::SocketAddress;
using rt::TcpListener;
using rt::TcpStream;
using testkit::Fd;
using testkit::PausedClock;
using testkit::step;
using testkit::TestTask;

// TestTask::live() counts the task's own waker too.
constexpr int kOnlyItsOwn = 1;

// A stream, and the other end of its connection. AF_UNIX: what one end does, the other end can see
// when the call returns.
class Stream : public testing::Test, public io_parts::OnAReactor {
 protected:
  Stream() : Stream(testkit::socket_pair(SOCK_NONBLOCK)) {}
  explicit Stream(std::pair<Fd, Fd> ends)
      : fd(ends.first.get()),
        peer(std::move(ends.second)),
        stream(io_parts::source_of(std::move(ends.first), "peer")) {}

  // What a poll came to, in words: "pending", the bytes that were read, or an error's text.
  std::string poll(TestTask& by, IoStream::Read& read) {
    const rt::Poll<absl::StatusOr<std::size_t>> result = by.poll(read);
    if (result.is_pending()) return "pending";
    if (!result.value().ok()) return std::string(result.value().status().message());
    return std::string(buffer, *result.value());
  }
  std::string poll_read(TestTask& by, std::size_t size = sizeof buffer) {
    IoStream::Read read = stream.read(absl::MakeSpan(buffer, size));
    return poll(by, read);
  }
  absl::Span<char> whole() { return absl::MakeSpan(buffer); }

  char buffer[64] = {};
  int fd;
  Fd peer;
  IoStream stream;
};

std::string text_of(const rt::Poll<absl::StatusOr<std::size_t>>& result) {
  if (result.is_pending()) return "pending";
  if (!result.value().ok()) return std::string(result.value().status().message());
  return absl::StrCat(*result.value(), " bytes");
}
std::string text_of(const rt::Poll<absl::Status>& result) {
  return result.is_pending() ? "pending" : std::string(result.value().message());
}

// --- Reading -------------------------------------------------------------------------------------

TEST_F(Stream, ReadsWhatHasCome) {
  testkit::send_all(peer, "hello");
  turn();
  EXPECT_TRUE(same(poll_read(task), "hello"));
}

TEST_F(Stream, WaitsForBytes) {
  IoStream::Read read = stream.read(whole());
  ASSERT_TRUE(same(poll(task, read), "pending"));
  turn();
  EXPECT_EQ(task.wakes(), 0) << "Nothing has come to read.";
  testkit::send_all(peer, "hello");
  turn();
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_TRUE(same(poll(task, read), "hello"));
}

// Bug it is here for: a short read taken for the last. A Unix socket ends a read behind the bytes
// that carry a descriptor, whatever there is to come; and what is there already brings no event.
TEST_F(Stream, WhatLiesBehindAPassedDescriptorIsRead) {
  testkit::send_descriptor(peer, "abc", peer);
  testkit::send_all(peer, "def");
  turn();
  EXPECT_TRUE(same(poll_read(task), "abc"));
  EXPECT_TRUE(same(poll_read(task), "def"))
      << "It lay there before the first read. Nothing new comes, so no event does.";
  EXPECT_TRUE(same(poll_read(task), "pending"));
}

// Bug it is here for: an edge that is lost when a read stops before EAGAIN. The
// peer says nothing after its ten bytes: a new message would bring a new edge.
TEST_F(Stream, AReadThatStopsShortOfTheEndLeavesTheRestReadable) {
  testkit::send_all(peer, "0123456789");
  turn();
  EXPECT_TRUE(same(poll_read(task, 4), "0123"));
  EXPECT_TRUE(same(poll_read(task, 4), "4567"))
      << "The kernel speaks up once. That there is more is known.";
  EXPECT_TRUE(same(poll_read(task, 4), "89"));
  EXPECT_TRUE(same(poll_read(task, 4), "pending"));
}

// Bug it is here for: readiness that nobody takes away: after EAGAIN the loop asks for ever.
TEST_F(Stream, AfterWouldBlockItWaitsForTheNextEvent) {
  Kernel kernel;
  testkit::send_all(peer, "0123");
  turn();
  EXPECT_TRUE(same(poll_read(task, 4), "0123"));
  IoStream::Read read = stream.read(whole());
  ASSERT_TRUE(same(poll(task, read), "pending"));
  EXPECT_EQ(kernel.reads, 2) << "The second one says EAGAIN. Then wait.";
  ASSERT_TRUE(same(poll(task, read), "pending")) << "Polled without a reason.";
  EXPECT_EQ(kernel.reads, 2) << "Nothing has come since.";
  testkit::send_all(peer, "4567");
  turn();
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_TRUE(same(poll(task, read), "4567"));
}

// Bug it is here for: an interrupted call taken for an answer.
TEST_F(Stream, AnInterruptedCallIsMadeAgain) {
  Kernel kernel;
  kernel.read_fails = {EINTR, EINTR};
  kernel.write_fails = {EINTR};
  testkit::send_all(peer, "hello");
  turn();
  EXPECT_TRUE(same(poll_read(task), "hello"));
  IoStream::WriteAll write = stream.write_all("hello");
  EXPECT_TRUE(same(text_of(task.poll(write)), ""));
  EXPECT_TRUE(same(testkit::receive_now(peer), "hello"));
}

// Bug it is here for: readiness taken for a promise.
TEST_F(Stream, ReadinessIsAHint) {
  Kernel kernel;
  kernel.read_fails = {EAGAIN};
  testkit::send_all(peer, "hel");
  turn();
  IoStream::Read read = stream.read(whole());
  ASSERT_TRUE(same(poll(task, read), "pending"))
      << "It was called readable, and says that it would block.";
  testkit::send_all(peer, "lo");
  turn();
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_TRUE(same(poll(task, read), "hello"));
}

// Bug it is here for: clearing what came between the call and the clearing.
TEST_F(Stream, AnEventDuringTheCallIsNotLost) {
  testkit::send_all(peer, "0123");
  turn();
  Kernel kernel;
  kernel.on_read = [&] {
    step(
        "the read finds nothing; and before its answer is looked at, a message and its event come");
    testkit::send_all(peer, "4567");
    turn();
  };
  EXPECT_TRUE(same(poll_read(task), "01234567"))
      << "The event came after the one that the read went by. No other will come.";
}

// --- The end -------------------------------------------------------------------------------------

TEST_F(Stream, AtTheEndItReadsNothingAgainAndAgain) {
  testkit::send_all(peer, "bye");
  testkit::end_output(peer);
  turn();
  EXPECT_TRUE(same(poll_read(task), "bye"));
  EXPECT_TRUE(same(poll_read(task), "")) << "The peer has ended: a read at the end does not wait.";
  EXPECT_TRUE(same(poll_read(task), "")) << "And that stays so.";
}

TEST_F(Stream, TheEndWakesAReader) {
  IoStream::Read read = stream.read(whole());
  ASSERT_TRUE(same(poll(task, read), "pending"));
  peer.close();
  turn();
  EXPECT_EQ(task.wakes(), 1);
  EXPECT_TRUE(same(poll(task, read), ""));
}

TEST_F(Stream, ReadsOnAfterItHasShutDownItsOwnSide) {
  IoStream::Read read = stream.read(whole());
  ASSERT_TRUE(same(poll(task, read), "pending"));
  ASSERT_TRUE(stream.shutdown_write().ok());
  EXPECT_TRUE(same(testkit::comes_next(peer), "the end"));
  turn();
  ASSERT_TRUE(same(poll(task, read), "pending")) << "Only this side has ended.";
  testkit::send_all(peer, "an answer");
  turn();
  EXPECT_TRUE(same(poll(task, read), "an answer"));
}

// A peer that closes with our bytes unread is one that resets.
TEST_F(Stream, AResetIsAStatusThatNamesThePeer) {
  testkit::fill(Fd(::dup(fd)), "unread");
  peer.close();
  turn();
  EXPECT_TRUE(same(poll_read(task), "read peer: Connection reset by peer"));
  IoStream::Write write = stream.write("more");
  EXPECT_TRUE(same(text_of(task.poll(write)), "write peer: Broken pipe"))
      << "A status, and no SIGPIPE.";
}

// Bug it is here for: read(2) with no room answers 0, and that looks like the end.
TEST_F(Stream, AnEmptyBufferAndEmptyDataAreReadyAtOnce) {
  Kernel kernel;
  IoStream::Read read = stream.read({});
  IoStream::Write write = stream.write("");
  IoStream::WriteAll write_all = stream.write_all("");
  EXPECT_TRUE(same(text_of(task.poll(read)), "0 bytes"))
      << "Nothing has come, and nothing is asked for.";
  EXPECT_TRUE(same(text_of(task.poll(write)), "0 bytes"));
  EXPECT_TRUE(same(text_of(task.poll(write_all)), ""));
  EXPECT_EQ(kernel.reads + kernel.writes, 0);
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

// --- Writing -------------------------------------------------------------------------------------

// A stream with the smallest buffer there is.
class NarrowStream : public Stream {
 protected:
  NarrowStream() : Stream(narrow()) {}

  static std::pair<Fd, Fd> narrow() {
    std::pair<Fd, Fd> ends = testkit::socket_pair(SOCK_NONBLOCK);
    const int size = 1;  // The kernel makes it its least.
    ::setsockopt(ends.first.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return ends;
  }

  static std::string long_text() {
    std::string text;
    for (int i = 0; text.size() < 100'000; ++i) absl::StrAppend(&text, i, " ");
    return text;
  }
};

// Bug it is here for: a write that went in part taken for all of it; or begun again at the front.
TEST_F(NarrowStream, WriteAllGoesOnWhereTheLastWriteStopped) {
  const std::string text = long_text();
  IoStream::WriteAll write = stream.write_all(text);
  std::string received;
  turn();
  std::string answer = text_of(task.poll(write));
  for (int rounds = 0; answer == "pending" && rounds < 1000; ++rounds) {
    const int wakes = task.wakes();
    received += testkit::receive_now(peer);
    turn();
    ASSERT_GT(task.wakes(), wakes) << "There is room again, and the writer was not woken.";
    answer = text_of(task.poll(write));
  }
  EXPECT_TRUE(same(answer, ""));
  received += testkit::receive_now(peer);
  EXPECT_EQ(received.size(), text.size());
  EXPECT_TRUE(received == text) << "The right number of bytes, and not the right bytes.";
}

// Bug it is here for: the peer goes in the middle of it (and takes the process along, by SIGPIPE).
TEST_F(NarrowStream, APeerThatGoesInTheMiddleOfAWriteIsAStatus) {
  const std::string text = long_text();
  IoStream::WriteAll write = stream.write_all(text);
  turn();
  ASSERT_TRUE(same(text_of(task.poll(write)), "pending"));
  peer.close();
  turn();
  EXPECT_EQ(task.wakes(), 1);
  const std::string answer = text_of(task.poll(write));
  EXPECT_TRUE(answer == "write peer: Broken pipe" ||
              answer == "write peer: Connection reset by peer")
      << answer;
}

// --- Dropping, and whom it concerns --------------------------------------------------------------

// Bug it is here for: an operation that leaves its waker behind.
TEST_F(Stream, ADroppedReadTakesItsWakerBack) {
  {
    IoStream::Read read = stream.read(whole());
    ASSERT_TRUE(same(poll(task, read), "pending"));
    EXPECT_GT(task.live(), kOnlyItsOwn);
    step("the read is dropped");
  }
  EXPECT_EQ(task.live(), kOnlyItsOwn);
  testkit::send_all(peer, "hello");
  turn();
  EXPECT_EQ(task.wakes(), 0) << "The read was dropped. Its task waits for nothing.";
  EXPECT_TRUE(same(poll_read(task), "hello")) << "A read that was dropped has read nothing.";
}

// Bug it is here for: an operation that ended long ago, and at its end takes back the waker of
// another.
TEST_F(Stream, AReadThatHasEndedForgetsNobody) {
  std::optional<IoStream::Read> ended(stream.read(whole()));
  ASSERT_TRUE(same(poll(task, *ended), "pending"));
  testkit::send_all(peer, "hello");
  turn();
  ASSERT_TRUE(same(poll(task, *ended), "hello"));
  IoStream::Read next = stream.read(whole());
  ASSERT_TRUE(same(poll(task, next), "pending"));
  step("the first read, which has its answer, is dropped");
  ended.reset();
  testkit::send_all(peer, "more");
  turn();
  EXPECT_EQ(task.wakes(), 2) << "Once for each read. The second one still waited.";
}

TEST_F(NarrowStream, ReaderAndWriterAreWokenEachForItsOwn) {
  const std::string text = long_text();
  auto [reads, writes] = std::move(stream).split();
  TestTask reader("reader"), writer("writer");
  IoStream::Read read = reads.read(whole());
  IoStream::WriteAll write = writes.write_all(text);
  turn();
  ASSERT_TRUE(same(poll(reader, read), "pending"));
  ASSERT_TRUE(same(text_of(writer.poll(write)), "pending"));
  std::string received = testkit::receive_now(peer);
  turn();
  EXPECT_EQ(writer.wakes(), 1) << "There is room again.";
  EXPECT_EQ(reader.wakes(), 0) << "Nothing has come.";
  ASSERT_TRUE(same(text_of(writer.poll(write)), "pending"));
  testkit::send_all(peer, "hello");
  turn();
  EXPECT_EQ(reader.wakes(), 1);
  EXPECT_TRUE(same(poll(reader, read), "hello"));
}

TEST_F(Stream, AWriteHalfThatGoesTellsThePeer) {
  auto halves = std::make_optional(std::move(stream).split());
  {
    const IoStream::WriteHalf moved = std::move(halves->second);
    EXPECT_TRUE(same(testkit::comes_next(peer), "nothing yet"));
  }
  EXPECT_TRUE(same(testkit::comes_next(peer), "the end")) << "The half that writes is gone.";
  testkit::send_all(peer, "hello");
  turn();
  IoStream::Read read = halves->first.read(whole());
  EXPECT_TRUE(same(poll(task, read), "hello")) << "The half that reads is not.";
}

// --- The runtime goes ----------------------------------------------------------------------------

// Bug it is here for: a stream that outlives its runtime, and waits for ever.
TEST_F(Stream, WithoutItsRuntimeEveryOperationFails) {
  IoStream::Read read = stream.read(whole());
  ASSERT_TRUE(same(poll(task, read), "pending"));
  testkit::send_all(peer, "hello");
  step("the runtime is shut down");
  reactor().shutdown();
  EXPECT_EQ(task.wakes(), 1);
  Kernel kernel;
  EXPECT_TRUE(same(poll(task, read), "read peer: the runtime is gone"));
  IoStream::WriteAll write = stream.write_all("hello");
  EXPECT_TRUE(same(text_of(task.poll(write)), "write peer: the runtime is gone"));
  EXPECT_EQ(kernel.reads + kernel.writes, 0) << "Nobody would wake it later. So it does not begin.";
}

// Bug it is here for: a runtime that has gone is noticed only where nothing else is known.
TEST_F(Stream, WithoutItsRuntimeAnOperationThatIsReadyFailsToo) {
  testkit::send_all(peer, "hello");
  turn();
  step("the runtime is shut down");
  reactor().shutdown();
  Kernel kernel;
  EXPECT_TRUE(same(poll_read(task), "read peer: the runtime is gone"));
  IoStream::WriteAll write = stream.write_all("hello");
  EXPECT_TRUE(same(text_of(task.poll(write)), "write peer: the runtime is gone"));
  EXPECT_EQ(kernel.reads + kernel.writes, 0);
}

// --- TCP -----------------------------------------------------------------------------------------

// The same over TCP. What one end does, the other may see a moment later.
class OverTcp : public Stream {
 protected:
  OverTcp() : OverTcp(testkit::listen_tcp()) {}

  // Waits until the other end's kernel has what the peer has sent.
  void wait_for_delivery() {
    int unsent = 0;
    do {
      testkit::checked(::ioctl(peer.get(), SIOCOUTQ, &unsent), "ioctl");
    } while (unsent > 0);
  }
  void turn_until_it_reads(absl::string_view expected) {
    IoStream::Read read = tcp.read(whole());
    std::string came = poll(task, read);
    if (came == "pending") {
      turn_until_woken(task, task.wakes() + 1);
      came = poll(task, read);
    }
    EXPECT_TRUE(same(came, expected));
  }

  TcpStream tcp;

 private:
  explicit OverTcp(const Fd& listener) : OverTcp(listener, testkit::connect_to(listener)) {}
  OverTcp(const Fd& listener, Fd client)
      : Stream(testkit::socket_pair(SOCK_NONBLOCK)),
        tcp(*TcpStream::adopt(
            rt::OwnedFd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)),
            SocketAddress::loopback(0))) {
    peer = std::move(client);
  }
};

// Bug it is here for: a read that asks again after it got less than it had room for.
TEST_F(OverTcp, OneReadForEachMessage) {
  Kernel kernel;
  turn();
  for (int n = 1; n <= 3; ++n) {
    IoStream::Read read = tcp.read(whole());
    ASSERT_TRUE(same(poll(task, read), "pending"));
    testkit::send_all(peer, "hello");
    turn_until_woken(task, n);
    ASSERT_TRUE(same(poll(task, read), "hello"));
    ASSERT_EQ(kernel.reads, n)
        << "read(2) gave less than there was room for: there is no more, and "
        << "the next event will say when there is. For " << n << " message(s), " << n
        << " read(s).";
  }
}

// Bug it is here for: the same, without a look at what the event says. TCP ends a read in front of
// urgent data.
TEST_F(OverTcp, WhatLiesBehindUrgentDataIsRead) {
  testkit::send_all(peer, "abc");
  ASSERT_EQ(::send(peer.get(), "!", 1, MSG_OOB), 1);
  testkit::send_all(peer, "def");
  wait_for_delivery();
  turn();
  turn_until_it_reads("abc");
  IoStream::Read read = tcp.read(whole());
  EXPECT_TRUE(same(poll(task, read), "def"))
      << "It lay there before the first read. Nothing new comes, so no event does.";
}

// Bug it is here for: a peer that has gone makes an error of a good-bye. There is nobody to tell,
// and so nothing that has failed.
TEST_F(OverTcp, AShutdownAfterAResetIsOk) {
  const linger zero{1, 0};
  ::setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &zero, sizeof zero);
  peer.close();
  turn_until_it_reads("read 127.0.0.1:0: Connection reset by peer");
  const absl::Status status = tcp.shutdown_write();
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST_F(OverTcp, AShutdownWhenBothSidesHaveEndedIsOk) {
  ASSERT_TRUE(tcp.shutdown_write().ok());
  testkit::end_output(peer);
  turn_until_it_reads("");
  const absl::Status status = tcp.shutdown_write();
  EXPECT_TRUE(status.ok()) << status.ToString();
}

class Tcp : public testing::Test, public io_parts::OnAReactor {
 protected:
  static SocketAddress address_of(const TcpListener& listener) { return *listener.local_address(); }

  void connect_accept_and_talk(const SocketAddress& where) {
    absl::StatusOr<TcpListener> listener = TcpListener::bind(where);
    ASSERT_TRUE(listener.ok()) << listener.status().ToString();
    absl::StatusOr<TcpStream> client = finish(TcpStream::connect(address_of(*listener)));
    ASSERT_TRUE(client.ok()) << client.status().ToString();
    absl::StatusOr<TcpStream> server = finish(listener->accept());
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    EXPECT_TRUE(same(client->peer_address().to_string(), address_of(*listener).to_string()));
    EXPECT_TRUE(same(server->peer_address().to_string(), client->local_address()->to_string()));
    EXPECT_TRUE(server->set_nodelay(true).ok());

    char buffer[16];
    ASSERT_TRUE(finish(client->write_all("ping")).ok());
    EXPECT_EQ(*finish(server->read(absl::MakeSpan(buffer))), 4u);
    ASSERT_TRUE(finish(server->write_all("pong")).ok());
    EXPECT_EQ(*finish(client->read(absl::MakeSpan(buffer))), 4u);
    ASSERT_TRUE(client->shutdown_write().ok());
    EXPECT_EQ(*finish(server->read(absl::MakeSpan(buffer))), 0u);
  }
};

TEST_F(Tcp, ConnectsAcceptsAndTalks) { connect_accept_and_talk(SocketAddress::loopback(0)); }

TEST_F(Tcp, TalksByIPv6) {
  const SocketAddress where = SocketAddress::loopback_v6(0);
  const Fd probe(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(probe.get(), where.data(), where.size()) != 0) {
    GTEST_SKIP() << "This machine has no IPv6.";
  }
  connect_accept_and_talk(where);
}

TEST_F(Tcp, ARefusedConnectSaysWhoRefused) {
  std::optional<TcpListener> listener = *TcpListener::bind(SocketAddress::loopback(0));
  const SocketAddress nobody = address_of(*listener);
  listener.reset();
  EXPECT_TRUE(same(error_of(finish(TcpStream::connect(nobody))),
                   absl::StrCat("connect ", nobody.to_string(), ": Connection refused")));
}

// Bug it is here for: writable taken for connected. What became of the connect is in SO_ERROR.
TEST_F(Tcp, WritableIsNotYetConnected) {
  absl::StatusOr<TcpListener> listener = TcpListener::bind(SocketAddress::loopback(0));
  Kernel kernel;
  kernel.so_error = ETIMEDOUT;
  const SocketAddress where = address_of(*listener);
  EXPECT_TRUE(same(error_of(finish(TcpStream::connect(where))),
                   absl::StrCat("connect ", where.to_string(), ": Connection timed out")));
}

// Bug it is here for: a socket that is registered before it connects. Until then the kernel says
// that it has hung up; if a turn comes in between, that is what is remembered of it.
TEST_F(Tcp, ConnectsFirstAndRegistersThen) {
  absl::StatusOr<TcpListener> listener = TcpListener::bind(SocketAddress::loopback(0));
  Kernel kernel;
  TcpStream::Connect connect = TcpStream::connect(address_of(*listener));
  EXPECT_TRUE(kernel.diary.empty()) << "It does nothing until it is polled.";
  ASSERT_TRUE(finish(std::move(connect)).ok());
  EXPECT_TRUE(same(kernel.diary, "connect register "));
}

// Bug it is here for: connect(2) called again after a signal. It goes on by itself.
TEST_F(Tcp, AnInterruptedConnectGoesOn) {
  absl::StatusOr<TcpListener> listener = TcpListener::bind(SocketAddress::loopback(0));
  Kernel kernel;
  kernel.interrupts_connect = true;
  EXPECT_TRUE(same(error_of(finish(TcpStream::connect(address_of(*listener)))), "no error"));
  EXPECT_TRUE(same(kernel.diary, "connect register "));
}

// Bug it is here for: SO_ERROR is asked of a connect that has failed already, and has nothing to
// say of it; or the socket stays open.
TEST_F(Tcp, AConnectThatFailsAtOnceSaysWhyAndClosesItsSocket) {
  absl::StatusOr<TcpListener> listener = TcpListener::bind(SocketAddress::loopback(0));
  const SocketAddress where = address_of(*listener);
  const std::ptrdiff_t files = testkit::open_files();
  Kernel kernel;
  for (const int error : {ENETUNREACH, EADDRNOTAVAIL}) {
    kernel.connect_fails = {error};
    EXPECT_TRUE(same(error_of(finish(TcpStream::connect(where))),
                     absl::StrCat("connect ", where.to_string(), ": ", std::strerror(error))));
  }
  step("the reactor cannot register it");
  kernel.epoll_add_fails = ENOSPC;
  EXPECT_FALSE(finish(TcpStream::connect(where)).ok());
  EXPECT_EQ(testkit::open_files(), files);
}

// Bug it is here for: a connect that is given up, and leaves its socket or its waker behind.
TEST_F(Tcp, ADroppedConnectIsGivenUp) {
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  SocketAddress where = SocketAddress::loopback(0);
  ASSERT_EQ(::bind(listener.get(), where.data(), where.size()), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  where = *rt::detail::local_address(listener.get());
  const Fd in_the_queue = testkit::connect_to(listener);
  io_parts::wait_for_queue(listener.get(), 1);  // It is full now.
  const std::ptrdiff_t files = testkit::open_files();
  {
    TcpStream::Connect connect = TcpStream::connect(where);
    ASSERT_TRUE(task.poll(connect).is_pending());
    turn();
    ASSERT_TRUE(task.poll(connect).is_pending()) << "Nobody has answered.";
    EXPECT_EQ(testkit::open_files(), files + 1);
    step("the connect is dropped");
  }
  EXPECT_EQ(testkit::open_files(), files);
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

TEST_F(Tcp, AConnectPolledAfterItWasReadyThrows) {
  absl::StatusOr<TcpListener> listener = TcpListener::bind(SocketAddress::loopback(0));
  TcpStream::Connect connect = TcpStream::connect(address_of(*listener));
  while (task.poll(connect).is_pending()) turn_until_woken(task, task.wakes() + 1);
  EXPECT_THROW((void)task.poll(connect), std::logic_error);
}

// --- Accepting -----------------------------------------------------------------------------------

class Listener : public Tcp {
 protected:
  // A client; with it, so many wait in the listener's queue.
  Fd client(unsigned in_the_queue = 1) {
    const SocketAddress where = address_of(listener);
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket.get(), where.data(), where.size()), 0);
    io_parts::wait_for_queue(fd, in_the_queue);
    return socket;
  }

  TcpListener bound() {
    Kernel kernel;
    TcpListener result = *TcpListener::bind(SocketAddress::loopback(0));
    fd = kernel.listener;
    return result;
  }

  int fd = -1;
  TcpListener listener = bound();
};

// Bug it is here for: one accept for each event. Two clients are one event.
TEST_F(Listener, OneEventMayBringSeveralClients) {
  TcpListener::Accept first = listener.accept(), second = listener.accept();
  ASSERT_TRUE(task.poll(first).is_pending());
  const Fd one = client(1), two = client(2);
  turn_until_woken(task);
  EXPECT_TRUE(task.poll(first).is_ready());
  EXPECT_TRUE(task.poll(second).is_ready()) << "It has been waiting all the time.";
  TcpListener::Accept third = listener.accept();
  EXPECT_TRUE(task.poll(third).is_pending());
}

TEST_F(Listener, AcceptedSocketsDoNotBlockAndAreNotInherited) {
  const Fd one = client();
  Kernel kernel;
  const absl::StatusOr<TcpStream> accepted = finish(listener.accept());
  ASSERT_EQ(kernel.accepted.size(), 1u);
  const int socket = *kernel.accepted.begin();
  EXPECT_NE(::fcntl(socket, F_GETFL) & O_NONBLOCK, 0) << "it blocks";
  EXPECT_NE(::fcntl(socket, F_GETFD) & FD_CLOEXEC, 0) << "it is inherited";
}

// Bug it is here for: a client that hangs up in the queue ends the server.
TEST_F(Listener, AClientThatHasHungUpIsPassedOver) {
  Kernel kernel;
  kernel.accept_fails = {ECONNABORTED, EPROTO, EINTR};
  const Fd one = client();
  EXPECT_TRUE(same(error_of(finish(listener.accept())), "no error"));
}

TEST_F(Listener, AnErrorThatStaysIsAStatusThatNamesTheAddress) {
  Kernel kernel;
  kernel.accept_fails = {EINVAL};
  const Fd one = client();
  EXPECT_TRUE(
      same(error_of(finish(listener.accept())),
           absl::StrCat("accept ", address_of(listener).to_string(), ": Invalid argument")));
}

// Bug it is here for: at the limit of descriptors accept fails, or is tried again at once, and
// again: the connection is still there, and no event will come.
TEST_F(Listener, WithoutDescriptorsItPausesAndGoesOn) {
  PausedClock clock;
  Kernel kernel;
  kernel.accept_fails = {EMFILE, ENFILE};
  TcpListener::Accept accept = listener.accept();
  ASSERT_TRUE(task.poll(accept).is_pending());
  const Fd one = client();
  turn_until_woken(task);
  testing::internal::CaptureStderr();
  ASSERT_TRUE(task.poll(accept).is_pending());
  ASSERT_TRUE(task.poll(accept).is_pending()) << "Polled without a reason.";
  EXPECT_EQ(kernel.accepts, 1) << "It pauses before it tries again.";
  for (int tries = 1; tries <= 2; ++tries) {
    clock.advance(rt::Backoff::kPause);
    task.wait_for_wakes(1 + tries);
    ASSERT_EQ(task.poll(accept).is_ready(), tries == 2);
  }
  EXPECT_TRUE(same(testing::internal::GetCapturedStderr(),
                   absl::StrCat("accept ", address_of(listener).to_string(),
                                ": Too many open files; new clients have to wait\n")))
      << "Said once, however often it is tried.";
}

TEST_F(Listener, ADroppedAcceptHasAcceptedNobody) {
  {
    TcpListener::Accept accept = listener.accept();
    ASSERT_TRUE(task.poll(accept).is_pending());
  }
  EXPECT_EQ(task.live(), kOnlyItsOwn);
  const Fd one = client();
  turn();
  EXPECT_EQ(task.wakes(), 0) << "The accept was dropped. Its task waits for nothing.";
  EXPECT_TRUE(same(error_of(finish(listener.accept())), "no error"));
}

TEST_F(Listener, ATakenPortIsAStatusAndHarmsNobody) {
  const SocketAddress where = address_of(listener);
  EXPECT_TRUE(same(error_of(TcpListener::bind(where)),
                   absl::StrCat("bind ", where.to_string(), ": Address already in use")));
  const Fd one = client();
  EXPECT_TRUE(same(error_of(finish(listener.accept())), "no error"));
}

}  // namespace
