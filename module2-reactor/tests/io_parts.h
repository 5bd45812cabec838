// What the tests of sockets share: a reactor on this thread, sockets that are ready when the test
// says so, and a kernel that keeps a diary.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/io_source.h"
#include "rt/driver/reactor.h"
#include "rt/platform/owned_fd.h"
#include "rt/platform/sync.h"
#include "rt/platform/sys.h"
#include "testkit/sockets.h"
#include "testkit/testkit.h"

namespace io_parts {

// A reactor of which this thread is the driver. Nothing turns it but the test.
class OnAReactor {
 public:
  testkit::TestTask task;

  // Polls until it is ready, with turns of the reactor in between.
  template <class F>
  rt::OutputOf<F> finish(F future) {
    return finish_polled(future);
  }
  template <class F>
  rt::OutputOf<F> finish_polled(F& future) {
    for (;;) {
      const int wakes = task.wakes();
      rt::Poll<rt::OutputOf<F>> result = task.poll(future);
      if (result.is_ready()) return std::move(result).take();
      turn_until_woken(task, wakes + 1);
    }
  }

  OnAReactor() : reactor_(*rt::Reactor::create()), inside_(reactor_) {}

  rt::Reactor& reactor() const { return *reactor_; }

  // Takes the events that are there.
  void turn() {
    testkit::step("a turn of the reactor");
    check(reactor_->turn(absl::ZeroDuration()));
  }
  // Waits for events until the task has been woken `n` times.
  void turn_until_woken(const testkit::TestTask& who, int n = 1) {
    testkit::step("turns of the reactor until " + who.name() + " is woken");
    while (who.wakes() < n) check(reactor_->turn(absl::InfiniteDuration()));
  }

 private:
  static void check(const absl::Status& status) { EXPECT_TRUE(status.ok()) << status.ToString(); }

  rt::sync::Arc<rt::Reactor> reactor_;
  rt::EnterDriver inside_;
};

// A descriptor that does not block, as a registered source.
inline rt::IoSource source_of(testkit::Fd fd, std::string name) {
  return *rt::IoSource::open(rt::OwnedFd(fd.release()), std::move(name));
}

// EXPECT_EQ of texts. It is a template of their lengths too, and each costs compile time.
inline testing::AssertionResult same(absl::string_view actual, absl::string_view expected) {
  if (actual == expected) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "expected \"" << std::string(expected)
                                     << "\", but it was \"" << std::string(actual) << "\"";
}

// The text of its error.
template <class T>
std::string error_of(const absl::StatusOr<T>& result) {
  return result.ok() ? "no error" : std::string(result.status().message());
}

// Waits until so many connections are in a listener's queue. (TCP over loopback may take a moment.)
inline void wait_for_queue(int listener, unsigned connections) {
  tcp_info info{};
  do {
    socklen_t length = sizeof info;
    testkit::checked(::getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &length), "getsockopt");
  } while (info.tcpi_unacked < connections);
}

// Stands between the code and the kernel: counts, notes the order of some calls, and lets the next
// calls of a kind fail. (testkit::SysScript can do more, and takes longer to compile.)
class Kernel : public rt::sys::Calls {
 public:
  Kernel() : before_(rt::sys::replace(this)) {}
  ~Kernel() override { rt::sys::replace(before_); }

  // The errors of the next calls; after them the kernel is asked.
  std::vector<int> read_fails, write_fails, accept_fails, receive_fails, connect_fails;
  int still_running = 0;            // So many calls of waitid(2) say that it runs.
  int so_error = -1;                // What SO_ERROR says; -1: what the kernel says.
  int pidfd_open_fails = 0;         // The error of every call; 0: the kernel is asked.
  int epoll_add_fails = 0;          // The same.
  bool interrupts_connect = false;  // After it has begun.
  std::function<void()> on_read;    // Called once, by a read that then finds nothing.

  int reads = 0, writes = 0, accepts = 0, receives = 0, connects = 0;
  std::set<int> accepted;                // Those that are open.
  std::size_t most_accepted = SIZE_MAX;  // More is EMFILE.
  int listener = -1;                     // The last that began to listen.
  std::string diary;                     // "connect register ".

  ssize_t read(int fd, void* buffer, std::size_t size) override {
    if (fails(read_fails, ++reads)) return -1;
    if (!on_read) return Calls::read(fd, buffer, size);
    std::exchange(on_read, nullptr)();
    errno = EAGAIN;
    return -1;
  }
  ssize_t write(int fd, const void* data, std::size_t size) override {
    return fails(write_fails, ++writes) ? -1 : Calls::write(fd, data, size);
  }
  int accept4(int fd, sockaddr* address, socklen_t* length, int flags) override {
    if (fails(accept_fails, ++accepts)) return -1;
    if (accepted.size() >= most_accepted) {
      errno = EMFILE;
      return -1;
    }
    const int result = Calls::accept4(fd, address, length, flags);
    if (result >= 0) accepted.insert(result);
    return result;
  }
  int close(int fd) override {
    accepted.erase(fd);
    return Calls::close(fd);
  }
  ssize_t recvfrom(int fd, void* buffer, std::size_t size, int flags, sockaddr* address,
                   socklen_t* length) override {
    if (fails(receive_fails, ++receives)) return -1;
    return Calls::recvfrom(fd, buffer, size, flags, address, length);
  }
  int waitid(idtype_t type, id_t id, siginfo_t* info, int options) override {
    if (still_running == 0) return Calls::waitid(type, id, info, options);
    --still_running;
    info->si_pid = 0;
    return 0;
  }
  int pidfd_open(pid_t process, unsigned flags) override {
    if (pidfd_open_fails != 0) return errno = pidfd_open_fails, -1;
    return Calls::pidfd_open(process, flags);
  }
  int listen(int fd, int backlog) override {
    listener = fd;
    return Calls::listen(fd, backlog);
  }
  int connect(int fd, const sockaddr* address, socklen_t length) override {
    diary += "connect ";
    if (fails(connect_fails, ++connects)) return -1;
    const int result = Calls::connect(fd, address, length);
    if (!interrupts_connect) return result;
    errno = EINTR;
    return -1;
  }
  int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) override {
    if (operation == EPOLL_CTL_ADD) {
      diary += "register ";
      if (epoll_add_fails != 0) return errno = epoll_add_fails, -1;
    }
    return Calls::epoll_ctl(epoll_fd, operation, fd, event);
  }
  int getsockopt(int fd, int level, int name, void* value, socklen_t* length) override {
    if (name != SO_ERROR || so_error < 0) return Calls::getsockopt(fd, level, name, value, length);
    *static_cast<int*>(value) = so_error;
    return 0;
  }

 private:
  // Code that never stops calling fails here, and does not hang.
  static bool fails(std::vector<int>& errors, int calls) {
    if (calls > 20'000) {
      ADD_FAILURE() << "After 20,000 calls of one kind the code under test is still going.";
      std::fflush(nullptr);
      ::_exit(1);
    }
    if (errors.empty()) return false;
    errno = errors.front();
    errors.erase(errors.begin());
    testkit::step(std::string("the next call fails: ") + std::strerror(errno));
    return true;
  }

  rt::sys::Calls* const before_;
};

}  // namespace io_parts
