#include "rt/driver/reactor.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "testkit/sockets.h"
#include "testkit/sys_script.h"
#include "testkit/testkit.h"

// clang's ThreadSanitizer has an operator new of its own, which nothing can take the place of.
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define REACTOR_TEST_COUNTS_NOTHING
#endif
#endif

static std::atomic<std::size_t> bytes_in_use = 0;

#ifndef REACTOR_TEST_COUNTS_NOTHING
#include "testkit/internal/replaced_new.h"

void* testkit::internal::replaced_new(std::size_t size, std::size_t alignment) noexcept {
  void* const memory =
      alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__
          ? std::malloc(size)
          : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory != nullptr) bytes_in_use += ::malloc_usable_size(memory);
  return memory;
}
void testkit::internal::replaced_delete(void* memory) noexcept {
  bytes_in_use -= ::malloc_usable_size(memory);
  std::free(memory);
}
#endif

namespace {

using absl::InfiniteDuration;
using absl::ZeroDuration;
using rt::Direction;
using rt::Poll;
using rt::ReadyEvent;
using rt::Registration;
using testkit::Call;
using testkit::Fd;
using testkit::step;
using testkit::TestTask;

constexpr Direction kRead = Direction::kRead;
constexpr Direction kWrite = Direction::kWrite;

testing::AssertionResult is_ok(const absl::Status& status) {
  return status.ok() ? testing::AssertionSuccess() : testing::AssertionFailure() << status;
}

absl::StatusOr<Registration> add(const rt::sync::Arc<rt::Reactor>& reactor, const Fd& fd) {
  return rt::Reactor::add(reactor, fd.get());
}

// One end of a connection, its registration, and a task that waits to read from it.
struct Source {
  explicit Source(const rt::sync::Arc<rt::Reactor>& reactor, std::string name = "task")
      : task(std::move(name)), ends(testkit::socket_pair(SOCK_NONBLOCK)) {
    absl::StatusOr<Registration> added = add(reactor, ends.first);
    EXPECT_TRUE(is_ok(added.status()));
    registration.emplace(*std::move(added));
  }

  bool is_ready(Direction direction) {
    const bool ready = registration->io().poll_ready(direction, task.cx()).is_ready();
    step(absl::StrCat("task \"", task.name(), "\": poll_ready(", rt::to_string(direction),
                      "): ", ready ? "ready" : "pending"));
    return ready;
  }

  // As an operation and its stream do that are dropped.
  void end() {
    step(absl::StrCat("the stream of task \"", task.name(), "\" is dropped"));
    registration->io().forget(kRead);
    registration->io().forget(kWrite);
    registration.reset();
    ends.first.close();
  }

  void send() { testkit::send_all(ends.second, "hello"); }

  TestTask task;
  std::pair<Fd, Fd> ends;
  std::optional<Registration> registration;
};

class Reactor : public testing::Test {
 protected:
  Reactor() : reactor_(create()) {}

  static rt::sync::Arc<rt::Reactor> create() {
    absl::StatusOr<rt::sync::Arc<rt::Reactor>> reactor = rt::Reactor::create();
    EXPECT_TRUE(is_ok(reactor.status()));
    return *std::move(reactor);
  }

  void turn(absl::Duration timeout = ZeroDuration()) {
    step("turn()");
    EXPECT_TRUE(is_ok(reactor_->turn(timeout)));
  }

  testkit::SysScript script_;
  rt::sync::Arc<rt::Reactor> reactor_;
};

// --- A turn --------------------------------------------------------------------------------------

TEST_F(Reactor, ATurnWakesWhoeverTheEventIsFor) {
  Source one(reactor_, "one"), two(reactor_, "two");
  EXPECT_FALSE(one.is_ready(kRead));
  EXPECT_FALSE(two.is_ready(kRead));
  two.send();
  EXPECT_EQ(two.task.wakes(), 0) << "nobody has asked the kernel yet";
  turn(InfiniteDuration());
  EXPECT_EQ(two.task.wakes(), 1);
  EXPECT_TRUE(two.is_ready(kRead));
  EXPECT_EQ(one.task.wakes(), 0) << "its peer has sent nothing";
  EXPECT_FALSE(one.is_ready(kRead));
}

TEST_F(Reactor, WhatIsReadyWhenItIsAddedIsReported) {
  Source source(reactor_);
  EXPECT_FALSE(source.is_ready(kWrite)) << "nobody has asked the kernel yet";
  turn();
  EXPECT_EQ(source.task.wakes(), 1) << "there is room";
  EXPECT_TRUE(source.is_ready(kWrite));
  EXPECT_FALSE(source.is_ready(kRead));
}

// Bug it is here for: one event a turn, or as many as somebody thought to be enough. The kernel
// reports each edge once: whoever is passed over is never told.
TEST_F(Reactor, EveryEventOfACrowdWakes) {
  constexpr int kCrowd = 600;
  script_.limit(10 * kCrowd);
  const auto [fd, peer] = testkit::socket_pair(SOCK_NONBLOCK);
  TestTask task;
  std::vector<Fd> crowd;
  std::vector<Registration> registrations;
  for (int i = 0; i < kCrowd; ++i) {
    crowd.emplace_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    absl::StatusOr<Registration> added = add(reactor_, crowd.back());
    ASSERT_TRUE(added.ok()) << added.status();
    registrations.push_back(*std::move(added));
    ASSERT_TRUE(registrations.back().io().poll_ready(kRead, task.cx()).is_pending());
  }
  testkit::send_all(peer, "hello");
  do {  // A wait may report fewer events than there are. What is left comes in the next.
    turn();
  } while (script_.records(Call::kEpollWait).back().result > 0);
  EXPECT_EQ(task.wakes(), kCrowd);
}

// Bug it is here for: a turn that waits for ever, or not at all, whatever it was told.
TEST_F(Reactor, ATurnWaitsAsLongAsItWasTold) {
  for (const int ms : {0, 1, 7'000}) {
    script_.on_epoll_wait().fails(EINTR);
    turn(absl::Milliseconds(ms));
    EXPECT_EQ(script_.records(Call::kEpollWait).back().argument, ms);
  }
  EXPECT_EQ(script_.count(Call::kEpollWait), 3u) << "one turn asks once";
}

TEST_F(Reactor, AnInterruptEndsTheTurn) {
  reactor_->interrupt();
  turn(InfiniteDuration());
  std::thread other([this] { reactor_->interrupt(); });
  turn(InfiniteDuration());
  other.join();
}

// Bug it is here for: an error that is taken for "no events". The loop around it would spin.
TEST_F(Reactor, ATurnThatFailsSaysSo) {
  for (const int error : {EBADF, EINVAL, EFAULT}) {
    script_.on_epoll_wait().fails(error);
    EXPECT_FALSE(reactor_->turn(ZeroDuration()).ok());
  }
  Source source(reactor_);
  EXPECT_FALSE(source.is_ready(kWrite));
  turn();
  EXPECT_EQ(source.task.wakes(), 1) << "the next turn is as good as any";
}

// --- A registration, and its end -----------------------------------------------------------------

// Bug it is here for: a registration that nobody takes back.
TEST_F(Reactor, ARegistrationThatHasEndedIsOutOfTheKernel) {
  const auto [fd, peer] = testkit::socket_pair();
  for (int i = 0; i < 3; ++i) {
    step("added, and dropped");
    const absl::StatusOr<Registration> registration = add(reactor_, fd);
    EXPECT_TRUE(is_ok(registration.status())) << "it is out of the kernel, and can be added again";
  }
  testkit::send_all(peer, "hello");
  turn();
  EXPECT_EQ(script_.records(Call::kEpollWait).back().result, 0) << "the kernel still reports it";
  EXPECT_EQ(script_.count(Call::kClose, fd.get()), 0u) << "the descriptor has an owner, who closes";
}

// Bugs it is here for: a slot that nobody uses again; an add() that fails, and keeps its own; a
// slot that is kept because the kernel had nothing to take back. A server has a million connections
// a day, and a table for all of them.
TEST(ReactorMemory, DoesNotGrowWithThoseThatHaveEnded) {
  const rt::sync::Arc<rt::Reactor> reactor = *rt::Reactor::create();
  const auto [fd, peer] = testkit::socket_pair();
  const absl::StatusOr<Registration> other = add(reactor, peer);
  const auto come_and_go = [&](int times) {
    for (int i = 0; i < times; ++i) {
      Fd closed_first(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      const absl::StatusOr<Registration> ends = add(reactor, fd);
      const absl::StatusOr<Registration> closed = add(reactor, closed_first);
      if (!ends.ok() || !closed.ok() || add(reactor, peer).ok()) return false;
      closed_first.close();
    }
    return true;
  };
  ASSERT_TRUE(come_and_go(50));
  const std::size_t before = bytes_in_use;
  constexpr int kTimes = 3'000;
  ASSERT_TRUE(come_and_go(kTimes));
  EXPECT_LT(bytes_in_use, before + kTimes)
      << "after " << kTimes << " registrations more that have ended, beside one that has not";
}

// Bug it is here for: what has ended is kept, in its slot or in the list of the last events, until
// somebody else comes; and so are the wakers that it had, and their tasks.
TEST_F(Reactor, AnEndedRegistrationTakesItsWakersWithIt) {
  Source source(reactor_);
  TestTask& task = source.task;
  EXPECT_FALSE(source.is_ready(kRead));
  source.send();
  turn();
  rt::ScheduledIo& io = source.registration->io();
  const Poll<ReadyEvent> event = io.poll_ready(kRead, task.cx());
  ASSERT_TRUE(event.is_ready());
  io.clear(event.value(), kRead);
  EXPECT_FALSE(source.is_ready(kRead));
  EXPECT_EQ(task.live(), 2) << "its own waker, and the one that waits";
  step("the registration ends");
  source.registration.reset();
  EXPECT_EQ(task.live(), 1) << "nobody is left who could be told anything";
}

// Bug it is here for: clean-up after a failure that cleans up somebody else's registration.
TEST_F(Reactor, AddingTwiceFailsAndHarmsNobody) {
  Source source(reactor_);
  turn();
  EXPECT_FALSE(source.is_ready(kRead));
  EXPECT_FALSE(add(reactor_, source.ends.first).ok());
  source.send();
  turn();
  EXPECT_EQ(source.task.wakes(), 1) << "the first registration is as good as before";
}

TEST_F(Reactor, AnAddThatFailsHasChangedNothing) {
  const auto [fd, peer] = testkit::socket_pair();
  for (const int error : {ENOSPC, ENOMEM, EPERM}) {
    script_.on(Call::kEpollCtl, fd.get()).fails(error);
    EXPECT_FALSE(add(reactor_, fd).ok());
  }
  EXPECT_TRUE(is_ok(add(reactor_, fd).status())) << "the next one may have more luck";
}

TEST_F(Reactor, ARegistrationMayOutliveWhoeverMadeTheReactor) {
  Source source(reactor_);
  EXPECT_FALSE(source.is_ready(kRead));
  reactor_ = {};
  EXPECT_FALSE(source.is_ready(kRead)) << "there is nobody left who turns";
}

// --- Events for somebody who is gone -------------------------------------------------------------

// Bug it is here for: events matched by descriptor, or by slot without a generation. The stream is
// closed too early, and a child process still has a duplicate: so the kernel keeps the
// registration, and reports it with the token that it had.
TEST_F(Reactor, AnEventOfAPredecessorReachesNobody) {
  Source old(reactor_, "old");
  turn();
  const int number = old.ends.first.get();
  const Fd duplicate(::fcntl(number, F_DUPFD_CLOEXEC, 0));
  step("the old descriptor is closed, and then its registration ends; a duplicate is left");
  old.ends.first.close();
  old.registration.reset();

  auto ends = testkit::socket_pair();
  if (ends.first.get() != number) {
    ASSERT_EQ(::dup2(ends.first.get(), number), number);
    ends.first = Fd(number);
  }
  const absl::StatusOr<Registration> successor = add(reactor_, ends.first);
  ASSERT_TRUE(successor.ok()) << successor.status();
  TestTask task("successor");
  EXPECT_TRUE(successor->io().poll_ready(kRead, task.cx()).is_pending());
  turn();
  old.send();
  turn();
  EXPECT_EQ(task.wakes(), 0) << "the bytes are on the old connection";
  EXPECT_TRUE(successor->io().poll_ready(kRead, task.cx()).is_pending());
  testkit::send_all(ends.second, "x");
  turn();
  EXPECT_EQ(task.wakes(), 1) << "these are on its own";
}

// The same again and again: a generation of 8 bits would be wrong here.
TEST_F(Reactor, AnEventOfAnyPredecessorReachesNobody) {
  Source old(reactor_, "old");
  turn();
  const Fd duplicate(::fcntl(old.ends.first.get(), F_DUPFD_CLOEXEC, 0));
  old.ends.first.close();
  old.registration.reset();
  for (int i = 0; i < 600; ++i) {
    const auto [fd, peer] = testkit::socket_pair();
    const absl::StatusOr<Registration> successor = add(reactor_, fd);
    ASSERT_TRUE(successor.ok()) << successor.status();
    old.send();
    EXPECT_TRUE(is_ok(reactor_->turn(ZeroDuration())));
    TestTask task("successor");
    ASSERT_TRUE(successor->io().poll_ready(kRead, task.cx()).is_pending()) << "owner " << i;
  }
}

// The same while the slot has no owner. Bug it is here for: a generation that goes up when the next
// owner comes, and not when this one goes.
TEST_F(Reactor, AnEventForAFreeSlotReachesNobody) {
  Source old(reactor_, "old");
  turn();
  EXPECT_FALSE(old.is_ready(kRead));
  const Fd duplicate(::fcntl(old.ends.first.get(), F_DUPFD_CLOEXEC, 0));
  step("the old descriptor is closed, and then its registration ends; a duplicate is left");
  old.ends.first.close();
  old.registration.reset();
  old.send();
  turn();
  EXPECT_EQ(old.task.wakes(), 0);
}

// Bug it is here for: an event of this turn whose ScheduledIo is gone by the time it is dispatched
//. Whichever of the two comes first ends the other.
TEST_F(Reactor, TheWakerOfOneEventMayEndTheNext) {
  Source one(reactor_, "one"), two(reactor_, "two");
  turn();
  EXPECT_FALSE(one.is_ready(kRead));
  EXPECT_FALSE(two.is_ready(kRead));
  one.task.on_wake([&two] { two.end(); });
  two.task.on_wake([&one] { one.end(); });
  one.send();
  two.send();
  turn();
  EXPECT_EQ(one.task.wakes() + two.task.wakes(), 1) << "the other does not wait any more";
  turn();
}

// Bug it is here for: the slot looked up when its event is dispatched. By then it has a new owner,
// who is told of bytes that are not his.
TEST_F(Reactor, AnEventDoesNotReachWhoeverTookTheSlotInTheSameTurn) {
  Source one(reactor_, "one"), two(reactor_, "two");
  turn();
  EXPECT_FALSE(one.is_ready(kRead));
  EXPECT_FALSE(two.is_ready(kRead));
  std::optional<Source> successor;
  one.task.on_wake([&] { two.end(), successor.emplace(reactor_, "successor"); });
  two.task.on_wake([&] { one.end(), successor.emplace(reactor_, "successor"); });
  one.send();
  two.send();
  turn();
  ASSERT_TRUE(successor.has_value());
  EXPECT_FALSE(successor->is_ready(kRead)) << "nothing was sent to it";
  EXPECT_FALSE(successor->is_ready(kWrite)) << "its own first event comes with the next turn";
  turn();
  EXPECT_TRUE(successor->is_ready(kWrite));
  EXPECT_FALSE(successor->is_ready(kRead));
}

// Bug it is here for: waking with the lock held. If this hangs, the report shows who asks for it,
// and who holds it.
TEST_F(Reactor, AWakerMayEndItsOwnRegistration) {
  Source source(reactor_);
  turn();
  EXPECT_FALSE(source.is_ready(kRead));
  source.task.on_wake([&source] { source.end(); });
  source.send();
  turn();
  EXPECT_EQ(source.task.wakes(), 1);
  EXPECT_FALSE(source.registration.has_value());
  turn();
}

// --- The end of the runtime ----------------------------------------------------------------------

TEST_F(Reactor, ShutdownTellsAll) {
  std::vector<std::unique_ptr<Source>> sources;
  for (int i = 0; i < 3; ++i) {
    sources.push_back(std::make_unique<Source>(reactor_, absl::StrCat(i)));
    EXPECT_FALSE(sources.back()->is_ready(kRead));
  }
  sources[1]->end();
  step("shutdown()");
  reactor_->shutdown();
  for (const int i : {0, 2}) {
    EXPECT_EQ(sources[i]->task.wakes(), 1);
    const Poll<ReadyEvent> polled =
        sources[i]->registration->io().poll_ready(kRead, sources[i]->task.cx());
    ASSERT_TRUE(polled.is_ready());
    EXPECT_STREQ(polled.value().readiness.to_string(), "shutdown");
  }
  EXPECT_EQ(sources[1]->task.wakes(), 0);
}

// Bug it is here for: something that is added when nobody turns any more, and waits for ever.
TEST_F(Reactor, AfterShutdownNothingIsAdded) {
  step("shutdown()");
  reactor_->shutdown();
  const auto [fd, peer] = testkit::socket_pair();
  EXPECT_FALSE(add(reactor_, fd).ok());
  testkit::send_all(peer, "hello");
  turn();
  EXPECT_EQ(script_.records(Call::kEpollWait).back().result, 0)
      << "the kernel reports what the reactor has refused";
  reactor_->shutdown();
}

// Bug it is here for: telling them with the lock held. A task that is told ends its stream.
TEST_F(Reactor, WhoeverIsToldOfTheShutdownMayEndRegistrations) {
  Source one(reactor_, "one"), two(reactor_, "two");
  EXPECT_FALSE(one.is_ready(kRead));
  EXPECT_FALSE(two.is_ready(kRead));
  one.task.on_wake([&] { two.end(), one.end(); });
  two.task.on_wake([&] { one.end(), two.end(); });
  step("shutdown()");
  reactor_->shutdown();
  EXPECT_FALSE(one.registration.has_value());
  EXPECT_FALSE(two.registration.has_value());
}

}  // namespace
