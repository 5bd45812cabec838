#include "rt/exercise/blocking_echo.h"

#include <array>
#include <cerrno>
#include <thread>
#include <vector>

#include "rt/platform/sys.h"
#include "rt/platform/todo.h"

namespace rt {

absl::Status write_all(int fd, absl::string_view data) {
  RT_TODO("0.1");
}

absl::Status echo_connection(int fd) {
  RT_TODO("0.1");
}

absl::Status serve_blocking(int listener) {
  RT_TODO("0.1");
}

}  // namespace rt
