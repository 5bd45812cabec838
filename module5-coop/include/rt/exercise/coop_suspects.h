// A budget, a pool for functions that block and a cancellation token, and two wrong ones of each.
// Whoever wrote them was sure of them.
//
//   a budget   Budget budget;
//              { Budget::Poll poll(budget); … }   a poll, from here to the end of the scope; in it
//                                                 another one may begin
//              auto unit = budget.take();         unit.was_there(), unit.give_back()
//                                                 (rt/future/budget.h)
//
//   a pool     Pool pool(max_threads);            its threads take no step by themselves: the test
//              pool.submit(7);                    takes it for them
//              pool.wakes_up(t);                  thread t, which was idle, has the lock again
//              pool.ends(t);                      the job of thread t has ended
//              pool.time_is_up(t);                thread t was idle for ten seconds, and has the
//              lock pool.threads()                     how many there are; they are numbered from
//              0, and
//                                                 one that has left leaves its number unused
//              pool.begun()                       the jobs that have begun, in their order
//                                                 (rt/runtime/blocking_pool.h)
//
//   a token    Token token;
//              Token child = token.child();
//              child.cancel();  child.is_cancelled()
//              auto waiting = child.cancelled();  a future
//                                                 (rt/sync/cancellation_token.h)
//
// All of them work in the simplest case, and none goes very far. Exercise 5.10 is to find out what
// is wrong with them without changing them. Try without reading on first: the contracts say all
// that you need.
//
// Thread safety: none; they are for one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "rt/future/budget.h"
#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/sync/cancellation_token.h"

namespace rt {

// --- Budgets -------------------------------------------------------------------------------------

// The right one: that of 5.1.
class BudgetForTest {
 public:
  class Unit {
   public:
    bool was_there() const noexcept { return unit_.was_there(); }
    void give_back() noexcept { unit_.give_back(); }

   private:
    coop::Unit unit_;
  };
  class Poll {
   public:
    explicit Poll(BudgetForTest&) noexcept {}

   private:
    const coop::BudgetScope scope_;
  };
  Unit take() noexcept { return Unit(); }
};

// What the suspects have in common. With none of its virtual functions replaced it is right.
class CountedBudget {
 public:
  CountedBudget() = default;
  CountedBudget(const CountedBudget&) = delete;
  CountedBudget& operator=(const CountedBudget&) = delete;
  virtual ~CountedBudget() = default;

  class Poll {
   public:
    explicit Poll(CountedBudget& budget) : budget_(budget), outer_(budget.left_) {
      budget_.left_ = 128;
    }
    Poll(const Poll&) = delete;
    Poll& operator=(const Poll&) = delete;
    ~Poll() { budget_.left_ = budget_.after_a_poll(outer_); }

   private:
    CountedBudget& budget_;
    const std::optional<int> outer_;
  };
  class Unit {
   public:
    explicit Unit(CountedBudget& budget) : budget_(budget), before_(budget.left_) {
      if (before_ > 0) --*budget_.left_;
    }
    bool was_there() const { return before_ != 0; }
    void give_back() { budget_.left_ = budget_.given_back(before_); }

   private:
    CountedBudget& budget_;
    const std::optional<int> before_;
  };
  Unit take() { return Unit(*this); }

 protected:
  virtual std::optional<int> after_a_poll(std::optional<int> outer) const { return outer; }
  virtual std::optional<int> given_back(std::optional<int> before) const { return before; }
  std::optional<int> left() const { return left_; }

 private:
  std::optional<int> left_;  // Nothing outside of polls: there is no end to it.
};

class CoopSuspectA final : public CountedBudget {
  std::optional<int> given_back(std::optional<int>) const override {
    return left().has_value() ? std::optional(*left() + 1) : left();
  }
};

class CoopSuspectB final : public CountedBudget {
  std::optional<int> after_a_poll(std::optional<int> outer) const override {
    return outer.has_value() ? std::optional(128) : outer;
  }
};

// --- Pools ---------------------------------------------------------------------------------------

// A right one. What the two virtual functions decide is what the suspects get wrong.
class PoolOfSteps {
 public:
  explicit PoolOfSteps(std::size_t max_threads) : max_threads_(max_threads) {}
  PoolOfSteps(const PoolOfSteps&) = delete;
  PoolOfSteps& operator=(const PoolOfSteps&) = delete;
  virtual ~PoolOfSteps() = default;

  void submit(int job) {
    const bool starts = needs_a_thread() && threads() < max_threads_;
    waiting_.push_back(job);
    if (!starts) return;
    threads_.push_back(State::kBusy);
    next(threads_.size() - 1);
  }
  // Each does nothing if thread `t` is in another state.
  void wakes_up(std::size_t t) {
    if (is(t, State::kIdle)) next(t);
  }
  void ends(std::size_t t) {
    if (is(t, State::kBusy)) next(t);
  }
  void time_is_up(std::size_t t) {
    if (!is(t, State::kIdle)) return;
    if (looks_again()) next(t);
    if (is(t, State::kIdle)) threads_[t] = State::kLeft;
  }

  std::size_t threads() const { return threads_.size() - count(State::kLeft); }
  const std::vector<int>& begun() const { return begun_; }

 protected:
  virtual bool needs_a_thread() const { return waiting() >= idle(); }
  virtual bool looks_again() const { return true; }
  std::size_t waiting() const { return waiting_.size(); }
  std::size_t idle() const { return count(State::kIdle); }

 private:
  enum class State { kBusy, kIdle, kLeft };

  bool is(std::size_t t, State state) const { return t < threads_.size() && threads_[t] == state; }
  std::size_t count(State state) const {
    return static_cast<std::size_t>(std::count(threads_.begin(), threads_.end(), state));
  }
  // With the lock: the next job, or none.
  void next(std::size_t t) {
    threads_[t] = waiting_.empty() ? State::kIdle : State::kBusy;
    if (waiting_.empty()) return;
    begun_.push_back(waiting_.front());
    waiting_.pop_front();
  }

  const std::size_t max_threads_;
  std::deque<int> waiting_;
  std::vector<State> threads_;
  std::vector<int> begun_;
};

class CoopSuspectC final : public PoolOfSteps {
  using PoolOfSteps::PoolOfSteps;
  bool needs_a_thread() const override { return idle() == 0; }
};

class CoopSuspectD final : public PoolOfSteps {
  using PoolOfSteps::PoolOfSteps;
  bool looks_again() const override { return false; }
};

// --- Tokens --------------------------------------------------------------------------------------

// The right one: that of 5.6.
class TokenForTest {
 public:
  TokenForTest() = default;
  TokenForTest child() const { return TokenForTest(token_.child_token()); }
  void cancel() const { token_.cancel(); }
  bool is_cancelled() const { return token_.is_cancelled(); }
  CancellationToken::Cancelled cancelled() const { return token_.cancelled(); }

 private:
  explicit TokenForTest(CancellationToken token) : token_(std::move(token)) {}
  CancellationToken token_;
};

// What the suspects have in common: what differs is in the two functions of `Bug`.
template <class Bug>
class TreeOfTokens {
  struct Node {
    bool is_cancelled = false;
    std::vector<std::weak_ptr<Node>> children;
    std::vector<std::pair<const void*, Waker>> waiters;  // Each with the future that it is of.
  };

 public:
  TreeOfTokens() : node_(std::make_shared<Node>()) {}

  TreeOfTokens child() const {
    TreeOfTokens made;
    made.node_->is_cancelled = Bug::child_of(node_->is_cancelled);
    node_->children.push_back(made.node_);
    return made;
  }
  void cancel() const { cancel(*node_); }
  bool is_cancelled() const { return node_->is_cancelled; }

  class Cancelled {
   public:
    using Output = void;
    explicit Cancelled(std::shared_ptr<Node> node) : node_(std::move(node)) {}
    Cancelled(Cancelled&&) = default;  // Before the first poll only.
    Cancelled& operator=(Cancelled&&) = delete;
    ~Cancelled() {
      if (node_ != nullptr) Bug::forget(node_->waiters, this);
    }
    Poll<void> poll(Context& cx) {
      if (node_->is_cancelled) return kReady;
      Take::forget(node_->waiters, this);
      node_->waiters.emplace_back(this, cx.waker().clone());
      return kPending;
    }

   private:
    std::shared_ptr<Node> node_;  // Null: moved from.
  };
  Cancelled cancelled() const { return Cancelled(node_); }

  // A bug that is none.
  struct Take {
    static bool child_of(bool parent_is_cancelled) { return parent_is_cancelled; }
    template <class Waiters>
    static void forget(Waiters& waiters, const void* future) {
      std::erase_if(waiters, [future](const auto& waiter) { return waiter.first == future; });
    }
  };

 private:
  static void cancel(Node& node) {
    if (std::exchange(node.is_cancelled, true)) return;
    for (auto& [future, waker] : std::exchange(node.waiters, {})) std::move(waker).wake();
    for (const std::weak_ptr<Node>& child : node.children) {
      if (const std::shared_ptr<Node> alive = child.lock()) cancel(*alive);
    }
  }

  std::shared_ptr<Node> node_;
};

namespace detail {

struct NoBug : TreeOfTokens<NoBug>::Take {};
struct BugOfE : TreeOfTokens<NoBug>::Take {
  static bool child_of(bool) { return false; }
};
struct BugOfF : TreeOfTokens<NoBug>::Take {
  template <class Waiters>
  static void forget(Waiters&, const void*) {}
};

}  // namespace detail

using TokenTree = TreeOfTokens<detail::NoBug>;  // Right.
using CoopSuspectE = TreeOfTokens<detail::BugOfE>;
using CoopSuspectF = TreeOfTokens<detail::BugOfF>;

}  // namespace rt
