// SysScript: what the kernel will say next, one call at a time.
//
//   testkit::SysScript script;
//   script.name(fd, "connection");
//   script.on_read(fd).gives("hel").fails(EINTR).gives("lo\n").ends();
//
// While it lives, every call made through rt/platform/sys.h comes here. A call that has a plan does
// what the plan says; one that has none, or whose plan is used up, asks the kernel. Each call
// becomes a line of the step log: `read(connection, 4096 bytes) = EINTR`.
//
// Thread safety: calls may come from any thread. Plan before the code under test runs. Make the
// script before, and destroy it after, every thread that makes calls.
//
// Invariants
//   1. Plans for one descriptor go before plans for any descriptor.
//   2. A plan that is not used up is a failure of the test: what it was to show has not happened.
//   3. The code under test cannot spin for ever: after `limit` calls the test fails and ends.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rt/platform/sys.h"
#include "testkit/internal/sys_plans.h"

namespace testkit {

class SysScript final : public rt::sys::Calls {
 public:
  static constexpr int kAny = internal::SysPlans::kAny;

  // What the next calls of one kind come to, in this order.
  using Plan = internal::SysPlans::Plan;

  SysScript() : before_(rt::sys::replace(this)) {}
  ~SysScript() override { rt::sys::replace(before_); }

  Plan& on_read(int fd = kAny) { return on(Call::kRead, fd); }
  Plan& on_write(int fd = kAny) { return on(Call::kWrite, fd); }
  Plan& on_accept(int fd = kAny) { return on(Call::kAccept, fd); }
  Plan& on_poll() { return on(Call::kPoll); }
  Plan& on_epoll_wait() { return on(Call::kEpollWait); }
  // Any other. `fd` as in SysRecord.
  Plan& on(Call call, int fd = kAny) { return plans_.plan(call, fd); }

  // For the step log and failures.
  void name(int fd, std::string name) { plans_.name(fd, std::move(name)); }
  void limit(size_t calls) { plans_.limit(calls); }

  std::vector<SysRecord> records() const { return plans_.records(); }
  std::vector<SysRecord> records(Call call, int fd = kAny) const {
    return plans_.records(call, fd);
  }
  size_t count(Call call, int fd = kAny) const { return plans_.count(call, fd); }

  // The calls themselves.

  ssize_t read(int fd, void* buffer, size_t size) override {
    size_t most = size;
    const std::optional<ssize_t> planned = plans_.read(fd, buffer, most);
    const ssize_t result = planned.has_value() ? *planned : Calls::read(fd, buffer, most);
    return plans_.finish(Call::kRead, fd, result, 0, size);
  }

  int poll(pollfd* fds, nfds_t count, int timeout_ms) override {
    SysRecord record{.call = Call::kPoll, .argument = timeout_ms};
    record.fds.assign(fds, fds + count);
    const std::optional<int> planned = plans_.poll(fds, count);
    record.result = planned.has_value() ? *planned : Calls::poll(fds, count, timeout_ms);
    return static_cast<int>(plans_.finish(std::move(record)));
  }

  int close(int fd) override {
    plans_.fails(Call::kClose, fd);  // For the limit: it is always done.
    return done(Call::kClose, fd, Calls::close(fd));
  }

  int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) override {
    SysRecord record{.call = Call::kEpollCtl, .fd = fd, .argument = operation};
    if (event != nullptr && operation != EPOLL_CTL_DEL) record.events = event->events;
    record.result =
        plans_.fails(Call::kEpollCtl, fd) ? -1 : Calls::epoll_ctl(epoll_fd, operation, fd, event);
    return static_cast<int>(plans_.finish(std::move(record)));
  }

  ssize_t write(int fd, const void* data, size_t size) override {
    size_t most = size;
    const long result = plans_.fails(Call::kWrite, fd, most) ? -1 : Calls::write(fd, data, most);
    return plans_.finish(Call::kWrite, fd, result, 0, size);
  }

  ssize_t recvfrom(int fd, void* buffer, size_t size, int flags, sockaddr* address,
                   socklen_t* length) override {
    size_t most = size;
    const long result = plans_.fails(Call::kRecvfrom, fd, most)
                            ? -1
                            : Calls::recvfrom(fd, buffer, most, flags, address, length);
    return plans_.finish(Call::kRecvfrom, fd, result, flags, size);
  }

  ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* address,
                 socklen_t length) override {
    size_t most = size;
    const long result = plans_.fails(Call::kSendto, fd, most)
                            ? -1
                            : Calls::sendto(fd, data, most, flags, address, length);
    return plans_.finish(Call::kSendto, fd, result, flags, size);
  }

  ssize_t preadv2(int fd, const iovec* parts, int count, off_t offset, int flags) override {
    iovec first = parts[0];
    const bool fails = plans_.fails(Call::kPreadv2, fd, first.iov_len);
    const bool is_short = first.iov_len < parts[0].iov_len;
    const long result =
        fails ? -1
              : Calls::preadv2(fd, is_short ? &first : parts, is_short ? 1 : count, offset, flags);
    return plans_.finish(Call::kPreadv2, fd, result, flags, parts[0].iov_len);
  }

  ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) override {
    size_t most = size;
    const long result =
        plans_.fails(Call::kPwrite, fd, most) ? -1 : Calls::pwrite(fd, data, most, offset);
    return plans_.finish(Call::kPwrite, fd, result, 0, size);
  }

  int epoll_wait(int epoll_fd, epoll_event* events, int count, int timeout_ms) override {
    auto most = static_cast<size_t>(count);
    const int result =
        plans_.fails(Call::kEpollWait, kAny, most)
            ? -1
            : Calls::epoll_wait(epoll_fd, events, static_cast<int>(most), timeout_ms);
    return done(Call::kEpollWait, kAny, result, timeout_ms);
  }

  int accept4(int fd, sockaddr* address, socklen_t* length, int flags) override {
    return done(Call::kAccept, fd,
                plans_.fails(Call::kAccept, fd) ? -1 : Calls::accept4(fd, address, length, flags),
                flags);
  }

  int shutdown(int fd, int how) override {
    return done(Call::kShutdown, fd,
                plans_.fails(Call::kShutdown, fd) ? -1 : Calls::shutdown(fd, how), how);
  }

  int socket(int domain, int type, int protocol) override {
    return done(Call::kSocket, kAny,
                plans_.fails(Call::kSocket) ? -1 : Calls::socket(domain, type, protocol), type);
  }

  int socketpair(int domain, int type, int protocol, int* fds) override {
    return done(
        Call::kSocketpair, kAny,
        plans_.fails(Call::kSocketpair) ? -1 : Calls::socketpair(domain, type, protocol, fds),
        type);
  }

  int bind(int fd, const sockaddr* address, socklen_t length) override {
    return done(Call::kBind, fd,
                plans_.fails(Call::kBind, fd) ? -1 : Calls::bind(fd, address, length));
  }

  int listen(int fd, int backlog) override {
    return done(Call::kListen, fd,
                plans_.fails(Call::kListen, fd) ? -1 : Calls::listen(fd, backlog), backlog);
  }

  int connect(int fd, const sockaddr* address, socklen_t length) override {
    return done(Call::kConnect, fd,
                plans_.fails(Call::kConnect, fd) ? -1 : Calls::connect(fd, address, length));
  }

  int getsockopt(int fd, int level, int name, void* value, socklen_t* length) override {
    return done(Call::kGetsockopt, fd,
                plans_.fails(Call::kGetsockopt, fd)
                    ? -1
                    : Calls::getsockopt(fd, level, name, value, length),
                name);
  }

  int setsockopt(int fd, int level, int name, const void* value, socklen_t length) override {
    return done(Call::kSetsockopt, fd,
                plans_.fails(Call::kSetsockopt, fd)
                    ? -1
                    : Calls::setsockopt(fd, level, name, value, length),
                name);
  }

  int epoll_create1(int flags) override {
    return done(Call::kEpollCreate, kAny,
                plans_.fails(Call::kEpollCreate) ? -1 : Calls::epoll_create1(flags), flags);
  }

  int eventfd(unsigned value, int flags) override {
    return done(Call::kEventfd, kAny,
                plans_.fails(Call::kEventfd) ? -1 : Calls::eventfd(value, flags), flags);
  }

  int eventfd_write(int fd, eventfd_t value) override {
    return done(Call::kEventfdWrite, fd,
                plans_.fails(Call::kEventfdWrite, fd) ? -1 : Calls::eventfd_write(fd, value));
  }

  int pidfd_open(pid_t process, unsigned flags) override {
    return done(Call::kPidfdOpen, kAny,
                plans_.fails(Call::kPidfdOpen) ? -1 : Calls::pidfd_open(process, flags),
                static_cast<int>(flags));
  }

  int waitid(idtype_t type, id_t id, siginfo_t* info, int options) override {
    return done(Call::kWaitid, kAny,
                plans_.fails(Call::kWaitid) ? -1 : Calls::waitid(type, id, info, options), options);
  }

 private:
  int done(Call call, int fd, int result, int argument = 0) {
    return static_cast<int>(plans_.finish(call, fd, result, argument));
  }

  rt::sys::Calls* const before_;
  internal::SysPlans plans_;
};

}  // namespace testkit
