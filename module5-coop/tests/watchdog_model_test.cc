// Every interleaving of a worker and of the look at it, and of a run and its stop.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "rt/runtime/poll_slot.h"
#include "rt/runtime/watchdog.h"
#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::PollSeen;
using testkit::model::check;
using testkit::model::Options;
using testkit::model::Outcomes;
using testkit::model::Thread;
using Slot = rt::BasicPollSlot<rt::sync::Atomic<std::uint64_t>>;

constexpr std::source_location here() { return std::source_location::current(); }

class OneWorker final : public rt::WatchedWorkers {
 public:
  explicit OneWorker(Slot& slot) : slot_(slot) {}
  std::size_t count() const override { return 1; }
  std::optional<PollSeen> look(std::size_t) const override { return slot_.look(); }
  std::string stack(std::size_t) override { return "stack"; }

 private:
  Slot& slot_;
};

rt::WatchdogOptions telling(std::function<void(const rt::StuckTask&)> tell) {
  rt::WatchdogOptions options;
  options.tell = std::move(tell);
  return options;
}

// Bug it is here for: the number of one poll, and the task of another. (Given code: what the
// watchdog rests on.)
TEST(WatchdogModel, WhatASlotShowsIsOfOnePoll) {
  Outcomes seen;
  check([&seen] {
    Slot slot;
    const std::source_location known = here();
    Thread worker([&] {
      slot.begin(1, std::source_location());
      slot.begin(2, known);
      slot.begin(3, std::source_location());
      slot.rest();
    });
    const std::optional<PollSeen> poll = slot.look();
    worker.join();
    OneWorker workers(slot);
    rt::Watchdog(workers, telling([](const rt::StuckTask&) {})).look();
    if (!poll.has_value()) return seen.add("none");
    MODEL_REQUIRE(poll->task == poll->poll);
    MODEL_REQUIRE(poll->spawned_at.line() == (poll->task == 2 ? known.line() : 0u));
    seen.add(std::to_string(poll->task));
  });
  EXPECT_EQ(seen, Outcomes({"none", "1", "2", "3"}));
}

// Bug it is here for: the thread looks whether it is stopped, it is stopped, and only then it
// sleeps, for half a limit.
TEST(WatchdogModel, StopEndsARunAtOnceWheneverItComes) {
  check(Options().timeouts(0), [] {
    const rt::Instant start = rt::clock::now();
    Slot slot;
    OneWorker workers(slot);
    rt::Watchdog watchdog(workers, telling([](const rt::StuckTask&) {}));
    Thread thread([&] { watchdog.run(); });
    watchdog.stop();
    thread.join();
    MODEL_REQUIRE(rt::clock::now() == start);
  });
}

// Bug it is here for: what is told is told with the lock held, and whoever hears of it cannot stop
// the watchdog.
TEST(WatchdogModel, WhoIsToldMayStopIt) {
  check(Options().spurious_wakeups(0).preemptions(1), [] {
    Slot slot;
    slot.begin(1, std::source_location());
    OneWorker workers(slot);
    rt::Watchdog* watchdog = nullptr;
    rt::Watchdog one(workers, telling([&](const rt::StuckTask&) { watchdog->stop(); }));
    watchdog = &one;
    Thread thread([&] { one.run(); });
    thread.join();
  });
}

}  // namespace
