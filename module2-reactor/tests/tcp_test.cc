#include "rt/net/tcp.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "io_parts.h"
#include "rt/driver/backoff.h"
#include "rt/driver/io_operation.h"
#include "rt/driver/io_stream.h"
#include "rt/net/socket_address.h"
#include "tcp_parts.h"
#include "testkit/sockets.h"
#include "testkit/testkit.h"

namespace {

using io_parts::Kernel;
using io_parts::same;
using rt::IoStream;
using tcp_parts::kOnlyItsOwn;
using tcp_parts::Stream;
using tcp_parts::text_of;
using testkit::Fd;
using testkit::step;
using testkit::TestTask;

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

}  // namespace
