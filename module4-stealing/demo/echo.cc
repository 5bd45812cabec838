// The course's echo server: a task for each connection, on as many threads as there are cores.
//
//   echo [PORT]         serves on 127.0.0.1 until Ctrl-C; without PORT the kernel chooses one
//   echo --self-test    serves a few clients of its own, says what they got, and ends
//   echo --crowd N      serves N clients at once, says what that takes, and ends
//
// The program of module 3 with one part swapped: in place of an IoPool there is a Runtime, whose
// workers have queues of their own and steal. The rest is the same file, demo/threaded_echo.h.
#include <algorithm>
#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "demo/echo_program.h"
#include "demo/threaded_echo.h"
#include "rt/runtime/runtime.h"

namespace {

class EchoServer final : public demo::ThreadedEcho<rt::Runtime> {
 protected:
  absl::StatusOr<std::unique_ptr<rt::Runtime>> start() override {
    return rt::Runtime::Builder()
        .worker_threads(std::max(std::thread::hardware_concurrency(), 2u))
        .thread_name("echo")
        .build();
  }
};

}  // namespace

int main(int argc, char** argv) {
  EchoServer server;
  return demo::run_echo(argc, argv, "echo: a task for each connection, workers that steal", server);
}
