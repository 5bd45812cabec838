// The course's echo server: a task for each connection.
//
//   echo [PORT]         serves on 127.0.0.1 until Ctrl-C; without PORT the kernel chooses one
//   echo --self-test    serves a few clients of its own, says what they got, and ends
//
// The program of module 0 with one part swapped. All connections are tasks on one thread, and read
// like the blocking ones. What waits for their sockets is a helper thread in poll(2): module 2
// replaces it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "rt/async.h"
#include "rt/blocking_echo.h"
#include "rt/local_runtime.h"
#include "rt/manual_event.h"
#include "rt/nonblocking_io.h"
#include "rt/spawn.h"

namespace {

// --- Who waits for the sockets: the part that module 2 replaces ----------------------------------

// A thread that waits in poll(2) for all descriptors that some task waits for.
//
// Thread safety: watch() by any thread.
class PollThread {
 public:
  PollThread() : bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { run(); }) {}
  PollThread(const PollThread&) = delete;
  PollThread& operator=(const PollThread&) = delete;
  ~PollThread() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    ring();
    thread_.join();
    ::close(bell_);
  }

  // Sets `event`, once, when `fd` is what `interest` says (POLLIN: readable, POLLOUT: writable) or
  // has failed; unless the event is gone by then.
  void watch(int fd, short interest, std::weak_ptr<rt::ManualEvent> event) {
    {
      const std::lock_guard lock(mutex_);
      newcomers_.emplace_back(fd, interest, std::move(event));
    }
    ring();
  }

 private:
  struct Watch {
    Watch(int f, short i, std::weak_ptr<rt::ManualEvent> e)
        : fd(f), interest(i), event(std::move(e)) {}
    int fd;
    short interest;
    std::weak_ptr<rt::ManualEvent> event;
  };

  // Ends the poll(2) in progress, so that it begins again with the newcomers.
  void ring() const {
    const uint64_t one = 1;
    if (::write(bell_, &one, sizeof one) < 0 && errno != EAGAIN) std::perror("write");
  }

  void run() {
    std::vector<Watch> watched;
    std::vector<pollfd> polled;
    while (take_newcomers(watched)) {
      polled.assign(1, pollfd{bell_, POLLIN, 0});
      for (const Watch& watch : watched) polled.push_back({watch.fd, watch.interest, 0});
      if (::poll(polled.data(), polled.size(), -1) < 0) continue;
      uint64_t rings = 0;
      if (polled[0].revents != 0 && ::read(bell_, &rings, sizeof rings) < 0) std::perror("read");
      std::vector<Watch> rest;
      for (std::size_t i = 0; i < watched.size(); ++i) {
        if (polled[i + 1].revents == 0) {
          rest.push_back(std::move(watched[i]));
        } else if (const auto event = watched[i].event.lock()) {
          event->set();  // The task is woken here, and polled on the runtime's thread.
        }
      }
      watched.swap(rest);
    }
  }

  bool take_newcomers(std::vector<Watch>& watched) {
    const std::lock_guard lock(mutex_);
    for (Watch& watch : newcomers_) watched.push_back(std::move(watch));
    newcomers_.clear();
    return !stopping_;
  }

  const int bell_;
  std::mutex mutex_;  // Guards the two below.
  std::vector<Watch> newcomers_;
  bool stopping_ = false;
  std::thread thread_;  // Last: it uses all of the above.
};

// Ready when `fd` is what `interest` says, or has failed.
rt::Async<> readiness(PollThread& poller, int fd, short interest) {
  const auto event = std::make_shared<rt::ManualEvent>();
  poller.watch(fd, interest, event);
  co_await event->wait();
}

// --- The server: a task for each connection ------------------------------------------------------

// Thread safety: all of it runs on the thread of one runtime.
class EchoServer {
 public:
  EchoServer(PollThread& poller, int listener) : poller_(poller), listener_(listener) {}

  // Ends when somebody has called shutdown(listener, SHUT_RD) and every connection has ended. What
  // accept4(2) says otherwise is the result.
  rt::Async<absl::Status> serve() {
    absl::Status accepted = co_await accept_all();
    while (open_ > 0) {
      co_await closed_.wait();
      closed_.reset();
    }
    co_return accepted;
  }

 private:
  rt::Async<absl::Status> accept_all() {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd >= 0) {
        ++open_;
        rt::spawn(connection(fd)).detach();
        continue;
      }
      if (errno == EINVAL) co_return absl::OkStatus();
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN) co_return absl::ErrnoToStatus(errno, "accept4");
      co_await readiness(poller_, listener_, POLLIN);
    }
  }

  rt::Async<> connection(int fd) {
    co_await echo(fd);
    ::shutdown(fd, SHUT_WR);
    ::close(fd);
    --open_;
    closed_.set();
  }

  // Compare it with echo_connection of exercise 0.1, and with the state machine of 0.3.
  rt::Async<> echo(int fd) {
    std::string buffer(4096, '\0');
    while (true) {
      const rt::IoResult got = rt::try_read(fd, absl::MakeSpan(buffer));
      if (got.kind() == rt::IoResult::kWouldBlock) {
        co_await readiness(poller_, fd, POLLIN);
      } else if (got.kind() == rt::IoResult::kData) {
        const bool written = co_await write_all(fd, absl::string_view(buffer.data(), got.bytes()));
        if (!written) co_return;
      } else {
        co_return;
      }
    }
  }

  rt::Async<bool> write_all(int fd, absl::string_view data) {
    while (!data.empty()) {
      const rt::IoResult put = rt::try_write(fd, data);
      if (put.kind() == rt::IoResult::kWouldBlock) {
        co_await readiness(poller_, fd, POLLOUT);
      } else if (put.kind() == rt::IoResult::kData) {
        data.remove_prefix(put.bytes());
      } else {
        co_return false;
      }
    }
    co_return true;
  }

  PollThread& poller_;
  const int listener_;
  int open_ = 0;            // How many connections there are.
  rt::ManualEvent closed_;  // One has been closed.
};

absl::Status serve_with_tasks(int listener) {
  PollThread poller;
  EchoServer server(poller, listener);
  rt::LocalRuntime runtime;
  return runtime.block_on(server.serve());
}

// --- The program, as in module 0 -----------------------------------------------------------------

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

absl::StatusOr<int> listen_on(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
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
  std::printf("echo: a task for each connection, all on one thread, on 127.0.0.1:%d\n",
              port_of(*listener));
  std::fflush(stdout);

  absl::Status served;
  std::thread server([&] { served = serve_with_tasks(*listener); });
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
