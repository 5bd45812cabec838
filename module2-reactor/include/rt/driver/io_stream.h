// IoStream: bytes in and bytes out, in order, over a descriptor. TcpStream and UnixStream are
// IoStreams that differ in how they come to be.
//
//   absl::StatusOr<std::size_t> count = co_await stream.read(buffer);
//   absl::Status status = co_await stream.write_all("hello\n");
//
// Thread safety: one read and one write at a time, by one thread each; these two may be different
// tasks, on different threads. Moving, splitting and destroying it: by one thread, while no
// operation is under way. An operation refers to its stream and to the caller's bytes, and copies
// neither.
//
// Invariants
//   1. read() is ready with 0 when the peer has ended its side, then and again each time, and with
//   0
//      at once for an empty buffer. An empty write is ready at once, too. Neither makes a call.
//   2. What was received before the peer's end or reset, and can still be had, comes before it.
//   3. A write to a peer that takes no more is a status, never a signal.
//   4. A read that is dropped has read nothing. A write_all that is dropped may have written a
//   part.
//   5. A read that got less than asked for has emptied a TCP socket: the next one does not ask the
//      kernel until something new has come. So a message costs one read. Other sockets, and TCP
//      once urgent data has come, are read until they say EAGAIN. See IoSource::full_read.
//   6. When the WriteHalf goes, the peer is told that nothing more comes. When both halves are
//      gone, the descriptor is closed.
//
// The idea is Tokio's AsyncReadExt, AsyncWriteExt and TcpStream::into_split.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "rt/driver/io_operation.h"
#include "rt/driver/io_source.h"
#include "rt/driver/readiness.h"
#include "rt/future/future.h"
#include "rt/platform/sync.h"
#include "rt/platform/sys.h"
#include "rt/platform/todo.h"

namespace rt {

class IoStream {
 public:
  // One read(2) that does not find EAGAIN. Ready with how many bytes came.
  class [[nodiscard]] Read {
   public:
    using Output = absl::StatusOr<std::size_t>;

    Read(IoSource& source, absl::Span<char> buffer) noexcept
        : operation_(source, Direction::kRead), buffer_(buffer) {}

    Poll<Output> poll(Context& cx) {
      RT_TODO("2.4");
    }

   private:
    IoOperation operation_;
    absl::Span<char> buffer_;
  };

  // One write(2) that does not find EAGAIN. Ready with how many bytes went, at least one.
  class [[nodiscard]] Write {
   public:
    using Output = absl::StatusOr<std::size_t>;

    Write(IoSource& source, absl::string_view data) noexcept
        : operation_(source, Direction::kWrite), data_(data) {}

    Poll<Output> poll(Context& cx) {
      if (data_.empty()) return Output(std::size_t{0});
      const Poll<ssize_t> answer = operation_.poll(
          cx, data_.size(), [this](int fd) { return sys::write(fd, data_.data(), data_.size()); });
      if (answer.is_pending()) return kPending;
      return operation_.source().result(answer.value(), "write");
    }

   private:
    IoOperation operation_;
    absl::string_view data_;
  };

  // As many writes as it takes.
  class [[nodiscard]] WriteAll {
   public:
    using Output = absl::Status;

    WriteAll(IoSource& source, absl::string_view data) noexcept
        : operation_(source, Direction::kWrite), rest_(data) {}

    Poll<Output> poll(Context& cx) {
      RT_TODO("2.4");
    }

   private:
    IoOperation operation_;
    absl::string_view rest_;
  };

  class ReadHalf {
   public:
    explicit ReadHalf(sync::Arc<IoSource> source) noexcept : source_(std::move(source)) {}

    Read read(absl::Span<char> buffer) { return Read(*source_, buffer); }

   private:
    sync::Arc<IoSource> source_;
  };

  class WriteHalf {
   public:
    explicit WriteHalf(sync::Arc<IoSource> source) noexcept : source_(std::move(source)) {}
    WriteHalf(WriteHalf&&) noexcept = default;
    WriteHalf& operator=(WriteHalf&& other) noexcept {
      WriteHalf taken(std::move(other));
      std::swap(source_, taken.source_);
      return *this;
    }
    ~WriteHalf() {
      RT_TODO("2.4");
    }

    Write write(absl::string_view data) { return Write(*source_, data); }
    WriteAll write_all(absl::string_view data) { return WriteAll(*source_, data); }
    absl::Status shutdown_write() { return shut_down(*source_); }

   private:
    sync::Arc<IoSource> source_;  // Null: moved from.
  };

  explicit IoStream(IoSource source) noexcept : source_(std::move(source)) {}

  Read read(absl::Span<char> buffer) { return Read(source_, buffer); }
  Write write(absl::string_view data) { return Write(source_, data); }
  WriteAll write_all(absl::string_view data) { return WriteAll(source_, data); }

  // Tells the peer that nothing more comes. One may still read; a write fails from now on. Where
  // there is no connection any more, since the peer has reset it or both sides have ended, there is
  // nobody to tell, and that is OK.
  absl::Status shutdown_write() { return shut_down(source_); }

  // One half for a task that reads, and one for a task that writes.
  std::pair<ReadHalf, WriteHalf> split() && {
    const auto shared = sync::Arc<IoSource>::make(std::move(source_));
    return {ReadHalf(shared), WriteHalf(shared)};
  }

 protected:
  IoSource& source() noexcept { return source_; }
  const IoSource& source() const noexcept { return source_; }

 private:
  static absl::Status shut_down(IoSource& source) {
    if (sys::shutdown(source.fd(), SHUT_WR) == 0 || errno == ENOTCONN) return absl::OkStatus();
    return source.error(errno, "shutdown");
  }

  IoSource source_;
};

static_assert(Future<IoStream::Read> && Future<IoStream::Write> && Future<IoStream::WriteAll>);

}  // namespace rt
