// What the sockets of module 2 rest on and a learner does not write: registered descriptors, and
// the pause.
#include "rt/driver/io_source.h"

#include <sys/epoll.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "rt/driver/backoff.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/reactor.h"
#include "rt/platform/owned_fd.h"
#include "rt/platform/sync.h"
#include "rt/platform/sys.h"
#include "testkit/paused_clock.h"
#include "testkit/sockets.h"
#include "testkit/test_task.h"

namespace {

using rt::IoSource;
using rt::OwnedFd;
using rt::Reactor;

// Notes the end of registrations and of descriptors.
class Diary final : public rt::sys::Calls {
 public:
  Diary() : before_(rt::sys::replace(this)) {}
  ~Diary() override { rt::sys::replace(before_); }

  int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) override {
    if (operation == EPOLL_CTL_DEL) text += "remove " + std::to_string(fd) + ", ";
    return Calls::epoll_ctl(epoll_fd, operation, fd, event);
  }
  int close(int fd) override {
    text += "close " + std::to_string(fd) + ", ";
    return Calls::close(fd);
  }

  std::string text;

 private:
  rt::sys::Calls* const before_;
};

OwnedFd end_of(testkit::Fd& fd) { return OwnedFd(fd.release()); }

TEST(IoSource, NeedsARuntime) {
  auto [one, other] = testkit::socket_pair();
  const std::ptrdiff_t files = testkit::open_files();
  EXPECT_THROW((void)IoSource::open(end_of(one), "one"), std::logic_error);
  EXPECT_EQ(testkit::open_files(), files - 1) << "What it was given is closed.";
}

TEST(IoSource, FailsWhenTheRuntimeIsGone) {
  const rt::sync::Arc<Reactor> reactor = *Reactor::create();
  const rt::EnterDriver inside(reactor);
  reactor->shutdown();
  auto [one, other] = testkit::socket_pair();
  const std::ptrdiff_t files = testkit::open_files();
  EXPECT_FALSE(IoSource::open(end_of(one), "one").ok());
  EXPECT_EQ(testkit::open_files(), files - 1) << "What it was given is closed.";
}

// Bug it is here for: a descriptor that is closed while it is registered: its number may have a new
// owner by the time at which the registration ends.
TEST(IoSource, EndsItsRegistrationBeforeItCloses) {
  const rt::sync::Arc<Reactor> reactor = *Reactor::create();
  const rt::EnterDriver inside(reactor);
  auto [one, other] = testkit::socket_pair();
  const std::string first = std::to_string(one.get()), second = std::to_string(other.get());
  Diary diary;
  {
    IoSource a = *IoSource::open(end_of(one), "one");
    IoSource b = *IoSource::open(end_of(other), "other");
    a = std::move(b);
    EXPECT_EQ(diary.text, "remove " + first + ", close " + first + ", ");
    EXPECT_EQ(a.name(), "other");
    diary.text.clear();
  }
  EXPECT_EQ(diary.text, "remove " + second + ", close " + second + ", ");
}

TEST(IoSource, SaysWhatWentWrong) {
  const rt::sync::Arc<Reactor> reactor = *Reactor::create();
  const rt::EnterDriver inside(reactor);
  auto [one, other] = testkit::socket_pair();
  const IoSource source = *IoSource::open(end_of(one), "127.0.0.1:80");
  EXPECT_EQ(source.error(ECONNRESET, "read").message(),
            "read 127.0.0.1:80: Connection reset by peer");
  EXPECT_EQ(source.result(-ECANCELED, "read").status(),
            absl::CancelledError("read 127.0.0.1:80: the runtime is gone"));
  EXPECT_EQ(*source.result(7, "read"), 7u);
}

TEST(Backoff, IsReadyAfterItsPause) {
  testkit::PausedClock clock;
  testkit::TestTask task;
  rt::Backoff backoff;
  ASSERT_TRUE(task.poll(backoff).is_pending());
  EXPECT_EQ(task.wakes(), 0);
  clock.advance(rt::Backoff::kPause);
  task.wait_for_wakes(1);
  EXPECT_TRUE(task.poll(backoff).is_ready());
}

}  // namespace
