// What all servers among the demos do, whatever they serve: read the command line, listen, say so,
// serve on a thread, end on Ctrl-C.
//
//   NAME [PORT]         serves on 127.0.0.1 until Ctrl-C; without PORT the kernel chooses one
//   NAME --self-test    serves a few clients of its own, says what they got, and ends
#pragma once

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"

namespace demo {

class Server {
 public:
  Server() = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  virtual ~Server() = default;

  // Listens on 127.0.0.1; port 0: one of the kernel's choice. Returns the port.
  virtual absl::StatusOr<uint16_t> listen(uint16_t port) = 0;
  // Called after listen(), on a thread of its own. Returns when, after a stop(), the last
  // connection has ended.
  virtual absl::Status serve() = 0;
  // No new connections. By any thread.
  virtual void stop() = 0;
};

namespace internal {

inline int complain(absl::string_view name, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", std::string(name).c_str(),
               std::string(status.message()).c_str());
  return 1;
}

// Blocked before the first thread starts, so that no thread is interrupted and sigwait() gets them.
inline sigset_t block_interrupts() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Waits for Ctrl-C. A second one ends the process at once.
inline void wait_for_interrupt(const sigset_t& signals) {
  int signal = 0;
  ::sigwait(&signals, &signal);
  std::printf(
      "\nNo new connections. Waiting for those that are open; Ctrl-C again to leave now.\n");
  std::fflush(stdout);
  std::thread([signals] {
    int again = 0;
    ::sigwait(&signals, &again);
    ::_exit(130);
  }).detach();
}

}  // namespace internal

// Lets this process open as many descriptors as the hard limit allows; returns how many that is.
inline rlim_t raise_open_files() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  return limit.rlim_cur;
}

// main() of a server. `what`: "echo: one thread for each connection". `try_out`: the self-test's
// clients; says whether they got what they should. `more`: what else the usage line says.
inline int run_server(int argc, char** argv, absl::string_view what, Server& server,
                      const std::function<bool(uint16_t port)>& try_out, const char* more = "") {
  const absl::string_view name = what.substr(0, what.find(':'));
  bool self_test = false;
  uint32_t asked = 0;
  for (int i = 1; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    if (argument == "--self-test") {
      self_test = true;
    } else if (!absl::SimpleAtoi(argument, &asked) || asked > 65535) {
      std::fprintf(stderr, "usage: %s [PORT] [--self-test]%s\n", std::string(name).c_str(), more);
      return 2;
    }
  }
  const sigset_t signals = internal::block_interrupts();
  const absl::StatusOr<uint16_t> port = server.listen(static_cast<uint16_t>(asked));
  if (!port.ok()) return internal::complain(name, port.status());
  std::printf("%s, on 127.0.0.1:%d\n", std::string(what).c_str(), *port);
  std::fflush(stdout);

  absl::Status served;
  std::thread thread([&] { served = server.serve(); });
  bool good = true;
  if (self_test) {
    good = try_out(*port);
  } else {
    internal::wait_for_interrupt(signals);
  }
  server.stop();
  thread.join();
  if (!served.ok()) return internal::complain(name, served);
  return good ? 0 : 1;
}

}  // namespace demo
