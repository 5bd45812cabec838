// The course's echo server: a task for each connection.
//
//   echo [PORT]         serves on 127.0.0.1 until Ctrl-C; without PORT the kernel chooses one
//   echo --self-test    serves a few clients of its own, says what they got, and ends
//
// The program of module 0 with one part swapped. All connections are tasks on one thread, and read
// like the blocking ones. What waits for their sockets is a helper thread in poll(2): module 2
// replaces it.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
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
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "demo/echo_program.h"
#include "rt/exercise/nonblocking_io.h"
#include "rt/future/async.h"
#include "rt/future/manual_event.h"
#include "rt/runtime/local_runtime.h"
#include "rt/task/spawn.h"

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

}  // namespace

int main(int argc, char** argv) {
  demo::DescriptorServer server(serve_with_tasks, SOCK_NONBLOCK);
  return demo::run_echo(argc, argv, "echo: a task for each connection, all on one thread", server);
}
