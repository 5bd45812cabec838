#include "rt/exercise/nonblocking_io.h"

#include <array>
#include <cerrno>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "testkit/sockets.h"
#include "testkit/sys_script.h"
#include "testkit/testkit.h"

namespace rt {
void PrintTo(const IoResult& result, std::ostream* out) {
  switch (result.kind()) {
    case IoResult::kData:
      *out << "data(" << result.bytes() << ")";
      return;
    case IoResult::kWouldBlock:
      *out << "would_block()";
      return;
    case IoResult::kEnd:
      *out << "end()";
      return;
    case IoResult::kError:
      *out << "failed(" << ::strerrorname_np(result.error()) << ")";
      return;
  }
}
}  // namespace rt

namespace {

using rt::IoResult;
using testkit::Call;

class NonblockingIo : public testing::Test {
 protected:
  int fd() const { return pair_.first.get(); }
  const testkit::Fd& peer() const { return pair_.second; }
  IoResult read() { return rt::try_read(fd(), absl::MakeSpan(buffer_)); }
  std::string_view got(size_t size) const { return {buffer_.data(), size}; }

  std::pair<testkit::Fd, testkit::Fd> pair_ = testkit::socket_pair(SOCK_NONBLOCK);
  std::array<char, 16> buffer_{};
};

// Bug it is here for: fewer bytes than asked for taken for the end or for an error.
TEST_F(NonblockingIo, AShortReadIsData) {
  testkit::send_all(peer(), "hello");
  EXPECT_EQ(read(), IoResult::data(5));
  EXPECT_EQ(got(5), "hello");
}

// Bug it is here for: would-block taken for the end, so that a slow client is cut off.
TEST_F(NonblockingIo, AReadWithNothingThereWouldBlock) {
  testkit::SysScript script;
  script.limit(100);  // One that waits for bytes asks for ever.
  EXPECT_EQ(read(), IoResult::would_block());
  testkit::send_all(peer(), "hello");
  EXPECT_EQ(read(), IoResult::data(5));
  EXPECT_EQ(read(), IoResult::would_block());
}

// Bug it is here for: 0 bytes taken for "nothing there yet", and the connection never let go.
TEST_F(NonblockingIo, AReadAfterThePeerEndedIsTheEnd) {
  testkit::send_all(peer(), "bye");
  testkit::end_output(peer());
  EXPECT_EQ(read(), IoResult::data(3));
  EXPECT_EQ(read(), IoResult::end());
  EXPECT_EQ(read(), IoResult::end());
}

// Bug it is here for: the error given as -1, or errno read after another call has changed it.
TEST_F(NonblockingIo, AFailedReadSaysHow) {
  testkit::SysScript script;
  for (const int error : {ECONNRESET, ETIMEDOUT, EPIPE}) {
    script.on_read(fd()).fails(error);
    EXPECT_EQ(read(), IoResult::failed(error));
  }
}

// Bug it is here for: a signal taken for would-block. With nothing new to come nobody asks again.
TEST_F(NonblockingIo, AnInterruptedReadIsMadeAgain) {
  testkit::send_all(peer(), "hello");
  testkit::SysScript script;
  script.on_read(fd()).fails(EINTR).fails(EINTR).passes().fails(EINTR).fails(EAGAIN);
  EXPECT_EQ(read(), IoResult::data(5));
  EXPECT_EQ(read(), IoResult::would_block());
}

// Bug it is here for: errno looked at before the result; it keeps the value of some older failure.
TEST_F(NonblockingIo, AnOldErrnoMeansNothing) {
  testkit::send_all(peer(), "hello");
  testkit::end_output(peer());
  errno = EAGAIN;
  EXPECT_EQ(read(), IoResult::data(5));
  errno = EAGAIN;
  EXPECT_EQ(read(), IoResult::end());
  errno = EPIPE;
  EXPECT_EQ(rt::try_write(fd(), "hello"), IoResult::data(5));
}

// Bug it is here for: a full buffer is read into, gets 0, and the connection is closed.
TEST_F(NonblockingIo, AnEmptyBufferIsNotTheEnd) {
  testkit::send_all(peer(), "hello");
  testkit::SysScript script;
  EXPECT_EQ(rt::try_read(fd(), absl::Span<char>()), IoResult::data(0));
  EXPECT_EQ(rt::try_write(fd(), ""), IoResult::data(0));
  EXPECT_EQ(script.records().size(), 0u) << "there is nothing to ask the kernel";
}

// Bug it is here for: try_write goes on by itself after a partial write, or reports all of it.
TEST_F(NonblockingIo, APartialWriteIsDataAndSaysHowMuch) {
  testkit::SysScript script;
  script.on_write(fd()).at_most(3);
  EXPECT_EQ(rt::try_write(fd(), "hello"), IoResult::data(3));
  EXPECT_EQ(script.count(Call::kWrite), 1u);
  EXPECT_EQ(testkit::receive_now(peer()), "hel");
}

// Bug it is here for: no room taken for a broken connection; or waited for, in a loop.
TEST_F(NonblockingIo, AWriteWithNoRoomWouldBlock) {
  testkit::fill(pair_.first, "x");
  testkit::SysScript script;
  script.limit(100);  // One that waits for room asks for ever.
  EXPECT_EQ(rt::try_write(fd(), "hello"), IoResult::would_block());
  testkit::receive_now(peer());
  EXPECT_EQ(rt::try_write(fd(), "hello"), IoResult::data(5));
}

// Bug it is here for: EPIPE reported like any other failure, or the process ended by SIGPIPE.
TEST_F(NonblockingIo, AWriteToAPeerThatIsGoneIsTheEnd) {
  pair_.second.close();
  EXPECT_EQ(rt::try_write(fd(), "hello"), IoResult::end());
}

// Bug it is here for: every failure of a write taken for the end; ECONNRESET means lost answers.
TEST_F(NonblockingIo, AFailedWriteSaysHow) {
  testkit::SysScript script;
  script.on_write(fd()).fails(ECONNRESET);
  EXPECT_EQ(rt::try_write(fd(), "hello"), IoResult::failed(ECONNRESET));
}

// Bug it is here for: the bytes sent twice, or not at all, because of a signal.
TEST_F(NonblockingIo, AnInterruptedWriteIsMadeAgain) {
  testkit::SysScript script;
  script.on_write(fd()).fails(EINTR).fails(EINTR);
  EXPECT_EQ(rt::try_write(fd(), "hello"), IoResult::data(5));
  EXPECT_EQ(testkit::receive_now(peer()), "hello");
}

// Bug it is here for: one read only; with module 2's edge-triggered poller the rest stays there.
TEST_F(NonblockingIo, ReadAvailableTakesAllThatIsThere) {
  const std::string bytes(30'000, 'b');
  testkit::send_all(peer(), bytes);
  std::string out = "a";
  EXPECT_EQ(rt::read_available(fd(), out, 1'000'000), IoResult::would_block());
  EXPECT_EQ(out, "a" + bytes);
}

// Bug it is here for: the last words of a peer thrown away, because the end came in the same call.
TEST_F(NonblockingIo, ReadAvailableKeepsWhatCameBeforeTheEnd) {
  testkit::send_all(peer(), "last words");
  testkit::end_output(peer());
  std::string out;
  EXPECT_EQ(rt::read_available(fd(), out, 1000), IoResult::end());
  EXPECT_EQ(out, "last words");
}

// Bug it is here for: likewise, with an error.
TEST_F(NonblockingIo, ReadAvailableKeepsWhatCameBeforeAnError) {
  testkit::SysScript script;
  script.on_read(fd()).gives("last ").gives("words").fails(ECONNRESET);
  std::string out;
  EXPECT_EQ(rt::read_available(fd(), out, 1000), IoResult::failed(ECONNRESET));
  EXPECT_EQ(out, "last words");
}

// Bug it is here for: a short read taken for the last. More may have come by the next attempt.
TEST_F(NonblockingIo, ReadAvailableGoesOnAfterAShortRead) {
  testkit::SysScript script;
  script.on_read(fd()).gives("a").gives("b").gives("c").fails(EAGAIN);
  std::string out;
  EXPECT_EQ(rt::read_available(fd(), out, 1000), IoResult::would_block());
  EXPECT_EQ(out, "abc");
}

// Bug it is here for: the limit passed by the size of a buffer; or bytes read and then dropped.
TEST_F(NonblockingIo, ReadAvailableStopsAtTheLimitAndLeavesTheRest) {
  testkit::send_all(peer(), std::string(10'000, 'a') + "rest");
  std::string out;
  EXPECT_EQ(rt::read_available(fd(), out, 10'000), IoResult::data(10'000));
  EXPECT_EQ(out, std::string(10'000, 'a'));
  EXPECT_EQ(rt::read_available(fd(), out, 0), IoResult::data(0));
  EXPECT_EQ(rt::read_available(fd(), out, 10'000), IoResult::would_block());
  EXPECT_EQ(out, std::string(10'000, 'a') + "rest");
}

// Bug it is here for: a peer that sends faster than this side reads keeps the loop for ever.
TEST_F(NonblockingIo, ReadAvailableIsNotKeptByAPeerThatNeverPauses) {
  testkit::SysScript script;
  script.on_read(fd()).gives(std::string(10, 'x')).forever();
  std::string out;
  EXPECT_EQ(rt::read_available(fd(), out, 1000), IoResult::data(1000));
  EXPECT_EQ(out.size(), 1000u);
}

// Bug it is here for: memory taken for the limit and not for the bytes; or a sum of the limit and
// of what `out` holds, which wraps.
TEST_F(NonblockingIo, ReadAvailableMayBeWithoutALimit) {
  for (const std::string before : {"", "a"}) {
    testkit::send_all(peer(), "hello");
    std::string out = before;
    EXPECT_EQ(rt::read_available(fd(), out, std::string::npos), IoResult::would_block());
    EXPECT_EQ(out, before + "hello");
  }
}

// Bug it is here for: the buffer treated as a C string.
TEST_F(NonblockingIo, ReadAvailableTakesBytesOfEveryValue) {
  std::string bytes;
  for (int i = 0; i < 512; ++i) bytes.push_back(static_cast<char>(i % 256));
  testkit::send_all(peer(), bytes);
  std::string out;
  EXPECT_EQ(rt::read_available(fd(), out, 1000), IoResult::would_block());
  EXPECT_EQ(out, bytes);
}

}  // namespace
