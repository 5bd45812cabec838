// File: an open file, read and written at any place of it.
//
//   absl::StatusOr<rt::fs::File> file = co_await rt::fs::File::open("/etc/hostname");
//   if (!file.ok()) …
//   absl::StatusOr<std::string> name = co_await file->read_at(0, 64);
//
// A read first asks the kernel for what it has in its page cache, on the worker itself: that takes
// no thread and no wake-up. Only if there is nothing, the pool's thread waits for the disk.
//
// Thread safety: all functions by any thread: a File may be copied, and all copies are one file. A
// future belongs to one thread at a time.
//
// Invariants
//   1. The file is closed when no copy is left and no call is in progress.
//   2. A future that is dropped takes back what has not begun. A write that has begun goes to its
//      end.
//
// The idea is Tokio's tokio::fs::File, and the positions are those of std::os::unix::fs::FileExt.
#pragma once

#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rt/fs/on_pool.h"
#include "rt/fs/open_file.h"
#include "rt/future/context.h"
#include "rt/future/leaf.h"
#include "rt/future/poll.h"
#include "rt/platform/sync.h"

namespace rt::fs {

// Ready with what was read. Made by File::read_at().
class [[nodiscard]] ReadAt {
 public:
  using Output = absl::StatusOr<std::string>;

  ReadAt(sync::Arc<detail::OpenFile> file, std::uint64_t offset, std::size_t most)
      : file_(std::move(file)), offset_(offset), most_(most) {}
  ReadAt(ReadAt&&) noexcept = default;  // Before the first poll only.

  Poll<Output> poll(Context& cx) {
    if (!on_pool_.has_value()) {
      bool has_looked = false;  // Into the page cache.
      Poll<Output> cached = as_leaf(cx, [&]() -> Poll<Output> {
        has_looked = true;
        auto bytes = file_->read_cached(offset_, most_);
        if (!bytes.has_value()) return kPending;
        return *std::move(bytes);
      });
      if (cached.is_ready() || !has_looked) return cached;
      on_pool_.emplace(
          [file = file_, offset = offset_, most = most_] { return file->read(offset, most); });
    }
    return on_pool_->poll(cx);
  }

 private:
  sync::Arc<detail::OpenFile> file_;
  std::uint64_t offset_;
  std::size_t most_;
  std::optional<OnPool<Output>> on_pool_;
};

class File {
 public:
  using Opened = OnPool<absl::StatusOr<File>>;

  // For reading.
  static Opened open(std::string path) { return opened(std::move(path), O_RDONLY); }
  // For reading and writing; it is made, or emptied.
  static Opened create(std::string path) {
    return opened(std::move(path), O_RDWR | O_CREAT | O_TRUNC);
  }
  // For writing at its end, whoever else writes there; it is made, if there is none.
  static Opened open_to_append(std::string path) {
    return opened(std::move(path), O_WRONLY | O_CREAT | O_APPEND);
  }
  explicit File(detail::OpenFile file)
      : file_(sync::Arc<detail::OpenFile>::make(std::move(file))) {}

  // `most` bytes from `offset` on, or fewer: as many as can be had at once. "": its end is there.
  ReadAt read_at(std::uint64_t offset, std::size_t most) const {
    return ReadAt(file_, offset, most);
  }

  // All of `data`, from `offset` on. After an error a part of it may be there.
  OnPool<absl::Status> write_at(std::uint64_t offset, std::string data) const {
    return OnPool<absl::Status>(
        [file = file_, offset, data = std::move(data)] { return file->write(data, offset); });
  }
  // The same at the end of a file that was opened to append.
  OnPool<absl::Status> append(std::string data) const { return write_at(0, std::move(data)); }

  // Returns when it is on the disk.
  OnPool<absl::Status> sync() const {
    return OnPool<absl::Status>([file = file_] { return file->sync(); });
  }

  OnPool<absl::StatusOr<std::uint64_t>> size() const {
    return OnPool<absl::StatusOr<std::uint64_t>>([file = file_]() -> absl::StatusOr<std::uint64_t> {
      absl::StatusOr<struct stat> now = file->stat();
      if (!now.ok()) return std::move(now).status();
      return static_cast<std::uint64_t>(now->st_size);
    });
  }

  const std::string& path() const noexcept { return file_->path(); }

 private:
  static Opened opened(std::string path, int flags) {
    return Opened([path = std::move(path), flags]() mutable -> absl::StatusOr<File> {
      absl::StatusOr<detail::OpenFile> file = detail::OpenFile::open(std::move(path), flags);
      if (!file.ok()) return std::move(file).status();
      return File(*std::move(file));
    });
  }

  sync::Arc<detail::OpenFile> file_;
};

}  // namespace rt::fs
