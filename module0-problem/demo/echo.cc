// The course's echo server: a thread for each connection.
//
//   echo [PORT]         serves on 127.0.0.1 until Ctrl-C; without PORT the kernel chooses one
//   echo --self-test    serves a few clients of its own, says what they got, and ends
//
// It is in every module, each time with one part swapped. Here it is exercise 0.1.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rt/blocking_echo.h"

namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

absl::StatusOr<int> listen_on(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "socket");
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = loopback(port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("bind 127.0.0.1:", port));
  }
  if (::listen(fd, SOMAXCONN) != 0) return absl::ErrnoToStatus(errno, "listen");
  return fd;
}

uint16_t port_of(int listener) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

int connect_to(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    std::perror("connect");
  }
  return fd;
}

// Says `words`, ends its side, and returns what came back before the server ended its own.
std::string converse(int fd, absl::string_view words) {
  rt::write_all(fd, words).IgnoreError();
  ::shutdown(fd, SHUT_WR);
  std::string answer;
  std::array<char, 4096> buffer;
  ssize_t count;
  while ((count = ::read(fd, buffer.data(), buffer.size())) > 0) {
    answer.append(buffer.data(), static_cast<size_t>(count));
  }
  return answer;
}

// Three clients that are all connected before the first says a word, and speak last to first.
bool serve_own_clients(uint16_t port) {
  bool good = true;
  std::vector<int> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(connect_to(port));
  for (size_t i = clients.size(); i-- > 0;) {
    const std::string words = absl::StrCat("hello from client ", i + 1);
    const std::string answer = converse(clients[i], words);
    std::printf("client %zu said \"%s\" and got \"%s\"\n", i + 1, words.c_str(), answer.c_str());
    good = good && answer == words;
    ::close(clients[i]);
  }
  return good;
}

// Waits for Ctrl-C. A second one ends the process at once.
void wait_for_interrupt(const sigset_t& signals) {
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

int run(bool self_test, uint16_t port) {
  // Blocked before the first thread starts, so that no thread is interrupted and sigwait() gets
  // them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const absl::StatusOr<int> listener = listen_on(port);
  if (!listener.ok()) {
    std::fprintf(stderr, "echo: %s\n", std::string(listener.status().message()).c_str());
    return 1;
  }
  std::printf("echo: one thread for each connection, on 127.0.0.1:%d\n", port_of(*listener));
  std::fflush(stdout);

  absl::Status served;
  std::thread server([&] { served = rt::serve_blocking(*listener); });
  bool good = true;
  if (self_test) {
    good = serve_own_clients(port_of(*listener));
  } else {
    wait_for_interrupt(signals);
  }
  ::shutdown(*listener, SHUT_RD);
  server.join();
  ::close(*listener);
  if (!served.ok()) std::fprintf(stderr, "echo: %s\n", std::string(served.message()).c_str());
  return good && served.ok() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  bool self_test = false;
  uint32_t port = 0;
  for (int i = 1; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    if (argument == "--self-test") {
      self_test = true;
    } else if (!absl::SimpleAtoi(argument, &port) || port > 65535) {
      std::fprintf(stderr, "usage: echo [PORT] [--self-test]\n");
      return 2;
    }
  }
  return run(self_test, static_cast<uint16_t>(port));
}
