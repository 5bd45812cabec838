// spawn_blocking: calls a function that may block on a thread where it keeps no task from running.
//
//   std::string text = co_await rt::spawn_blocking([] { return read_slowly("/etc/motd"); });
//
// Each Runtime has one pool for it (rt/runtime/blocking_pool.h), made at the first call, with at
// most Builder::max_blocking_threads() threads. It is closed when its runtime is shut down: what
// has not begun is cancelled. What has begun goes to its end, and shutdown() waits for that;
// shutdown_for() as long as it was told.
//
// In a job: the runtime is this thread's current one, so it may spawn(), spawn_blocking() and open
// sockets; and it may block_on() what they give it. It may not end the runtime: shutdown() throws
// std::logic_error, and to destroy it ends the program with a message.
//
// Thread safety: all functions by any thread.
//
// The idea is Tokio's tokio::task::spawn_blocking.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "rt/runtime/blocking_pool.h"
#include "rt/runtime/runtime.h"
#include "rt/runtime/runtime_services.h"
#include "rt/task/spawn.h"

namespace rt {
namespace detail {

// A runtime's pool.
class BlockingService final : public RuntimeService {
 public:
  explicit BlockingService(RuntimeCore& core) : pool_(new BlockingPool(options_of(core))) {}
  // With the core, which each thread of the pool keeps alive: so none is left.
  ~BlockingService() override { pool_->leave(); }

  static BlockingPool& pool_of(RuntimeCore& core) {
    return *core.services()
                .get<BlockingService>([&core] { return std::make_unique<BlockingService>(core); })
                .pool_;
  }

  void close() noexcept override { pool_->close(); }
  bool wait_for_the_end(Instant deadline) override { return pool_->wait_for_the_end(deadline); }
  void abandon() noexcept override { pool_->abandon(); }

 private:
  static BlockingOptions options_of(RuntimeCore& core) {
    BlockingOptions options;
    options.max_threads = core.service_options.max_blocking_threads;
    options.unhandled = core.service_options.unhandled;
    // The pool starts one at a time.
    options.start = [&core, started = std::size_t{0}](std::function<void()> body) mutable {
      return core.start_thread(absl::StrCat("blocking ", started++), std::move(body));
    };
    return options;
  }

  BlockingPool* const pool_;
};

inline RuntimeCore& core_of_this_thread() {
  auto* const core = dynamic_cast<RuntimeCore*>(current_scheduler());
  if (core == nullptr) {
    throw std::logic_error(
        "spawn_blocking: this thread runs no Runtime; call it from inside a task of one, or say "
        "which: spawn_blocking(runtime, …)");
  }
  return *core;
}

}  // namespace detail

// In the runtime of this thread. The joiner gets what `fn` returns or throws; Cancelled if it was
// aborted before it had begun, or the runtime was shut down before that. Throws std::logic_error
// outside of a Runtime, and std::system_error when the system gives it no thread at all.
template <class Fn>
JoinHandle<std::invoke_result_t<Fn>> spawn_blocking(Fn fn) {
  return detail::BlockingService::pool_of(detail::core_of_this_thread()).spawn(std::move(fn));
}

// From outside. `on`: a Runtime, or a Handle of it.
template <class On, class Fn>
JoinHandle<std::invoke_result_t<Fn>> spawn_blocking(const On& on, Fn fn) {
  return detail::BlockingService::pool_of(*on.core()).spawn(std::move(fn));
}

}  // namespace rt
