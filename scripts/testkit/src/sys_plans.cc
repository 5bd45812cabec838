#include "testkit/internal/sys_plans.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "testkit/internal/stacks.h"
#include "testkit/steps.h"

namespace testkit::internal {

namespace {

bool makes_a_descriptor(Call call) {
  return call == Call::kAccept || call == Call::kSocket || call == Call::kEpollCreate ||
         call == Call::kEventfd || call == Call::kPidfdOpen;
}

}  // namespace

SysPlans::Plan::Plan() = default;
SysPlans::Plan::~Plan() = default;

SysPlans::Plan& SysPlans::Plan::add(Action action) {
  actions_.push_back(std::move(action));
  return *this;
}
SysPlans::Plan& SysPlans::Plan::fails(int error) {
  return add({.kind = Action::kFail, .error = error});
}
SysPlans::Plan& SysPlans::Plan::gives(std::string bytes) {
  return add({.kind = Action::kGive, .bytes = std::move(bytes)});
}
SysPlans::Plan& SysPlans::Plan::ends() { return gives(""); }
SysPlans::Plan& SysPlans::Plan::at_most(size_t size) {
  return add({.kind = Action::kAtMost, .size = size});
}
SysPlans::Plan& SysPlans::Plan::passes() { return add({}); }
SysPlans::Plan& SysPlans::Plan::reports(int fd, short events) {
  return add({.kind = Action::kReport, .fd = fd, .events = events});
}
SysPlans::Plan& SysPlans::Plan::forever() {
  actions_.back().forever = true;
  return *this;
}

SysPlans::SysPlans() = default;

SysPlans::~SysPlans() {
  if (::testing::Test::HasFailure()) return;  // Then the first failure says enough.
  for (const auto& [key, plan] : plans_) {
    if (plan.actions_.empty() || plan.actions_.front().forever) continue;
    ADD_FAILURE() << "the test planned " << plan.actions_.size() << " more " << word(key.first)
                  << "(" << name_of(key.second) << ") than the code under test has called";
  }
}

SysPlans::Plan& SysPlans::plan(Call call, int fd) { return plans_[{call, fd}]; }

void SysPlans::name(int fd, std::string name) {
  const std::lock_guard lock(mutex_);
  names_[fd] = std::move(name);
}

std::vector<SysRecord> SysPlans::records() const {
  const std::lock_guard lock(mutex_);
  return records_;
}

std::vector<SysRecord> SysPlans::records(Call call, int fd) const {
  std::vector<SysRecord> found;
  for (SysRecord& record : records()) {
    if (record.call == call && (fd == kAny || record.fd == fd)) found.push_back(std::move(record));
  }
  return found;
}

size_t SysPlans::count(Call call, int fd) const { return records(call, fd).size(); }

bool SysPlans::fails(Call call, int fd) {
  size_t size = 0;
  return fails(call, fd, size);
}

bool SysPlans::fails(Call call, int fd, size_t& size) {
  const Action action = next(call, fd);
  if (action.kind == Action::kAtMost && action.size < size) size = action.size;
  if (action.kind != Action::kFail) return false;
  errno = action.error;
  return true;
}

std::optional<ssize_t> SysPlans::read(int fd, void* buffer, size_t& size) {
  const Action action = next(Call::kRead, fd);
  if (action.kind == Action::kAtMost && action.size < size) size = action.size;
  if (action.kind == Action::kFail) {
    errno = action.error;
    return -1;
  }
  if (action.kind != Action::kGive) return std::nullopt;
  if (action.bytes.size() > size) {
    stop(absl::StrCat("the test plans a read of ", action.bytes.size(), " bytes, but only ", size,
                      " were asked for; ask for more"));
  }
  std::memcpy(buffer, action.bytes.data(), action.bytes.size());
  return static_cast<ssize_t>(action.bytes.size());
}

std::optional<int> SysPlans::poll(pollfd* fds, nfds_t count) {
  const Action action = next(Call::kPoll, kAny);
  if (action.kind == Action::kFail) {
    errno = action.error;
    return -1;
  }
  if (action.kind != Action::kReport) return std::nullopt;
  int ready = 0;
  for (nfds_t i = 0; i < count; ++i) {
    fds[i].revents = fds[i].fd == action.fd ? action.events : short{0};
    if (fds[i].revents != 0) ++ready;
  }
  return ready;
}

long SysPlans::finish(SysRecord record) {
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

long SysPlans::finish(Call call, int fd, long result, int argument, size_t size) {
  SysRecord record{.call = call};
  record.fd = fd;
  record.size = size;
  record.argument = argument;
  record.result = result;
  return finish(std::move(record));
}

const char* SysPlans::word(Call call) {
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
    case Call::kPidfdOpen:
      return "pidfd_open";
    case Call::kWaitid:
      return "waitid";
    case Call::kPreadv2:
      return "preadv2";
    case Call::kPwrite:
      return "pwrite";
  }
  return "?";
}

std::string SysPlans::name_of(int fd) const {
  const auto found = names_.find(fd);
  return found == names_.end() ? (fd == kAny ? "any" : absl::StrCat("fd ", fd)) : found->second;
}

// Takes the next planned action, if there is one.
SysPlans::Action SysPlans::next(Call call, int fd) {
  const std::lock_guard lock(mutex_);
  if (++calls_ > limit_) {
    stop(absl::StrCat("after ", limit_, " system calls the code under test is still going; the ",
                      "last one is ", word(call), "(", name_of(fd), ")"));
  }
  for (const int key : {fd, kAny}) {
    const auto plan = plans_.find({call, key});
    if (plan == plans_.end() || plan->second.actions_.empty()) continue;
    std::deque<Action>& actions = plan->second.actions_;
    Action action = actions.front();
    if (!action.forever) actions.pop_front();
    return action;
  }
  return {};
}

// Fails the test from wherever this is, on whatever thread, and ends its process.
void SysPlans::stop(const std::string& why) {
  ADD_FAILURE() << why << "\nThe call was made\n" << called_from("  ");
  std::fflush(nullptr);
  ::_exit(1);
}

std::string SysPlans::describe(const SysRecord& record) const {
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
                                    {uint32_t{EPOLLPRI}, " PRI"},
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

}  // namespace testkit::internal
