// InFlight: the work that a server has begun and ought to finish before it ends.
//
//   InFlight requests;
//   …  requests.spawn(serve_one(*std::move(stream)));
//   // Later, when nobody accepts any more:
//   const InFlight::Ended ended = co_await requests.finish_until(clock::now() + absl::Seconds(5));
//   // ended.finished of them were done in time, ended.aborted were not
//
// It keeps no list of tasks: a counter, and a token by which all of them are ended.
//
// Thread safety: all functions by any thread; finish_until() is called once, and no spawn() comes
// after it.
//
// Invariants
//   1. Each task that was spawned is counted once, when it has ended: finished, failed (it threw;
//      the runtime's hook for unhandled exceptions hears of it, too) or aborted.
//   2. finish_until() is ready as soon as none is left. At the deadline it cancels those that are,
//      and it is ready when they are gone. A task that never awaits cannot be ended: for that one
//      it waits.
//   3. An InFlight that is destroyed cancels what is left, and waits for nothing.
//
// The idea is Tokio's: tokio_util::task::TaskTracker, with a CancellationToken.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "rt/future/async.h"
#include "rt/future/future.h"
#include "rt/future/manual_event.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "rt/sync/cancellation_token.h"
#include "rt/task/spawn.h"
#include "rt/time/sleep.h"

namespace rt {

class InFlight {
 public:
  struct Ended {
    Ended(std::size_t how_many_finished, std::size_t how_many_failed, std::size_t how_many_aborted)
        : finished(how_many_finished), failed(how_many_failed), aborted(how_many_aborted) {}
    std::size_t finished, failed, aborted;
  };

  InFlight() : state_(sync::Arc<State>::make()) {}
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  ~InFlight() { state_->abort.cancel(); }

  // Runs `work` as a task of this thread's runtime. Its output is dropped.
  template <Future F>
  void spawn(F work) {
    rt::spawn(run(std::move(work), Guest(state_))).detach();
  }

  // How many have not ended.
  std::size_t size() const noexcept { return state_->alive.load() - 1; }

  // REQUIRES: this one lives until it is ready.
  Async<Ended> finish_until(Instant deadline) {
    State& state = *state_;
    state.leave();  // The count of the server itself: none will come.
    const absl::Status in_time = co_await timeout_at(deadline, state.left.wait());
    if (!in_time.ok()) {
      state.abort.cancel();
      co_await state.left.wait();
    }
    state.alive.fetch_add(1);  // So that size() stays what it says.
    co_return Ended(state.finished.load(), state.failed.load(), state.aborted.load());
  }

 private:
  struct State {
    void leave() {
      if (alive.fetch_sub(1) == 1) left.set();
    }

    CancellationToken abort;
    ManualEvent left;                    // The last one has gone.
    sync::Atomic<std::size_t> alive{1};  // With one for the server, as long as more may come.
    sync::Atomic<std::size_t> finished{0}, failed{0}, aborted{0};
  };

  // Lives as long as its task. One that is dropped with its runtime was aborted.
  class [[nodiscard]] Guest {
   public:
    explicit Guest(sync::Arc<State> state) : state_(std::move(state)), outcome_(&state_->aborted) {
      state_->alive.fetch_add(1);
    }
    Guest(Guest&& other) noexcept : state_(std::move(other.state_)), outcome_(other.outcome_) {}
    Guest& operator=(Guest&&) = delete;
    ~Guest() {
      if (!state_) return;
      outcome_->fetch_add(1);
      state_->leave();
    }

    const CancellationToken& abort() const noexcept { return state_->abort; }
    void has_finished() noexcept { outcome_ = &state_->finished; }
    void has_failed() noexcept { outcome_ = &state_->failed; }

   private:
    sync::Arc<State> state_;  // Null: moved from.
    sync::Atomic<std::size_t>* outcome_;
  };

  template <Future F>
  static Async<> run(F work, Guest guest) {
    try {
      const auto output = co_await guest.abort().run_until_cancelled(std::move(work));
      if (output.has_value()) guest.has_finished();
    } catch (...) {
      guest.has_failed();
      throw;
    }
  }

  sync::Arc<State> state_;
};

}  // namespace rt
