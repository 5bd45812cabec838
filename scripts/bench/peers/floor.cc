// The floor: what the machine itself takes for the part of a workload that no runtime can spare.
//
//   spawn        malloc and free of N blocks of 128 bytes, all alive at once: a task's memory
//   yield-one    a compare-and-swap on one word: a task's state
//   start-stop   threads that end at once are started and joined
//   echo         one thread with read and write in a bare epoll loop
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "common/program.h"

namespace {

using bench::Clock;
using bench::fail;
using bench::Size;

void spawn(Size size) {
  constexpr std::size_t kTask = 128;
  std::vector<void*> blocks(size.n);
  const Clock::time_point start = Clock::now();
  for (void*& block : blocks) {
    block = std::malloc(kTask);
    if (block == nullptr) fail("malloc");
    std::memset(block, 1, 64);
  }
  for (void* block : blocks) std::free(block);
  bench::print("spawn", bench::ns_since(start) / static_cast<double>(size.n));
}

void yield_one(Size size) {
  std::atomic<std::uint64_t> word{0};
  const Clock::time_point start = Clock::now();
  for (std::uint64_t i = 0; i < size.n; ++i) {
    std::uint64_t expected = i;
    if (!word.compare_exchange_strong(expected, i + 1)) std::abort();
  }
  bench::print("yield-one", bench::ns_since(start) / static_cast<double>(size.n));
}

void start_stop(Size size) {
  const Clock::time_point start = Clock::now();
  for (std::uint64_t i = 0; i < size.n; ++i) {
    std::vector<std::thread> threads;
    for (unsigned worker = 0; worker < size.workers; ++worker) threads.emplace_back([] {});
    for (std::thread& thread : threads) thread.join();
  }
  bench::print("start-stop", bench::ns_since(start) / 1e3 / static_cast<double>(size.n));
}

int listen_somewhere() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("bind");
  if (::listen(fd, 4096) != 0) fail("listen");
  return fd;
}

std::uint16_t port_of(int fd) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) fail("getsockname");
  return ntohs(address.sin_port);
}

void watch(int set, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

void accept_all(int set, int listener) {
  while (true) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return;
    const int on = 1;
    ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(set, client);
  }
}

// A message of the load fits into a socket that is empty, so writes are never short.
void pass(int fd) {
  std::array<char, bench::kEchoBuffer> buffer;
  const ssize_t got = ::read(fd, buffer.data(), buffer.size());
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0 || ::send(fd, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) {
    ::close(fd);
  }
}

void echo(Size) {
  const int listener = listen_somewhere(), set = ::epoll_create1(EPOLL_CLOEXEC);
  bench::end_with_stdin(port_of(listener));
  watch(set, listener);
  std::array<epoll_event, 256> events;
  while (true) {
    const int count = ::epoll_wait(set, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      fd == listener ? accept_all(set, listener) : pass(fd);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv,
                    {{"spawn", spawn},
                     {"yield-one", yield_one},
                     {"start-stop", start_stop},
                     {"echo", echo},
                     {"echo-idle", echo}});
}
