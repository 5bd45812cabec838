// The course's echo server on any runtime with several threads: a task for each connection.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "demo/listening.h"
#include "demo/server_program.h"
#include "rt/future/async.h"
#include "rt/future/combinators.h"
#include "rt/future/manual_event.h"
#include "rt/net/tcp.h"
#include "rt/task/spawn.h"

namespace demo {

// `Runtime` has spawn(), block_on() and driver(), as rt::IoPool and rt::Runtime.
template <class Runtime>
class ThreadedEcho : public Server {
 public:
  absl::StatusOr<uint16_t> listen(uint16_t port) override {
    absl::StatusOr<std::unique_ptr<Runtime>> runtime = start();
    if (!runtime.ok()) return runtime.status();
    runtime_ = *std::move(runtime);
    return listen_on(port, runtime_->driver(), listener_);
  }

  absl::Status serve() override {
    raise_open_files();
    // Spawned, so that a worker accepts: between two of them, no thread has to be woken.
    absl::Status status = runtime_->block_on(runtime_->spawn(accept_all()));
    runtime_->block_on(left_.wait());
    return status;
  }

  void stop() override { stop_.set(); }

 protected:
  // A runtime on all cores, with sockets.
  virtual absl::StatusOr<std::unique_ptr<Runtime>> start() = 0;

 private:
  // Lives as long as its connection: the server ends when the last is gone.
  class [[nodiscard]] Guest {
   public:
    explicit Guest(ThreadedEcho& server) noexcept : server_(&server) {
      server.guests_.fetch_add(1);
    }
    Guest(Guest&& other) noexcept : server_(std::exchange(other.server_, nullptr)) {}
    Guest& operator=(Guest&&) = delete;
    ~Guest() {
      if (server_ != nullptr && server_->guests_.fetch_sub(1) == 1) server_->left_.set();
    }

   private:
    ThreadedEcho* server_;
  };

  // Compare it with echo_connection of exercise 0.1: it is the same program.
  static rt::Async<> serve_one(rt::TcpStream stream, Guest guest) {
    std::array<char, 1024> buffer;
    while (true) {
      const absl::StatusOr<std::size_t> got = co_await stream.read(absl::MakeSpan(buffer));
      if (!got.ok() || *got == 0) co_return;
      const absl::string_view data(buffer.data(), *got);
      const absl::Status written = co_await stream.write_all(data);
      if (!written.ok()) co_return;
    }
  }

  rt::Async<absl::Status> accept_all() {
    absl::Status status;
    const Guest host(*this);  // The count is not zero as long as more may come.
    while (status.ok()) {
      auto first = co_await rt::race(stop_.wait(), listener_->accept());
      if (first.index() == 0) break;
      absl::StatusOr<rt::TcpStream>& stream = std::get<1>(first);
      status = stream.status();
      if (status.ok()) rt::spawn(serve_one(*std::move(stream), Guest(*this))).detach();
    }
    listener_.reset();
    co_return status;
  }

  std::optional<rt::TcpListener> listener_;
  rt::ManualEvent stop_;  // Set by stop(), on any thread.
  rt::ManualEvent left_;  // The last guest has gone.
  std::atomic<int> guests_{0};
  std::unique_ptr<Runtime> runtime_;  // The last: its tasks use the others, and go with it.
};

}  // namespace demo
