#include "rt/driver/scheduled_io.h"

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "testkit/testkit.h"

namespace {

using rt::Direction;
using rt::Poll;
using rt::Readiness;
using rt::ReadyEvent;
using testkit::step;
using testkit::TestTask;

static_assert(!std::is_move_constructible_v<rt::ScheduledIo>,
              "wakers and events find it by address");

constexpr Direction kRead = Direction::kRead;
constexpr Direction kWrite = Direction::kWrite;
constexpr Readiness kBoth = Readiness::kReadable | Readiness::kWritable;

// TestTask::live() counts the task's own waker too.
constexpr int kOnlyItsOwn = 1;

class ScheduledIo : public testing::Test {
 protected:
  // What poll_ready() answers, in words: "pending", or "readable|read_closed".
  const char* poll(Direction direction, TestTask& task) { return poll(direction, task.cx()); }
  const char* poll(Direction direction, rt::Context& cx) {
    const Poll<ReadyEvent> polled = io_.poll_ready(direction, cx);
    const char* const answer =
        polled.is_pending() ? "pending" : polled.value().readiness.to_string();
    step(absl::StrCat("poll_ready(", rt::to_string(direction), "): ", answer));
    if (polled.is_ready()) event_ = polled.value();
    return answer;
  }

  void set(Readiness readiness) {
    step(absl::StrCat("set_ready(", readiness.to_string(), ")"));
    io_.set_ready(readiness);
  }

  // As an operation does that would block: with what the last ready poll has said.
  void clear(Direction direction) {
    step(absl::StrCat("clear(", rt::to_string(direction), ")"));
    io_.clear(event_.value(), direction);
  }

  rt::ScheduledIo io_;
  std::optional<ReadyEvent> event_;
  TestTask reader_{"reader"}, writer_{"writer"};
};

// --- Set, and not set ----------------------------------------------------------------------------

TEST_F(ScheduledIo, IsPendingUntilItIsReady) {
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  set(Readiness::kReadable);
  EXPECT_EQ(reader_.wakes(), 1) << "the poll was pending, so it has been promised a wake";
  EXPECT_STREQ(poll(kRead, reader_), "readable");
  EXPECT_STREQ(poll(kRead, reader_), "readable") << "until somebody clears it";
}

// Bug it is here for: an event that is forgotten because nobody waits for it yet.
TEST_F(ScheduledIo, WhatCameBeforeThePollIsThere) {
  set(Readiness::kReadable);
  EXPECT_STREQ(poll(kRead, reader_), "readable");
  EXPECT_EQ(reader_.clones(), 0) << "ready at once: nobody has to be woken";
}

// Bug it is here for: the newest event put in the place of what was known.
TEST_F(ScheduledIo, EventsAddUp) {
  set(Readiness::kReadable);
  set(Readiness::kWritable);
  EXPECT_STREQ(poll(kRead, reader_), "readable|writable");
  set(Readiness::kReadClosed);
  EXPECT_STREQ(poll(kWrite, writer_), "readable|writable|read_closed");
}

// Bug it is here for: one bit, or one waker, for both directions.
TEST_F(ScheduledIo, TheTwoDirectionsAreApart) {
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  EXPECT_STREQ(poll(kWrite, writer_), "pending");
  set(Readiness::kWritable);
  EXPECT_EQ(reader_.wakes(), 0) << "there is room, and nothing to read";
  EXPECT_EQ(writer_.wakes(), 1);
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  set(Readiness::kReadable);
  EXPECT_EQ(reader_.wakes(), 1);
  EXPECT_EQ(writer_.wakes(), 1) << "it does not wait any more";
}

TEST_F(ScheduledIo, AReaderDoesNotTakeTheWritersPlace) {
  EXPECT_STREQ(poll(kWrite, writer_), "pending");
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  EXPECT_STREQ(poll(kWrite, writer_), "pending");
  EXPECT_EQ(reader_.clones() + writer_.clones(), 2);
  set(kBoth);
  EXPECT_EQ(reader_.wakes(), 1);
  EXPECT_EQ(writer_.wakes(), 1);
}

// --- What ends -----------------------------------------------------------------------------------

// Bug it is here for: set_ready() that wakes for kReadable and kWritable only.
TEST_F(ScheduledIo, WhatEndsADirectionWakesIt) {
  struct Case {
    Readiness readiness;
    int reader_wakes, writer_wakes;
  };
  for (const Case& expected : {Case{Readiness::kReadClosed, 1, 0},
                               {Readiness::kWriteClosed, 0, 1},
                               {Readiness::kReadClosed | Readiness::kWriteClosed, 1, 1},
                               {Readiness::kError, 1, 1},
                               {Readiness::kShutdown, 1, 1}}) {
    const char* const name = expected.readiness.to_string();
    TestTask reader("reader"), writer("writer");
    rt::ScheduledIo io;
    EXPECT_TRUE(io.poll_ready(kRead, reader.cx()).is_pending());
    EXPECT_TRUE(io.poll_ready(kWrite, writer.cx()).is_pending());
    step(absl::StrCat("set_ready(", name, ")"));
    io.set_ready(expected.readiness);
    EXPECT_EQ(reader.wakes(), expected.reader_wakes) << name;
    EXPECT_EQ(writer.wakes(), expected.writer_wakes) << name;
    EXPECT_EQ(io.poll_ready(kRead, reader.cx()).is_ready(), expected.reader_wakes > 0) << name;
    EXPECT_EQ(io.poll_ready(kWrite, writer.cx()).is_ready(), expected.writer_wakes > 0) << name;
  }
}

// Bug it is here for: clear() that opens what is closed. The next read would wait for ever: the end
// makes no second event.
TEST_F(ScheduledIo, WhatIsClosedStaysClosed) {
  set(kBoth | Readiness::kReadClosed | Readiness::kWriteClosed);
  poll(kRead, reader_);
  clear(kRead);
  EXPECT_STREQ(poll(kRead, reader_), "writable|read_closed|write_closed");
  poll(kWrite, writer_);
  clear(kWrite);
  EXPECT_STREQ(poll(kWrite, writer_), "read_closed|write_closed");
}

// Bug it is here for: an error that nothing takes away. An operation that finds no error would be
// told for ever to try again, and poll_ready() and read(2) would go round without an end.
TEST_F(ScheduledIo, AnErrorIsThereUntilATryFindsNone) {
  set(Readiness::kError);
  EXPECT_STREQ(poll(kRead, reader_), "error");
  clear(kRead);
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  set(Readiness::kError);
  EXPECT_STREQ(poll(kWrite, writer_), "error");
  clear(kWrite);
  EXPECT_STREQ(poll(kWrite, writer_), "pending");
}

TEST_F(ScheduledIo, ShutdownWakesAllAndStays) {
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  EXPECT_STREQ(poll(kWrite, writer_), "pending");
  step("shutdown()");
  io_.shutdown();
  EXPECT_EQ(reader_.wakes(), 1);
  EXPECT_EQ(writer_.wakes(), 1);
  EXPECT_STREQ(poll(kRead, reader_), "shutdown");
  clear(kRead);
  EXPECT_STREQ(poll(kRead, reader_), "shutdown") << "it stays";
  set(Readiness::kReadable);
  EXPECT_STREQ(poll(kRead, reader_), "readable|shutdown") << "it stays, whatever else comes";
  clear(kRead);
  EXPECT_STREQ(poll(kWrite, writer_), "shutdown") << "it stays, whatever is cleared";
  EXPECT_EQ(reader_.live(), kOnlyItsOwn) << "nobody will wake anybody: no waker is kept";
}

// Bug it is here for: a clear() that writes back what was read before the shutdown.
TEST_F(ScheduledIo, AClearThatComesAfterShutdownChangesNothing) {
  set(Readiness::kReadable);
  poll(kRead, reader_);
  step("shutdown()");
  io_.shutdown();
  clear(kRead);
  EXPECT_STREQ(poll(kRead, reader_), "readable|shutdown") << "it came after the event";
}

// --- Clearing ------------------------------------------------------------------------------------

TEST_F(ScheduledIo, ClearedItIsPendingUntilTheNextEvent) {
  set(Readiness::kReadable);
  poll(kRead, reader_);
  clear(kRead);
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  EXPECT_EQ(reader_.wakes(), 0);
  set(Readiness::kReadable);
  EXPECT_EQ(reader_.wakes(), 1);
  EXPECT_STREQ(poll(kRead, reader_), "readable");
}

TEST_F(ScheduledIo, ClearsItsOwnDirectionOnly) {
  set(kBoth);
  poll(kRead, reader_);
  clear(kRead);
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  EXPECT_STREQ(poll(kWrite, writer_), "writable");
  clear(kWrite);
  EXPECT_STREQ(poll(kWrite, writer_), "pending");
}

// Bug it is here for: a clear() that counts as an event. The other direction's clear() then comes
// to nothing, and its operation tries in vain, again and again.
TEST_F(ScheduledIo, BothDirectionsOfOneEventAreCleared) {
  set(kBoth);
  poll(kRead, reader_);
  const ReadyEvent read = event_.value();
  poll(kWrite, writer_);
  const ReadyEvent write = event_.value();
  step("clear(read), clear(write)");
  io_.clear(read, kRead);
  io_.clear(write, kWrite);
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  EXPECT_STREQ(poll(kWrite, writer_), "pending") << "nothing has come since its event";
}

// Bug it is here for: clear() that does not ask whether anything has come since. A
// read says EAGAIN, bytes come, the reactor says so, and then the reader clears: it waits for bytes
// that are there already, and of which it will never be told again.
TEST_F(ScheduledIo, AClearDoesNotEraseANewerEvent) {
  set(Readiness::kReadable);
  poll(kRead, reader_);
  set(Readiness::kReadable);
  clear(kRead);
  EXPECT_STREQ(poll(kRead, reader_), "readable")
      << "the second event came after the operation began";
  clear(kRead);
  EXPECT_STREQ(poll(kRead, reader_), "pending") << "this time nothing has come in between";
}

// Bug it is here for: the same with a tick that is too narrow (Tokio had 8 bits, once): after 256
// events it is what it was. Any number may come while a task is not polled.
TEST_F(ScheduledIo, AClearDoesNotEraseANewerEventHoweverManyCame) {
  for (const int events : {2, 3, 4, 16, 128, 256, 32'768, 65'536}) {
    set(Readiness::kReadable);
    poll(kRead, reader_);
    step(absl::StrCat(events, " times set_ready(readable)"));
    for (int i = 0; i < events; ++i) io_.set_ready(Readiness::kReadable);
    clear(kRead);
    ASSERT_STREQ(poll(kRead, reader_), "readable")
        << events << " events came after the operation began";
  }
}

// The same event cleared twice, with one between: two operations of one task, say.
TEST_F(ScheduledIo, AnOldEventClearsNothing) {
  set(Readiness::kReadable);
  poll(kRead, reader_);
  const std::optional<ReadyEvent> old = event_;
  clear(kRead);
  set(Readiness::kReadable);
  io_.clear(old.value(), kRead);
  EXPECT_STREQ(poll(kRead, reader_), "readable");
}

// --- The waker -----------------------------------------------------------------------------------

TEST_F(ScheduledIo, WakesTheNewestWakerOnly) {
  TestTask other("other");
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  EXPECT_STREQ(poll(kRead, other), "pending");
  EXPECT_EQ(reader_.live(), kOnlyItsOwn) << "the other's waker has taken its place";
  set(Readiness::kReadable);
  EXPECT_EQ(reader_.wakes(), 0);
  EXPECT_EQ(other.wakes(), 1) << "it polled last";
}

// Bug it is here for: a clone for each poll.
TEST_F(ScheduledIo, TheSameTasksWakerIsNotClonedAgain) {
  for (int i = 0; i < 3; ++i) EXPECT_STREQ(poll(kRead, reader_), "pending");
  EXPECT_EQ(reader_.clones(), 1);
}

TEST_F(ScheduledIo, AWakeUsesTheWakerUp) {
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  set(Readiness::kReadable);
  set(Readiness::kReadable);
  EXPECT_EQ(reader_.wakes(), 1) << "it has been woken, and has not polled since";
  EXPECT_EQ(reader_.live(), kOnlyItsOwn);
}

TEST_F(ScheduledIo, AForgottenWakerIsNotWoken) {
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  EXPECT_STREQ(poll(kWrite, writer_), "pending");
  step("forget(read)");
  io_.forget(kRead);
  EXPECT_EQ(reader_.live(), kOnlyItsOwn) << "the operation was dropped, and its waker with it";
  io_.forget(kRead);
  set(kBoth);
  EXPECT_EQ(reader_.wakes(), 0);
  EXPECT_EQ(writer_.wakes(), 1) << "the other direction still waits";
}

TEST_F(ScheduledIo, DroppedWithWakersItGivesThemBack) {
  {
    rt::ScheduledIo io;
    EXPECT_TRUE(io.poll_ready(kRead, reader_.cx()).is_pending());
    EXPECT_TRUE(io.poll_ready(kWrite, writer_.cx()).is_pending());
  }
  EXPECT_EQ(reader_.live() + writer_.live(), 2 * kOnlyItsOwn);
}

// --- An event at the worst moment ----------------------------------------------------------------

// A waker during whose cloning something happens: after poll_ready() has begun to look, and before
// there is a waker that anybody could find.
class WorstMoment {
 public:
  WorstMoment(rt::ScheduledIo& io, std::function<void()> event)
      : io_(io), event_(std::move(event)) {}
  ~WorstMoment() {  // Before the waker's data goes, the waker does.
    io_.forget(kRead);
    io_.forget(kWrite);
  }
  rt::Context& cx() { return cx_; }
  int wakes() const { return wakes_; }
  int live() const { return live_; }  // Its own is one.

 private:
  static WorstMoment& from(void* data) { return *static_cast<WorstMoment*>(data); }
  static void* clone(void* data) {
    step("the waker is cloned, and in that moment:");
    if (const auto event = std::exchange(from(data).event_, nullptr)) event();
    ++from(data).live_;
    return data;
  }
  static void wake(void* data) {
    wake_by_ref(data);
    drop(data);
  }
  static void wake_by_ref(void* data) { ++from(data).wakes_; }
  static void drop(void* data) { --from(data).live_; }
  static constexpr rt::WakerVTable kVTable{&clone, &wake, &wake_by_ref, &drop};

  rt::ScheduledIo& io_;
  std::function<void()> event_;
  int wakes_ = 0;
  int live_ = 1;
  rt::Waker waker_{this, &kVTable};
  rt::Context cx_{waker_};
};

// Bug it is here for: a waker that is stored without a second look. If this hangs,
// the waker is cloned with a lock held, and the event waits for that lock.
TEST_F(ScheduledIo, AnEventBeforeTheWakerIsStoredIsNotLost) {
  for (const Readiness readiness :
       {Readiness::kReadable, Readiness::kReadClosed, Readiness::kError, Readiness::kShutdown}) {
    rt::ScheduledIo io;
    WorstMoment task(io, [&io, readiness] {
      step(absl::StrCat("set_ready(", readiness.to_string(), ")"));
      io.set_ready(readiness);
    });
    const bool is_ready = io.poll_ready(kRead, task.cx()).is_ready();
    EXPECT_TRUE(is_ready || task.wakes() > 0)
        << "The poll said pending, the event has come, and nobody was woken: the task sleeps for "
           "ever. Look once more after the waker is where an event finds it.";
  }
}

// The same when there is a waker already: of another task, which is woken in vain.
TEST_F(ScheduledIo, AnEventWhileTheWakerIsReplacedIsNotLost) {
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  WorstMoment task(io_, [this] { set(Readiness::kReadable); });
  const bool is_ready = io_.poll_ready(kRead, task.cx()).is_ready();
  EXPECT_TRUE(is_ready || task.wakes() > 0) << "pending, and nobody was woken";
}

TEST_F(ScheduledIo, AShutdownBeforeTheWakerIsStoredIsNotLost) {
  WorstMoment task(io_, [this] { io_.shutdown(); });
  const bool is_ready = io_.poll_ready(kWrite, task.cx()).is_ready();
  EXPECT_TRUE(is_ready || task.wakes() > 0) << "pending, and nobody was woken";
}

// Bug it is here for: a waker that stays although its task has its answer. The task may end, and
// its memory is kept for as long as the connection.
TEST_F(ScheduledIo, ReadyLeavesNoWakerBehind) {
  WorstMoment task(io_, [this] { set(Readiness::kReadable); });
  poll(kRead, task.cx());
  EXPECT_STREQ(poll(kRead, task.cx()), "readable");
  EXPECT_EQ(task.live(), kOnlyItsOwn);
}

// --- Wakers that call back -----------------------------------------------------------------------
// A wake may run the woken task then and there. If one of these hangs, the report shows who asks
// for the lock, and who holds it.

// Bug it is here for: waking while the lock is held.
TEST_F(ScheduledIo, WakesWithoutHoldingTheLock) {
  const char* first = "";
  const char* second = "";
  reader_.on_wake([&] {
    first = poll(kRead, reader_);
    clear(kRead);
    second = poll(kRead, reader_);
  });
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  set(Readiness::kReadable);
  EXPECT_STREQ(first, "readable");
  EXPECT_STREQ(second, "pending");
  EXPECT_EQ(reader_.live(), kOnlyItsOwn + 1) << "it waits again";
  reader_.on_wake(nullptr);
}

TEST_F(ScheduledIo, ShutsDownWithoutHoldingTheLock) {
  const char* inside = "";
  reader_.on_wake([&] { inside = poll(kRead, reader_); });
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  io_.shutdown();
  EXPECT_STREQ(inside, "shutdown");
  reader_.on_wake(nullptr);
}

// Bug it is here for: dropping a waker while the lock is held: the one that is
// replaced, and the one that is forgotten.
TEST_F(ScheduledIo, DropsWakersWithoutHoldingTheLock) {
  int drops = 0;
  TestTask other("other");
  reader_.on_drop([&] {
    ++drops;
    set(Readiness::kWritable);
  });
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  EXPECT_STREQ(poll(kRead, other), "pending");
  EXPECT_EQ(drops, 1) << "replaced by the other's waker, and so dropped";
  EXPECT_STREQ(poll(kRead, reader_), "pending");
  step("forget(read)");
  io_.forget(kRead);
  EXPECT_EQ(drops, 2) << "forgotten, and so dropped";
  reader_.on_drop(nullptr);
}

}  // namespace
