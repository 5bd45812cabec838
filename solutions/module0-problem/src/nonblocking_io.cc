#include "rt/exercise/nonblocking_io.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "rt/platform/sys.h"

namespace rt {

IoResult try_read(int fd, absl::Span<char> buffer) {
  // BEGIN SOLUTION 0.2
  if (buffer.empty()) return IoResult::data(0);
  while (true) {
    const ssize_t count = sys::read(fd, buffer.data(), buffer.size());
    if (count > 0) return IoResult::data(static_cast<size_t>(count));
    if (count == 0) return IoResult::end();
    if (errno == EAGAIN || errno == EWOULDBLOCK) return IoResult::would_block();
    if (errno != EINTR) return IoResult::failed(errno);
  }
  // END SOLUTION
}

IoResult try_write(int fd, absl::string_view data) {
  // BEGIN SOLUTION 0.2
  if (data.empty()) return IoResult::data(0);
  while (true) {
    const ssize_t count = sys::write(fd, data.data(), data.size());
    if (count >= 0) return IoResult::data(static_cast<size_t>(count));
    if (errno == EAGAIN || errno == EWOULDBLOCK) return IoResult::would_block();
    if (errno == EPIPE) return IoResult::end();
    if (errno != EINTR) return IoResult::failed(errno);
  }
  // END SOLUTION
}

IoResult read_available(int fd, std::string& out, size_t limit) {
  // BEGIN SOLUTION 0.2
  std::array<char, 4096> buffer;
  size_t left = limit;
  while (left > 0) {
    const size_t size = std::min(left, buffer.size());
    const IoResult result = try_read(fd, absl::MakeSpan(buffer.data(), size));
    if (result.kind() != IoResult::kData) return result;
    out.append(buffer.data(), result.bytes());
    left -= result.bytes();
  }
  return IoResult::data(limit);
  // END SOLUTION
}

}  // namespace rt
