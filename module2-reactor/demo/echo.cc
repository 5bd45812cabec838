// The course's echo server: a task for each connection, on one thread that sleeps in epoll.
//
//   echo [PORT]         serves on 127.0.0.1 until Ctrl-C; without PORT the kernel chooses one
//   echo --self-test    serves a few clients of its own, says what they got, and ends
//   echo --crowd N      serves N clients at once, says what that takes, and ends
//
// The program of modules 0 and 1 with one part swapped: the helper thread in poll(2) is gone. The
// thread that runs the tasks and the thread that waits are one.
#include <array>
#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "demo/echo_program.h"
#include "demo/tcp_server.h"
#include "rt/future/async.h"
#include "rt/net/tcp.h"

namespace {

class EchoServer final : public demo::TcpServer {
  // Compare it with echo_connection of exercise 0.1: it is the same program.
  rt::Async<> serve_one(rt::TcpStream stream, Guest guest) override {
    std::array<char, 1024> buffer;
    while (true) {
      const absl::StatusOr<std::size_t> got = co_await stream.read(absl::MakeSpan(buffer));
      if (!got.ok() || *got == 0) co_return;
      const absl::string_view data(buffer.data(), *got);
      if (!(co_await stream.write_all(data)).ok()) co_return;
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  EchoServer server;
  return demo::run_echo(argc, argv, "echo: a task for each connection, one thread in epoll",
                        server);
}
