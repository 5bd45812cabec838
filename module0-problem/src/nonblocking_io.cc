#include "rt/exercise/nonblocking_io.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "rt/platform/sys.h"
#include "rt/platform/todo.h"

namespace rt {

IoResult try_read(int fd, absl::Span<char> buffer) {
  RT_TODO("0.2");
}

IoResult try_write(int fd, absl::string_view data) {
  RT_TODO("0.2");
}

IoResult read_available(int fd, std::string& out, size_t limit) {
  RT_TODO("0.2");
}

}  // namespace rt
