// trace::start and trace::stop: from the one to the other, what rt/trace/trace.h is told is
// recorded; stop() writes it to a file.
//
//   {
//     rt::trace::Session trace("run.json");
//     …
//   }                                         // Open run.json in ui.perfetto.dev.
//
// The file is Chrome Trace Event JSON: an array, one event a line, so that a file that was cut off
// after any whole line still loads. rt/trace/trace_writer.h says what is in it.
//
// Thread safety: any thread. One trace at a time.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rt/platform/clock.h"
#include "rt/trace/trace.h"
#include "rt/trace/trace_writer.h"

namespace rt::trace {

struct Options {
  Options() {}
  std::uint64_t seed = 0;  // Written into the file; nothing is drawn from it here.
  std::size_t events_per_thread = 1U << 16;  // Of each thread, the newest so many are kept.
};

namespace detail {

// The file that stop() will write. Guarded by registry().mutex.
struct OpenFile {
  std::FILE* file = nullptr;
  std::string path;
  std::uint64_t seed = 0;
  std::int64_t start_ns = 0;
};
inline OpenFile& open_file() noexcept {
  static OpenFile* const the_file = new OpenFile;
  return *the_file;
}

}  // namespace detail

// Writes the trace that is on, and ends it. OK when none is on. Else the error of writing the file.
inline absl::Status stop() {
  detail::Registry& r = detail::registry();
  const std::lock_guard lock(r.mutex);
  detail::OpenFile out = std::exchange(detail::open_file(), detail::OpenFile());
  if (out.file == nullptr) return absl::OkStatus();
  r.session.store(0, std::memory_order_relaxed);  // Relaxed: the rings are closed one by one.
  const std::vector<std::shared_ptr<detail::Ring>> rings = std::exchange(r.rings, {});
  for (const auto& ring : rings) ring->close();
  const std::int64_t stop_ns = clock::detail::now_ns();

  std::fputs("[\n", out.file);
  std::string_view before = "";
  for (const std::string& line : detail::FileWriter(out.start_ns, stop_ns).lines(rings, out.seed)) {
    std::fprintf(out.file, "%s%s", before.data(), line.c_str());
    before = ",\n";
  }
  std::fputs("\n]\n", out.file);
  const bool failed = std::ferror(out.file) != 0;
  const bool closed = std::fclose(out.file) == 0;
  if (!failed && closed) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("write ", out.path));
}

// Begins a trace, which stop() or the end of the program writes to `path`. An error when the file
// cannot be opened, when a trace is on, or in a program built with RT_NO_TRACE.
inline absl::Status start(const std::string& path, const Options& options = Options()) {
#ifdef RT_NO_TRACE
  return absl::FailedPreconditionError("this program was built with RT_NO_TRACE: it has no traces");
#endif
  detail::Registry& r = detail::registry();
  const std::lock_guard lock(r.mutex);
  detail::OpenFile& out = detail::open_file();
  if (out.file != nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("a trace is on already, into ", out.path));
  }
  std::FILE* const file = std::fopen(path.c_str(), "we");
  if (file == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  static const int at_exit = std::atexit([] { (void)stop(); });
  static_cast<void>(at_exit);
  out.file = file;
  out.path = path;
  out.seed = options.seed;
  out.start_ns = clock::detail::now_ns();
  r.capacity = std::max<std::size_t>(1, options.events_per_thread);
  // Relaxed: a thread that sees it makes its ring under the mutex.
  r.session.store(++r.last_session, std::memory_order_relaxed);
  return absl::OkStatus();
}

// A trace for as long as this object lives.
class [[nodiscard]] Session {
 public:
  explicit Session(const std::string& path, const Options& options = Options())
      : status_(start(path, options)), is_mine_(status_.ok()) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { (void)stop(); }

  // What start() said, or stop().
  const absl::Status& status() const { return status_; }

  const absl::Status& stop() {
    if (std::exchange(is_mine_, false)) status_ = trace::stop();
    return status_;
  }

 private:
  absl::Status status_;
  bool is_mine_;
};

}  // namespace rt::trace
