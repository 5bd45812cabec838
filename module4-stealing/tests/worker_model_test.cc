// Every interleaving of workers and of those who bring them tasks. A task that is left while a
// worker sleeps is a deadlock: somebody waits for it.
#include "rt/runtime/worker.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "rt/future/poll.h"
#include "rt/platform/park.h"
#include "rt/platform/parker.h"
#include "rt/platform/sync.h"
#include "rt/runtime/worker_parks.h"
#include "testkit/fleet.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::Context;
using rt::kReady;
using rt::Parker;
using rt::Poll;
using rt::sync::Atomic;
using rt::sync::Cell;
using testkit::Fleet;
using testkit::model::check;
using testkit::model::Options;
using testkit::model::Thread;

// Takes steps as that worker until it has run as many tasks. (To end workers that sleep would be
// most of the steps of a scenario.)
void work(Fleet& fleet, std::size_t worker, int tasks) {
  while (fleet.polls(worker) < tasks) fleet.step(worker);
}

// Two tasks, the first of which blocks its worker until the second one runs: on another worker.
class Meeting {
 public:
  auto task() {
    return [this](Context&) -> Poll<void> {
      come_.fetch_add(1) == 0 ? second_came_.park() : second_came_.unpark();
      return kReady;
    };
  }

 private:
  Parker second_came_;
  Atomic<int> come_{0};
};

// Bugs it is here for: a worker looks, is told of nothing, and then says that it sleeps; it does
// not look again after that.
TEST(WorkerModel, NoTaskIsLeftWhileTheWorkerSleeps) {
  check(Options().preemptions(3).spurious_wakeups(0), [] {
    Fleet fleet(1, std::make_unique<rt::PlainParks>(1));
    Parker done;
    Thread worker([&] { work(fleet, 0, 2); });
    for (int i = 0; i < 2; ++i) {
      fleet.spawn([&done](Context&) -> Poll<void> {
        done.unpark();
        return kReady;
      });
      done.park();
    }
    worker.join();
  });
}

// Bug it is here for: the two tasks are in inject. One worker takes both, one to run and one into
// its queue, and tells nobody; the other one has looked for the last time while they were in
// nobody's hands.
TEST(WorkerModel, NoTaskOfAShareIsLeftWhileTheOtherWorkerSleeps) {
  check(Options().preemptions(3).spurious_wakeups(0), [] {
    Fleet fleet(2, std::make_unique<rt::PlainParks>(2));
    Meeting meeting;
    for (int i = 0; i < 2; ++i) fleet.put_into_inject(meeting.task());
    Thread other([&] { work(fleet, 1, 1); });
    work(fleet, 0, 1);
    other.join();
  });
}

// Bugs it is here for: what no longer fits into the slot is pushed, and nobody hears of it, or too
// early; the other worker looks for the last time, and says only then that it sleeps; or it does
// not look, since it was not searching.
TEST(WorkerModel, NoTaskOfATaskIsLeftWhileTheOtherWorkerSleeps) {
  check(Options().preemptions(3).spurious_wakeups(0), [] {
    Fleet fleet(2, std::make_unique<rt::PlainParks>(2));
    Meeting meeting;
    fleet.worker(0).schedule(fleet.make([&](Context&) -> Poll<void> {
      fleet.spawn(meeting.task());
      fleet.spawn(meeting.task());
      return kReady;
    }));
    Thread other([&] { work(fleet, 1, 1); });
    work(fleet, 0, 2);
    other.join();
  });
}

// Bug it is here for: a backlog is looked through when a worker searches, and not when it looks for
// the last time.
TEST(WorkerModel, NoTaskOfABacklogIsLeftWhileTheOtherWorkerSleeps) {
  check(Options().preemptions(3).spurious_wakeups(0), [] {
    Fleet fleet(2, std::make_unique<rt::PlainParks>(2));
    Parker done;
    Thread other([&] { work(fleet, 1, 1); });
    fleet.seat(0).backlog.push(fleet.make([&done](Context&) -> Poll<void> {
      done.unpark();
      return kReady;
    }));
    fleet.shared().notify();
    done.park();
    other.join();
  });
}

// Bug it is here for: who yields is pushed, and the others have heard of it before that. What its
// worker runs next waits for it.
TEST(WorkerModel, NoTaskThatYieldsIsLeftWhileTheOtherWorkerSleeps) {
  check(Options().preemptions(3).spurious_wakeups(0), [] {
    Fleet fleet(2, std::make_unique<rt::PlainParks>(2));
    Meeting meeting;
    bool has_yielded = false;
    fleet.worker(0).schedule(fleet.make([&](Context& cx) -> Poll<void> {
      if (has_yielded) return meeting.task()(cx);
      has_yielded = true;
      fleet.spawn(meeting.task());
      cx.waker().wake_by_ref();
      return rt::kPending;
    }));
    Thread other([&] { work(fleet, 1, 1); });
    work(fleet, 0, 2);
    other.join();
  });
}

// Parkers, and something that the first look of worker 0 brings.
class ParksWithEvents final : public rt::WorkerParks {
 public:
  rt::Park& of(std::size_t worker) override { return parks_[worker]; }
  void first_look_brings(std::function<void()> events) { parks_[0].events = std::move(events); }

 private:
  struct Parking final : rt::Park {
    void park() override { parker.park(); }
    void unpark() override { parker.unpark(); }
    void look() override {
      if (events) std::exchange(events, nullptr)();
    }
    Parker parker;
    std::function<void()> events;
  };
  std::array<Parking, 2> parks_;
};

// Bug it is here for: what events have made ready is pushed, and the others have heard of it before
// that.
TEST(WorkerModel, NoTaskOfAnEventIsLeftWhileTheOtherWorkerSleeps) {
  check(Options().preemptions(3).spurious_wakeups(0), [] {
    auto parks = std::make_unique<ParksWithEvents>();
    ParksWithEvents& events = *parks;
    rt::WorkerOptions options;
    options.event_interval = 1;
    Fleet fleet(2, std::move(parks), options);
    Meeting meeting;
    events.first_look_brings([&] {
      for (int i = 0; i < 2; ++i) fleet.worker(0).schedule(fleet.make(meeting.task()));
    });
    Thread other([&] { work(fleet, 1, 1); });
    work(fleet, 0, 1);
    other.join();
  });
}

// Bug it is here for: a worker that is busy, and so is not unparked, sees the end by a relaxed
// load. What it does after its last step then races with what came before close().
TEST(WorkerModel, WhatCameBeforeTheEndIsSeenAfterTheLastStep) {
  check(Options().spurious_wakeups(0), [] {
    Fleet fleet(1, std::make_unique<rt::PlainParks>(1));
    Cell<bool> has_come(false);
    Thread worker([&] {
      fleet.work(0);
      MODEL_REQUIRE(has_come.read());
    });
    has_come.write() = true;
    fleet.shared().close();
    worker.join();
  });
}

// Bug it is here for: the searcher that finds one task does not look whether there are more.
// Whoever has brought the second one has seen that somebody searches.
TEST(WorkerModel, NoTaskFromOutsideIsLeftWhileOneOfTwoSleeps) {
  check(Options().spurious_wakeups(0), [] {
    Fleet fleet(2, std::make_unique<rt::PlainParks>(2));
    Meeting meeting;
    Thread first([&] { work(fleet, 0, 1); }), second([&] { work(fleet, 1, 1); });
    for (int i = 0; i < 2; ++i) fleet.spawn(meeting.task());
    first.join();
    second.join();
  });
}

}  // namespace
