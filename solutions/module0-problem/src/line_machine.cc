#include "rt/exercise/line_machine.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rt/exercise/nonblocking_io.h"

namespace rt {

Wants LineMachine::resume() {
  // BEGIN SOLUTION 0.3
  bool may_read = true;
  while (true) {
    switch (state_) {
      case State::kReading:
        if (take_line()) break;
        if (!may_read) return Wants::kReadable;
        may_read = false;
        if (!read_some()) return Wants::kReadable;
        break;
      case State::kWriting:
        if (!write_some()) return Wants::kWritable;
        break;
      case State::kDone:
        return Wants::kNothing;
    }
  }
  // END SOLUTION
}

bool LineMachine::take_line() {
  // BEGIN SOLUTION 0.3
  const size_t newline = in_.find('\n');
  const bool whole = newline != std::string::npos;
  const size_t size = whole ? newline + 1 : in_.size();
  if (size > kMaxLine) {
    finish(absl::ResourceExhaustedError(absl::StrCat("a line of more than ", kMaxLine, " bytes")));
    return true;
  }
  if (!whole && !peer_ended_) return false;
  if (size == 0) {
    finish(absl::OkStatus());
    return true;
  }
  out_ = in_.substr(0, size);
  in_.erase(0, size);
  written_ = 0;
  state_ = State::kWriting;
  return true;
  // END SOLUTION
}

bool LineMachine::read_some() {
  // BEGIN SOLUTION 0.3
  std::array<char, 4096> buffer;
  const IoResult result = try_read(fd_, absl::MakeSpan(buffer));
  switch (result.kind()) {
    case IoResult::kData:
      in_.append(buffer.data(), result.bytes());
      return true;
    case IoResult::kWouldBlock:
      return false;
    case IoResult::kEnd:
      peer_ended_ = true;
      return true;
    case IoResult::kError:
      finish(absl::ErrnoToStatus(result.error(), "read"));
      return true;
  }
  return true;
  // END SOLUTION
}

bool LineMachine::write_some() {
  // BEGIN SOLUTION 0.3
  const IoResult result = try_write(fd_, absl::string_view(out_).substr(written_));
  switch (result.kind()) {
    case IoResult::kData:
      written_ += result.bytes();
      if (written_ == out_.size()) state_ = State::kReading;
      return true;
    case IoResult::kWouldBlock:
      return false;
    case IoResult::kEnd:
      finish(absl::ErrnoToStatus(EPIPE, "write"));
      return true;
    case IoResult::kError:
      finish(absl::ErrnoToStatus(result.error(), "write"));
      return true;
  }
  return true;
  // END SOLUTION
}

void LineMachine::finish(absl::Status status) {
  // BEGIN SOLUTION 0.3
  state_ = State::kDone;
  status_ = std::move(status);
  // END SOLUTION
}

}  // namespace rt
