// The limit that http_hello is compared with: the same page, from a bare epoll loop. No tasks, no
// wakers, no timers, no checks of what the request says: it counts ends of heads, and answers each.
//
//   g++ -std=c++20 -O2 scripts/bench/http_floor.cc -o http_floor && ./http_floor 8081
//
// Compare in one run, one after the other and back, with nothing else on the machine:
//
//   http_floor 8081 &  http_hello 8082 &
//   for port in 8081 8082 8081 8082; do wrk -t1 -c100 -d10 http://127.0.0.1:$port/; done
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 23\r\n"
    "Connection: keep-alive\r\n\r\nHello from one thread.\n";

[[noreturn]] void fail(const char* call) {
  std::perror(call);
  std::exit(1);
}

int listen_on(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("bind");
  if (::listen(fd, 4096) != 0) fail("listen");
  return fd;
}

struct Connection {
  std::size_t matched = 0;  // Of "\r\n\r\n", the end of a head.
  std::string unsent;
};

// Counts the ends of heads in `bytes`; an end may lie across two reads.
std::size_t ends_of_heads(Connection& connection, std::string_view bytes) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  std::size_t ends = 0;
  for (const char c : bytes) {
    if (c == kEnd[connection.matched]) {
      ++connection.matched;
    } else {
      connection.matched = c == '\r' ? 1 : 0;
    }
    if (connection.matched < kEnd.size()) continue;
    connection.matched = 0;
    ++ends;
  }
  return ends;
}

// False: the connection has ended.
bool send_what_is_there(int fd, Connection& connection) {
  while (!connection.unsent.empty()) {
    const ssize_t sent =
        ::send(fd, connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    connection.unsent.erase(0, static_cast<std::size_t>(sent));
  }
  return true;
}

// Edge-triggered, as the runtime's: a read that comes back short is the last, unless the peer has
// ended. False: the connection has ended.
bool serve(int fd, Connection& connection, bool peer_ended) {
  std::array<char, 2048> buffer;
  while (true) {
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
    if (got < 0) return send_what_is_there(fd, connection);
    const auto size = static_cast<std::size_t>(got);
    std::size_t ends = ends_of_heads(connection, std::string_view(buffer.data(), size));
    for (; ends > 0; --ends) connection.unsent += kAnswer;
    if (!send_what_is_there(fd, connection)) return false;
    if (size < buffer.size() && !peer_ended) return true;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int port = argc == 2 ? std::atoi(argv[1]) : 0;
  if (port < 1 || port > 65535) {
    std::fprintf(stderr, "usage: http_floor PORT\n");
    return 2;
  }
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const int listener = listen_on(static_cast<uint16_t>(port));
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener;
  if (::epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) != 0) fail("epoll_ctl");
  std::printf("http_floor: a bare epoll loop, on 127.0.0.1:%d\n", port);
  std::fflush(stdout);

  std::unordered_map<int, Connection> connections;
  std::array<epoll_event, 1024> events;
  while (true) {
    const int count = ::epoll_wait(set, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const epoll_event& said = events[static_cast<std::size_t>(i)];
      const int fd = said.data.fd;
      if (fd != listener) {
        const bool peer_ended = (said.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        if (serve(fd, connections[fd], peer_ended)) continue;
        connections.erase(fd);
        ::close(fd);  // Nobody has a duplicate, so it leaves the set too.
        continue;
      }
      while (true) {
        const int client = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0) break;
        const int on = 1;
        ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        event.data.fd = client;
        if (::epoll_ctl(set, EPOLL_CTL_ADD, client, &event) != 0) fail("epoll_ctl");
      }
    }
  }
}
