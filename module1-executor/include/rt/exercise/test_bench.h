// TestBench: what a test of your own is written with: tasks that poll by hand, and expectations.
//
//   TestBench::Task a = bench.task("a");
//   bench.expect(!a.poll(future), "pending until it is set");
//   bench.expect(a.wakes() == 0, "nobody is woken before");
//
// An expectation that does not hold is noted, and the test goes on. Everything done is noted too,
// in order, so that a failure can be replayed in words.
//
// Thread safety: for one thread. The wakers that polls hand out may be used by any thread, and may
// outlive the bench.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "rt/future/arc_waker.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"

namespace rt {

class TestBench {
  struct Counter {
    sync::Atomic<int> wakes{0};
    static void wake_by_ref(const sync::Arc<Counter>& self) { self->wakes.fetch_add(1); }
  };

 public:
  // A task with a waker of its own, which counts.
  class Task {
   public:
    // Polls `future` as this task. True: it is ready.
    template <Future F>
    bool poll(F& future) {
      Context cx(waker_);
      const bool is_ready = future.poll(cx).is_ready();
      bench_.note("task \"" + name_ + "\" polls: " + (is_ready ? "ready" : "pending"));
      return is_ready;
    }

    // How often this task has been woken since it was made.
    int wakes() const { return counter_->wakes.load(); }

   private:
    friend class TestBench;
    Task(TestBench& bench, std::string name)
        : bench_(bench),
          name_(std::move(name)),
          counter_(sync::Arc<Counter>::make()),
          waker_(waker_from(counter_)) {}

    TestBench& bench_;
    std::string name_;
    sync::Arc<Counter> counter_;
    Waker waker_;
  };

  Task task(std::string name) { return Task(*this, std::move(name)); }

  // `what` says what is expected, as a sentence: "the newest task is woken".
  void expect(bool holds, const std::string& what) {
    note((holds ? "holds: " : "DOES NOT HOLD: ") + what);
    if (!holds) ++failures_;
  }

  // A line of your own for the story, such as "the event is set".
  void note(std::string line) { story_.push_back(std::move(line)); }

  int failures() const { return failures_; }
  const std::vector<std::string>& story() const { return story_; }

 private:
  int failures_ = 0;
  std::vector<std::string> story_;
};

}  // namespace rt
