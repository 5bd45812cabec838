// RuntimeServices: what belongs to a runtime, has threads of its own, and is made only by those who
// use it. The pool for blocking calls is one; a Runtime knows it by this face only.
//
// Thread safety: all functions by any thread.
//
// Invariants
//   1. There is one service of each type at most. It lives as long as its runtime's core.
//   2. Each service is closed when the runtime is. One that is made later is closed at once.
//
// The idea is Asio's execution_context::service.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "rt/platform/clock.h"
#include "rt/platform/sync.h"

namespace rt {

class RuntimeService {
 public:
  RuntimeService() = default;
  RuntimeService(const RuntimeService&) = delete;
  RuntimeService& operator=(const RuntimeService&) = delete;
  virtual ~RuntimeService() = default;

  // It begins nothing new from here on. May be called again.
  virtual void close() noexcept = 0;
  // Returns when its threads have ended. False: `deadline` came first. After close(), any number of
  // times.
  virtual bool wait_for_the_end(Instant deadline) = 0;
  // Nobody will wait for its threads: each ends by itself, whenever that is.
  virtual void abandon() noexcept = 0;
};

class RuntimeServices {
 public:
  // The service of type S. If there is none yet, what `make` returns, as a unique_ptr.
  template <class S, class Make>
  S& get(Make make) {
    const sync::Lock lock(mutex_);
    for (const auto& service : state_.read().services) {
      if (S* const found = dynamic_cast<S*>(service.get())) return *found;
    }
    std::unique_ptr<S> made = make();
    S& service = *made;
    state_.write().services.push_back(std::move(made));
    if (state_.read().is_closed) service.close();
    return service;
  }

  void close() noexcept {
    {
      const sync::Lock lock(mutex_);
      state_.write().is_closed = true;
    }
    // From here on the list grows only by services that are closed.
    for (RuntimeService* const service : all()) service->close();
  }
  // False: `deadline` came first.
  bool wait_for_the_end(Instant deadline) {
    for (RuntimeService* const service : all()) {
      if (!service->wait_for_the_end(deadline)) return false;
    }
    return true;
  }
  void abandon() noexcept {
    for (RuntimeService* const service : all()) service->abandon();
  }

 private:
  struct State {
    std::vector<std::unique_ptr<RuntimeService>> services;
    bool is_closed = false;
  };

  std::vector<RuntimeService*> all() {
    const sync::Lock lock(mutex_);
    std::vector<RuntimeService*> all;
    for (const auto& service : state_.read().services) all.push_back(service.get());
    return all;
  }

  sync::Mutex mutex_;
  sync::Cell<State> state_{};  // Guarded by the mutex.
};

}  // namespace rt
