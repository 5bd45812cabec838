#include <sys/socket.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rt/exercise/poll_server.h"
#include "testkit/sockets.h"
#include "testkit/testkit.h"

namespace {

using testkit::Fd;

// PollServer::run() on a thread of its own, over TCP.
class PollServerSystem : public testing::Test {
 protected:
  // The clients are gone by now. Should one be left, this waits for it.
  void TearDown() override {
    ::shutdown(listener_.get(), SHUT_RD);
    server_.join();
    EXPECT_TRUE(status_.ok()) << status_;
  }

  Fd listener_ = testkit::listen_tcp(SOCK_NONBLOCK);
  absl::Status status_;
  std::thread server_{[this] {
    rt::PollServer server(listener_.get());
    status_ = server.run();
  }};
};

// Bug it is here for: a thread for each connection after all; a connection lost among many.
TEST_F(PollServerSystem, ServesAThousandConnectionsOnOneThread) {
  ASSERT_TRUE(testkit::allow_open_files(2100)) << "ulimit -Hn is below 2100 on this machine";
  Fd first = testkit::connect_to(listener_);
  testkit::send_all(first, "first\n");
  ASSERT_EQ(testkit::receive(first, 6), "first\n");
  const std::ptrdiff_t threads = testkit::threads();

  std::vector<Fd> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(testkit::connect_to(listener_));
    // An answer now and then, so that no more connections wait to be accepted than any kernel
    // holds.
    if (i % 100 == 99) {
      testkit::send_all(clients.back(), "here\n");
      ASSERT_EQ(testkit::receive(clients.back(), 5), "here\n");
    }
  }
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < clients.size(); ++i) {
      testkit::send_all(clients[i], absl::StrCat("client ", i, " round ", round, "\n"));
    }
    for (size_t i = 0; i < clients.size(); ++i) {
      const std::string expected = absl::StrCat("client ", i, " round ", round, "\n");
      ASSERT_EQ(testkit::receive(clients[i], expected.size()), expected);
    }
  }
  EXPECT_EQ(testkit::threads(), threads) << "1,000 connections, and not one thread more";
}

// Bug it is here for: the server waits in a write for a client that does not read.
TEST_F(PollServerSystem, AClientThatDoesNotReadKeepsNobodyWaiting) {
  Fd deaf = testkit::connect_to(listener_);
  Fd client = testkit::connect_to(listener_);
  const std::string line = std::string(1000, 'x') + "\n";
  for (int i = 0; i < 20; ++i) {
    testkit::fill(deaf, line);
    testkit::send_all(client, absl::StrCat("still there ", i, "?\n"));
    const std::string expected = absl::StrCat("still there ", i, "?\n");
    ASSERT_EQ(testkit::receive(client, expected.size()), expected);
  }
}

// Bug it is here for: at a client's half-close its connection is closed, with answers unsent.
TEST_F(PollServerSystem, AnswersEverythingThatCameBeforeTheHalfClose) {
  Fd client = testkit::connect_to(listener_);
  std::string lines;
  while (lines.size() < 1'000'000) absl::StrAppend(&lines, "this is byte ", lines.size(), "\n");
  std::thread sender([&] {
    testkit::send_all(client, lines);
    testkit::end_output(client);
  });
  EXPECT_TRUE(testkit::receive_all(client) == lines) << "bytes were lost or came in another order";
  sender.join();
}

// Bug it is here for: an error on one connection ends the server, or the process.
TEST_F(PollServerSystem, AClientThatResetsItsConnectionHarmsNobody) {
  Fd good = testkit::connect_to(listener_);
  for (int i = 0; i < 10; ++i) {
    Fd bad = testkit::connect_to(listener_);
    testkit::send_all(bad, "hello\nand ");
    const linger reset{.l_onoff = 1, .l_linger = 0};  // close() sends RST
    ::setsockopt(bad.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    bad.close();
  }
  testkit::send_all(good, "still there?\n");
  EXPECT_EQ(testkit::receive(good, 13), "still there?\n");
}

}  // namespace
