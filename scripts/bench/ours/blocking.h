// The workloads that need a pool for blocking calls. Only the newest runtime of the course has one.
#pragma once

#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "common/program.h"
#include "rt/fs/file.h"
#include "rt/fs/open_file.h"
#include "rt/fs/temp_file.h"
#include "rt/future/async.h"
#include "rt/runtime/spawn_blocking.h"

namespace bench {

template <class Runtime>
class BlockingWorkloads {
 public:
  static void blocking(Size size) {
    Runtime runtime(size.workers);
    print("blocking", runtime.run([&] { return blocking_main(size.n); }));
  }
  static void read(Size size) {
    Runtime runtime(size.workers);
    print(runtime.run([&] { return read_main(size.n); }));
  }

 private:
  static double each(Clock::time_point start, std::uint64_t n) {
    return ns_since(start) / static_cast<double>(n);
  }

  static rt::Async<double> blocking_main(std::uint64_t n) {
    co_await rt::spawn_blocking([] {});  // Its thread is there.
    const Clock::time_point start = Clock::now();
    for (std::uint64_t i = 0; i < n; ++i) co_await rt::spawn_blocking([] {});
    co_return each(start, n);
  }

  static rt::Async<Values> read_main(std::uint64_t n) {
    constexpr std::size_t kBytes = 64;
    absl::StatusOr<rt::fs::TempFile> temp = co_await rt::fs::TempFile::create();
    std::string bytes(kBytes, 'x');
    const absl::Status written = co_await temp->file().write_at(0, std::move(bytes));
    if (!written.ok()) co_return Values();
    const auto file = rt::fs::detail::OpenFile::open(temp->path(), O_RDONLY);
    const Clock::time_point start = Clock::now();
    for (std::uint64_t i = 0; i < n; ++i) {
      const absl::StatusOr<std::string> read = co_await temp->file().read_at(0, kBytes);
      if (!read.ok()) co_return Values();
    }
    const double cached = each(start, n);
    const Clock::time_point begin = Clock::now();
    for (std::uint64_t i = 0; i < n; ++i) {
      const absl::StatusOr<std::string> read =
          co_await rt::spawn_blocking([&file] { return file->read(0, kBytes); });
      if (!read.ok()) co_return Values();
    }
    Values values;
    values.emplace_back("read-cached", cached);
    values.emplace_back("read-pool", each(begin, n));
    co_return values;
  }
};

template <class Runtime>
void add_blocking(Workloads& all) {
  all.push_back({"blocking", BlockingWorkloads<Runtime>::blocking});
  all.push_back({"read", BlockingWorkloads<Runtime>::read});
}

}  // namespace bench
