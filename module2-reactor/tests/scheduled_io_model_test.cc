// Every interleaving of the reactor, which says what is ready, and those who wait for it.
#include "rt/driver/scheduled_io.h"

#include "testkit/model/block_on.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::Direction;
using rt::Poll;
using rt::Readiness;
using rt::ReadyEvent;
using rt::ScheduledIo;
using testkit::model::block_on;
using testkit::model::check;
using testkit::model::Thread;

class Ready {
 public:
  using Output = ReadyEvent;
  Ready(ScheduledIo& io, Direction direction) noexcept : io_(io), direction_(direction) {}
  Poll<ReadyEvent> poll(Context& cx) { return io_.poll_ready(direction_, cx); }

 private:
  ScheduledIo& io_;
  const Direction direction_;
};

// Bugs it is here for: the waker is stored after the look, and there is no second look; set_ready()
// takes the wakers before it says what is ready, so both sides look too early; what the reactor did
// before the event is not visible.
TEST(ScheduledIoModel, AnEventBetweenTheLookAndTheWakerIsNotLost) {
  check([] {
    ScheduledIo io;
    rt::sync::Cell<bool> happened(false);
    Thread reactor([&] {
      happened.write() = true;
      io.set_ready(Readiness::kReadable);
    });
    block_on(Ready(io, Direction::kRead));
    MODEL_REQUIRE(happened.read());
    reactor.join();
  });
}

// Bugs it is here for: clear() takes away an event that came after the operation; a reader that
// would block and one that is told at the same moment miss each other.
TEST(ScheduledIoModel, ClearTakesNoEventThatTheOperationHasNotSeen) {
  check([] {
    ScheduledIo io;
    rt::sync::Atomic<int> in_the_kernel(0);  // Bytes.
    Thread reactor([&] {
      for (int i = 0; i < 2; ++i) {
        in_the_kernel.fetch_add(1);
        io.set_ready(Readiness::kReadable);
      }
    });
    for (int read = 0; read < 2;) {
      const ReadyEvent event = block_on(Ready(io, Direction::kRead));
      const int bytes = in_the_kernel.exchange(0);
      read += bytes;
      if (bytes == 0) io.clear(event, Direction::kRead);
    }
    reactor.join();
  });
}

// Bugs it is here for: set_ready() sets the bits, and counts the event in a second step; clear()
// looks at the tick in one step, and takes the bits away in another. The readiness is an old one,
// as it is where the operation has just read all that there was.
TEST(ScheduledIoModel, AClearAndAnEventAreOneStepEach) {
  check([] {
    ScheduledIo io;
    io.set_ready(Readiness::kReadable);
    const ReadyEvent old = block_on(Ready(io, Direction::kRead));
    Thread reactor([&] { io.set_ready(Readiness::kReadable); });
    io.clear(old, Direction::kRead);
    reactor.join();
    block_on(Ready(io, Direction::kRead));
  });
}

// Bug it is here for: whoever sets one bit writes back a word that was read before the other was
// set.
TEST(ScheduledIoModel, AShutdownBesideAnEventIsNotLost) {
  check([] {
    ScheduledIo io;
    Thread reactor([&] { io.set_ready(Readiness::kReadable); });
    io.shutdown();
    reactor.join();
    const Readiness readiness = block_on(Ready(io, Direction::kRead)).readiness;
    MODEL_REQUIRE(readiness.contains(Readiness::kShutdown));
    MODEL_REQUIRE(readiness.contains(Readiness::kReadable));
  });
}

// Bug it is here for: an event of both directions wakes one of them, or each the other.
TEST(ScheduledIoModel, AReaderAndAWriterAreBothTold) {
  check([] {
    ScheduledIo io;
    Thread reader([&] { block_on(Ready(io, Direction::kRead)); });
    Thread writer([&] { block_on(Ready(io, Direction::kWrite)); });
    io.set_ready(Readiness::kReadable);
    io.shutdown();
    reader.join();
    writer.join();
  });
}

}  // namespace
