#include "rt/exercise/blocking_echo.h"

#include <array>
#include <cerrno>
#include <thread>
#include <vector>

#include "rt/platform/sys.h"

namespace rt {

absl::Status write_all(int fd, absl::string_view data) {
  // BEGIN SOLUTION 0.1
  while (!data.empty()) {
    const ssize_t written = sys::write(fd, data.data(), data.size());
    if (written >= 0) {
      data.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, "write");
    }
  }
  return absl::OkStatus();
  // END SOLUTION
}

absl::Status echo_connection(int fd) {
  // BEGIN SOLUTION 0.1
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t count = sys::read(fd, buffer.data(), buffer.size());
    if (count > 0) {
      const absl::string_view bytes(buffer.data(), static_cast<size_t>(count));
      if (absl::Status status = write_all(fd, bytes); !status.ok()) return status;
    } else if (count == 0) {
      sys::shutdown(fd, SHUT_WR);
      return absl::OkStatus();
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, "read");
    }
  }
  // END SOLUTION
}

absl::Status serve_blocking(int listener) {
  // BEGIN SOLUTION 0.1
  absl::Status result;
  std::vector<std::thread> threads;
  while (true) {
    const int fd = sys::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) {
      threads.emplace_back([fd] {
        echo_connection(fd).IgnoreError();  // one client's trouble is not the server's
        sys::close(fd);
      });
    } else if (errno != EINTR && errno != ECONNABORTED) {
      if (errno != EINVAL) result = absl::ErrnoToStatus(errno, "accept4");
      break;
    }
  }
  for (std::thread& thread : threads) thread.join();
  return result;
  // END SOLUTION
}

}  // namespace rt
