// TempFile: a file with a name of its own that vanishes with the object.
//
//   absl::StatusOr<rt::fs::TempFile> temp = co_await rt::fs::TempFile::create();
//   if (!temp.ok()) …
//   co_await temp->file().write_at(0, "a draft");
//
// Thread safety: as a File; one thread at a time moves or destroys it.
//
// Invariants
//   1. Its name is removed once: by the destructor, unless keep() was called. Also when nobody has
//      waited for it to be made. (A program that is killed leaves it behind.)
//
// The idea is that of the tempfile crate.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rt/driver/io_error.h"
#include "rt/fs/file.h"
#include "rt/fs/on_pool.h"
#include "rt/fs/open_file.h"
#include "rt/platform/owned_fd.h"

namespace rt::fs {

class TempFile {
 public:
  // In `directory`; none is $TMPDIR, or /tmp. For reading and writing, by its owner only.
  static OnPool<absl::StatusOr<TempFile>> create(std::string directory = "") {
    return OnPool<absl::StatusOr<TempFile>>(
        [directory = std::move(directory)]() -> absl::StatusOr<TempFile> {
          std::string path = absl::StrCat(directory.empty() ? usual() : directory, "/rt-XXXXXX");
          OwnedFd fd(::mkostemp(path.data(), O_CLOEXEC));
          if (!fd) return io_error(errno, absl::StrCat("create ", path));
          return TempFile(File(detail::OpenFile(std::move(fd), std::move(path))));
        });
  }

  TempFile(TempFile&& other) noexcept
      : file_(other.file_), vanishes_(std::exchange(other.vanishes_, false)) {}
  TempFile& operator=(TempFile&&) = delete;
  ~TempFile() {
    // Of a directory's entry, which the kernel has in memory: worth no thread.
    if (vanishes_) ::unlink(path().c_str());
  }

  const File& file() const noexcept { return file_; }
  const std::string& path() const noexcept { return file_.path(); }

  // It stays.
  File keep() && {
    vanishes_ = false;
    return file_;
  }

 private:
  explicit TempFile(File file) : file_(std::move(file)) {}

  static std::string usual() {
    const char* const chosen = std::getenv("TMPDIR");
    return chosen != nullptr && *chosen != '\0' ? chosen : "/tmp";
  }

  File file_;
  bool vanishes_ = true;
};

}  // namespace rt::fs
