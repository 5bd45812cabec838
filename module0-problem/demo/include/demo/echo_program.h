// The echo server of the course: the program around the part that each module swaps.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "demo/crowd.h"
#include "demo/server_program.h"
#include "demo/sockets.h"

namespace demo {

// Three clients that are all connected before the first says a word, and speak last to first. True
// if each hears its own words.
inline bool three_clients(uint16_t port) {
  bool good = true;
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) clients.emplace_back(port);
  while (!clients.empty()) {
    const size_t number = clients.size();
    const std::string words = absl::StrCat("hello from client ", number);
    clients.back().say(words);
    clients.back().end();
    const std::string answer = clients.back().hear_all();
    std::printf("client %zu said \"%s\" and got \"%s\"\n", number, words.c_str(), answer.c_str());
    good = good && answer == words;
    clients.pop_back();
  }
  return good;
}

// main() of an echo server. What run_server() takes, and
//
//   NAME --crowd N      serves N clients at once, says what that takes, and ends
inline int run_echo(int argc, char** argv, absl::string_view what, Server& server) {
  int size = 0;
  if (argc == 3 && absl::string_view(argv[1]) == "--crowd" && absl::SimpleAtoi(argv[2], &size) &&
      size > 0) {
    return run_crowd(what.substr(0, what.find(':')), server, size);
  }
  return run_server(argc, argv, what, server, three_clients, " [--crowd N]");
}

// A server that is one function of a bare listening descriptor, which returns after somebody has
// called shutdown(listener, SHUT_RD). `flags`: SOCK_NONBLOCK, for the listener.
class DescriptorServer final : public Server {
 public:
  using Serve = std::function<absl::Status(int listener)>;

  explicit DescriptorServer(Serve serve, int flags = 0) : serve_(std::move(serve)), flags_(flags) {}
  ~DescriptorServer() override {
    if (listener_ >= 0) ::close(listener_);
  }

  absl::StatusOr<uint16_t> listen(uint16_t port) override {
    const absl::StatusOr<int> listener = listen_on(port, flags_);
    if (!listener.ok()) return listener.status();
    listener_ = *listener;
    return port_of(listener_);
  }
  absl::Status serve() override { return serve_(listener_); }
  void stop() override { ::shutdown(listener_, SHUT_RD); }

 private:
  const Serve serve_;
  const int flags_;
  int listener_ = -1;
};

}  // namespace demo
