// Four timer wheels, each written by somebody who was sure of it. Each is wrong in one way.
//
// They have the face of TimerWheel, and its contract; inside they are sorted maps, since what is
// wrong with them needs no wheel. All of them work with one timer of a few ticks. Exercise 2.9 is
// to find out what is wrong with the others' work without changing it. Try without reading on
// first: the contract in rt/driver/timer_wheel.h says all that you need.
//
// Thread safety: none; they are for one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>

#include "rt/driver/timer_node.h"

namespace rt {

// What they have in common. With none of its virtual functions replaced it is right.
class MapOfTimers {
 public:
  MapOfTimers() = default;
  MapOfTimers(const MapOfTimers&) = delete;
  MapOfTimers& operator=(const MapOfTimers&) = delete;
  virtual ~MapOfTimers() = default;

  std::uint64_t elapsed() const noexcept { return elapsed_; }

  bool insert(TimerNode& node, std::uint64_t when) {
    if (when <= elapsed_) return false;
    node.when = when;
    timers_.emplace(given_out_at(when), &node);
    return true;
  }

  bool cancel(TimerNode& node) {
    for (Map* map : {&timers_, &due_}) {
      const auto found = std::find_if(map->begin(), map->end(),
                                      [&node](const auto& entry) { return entry.second == &node; });
      if (found == map->end()) continue;
      take_out(*map, found);
      return true;
    }
    return false;
  }

  std::optional<std::uint64_t> next_expiry() {
    if (!due_.empty()) return elapsed_;
    if (timers_.empty()) return std::nullopt;
    return first()->first;
  }

  TimerNode* poll(std::uint64_t now) {
    if (due_.empty() && !timers_.empty() && first()->first <= now) {
      const std::uint64_t tick = first()->first;
      elapsed_ = std::max(elapsed_, tick);
      const auto [begin, end] = timers_.equal_range(tick);
      due_.insert(begin, end);
      timers_.erase(begin, end);
    }
    if (due_.empty()) {
      elapsed_ = std::max(elapsed_, now);
      return nullptr;
    }
    TimerNode* const node = due_.begin()->second;
    due_.erase(due_.begin());
    return node;
  }

 protected:
  using Map = std::multimap<std::uint64_t, TimerNode*>;

  virtual std::uint64_t given_out_at(std::uint64_t when) { return when; }
  virtual void take_out(Map& map, Map::iterator timer) { map.erase(timer); }
  virtual Map::iterator first() { return timers_.begin(); }

  std::uint64_t elapsed_ = 0;
  Map timers_;
  Map due_;  // Due, and not given out yet.
};

class WheelSuspectA final : public MapOfTimers {
  std::uint64_t given_out_at(std::uint64_t when) override {
    return when - elapsed_ < 64 ? when : std::max(when / 64 * 64, elapsed_ + 1);
  }
};

class WheelSuspectB final : public MapOfTimers {
  void take_out(Map& map, Map::iterator timer) override { map.erase(timer->first); }
};

class WheelSuspectC final : public MapOfTimers {
  void take_out(Map& map, Map::iterator timer) override {
    if (&map != &due_) map.erase(timer);
  }
};

class WheelSuspectD final : public MapOfTimers {
  Map::iterator first() override {
    const auto last = std::prev(timers_.end());
    const std::uint64_t there = last->first >> 30, here = elapsed_ >> 30;
    return there != here && there % 64 == here % 64 ? last : timers_.begin();
  }
};

}  // namespace rt
