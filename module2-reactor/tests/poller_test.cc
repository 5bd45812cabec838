#include "rt/driver/poller.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "testkit/sockets.h"
#include "testkit/sys_script.h"
#include "testkit/testkit.h"

namespace {

using absl::InfiniteDuration;
using absl::Milliseconds;
using absl::Nanoseconds;
using absl::ZeroDuration;
using rt::Event;
using rt::Readiness;
using rt::Token;
using testkit::Call;
using testkit::Fd;
using testkit::SysRecord;

static_assert(std::is_nothrow_move_constructible_v<rt::Poller>);
static_assert(!std::is_copy_constructible_v<rt::Poller>);

testing::AssertionResult is_ok(const absl::Status& status) {
  return status.ok() ? testing::AssertionSuccess() : testing::AssertionFailure() << status;
}

testing::AssertionResult has(absl::string_view text, absl::string_view part) {
  if (absl::StrContains(text, part)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << part << "\" is not in \"" << text << "\"";
}

// A poller, and one end of a connection that is registered with it as 7/1 and has been reported
// once: there is room to write.
class Poller : public testing::Test {
 protected:
  Poller() : poller_(create()) {
    script_.name(fd_.get(), "connection");
    EXPECT_TRUE(is_ok(poller_.add(fd_.get(), Token(7, 1))));
    EXPECT_STREQ(wait(), "7/1: writable");
  }

  static rt::Poller create() {
    absl::StatusOr<rt::Poller> poller = rt::Poller::create();
    EXPECT_TRUE(is_ok(poller.status()));
    return *std::move(poller);
  }

  // What wait() returns, in words: "7/1: readable|writable, 8/1: error".
  const char* wait(absl::Duration timeout = ZeroDuration()) {
    const absl::StatusOr<absl::Span<const Event>> events = poller_.wait(timeout);
    text_.clear();
    if (!events.ok()) {
      text_ = events.status().ToString();
    } else {
      for (const Event& event : *events) {
        absl::StrAppend(&text_, text_.empty() ? "" : ", ", event.token.index, "/",
                        event.token.generation, ": ", event.readiness.to_string());
      }
    }
    return text_.c_str();
  }

  // How many events the kernel had for the last wait(), the poller's own among them.
  long reported() const { return script_.records(Call::kEpollWait).back().result; }

  testkit::SysScript script_;
  rt::Poller poller_;
  std::pair<Fd, Fd> pair_ = testkit::socket_pair(SOCK_NONBLOCK);
  Fd& fd_ = pair_.first;
  Fd& peer_ = pair_.second;
  std::string text_;  // What the last wait() returned.
};

struct Pipe {
  Pipe() {
    int fds[2];
    testkit::checked(::pipe2(fds, O_CLOEXEC | O_NONBLOCK), "pipe2");
    out = Fd(fds[0]);
    in = Fd(fds[1]);
  }
  Fd out, in;
};

// --- What is reported ----------------------------------------------------------------------------

TEST_F(Poller, ReportsBytesThatHaveCome) {
  EXPECT_STREQ(wait(), "") << "nothing has happened since";
  testkit::send_all(peer_, "hello");
  EXPECT_STREQ(wait(InfiniteDuration()), "7/1: readable|writable");
}

// Bug it is here for: registered for one direction only.
TEST_F(Poller, ReportsRoomThatHasCome) {
  testkit::fill(fd_, std::string(4096, 'x'));
  EXPECT_STREQ(wait(), "");
  testkit::receive_now(peer_);
  EXPECT_STREQ(wait(), "7/1: writable") << "the peer has taken everything: there is room again";
  EXPECT_EQ(script_.count(Call::kEpollCtl, fd_.get()), 1u) << "one registration is for both";
}

// Bug it is here for: EPOLLET left out. Then every wait returns at once, with the same event, until
// somebody has read: on an idle connection, which has room, that is always.
TEST_F(Poller, ReportsAnEdgeOnce) {
  testkit::send_all(peer_, "hello");
  EXPECT_STREQ(wait(), "7/1: readable|writable");
  EXPECT_STREQ(wait(), "") << "the bytes are still there, but they have been reported";
  EXPECT_EQ(testkit::receive(fd_, 1), "h");
  EXPECT_STREQ(wait(), "") << "four bytes are left, and none is new";
  testkit::send_all(peer_, "more");
  EXPECT_STREQ(wait(), "7/1: readable|writable") << "something new has come";
}

// Bug it is here for: a list that is shorter than what the kernel has handed out. Each of those
// edges is reported once: whoever passes one over has lost it.
TEST_F(Poller, EveryEdgeOfACrowdIsReportedOnce) {
  constexpr std::size_t kCrowd = 600;
  script_.limit(10 * kCrowd);
  Pipe pipe;
  std::vector<Fd> crowd;
  for (std::size_t i = 0; i < kCrowd; ++i) {
    crowd.emplace_back(::fcntl(pipe.out.get(), F_DUPFD_CLOEXEC, 0));
    ASSERT_TRUE(
        is_ok(poller_.add(crowd.back().get(), Token(static_cast<std::uint32_t>(100 + i), 1))));
  }
  EXPECT_STREQ(wait(), "");
  testkit::step("a byte comes, and all of them have become readable");
  ASSERT_EQ(::write(pipe.in.get(), "x", 1), 1);
  std::vector<int> reports(kCrowd);
  for (;;) {
    const absl::StatusOr<absl::Span<const Event>> events = poller_.wait(ZeroDuration());
    ASSERT_TRUE(events.ok()) << events.status();
    if (events->empty()) break;
    for (const Event& event : *events) ++reports.at(event.token.index - 100);
  }
  EXPECT_EQ(std::count(reports.begin(), reports.end(), 1), kCrowd);
}

// Bug it is here for: EPOLLRDHUP not asked for, or not understood.
TEST_F(Poller, ReportsThatThePeerSendsNothingMore) {
  testkit::end_output(peer_);
  EXPECT_STREQ(wait(), "7/1: readable|writable|read_closed") << "the other direction is open";
}

TEST_F(Poller, ReportsThatThePeerIsGone) {
  peer_.close();
  EXPECT_TRUE(has(wait(), "read_closed|write_closed"));
}

// Bug it is here for: a hang-up that counts only together with EPOLLIN. The reader
// of a pipe is told of its end by EPOLLHUP and nothing else.
TEST_F(Poller, AHangUpAloneIsReported) {
  Pipe pipe;
  ASSERT_TRUE(poller_.add(pipe.out.get(), Token(8, 1)).ok());
  EXPECT_STREQ(wait(), "");
  pipe.in.close();
  EXPECT_STREQ(wait(), "8/1: read_closed|write_closed")
      << "EPOLLHUP: nothing comes any more, and nothing goes";
}

// Bug it is here for: EPOLLERR not understood.
TEST_F(Poller, AnErrorIsReported) {
  Pipe pipe;
  ASSERT_TRUE(poller_.add(pipe.in.get(), Token(8, 1)).ok());
  EXPECT_STREQ(wait(), "8/1: writable");
  pipe.out.close();
  EXPECT_STREQ(wait(), "8/1: writable|error") << "nobody will ever read this pipe";
}

// Bug it is here for: EPOLLPRI not asked for. Who is not told of it takes a read that has stopped
// in front of urgent data for the last.
TEST_F(Poller, UrgentDataIsReported) {
  const Fd listener = testkit::listen_tcp();
  const Fd client = testkit::connect_to(listener);
  const Fd server(::accept(listener.get(), nullptr, nullptr));
  ASSERT_TRUE(poller_.add(server.get(), Token(8, 1)).ok());
  EXPECT_STREQ(wait(), "8/1: writable");
  ASSERT_EQ(::send(client.get(), "!", 1, MSG_OOB), 1);
  EXPECT_STREQ(wait(InfiniteDuration()), "8/1: writable|priority");
}

// --- Whose it is ---------------------------------------------------------------------------------

// Bug it is here for: half of the token, or the descriptor in its place.
TEST_F(Poller, GivesTheWholeTokenBack) {
  const auto [one, two] = testkit::socket_pair();
  ASSERT_TRUE(poller_.add(one.get(), Token(0xfffffff0, 0x80000001)).ok());
  EXPECT_STREQ(wait(), "4294967280/2147483649: writable");
}

TEST_F(Poller, ReportsEachUnderItsOwnToken) {
  const auto [one, two] = testkit::socket_pair();
  ASSERT_TRUE(poller_.add(one.get(), Token(8, 1)).ok());
  ASSERT_TRUE(poller_.add(two.get(), Token(9, 5)).ok());
  wait();
  EXPECT_TRUE(has(text_, "8/1: writable"));
  EXPECT_TRUE(has(text_, "9/5: writable"));
  testkit::send_all(one, "x");
  EXPECT_STREQ(wait(), "9/5: readable|writable");
}

// Bug it is here for: what the descriptor's number says now is taken for what was registered
//. Whoever has a duplicate keeps the old registration alive.
TEST_F(Poller, AnOldRegistrationKeepsItsOldToken) {
  const int number = fd_.get();
  const Fd duplicate(::fcntl(number, F_DUPFD_CLOEXEC, 0));
  const auto [next, next_peer] = testkit::socket_pair();
  testkit::step("the number of the connection gets a new owner, and a duplicate keeps the old one");
  ASSERT_EQ(::dup2(next.get(), number), number);
  ASSERT_TRUE(poller_.add(number, Token(7, 2)).ok());
  EXPECT_STREQ(wait(), "7/2: writable");
  testkit::send_all(peer_, "to the old one");
  EXPECT_STREQ(wait(), "7/1: readable|writable");
  testkit::send_all(next_peer, "to the new one");
  EXPECT_STREQ(wait(), "7/2: readable|writable");
}

// Bug it is here for: a remove() that leaves it to close(2).
TEST_F(Poller, WhatIsRemovedIsNotReported) {
  const Fd duplicate(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  EXPECT_TRUE(is_ok(poller_.remove(fd_.get())));
  fd_.close();
  testkit::send_all(peer_, "hello");
  EXPECT_STREQ(wait(), "");
}

TEST_F(Poller, AnEventThatWasNotTakenIsGoneWithRemove) {
  testkit::send_all(peer_, "hello");
  EXPECT_TRUE(is_ok(poller_.remove(fd_.get())));
  EXPECT_STREQ(wait(), "");
  EXPECT_TRUE(is_ok(poller_.add(fd_.get(), Token(8, 2))));
  EXPECT_STREQ(wait(), "8/2: readable|writable") << "added again, it is told what is there";
}

// --- Interrupting --------------------------------------------------------------------------------

// Bug it is here for: an interrupt that is lost when nobody waits yet.
TEST_F(Poller, AnInterruptBeforeTheWaitEndsIt) {
  poller_.interrupt();
  EXPECT_STREQ(wait(InfiniteDuration()), "") << "it is no event, it only ends the wait";
}

TEST_F(Poller, AnotherThreadEndsTheWait) {
  std::thread other([this] {
    testkit::step("interrupt()");
    poller_.interrupt();
  });
  EXPECT_STREQ(wait(InfiniteDuration()), "");
  other.join();
}

// Bug it is here for: an eventfd that stays ready. Then no wait ever waits again.
TEST_F(Poller, AnInterruptEndsOneWaitOnly) {
  poller_.interrupt();
  poller_.interrupt();
  poller_.interrupt();
  EXPECT_STREQ(wait(InfiniteDuration()), "");
  EXPECT_STREQ(wait(), "");
  EXPECT_EQ(reported(), 0) << "three interrupts before one wait are one, and it has been used up";
}

// Bug it is here for: the second interrupt() makes no edge, because the first is still there.
TEST_F(Poller, EachInterruptCounts) {
  for (int i = 0; i < 10; ++i) {
    poller_.interrupt();
    EXPECT_STREQ(wait(InfiniteDuration()), "");
  }
}

// Bug it is here for: the loop over the events ends at the interrupt, and the edges behind it are
// lost; or those in front of it are.
TEST_F(Poller, AnInterruptAndAnEventComeTogether) {
  for (const bool is_first : {true, false}) {
    if (is_first) poller_.interrupt();
    testkit::send_all(peer_, "hello");
    if (!is_first) poller_.interrupt();
    // A wait may report fewer events than there are. What is left comes in the next.
    if (*wait(InfiniteDuration()) == '\0') wait();
    EXPECT_STREQ(text_.c_str(), "7/1: readable|writable")
        << "the interrupt came " << (is_first ? "before" : "after") << " the bytes";
    wait();
  }
}

// --- How long ------------------------------------------------------------------------------------

// Bug it is here for: a timeout rounded down. 900 microseconds become 0, and the loop that waits
// for its timer spins until it comes.
TEST_F(Poller, RoundsItsTimeoutUp) {
  const std::vector<std::pair<absl::Duration, int>> expected = {
      {Nanoseconds(1), 1},
      {Milliseconds(1) - Nanoseconds(1), 1},
      {Milliseconds(1), 1},
      {Milliseconds(1) + Nanoseconds(1), 2},
      {absl::Hours(24 * 10), 864'000'000},
  };
  script_.on_epoll_wait().fails(EINTR).forever();
  for (const auto& [timeout, ms] : expected) {
    wait(timeout);
    EXPECT_EQ(script_.records(Call::kEpollWait).back().argument, ms) << "wait(" << timeout << ")";
  }
}

// Bug it is here for: a timeout that overflows, so that a long wait is none, or one for ever.
TEST_F(Poller, KnowsTimeoutsOfEverySize) {
  script_.on_epoll_wait().fails(EINTR).forever();
  const auto asked = [this](absl::Duration timeout) {
    wait(timeout);
    return script_.records(Call::kEpollWait).back().argument;
  };
  EXPECT_EQ(asked(ZeroDuration()), 0) << "looks, and does not wait";
  EXPECT_EQ(asked(-Nanoseconds(1)), 0) << "the time is over already";
  EXPECT_EQ(asked(-absl::Seconds(5)), 0) << "the time is over already";
  EXPECT_EQ(asked(-InfiniteDuration()), 0) << "the time is over already";
  EXPECT_EQ(asked(InfiniteDuration()), -1) << "-1 is for ever";
  EXPECT_EQ(asked(Milliseconds(INT_MAX)), INT_MAX);
  for (const int days : {25, 30, 60, 365 * 100}) {
    EXPECT_EQ(asked(absl::Hours(24 * days)), INT_MAX)
        << days << " days are more milliseconds than an int holds; wait as long as it can say";
  }
}

// --- What fails ----------------------------------------------------------------------------------

// Bug it is here for: a signal is taken for an error, or the events of the wait
// before are returned again.
TEST_F(Poller, ASignalIsNoErrorAndNoEvent) {
  testkit::send_all(peer_, "hello");
  EXPECT_STREQ(wait(), "7/1: readable|writable");
  script_.on_epoll_wait().fails(EINTR);
  EXPECT_STREQ(wait(InfiniteDuration()), "");
}

TEST_F(Poller, AWaitThatFailsSaysSo) {
  for (const int error : {EBADF, EINVAL, EFAULT}) {
    script_.on_epoll_wait().fails(error);
    EXPECT_TRUE(has(wait(), "epoll_wait"));
  }
}

TEST_F(Poller, AnAddThatFailsSaysWhich) {
  script_.on(Call::kEpollCtl, peer_.get()).fails(ENOSPC);
  const absl::Status status = poller_.add(peer_.get(), Token(8, 1));
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(has(status.message(), "epoll_ctl"));
  EXPECT_TRUE(has(status.message(), absl::StrCat(peer_.get())));
  EXPECT_FALSE(poller_.add(fd_.get(), Token(8, 1)).ok()) << "EEXIST: it is registered already";
  EXPECT_STREQ(wait(), "");
}

TEST_F(Poller, ARemoveThatFailsSaysWhich) {
  const absl::Status status = poller_.remove(peer_.get());
  EXPECT_FALSE(status.ok()) << "ENOENT: it was never added";
  EXPECT_TRUE(has(status.message(), "epoll_ctl"));
  EXPECT_TRUE(has(status.message(), absl::StrCat(peer_.get())));
}

// Bug it is here for: what was opened first stays open when the second cannot be had.
TEST(PollerCreate, FailsWithoutLeavingAnythingOpen) {
  using Step = std::pair<Call, std::string>;
  const auto before = testkit::open_files();
  for (const auto& [call, name] : {Step{Call::kEpollCreate, "epoll_create1"},
                                   {Call::kEventfd, "eventfd"},
                                   {Call::kEpollCtl, "epoll_ctl"}}) {
    testkit::SysScript script;
    script.on(call).fails(EMFILE);
    const absl::Status status = rt::Poller::create().status();
    EXPECT_FALSE(status.ok());
    EXPECT_TRUE(has(status.message(), name));
    EXPECT_EQ(testkit::open_files(), before) << name << " has failed";
  }
}

// Bug it is here for: descriptors that a child process inherits, and a write that waits.
TEST(PollerCreate, ItsDescriptorsAreItsOwn) {
  testkit::SysScript script;
  const auto before = testkit::open_files();
  {
    const absl::StatusOr<rt::Poller> poller = rt::Poller::create();
    ASSERT_TRUE(poller.ok()) << poller.status();
    for (const Call call : {Call::kEpollCreate, Call::kEventfd}) {
      ASSERT_EQ(script.count(call), 1u);
      const int fd = static_cast<int>(script.records(call)[0].result);
      EXPECT_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC) << "fd " << fd;
    }
    const int eventfd = static_cast<int>(script.records(Call::kEventfd)[0].result);
    EXPECT_NE(::fcntl(eventfd, F_GETFL) & O_NONBLOCK, 0) << "interrupt() never waits";
  }
  EXPECT_EQ(testkit::open_files(), before) << "the poller is gone";
}

}  // namespace
