// select: waits for the first of several futures, of any types.
//
//   auto first = co_await select(read(stream), stop.cancelled(), sleep(absl::Seconds(5)));
//   if (first.index() == 1) co_return;                 // stop was cancelled
//   auto& data = std::get<0>(first);
//
//   select(…)            begins each poll with a branch that chance has chosen
//   select_biased(…)     begins each poll with the first one
//   by_ref(f)            a branch that is not owned: f lives on if it loses, and may be awaited
//   again
//
// It is a race() of any number, and a fair one. The other one of the two, "wait for all", is
// join(), which takes futures of any types as well.
//
// Thread safety: none needed; one owner polls it, like any future.
//
// Invariants
//   1. Branches are polled in place, and not moved after the first poll.
//   2. The first that is ready wins: those whose turn comes after it are not polled any more, and
//      no branch is polled after it was ready.
//   3. All branches are dropped before poll() says ready or throws: whoever sees the result knows
//      that the losers are cancelled.
//   4. A pending select has polled each branch once, with the newest waker.
//   5. What a branch throws is the result: it goes out of poll().
//   6. select(): the branch with which a poll begins is thread_random()'s choice, each as likely as
//      any other; the others follow in their order, and after the last one comes the first. So of
//      two that are always ready each wins half of the time. The same seed gives the same winners.
//   7. select_biased(): the order is that in which they were named, and no number is drawn.
//
// Where a void output has to be a value it is a std::monostate.
//
// The idea is Tokio's select!, and its `biased`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "rt/future/combinators.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/poll.h"
#include "rt/platform/thread_random.h"

namespace rt {

enum class SelectOrder : std::uint8_t { kFair, kBiased };

template <SelectOrder kOrder, Future... Fs>
class [[nodiscard]] Select {
  static_assert(sizeof...(Fs) > 0, "a select of nothing would never be ready");

 public:
  using Output = std::variant<NonVoid<OutputOf<Fs>>...>;

  explicit Select(Fs... branches) : branches_(std::in_place, std::move(branches)...) {}

  // Throws std::logic_error when polled after it was ready, or after it has thrown.
  Poll<Output> poll(Context& cx) {
    // BEGIN SOLUTION 5.7
    // STUB: // The branches have different types, and which one is next is known only now: fill a
    // STUB: // table with a function for each index: &Select::poll_branch<kIndexes>... is one.
    // STUB: RT_TODO("5.7");
    if (!branches_.has_value()) throw std::logic_error("select: polled after it was ready");
    std::optional<Output> output;
    std::exception_ptr thrown;
    try {
      output = poll_branches(cx, std::index_sequence_for<Fs...>());
    } catch (...) {
      thrown = std::current_exception();
    }
    if (!output.has_value() && thrown == nullptr) return kPending;
    branches_.reset();  // With no exception in flight: what it destroys may do anything.
    if (thrown != nullptr) std::rethrow_exception(std::move(thrown));
    return *std::move(output);
    // END SOLUTION
  }

 private:
  static constexpr std::size_t kBranches = sizeof...(Fs);

  // Polls them in their order, until one is ready.
  template <std::size_t... kIndexes>
  std::optional<Output> poll_branches(Context& cx, std::index_sequence<kIndexes...>) {
    // BEGIN SOLUTION 5.7
    using PollOne = std::optional<Output> (Select::*)(Context&);
    static constexpr std::array<PollOne, kBranches> kTable{&Select::poll_branch<kIndexes>...};
    std::size_t next = first();
    for (std::size_t polled = 0; polled < kBranches; ++polled) {
      if (std::optional<Output> output = (this->*kTable[next])(cx)) return output;
      if (++next == kBranches) next = 0;
    }
    return std::nullopt;
    // END SOLUTION
  }

  // The branch with which this poll begins.
  static std::size_t first() noexcept {
    // BEGIN SOLUTION 5.7
    if constexpr (kOrder == SelectOrder::kBiased || kBranches == 1) return 0;
    return thread_random().below(kBranches);
    // END SOLUTION
  }

  template <std::size_t kIndex>
  std::optional<Output> poll_branch(Context& cx) {
    // BEGIN SOLUTION 5.7
    auto result = std::get<kIndex>(*branches_).poll(cx);
    if (result.is_pending()) return std::nullopt;
    return std::optional<Output>(std::in_place, std::in_place_index<kIndex>,
                                 detail::take_output(std::move(result)));
    // END SOLUTION
  }

  std::optional<std::tuple<Fs...>> branches_;  // Empty: said ready.
};

// Ready with the first output; the variant's index() says whose it is.
template <Future... Fs>
Select<SelectOrder::kFair, Fs...> select(Fs... branches) {
  return Select<SelectOrder::kFair, Fs...>(std::move(branches)...);
}

// The same, in the order in which the branches are named: one that is always ready keeps those
// after it from ever being polled. For what must not be overlooked, such as a token: name it first.
template <Future... Fs>
Select<SelectOrder::kBiased, Fs...> select_biased(Fs... branches) {
  return Select<SelectOrder::kBiased, Fs...>(std::move(branches)...);
}

template <Future F>
class [[nodiscard]] ByRef {
 public:
  using Output = OutputOf<F>;

  explicit ByRef(F& future) noexcept : future_(&future) {}

  Poll<Output> poll(Context& cx) { return future_->poll(cx); }

 private:
  F* future_;
};

// Polls `future`, which outlives it, and does not drop it.
template <Future F>
ByRef<F> by_ref(F& future) noexcept {
  return ByRef<F>(future);
}

}  // namespace rt
