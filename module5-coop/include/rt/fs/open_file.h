// OpenFile: a descriptor of a file and its path, with the calls that block. What the rest of rt/fs/
// is made of: each of these functions is called on a thread of the pool, but for read_cached().
//
// Each error says the call and the path: "open /etc/shadow: Permission denied".
//
// Thread safety: all functions by any thread, but for those that make or close one. The kernel
// orders them.
//
// Invariants
//   1. A call that a signal has interrupted is made again, and a write that was short goes on.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rt/driver/io_error.h"
#include "rt/platform/owned_fd.h"
#include "rt/platform/sys.h"

namespace rt::fs::detail {

class OpenFile {
 public:
  OpenFile(OwnedFd fd, std::string path) noexcept : fd_(std::move(fd)), path_(std::move(path)) {}

  // `flags` as of open(2); it is closed in a child process.
  static absl::StatusOr<OpenFile> open(std::string path, int flags) {
    OwnedFd fd;
    do {
      fd.reset(::open(path.c_str(), flags | O_CLOEXEC, 0666));
    } while (!fd && errno == EINTR);
    if (!fd) return io_error(errno, absl::StrCat("open ", path));
    return OpenFile(std::move(fd), std::move(path));
  }

  const std::string& path() const noexcept { return path_; }
  absl::Status error(int error_number, absl::string_view call) const {
    return io_error(error_number, absl::StrCat(call, " ", path_));
  }

  // `most` bytes from `offset` on, or fewer: "" is the end of the file.
  absl::StatusOr<std::string> read(std::uint64_t offset, std::size_t most) const {
    std::string bytes(most, '\0');
    const ssize_t count = read_into(bytes, offset, 0);
    if (count < 0) return error(errno, "read");
    bytes.resize(static_cast<std::size_t>(count));
    return bytes;
  }

  // The same, if the kernel has what stands there in its page cache: it does not block. Else
  // nothing, and also where the kernel or the file system cannot do that.
  std::optional<absl::StatusOr<std::string>> read_cached(std::uint64_t offset,
                                                         std::size_t most) const {
    std::string bytes(most, '\0');
    const ssize_t count = read_into(bytes, offset, RWF_NOWAIT);
    if (count >= 0) {
      bytes.resize(static_cast<std::size_t>(count));
      return absl::StatusOr<std::string>(std::move(bytes));
    }
    if (errno == EAGAIN || errno == EOPNOTSUPP || errno == ENOSYS) return std::nullopt;
    return absl::StatusOr<std::string>(error(errno, "read"));
  }

  // All of it, to its end. More than `most` bytes are an error.
  absl::StatusOr<std::string> read_all(std::size_t most) const {
    absl::StatusOr<struct stat> now = stat();
    if (!now.ok()) return std::move(now).status();
    std::string bytes;
    std::uint64_t known = 0;  // Of a file in /proc it is 0, and there is something all the same.
    if (S_ISREG(now->st_mode)) known = static_cast<std::uint64_t>(now->st_size);
    if (known > most) return too_large(known, most);
    while (bytes.size() <= most) {
      // One byte more than there is: so that the end is seen without another call.
      const std::uint64_t left = known > bytes.size() ? known - bytes.size() : 0;
      const std::uint64_t wanted = std::max<std::uint64_t>(left + 1, kPiece);
      absl::StatusOr<std::string> piece =
          read(bytes.size(), static_cast<std::size_t>(std::min<std::uint64_t>(wanted, most + 1)));
      if (!piece.ok()) return piece;
      if (piece->empty()) return bytes;
      if (bytes.empty()) {
        bytes = *std::move(piece);
      } else {
        bytes += *piece;
      }
    }
    return too_large(bytes.size(), most);
  }

  // All of `data`, from `offset` on; in a file that was opened with O_APPEND, at its end. After an
  // error a part of it may be there.
  absl::Status write(absl::string_view data, std::uint64_t offset) const {
    while (!data.empty()) {
      const ssize_t count =
          sys::pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return error(errno, "write");
      data.remove_prefix(static_cast<std::size_t>(count));
      offset += static_cast<std::uint64_t>(count);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<struct stat> stat() const {
    struct stat now;
    if (::fstat(fd_.get(), &now) != 0) return error(errno, "stat");
    return now;
  }

  absl::Status sync() const {
    if (::fsync(fd_.get()) != 0) return error(errno, "fsync");
    return absl::OkStatus();
  }

  // Closes it, and says what some file systems say only then: that the disk is full.
  absl::Status close() && {
    if (sys::close(fd_.release()) != 0 && errno != EINTR) return error(errno, "close");
    return absl::OkStatus();
  }

 private:
  static constexpr std::size_t kPiece = 4096;

  // As preadv2(2), for one part.
  ssize_t read_into(std::string& bytes, std::uint64_t offset, int flags) const {
    const iovec part{bytes.data(), bytes.size()};
    while (true) {
      const ssize_t count = sys::preadv2(fd_.get(), &part, 1, static_cast<off_t>(offset), flags);
      if (count >= 0 || errno != EINTR) return count;
    }
  }

  absl::Status too_large(std::uint64_t size, std::size_t most) const {
    return absl::ResourceExhaustedError(absl::StrCat("read ", path_, ": it has ", size,
                                                     " bytes or more, and at most ", most,
                                                     " were to be read"));
  }

  OwnedFd fd_;
  std::string path_;
};

}  // namespace rt::fs::detail
