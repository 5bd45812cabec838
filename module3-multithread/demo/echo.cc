// The course's echo server: a task for each connection, on as many threads as there are cores.
//
//   echo [PORT]         serves on 127.0.0.1 until Ctrl-C; without PORT the kernel chooses one
//   echo --self-test    serves a few clients of its own, says what they got, and ends
//   echo --crowd N      serves N clients at once, says what that takes, and ends
//
// The program of module 2 with one part swapped: in place of an IoExecutor there is an IoPool. What
// serves a connection has not changed by a letter. What counts the connections has: they end on any
// thread now. Both are in demo/threaded_echo.h.
#include <algorithm>
#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "demo/echo_program.h"
#include "demo/threaded_echo.h"
#include "rt/runtime/io_pool.h"

namespace {

class EchoServer final : public demo::ThreadedEcho<rt::IoPool> {
 protected:
  absl::StatusOr<std::unique_ptr<rt::IoPool>> start() override {
    return rt::IoPool::create(std::max(std::thread::hardware_concurrency(), 2u));
  }
};

}  // namespace

int main(int argc, char** argv) {
  EchoServer server;
  return demo::run_echo(argc, argv, "echo: a task for each connection, all cores", server);
}
