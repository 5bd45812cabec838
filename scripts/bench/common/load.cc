// The load for echo servers: starts the server, talks to it over many connections, and says how
// fast it was and what that took.
//
//   load busy CONNECTIONS MILLISECONDS -- SERVER ARGUMENTS…
//   load idle CONNECTIONS MILLISECONDS -- SERVER ARGUMENTS…
//
// The server prints {"port": P} and ends when its stdin does. Every connection sends 64 bytes,
// waits until it has them back, and sends the next 64: never two at a time. One thread and one
// epoll serve them all, in a process of its own, so what the server takes is seen from outside.
//
//   busy   first a quarter of MILLISECONDS to warm up, then all of them, measured:
//            rate    answers a second
//            cpu     µs of the server's processor time an answer, of all its threads
//            p50     ms from sending to the last byte of the answer; half are faster
//            p99     ms; one of a hundred is slower
//            least   answers of the connection that was served least, in % of the average one's
//   idle   each connection sends and gets one message, and then all are silent:
//            bytes   by which the server's memory (its anonymous pages) has grown, a connection
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/program.h"

namespace {

using bench::Clock;
using bench::fail;
using std::chrono::milliseconds;

constexpr std::size_t kMessage = 64;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "load: %s\n", why.c_str());
  std::exit(1);
}

// --- The server ----------------------------------------------------------------------------------

class Server {
 public:
  explicit Server(char** command) {
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) fail("pipe2");
    pid_ = ::fork();
    if (pid_ < 0) fail("fork");
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // It goes with us, whatever happens.
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::execv(command[0], command);
      std::perror(command[0]);
      std::_Exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    stdin_ = in[1];
    std::string said;
    char byte;
    while (said.find('\n') == std::string::npos && ::read(out[0], &byte, 1) == 1) said += byte;
    ::close(out[0]);
    const std::size_t colon = said.find("\"port\":");
    if (colon == std::string::npos) give_up(std::string("no port from ") + command[0]);
    port_ = static_cast<std::uint16_t>(std::strtoul(said.c_str() + colon + 7, nullptr, 10));
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    // It ends by itself, and so a profiler around it has the time to write down what it saw.
    ::close(stdin_);
    for (int i = 0; i < 100; ++i) {
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) return;
      std::this_thread::sleep_for(milliseconds(20));
    }
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  std::uint16_t port() const { return port_; }

  // What all its threads have had of the processors.
  double cpu_ns() const {
    const std::string folder = "/proc/" + std::to_string(pid_) + "/task";
    DIR* const threads = ::opendir(folder.c_str());
    if (threads == nullptr) give_up("the server has gone");
    double sum = 0;
    while (const dirent* thread = ::readdir(threads)) {
      if (thread->d_name[0] == '.') continue;
      const std::string said = contents(folder + "/" + thread->d_name + "/schedstat");
      sum += std::strtod(said.c_str(), nullptr);
    }
    ::closedir(threads);
    return sum;
  }

  double anonymous_bytes() const {
    const std::string said = contents("/proc/" + std::to_string(pid_) + "/status");
    const std::size_t at = said.find("RssAnon:");
    if (at == std::string::npos) give_up("the server has gone");
    return std::strtod(said.c_str() + at + 8, nullptr) * 1024;
  }

 private:
  static std::string contents(const std::string& path) {
    std::string all;
    std::FILE* const file = std::fopen(path.c_str(), "r");
    if (file == nullptr) return all;
    std::array<char, 4096> buffer;
    while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file)) {
      all.append(buffer.data(), got);
    }
    std::fclose(file);
    return all;
  }

  pid_t pid_ = -1;
  int stdin_ = -1;
  std::uint16_t port_ = 0;
};

// --- The clients ---------------------------------------------------------------------------------

struct Connection {
  int fd = -1;
  std::size_t received = 0;  // Of the answer that is on its way.
  std::uint64_t answers = 0;
  Clock::time_point sent{};
};

class Clients {
 public:
  Clients(std::size_t count, std::uint16_t port) : connections_(count) {
    set_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (set_ < 0) fail("epoll_create1");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    for (Connection& connection : connections_) {
      connection.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (connection.fd < 0) fail("socket");
      if (::connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        fail("connect");
      }
      const int on = 1;
      ::setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ::fcntl(connection.fd, F_SETFL, O_NONBLOCK);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = &connection;
      if (::epoll_ctl(set_, EPOLL_CTL_ADD, connection.fd, &event) != 0) fail("epoll_ctl");
    }
  }

  void start() {
    for (Connection& connection : connections_) send(connection);
  }

  // Until every connection has its answer. Nothing is sent then.
  void drain() {
    std::size_t open = connections_.size();
    while (open > 0) {
      serve(-1, [&](Connection&) { --open; });
    }
  }

  // Takes answers and sends what comes next, until `end`. Each answer's time is noted, in ns.
  void run(Clock::time_point end, std::vector<std::uint32_t>& times) {
    for (Connection& connection : connections_) connection.answers = 0;
    times.clear();
    while (Clock::now() < end) {
      serve(10, [&](Connection& connection) {
        const double ns = bench::ns_since(connection.sent);
        times.push_back(static_cast<std::uint32_t>(std::min(ns, 4e9)));
        ++connection.answers;
        send(connection);
      });
    }
  }

  double least_percent(std::size_t answers) const {
    std::uint64_t least = answers;
    for (const Connection& connection : connections_) {
      least = std::min(least, connection.answers);
    }
    const double average = static_cast<double>(answers) / static_cast<double>(connections_.size());
    return average > 0 ? 100 * static_cast<double>(least) / average : 0;
  }

 private:
  static void send(Connection& connection) {
    static constexpr std::array<char, kMessage> kText{};
    connection.received = 0;
    connection.sent = Clock::now();
    // 64 bytes fit into an empty socket.
    if (::send(connection.fd, kText.data(), kMessage, MSG_NOSIGNAL) != kMessage) fail("send");
  }

  template <class Answered>
  void serve(int timeout_ms, Answered answered) {
    std::array<epoll_event, 256> events;
    const int count =
        ::epoll_wait(set_, events.data(), static_cast<int>(events.size()), timeout_ms);
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      std::array<char, kMessage> buffer;
      const ssize_t got = ::recv(connection.fd, buffer.data(), kMessage - connection.received, 0);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0) give_up("the server has closed a connection");
      connection.received += static_cast<std::size_t>(got);
      if (connection.received == kMessage) answered(connection);
    }
  }

  int set_ = -1;
  std::vector<Connection> connections_;
};

double quantile_ms(std::vector<std::uint32_t>& times, std::size_t percent) {
  if (times.empty()) return 0;
  const auto at = times.begin() + static_cast<std::ptrdiff_t>((times.size() - 1) * percent / 100);
  std::nth_element(times.begin(), at, times.end());
  return *at / 1e6;
}

void be_busy(std::size_t connections, milliseconds duration, const Server& server) {
  Clients clients(connections, server.port());
  std::vector<std::uint32_t> times;
  times.reserve(8'000'000);
  clients.start();
  clients.run(Clock::now() + duration / 4, times);
  const double cpu_before = server.cpu_ns();
  const Clock::time_point start = Clock::now();
  clients.run(start + duration, times);
  const double ns = bench::ns_since(start), cpu = server.cpu_ns() - cpu_before;
  const auto answers = static_cast<double>(times.size());
  if (times.empty()) give_up("no answer came");
  bench::print({{"rate", answers * 1e9 / ns},
                {"cpu", cpu / 1e3 / answers},
                {"p50", quantile_ms(times, 50)},
                {"p99", quantile_ms(times, 99)},
                {"least", clients.least_percent(times.size())}});
}

void be_idle(std::size_t connections, milliseconds duration, const Server& server) {
  std::this_thread::sleep_for(duration);  // Until all its threads stand.
  const double before = server.anonymous_bytes();
  Clients clients(connections, server.port());
  clients.start();
  clients.drain();
  std::this_thread::sleep_for(duration);
  const double grown = server.anonymous_bytes() - before;
  bench::print("bytes", grown / static_cast<double>(connections));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view how = argc > 5 ? argv[1] : "";
  if ((how != "busy" && how != "idle") || std::strcmp(argv[4], "--") != 0) {
    std::fprintf(stderr, "usage: %s busy|idle CONNECTIONS MILLISECONDS -- SERVER ARGUMENTS...\n",
                 argv[0]);
    return 2;
  }
  bench::raise_open_files();
  ::signal(SIGPIPE, SIG_IGN);
  const std::size_t connections = std::max<std::size_t>(1, std::strtoul(argv[2], nullptr, 10));
  const milliseconds duration(std::strtol(argv[3], nullptr, 10));
  ::alarm(static_cast<unsigned>(duration.count() / 1000 + 45));  // Ends us, and so the server.
  const Server server(argv + 5);
  (how == "busy" ? be_busy : be_idle)(connections, duration, server);
  return 0;
}
