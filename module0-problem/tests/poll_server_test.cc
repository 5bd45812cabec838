#include "rt/exercise/poll_server.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "testkit/sockets.h"
#include "testkit/sys_script.h"
#include "testkit/testkit.h"

namespace {

using testkit::Call;
using testkit::Fd;
using testkit::SysRecord;

// A server that is turned by hand, over AF_UNIX sockets: what a client has sent is there when the
// next turn asks, so turn(0), which waits for nothing, sees all there is to see.
class PollServer : public testing::Test {
 protected:
  PollServer() { script_.name(listener_.get(), "listener"); }

  Fd connect() {
    testkit::step("a client connects");
    return testkit::connect_to(listener_);
  }
  // A client that has been accepted. `fd`, if not null, becomes the server's end.
  Fd connect_and_accept(int* fd = nullptr) {
    Fd client = connect();
    const size_t before = accepted().size();
    turn();
    const std::vector<int> now = accepted();
    if (now.size() != before + 1) {
      ADD_FAILURE() << "the turn after a client has connected accepts it";
    } else {
      if (fd != nullptr) *fd = now.back();
      script_.name(now.back(), absl::StrCat("connection ", now.size()));
    }
    return client;
  }
  // What accept4 has returned so far.
  std::vector<int> accepted() const {
    std::vector<int> fds;
    for (const SysRecord& record : script_.records(Call::kAccept)) {
      if (record.result >= 0) fds.push_back(static_cast<int>(record.result));
    }
    return fds;
  }
  void turn() {
    testkit::step("turn(0)");
    const absl::Status status = server_.turn(0);
    EXPECT_TRUE(status.ok()) << status;
  }
  // The next turn sees what a TCP listener shows that was shut down. (One of the AF_UNIX kind that
  // does not block says EAGAIN and no more.)
  void shut_down() {
    script_.on_poll().reports(listener_.get(), POLLIN | POLLHUP);
    script_.on_accept().fails(EINVAL);
  }
  // What the last poll(2) asked about `fd`: "IN", "OUT", "IN OUT", or "" if nothing.
  std::string asked(int fd) const {
    const std::vector<SysRecord> polls = script_.records(Call::kPoll);
    if (polls.empty()) return "";
    for (const pollfd& entry : polls.back().fds) {
      if (entry.fd != fd) continue;
      const bool in = (entry.events & POLLIN) != 0, out = (entry.events & POLLOUT) != 0;
      return in && out ? "IN OUT" : in ? "IN" : out ? "OUT" : "";
    }
    return "";
  }
  // Whether it was in the list at all: then poll(2) reports POLLHUP and POLLERR unasked.
  bool listed(int fd) const {
    const std::vector<SysRecord> polls = script_.records(Call::kPoll);
    return !polls.empty() && std::any_of(polls.back().fds.begin(), polls.back().fds.end(),
                                         [fd](const pollfd& entry) { return entry.fd == fd; });
  }

  Fd listener_ = testkit::listen_unix(SOCK_NONBLOCK);
  testkit::SysScript script_;
  rt::PollServer server_{listener_.get()};
};

// Bug it is here for: nothing; this is the plain case.
TEST_F(PollServer, AnswersAClient) {
  const Fd client = connect_and_accept();
  EXPECT_EQ(server_.connections(), 1u);
  testkit::send_all(client, "hello\n");
  turn();
  EXPECT_EQ(testkit::receive_now(client), "hello\n");
}

// Bug it is here for: one accept per turn, so that a burst of clients waits turn after turn.
TEST_F(PollServer, AcceptsAllWhoWait) {
  std::vector<Fd> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(connect());
  turn();
  EXPECT_EQ(server_.connections(), 5u);
}

// Bug it is here for: an accepted connection that blocks: one silent client stops the only thread.
TEST_F(PollServer, AcceptedConnectionsDoNotBlock) {
  int fd = -1;
  const Fd client = connect_and_accept(&fd);
  EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0) << "accept4 takes SOCK_NONBLOCK";
}

// Bug it is here for: a loop at 100 % CPU that asks without waiting, or a second wait in a turn.
TEST_F(PollServer, ATurnAsksOnceAndWaitsAsLongAsItWasTold) {
  const Fd client = connect();
  for (const int timeout_ms : {-1, 0}) {
    ASSERT_TRUE(server_.turn(timeout_ms).ok());
    EXPECT_EQ(script_.records(Call::kPoll).back().argument, timeout_ms);
  }
  EXPECT_EQ(script_.count(Call::kPoll), 2u);
}

// Bug it is here for: POLLOUT asked for always: a socket with room reports it, and the loop spins.
TEST_F(PollServer, AsksOnlyForWhatAConnectionWants) {
  int idle = -1, busy = -1;
  const Fd idle_client = connect_and_accept(&idle);
  const Fd busy_client = connect_and_accept(&busy);
  testkit::send_all(busy_client, "hello\n");
  script_.on_write(busy).at_most(2).fails(EAGAIN);
  turn();
  turn();
  EXPECT_EQ(asked(idle), "IN");
  EXPECT_EQ(asked(busy), "OUT") << "half an answer is waiting to be written";
  EXPECT_EQ(testkit::receive_now(busy_client), "hello\n");
  turn();
  EXPECT_EQ(asked(busy), "IN") << "the answer was written in the turn before";
}

// Bug it is here for: every connection tried on every turn, ready or not: N reads for one line.
TEST_F(PollServer, ResumesOnlyWhoIsReady) {
  std::vector<Fd> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(connect());
  turn();
  testkit::send_all(clients[7], "hello\n");
  const size_t reads = script_.count(Call::kRead);
  turn();
  EXPECT_EQ(testkit::receive_now(clients[7]), "hello\n");
  EXPECT_LE(script_.count(Call::kRead), reads + 2) << "nine others had nothing to read";
}

// Bug it is here for: `revents & POLLIN`: a connection that only hung up stays for ever, and
// poll(2) returns at once from now on.
TEST_F(PollServer, AHangUpOrAnErrorAloneIsAReasonToResume) {
  for (const short event : {short{POLLHUP}, short{POLLERR}}) {
    int fd = -1;
    Fd client = connect_and_accept(&fd);
    client.close();
    script_.on_poll().reports(fd, event);
    turn();
    EXPECT_EQ(server_.connections(), 0u) << "poll said " << (event == POLLHUP ? "HUP" : "ERR");
  }
}

// Bug it is here for: a connection forgotten without close(2): the process runs out of descriptors.
TEST_F(PollServer, ClosesAConnectionThatIsDone) {
  int fd = -1;
  const Fd client = connect_and_accept(&fd);
  testkit::send_all(client, "last words");
  testkit::end_output(client);
  for (int i = 0; i < 3; ++i) turn();
  EXPECT_EQ(testkit::receive_now(client), "last words");
  EXPECT_EQ(testkit::comes_next(client), "the end");
  EXPECT_EQ(script_.count(Call::kClose, fd), 1u);
  EXPECT_EQ(server_.connections(), 0u);
}

// Bug it is here for: erased while the loop goes on: the next one is skipped, or gets the answer
// that poll(2) gave about another.
TEST_F(PollServer, ClosingSomeHarmsNoNeighbours) {
  std::vector<Fd> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(connect());
  turn();
  for (const size_t gone : {0u, 1u, 3u, 5u}) clients[gone].close();
  testkit::send_all(clients[2], "two\n");
  turn();
  EXPECT_EQ(testkit::receive_now(clients[2]), "two\n") << "it was ready, in the same turn";
  EXPECT_EQ(server_.connections(), 2u) << "four had hung up";
  testkit::send_all(clients[4], "four\n");
  turn();
  EXPECT_EQ(testkit::receive_now(clients[4]), "four\n");
  EXPECT_EQ(server_.connections(), 2u);
}

// Bug it is here for: clients accepted in the middle of a turn, before the loop over the answers.
TEST_F(PollServer, AcceptsAndAnswersAndClosesInOneTurn) {
  Fd leaver = connect_and_accept();
  const Fd stayer = connect_and_accept();
  std::vector<Fd> newcomers;
  for (int i = 0; i < 3; ++i) newcomers.push_back(connect());
  leaver.close();
  testkit::send_all(stayer, "hello\n");
  turn();
  EXPECT_EQ(testkit::receive_now(stayer), "hello\n");
  EXPECT_EQ(server_.connections(), 4u);
  for (const Fd& client : newcomers) testkit::send_all(client, "new\n");
  turn();
  for (const Fd& client : newcomers) EXPECT_EQ(testkit::receive_now(client), "new\n");
}

// Bug it is here for: a connection resumed until it has nothing more; its peer never pauses.
TEST_F(PollServer, AGreedyClientDoesNotStarveTheOthers) {
  int greedy = -1;
  const Fd greedy_client = connect_and_accept(&greedy);
  const Fd modest_client = connect_and_accept();
  script_.on_read(greedy).gives("more\n").forever();
  script_.limit(1000);
  for (int round = 0; round < 3; ++round) {
    testkit::send_all(greedy_client, "x");  // so that poll(2) says ready
    testkit::send_all(modest_client, "hello\n");
    const size_t reads = script_.count(Call::kRead, greedy);
    turn();
    EXPECT_EQ(testkit::receive_now(modest_client), "hello\n");
    EXPECT_LE(script_.count(Call::kRead, greedy), reads + 1) << "one resume() in one turn";
    testkit::receive_now(greedy_client);
  }
}

// Bug it is here for: a turn without news taken for an error; or readiness believed.
TEST_F(PollServer, ASpuriousReadinessDoesNoHarm) {
  int fd = -1;
  const Fd client = connect_and_accept(&fd);
  script_.on_poll().reports(listener_.get(), POLLIN).reports(fd, POLLIN);
  turn();
  turn();
  turn();
  EXPECT_EQ(server_.connections(), 1u);
  testkit::send_all(client, "hello\n");
  turn();
  EXPECT_EQ(testkit::receive_now(client), "hello\n");
}

// Bug it is here for: a signal ends the server; or the old answers are looked at once more.
TEST_F(PollServer, APollInterruptedByASignalIsAnEmptyTurn) {
  const Fd client = connect_and_accept();
  testkit::send_all(client, "hello\n");
  script_.on_poll().fails(EINTR);
  turn();
  EXPECT_EQ(server_.connections(), 1u);
  turn();
  EXPECT_EQ(testkit::receive_now(client), "hello\n");
}

// Bug it is here for: any failure of poll(2) made again, for ever; or swallowed, while somebody is
// connected.
TEST_F(PollServer, ReturnsTheErrorOfPoll) {
  const Fd client = connect_and_accept();
  for (const int error : {ENOMEM, EAGAIN}) {
    script_.on_poll().fails(error);
    const absl::Status status = server_.turn(0);
    EXPECT_EQ(status.code(), absl::ErrnoToStatusCode(error)) << status;
  }
}

// Bug it is here for: the accept loop left at a signal, or at a client that has gone already.
TEST_F(PollServer, AcceptsOnAfterASignalAndAfterAClientThatHasGone) {
  const Fd first = connect();
  const Fd second = connect();
  script_.on_accept().fails(EINTR).passes().fails(ECONNABORTED);
  turn();
  EXPECT_EQ(server_.connections(), 2u);
}

// Bug it is here for: out of descriptors, the listener stays ready: a loop at 100 % CPU; or the
// server gives up, with a hundred clients connected.
TEST_F(PollServer, OutOfDescriptorsItWaitsForAConnectionToClose) {
  for (const int error : {EMFILE, ENFILE}) {
    Fd client = connect_and_accept();
    const Fd waiting = connect();
    script_.on_accept().fails(error);
    turn();
    EXPECT_EQ(server_.connections(), 1u);

    testkit::send_all(client, "hello\n");
    turn();
    EXPECT_EQ(asked(listener_.get()), "")
        << "it would be ready again, and accept4 would fail again";
    EXPECT_EQ(testkit::receive_now(client), "hello\n");

    client.close();
    for (int i = 0; i < 3; ++i) turn();
    EXPECT_EQ(asked(listener_.get()), "IN") << "a descriptor is free again";
    EXPECT_EQ(server_.connections(), 1u);
    testkit::send_all(waiting, "at last\n");
    turn();
    EXPECT_EQ(testkit::receive_now(waiting), "at last\n");
    testkit::end_output(waiting);
    for (int i = 0; i < 3; ++i) turn();
  }
}

// Bug it is here for: the same with nobody connected: it waits for ever for nobody to leave.
TEST_F(PollServer, OutOfDescriptorsWithNobodyConnectedIsAnError) {
  const Fd client = connect();
  script_.on_accept().fails(EMFILE);
  const absl::Status status = server_.turn(0);
  EXPECT_EQ(status.code(), absl::ErrnoToStatusCode(EMFILE)) << status;
}

// Bug it is here for: an unknown failure of accept4(2) swallowed.
TEST_F(PollServer, ReturnsTheErrorOfAccept) {
  const Fd client = connect();
  for (const int error : {EPERM, ENOMEM}) {
    script_.on_accept().fails(error);
    const absl::Status status = server_.turn(0);
    EXPECT_EQ(status.code(), absl::ErrnoToStatusCode(error)) << status;
  }
}

// Bug it is here for: the same, swallowed because somebody is connected and has to be served.
TEST_F(PollServer, ReturnsTheErrorOfAcceptAlsoWhileSomebodyIsConnected) {
  const Fd client = connect_and_accept();
  const Fd another = connect();
  const Fd unlucky = connect();
  script_.on_accept().passes().fails(EPERM);
  const absl::Status status = server_.turn(0);
  EXPECT_EQ(status.code(), absl::ErrnoToStatusCode(EPERM)) << status;
  EXPECT_EQ(server_.connections(), 2u);
}

// Bug it is here for: a listener that was shut down reports POLLHUP unasked, on every turn.
TEST_F(PollServer, AListenerThatWasShutDownIsNotAskedAboutAgain) {
  const Fd client = connect_and_accept();
  shut_down();
  turn();
  EXPECT_FALSE(server_.accepting());
  testkit::send_all(client, "hello\n");
  turn();
  EXPECT_FALSE(listed(listener_.get()));
  EXPECT_EQ(testkit::receive_now(client), "hello\n") << "who is connected is served to the end";
}

// Bug it is here for: a server that ends with its listener, or not with its last connection.
TEST_F(PollServer, RunsUntilTheLastConnectionHasEnded) {
  const Fd first = connect_and_accept();
  const Fd second = connect_and_accept();
  shut_down();
  for (const Fd* client : {&first, &second}) {
    testkit::send_all(*client, "one\ntwo\nthree");
    testkit::end_output(*client);
  }
  EXPECT_TRUE(server_.run().ok());
  EXPECT_EQ(testkit::receive_now(first), "one\ntwo\nthree");
  EXPECT_EQ(testkit::receive_now(second), "one\ntwo\nthree");
}

}  // namespace
