// The course's echo server, with an end: it finishes what it has begun, and nothing else.
//
//   echo [PORT]         serves on 127.0.0.1 until Ctrl-C; without PORT the kernel chooses one
//   echo --self-test    serves a few clients of its own, says what they got, and ends
//   echo --crowd N      serves N clients at once, says what that takes, and ends
//
// The program of module 4 with one part swapped: an event and a count of guests became a token,
// which every connection waits for beside its client, and an InFlight. A connection that has
// nothing to answer ends at once, and one that cannot get rid of its answer after five seconds.
// That no client can keep a worker from the others, however fast it sends, is in no line of this
// file: each read costs a unit of its task's budget.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "demo/echo_program.h"
#include "demo/listening.h"
#include "demo/server_program.h"
#include "rt/future/async.h"
#include "rt/net/tcp.h"
#include "rt/platform/clock.h"
#include "rt/runtime/in_flight.h"
#include "rt/runtime/runtime.h"
#include "rt/sync/cancellation_token.h"

namespace {

class EchoServer final : public demo::Server {
 public:
  absl::StatusOr<uint16_t> listen(uint16_t port) override {
    absl::StatusOr<std::unique_ptr<rt::Runtime>> runtime =
        rt::Runtime::Builder()
            .worker_threads(std::max(std::thread::hardware_concurrency(), 2u))
            .thread_name("echo")
            .build();
    if (!runtime.ok()) return runtime.status();
    runtime_ = *std::move(runtime);
    return demo::listen_on(port, runtime_->driver(), listener_);
  }

  absl::Status serve() override {
    demo::raise_open_files();
    // Spawned, so that a worker accepts: between two of them, no thread has to be woken.
    const absl::Status status = runtime_->block_on(runtime_->spawn(accept_all()));
    const rt::InFlight::Ended ended =
        runtime_->block_on(connections_.finish_until(rt::clock::now() + absl::Seconds(5)));
    if (ended.aborted > 0) absl::PrintF("%d connections were given up\n", ended.aborted);
    return status;
  }

  void stop() override { stop_.cancel(); }

 private:
  // Compare it with echo_connection of exercise 0.1: it is the same program, with an end.
  static rt::Async<> serve_one(rt::TcpStream stream, rt::CancellationToken stop) {
    std::array<char, 1024> buffer;
    while (true) {
      const auto got = co_await stop.run_until_cancelled(stream.read(absl::MakeSpan(buffer)));
      if (!got.has_value() || !got->ok() || **got == 0) co_return;
      const absl::string_view data(buffer.data(), **got);
      const absl::Status written = co_await stream.write_all(data);
      if (!written.ok()) co_return;
    }
  }

  rt::Async<absl::Status> accept_all() {
    absl::Status status;
    while (status.ok()) {
      auto next = co_await stop_.run_until_cancelled(listener_->accept());
      if (!next.has_value()) break;
      status = next->status();
      if (status.ok()) connections_.spawn(serve_one(**std::move(next), stop_));
    }
    listener_.reset();
    co_return status;
  }

  rt::CancellationToken stop_;
  std::optional<rt::TcpListener> listener_;
  rt::InFlight connections_;
  std::unique_ptr<rt::Runtime> runtime_;  // The last: its tasks use the others, and go with it.
};

}  // namespace

int main(int argc, char** argv) {
  EchoServer server;
  return demo::run_echo(argc, argv, "echo: a task for each connection, and an orderly end", server);
}
