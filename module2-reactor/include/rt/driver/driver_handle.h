// DriverHandle: the way from a future to the driver of its runtime, where sockets are registered
// and timers set. The current one of a thread is found through the thread, as the scheduler is.
//
// Thread safety: a handle may be copied to other threads; what it leads to is for any thread. The
// current driver is one for each thread.
//
// Invariants
//   1. Whoever polls or drops tasks of a runtime has made its driver the current one of the thread.
//   2. Code that has only timers, or only asks for timers, needs no reactor, not even its header.
//
// The idea is Tokio's runtime::Handle::current().
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "rt/platform/sync.h"

namespace rt {

class Reactor;
class Timers;

// A template, so that what destroys a Reactor is compiled only where a handle is destroyed.
template <class AnyReactor, class AnyTimers>
struct BasicDriverHandle {
  BasicDriverHandle() noexcept {}
  BasicDriverHandle(sync::Arc<AnyReactor> r, sync::Arc<AnyTimers> t) noexcept
      : reactor(std::move(r)), timers(std::move(t)) {}

  sync::Arc<AnyReactor> reactor;  // Either may be null.
  sync::Arc<AnyTimers> timers;
};

using DriverHandle = BasicDriverHandle<Reactor, Timers>;

namespace detail {

// All, or one of them, or none.
struct CurrentDriver {
  const DriverHandle* handle = nullptr;
  const sync::Arc<Reactor>* reactor = nullptr;
  const sync::Arc<Timers>* timers = nullptr;
};

struct CurrentDriverTag;
inline CurrentDriver& current_driver_slot() noexcept {
  return sync::ThreadLocal<CurrentDriver, CurrentDriverTag>::get();
}

[[noreturn]] inline void throw_no_driver(const char* who) {
  throw std::logic_error(
      std::string(who) +
      ": this thread runs no driver; co_await it inside a task of an IoExecutor");
}

}  // namespace detail

// The driver of the runtime whose tasks this thread is running. Throws std::logic_error when there
// is none. `who` asks.
inline const DriverHandle& current_driver(const char* who = "this call") {
  const DriverHandle* const handle = detail::current_driver_slot().handle;
  if (handle == nullptr) detail::throw_no_driver(who);
  return *handle;
}

// Its reactor. Throws std::logic_error when there is none.
inline const sync::Arc<Reactor>& current_reactor(const char* who) {
  const detail::CurrentDriver& current = detail::current_driver_slot();
  if (current.reactor == nullptr || !*current.reactor) detail::throw_no_driver(who);
  return *current.reactor;
}

// Its timers. Throws std::logic_error when there are none.
inline const sync::Arc<Timers>& current_timers(const char* who) {
  const detail::CurrentDriver& current = detail::current_driver_slot();
  if (current.timers == nullptr || !*current.timers) detail::throw_no_driver(who);
  return *current.timers;
}

// Makes a driver the current one of this thread for as long as this object lives. What it is given
// lives as long.
class [[nodiscard]] EnterDriver {
 public:
  explicit EnterDriver(const DriverHandle& handle) noexcept
      : EnterDriver(&handle, &handle.reactor, &handle.timers) {}
  explicit EnterDriver(const sync::Arc<Reactor>& reactor) noexcept
      : EnterDriver(nullptr, &reactor, nullptr) {}
  explicit EnterDriver(const sync::Arc<Timers>& timers) noexcept
      : EnterDriver(nullptr, nullptr, &timers) {}
  explicit EnterDriver(DriverHandle&&) = delete;
  explicit EnterDriver(sync::Arc<Reactor>&&) = delete;
  explicit EnterDriver(sync::Arc<Timers>&&) = delete;
  EnterDriver(const EnterDriver&) = delete;
  EnterDriver& operator=(const EnterDriver&) = delete;
  ~EnterDriver() { detail::current_driver_slot() = previous_; }

 private:
  EnterDriver(const DriverHandle* handle, const sync::Arc<Reactor>* reactor,
              const sync::Arc<Timers>* timers) noexcept
      : previous_(detail::current_driver_slot()) {
    detail::current_driver_slot().handle = handle;
    detail::current_driver_slot().reactor = reactor;
    detail::current_driver_slot().timers = timers;
  }

  const detail::CurrentDriver previous_;
};

}  // namespace rt
