// Every interleaving of the thread whose turn it is and of others that add, end and shut down. The
// reactor, its poller and its ScheduledIos are the real ones; the kernel is not.
#include "rt/driver/reactor.h"

#include <sys/epoll.h>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rt/driver/readiness.h"
#include "rt/driver/scheduled_io.h"
#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/platform/sync.h"
#include "rt/platform/sys.h"
#include "testkit/model/block_on.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::Direction;
using rt::Poll;
using rt::Reactor;
using rt::Readiness;
using rt::ReadyEvent;
using rt::Registration;
using rt::ScheduledIo;
using testkit::model::block_on;
using testkit::model::check;
using testkit::model::Options;
using testkit::model::Thread;

// As much of a kernel as a Reactor needs. Each descriptor that is added has room at once: that is
// the one edge that it has. Nothing ever waits.
class Kernel final : public rt::sys::Calls {
 public:
  Kernel() : before_(rt::sys::replace(this)) {}
  ~Kernel() override { rt::sys::replace(before_); }

  int epoll_create1(int) override { return kEpoll; }
  int eventfd(unsigned, int) override { return kEventfd; }
  int eventfd_write(int, eventfd_t) override { return 0; }
  int close(int) override { return 0; }

  int epoll_ctl(int, int operation, int fd, epoll_event* event) override {
    const rt::sync::Lock lock(mutex_);
    std::vector<Edge>& edges = edges_.write();
    std::erase_if(edges, [fd](const Edge& edge) { return edge.fd == fd; });
    if (operation == EPOLL_CTL_ADD && fd != kEventfd) {
      const epoll_data_t data = event->data;  // A packed field has no references.
      edges.emplace_back(fd, data);
    }
    return 0;
  }

  int epoll_wait(int, epoll_event* events, int size, int) override {
    const rt::sync::Lock lock(mutex_);
    std::vector<Edge>& edges = edges_.write();
    int count = 0;
    while (count < size && !edges.empty()) {
      events[count].events = EPOLLOUT;
      events[count++].data = edges.back().data;
      edges.pop_back();
    }
    return count;
  }

 private:
  static constexpr int kEpoll = 1000;
  static constexpr int kEventfd = 1001;

  struct Edge {
    Edge(int f, epoll_data_t d) noexcept : fd(f), data(d) {}
    int fd;
    epoll_data_t data;
  };

  rt::sys::Calls* const before_;
  rt::sync::Mutex mutex_;
  rt::sync::Cell<std::vector<Edge>> edges_;  // Guarded by the mutex.
};

class Writable {
 public:
  using Output = ReadyEvent;
  explicit Writable(const Registration& registration) noexcept : io_(registration.io()) {}
  Poll<ReadyEvent> poll(Context& cx) { return io_.poll_ready(Direction::kWrite, cx); }

 private:
  ScheduledIo& io_;
};

constexpr int kOne = 7, kOther = 8;  // Descriptors.

void turn(Reactor& reactor) { MODEL_REQUIRE(reactor.turn(absl::ZeroDuration()).ok()); }

// Bugs it is here for: the kernel is told before the table, and the first event, which may be the
// only one, finds nobody; the table is changed while another thread looks up events.
TEST(ReactorModel, AnEventThatComesAtOnceIsNotLost) {
  check(Options().spurious_wakeups(0), [] {
    Kernel kernel;
    const rt::sync::Arc<Reactor> reactor = Reactor::create().value();
    Thread other([&] { turn(*reactor); });
    const Registration registration = Reactor::add(reactor, kOne).value();
    other.join();
    turn(*reactor);
    block_on(Writable(registration));
  });
}

// Bug it is here for: whoever is there is told, and in a second step the door is shut.
TEST(ReactorModel, OneThatIsAddedBesideAShutdownIsTold) {
  check(Options().spurious_wakeups(0), [] {
    Kernel kernel;
    const rt::sync::Arc<Reactor> reactor = Reactor::create().value();
    Thread other([&] { reactor->shutdown(); });
    const absl::StatusOr<Registration> registration = Reactor::add(reactor, kOne);
    other.join();
    if (!registration.ok()) return;
    const ReadyEvent event = block_on(Writable(*registration));
    MODEL_REQUIRE(event.readiness.contains(Readiness::kShutdown));
  });
}

// Bug it is here for: the table is changed, or a ScheduledIo destroyed, while another thread looks
// up its event.
TEST(ReactorModel, ARegistrationMayEndDuringATurn) {
  check(Options().spurious_wakeups(0), [] {
    Kernel kernel;
    const rt::sync::Arc<Reactor> reactor = Reactor::create().value();
    std::optional<Registration> ends = Reactor::add(reactor, kOne).value();
    Thread other([&] { turn(*reactor); });
    ends.reset();
    const Registration next = Reactor::add(reactor, kOther).value();
    other.join();
    turn(*reactor);
    block_on(Writable(next));
  });
}

}  // namespace
