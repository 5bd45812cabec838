// watch: a Watchdog for a Runtime, with a thread.
//
//   auto watch = rt::watch(*runtime);   // and it names on stderr what keeps a worker for 100 ms
//
// Thread safety: rt::watch() by any thread. The result belongs to one thread at a time.
//
// Invariants
//   1. The thread has ended when the destructor returns. It may outlive the Runtime.
//   2. From the beginning of shutdown() on nothing is named.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "rt/platform/sync.h"
#include "rt/runtime/poll_slot.h"
#include "rt/runtime/runtime.h"
#include "rt/runtime/stealing_scheduler.h"
#include "rt/runtime/thread_stack.h"
#include "rt/runtime/watchdog.h"
#include "rt/runtime/worker_shared.h"
#include "rt/trace/trace.h"

namespace rt {

class RuntimeWatch {
 public:
  RuntimeWatch(sync::Arc<detail::RuntimeCore> core, WatchdogOptions options)
      : workers_(std::move(core)), watchdog_(workers_, std::move(options)), thread_([this] {
          trace::name_thread("watchdog");
          watchdog_.run();
        }) {}
  RuntimeWatch(const RuntimeWatch&) = delete;
  RuntimeWatch& operator=(const RuntimeWatch&) = delete;
  ~RuntimeWatch() {
    watchdog_.stop();
    thread_.join();
  }

 private:
  class Workers final : public WatchedWorkers {
   public:
    explicit Workers(sync::Arc<detail::RuntimeCore> core) noexcept : core_(std::move(core)) {}
    std::size_t count() const override { return core_->scheduler().workers(); }
    std::optional<PollSeen> look(std::size_t worker) const override {
      // At the end a worker drops tasks, and polls none.
      if (core_->scheduler().shared().is_closed.load()) return std::nullopt;
      return slot(worker).look();
    }
    std::string stack(std::size_t worker) override {
      return stack_of_thread(slot(worker).thread());
    }

   private:
    const PollSlot& slot(std::size_t worker) const {
      return core_->scheduler().shared().seats[worker].polled;
    }
    const sync::Arc<detail::RuntimeCore> core_;
  };

  Workers workers_;
  Watchdog watchdog_;
  sync::Thread thread_;  // The last: it uses the others.
};

// Until the result is destroyed. Throws std::system_error when the system has no thread for it.
inline std::unique_ptr<RuntimeWatch> watch(const Runtime& runtime,
                                           WatchdogOptions options = WatchdogOptions()) {
  return std::make_unique<RuntimeWatch>(runtime.core(), std::move(options));
}

}  // namespace rt
