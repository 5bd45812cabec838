#include "rt/driver/reactor.h"

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "testkit/sockets.h"
#include "testkit/testkit.h"

namespace {

using rt::Direction;
using rt::Registration;
using testkit::Fd;
using testkit::TestTask;

// One stream: it is added, waits for a byte, and ends. The byte is sent by the same thread, after
// the wait has begun.
void one_stream(const rt::sync::Arc<rt::Reactor>& reactor) {
  TestTask task("reader");
  const std::pair<Fd, Fd> ends = testkit::socket_pair(SOCK_NONBLOCK);
  absl::StatusOr<Registration> registration = rt::Reactor::add(reactor, ends.first.get());
  ASSERT_TRUE(registration.ok());
  rt::ScheduledIo& io = registration->io();
  bool sent = false;
  for (int wakes = 0; io.poll_ready(Direction::kRead, task.cx()).is_pending();) {
    if (!std::exchange(sent, true)) testkit::send_all(ends.second, "x");
    task.wait_for_wakes(++wakes);
  }
  EXPECT_TRUE(sent) << "it was ready before anything was sent";
  EXPECT_EQ(testkit::receive(ends.first, 1), "x");
  io.forget(Direction::kRead);
}

// Bug it is here for: a slab that two threads touch at once, and an event that finds the wrong
// slot, or none, because the slot was taken too late.
TEST(ReactorStress, StreamsComeAndGoWhileItTurns) {
  constexpr int kThreads = 3, kStreams = 150;
  const absl::StatusOr<rt::sync::Arc<rt::Reactor>> created = rt::Reactor::create();
  ASSERT_TRUE(created.ok());
  const rt::sync::Arc<rt::Reactor> reactor = *created;
  std::atomic<int> running = kThreads;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&reactor, &running] {
      for (int j = 0; j < kStreams; ++j) one_stream(reactor);
      running.fetch_sub(1);
      reactor->interrupt();
    });
  }
  while (running.load() > 0) {
    const bool turned = reactor->turn(absl::InfiniteDuration()).ok();
    ASSERT_TRUE(turned);
  }
  for (std::thread& thread : threads) thread.join();
}

// Bug it is here for: a stream that is added while the runtime shuts down, is not told, and waits.
TEST(ReactorStress, ShutdownReachesWhateverIsAdded) {
  for (int round = 0; round < 100; ++round) {
    const absl::StatusOr<rt::sync::Arc<rt::Reactor>> created = rt::Reactor::create();
    ASSERT_TRUE(created.ok());
    const rt::sync::Arc<rt::Reactor> reactor = *created;
    std::thread user([&reactor] {
      const std::pair<Fd, Fd> ends = testkit::socket_pair(SOCK_NONBLOCK);
      absl::StatusOr<Registration> registration = rt::Reactor::add(reactor, ends.first.get());
      if (!registration.ok()) return;
      TestTask task("reader");
      rt::ScheduledIo& io = registration->io();
      for (int wakes = 0; io.poll_ready(Direction::kRead, task.cx()).is_pending();) {
        task.wait_for_wakes(++wakes);
      }
    });
    reactor->shutdown();
    user.join();
  }
}

}  // namespace
