#include <sys/socket.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rt/exercise/blocking_echo.h"
#include "testkit/sockets.h"
#include "testkit/testkit.h"

namespace {

using testkit::Fd;

// serve_blocking() on a thread of its own, over TCP.
class BlockingEchoSystem : public testing::Test {
 protected:
  // The clients are gone by now. Should one be left, this waits for it.
  void TearDown() override {
    ::shutdown(listener_.get(), SHUT_RD);
    server_.join();
    EXPECT_TRUE(status_.ok()) << status_;
  }

  Fd listener_ = testkit::listen_tcp();
  absl::Status status_;
  std::thread server_{[this] { status_ = rt::serve_blocking(listener_.get()); }};
};

// Bug it is here for: the connection served by the thread that accepts: a silent client stops all.
TEST_F(BlockingEchoSystem, AnswersOneClientWhileAnotherIsSilent) {
  Fd silent = testkit::connect_to(listener_);
  Fd client = testkit::connect_to(listener_);
  testkit::send_all(client, "anybody there?");
  EXPECT_EQ(testkit::receive(client, 14), "anybody there?");
}

// Bug it is here for: at the peer's half-close the server closes at once, with answers unsent.
TEST_F(BlockingEchoSystem, AnswersEverythingThatCameBeforeTheHalfClose) {
  Fd client = testkit::connect_to(listener_);
  std::string bytes;
  while (bytes.size() < 2'000'000) absl::StrAppend(&bytes, bytes.size(), " ");
  std::thread sender([&] {
    testkit::send_all(client, bytes);
    testkit::end_output(client);
  });
  EXPECT_TRUE(testkit::receive_all(client) == bytes) << "bytes were lost or came in another order";
  sender.join();
}

// Bug it is here for: an error on one connection ends the server, or the process.
TEST_F(BlockingEchoSystem, AClientThatResetsItsConnectionHarmsNobody) {
  Fd good = testkit::connect_to(listener_);
  for (int i = 0; i < 10; ++i) {
    Fd bad = testkit::connect_to(listener_);
    testkit::send_all(bad, "hello");
    const linger reset{.l_onoff = 1, .l_linger = 0};  // close() sends RST
    ::setsockopt(bad.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    bad.close();
  }
  testkit::send_all(good, "still there?");
  EXPECT_EQ(testkit::receive(good, 12), "still there?");
}

// Bug it is here for: state shared between connections (a static buffer), so that answers mix.
TEST_F(BlockingEchoSystem, FiftyClientsAtOnceGetTheirOwnAnswers) {
  std::vector<Fd> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(testkit::connect_to(listener_));
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < clients.size(); ++i) {
      testkit::send_all(clients[i], absl::StrCat("client ", i, " round ", round));
    }
    for (size_t i = 0; i < clients.size(); ++i) {
      const std::string expected = absl::StrCat("client ", i, " round ", round);
      ASSERT_EQ(testkit::receive(clients[i], expected.size()), expected);
    }
  }
}

}  // namespace
