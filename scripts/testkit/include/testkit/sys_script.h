// SysScript: what the kernel will say next, one call at a time.
//
//   testkit::SysScript script;
//   script.name(fd, "connection");
//   script.on_read(fd).gives("hel").fails(EINTR).gives("lo\n").ends();
//
// While it lives, every call made through rt/sys.h comes here. A call that has a plan does what the
// plan says; one that has none, or whose plan is used up, asks the kernel. Each call becomes a line
// of the step log: `read(connection, 4096 bytes) = EINTR`.
//
// Thread safety: calls may come from any thread. Plan before the code under test runs. Make the
// script before, and destroy it after, every thread that makes calls.
//
// Invariants
//   1. Plans for one descriptor go before plans for any descriptor.
//   2. A plan that is not used up is a failure of the test: what it was to show has not happened.
//   3. The code under test cannot spin for ever: after `limit` calls the test fails and ends.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "rt/sys.h"
#include "testkit/internal/stacks.h"
#include "testkit/steps.h"

namespace testkit {

enum class Call {
  kRead,
  kWrite,
  kAccept,
  kPoll,
  kClose,
  kShutdown,
  kSocket,
  kSocketpair,
  kBind,
  kListen,
  kConnect,
  kGetsockopt,
  kSetsockopt,
  kRecvfrom,
  kSendto,
  kEpollCreate,
  kEpollCtl,
  kEpollWait,
  kEventfd,
  kEventfdWrite,
  kSignalfd,
  kPidfdOpen,
  kWaitid,
};

// A call that was made, and what came of it.
struct SysRecord {
  Call call;
  int fd = -1;                   // of accept4: the listener; of epoll_ctl: not the epoll's own; of
                                 // poll, epoll_wait, and what makes a descriptor: -1
  size_t size = 0;               // of read, write, recvfrom, sendto: as asked for
  int argument = 0;              // flags; of poll, epoll_wait: the time-out; of shutdown: how; of
                                 // epoll_ctl: the operation; of get- and setsockopt: the option
  long result = 0;               // as the caller got it
  int error = 0;                 // errno, if the result is -1
  std::vector<pollfd> fds = {};  // of poll: as the caller asked, before the answer
  uint32_t events = 0;           // of epoll_ctl: as the caller asked
};

class SysScript final : public rt::sys::Calls {
  struct Action {
    enum Kind { kPass, kFail, kGive, kAtMost, kReport } kind = kPass;
    int error = 0;
    std::string bytes = {};
    size_t size = 0;
    int fd = -1;
    short events = 0;
    bool forever = false;
  };

 public:
  static constexpr int kAny = -1;

  // What the next calls of one kind come to, in this order.
  class Plan {
   public:
    // The call has no effect and says -1 with this errno.
    Plan& fails(int error) { return add({.kind = Action::kFail, .error = error}); }
    // read: these bytes, and the kernel is not asked. They must fit what the caller asks for.
    Plan& gives(std::string bytes) { return add({.kind = Action::kGive, .bytes = bytes}); }
    // read: 0, the peer has ended its side.
    Plan& ends() { return gives(""); }
    // read, write, recvfrom, sendto, epoll_wait: the kernel is asked, for `size` bytes, or events,
    // at most.
    Plan& at_most(size_t size) { return add({.kind = Action::kAtMost, .size = size}); }
    // The kernel is asked as the caller said.
    Plan& passes() { return add({}); }
    // poll: answers at once that `fd`, and nothing else, has `events`.
    Plan& reports(int fd, short events) {
      return add({.kind = Action::kReport, .fd = fd, .events = events});
    }
    // From here on every call does as the last one planned. Never counts as not used up.
    Plan& forever() {
      actions_.back().forever = true;
      return *this;
    }

   private:
    friend class SysScript;
    Plan& add(Action action) {
      actions_.push_back(std::move(action));
      return *this;
    }
    std::deque<Action> actions_;
  };

  SysScript() : before_(rt::sys::replace(this)) {}

  ~SysScript() override {
    rt::sys::replace(before_);
    if (::testing::Test::HasFailure()) return;  // then the first failure says enough
    for (const auto& [key, plan] : plans_) {
      if (plan.actions_.empty() || plan.actions_.front().forever) continue;
      ADD_FAILURE() << "the test planned " << plan.actions_.size() << " more " << word(key.first)
                    << "(" << name_of(key.second) << ") than the code under test has called";
    }
  }

  Plan& on_read(int fd = kAny) { return plans_[{Call::kRead, fd}]; }
  Plan& on_write(int fd = kAny) { return plans_[{Call::kWrite, fd}]; }
  Plan& on_accept(int fd = kAny) { return plans_[{Call::kAccept, fd}]; }
  Plan& on_poll() { return plans_[{Call::kPoll, kAny}]; }
  Plan& on_epoll_wait() { return plans_[{Call::kEpollWait, kAny}]; }
  // Any other. `fd` as in SysRecord.
  Plan& on(Call call, int fd = kAny) { return plans_[{call, fd}]; }

  void name(int fd, std::string name) {  // for the step log and failures
    const std::lock_guard lock(mutex_);
    names_[fd] = std::move(name);
  }
  void limit(size_t calls) { limit_ = calls; }

  std::vector<SysRecord> records() const {
    const std::lock_guard lock(mutex_);
    return records_;
  }
  std::vector<SysRecord> records(Call call, int fd = kAny) const {
    std::vector<SysRecord> found;
    for (SysRecord& record : records()) {
      if (record.call == call && (fd == kAny || record.fd == fd)) found.push_back(record);
    }
    return found;
  }
  size_t count(Call call, int fd = kAny) const { return records(call, fd).size(); }

  // The calls themselves.

  ssize_t read(int fd, void* buffer, size_t size) override {
    const Action action = next(Call::kRead, fd);
    ssize_t result = -1;
    if (action.kind == Action::kFail) {
      errno = action.error;
    } else if (action.kind == Action::kGive) {
      if (action.bytes.size() > size) {
        stop(absl::StrCat("the test plans a read of ", action.bytes.size(), " bytes, but only ",
                          size, " were asked for; ask for more"));
      }
      std::memcpy(buffer, action.bytes.data(), action.bytes.size());
      result = static_cast<ssize_t>(action.bytes.size());
    } else {
      result = Calls::read(fd, buffer, cut(action, size));
    }
    return finish({.call = Call::kRead, .fd = fd, .size = size, .result = result});
  }

  ssize_t write(int fd, const void* data, size_t size) override {
    const Action action = next(Call::kWrite, fd);
    ssize_t result = -1;
    if (action.kind == Action::kFail) {
      errno = action.error;
    } else {
      result = Calls::write(fd, data, cut(action, size));
    }
    return finish({.call = Call::kWrite, .fd = fd, .size = size, .result = result});
  }

  int accept4(int fd, sockaddr* address, socklen_t* length, int flags) override {
    const Action action = next(Call::kAccept, fd);
    int result = -1;
    if (action.kind == Action::kFail) {
      errno = action.error;
    } else {
      result = Calls::accept4(fd, address, length, flags);
    }
    return static_cast<int>(
        finish({.call = Call::kAccept, .fd = fd, .argument = flags, .result = result}));
  }

  int poll(pollfd* fds, nfds_t count, int timeout_ms) override {
    const Action action = next(Call::kPoll, kAny);
    SysRecord record{.call = Call::kPoll, .argument = timeout_ms};
    record.fds.assign(fds, fds + count);
    record.result = -1;
    if (action.kind == Action::kFail) {
      errno = action.error;
    } else if (action.kind == Action::kReport) {
      record.result = 0;
      for (nfds_t i = 0; i < count; ++i) {
        fds[i].revents = fds[i].fd == action.fd ? action.events : short{0};
        if (fds[i].revents != 0) ++record.result;
      }
    } else {
      record.result = Calls::poll(fds, count, timeout_ms);
    }
    return static_cast<int>(finish(std::move(record)));
  }

  int close(int fd) override {
    next(Call::kClose, fd);
    const int result = Calls::close(fd);
    return static_cast<int>(finish({.call = Call::kClose, .fd = fd, .result = result}));
  }

  int shutdown(int fd, int how) override {
    const int result = fails(Call::kShutdown, fd) ? -1 : Calls::shutdown(fd, how);
    return done({.call = Call::kShutdown, .fd = fd, .argument = how, .result = result});
  }

  int socket(int domain, int type, int protocol) override {
    const int result = fails(Call::kSocket) ? -1 : Calls::socket(domain, type, protocol);
    return done({.call = Call::kSocket, .argument = type, .result = result});
  }

  int socketpair(int domain, int type, int protocol, int* fds) override {
    const int result =
        fails(Call::kSocketpair) ? -1 : Calls::socketpair(domain, type, protocol, fds);
    return done({.call = Call::kSocketpair, .argument = type, .result = result});
  }

  int bind(int fd, const sockaddr* address, socklen_t length) override {
    const int result = fails(Call::kBind, fd) ? -1 : Calls::bind(fd, address, length);
    return done({.call = Call::kBind, .fd = fd, .result = result});
  }

  int listen(int fd, int backlog) override {
    const int result = fails(Call::kListen, fd) ? -1 : Calls::listen(fd, backlog);
    return done({.call = Call::kListen, .fd = fd, .argument = backlog, .result = result});
  }

  int connect(int fd, const sockaddr* address, socklen_t length) override {
    const int result = fails(Call::kConnect, fd) ? -1 : Calls::connect(fd, address, length);
    return done({.call = Call::kConnect, .fd = fd, .result = result});
  }

  int getsockopt(int fd, int level, int name, void* value, socklen_t* length) override {
    const int result =
        fails(Call::kGetsockopt, fd) ? -1 : Calls::getsockopt(fd, level, name, value, length);
    return done({.call = Call::kGetsockopt, .fd = fd, .argument = name, .result = result});
  }

  int setsockopt(int fd, int level, int name, const void* value, socklen_t length) override {
    const int result =
        fails(Call::kSetsockopt, fd) ? -1 : Calls::setsockopt(fd, level, name, value, length);
    return done({.call = Call::kSetsockopt, .fd = fd, .argument = name, .result = result});
  }

  ssize_t recvfrom(int fd, void* buffer, size_t size, int flags, sockaddr* address,
                   socklen_t* length) override {
    const Action action = next(Call::kRecvfrom, fd);
    const ssize_t result =
        fails(action) ? -1 : Calls::recvfrom(fd, buffer, cut(action, size), flags, address, length);
    return finish({.call = Call::kRecvfrom, .fd = fd, .size = size, .result = result});
  }

  ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* address,
                 socklen_t length) override {
    const Action action = next(Call::kSendto, fd);
    const ssize_t result =
        fails(action) ? -1 : Calls::sendto(fd, data, cut(action, size), flags, address, length);
    return finish({.call = Call::kSendto, .fd = fd, .size = size, .result = result});
  }

  int epoll_create1(int flags) override {
    const int result = fails(Call::kEpollCreate) ? -1 : Calls::epoll_create1(flags);
    return done({.call = Call::kEpollCreate, .argument = flags, .result = result});
  }

  int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) override {
    SysRecord record{.call = Call::kEpollCtl, .fd = fd, .argument = operation};
    if (event != nullptr && operation != EPOLL_CTL_DEL) record.events = event->events;
    record.result =
        fails(Call::kEpollCtl, fd) ? -1 : Calls::epoll_ctl(epoll_fd, operation, fd, event);
    return done(std::move(record));
  }

  int epoll_wait(int epoll_fd, epoll_event* events, int count, int timeout_ms) override {
    const Action action = next(Call::kEpollWait, kAny);
    const int most = static_cast<int>(cut(action, static_cast<size_t>(count)));
    const int result = fails(action) ? -1 : Calls::epoll_wait(epoll_fd, events, most, timeout_ms);
    return done({.call = Call::kEpollWait, .argument = timeout_ms, .result = result});
  }

  int eventfd(unsigned value, int flags) override {
    const int result = fails(Call::kEventfd) ? -1 : Calls::eventfd(value, flags);
    return done({.call = Call::kEventfd, .argument = flags, .result = result});
  }

  int eventfd_write(int fd, eventfd_t value) override {
    const int result = fails(Call::kEventfdWrite, fd) ? -1 : Calls::eventfd_write(fd, value);
    return done({.call = Call::kEventfdWrite, .fd = fd, .result = result});
  }

  int signalfd(int fd, const sigset_t* signals, int flags) override {
    const int result = fails(Call::kSignalfd, fd) ? -1 : Calls::signalfd(fd, signals, flags);
    return done({.call = Call::kSignalfd, .fd = fd, .argument = flags, .result = result});
  }

  int pidfd_open(pid_t process, unsigned flags) override {
    const int result = fails(Call::kPidfdOpen) ? -1 : Calls::pidfd_open(process, flags);
    return done({.call = Call::kPidfdOpen, .result = result});
  }

  int waitid(idtype_t type, id_t id, siginfo_t* info, int options) override {
    const int result = fails(Call::kWaitid) ? -1 : Calls::waitid(type, id, info, options);
    return done({.call = Call::kWaitid, .argument = options, .result = result});
  }

 private:
  static size_t cut(const Action& action, size_t size) {
    return action.kind == Action::kAtMost && action.size < size ? action.size : size;
  }

  // Whether the plan is that the call fails; if so, errno says how.
  static bool fails(const Action& action) {
    if (action.kind != Action::kFail) return false;
    errno = action.error;
    return true;
  }
  bool fails(Call call, int fd = kAny) { return fails(next(call, fd)); }

  int done(SysRecord record) { return static_cast<int>(finish(std::move(record))); }

  static const char* word(Call call) {
    switch (call) {
      case Call::kRead:
        return "read";
      case Call::kWrite:
        return "write";
      case Call::kAccept:
        return "accept4";
      case Call::kPoll:
        return "poll";
      case Call::kClose:
        return "close";
      case Call::kShutdown:
        return "shutdown";
      case Call::kSocket:
        return "socket";
      case Call::kSocketpair:
        return "socketpair";
      case Call::kBind:
        return "bind";
      case Call::kListen:
        return "listen";
      case Call::kConnect:
        return "connect";
      case Call::kGetsockopt:
        return "getsockopt";
      case Call::kSetsockopt:
        return "setsockopt";
      case Call::kRecvfrom:
        return "recvfrom";
      case Call::kSendto:
        return "sendto";
      case Call::kEpollCreate:
        return "epoll_create1";
      case Call::kEpollCtl:
        return "epoll_ctl";
      case Call::kEpollWait:
        return "epoll_wait";
      case Call::kEventfd:
        return "eventfd";
      case Call::kEventfdWrite:
        return "eventfd_write";
      case Call::kSignalfd:
        return "signalfd";
      case Call::kPidfdOpen:
        return "pidfd_open";
      case Call::kWaitid:
        return "waitid";
    }
    return "?";
  }

  static bool makes_a_descriptor(Call call) {
    return call == Call::kAccept || call == Call::kSocket || call == Call::kEpollCreate ||
           call == Call::kEventfd || call == Call::kSignalfd || call == Call::kPidfdOpen;
  }

  std::string name_of(int fd) const {
    const auto found = names_.find(fd);
    return found == names_.end() ? (fd == kAny ? "any" : absl::StrCat("fd ", fd)) : found->second;
  }

  // Takes the next planned action, if there is one.
  Action next(Call call, int fd) {
    const std::lock_guard lock(mutex_);
    if (++calls_ > limit_) {
      stop(absl::StrCat("after ", limit_, " system calls the code under test is still going; the ",
                        "last one is ", word(call), "(", name_of(fd), ")"));
    }
    for (const int key : {fd, kAny}) {
      const auto plan = plans_.find({call, key});
      if (plan == plans_.end() || plan->second.actions_.empty()) continue;
      std::deque<Action>& actions = plan->second.actions_;
      const Action action = actions.front();
      if (!action.forever) actions.pop_front();
      return action;
    }
    return {};
  }

  // Fails the test from wherever this is, on whatever thread, and ends its process.
  [[noreturn]] static void stop(const std::string& why) {
    ADD_FAILURE() << why << "\nThe call was made\n" << internal::called_from("  ");
    std::fflush(nullptr);
    ::_exit(1);
  }

  // Notes the call and hands the result, with its errno, to the caller.
  long finish(SysRecord record) {
    const int error = errno;
    if (record.result < 0) record.error = error;
    const long result = record.result;
    {
      const std::lock_guard lock(mutex_);
      step(describe(record));
      records_.push_back(std::move(record));
    }
    errno = error;
    return result;
  }

  std::string describe(const SysRecord& record) const {
    std::string text = absl::StrCat(word(record.call), "(");
    if (record.call == Call::kPoll) {
      const auto entry = [this](std::string* out, const pollfd& polled) {
        absl::StrAppend(out, polled.fd < 0 ? "-" : name_of(polled.fd));
        if (polled.events & POLLIN) absl::StrAppend(out, " IN");
        if (polled.events & POLLOUT) absl::StrAppend(out, " OUT");
      };
      if (record.fds.size() <= 8) {
        absl::StrAppend(&text, "{", absl::StrJoin(record.fds, ", ", entry), "}");
      } else {
        absl::StrAppend(&text, record.fds.size(), " descriptors");
      }
      absl::StrAppend(&text, ", ", record.argument, " ms");
    } else if (record.call == Call::kEpollWait) {
      absl::StrAppend(&text, record.argument, " ms");
    } else if (record.call == Call::kEpollCtl) {
      const int operation = record.argument;
      absl::StrAppend(&text,
                      operation == EPOLL_CTL_ADD   ? "add "
                      : operation == EPOLL_CTL_DEL ? "remove "
                                                   : "change ",
                      name_of(record.fd));
      for (const auto& [bit, name] : {std::pair{uint32_t{EPOLLIN}, " IN"},
                                      {uint32_t{EPOLLOUT}, " OUT"},
                                      {uint32_t{EPOLLRDHUP}, " RDHUP"},
                                      {uint32_t{EPOLLET}, " ET"},
                                      {uint32_t{EPOLLONESHOT}, " ONESHOT"}}) {
        if ((record.events & bit) != 0) absl::StrAppend(&text, name);
      }
    } else {
      if (record.fd >= 0) absl::StrAppend(&text, name_of(record.fd));
      if (record.size > 0) absl::StrAppend(&text, ", ", record.size, " bytes");
    }
    absl::StrAppend(&text, ") = ");
    if (record.result >= 0 && makes_a_descriptor(record.call)) absl::StrAppend(&text, "fd ");
    if (record.result >= 0) return absl::StrCat(text, record.result);
    const char* const error = ::strerrorname_np(record.error);
    return absl::StrCat(text, error == nullptr ? "?" : error);
  }

  rt::sys::Calls* const before_;
  size_t limit_ = 20'000;
  size_t calls_ = 0;
  mutable std::mutex mutex_;
  std::map<std::pair<Call, int>, Plan> plans_;
  std::map<int, std::string> names_;
  std::vector<SysRecord> records_;
};

}  // namespace testkit
