// Started: a runtime of the course, as the benchmarks see one.
//
// What a runtime has to offer here:
//
//   Started<R> runtime(workers);      starts it, with sockets and timers
//   runtime.run(make)                 spawns the future that make() gives, on a worker, and waits
//                                     for it; returns its output
//   runtime.bind()                    a listener on a port of the kernel's choice
//
// spawn(), yield_now(), channels, sleep() and TCP are the same in every module, and not named here.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "rt/driver/driver_handle.h"
#include "rt/future/future.h"
#include "rt/net/socket_address.h"
#include "rt/net/tcp.h"

namespace bench {

template <class Runtime>  // As rt::IoPool and rt::Runtime.
class Started {
 public:
  explicit Started(unsigned workers) : runtime_(need(Runtime::create(workers))) {}

  template <class Make>
  auto run(Make make) {
    return runtime_->block_on(runtime_->spawn(make()));
  }

  rt::TcpListener bind() {
    const rt::EnterDriver inside(runtime_->driver());
    return need(rt::TcpListener::bind(rt::SocketAddress::loopback(0)));
  }

 private:
  template <class T>
  static T need(absl::StatusOr<T> made) {
    if (made.ok()) return *std::move(made);
    std::fprintf(stderr, "%s\n", std::string(made.status().message()).c_str());
    std::exit(1);
  }

  std::unique_ptr<Runtime> runtime_;
};

}  // namespace bench
