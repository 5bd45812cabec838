// One attempt to read or to write that never waits, and what it came to.
//
// read(2) on a non-blocking descriptor says five different things with one number and errno. Here
// they become four words, so that the code that uses them can be a switch:
//
//   word         | read                             | write
//   -------------|----------------------------------|------------------------------------------
//   kData        | `bytes` came                     | `bytes` went, perhaps fewer than asked for
//   kWouldBlock  | nothing there now; may come      | no room now; there may be
//   kEnd         | the peer will send no more       | the peer will take no more (EPIPE)
//   kError       | broken, `error` says how         | broken, `error` says how
//
// Thread safety: the functions share nothing.
//
// Invariants
//   1. No function waits, given a descriptor with O_NONBLOCK.
//   2. EINTR is none of the four: the attempt is made again.
//   3. Only kData has `bytes`, and only kError has `error`; the other field is 0.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rt {

class IoResult {
 public:
  enum Kind : int { kData, kWouldBlock, kEnd, kError };

  static IoResult data(size_t bytes) { return IoResult(kData, bytes, 0); }
  static IoResult would_block() { return IoResult(kWouldBlock, 0, 0); }
  static IoResult end() { return IoResult(kEnd, 0, 0); }
  static IoResult failed(int error) { return IoResult(kError, 0, error); }

  Kind kind() const { return kind_; }
  size_t bytes() const { return bytes_; }
  int error() const { return error_; }  // an errno value

  friend bool operator==(const IoResult&, const IoResult&) = default;

 private:
  IoResult(Kind kind, size_t bytes, int error) : kind_(kind), bytes_(bytes), error_(error) {}

  Kind kind_;
  size_t bytes_;
  int error_;
};

// One successful read(2) at most. An empty buffer gives data(0) and asks nobody: read(2) would
// answer 0, and that 0 does not mean that the peer is done.
IoResult try_read(int fd, absl::Span<char> buffer);

// One successful write(2) at most. Empty data gives data(0) and asks nobody.
IoResult try_write(int fd, absl::string_view data);

// Appends to `out` what `fd` has to give, until an attempt is not kData or `limit` bytes have been
// appended, and returns why it stopped: what that attempt came to, or data(limit), after which
// there may be more. What was read before the last attempt stays in `out`, whatever that attempt
// said.
IoResult read_available(int fd, std::string& out, size_t limit);

}  // namespace rt
