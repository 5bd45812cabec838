#include "rt/exercise/line_machine.h"

#include <cerrno>
#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "testkit/sockets.h"
#include "testkit/sys_script.h"
#include "testkit/testkit.h"

namespace rt {
void PrintTo(Wants wants, std::ostream* out) {
  switch (wants) {
    case Wants::kReadable:
      *out << "kReadable";
      return;
    case Wants::kWritable:
      *out << "kWritable";
      return;
    case Wants::kNothing:
      *out << "kNothing (done)";
      return;
  }
}
}  // namespace rt

namespace {

using rt::Wants;
using testkit::Call;

class LineMachine : public testing::Test {
 protected:
  LineMachine() { script_.name(fd(), "connection"); }

  int fd() const { return pair_.first.get(); }
  const testkit::Fd& peer() const { return pair_.second; }
  void send(absl::string_view bytes) {
    testkit::step(absl::StrCat("the peer sends ", bytes.size(), " bytes"));
    testkit::send_all(peer(), bytes);
  }
  void end() {
    testkit::step("the peer ends its side");
    testkit::end_output(peer());
  }
  std::string answers() { return testkit::receive_now(peer()); }
  Wants resume() {
    testkit::step("resume()");
    return machine_.resume();
  }
  // As a server does that is told of readable bytes as long as there are any: so it does not matter
  // how many of them one read takes. Ends with what the last resume() wants.
  Wants resume_while_readable() {
    Wants wants = resume();
    for (int turns = 1; wants == Wants::kReadable && turns < 10'000; ++turns) {
      if (testkit::comes_next(pair_.first) == "nothing yet") break;
      wants = resume();
    }
    return wants;
  }

  std::pair<testkit::Fd, testkit::Fd> pair_ = testkit::socket_pair(SOCK_NONBLOCK);
  testkit::SysScript script_;
  rt::LineMachine machine_{fd()};
};

// Bug it is here for: nothing; this is the plain case.
TEST_F(LineMachine, AnswersALine) {
  send("hello\n");
  EXPECT_EQ(resume(), Wants::kReadable);
  EXPECT_EQ(answers(), "hello\n");
}

// Bug it is here for: bytes echoed as they come, or what has come of a line forgotten on return.
TEST_F(LineMachine, WaitsForTheEndOfALineAndRemembersItsStart) {
  for (const char* part : {"h", "el", "lo"}) {
    send(part);
    EXPECT_EQ(resume(), Wants::kReadable);
    EXPECT_EQ(answers(), "");
  }
  send("\n");
  EXPECT_EQ(resume(), Wants::kReadable);
  EXPECT_EQ(answers(), "hello\n");
}

// Bug it is here for: one line answered, then back to wait for bytes that have come already.
TEST_F(LineMachine, AnswersEveryLineThatCameInOneRead) {
  send("one\ntwo\n\nfour\nfi");
  EXPECT_EQ(resume(), Wants::kReadable);
  EXPECT_EQ(answers(), "one\ntwo\n\nfour\n");
  send("ve\n");
  EXPECT_EQ(resume(), Wants::kReadable);
  EXPECT_EQ(answers(), "five\n");
}

// Bug it is here for: after would-block the answer starts again at its first byte.
TEST_F(LineMachine, GoesOnInTheMiddleOfAnAnswer) {
  send("hello\n");
  script_.on_write().at_most(2).fails(EAGAIN).at_most(1).fails(EAGAIN);
  EXPECT_EQ(resume(), Wants::kWritable);
  EXPECT_EQ(resume(), Wants::kWritable);
  EXPECT_EQ(resume(), Wants::kReadable);
  EXPECT_EQ(answers(), "hello\n");
}

// Bug it is here for: the place is kept in reads or in writes only. Every split, byte by byte.
TEST_F(LineMachine, KeepsItsPlaceWhereverItIsInterrupted) {
  const std::string lines = "a\nbc\n\ndef\n";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) script_.on_write().fails(EAGAIN);
    script_.on_write().fails(EINTR).at_most(1);
  }
  std::string got;
  size_t sent = 0;
  for (int turns = 0; got.size() < lines.size() && turns < 100; ++turns) {
    if (sent < lines.size()) send(lines.substr(sent++, 1));
    resume();
    got += answers();
    EXPECT_EQ(got, lines.substr(0, got.size()));
  }
  EXPECT_EQ(got, lines);
}

// Bug it is here for: bytes treated as a C string, which ends at a zero.
TEST_F(LineMachine, AnswersBytesOfEveryValue) {
  std::string line = "line";
  for (int i = 0; i < 256; ++i) {
    if (i != '\n') line.push_back(static_cast<char>(i));
  }
  send(line + "\n" + line + "\n");
  EXPECT_EQ(resume_while_readable(), Wants::kReadable);
  EXPECT_EQ(answers(), line + "\n" + line + "\n");
}

// Bug it is here for: reading on while the peer takes no answers, so that they pile up in memory.
TEST_F(LineMachine, ReadsNothingWhileAnAnswerWaits) {
  send("hello\n");
  script_.on_write().fails(EAGAIN).fails(EAGAIN);
  EXPECT_EQ(resume(), Wants::kWritable);
  send("more\n");
  EXPECT_EQ(resume(), Wants::kWritable);
  EXPECT_EQ(script_.count(Call::kRead), 1u);
  EXPECT_EQ(resume(), Wants::kReadable);
  EXPECT_EQ(resume(), Wants::kReadable);
  EXPECT_EQ(answers(), "hello\nmore\n");
}

// Bug it is here for: a second line that came along is lost, or never answered, after it.
TEST_F(LineMachine, AnswersTheNextLineAfterAnAnswerThatHadToWait) {
  send("one\ntwo\n");
  script_.on_write().fails(EAGAIN).at_most(1).fails(EAGAIN);
  EXPECT_EQ(resume(), Wants::kWritable);
  EXPECT_EQ(resume(), Wants::kWritable);
  EXPECT_EQ(resume(), Wants::kReadable);
  EXPECT_EQ(answers(), "one\ntwo\n");
}

// Bug it is here for: readiness believed: a machine that was called must have something to do.
TEST_F(LineMachine, ASpuriousResumeDoesNoHarm) {
  EXPECT_EQ(resume(), Wants::kReadable);
  EXPECT_EQ(resume(), Wants::kReadable);
  send("hel");
  EXPECT_EQ(resume(), Wants::kReadable);
  EXPECT_EQ(resume(), Wants::kReadable);
  send("lo\n");
  script_.on_write().fails(EAGAIN).fails(EAGAIN);
  EXPECT_EQ(resume(), Wants::kWritable);
  EXPECT_EQ(resume(), Wants::kWritable);
  EXPECT_EQ(resume(), Wants::kReadable);
  EXPECT_EQ(resume(), Wants::kReadable);
  EXPECT_EQ(answers(), "hello\n");
}

// Bug it is here for: read again until it would block. A peer that never pauses has the thread.
TEST_F(LineMachine, OneResumeTakesOneRead) {
  for (size_t i = 1; i <= 3; ++i) {
    script_.on_read().gives("x\n");
    EXPECT_EQ(resume(), Wants::kReadable);
    EXPECT_EQ(answers(), "x\n");
    ASSERT_EQ(script_.count(Call::kRead), i)
        << "reads, after as many calls of resume(). Had there been more to read, this one would\n"
           "not have come back.";
  }
}

// Bug it is here for: the end of the input never noticed.
TEST_F(LineMachine, IsDoneWhenThePeerHasEnded) {
  send("hello\n");
  EXPECT_EQ(resume(), Wants::kReadable);
  end();
  EXPECT_EQ(resume(), Wants::kNothing);
  EXPECT_TRUE(machine_.status().ok()) << machine_.status();
  EXPECT_NE(::fcntl(fd(), F_GETFD), -1) << "closing the descriptor is its owner's affair";
}

// Bug it is here for: at the end of the input the machine is done at once, with answers unsent.
TEST_F(LineMachine, AnswersEverythingBeforeItIsDone) {
  send("one\ntwo\n");
  end();
  script_.on_write().at_most(1).fails(EAGAIN).at_most(3).fails(EAGAIN);
  EXPECT_EQ(resume(), Wants::kWritable);
  EXPECT_EQ(resume(), Wants::kWritable);
  EXPECT_EQ(resume_while_readable(), Wants::kNothing);
  EXPECT_EQ(answers(), "one\ntwo\n");
  EXPECT_TRUE(machine_.status().ok()) << machine_.status();
}

// Bug it is here for: what comes after the last '\n' forgotten when the peer ends.
TEST_F(LineMachine, AnswersALastLineThatHasNoEnd) {
  send("one\ntw");
  EXPECT_EQ(resume(), Wants::kReadable);
  send("o");
  end();
  script_.on_write().at_most(2).fails(EAGAIN);
  Wants wants = resume();
  for (int turns = 0; wants != Wants::kNothing && turns < 10; ++turns) wants = resume();
  EXPECT_EQ(wants, Wants::kNothing);
  EXPECT_EQ(answers(), "one\ntwo");
}

// Bug it is here for: a machine that is done reads on: from whose descriptor, by then?
TEST_F(LineMachine, TouchesNothingOnceItIsDone) {
  end();
  EXPECT_EQ(resume(), Wants::kNothing);
  const size_t calls = script_.records().size();
  EXPECT_EQ(resume(), Wants::kNothing);
  EXPECT_EQ(script_.records().size(), calls);
}

// Bug it is here for: an error of read(2) taken for would-block: nobody will ever resume it.
TEST_F(LineMachine, IsDoneWithTheErrorOfARead) {
  for (const int error : {ECONNRESET, ETIMEDOUT, EIO}) {
    rt::LineMachine machine(fd());
    script_.on_read().gives("hel").fails(error);
    EXPECT_EQ(machine.resume(), Wants::kReadable);
    EXPECT_EQ(machine.resume(), Wants::kNothing);
    EXPECT_EQ(machine.status().code(), absl::ErrnoToStatusCode(error)) << machine.status();
    EXPECT_EQ(answers(), "");
  }
}

// Bug it is here for: EPIPE is "the end" to try_write, and read as "all is written" here.
TEST_F(LineMachine, IsDoneWithTheErrorOfAWrite) {
  for (const int error : {EPIPE, ECONNRESET}) {
    rt::LineMachine machine(fd());
    send("hello\nworld\n");
    script_.on_write().at_most(2).fails(error);
    EXPECT_EQ(machine.resume(), Wants::kNothing);
    EXPECT_EQ(machine.status().code(), absl::ErrnoToStatusCode(error)) << machine.status();
    EXPECT_EQ(answers(), "he");
  }
}

// Bug it is here for: off by one at the limit, or the limit on what came in one read.
TEST_F(LineMachine, ALineMayBeAsLongAsTheLimit) {
  const std::string line = std::string(rt::LineMachine::kMaxLine - 1, 'x') + "\n";
  send(line + line);
  EXPECT_EQ(resume_while_readable(), Wants::kReadable);
  EXPECT_EQ(answers(), line + line);
  EXPECT_TRUE(machine_.status().ok()) << machine_.status();
}

// Bug it is here for: room kept for a '\n' that the last line need not have.
TEST_F(LineMachine, ALastLineMayBeAsLongAsTheLimitToo) {
  const std::string line(rt::LineMachine::kMaxLine, 'x');
  send(line);
  end();
  EXPECT_EQ(resume_while_readable(), Wants::kNothing);
  EXPECT_EQ(answers(), line);
  EXPECT_TRUE(machine_.status().ok()) << machine_.status();
}

// Bug it is here for: a line that never ends takes all the memory there is.
TEST_F(LineMachine, ALineLongerThanTheLimitEndsTheConnection) {
  const std::string too_long(rt::LineMachine::kMaxLine, 'x');
  send("before\n" + too_long + "\n");
  EXPECT_EQ(resume_while_readable(), Wants::kNothing);
  EXPECT_EQ(machine_.status().code(), absl::StatusCode::kResourceExhausted) << machine_.status();
  EXPECT_EQ(answers(), "before\n");
}

// Bug it is here for: likewise, when it comes in pieces.
TEST_F(LineMachine, ALineThatNeverEndsIsCutOff) {
  script_.on_read().gives(std::string(100, 'x')).forever();
  int turns = 0;
  while (turns < 100 && resume() == Wants::kReadable) ++turns;
  EXPECT_LT(turns, 100) << "10,000 bytes without an end of line were taken";
  EXPECT_EQ(machine_.status().code(), absl::StatusCode::kResourceExhausted) << machine_.status();
  EXPECT_EQ(answers(), "");
}

}  // namespace
