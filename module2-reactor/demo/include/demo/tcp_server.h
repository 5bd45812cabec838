// A server for demos: a task for each connection, all on one IoExecutor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "demo/listening.h"
#include "demo/server_program.h"
#include "rt/future/async.h"
#include "rt/future/combinators.h"
#include "rt/future/manual_event.h"
#include "rt/net/tcp.h"
#include "rt/runtime/io_executor.h"
#include "rt/task/spawn.h"

namespace demo {

class TcpServer : public Server {
 public:
  absl::StatusOr<uint16_t> listen(uint16_t port) override {
    absl::StatusOr<std::unique_ptr<rt::IoExecutor>> executor = rt::IoExecutor::create();
    if (!executor.ok()) return executor.status();
    executor_ = *std::move(executor);
    return listen_on(port, executor_->driver().handle(), listener_);
  }

  absl::Status serve() override {
    raise_open_files();
    return executor_->block_on(accept_all());
  }

  void stop() override { stop_.set(); }

 protected:
  // Lives as long as its connection: the server ends when the last is gone.
  class [[nodiscard]] Guest {
   public:
    explicit Guest(TcpServer& server) noexcept : server_(&server) { ++server.guests_; }
    Guest(Guest&& other) noexcept : server_(std::exchange(other.server_, nullptr)) {}
    Guest& operator=(Guest&&) = delete;
    ~Guest() {
      if (server_ == nullptr) return;
      --server_->guests_;
      server_->left_.set();
    }

   private:
    TcpServer* server_;
  };

  // The task of one connection.
  virtual rt::Async<> serve_one(rt::TcpStream stream, Guest guest) = 0;

 private:
  rt::Async<absl::Status> accept_all() {
    absl::Status status;
    while (status.ok()) {
      auto first = co_await rt::race(stop_.wait(), listener_->accept());
      if (first.index() == 0) break;
      absl::StatusOr<rt::TcpStream>& stream = std::get<1>(first);
      status = stream.status();
      if (status.ok()) rt::spawn(serve_one(*std::move(stream), Guest(*this))).detach();
    }
    listener_.reset();
    while (guests_ > 0) {
      co_await left_.wait();
      left_.reset();
    }
    co_return status;
  }

  std::unique_ptr<rt::IoExecutor> executor_;
  std::optional<rt::TcpListener> listener_;
  rt::ManualEvent stop_;  // Set by stop(), on any thread. The rest is for the thread in serve().
  rt::ManualEvent left_;  // A guest has gone.
  int guests_ = 0;
};

}  // namespace demo
