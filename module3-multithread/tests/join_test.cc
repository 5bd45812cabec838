#include "rt/task/join.h"

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "rt/runtime/block_on.h"
#include "task_parts.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::Waker;
using task_parts::Body;
using task_parts::HandScheduler;
using task_parts::Output;
using testkit::IsPending;
using testkit::LifeCounter;
using testkit::step;
using testkit::TestTask;
using Handle = rt::JoinHandle<Output>;

// TestTask::live() counts the task's own waker too.
constexpr int kOnlyItsOwn = 1;

class Join : public testing::Test {
 protected:
  using Script = std::function<Body::Poll(Context&)>;

  Handle spawn(Script script) {
    return Handle(
        rt::join_handle(scheduler_.spawn_joined(Body(std::move(script), futures_.token()))));
  }

  // Pending until finish().
  Handle spawn_waiting() {
    return spawn([this](Context& cx) -> Body::Poll {
      if (done_) return Output(7, outputs_.token());
      waker_.emplace(cx.waker().clone());
      return kPending;
    });
  }
  Handle spawn_ready() {
    done_ = true;
    return spawn_waiting();
  }
  Handle spawn_throwing() {
    return spawn([](Context&) -> Body::Poll { throw std::runtime_error("broken"); });
  }

  void finish() {
    step("the task ends");
    done_ = true;
    Waker waker = std::move(*waker_);
    waker_.reset();
    std::move(waker).wake();
    scheduler_.run_all();
  }

  // "pending", the number, or what was thrown.
  std::string poll(Handle& handle, TestTask& joiner) { return poll(handle, joiner.cx()); }
  std::string poll(Handle& handle, Context& cx) {
    std::string answer;
    try {
      rt::Poll<Output> polled = handle.poll(cx);
      answer = polled.is_pending() ? "pending" : std::to_string(polled.value().number);
    } catch (const std::exception& error) {
      answer = error.what();
    }
    step("the handle is polled: " + answer);
    return answer;
  }

  static std::string cancelled() { return rt::Cancelled().what(); }

  LifeCounter futures_{"the future"};
  LifeCounter outputs_{"the output"};
  bool done_ = false;
  TestTask joiner_{"joiner"};
  HandScheduler scheduler_;
  std::optional<Waker> waker_;  // Of the task.
};

// --- The output ----------------------------------------------------------------------------------

TEST_F(Join, GivesTheOutputOfATaskThatHasEnded) {
  Handle handle = spawn_ready();
  scheduler_.run_all();
  EXPECT_EQ(poll(handle, joiner_), "7");
  EXPECT_EQ(outputs_.live(), 0) << "the test has dropped it";
  EXPECT_EQ(joiner_.live(), kOnlyItsOwn) << "nobody had to be woken";
  EXPECT_EQ(scheduler_.freed, 1);
}

TEST_F(Join, APendingJoinerIsWokenAtTheEnd) {
  Handle handle = spawn_waiting();
  scheduler_.run_all();
  EXPECT_EQ(poll(handle, joiner_), "pending");
  EXPECT_EQ(joiner_.wakes(), 0);
  finish();
  EXPECT_EQ(joiner_.wakes(), 1);
  EXPECT_EQ(joiner_.live(), kOnlyItsOwn) << "the wake has used the stored waker up";
  EXPECT_EQ(poll(handle, joiner_), "7");
  EXPECT_EQ(scheduler_.freed, 1);
}

TEST_F(Join, GivesWhatTheTaskThrew) {
  Handle handle = spawn_throwing();
  EXPECT_EQ(poll(handle, joiner_), "pending");
  scheduler_.run_all();
  EXPECT_EQ(joiner_.wakes(), 1);
  EXPECT_EQ(poll(handle, joiner_), "broken");
  EXPECT_EQ(scheduler_.freed, 1);
}

TEST_F(Join, JoinedTwiceItSaysSo) {
  Handle handle = spawn_ready();
  scheduler_.run_all();
  EXPECT_EQ(poll(handle, joiner_), "7");
  EXPECT_EQ(poll(handle, joiner_), "JoinHandle: polled after it was ready");
  Handle second = spawn_throwing();
  scheduler_.run_all();
  EXPECT_EQ(poll(second, joiner_), "broken");
  EXPECT_EQ(poll(second, joiner_), "JoinHandle: polled after it was ready");
}

TEST_F(Join, VoidIsAnOutputToo) {
  auto nothing = rt::poll_fn([](Context&) -> rt::Poll<void> { return rt::kReady; });
  rt::JoinHandle<void> handle(rt::join_handle(scheduler_.spawn_joined(std::move(nothing))));
  EXPECT_TRUE(handle.poll(joiner_.cx()).is_pending());
  scheduler_.run_all();
  EXPECT_TRUE(handle.poll(joiner_.cx()).is_ready());
}

// A handle is a future like any other: outside of every runtime, too.
TEST_F(Join, ABlockedThreadMayJoin) {
  Handle handle = spawn_ready();
  scheduler_.run_all();
  EXPECT_EQ(rt::block_on(std::move(handle)).number, 7);
}

// --- The waker -----------------------------------------------------------------------------------

// Bug it is here for: the first waker is kept. The handle has moved to another task since.
TEST_F(Join, WakesTheNewestWakerOnly) {
  TestTask other("other");
  Handle handle = spawn_waiting();
  scheduler_.run_all();
  EXPECT_EQ(poll(handle, joiner_), "pending");
  EXPECT_EQ(poll(handle, other), "pending");
  EXPECT_EQ(joiner_.live(), kOnlyItsOwn) << "the other's waker has taken its place";
  EXPECT_EQ(poll(handle, joiner_), "pending");
  EXPECT_EQ(poll(handle, other), "pending");
  finish();
  EXPECT_EQ(joiner_.wakes(), 0);
  EXPECT_EQ(other.wakes(), 1);
  EXPECT_EQ(poll(handle, other), "7");
}

// Bug it is here for: a clone for each poll.
TEST_F(Join, TheSameWakerIsNotClonedAgain) {
  Handle handle = spawn_waiting();
  scheduler_.run_all();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(poll(handle, joiner_), "pending");
  EXPECT_EQ(joiner_.clones(), 1);
  finish();
  EXPECT_EQ(joiner_.wakes(), 1);
}

// A waker during whose cloning something happens: after the poll has looked, and before there is a
// waker that the end of the task could find.
class WorstMoment {
 public:
  explicit WorstMoment(std::function<void()> event) : event_(std::move(event)) {}
  Context& cx() { return cx_; }
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

  std::function<void()> event_;
  int wakes_ = 0;
  int live_ = 1;
  Waker waker_{this, &kVTable};
  Context cx_{waker_};
};

// Bug it is here for: a waker that is put there, and no look whether the task has ended meanwhile.
TEST_F(Join, AnEndBeforeTheWakerIsThereIsNotLost) {
  Handle handle = spawn_waiting();
  scheduler_.run_all();
  const Waker kept = waker_->clone();  // So that the task's memory stays.
  WorstMoment task([this] { finish(); });
  EXPECT_EQ(poll(handle, task.cx()), "7") << "the task has ended, and will wake nobody any more";
  EXPECT_EQ(task.wakes(), 0);
  EXPECT_EQ(task.live(), 1) << "no waker is left behind";
}

// The same when there is a waker already: of another task, which need not be woken.
TEST_F(Join, AnEndWhileTheWakerIsReplacedIsNotLost) {
  Handle handle = spawn_waiting();
  scheduler_.run_all();
  EXPECT_EQ(poll(handle, joiner_), "pending");
  const Waker kept = waker_->clone();
  WorstMoment task([this] { finish(); });
  EXPECT_EQ(poll(handle, task.cx()), "7");
  EXPECT_EQ(task.live(), 1);
  EXPECT_EQ(joiner_.live(), kOnlyItsOwn);
}

// A waker's drop may call back, too: here the task ends while another waker takes the place.
TEST_F(Join, AnEndWhileTheOldWakerIsDroppedIsNotLost) {
  TestTask other("other");
  Handle handle = spawn_waiting();
  scheduler_.run_all();
  EXPECT_EQ(poll(handle, joiner_), "pending");
  bool ended = false;
  joiner_.on_drop([&] {
    if (!std::exchange(ended, true)) finish();
  });
  const std::string answer = poll(handle, other);
  EXPECT_TRUE(ended) << "the joiner's waker is not needed any more";
  EXPECT_TRUE(answer != "pending" || other.wakes() > 0) << "pending, and nobody was woken";
  EXPECT_EQ(answer != "pending" ? answer : poll(handle, other), "7");
  joiner_.on_drop(nullptr);
}

// Bug it is here for: a joiner that is woken first. It may run at once, and drop what it finds.
TEST_F(Join, WhenTheJoinerIsWokenAllIsDone) {
  Handle handle = spawn_waiting();
  scheduler_.run_all();
  EXPECT_EQ(poll(handle, joiner_), "pending");
  std::string answer;
  joiner_.on_wake([&] {
    EXPECT_EQ(futures_.live(), 0);
    EXPECT_EQ(scheduler_.alive(), 0u);
    answer = poll(handle, joiner_);
  });
  finish();
  EXPECT_EQ(answer, "7");
  EXPECT_EQ(scheduler_.freed, 1);
  joiner_.on_wake(nullptr);
}

// --- The handle is dropped -----------------------------------------------------------------------

TEST_F(Join, DroppedAtOnceTheTaskRunsOn) {
  { Handle handle = spawn_waiting(); }
  scheduler_.run_all();
  EXPECT_EQ(futures_.live(), 1);
  finish();
  EXPECT_EQ(outputs_.created(), 1);
  EXPECT_EQ(outputs_.live(), 0) << "nobody joins: the output goes with the task";
  EXPECT_EQ(scheduler_.freed, 1);
}

// Bug it is here for: a waker that stays in the task, and keeps the joiner's memory.
TEST_F(Join, DroppedWhileItWaitsItTakesItsWakerBack) {
  {
    Handle handle = spawn_waiting();
    scheduler_.run_all();
    EXPECT_EQ(poll(handle, joiner_), "pending");
  }
  EXPECT_EQ(joiner_.live(), kOnlyItsOwn);
  finish();
  EXPECT_EQ(joiner_.wakes(), 0);
  EXPECT_EQ(outputs_.live(), 0);
  EXPECT_EQ(scheduler_.freed, 1);
}

// The same waker, when it is dropped, ends the task.
TEST_F(Join, DroppedWhileItWaitsItsWakerMayEndTheTask) {
  {
    Handle handle = spawn_waiting();
    scheduler_.run_all();
    EXPECT_EQ(poll(handle, joiner_), "pending");
    joiner_.on_drop([this] { finish(); });
  }
  joiner_.on_drop(nullptr);
  EXPECT_EQ(outputs_.created(), 1);
  EXPECT_EQ(outputs_.live(), 0);
  EXPECT_EQ(scheduler_.freed, 1);
}

// Bug it is here for: a handle that frees the task as it goes. It is mostly the last to let go, and
// not always.
TEST_F(Join, AWakerMayOutliveTheTaskAndItsHandle) {
  enum class How { kJoined, kDropped, kDroppedBefore, kDroppedWhileItWaits, kAborted };
  int tasks = 0;
  for (const How how : {How::kJoined, How::kDropped, How::kDroppedBefore, How::kDroppedWhileItWaits,
                        How::kAborted}) {
    step("another task");
    done_ = false;
    std::optional<Handle> handle(spawn_waiting());
    scheduler_.run_all();
    std::optional<Waker> kept(waker_->clone());
    if (how == How::kDroppedWhileItWaits) {
      EXPECT_EQ(poll(*handle, joiner_), "pending");
    }
    if (how == How::kDroppedBefore || how == How::kDroppedWhileItWaits) handle.reset();
    if (how == How::kAborted) handle->abort();
    finish();
    if (how == How::kJoined) {
      EXPECT_EQ(poll(*handle, joiner_), "7");
    } else if (how == How::kAborted) {
      EXPECT_EQ(poll(*handle, joiner_), cancelled());
    }
    handle.reset();
    EXPECT_EQ(futures_.live(), 0);
    EXPECT_EQ(outputs_.live(), 0);
    EXPECT_EQ(scheduler_.freed, tasks) << "its memory is needed for the waker";
    kept->wake_by_ref();
    EXPECT_EQ(scheduler_.scheduled(), 0u);
    kept.reset();
    EXPECT_EQ(scheduler_.freed, ++tasks);
  }
}

// Bug it is here for: an output that nobody takes any more, and that lives until the last waker
// goes.
TEST_F(Join, DroppedAfterTheEndTheOutputIsDropped) {
  std::optional<Waker> kept;
  {
    Handle handle = spawn([this, &kept](Context& cx) -> Body::Poll {
      kept.emplace(cx.waker().clone());
      return Output(7, outputs_.token());
    });
    scheduler_.run_all();
    EXPECT_EQ(outputs_.live(), 1);
  }
  EXPECT_EQ(outputs_.live(), 0);
  EXPECT_EQ(scheduler_.freed, 0);
  kept.reset();
  EXPECT_EQ(scheduler_.freed, 1);
}

TEST_F(Join, DroppedAfterTheTaskThrewTheErrorIsDropped) {
  { Handle handle = spawn_throwing(); }
  scheduler_.run_all();
  {
    Handle handle = spawn_throwing();
    scheduler_.run_all();
  }
  EXPECT_EQ(scheduler_.freed, 2);
}

// Bug it is here for: the handle that wakes the joiner, or the task that drops the handle, and both
// free what is there.
TEST_F(Join, DroppedByTheTaskItself) {
  std::optional<Handle> handle;
  handle.emplace(spawn([&, this](Context&) -> Body::Poll {
    handle.reset();
    return Output(7, outputs_.token());
  }));
  scheduler_.run_all();
  EXPECT_EQ(outputs_.live(), 0);
  EXPECT_EQ(scheduler_.freed, 1);
}

TEST_F(Join, TheHandleMayBeTheLastToLetGo) {
  Handle handle = spawn_waiting();
  scheduler_.close();
  EXPECT_EQ(futures_.live(), 0);
  EXPECT_EQ(scheduler_.freed, 0);
  handle.detach();
  EXPECT_EQ(scheduler_.freed, 1);
}

// --- Abort ---------------------------------------------------------------------------------------

TEST_F(Join, AbortedBeforeItsFirstPollItIsNeverPolled) {
  Handle handle = spawn_waiting();
  handle.abort();
  EXPECT_EQ(futures_.live(), 1) << "abort() asks; who runs the task drops it";
  EXPECT_EQ(poll(handle, joiner_), "pending");
  scheduler_.run_all();
  EXPECT_FALSE(waker_.has_value());
  EXPECT_EQ(joiner_.wakes(), 1);
  EXPECT_EQ(poll(handle, joiner_), cancelled());
  EXPECT_EQ(scheduler_.freed, 1);
}

TEST_F(Join, AbortedWhileItWaitsItIsScheduledToBeDropped) {
  Handle handle = spawn_waiting();
  scheduler_.run_all();
  handle.abort();
  handle.abort();
  EXPECT_EQ(scheduler_.scheduled(), 1u);
  scheduler_.run_all();
  EXPECT_EQ(futures_.live(), 0);
  EXPECT_EQ(poll(handle, joiner_), cancelled());
  waker_.reset();
  EXPECT_EQ(scheduler_.freed, 1);
}

TEST_F(Join, AbortedWhileItIsPolledItIsDroppedAfterwards) {
  std::optional<Handle> handle;
  handle.emplace(spawn([&, this](Context&) -> Body::Poll {
    handle->abort();
    EXPECT_EQ(futures_.live(), 1);
    return kPending;
  }));
  scheduler_.run_all();
  EXPECT_EQ(futures_.live(), 0);
  EXPECT_EQ(poll(*handle, joiner_), cancelled());
}

// Bug it is here for: an abort that comes too late, and takes the output away all the same.
TEST_F(Join, AbortedAfterTheEndTheOutputIsThere) {
  Handle handle = spawn_ready();
  scheduler_.run_all();
  handle.abort();
  EXPECT_EQ(scheduler_.scheduled(), 0u);
  EXPECT_EQ(poll(handle, joiner_), "7");
  handle.abort();
}

TEST_F(Join, AbortedAndDroppedTheTaskIsDropped) {
  {
    Handle handle = spawn_waiting();
    scheduler_.run_all();
    handle.abort();
  }
  scheduler_.run_all();
  EXPECT_EQ(futures_.live(), 0);
  waker_.reset();
  EXPECT_EQ(scheduler_.freed, 1);
}

TEST_F(Join, AWokenTaskThatIsAbortedIsScheduledOnce) {
  Handle handle = spawn_waiting();
  scheduler_.run_all();
  waker_->wake_by_ref();
  handle.abort();
  EXPECT_EQ(scheduler_.scheduled(), 1u);
  scheduler_.run_all();
  EXPECT_EQ(poll(handle, joiner_), cancelled());
  waker_.reset();
}

// --- The runtime goes away -----------------------------------------------------------------------

TEST_F(Join, AShutdownCancelsWhatIsLeft) {
  Handle handle = spawn_waiting();
  scheduler_.run_all();
  EXPECT_EQ(poll(handle, joiner_), "pending");
  scheduler_.close();
  EXPECT_EQ(joiner_.wakes(), 1);
  EXPECT_EQ(poll(handle, joiner_), cancelled());
  waker_.reset();
  EXPECT_EQ(scheduler_.freed, 1);
}

}  // namespace
