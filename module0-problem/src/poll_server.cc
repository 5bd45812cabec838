#include "rt/exercise/poll_server.h"

#include <cerrno>
#include <vector>

#include "rt/platform/todo.h"

namespace rt {

absl::Status PollServer::turn(int timeout_ms) {
  RT_TODO("0.4");
}

absl::Status PollServer::accept_waiting() {
  RT_TODO("0.4");
}

}  // namespace rt
