// What programs do with files and directories as a whole. Each function is one call on the pool for
// blocking calls, however many system calls that takes.
//
//   absl::StatusOr<std::string> text = co_await rt::fs::read("/etc/motd");
//   absl::Status written = co_await rt::fs::write("copy", *std::move(text));
//
// Each error says the call and the path: "open /etc/shadow: Permission denied".
//
// Thread safety: all functions by any thread.
//
// The idea is Tokio's tokio::fs.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "rt/driver/io_error.h"
#include "rt/fs/on_pool.h"
#include "rt/fs/open_file.h"

namespace rt::fs {

// What read() takes at most, unless it is told. Larger ones are read in parts: File, Reader.
inline constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;

struct Metadata {
  Metadata() noexcept {}
  std::uint64_t size = 0;  // Bytes.
  bool is_file = false;    // Neither of the two: a device, a socket, …
  bool is_directory = false;
  absl::Time modified;
  std::uint32_t permissions = 0;  // As of chmod(2).
};

struct DirEntry {
  DirEntry() noexcept {}
  std::string name;  // Without the directory.
  bool is_directory = false;
};

namespace detail {

inline absl::Status write_file(std::string path, const std::string& data, int flags) {
  absl::StatusOr<OpenFile> file = OpenFile::open(std::move(path), O_WRONLY | O_CREAT | flags);
  if (!file.ok()) return std::move(file).status();
  absl::Status written = file->write(data, 0);
  if (!written.ok()) return written;
  return std::move(*file).close();
}

inline absl::Status status_of(const std::error_code& error, absl::string_view what) {
  return error ? io_error(error.value(), what) : absl::OkStatus();
}

}  // namespace detail

// The whole file. ResourceExhausted if it has more than `most` bytes.
inline OnPool<absl::StatusOr<std::string>> read(std::string path, std::size_t most = kMostAtOnce) {
  return OnPool<absl::StatusOr<std::string>>(
      [path = std::move(path), most]() mutable -> absl::StatusOr<std::string> {
        absl::StatusOr<detail::OpenFile> file = detail::OpenFile::open(std::move(path), O_RDONLY);
        if (!file.ok()) return std::move(file).status();
        return file->read_all(most);
      });
}

// The file has `data` in it after that, and nothing else. It is made, if there is none. After an
// error it may have a part of it.
inline OnPool<absl::Status> write(std::string path, std::string data) {
  return OnPool<absl::Status>([path = std::move(path), data = std::move(data)]() mutable {
    return detail::write_file(std::move(path), data, O_TRUNC);
  });
}

// The same behind what is there.
inline OnPool<absl::Status> append(std::string path, std::string data) {
  return OnPool<absl::Status>([path = std::move(path), data = std::move(data)]() mutable {
    return detail::write_file(std::move(path), data, O_APPEND);
  });
}

// The directory, and those above it that are missing. Ok if it is there already.
inline OnPool<absl::Status> create_dir_all(std::string path) {
  return OnPool<absl::Status>([path = std::move(path)] {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (!error && !std::filesystem::is_directory(path, error) && !error) {
      error = std::make_error_code(std::errc::not_a_directory);
    }
    return detail::status_of(error, absl::StrCat("create directory ", path));
  });
}

// A file, or a directory that is empty.
inline OnPool<absl::Status> remove(std::string path) {
  return OnPool<absl::Status>([path = std::move(path)] {
    if (std::remove(path.c_str()) == 0) return absl::OkStatus();
    return io_error(errno, absl::StrCat("remove ", path));
  });
}

// A directory with all that is in it. A link is removed, and not followed. Ok if there is nothing.
inline OnPool<absl::Status> remove_dir_all(std::string path) {
  return OnPool<absl::Status>([path = std::move(path)] {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    return detail::status_of(error, absl::StrCat("remove ", path));
  });
}

// What was at `to` is gone then. In one step, where both are in one file system.
inline OnPool<absl::Status> rename(std::string from, std::string to) {
  return OnPool<absl::Status>([from = std::move(from), to = std::move(to)] {
    if (std::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return io_error(errno, absl::StrCat("rename ", from, " to ", to));
  });
}

// Of what a link points to.
inline OnPool<absl::StatusOr<Metadata>> metadata(std::string path) {
  return OnPool<absl::StatusOr<Metadata>>([path = std::move(path)]() -> absl::StatusOr<Metadata> {
    struct stat now;
    if (::stat(path.c_str(), &now) != 0) return io_error(errno, absl::StrCat("stat ", path));
    Metadata data;
    data.size = static_cast<std::uint64_t>(now.st_size);
    data.is_file = S_ISREG(now.st_mode);
    data.is_directory = S_ISDIR(now.st_mode);
    data.modified = absl::TimeFromTimespec(now.st_mtim);
    data.permissions = now.st_mode & 07777;
    return data;
  });
}

// What is in a directory, by name.
inline OnPool<absl::StatusOr<std::vector<DirEntry>>> read_dir(std::string path) {
  return OnPool<absl::StatusOr<std::vector<DirEntry>>>(
      [path = std::move(path)]() -> absl::StatusOr<std::vector<DirEntry>> {
        std::error_code error;
        std::vector<DirEntry> entries;
        std::filesystem::directory_iterator next(path, error);
        for (; !error && next != std::filesystem::directory_iterator(); next.increment(error)) {
          DirEntry entry;
          entry.name = next->path().filename().string();
          std::error_code unknown;  // A link that points to nothing is no directory.
          entry.is_directory = next->is_directory(unknown);
          entries.push_back(std::move(entry));
        }
        if (error) return io_error(error.value(), absl::StrCat("read directory ", path));
        std::sort(entries.begin(), entries.end(),
                  [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
        return entries;
      });
}

}  // namespace rt::fs
