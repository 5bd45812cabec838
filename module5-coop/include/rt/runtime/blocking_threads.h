// BlockingThreads: the threads of a BlockingPool, from their start to the join. A thread that has
// left cannot join itself. So the next one that leaves does it, and of the last one whoever ends
// the pool.
//
// Thread safety: none: the pool's lock guards it. What is given out is joined without that lock.
//
// Invariants
//   1. Each thread is given out once, to be joined, when it has left; or it was abandoned.
//
// The idea is that of Tokio's blocking pool.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <utility>

#include "rt/platform/sync.h"

namespace rt {

class BlockingThreads {
 public:
  using Start = std::function<sync::Thread(std::function<void()>)>;

  // How many have not left.
  std::size_t size() const noexcept { return here_.size(); }

  // Starts one that calls `body`. Throws what `start` throws, as std::system_error.
  void add(const Start& start, std::function<void()> body) {
    sync::Thread thread = start(std::move(body));
    const sync::Thread::id id = thread.get_id();
    here_.emplace(id, std::move(thread));
  }

  // The thread that calls is about to end. Returns the one that has left before it, to be joined;
  // one that is not joinable, if there is none.
  [[nodiscard]] sync::Thread leave() noexcept {
    auto self = here_.extract(sync::this_thread_id());
    if (self.empty()) return sync::Thread();  // Abandoned.
    return std::exchange(last_to_leave_, std::move(self.mapped()));
  }

  // The last one that has left, to be joined, if nobody has asked for it. REQUIRES: size() is 0.
  [[nodiscard]] sync::Thread last_to_leave() noexcept {
    return std::exchange(last_to_leave_, sync::Thread());
  }

  // Nobody joins those that are left. They end by themselves.
  void abandon() noexcept {
    for (auto& [id, thread] : here_) thread.detach();
    if (last_to_leave_.joinable()) last_to_leave_.detach();
    here_.clear();
    last_to_leave_ = sync::Thread();
  }

 private:
  std::map<sync::Thread::id, sync::Thread> here_;
  sync::Thread last_to_leave_;
};

}  // namespace rt
