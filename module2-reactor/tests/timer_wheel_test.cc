#include "rt/driver/timer_wheel.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <initializer_list>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "rt/driver/timer_node.h"
#include "testkit/internal/counting_new.h"
#include "testkit/testkit.h"

namespace {

using rt::TimerNode;
using rt::TimerWheel;
using testkit::step;
using Tick = std::uint64_t;

static_assert(!std::is_copy_constructible_v<TimerWheel>);

constexpr Tick kSecond = 1000, kHour = 3600 * kSecond, kDay = 24 * kHour;
// The powers of 64: where a level begins. The last is a turn of the top level.
constexpr std::array<Tick, 6> kBorders = {1u << 6,  1u << 12, 1u << 18,
                                          1u << 24, 1u << 30, Tick{1} << 36};

// A wheel, and all that is done to it as steps. Timers have the numbers 0, 1, 2, …
class Wheel {
 public:
  explicit Wheel(Tick start = 0) {
    if (start > 0) advance_to(start);
  }
  ~Wheel() {
    for (TimerNode& node : nodes_) wheel_->cancel(node);
  }

  TimerWheel& operator*() { return *wheel_; }
  TimerWheel* operator->() { return wheel_.get(); }

  // The number of the new timer.
  std::size_t insert(Tick when) {
    nodes_.emplace_back();
    const std::size_t timer = nodes_.size() - 1;
    EXPECT_TRUE(insert_again(timer, when)) << "tick " << when << " is still to come";
    return timer;
  }
  bool insert_again(std::size_t timer, Tick when) {
    step("timer " + std::to_string(timer) + " inserted for tick " + std::to_string(when));
    return wheel_->insert(nodes_[timer], when);
  }
  bool cancel(std::size_t timer) {
    step("timer " + std::to_string(timer) + " cancelled");
    return wheel_->cancel(nodes_[timer]);
  }
  // The number of the timer that is due next; nothing if there is none.
  std::optional<std::size_t> poll(Tick now) {
    TimerNode* const node = wheel_->poll(now);
    std::optional<std::size_t> timer;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (node == &nodes_[i]) timer = i;
    }
    step("poll(" + std::to_string(now) + "): " + (timer ? "timer " + std::to_string(*timer) : "-"));
    return timer;
  }
  // All that are due, by number.
  std::vector<std::size_t> advance_to(Tick now) {
    std::vector<std::size_t> timers;
    while (const std::optional<std::size_t> timer = poll(now)) timers.push_back(*timer);
    EXPECT_EQ(wheel_->elapsed(), now);
    std::sort(timers.begin(), timers.end());
    return timers;
  }

 private:
  // On the heap: so AddressSanitizer knows where it ends.
  const std::unique_ptr<TimerWheel> wheel_ = std::make_unique<TimerWheel>();
  std::deque<TimerNode> nodes_;  // A node stays where it is.
};

using Timers = std::vector<std::size_t>;

// One timer, from a wheel that stands at `start`. It has to come at its tick, and neither before
// nor after.
void expect_exact(Tick start, Tick delta) {
  SCOPED_TRACE("from tick " + std::to_string(start) + ", a timer in " + std::to_string(delta));
  Wheel wheel(start);
  const Tick when = start + delta;
  wheel.insert(when);
  ASSERT_EQ(wheel->next_expiry(), when);
  if (delta > 1) {
    ASSERT_EQ(wheel.advance_to(when - 1), Timers{}) << "a tick early";
  }
  ASSERT_EQ(wheel->next_expiry(), when);
  ASSERT_EQ(wheel.advance_to(when), Timers{0}) << "it is due now";
  ASSERT_EQ(wheel->next_expiry(), std::nullopt);
}

// --- One timer -----------------------------------------------------------------------------------

TEST(TimerWheel, BeginsEmptyAtTickZero) {
  Wheel wheel;
  EXPECT_EQ(wheel->elapsed(), 0u);
  EXPECT_EQ(wheel->next_expiry(), std::nullopt);
  EXPECT_EQ(wheel->poll(0), nullptr);
  EXPECT_EQ(wheel->poll(17), nullptr);
  EXPECT_EQ(wheel->elapsed(), 17u) << "after null, elapsed() has come to `now`";
}

TEST(TimerWheel, GivesATimerOutAtItsTickAndOnce) {
  Wheel wheel;
  wheel.insert(5);
  EXPECT_EQ(wheel->next_expiry(), 5u);
  EXPECT_EQ(wheel.advance_to(4), Timers{});
  EXPECT_EQ(wheel.advance_to(5), Timers{0});
  EXPECT_EQ(wheel.advance_to(5), Timers{}) << "it was given out before";
  EXPECT_EQ(wheel.advance_to(100), Timers{}) << "it was given out before";
  EXPECT_EQ(wheel->next_expiry(), std::nullopt);
}

// Bug it is here for: a timer of now, or of the past, that lands in a slot whose time has gone by,
// and waits for a whole turn.
TEST(TimerWheel, WhatIsDueAlreadyIsNotPutIn) {
  for (const Tick now : {Tick{0}, Tick{1}, Tick{64}, 12 * kDay}) {
    Wheel wheel(now);
    TimerNode node;
    EXPECT_FALSE(wheel->insert(node, now)) << "now is " << now;
    if (now > 0) {
      EXPECT_FALSE(wheel->insert(node, now - 1)) << "now is " << now;
    }
    EXPECT_FALSE(wheel->insert(node, 0)) << "now is " << now;
    EXPECT_FALSE(wheel->cancel(node)) << "it was not put in";
    EXPECT_EQ(wheel->next_expiry(), std::nullopt);
    EXPECT_TRUE(wheel->insert(node, now + 1));
    EXPECT_EQ(wheel->poll(now + 1), &node);
  }
}

TEST(TimerWheel, GivesOutAllThatAreDueAndNoOther) {
  Wheel wheel;
  for (const Tick when : {10u, 70u, 10u, 5000u, 71u, 10u}) wheel.insert(when);
  EXPECT_EQ(wheel->next_expiry(), 10u);
  EXPECT_EQ(wheel.advance_to(70), (Timers{0, 1, 2, 5}));
  EXPECT_EQ(wheel->next_expiry(), 71u);
  EXPECT_EQ(wheel.advance_to(6000), (Timers{3, 4}));
}

// Bug it is here for: the start of a slot in place of the timer's own tick. A thread would wake up
// for nothing on each level.
TEST(TimerWheel, NextExpiryIsTheTimersOwnTick) {
  Wheel wheel(100);
  const Tick ticks[] = {3 * kDay, 3 * kHour, 3 * kHour - 1, 90 * kSecond, 250, 101};
  for (const Tick when : ticks) {
    wheel.insert(when);
    EXPECT_EQ(wheel->next_expiry(), when);
  }
  std::size_t left = std::size(ticks);
  for (; left > 0; --left) {
    EXPECT_EQ(wheel->next_expiry(), ticks[left - 1]);
    EXPECT_EQ(wheel.advance_to(ticks[left - 1]), Timers{left - 1});
  }
}

// Bug it is here for: a timer a slot early or late where a level begins.
TEST(TimerWheel, FiresAtTheBorderOfALevel) {
  for (const Tick border : kBorders) {
    for (const Tick delta : {border - 1, border, border + 1}) expect_exact(0, delta);
  }
}

// Bugs it is here for: the level chosen by the distance, in place of the highest digit in which the
// ticks differ; the slot chosen by the distance, in place of the tick.
TEST(TimerWheel, FiresAtTheBorderOfALevelFromAnyStart) {
  for (const Tick start : {Tick{1}, Tick{63}, Tick{64}, Tick{4095}, Tick{262'143}, 12 * kDay,
                           12 * kDay + 5 * kHour + 1, Tick{1} << 36, (Tick{1} << 36) - 1,
                           (Tick{1} << 63) - (Tick{1} << 37)}) {
    expect_exact(start, 1);
    for (const Tick border : kBorders) {
      for (const Tick delta : {border - 1, border, border + 1}) expect_exact(start, delta);
    }
  }
}

// Bug it is here for: a timer of more than a turn that comes with the first turn.
TEST(TimerWheel, WaitsForMoreThanATurnOfTheTopLevel) {
  constexpr Tick kTurn = Tick{1} << 36;
  for (const Tick delta : {2 * kTurn - 1, 2 * kTurn, 3 * kTurn + 12 * kDay, 100 * kTurn + 1}) {
    expect_exact(0, delta);
    expect_exact(12 * kDay + 7, delta);
  }
  Wheel wheel;
  wheel.insert(~Tick{0});
  EXPECT_EQ(wheel->next_expiry(), ~Tick{0});
  EXPECT_EQ(wheel.advance_to(10 * kTurn), Timers{});
  EXPECT_EQ(wheel->next_expiry(), ~Tick{0});
  EXPECT_TRUE(wheel.cancel(0));
  EXPECT_EQ(wheel->next_expiry(), std::nullopt);
}

// Bug it is here for: a timer that is put in lower when its slot's time comes, as seen from the
// time before that.
TEST(TimerWheel, EachStepOnTheWayGivesNothing) {
  constexpr Tick kWhen = (Tick{5} << 30) + (7 << 24) + (9 << 18) + (11 << 12) + (13 << 6) + 15;
  Wheel wheel;
  wheel.insert(kWhen);
  for (const unsigned level : {5u, 4u, 3u, 2u, 1u}) {
    const Tick start = kWhen >> (6 * level) << (6 * level);
    EXPECT_EQ(wheel.advance_to(start - 1), Timers{});
    EXPECT_EQ(wheel.advance_to(start), Timers{});
    EXPECT_EQ(wheel->next_expiry(), kWhen);
  }
  EXPECT_EQ(wheel.advance_to(kWhen - 1), Timers{});
  EXPECT_EQ(wheel.advance_to(kWhen), Timers{0});
}

// Bug it is here for: a clock that goes backwards takes elapsed() with it.
TEST(TimerWheel, TimeNeverGoesBackwards) {
  Wheel wheel(1000);
  wheel.insert(1010);
  EXPECT_EQ(wheel->poll(500), nullptr);
  EXPECT_EQ(wheel->elapsed(), 1000u);
  TimerNode past;
  EXPECT_FALSE(wheel->insert(past, 700)) << "tick 700 has come and gone";
  EXPECT_EQ(wheel.advance_to(1010), Timers{0});
}

// Bug it is here for: a poll of a time before elapsed() gives nothing, not even what was due before
// the clock went back.
TEST(TimerWheel, WhatIsDueIsGivenOutAlsoByAClockThatWentBack) {
  Wheel wheel;
  for (int i = 0; i < 3; ++i) wheel.insert(10);
  Timers timers;
  for (const Tick now : {10u, 5u, 0u}) {
    const std::optional<std::size_t> timer = wheel.poll(now);
    ASSERT_TRUE(timer.has_value()) << "a `now` before elapsed() counts as elapsed()";
    timers.push_back(*timer);
  }
  std::sort(timers.begin(), timers.end());
  EXPECT_EQ(timers, (Timers{0, 1, 2}));
  EXPECT_EQ(wheel.poll(0), std::nullopt);
}

// --- Several -------------------------------------------------------------------------------------

// Bug it is here for: one poll that goes over several slots, and leaves out what lies in between.
TEST(TimerWheel, GivesThemOutInTheOrderOfTheirTicks) {
  std::vector<Tick> ticks;
  for (const Tick border : kBorders) ticks.insert(ticks.end(), {border - 1, border, border + 1});
  Wheel wheel;
  for (std::size_t i = ticks.size(); i-- > 0;) wheel.insert(ticks[i]);
  for (std::size_t i = ticks.size(); i-- > 0;) {
    ASSERT_EQ(wheel.poll(2 * kBorders.back()), std::optional(i)) << "timers later first, by tick";
  }
  EXPECT_EQ(wheel.poll(2 * kBorders.back()), std::nullopt);
}

// Bug it is here for: the search for the next slot of the top level begins at the slot of now. What
// is in there comes a whole turn later, and hides what comes before. (Tokio had it: pull request
// 8334.)
TEST(TimerWheel, ATimerATurnAwayDoesNotHideANearerOne) {
  constexpr Tick kSlot = Tick{1} << 30, kTurn = Tick{1} << 36;
  for (const Tick start : {5 * kSlot + 3, 63 * kSlot + 3, kTurn + 3}) {
    Wheel wheel(start);
    wheel.insert(start + kTurn - 2);      // In the slot of now, a turn later.
    wheel.insert(start + kSlot);          // In the next slot.
    wheel.insert(start + 2 * kTurn + 1);  // In the slot of now, two turns later.
    EXPECT_EQ(wheel->next_expiry(), start + kSlot);
    EXPECT_EQ(wheel.advance_to(start + kSlot - 1), Timers{});
    EXPECT_EQ(wheel.advance_to(start + kSlot), Timers{1}) << "12 days late, and more";
    EXPECT_EQ(wheel->next_expiry(), start + kTurn - 2);
    EXPECT_EQ(wheel.advance_to(start + kTurn - 2), Timers{0});
    EXPECT_EQ(wheel->next_expiry(), start + 2 * kTurn + 1);
    EXPECT_EQ(wheel.advance_to(start + 2 * kTurn + 1), Timers{2});
  }
}

// Bug it is here for: next_expiry() of the slot that comes first, in which a timer waits for the
// turn after.
TEST(TimerWheel, TheFirstSlotOfTheTopLevelMayHoldTheLastTimer) {
  constexpr Tick kSlot = Tick{1} << 30, kTurn = Tick{1} << 36;
  Wheel wheel;
  wheel.insert(3 * kTurn + 2 * kSlot);
  wheel.insert(40 * kSlot);
  EXPECT_EQ(wheel->next_expiry(), 40 * kSlot);
  EXPECT_EQ(wheel.advance_to(40 * kSlot), Timers{1});
  EXPECT_EQ(wheel.advance_to(3 * kTurn + 2 * kSlot - 1), Timers{});
  EXPECT_EQ(wheel.advance_to(3 * kTurn + 2 * kSlot), Timers{0});
}

TEST(TimerWheel, AHundredThousandOnOneTick) {
  constexpr std::size_t kCount = 100'000;
  for (const Tick when : {Tick{50}, 12 * kDay}) {
    const auto wheel = std::make_unique<TimerWheel>();
    std::vector<TimerNode> nodes(kCount);
    for (TimerNode& node : nodes) ASSERT_TRUE(wheel->insert(node, when));
    ASSERT_EQ(wheel->poll(when - 1), nullptr);
    std::vector<bool> seen(kCount);
    for (std::size_t i = 0; i < kCount; ++i) {
      const TimerNode* const node = wheel->poll(when);
      ASSERT_NE(node, nullptr) << "after " << i << " of " << kCount;
      ASSERT_FALSE(seen[static_cast<std::size_t>(node - nodes.data())]) << "given out twice";
      seen[static_cast<std::size_t>(node - nodes.data())] = true;
    }
    EXPECT_EQ(wheel->poll(when), nullptr);
  }
}

// --- next_expiry ---------------------------------------------------------------------------------

// Bug it is here for: the earliest of a slot that is never begun anew. What was given out is in it
// still.
TEST(TimerWheel, NextExpiryForgetsThoseThatWereGivenOut) {
  for (const Tick border : kBorders) {
    Wheel wheel;
    wheel.insert(border + 5);
    EXPECT_EQ(wheel.advance_to(border + 5), Timers{0});
    wheel.insert(border * 64 + border + 7);  // The same slots, a turn later.
    wheel.insert(2 * border + 6);
    EXPECT_EQ(wheel->next_expiry(), 2 * border + 6);
    EXPECT_EQ(wheel.advance_to(2 * border + 6), Timers{2});
    EXPECT_EQ(wheel->next_expiry(), border * 64 + border + 7);
    EXPECT_EQ(wheel.advance_to(border * 64 + border + 7), Timers{1});
  }
}

// After a cancel it may be early, but a poll at that time sets it right.
TEST(TimerWheel, NextExpiryAfterACancelIsNeverLate) {
  Wheel wheel;
  const std::size_t first = wheel.insert(kHour);
  const std::size_t second = wheel.insert(kHour + 1);
  ASSERT_TRUE(wheel.cancel(first));
  std::size_t polls = 0;
  while (wheel.poll(*wheel->next_expiry()) != second) {
    ASSERT_LT(++polls, 7u) << "each poll takes the timer a level down, at least";
    ASSERT_LE(wheel->next_expiry(), kHour + 1);
  }
  EXPECT_EQ(wheel->elapsed(), kHour + 1);
}

TEST(TimerWheel, TimersThatAreDueAreNextAtOnce) {
  Wheel wheel;
  wheel.insert(10);
  wheel.insert(10);
  wheel.insert(4000);
  ASSERT_NE(wheel.poll(10), std::nullopt);
  EXPECT_EQ(wheel->next_expiry(), 10u) << "the second is due, and was not given out yet";
  ASSERT_NE(wheel.poll(10), std::nullopt);
  EXPECT_EQ(wheel->next_expiry(), 4000u);
}

// --- Cancelling ----------------------------------------------------------------------------------

// Bug it is here for: the bit of an empty slot that stays. The thread would wake up for nobody.
TEST(TimerWheel, ACancelledTimerLeavesNothingBehind) {
  for (const Tick when : {Tick{5}, Tick{70}, Tick{5000}, kHour, kDay, 12 * kDay + 20 * kHour,
                          Tick{1} << 36, Tick{3} << 36}) {
    Wheel wheel;
    const std::size_t timer = wheel.insert(when);
    EXPECT_TRUE(wheel.cancel(timer));
    EXPECT_EQ(wheel->next_expiry(), std::nullopt) << "the wheel is empty. It was tick " << when;
    EXPECT_FALSE(wheel.cancel(timer)) << "it is not in the wheel any more";
    EXPECT_EQ(wheel.advance_to(when), Timers{});
  }
}

// Bug it is here for: the slot's bit is cleared while there are others in the slot.
TEST(TimerWheel, CancellingOneLeavesTheOthers) {
  for (const Tick when : {Tick{5}, Tick{70}, 12 * kDay + 20 * kHour}) {
    for (std::size_t cancelled = 0; cancelled < 3; ++cancelled) {
      Wheel wheel;
      for (int i = 0; i < 3; ++i) wheel.insert(when);
      EXPECT_TRUE(wheel.cancel(cancelled));
      Timers others = {0, 1, 2};
      others.erase(others.begin() + static_cast<std::ptrdiff_t>(cancelled));
      EXPECT_LE(wheel->next_expiry().value_or(~Tick{0}), when) << "it is never late";
      EXPECT_EQ(wheel.advance_to(when), others);
    }
  }
}

// Bug it is here for: where a timer is, reckoned again from where the time is now.
TEST(TimerWheel, CancelledAfterItHasMovedDown) {
  constexpr Tick kWhen = (Tick{5} << 30) + (7 << 24) + (9 << 18) + (11 << 12) + (13 << 6) + 15;
  for (const unsigned level : {5u, 4u, 3u, 2u, 1u}) {
    for (const Tick before : {1u, 0u}) {
      Wheel wheel;
      const std::size_t timer = wheel.insert(kWhen);
      wheel.advance_to((kWhen >> (6 * level) << (6 * level)) - before);
      EXPECT_TRUE(wheel.cancel(timer));
      EXPECT_EQ(wheel->next_expiry(), std::nullopt) << "the wheel is empty";
      EXPECT_EQ(wheel.advance_to(kWhen), Timers{});
    }
  }
}

// Bug it is here for: a timer that is due, and is cancelled by the waker of another of the same
// tick.
TEST(TimerWheel, CancelledWhenDueAndNotGivenOutYet) {
  for (const Tick when : {Tick{5}, Tick{64}, kHour}) {
    Wheel wheel;
    for (int i = 0; i < 3; ++i) wheel.insert(when);
    const std::optional<std::size_t> first = wheel.poll(when);
    ASSERT_TRUE(first.has_value());
    const std::size_t victim = *first == 1 ? 2 : 1;
    EXPECT_TRUE(wheel.cancel(victim)) << "it was not given out: it is in the wheel";
    EXPECT_FALSE(wheel.cancel(*first)) << "it was given out: it is not in the wheel";
    EXPECT_EQ(wheel.advance_to(when), Timers{3 - victim - *first});
  }
}

// Bug it is here for: a timer that is due stands in no slot. Its cancel may not touch the bit of
// the slot that it came from: the slot may have others again.
TEST(TimerWheel, CancellingWhatIsDueDoesNotTouchItsOldSlot) {
  Wheel wheel;
  for (int i = 0; i < 2; ++i) wheel.insert(64);
  const std::optional<std::size_t> first = wheel.poll(100);
  ASSERT_TRUE(first.has_value());
  const std::size_t other = 1 - *first;
  const std::size_t early = wheel.insert(128);          // Tick 64 is now: this is level 1, slot 2.
  const std::size_t late = wheel.insert(64 + 64 * 64);  // Level 2, slot 1.
  EXPECT_TRUE(wheel.cancel(other));
  EXPECT_LE(wheel->next_expiry().value_or(~Tick{0}), 128u) << "it is never late";
  EXPECT_EQ(wheel.advance_to(128), Timers{early});
  EXPECT_EQ(wheel.advance_to(64 + 64 * 64), Timers{late});
}

// Bug it is here for: cancelled while a slot is on its way down (between two polls of one advance).
TEST(TimerWheel, CancelledInTheMiddleOfAnAdvance) {
  Wheel wheel;
  const std::size_t first = wheel.insert(kHour);
  const std::size_t second = wheel.insert(kHour + 1);
  const std::size_t third = wheel.insert(kHour + 70);
  const std::size_t fourth = wheel.insert(kDay);
  ASSERT_EQ(wheel.poll(2 * kDay), first);
  EXPECT_TRUE(wheel.cancel(second));
  ASSERT_EQ(wheel.poll(2 * kDay), third);
  EXPECT_TRUE(wheel.cancel(fourth));
  EXPECT_EQ(wheel->next_expiry(), std::nullopt);
  EXPECT_EQ(wheel.poll(2 * kDay), std::nullopt);
}

// --- Inserting again -----------------------------------------------------------------------------

// Bug it is here for: a timer that puts itself into the slot that is being emptied, and is given
// out for ever.
TEST(TimerWheel, InsertedAgainByTheTimerThatIsDue) {
  Wheel wheel;
  const std::size_t timer = wheel.insert(10);
  ASSERT_EQ(wheel.poll(10), timer);
  EXPECT_FALSE(wheel.insert_again(timer, 10)) << "due already: whoever inserts has to see to it";
  EXPECT_TRUE(wheel.insert_again(timer, 74)) << "the same slot of level 0, a turn later";
  EXPECT_EQ(wheel.poll(10), std::nullopt);
  EXPECT_EQ(wheel.poll(73), std::nullopt);
  EXPECT_EQ(wheel.poll(74), timer);
}

// In one advance over many ticks, the time is where the timer was due.
TEST(TimerWheel, InsertedInTheMiddleOfAnAdvance) {
  Wheel wheel;
  const std::size_t timer = wheel.insert(10);
  Tick due = 10;
  for (int round = 0; round < 500; ++round, due += 10) {
    ASSERT_EQ(wheel.poll(5000), timer) << "due at " << due;
    ASSERT_EQ(wheel->elapsed(), due);
    ASSERT_TRUE(wheel.insert_again(timer, due + 10));
  }
  EXPECT_EQ(wheel.poll(5000), std::nullopt);
  EXPECT_EQ(wheel->next_expiry(), 5010u);
}

// --- What it costs -------------------------------------------------------------------------------

// Timers that are each on a page of memory of their own, so that some can be put out of reach.
class FarApart {
 public:
  static constexpr std::size_t kCount = 16;

  FarApart()
      : page_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))),
        memory_(static_cast<std::byte*>(::mmap(nullptr, kCount * page_, PROT_READ | PROT_WRITE,
                                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    for (std::size_t i = 0; i < kCount; ++i) new (memory_ + i * page_) TimerNode;
  }
  FarApart(const FarApart&) = delete;
  FarApart& operator=(const FarApart&) = delete;
  ~FarApart() { ::munmap(memory_, kCount * page_); }

  TimerNode& operator[](std::size_t i) {
    return *std::launder(reinterpret_cast<TimerNode*>(memory_ + i * page_));
  }
  // From now on, who touches another than these has crashed.
  void only(std::initializer_list<std::size_t> reachable) {
    for (std::size_t i = 0; i < kCount; ++i) {
      const bool is_in = std::find(reachable.begin(), reachable.end(), i) != reachable.end();
      ::mprotect(memory_ + i * page_, page_, is_in ? PROT_READ | PROT_WRITE : PROT_NONE);
    }
  }
  void all() { ::mprotect(memory_, kCount * page_, PROT_READ | PROT_WRITE); }

 private:
  const std::size_t page_;
  std::byte* const memory_;
};

// Bugs it is here for: a cancel that looks for its timer, or for the new first one; an insertion
// that sorts; a next_expiry() that looks through a slot. If this crashes, a timer was touched that
// has nothing to do with it. With a hundred thousand time-outs on one tick, each of these walks.
TEST(TimerWheelCost, NoListIsSearched) {
  constexpr std::size_t kLast = FarApart::kCount - 1;
  for (const Tick when : {Tick{50}, kHour, 12 * kDay}) {
    FarApart timers;
    const auto wheel = std::make_unique<TimerWheel>();
    for (std::size_t i = 0; i < kLast; ++i) ASSERT_TRUE(wheel->insert(timers[i], when));
    step("insert: no other timer can be reached than the first and the last of the list");
    timers.only({0, kLast - 1, kLast});
    EXPECT_TRUE(wheel->insert(timers[kLast], when));
    step("next_expiry: the same");
    EXPECT_EQ(wheel->next_expiry(), when);
    for (const std::size_t i : {std::size_t{7}, std::size_t{12}, std::size_t{2}}) {
      step("cancel: no other timer can be reached than its neighbours");
      timers.only({i - 1, i, i + 1});
      EXPECT_TRUE(wheel->cancel(timers[i]));
    }
    timers.all();
    for (std::size_t i = 0; i <= kLast; ++i) wheel->cancel(timers[i]);
  }
}

// Bug it is here for: memory for each timer, or for each slot that is opened. All of this happens
// under the lock of all timers.
TEST(TimerWheelCost, NothingAllocates) {
  const auto wheel = std::make_unique<TimerWheel>();
  std::array<TimerNode, 100> nodes;
  const std::size_t before = testkit::internal::allocations;
  for (int round = 0; round < 2; ++round) {
    Tick when = wheel->elapsed() + 1;
    for (TimerNode& node : nodes) wheel->insert(node, when += when / 8 + 1);
    for (std::size_t i = 0; i < nodes.size(); i += 3) wheel->cancel(nodes[i]);
    for (int polls = 0; polls < 1000 && wheel->next_expiry().has_value(); ++polls) {
      wheel->poll(*wheel->next_expiry());
    }
  }
  EXPECT_EQ(testkit::internal::allocations, before);
}

// --- Everything at once --------------------------------------------------------------------------

// A wheel beside a std::multimap, which does the same slowly.
class Model {
 public:
  Model(std::uint64_t seed, Tick start) : random_(seed), now_(start), nodes_(kTimers) {
    for (Tick i = 0; i < kTimers; ++i) where_.push_back(expected_.end());
    EXPECT_EQ(wheel_->poll(start), nullptr);
  }
  ~Model() {
    for (TimerNode& node : nodes_) wheel_->cancel(node);
  }

  void run(int operations) {
    for (int i = 0; i < operations && !testing::Test::HasFailure(); ++i) {
      const std::uint64_t dice = random_();
      const std::size_t timer = (dice >> 8) % kTimers;
      if (dice % 16 < 12) {
        insert_or_cancel(timer);
      } else {
        advance(dice % 16 < 15 ? delta() : until_next(), timer);
      }
    }
  }

 private:
  static constexpr std::size_t kTimers = 64;
  using Expected = std::multimap<Tick, std::size_t>;

  // Round the borders of levels, most of them small.
  Tick delta() {
    const std::uint64_t dice = random_();
    const Tick border = Tick{1} << (6 * ((dice & 7) * (dice >> 3 & 7) / 7));  // 64^0 to 64^7
    return border * (1 + (dice >> 8) % 3) - 2 + (dice >> 16) % 5;
  }
  Tick until_next() { return expected_.empty() ? 1 : expected_.begin()->first - now_; }

  void insert_or_cancel(std::size_t timer) {
    if (where_[timer] != expected_.end()) {
      EXPECT_TRUE(wheel_->cancel(nodes_[timer])) << context(timer);
      expected_.erase(where_[timer]);
      where_[timer] = expected_.end();
    } else {
      const Tick when = now_ + std::min(delta(), Tick{1} << 42);
      EXPECT_EQ(wheel_->insert(nodes_[timer], when), when > now_) << context(timer);
      if (when > now_) where_[timer] = expected_.emplace(when, timer);
    }
    check_next();
  }

  void advance(Tick by, std::size_t victim) {
    if (by > Tick{1} << 42) return;
    const Tick to = now_ + by;
    int left = 3;  // So many are put in or cancelled between two polls; else it might never end.
    while (TimerNode* const node = wheel_->poll(to)) {
      const auto timer = static_cast<std::size_t>(node - nodes_.data());
      ASSERT_NE(where_[timer], expected_.end()) << "given out, and not in: " << context(timer);
      const Tick when = where_[timer]->first;
      ASSERT_EQ(when, expected_.begin()->first) << "not the next: " << context(timer);
      ASSERT_LE(when, to) << "early: " << context(timer);
      expected_.erase(where_[timer]);
      where_[timer] = expected_.end();
      now_ = when;
      if (left-- > 0) insert_or_cancel(victim);
      victim = (victim + 1) % kTimers;
    }
    now_ = std::max(now_, to);
    ASSERT_EQ(wheel_->elapsed(), now_);
    if (!expected_.empty()) {
      ASSERT_GT(expected_.begin()->first, now_) << "late: " << context(0);
    }
    check_next();
  }

  void check_next() {
    const std::optional<Tick> next = wheel_->next_expiry();
    ASSERT_EQ(next.has_value(), !expected_.empty()) << context(0);
    if (next.has_value()) {
      ASSERT_LE(*next, expected_.begin()->first) << "late: " << context(0);
    }
  }

  std::string context(std::size_t timer) const {
    std::string text = "timer " + std::to_string(timer) + ", now " + std::to_string(now_) + ", in:";
    for (const auto& [when, other] : expected_) {
      text += " " + std::to_string(other) + "@" + std::to_string(when);
    }
    return text;
  }

  std::minstd_rand random_;
  Tick now_;
  const std::unique_ptr<TimerWheel> wheel_ = std::make_unique<TimerWheel>();
  std::vector<TimerNode> nodes_;
  Expected expected_;
  std::vector<Expected::iterator> where_;
};

void compare_with_a_multimap(Tick start) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) Model(seed, start).run(25'000);
}

TEST(TimerWheel, DoesAsAMultimapDoes) { compare_with_a_multimap(0); }
TEST(TimerWheel, DoesAsAMultimapDoesAfterTwelveDays) { compare_with_a_multimap(12 * kDay + 12345); }
TEST(TimerWheel, DoesAsAMultimapDoesBeforeATurnOfTheTopLevel) {
  compare_with_a_multimap((Tick{1} << 36) - 70);
}
TEST(TimerWheel, DoesAsAMultimapDoesAfterManyTurns) {
  compare_with_a_multimap((Tick{7} << 36) + (Tick{63} << 30));
}

}  // namespace
