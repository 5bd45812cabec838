// Reader and Writer: a file from its beginning to its end, in small steps, by way of a buffer. Of
// many small reads and writes few become system calls.
//
//   rt::fs::Reader lines(*std::move(file));
//   while (true) {
//     auto line = co_await lines.read_line();
//     if (!line.ok()) co_return line.status();
//     if (!line->has_value()) break;
//     …
//   }
//
// Thread safety: one thread at a time.
//
// Invariants
//   1. A Reader gives out each byte once, in order; also if a read was dropped before its end.
//   2. A Writer's bytes are in the file in the order in which they came, when flush() has said so.
//      What was not flushed when it is destroyed is lost.
//   3. After an error, or a write that was dropped before its end, a Writer does not know what is
//      in the file: it writes nothing more, and says so.
//
// The idea is Tokio's BufReader and BufWriter.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rt/fs/file.h"
#include "rt/future/async.h"

namespace rt::fs {

class Reader {
 public:
  static constexpr std::size_t kBuffer = std::size_t{64} << 10;

  explicit Reader(File file, std::size_t buffer = kBuffer)
      : file_(std::move(file)), size_(std::max<std::size_t>(buffer, 1)) {}
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // `most` bytes, or fewer: "" at the end.
  Async<absl::StatusOr<std::string>> read(std::size_t most) {
    if (next_ == buffer_.size()) {
      absl::Status filled = co_await fill();
      if (!filled.ok()) co_return filled;
    }
    std::string bytes = buffer_.substr(next_, most);
    next_ += bytes.size();
    co_return bytes;
  }

  // To the next newline, without it; or to the end, if that comes first. None: there is no more.
  // ResourceExhausted if it has more than `most` bytes.
  Async<absl::StatusOr<std::optional<std::string>>> read_line(std::size_t most = std::size_t{1}
                                                                                 << 20) {
    std::size_t seen = next_;  // Up to here there is no newline.
    while (true) {
      const std::size_t end = buffer_.find('\n', seen);
      if (end != std::string::npos) {
        std::optional<std::string> line(buffer_.substr(next_, end - next_));
        next_ = end + 1;
        co_return line;
      }
      if (buffer_.size() - next_ > most) {
        co_return absl::ResourceExhaustedError(
            absl::StrCat("read ", file_.path(), ": a line has more than ", most, " bytes"));
      }
      seen = buffer_.size() - next_;  // fill() moves what is left to the front.
      absl::Status filled = co_await fill();
      if (!filled.ok()) co_return filled;
      if (buffer_.size() == seen) break;
    }
    if (buffer_.empty()) co_return std::optional<std::string>();
    std::optional<std::string> line(std::exchange(buffer_, std::string()));
    co_return line;
  }

 private:
  // Moves what was not given out to the front, and puts the next bytes of the file behind it; none
  // at its end.
  Async<absl::Status> fill() {
    buffer_.erase(0, std::exchange(next_, 0));
    absl::StatusOr<std::string> bytes = co_await file_.read_at(offset_, size_);
    if (!bytes.ok()) co_return std::move(bytes).status();
    offset_ += bytes->size();
    buffer_ += *bytes;
    co_return absl::OkStatus();
  }

  const File file_;
  const std::size_t size_;
  std::uint64_t offset_ = 0;  // In the file, of what comes behind the buffer.
  std::string buffer_;
  std::size_t next_ = 0;  // In the buffer: what was not given out.
};

class Writer {
 public:
  static constexpr std::size_t kBuffer = std::size_t{64} << 10;

  // From `offset` on; in a file that was opened to append, at its end.
  explicit Writer(File file, std::uint64_t offset = 0, std::size_t buffer = kBuffer)
      : file_(std::move(file)), size_(buffer), offset_(offset) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Async<absl::Status> write(std::string data) {
    buffer_ += data;
    if (buffer_.size() < size_) co_return broken();
    co_return co_await flush();
  }

  // Returns when all of it is the kernel's. (On the disk it is after File::sync().)
  Async<absl::Status> flush() {
    absl::Status before = broken();
    if (!before.ok() || buffer_.empty()) co_return before;
    is_broken_ = true;  // Until it is known to be well: this may never be resumed.
    const std::size_t count = buffer_.size();
    absl::Status written = co_await file_.write_at(offset_, std::exchange(buffer_, std::string()));
    if (!written.ok()) co_return written;
    offset_ += count;
    is_broken_ = false;
    co_return written;
  }

 private:
  absl::Status broken() const {
    if (!is_broken_) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        "write ", file_.path(), ": an earlier write has failed, or was dropped before its end"));
  }

  const File file_;
  const std::size_t size_;
  std::uint64_t offset_;
  std::string buffer_;
  bool is_broken_ = false;
};

}  // namespace rt::fs
