// TimerNode and TimerList: the links by which timers stand in a list, inside the timers themselves.
// So a timer is put into a list and taken out of it without allocating, and without searching.
//
//   head <-> timer <-> timer <-> timer <-> (head again)
//
// The list is a ring that goes through its own head. So a timer always has two neighbours, and is
// taken out by joining them, whichever list it is in.
//
// Thread safety: none. Who shares them holds a lock.
//
// Invariants
//   1. A node is in one list at most. It does not move, and is not destroyed, while it is in one.
//   2. A list does not own its nodes.
#pragma once

#include <cstdint>

namespace rt {

// A place in a ring: of a node, or the head of a list.
class TimerLink {
 public:
  TimerLink() noexcept : previous_(this), next_(this) {}
  TimerLink(const TimerLink&) = delete;
  TimerLink& operator=(const TimerLink&) = delete;

 protected:
  friend class TimerList;
  TimerLink* previous_;
  TimerLink* next_;
};

class TimerNode : public TimerLink {
 public:
  static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};

  TimerNode() noexcept = default;

  // All of it belongs to the wheel that the node is in, and to nobody else.
  std::uint64_t when = 0;          // The tick at which it is due.
  std::uint32_t place = kNowhere;  // Where in the wheel it is; the wheel says what that means.
};

static_assert(sizeof(TimerNode) <= 32);

class TimerList {
 public:
  TimerList() noexcept = default;
  TimerList(const TimerList&) = delete;
  TimerList& operator=(const TimerList&) = delete;

  bool empty() const noexcept { return head_.next_ == &head_; }

  // REQUIRES: `node` is in no list.
  void push_back(TimerNode& node) noexcept {
    node.previous_ = head_.previous_;
    node.next_ = &head_;
    head_.previous_->next_ = &node;
    head_.previous_ = &node;
  }

  // Takes the first node out; null if there is none.
  TimerNode* pop_front() noexcept {
    if (empty()) return nullptr;
    auto* const node = static_cast<TimerNode*>(head_.next_);
    remove(*node);
    return node;
  }

  // Takes `node` out of the list in which it is. REQUIRES: it is in one.
  static void remove(TimerNode& node) noexcept {
    node.previous_->next_ = node.next_;
    node.next_->previous_ = node.previous_;
    node.previous_ = node.next_ = &node;
  }

  // Moves all that `other` has to the end of this list, and leaves `other` empty. O(1).
  void take_all(TimerList& other) noexcept {
    if (other.empty()) return;
    head_.previous_->next_ = other.head_.next_;
    other.head_.next_->previous_ = head_.previous_;
    other.head_.previous_->next_ = &head_;
    head_.previous_ = other.head_.previous_;
    other.head_.previous_ = other.head_.next_ = &other.head_;
  }

 private:
  TimerLink head_;
};

}  // namespace rt
