// What a SysScript knows: the plans, the names, and the calls that were made. It knows nothing of
// the course's headers, so it stands in the library, and no test compiles it again.
//
// Thread safety and invariants: see testkit/sys_script.h.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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
  kPidfdOpen,
  kWaitid,
  kPreadv2,
  kPwrite,
};

// A call that was made, and what came of it.
struct SysRecord {
  Call call;
  int fd = -1;                   // of accept4: the listener; of epoll_ctl: not the epoll's own; of
                                 // poll, epoll_wait, and what makes a descriptor: -1
  size_t size = 0;               // of read, write, recvfrom, sendto, preadv2 (of the first part),
                                 // pwrite: as asked for
  int argument = 0;              // flags; of poll, epoll_wait: the time-out; of shutdown: how; of
                                 // epoll_ctl: the operation; of get- and setsockopt: the option
  long result = 0;               // as the caller got it
  int error = 0;                 // errno, if the result is -1
  std::vector<pollfd> fds = {};  // of poll: as the caller asked, before the answer
  uint32_t events = 0;           // of epoll_ctl: as the caller asked
};

namespace internal {

class SysPlans {
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
    Plan();
    ~Plan();

    // The call has no effect and says -1 with this errno.
    Plan& fails(int error);
    // read: these bytes, and the kernel is not asked. They must fit what the caller asks for.
    Plan& gives(std::string bytes);
    // read: 0, the peer has ended its side.
    Plan& ends();
    // read, write, recvfrom, sendto, preadv2, pwrite, epoll_wait: the kernel is asked, for `size`
    // bytes, or events, at most.
    Plan& at_most(size_t size);
    // The kernel is asked as the caller said.
    Plan& passes();
    // poll: answers at once that `fd`, and nothing else, has `events`.
    Plan& reports(int fd, short events);
    // From here on every call does as the last one planned. Never counts as not used up.
    Plan& forever();

   private:
    friend class SysPlans;
    Plan& add(Action action);
    std::deque<Action> actions_;
  };

  SysPlans();
  ~SysPlans();  // A plan that is not used up is a failure.
  SysPlans(const SysPlans&) = delete;
  SysPlans& operator=(const SysPlans&) = delete;

  Plan& plan(Call call, int fd);
  void name(int fd, std::string name);
  void limit(size_t calls) { limit_ = calls; }

  std::vector<SysRecord> records() const;
  std::vector<SysRecord> records(Call call, int fd) const;
  size_t count(Call call, int fd) const;

  // Each call asks for its plan first, by one of these: true or a value is the answer, and the
  // kernel is not asked. It is asked for `size` at most.
  bool fails(Call call, int fd = kAny);  // errno says how.
  bool fails(Call call, int fd, size_t& size);
  std::optional<ssize_t> read(int fd, void* buffer, size_t& size);
  std::optional<int> poll(pollfd* fds, nfds_t count);

  // And then it says what came of it. Returns the result, with its errno, for the caller.
  long finish(SysRecord record);
  long finish(Call call, int fd, long result, int argument = 0, size_t size = 0);

 private:
  static const char* word(Call call);
  [[noreturn]] static void stop(const std::string& why);

  std::string name_of(int fd) const;
  Action next(Call call, int fd);
  std::string describe(const SysRecord& record) const;

  size_t limit_ = 20'000;
  size_t calls_ = 0;
  mutable std::mutex mutex_;
  std::map<std::pair<Call, int>, Plan> plans_;
  std::map<int, std::string> names_;
  std::vector<SysRecord> records_;
};

}  // namespace internal
}  // namespace testkit
