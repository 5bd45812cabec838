// Files on top of the pool for blocking calls: what module 5 gives and a learner does not write.
#include "rt/fs/fs.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rt/fs/file.h"
#include "rt/fs/stream.h"
#include "rt/fs/temp_file.h"
#include "rt/future/async.h"
#include "rt/future/future.h"
#include "rt/platform/sys.h"
#include "rt/runtime/block_on.h"
#include "rt/runtime/runtime.h"
#include "rt/runtime/spawn_blocking.h"
#include "testkit/sys_script.h"

namespace {

namespace fs = rt::fs;
using rt::Async;
using rt::Runtime;
using testing::ElementsAre;
using testing::HasSubstr;
using testkit::Call;
using testkit::SysScript;

class FsTest : public testing::Test {
 protected:
  FsTest() {
    std::string pattern = "/tmp/rt-fs-test-XXXXXX";
    dir = ::mkdtemp(pattern.data());
  }
  ~FsTest() override {
    if (runtime == nullptr) runtime = make();
    EXPECT_TRUE(get(fs::remove_dir_all(dir)).ok());
  }

  static std::unique_ptr<Runtime> make() {
    return Runtime::Builder().worker_threads(1).max_blocking_threads(2).build().value();
  }

  // What the future gives, inside the runtime.
  template <class F>
  rt::OutputOf<F> get(F future) {
    return runtime->block_on(std::move(future));
  }
  std::string path(const std::string& name) { return dir + "/" + name; }
  void put(const std::string& name, const std::string& text) {
    ASSERT_TRUE(get(fs::write(path(name), text)).ok());
  }
  std::string text(const std::string& name) {
    absl::StatusOr<std::string> read = get(fs::read(path(name)));
    return read.ok() ? *read : read.status().ToString();
  }

  std::string dir;
  std::unique_ptr<Runtime> runtime = make();
};

// --- Whole files ---------------------------------------------------------------------------------

TEST_F(FsTest, ReadsWhatWasWritten) {
  put("a", "hello");
  EXPECT_EQ(text("a"), "hello");
  put("a", "bye");
  EXPECT_EQ(text("a"), "bye") << "nothing is left of what was there";
}

TEST_F(FsTest, AppendsBehindWhatIsThere) {
  EXPECT_TRUE(get(fs::append(path("a"), "one ")).ok());
  EXPECT_TRUE(get(fs::append(path("a"), "two")).ok());
  EXPECT_EQ(text("a"), "one two");
}

TEST_F(FsTest, ReadsFilesOfEverySizeAroundAPiece) {
  for (const std::size_t size : {0u, 1u, 4095u, 4096u, 4097u, 100'000u}) {
    const std::string bytes(size, 'x');
    put("a", bytes);
    EXPECT_TRUE(text("a") == bytes) << size;
  }
}

// Bug it is here for: the size of the file is believed.
TEST_F(FsTest, ReadsAFileThatDoesNotKnowItsSize) {
  EXPECT_THAT(*get(fs::read("/proc/self/status")), HasSubstr("Threads:"));
}

TEST_F(FsTest, SaysWhatIsMissing) {
  const absl::Status status = get(fs::read(path("a"))).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), absl::StrCat("open ", path("a"), ": No such file or directory"));
}

TEST_F(FsTest, ADirectoryIsNoFile) {
  EXPECT_THAT(std::string(get(fs::read(dir)).status().message()), HasSubstr("Is a directory"));
  EXPECT_THAT(std::string(get(fs::write(dir, "x")).message()), HasSubstr("Is a directory"));
}

TEST_F(FsTest, SaysWhatMayNotBeRead) {
  put("secret", "x");
  ASSERT_EQ(::chmod(path("secret").c_str(), 0), 0);
  // Who may do everything lets the pool's threads be nobody.
  const auto nobodys = Runtime::Builder()
                           .worker_threads(1)
                           .on_thread_start([] {
                             if (::geteuid() == 0) ::setfsuid(65534);
                           })
                           .build()
                           .value();
  const absl::Status status = nobodys->block_on(fs::read(path("secret"))).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
}

TEST_F(FsTest, SaysWhenTheDiskIsFull) {
  const absl::Status status = get(fs::write("/dev/full", "x"));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "write /dev/full: No space left on device");
}

TEST_F(FsTest, FourGigabytes) {
  constexpr std::uint64_t kFar = std::uint64_t{1} << 32;
  absl::StatusOr<fs::File> file = get(fs::File::create(path("sparse")));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(get(file->write_at(kFar, "end")).ok());
  EXPECT_EQ(*get(file->size()), kFar + 3);
  EXPECT_EQ(get(fs::metadata(path("sparse")))->size, kFar + 3);
  EXPECT_EQ(*get(file->read_at(kFar - 1, 10)), std::string("\0end", 4));
  EXPECT_EQ(*get(file->read_at(kFar + 3, 10)), "");
  EXPECT_EQ(get(fs::read(path("sparse"))).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(FsTest, ReadsNoMoreThanItMay) {
  put("a", "12345");
  EXPECT_EQ(*get(fs::read(path("a"), 5)), "12345");
  EXPECT_EQ(get(fs::read(path("a"), 4)).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(get(fs::read("/dev/zero", 100)).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(FsTest, GoesOnAfterSignalsAndShortWrites) {
  runtime.reset();  // A script is there before the threads, and after them.
  SysScript script;
  script.on(Call::kPwrite).fails(EINTR).at_most(2).fails(EINTR).at_most(1);
  script.on(Call::kPreadv2).fails(EINTR).at_most(3);
  runtime = make();
  put("a", "hello");
  EXPECT_EQ(text("a"), "hello");
  runtime.reset();
}

TEST_F(FsTest, OutsideOfARuntimeThrows) {
  EXPECT_THROW(static_cast<void>(rt::block_on(fs::read(path("a")))), std::logic_error);
}

TEST_F(FsTest, DoesNothingBeforeItIsPolled) {
  { const auto dropped = fs::write(path("a"), "x"); }
  EXPECT_FALSE(get(fs::metadata(path("a"))).ok());
}

// --- Directories ---------------------------------------------------------------------------------

TEST_F(FsTest, MakesAllDirectoriesThatAreMissing) {
  EXPECT_TRUE(get(fs::create_dir_all(path("a/b/c"))).ok());
  EXPECT_TRUE(get(fs::create_dir_all(path("a/b/c"))).ok());
  EXPECT_TRUE(get(fs::metadata(path("a/b/c")))->is_directory);
  put("file", "x");
  EXPECT_FALSE(get(fs::create_dir_all(path("file"))).ok());
  EXPECT_FALSE(get(fs::create_dir_all(path("file/below"))).ok());
}

TEST_F(FsTest, ListsADirectoryByName) {
  put("b", "x");
  put("a", "x");
  ASSERT_TRUE(get(fs::create_dir_all(path("c"))).ok());
  std::vector<std::string> names;
  const std::vector<fs::DirEntry> entries = get(fs::read_dir(dir)).value();
  for (const fs::DirEntry& entry : entries) {
    names.push_back(entry.name + (entry.is_directory ? "/" : ""));
  }
  EXPECT_THAT(names, ElementsAre("a", "b", "c/"));
  EXPECT_EQ(get(fs::read_dir(path("none"))).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(get(fs::read_dir(path("a"))).ok());
}

TEST_F(FsTest, RenamesAndRemoves) {
  put("a", "x");
  put("b", "y");
  EXPECT_TRUE(get(fs::rename(path("a"), path("b"))).ok());
  EXPECT_EQ(text("b"), "x");
  EXPECT_FALSE(get(fs::rename(path("a"), path("b"))).ok());
  EXPECT_TRUE(get(fs::remove(path("b"))).ok());
  EXPECT_EQ(get(fs::remove(path("b"))).code(), absl::StatusCode::kNotFound);
}

TEST_F(FsTest, RemovesADirectoryOnlyIfItIsEmptyOrWithAllThatIsInIt) {
  ASSERT_TRUE(get(fs::create_dir_all(path("d/e"))).ok());
  put("d/e/f", "x");
  EXPECT_FALSE(get(fs::remove(path("d"))).ok());
  EXPECT_TRUE(get(fs::remove_dir_all(path("d"))).ok());
  EXPECT_FALSE(get(fs::metadata(path("d"))).ok());
  EXPECT_TRUE(get(fs::remove_dir_all(path("d"))).ok());
}

TEST_F(FsTest, SaysWhatAFileIs) {
  put("a", "12345");
  ASSERT_EQ(::chmod(path("a").c_str(), 0640), 0);
  const fs::Metadata data = *get(fs::metadata(path("a")));
  EXPECT_EQ(data.size, 5u);
  EXPECT_TRUE(data.is_file);
  EXPECT_FALSE(data.is_directory);
  EXPECT_EQ(data.permissions, 0640u);
}

// --- Temporary files -----------------------------------------------------------------------------

TEST_F(FsTest, ATemporaryFileVanishes) {
  std::string name;
  {
    absl::StatusOr<fs::TempFile> temp = get(fs::TempFile::create(dir));
    ASSERT_TRUE(temp.ok());
    name = temp->path();
    ASSERT_TRUE(get(temp->file().write_at(0, "draft")).ok());
    EXPECT_EQ(*get(fs::read(name)), "draft");
    fs::TempFile moved = *std::move(temp);
    EXPECT_TRUE(get(fs::metadata(name)).ok());
  }
  EXPECT_FALSE(get(fs::metadata(name)).ok());
}

TEST_F(FsTest, ATemporaryFileThatIsKeptStays) {
  const fs::File kept = get(fs::TempFile::create(dir)).value().keep();
  EXPECT_TRUE(get(fs::metadata(kept.path())).ok());
  EXPECT_FALSE(get(fs::TempFile::create(path("none"))).ok());
}

// --- Where a thread is needed, and where not -----------------------------------------------------

// The page cache, as the test wants it; and a pwrite that waits.
class Kernel final : public rt::sys::Calls {
 public:
  Kernel() : before_(rt::sys::replace(this)) {}
  ~Kernel() override { rt::sys::replace(before_); }

  ssize_t preadv2(int fd, const iovec* parts, int count, off_t offset, int flags) override {
    ++reads;
    if ((flags & RWF_NOWAIT) != 0 && not_cached != 0) {
      errno = not_cached;
      return -1;
    }
    return Calls::preadv2(fd, parts, count, offset, 0);
  }
  ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) override {
    if (waits) {
      has_begun.release();
      go.acquire();
    }
    return Calls::pwrite(fd, data, size, offset);
  }

  std::atomic<int> not_cached{0};  // errno
  std::atomic<int> reads{0};
  std::atomic<bool> waits{false};
  std::counting_semaphore<> has_begun{0}, go{0};

 private:
  rt::sys::Calls* const before_;
};

// Before the threads, and after them.
struct HasKernel {
  Kernel kernel_;
};
class FsKernelTest : protected HasKernel, public FsTest {
 protected:
  template <class T>
  static bool was_cancelled(rt::JoinHandle<T> handle) {
    try {
      static_cast<void>(rt::block_on(std::move(handle)));
      return false;
    } catch (const rt::Cancelled&) {
      return true;
    }
  }

  fs::File file_of(const std::string& bytes) {
    fs::File file = get(fs::File::create(path("a"))).value();
    EXPECT_TRUE(get(file.write_at(0, bytes)).ok());
    return file;
  }
};

// Bug it is here for: each read goes to a thread, and waits for two wake-ups.
TEST_F(FsKernelTest, WhatThePageCacheHasNeedsNoThread) {
  const fs::File file = file_of("hello");
  auto read = file.read_at(1, 3);
  EXPECT_EQ(**rt::block_on(rt::poll_fn([&](rt::Context& cx) {
    rt::Poll<absl::StatusOr<std::string>> polled = read.poll(cx);
    EXPECT_TRUE(polled.is_ready()) << "at its first poll, and outside of a runtime";
    return rt::Poll<std::optional<absl::StatusOr<std::string>>>(std::move(polled).take());
  })),
            "ell");
  EXPECT_EQ(kernel_.reads, 1);
}

TEST_F(FsKernelTest, WhatItHasNotIsReadByTheThread) {
  const fs::File file = file_of("hello");
  for (const int error : {EAGAIN, EOPNOTSUPP, ENOSYS}) {
    kernel_.not_cached = error;
    kernel_.reads = 0;
    EXPECT_EQ(*get(file.read_at(1, 3)), "ell");
    EXPECT_EQ(kernel_.reads, 2);
  }
  kernel_.not_cached = EIO;
  EXPECT_THAT(std::string(get(file.read_at(1, 3)).status().message()), HasSubstr("read"));
}

// --- Dropped half-way ----------------------------------------------------------------------------

TEST_F(FsKernelTest, AWriteThatHasBegunGoesToItsEnd) {
  const fs::File file = file_of("");
  kernel_.waits = true;
  {
    auto write = runtime->spawn(file.write_at(0, std::string(1000, 'x')));
    kernel_.has_begun.acquire();
    write.abort();
    EXPECT_TRUE(was_cancelled(std::move(write)));
  }
  kernel_.waits = false;
  kernel_.go.release();
  runtime.reset();
  runtime = make();  // The old one has waited for it.
  EXPECT_EQ(text("a"), std::string(1000, 'x'));
}

TEST_F(FsKernelTest, AWriteThatHasNotBegunIsNotMade) {
  const fs::File file = file_of("");
  kernel_.waits = true;
  auto first = runtime->spawn(file.write_at(0, "1"));
  auto second = runtime->spawn(file.write_at(1, "2"));
  kernel_.has_begun.acquire();
  kernel_.has_begun.acquire();
  auto third = runtime->spawn(file.write_at(2, "3"));
  third.abort();
  EXPECT_TRUE(was_cancelled(std::move(third)));
  kernel_.waits = false;
  kernel_.go.release();
  kernel_.go.release();
  EXPECT_TRUE(rt::block_on(std::move(first)).ok());
  EXPECT_TRUE(rt::block_on(std::move(second)).ok());
  EXPECT_EQ(text("a"), "12");
}

TEST_F(FsKernelTest, AWriterThatWasDroppedHalfWayWritesNoMore) {
  fs::Writer writer(file_of(""));
  kernel_.waits = true;
  auto write = runtime->spawn([](fs::Writer& w) -> Async<> {
    (co_await w.write("half")).IgnoreError();
    (co_await w.flush()).IgnoreError();
  }(writer));
  kernel_.has_begun.acquire();
  write.abort();
  EXPECT_TRUE(was_cancelled(std::move(write)));
  kernel_.waits = false;
  kernel_.go.release();
  EXPECT_EQ(get(writer.write("more")).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(get(writer.flush()).code(), absl::StatusCode::kFailedPrecondition);
}

// --- Streams -------------------------------------------------------------------------------------

TEST_F(FsTest, ReadsLinesWhereverTheBufferEnds) {
  put("a", "one\n\nthree and more\nfour");
  for (const std::size_t buffer : {1u, 2u, 3u, 5u, 64u}) {
    fs::Reader reader(get(fs::File::open(path("a"))).value(), buffer);
    std::vector<std::string> lines;
    while (true) {
      std::optional<std::string> line = get(reader.read_line()).value();
      if (!line.has_value()) break;
      lines.push_back(*line);
    }
    EXPECT_THAT(lines, ElementsAre("one", "", "three and more", "four")) << buffer;
  }
}

TEST_F(FsTest, ReadsLinesOfAFileThatEndsWithANewline) {
  put("a", "one\n");
  fs::Reader reader(get(fs::File::open(path("a"))).value());
  EXPECT_EQ(*get(reader.read_line()), "one");
  EXPECT_EQ(*get(reader.read_line()), std::nullopt);
  EXPECT_EQ(*get(reader.read_line()), std::nullopt);
}

TEST_F(FsTest, ReadsNoLongerLineThanItMay) {
  put("a", std::string(1000, 'x'));
  fs::Reader reader(get(fs::File::open(path("a"))).value(), 10);
  EXPECT_EQ(get(reader.read_line(100)).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(FsTest, ReadsBytesAndLinesInTurn) {
  put("a", "one\ntwo\nthree");
  fs::Reader reader(get(fs::File::open(path("a"))).value(), 5);
  EXPECT_EQ(*get(reader.read(2)), "on");
  EXPECT_EQ(*get(reader.read_line()), "e");
  EXPECT_EQ(*get(reader.read_line()), "two");
  std::string rest;
  while (true) {
    const std::string bytes = get(reader.read(100)).value();
    if (bytes.empty()) break;
    rest += bytes;
  }
  EXPECT_EQ(rest, "three");
}

TEST_F(FsTest, ManySmallWritesAreFewCalls) {
  runtime.reset();
  SysScript script;
  runtime = make();
  fs::Writer writer(get(fs::File::create(path("a"))).value(), 0, 1000);
  for (int i = 0; i < 250; ++i) ASSERT_TRUE(get(writer.write("0123456789")).ok());
  ASSERT_TRUE(get(writer.flush()).ok());
  EXPECT_EQ(script.count(Call::kPwrite), 3u);
  ASSERT_TRUE(get(writer.flush()).ok());
  EXPECT_EQ(script.count(Call::kPwrite), 3u) << "there was nothing to flush";
  EXPECT_EQ(text("a").size(), 2500u);
  runtime.reset();
}

TEST_F(FsTest, AppendsFromSeveralWriters) {
  fs::Writer one(get(fs::File::open_to_append(path("a"))).value());
  fs::Writer two(get(fs::File::open_to_append(path("a"))).value());
  ASSERT_TRUE(get(one.write("1")).ok());
  ASSERT_TRUE(get(two.write("2")).ok());
  ASSERT_TRUE(get(two.flush()).ok());
  ASSERT_TRUE(get(one.flush()).ok());
  EXPECT_EQ(text("a"), "21");
}

TEST_F(FsTest, AWriterThatHasFailedSaysSoAgain) {
  fs::Writer writer(get(fs::File::open_to_append("/dev/full")).value());
  ASSERT_TRUE(get(writer.write("x")).ok()) << "it is in the buffer";
  EXPECT_EQ(get(writer.flush()).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(get(writer.flush()).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
