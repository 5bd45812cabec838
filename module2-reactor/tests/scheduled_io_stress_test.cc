#include "rt/driver/scheduled_io.h"

#include <atomic>
#include <thread>

#include "testkit/testkit.h"

namespace {

using rt::Direction;
using rt::Poll;
using rt::Readiness;
using rt::ReadyEvent;
using testkit::TestTask;

// A descriptor that exists in this test only: what was sent each way, and not yet taken.
struct Connection {
  std::atomic<int>& bytes(Direction direction) { return counts[direction == Direction::kWrite]; }

  std::atomic<int> counts[2] = {0, 0};
  rt::ScheduledIo io;
};

// A task that goes on until it has taken `count` bytes.
void take(Connection& connection, Direction direction, int count) {
  TestTask task(rt::to_string(direction));
  for (int taken = 0, wakes = 0; taken < count;) {
    const Poll<ReadyEvent> polled = connection.io.poll_ready(direction, task.cx());
    if (polled.is_pending()) {
      task.wait_for_wakes(++wakes);
    } else if (const int got = connection.bytes(direction).exchange(0)) {
      taken += got;
    } else {
      connection.io.clear(polled.value(), direction);
    }
  }
}

// Bug it is here for: an event that is lost between a look, a store and a clear: then the reader
// sleeps with bytes there, and this hangs. And, for ThreadSanitizer, a waker that two threads
// touch.
TEST(ScheduledIoStress, NoEventIsLost) {
  constexpr int kCount = 20'000;
  Connection connection;
  std::thread reader([&connection] { take(connection, Direction::kRead, kCount); });
  for (int i = 0; i < kCount; ++i) {
    connection.bytes(Direction::kRead).fetch_add(1);
    connection.io.set_ready(Readiness::kReadable | Readiness::kWritable);
  }
  reader.join();
}

// Bug it is here for: a task in each direction, and a clear() that takes more than its own.
TEST(ScheduledIoStress, TwoDirectionsDoNotDisturbEachOther) {
  constexpr int kCount = 10'000;
  Connection connection;
  std::thread reader([&connection] { take(connection, Direction::kRead, kCount); });
  std::thread writer([&connection] { take(connection, Direction::kWrite, kCount); });
  for (int i = 0; i < kCount; ++i) {
    connection.bytes(Direction::kRead).fetch_add(1);
    connection.io.set_ready(Readiness::kReadable);
    connection.bytes(Direction::kWrite).fetch_add(1);
    connection.io.set_ready(Readiness::kWritable);
  }
  reader.join();
  writer.join();
}

// Bug it is here for: a task that is not told of the shutdown, because it came at the same moment.
TEST(ScheduledIoStress, ShutdownReachesWhoeverWaits) {
  for (int round = 0; round < 300; ++round) {
    rt::ScheduledIo io;
    std::thread waiter([&io] {
      TestTask task("reader");
      for (int wakes = 0; io.poll_ready(Direction::kRead, task.cx()).is_pending();) {
        task.wait_for_wakes(++wakes);
      }
    });
    io.shutdown();
    waiter.join();
  }
}

}  // namespace
