// Over TCP itself: connections, and who accepts them.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "io_parts.h"
#include "rt/driver/backoff.h"
#include "rt/driver/io_operation.h"
#include "rt/driver/io_stream.h"
#include "rt/net/socket_address.h"
#include "rt/net/tcp.h"
#include "tcp_parts.h"
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
using tcp_parts::kOnlyItsOwn;
using tcp_parts::Stream;
using testkit::Fd;
using testkit::PausedClock;
using testkit::step;

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
