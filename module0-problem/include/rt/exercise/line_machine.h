// LineMachine: one connection that is answered line by line, written so that it never waits.
//
// A thread that waits keeps its place on its stack: which line, how far into the answer. This class
// keeps its place in its members instead. resume() goes on from there, as far as it gets without
// waiting, and returns what it has to wait for. Whoever calls may wait for many of them at once.
//
// The answer to a line is the line itself, with its '\n'. What comes after the last '\n' before the
// peer ends its side is a line too. A line of more than kMaxLine bytes ends the connection.
//
//   state    | what happens                                   | next
//   ---------|------------------------------------------------|--------------------------------
//   kReading | a whole line of at most kMaxLine is in `in_`   | kWriting
//   kReading | no whole line, but the peer ended; `in_` holds | kWriting, with what is left
//   kReading | no whole line, the peer ended, nothing left    | kDone, OK
//   kReading | more than kMaxLine bytes up to the end of the  | kDone, ResourceExhausted
//            | line, or without an end of line                |
//   kReading | bytes come, or the peer ends its side          | kReading, look for a line again
//   kReading | the read would block, or resume() has read     | stays; wants kReadable
//   kWriting | the last byte of `out_` is written             | kReading
//   kWriting | the write would block                          | stays; wants kWritable
//   any      | the read or write fails (EPIPE too)            | kDone, with that error
//   kDone    | anything                                       | stays; wants kNothing
//
// Thread safety: none; one thread at a time.
//
// Invariants
//   1. resume() never waits, given a descriptor with O_NONBLOCK.
//   2. No byte is answered twice or lost, whatever the sizes of the reads and writes.
//   3. resume() returns kReadable only when no whole line is left unanswered in `in_`: nobody would
//      call again for a line that has come already.
//   4. One resume() takes bytes from one read at most, so a peer that never pauses cannot keep it.
//      How many bytes that read asks for is the machine's own affair.
//   5. resume() when nothing has changed does no harm, and returns the same as before.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"

namespace rt {

// What a connection has to wait for before resume() can get any further.
enum class Wants { kReadable, kWritable, kNothing };

class LineMachine {
 public:
  static constexpr size_t kMaxLine = 1024;  // with its '\n'

  // `fd` is a non-blocking stream socket. The machine does not own it, and never closes it.
  explicit LineMachine(int fd) : fd_(fd) {}

  Wants resume();  // Goes on from where it stopped. kNothing: it is done, the fd may be closed.

  // OK until the machine is done, and then too if the peer ended its side and has all its answers.
  const absl::Status& status() const { return status_; }

 private:
  enum class State { kReading, kWriting, kDone };

  // One step each. These are a proposal: resume() is the only one that is called from outside.
  bool
  take_line();  // kReading: moves a line from in_ to out_, or finishes. False: there is no line.
  bool read_some();   // kReading: one attempt to read into in_. False: it would block.
  bool write_some();  // kWriting: one attempt to write what is left of out_. False: it would block.
  void finish(absl::Status status);

  int fd_;
  State state_ = State::kReading;
  std::string in_;           // came, and is not answered yet
  bool peer_ended_ = false;  // nothing more will come
  std::string out_;          // the answer that is being written
  size_t written_ = 0;       // how much of it has gone
  absl::Status status_;
};

}  // namespace rt
