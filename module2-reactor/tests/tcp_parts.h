// What the tests of TCP share.
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "io_parts.h"
#include "rt/driver/backoff.h"
#include "rt/driver/io_operation.h"
#include "rt/driver/io_stream.h"
#include "rt/net/socket_address.h"
#include "rt/net/tcp.h"
#include "testkit/sockets.h"
#include "testkit/testkit.h"

namespace tcp_parts {

using rt::IoStream;
using testkit::Fd;
using testkit::TestTask;

// TestTask::live() counts the task's own waker too.
constexpr int kOnlyItsOwn = 1;

// A stream, and the other end of its connection. AF_UNIX: what one end does, the other end can see
// when the call returns.
class Stream : public testing::Test, public io_parts::OnAReactor {
 protected:
  Stream() : Stream(testkit::socket_pair(SOCK_NONBLOCK)) {}
  explicit Stream(std::pair<Fd, Fd> ends)
      : fd(ends.first.get()),
        peer(std::move(ends.second)),
        stream(io_parts::source_of(std::move(ends.first), "peer")) {}

  // What a poll came to, in words: "pending", the bytes that were read, or an error's text.
  std::string poll(TestTask& by, IoStream::Read& read) {
    const rt::Poll<absl::StatusOr<std::size_t>> result = by.poll(read);
    if (result.is_pending()) return "pending";
    if (!result.value().ok()) return std::string(result.value().status().message());
    return std::string(buffer, *result.value());
  }
  std::string poll_read(TestTask& by, std::size_t size = sizeof buffer) {
    IoStream::Read read = stream.read(absl::MakeSpan(buffer, size));
    return poll(by, read);
  }
  absl::Span<char> whole() { return absl::MakeSpan(buffer); }

  char buffer[64] = {};
  int fd;
  Fd peer;
  IoStream stream;
};

inline std::string text_of(const rt::Poll<absl::StatusOr<std::size_t>>& result) {
  if (result.is_pending()) return "pending";
  if (!result.value().ok()) return std::string(result.value().status().message());
  return absl::StrCat(*result.value(), " bytes");
}
inline std::string text_of(const rt::Poll<absl::Status>& result) {
  return result.is_pending() ? "pending" : std::string(result.value().message());
}

}  // namespace tcp_parts
