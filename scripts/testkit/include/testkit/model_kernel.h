// ModelKernel: as much of a kernel as a Driver sleeps in, for model tests: an epoll set with an
// eventfd in it. So reactor, timers, clock and whoever shares the driver are explored together.
//
//   testkit::ModelKernel kernel;
//   auto driver = rt::Driver::create().value();
//
// Thread safety: as the kernel's. Make it before, and destroy it after, all that makes calls.
//
// Invariants
//   1. A write to the eventfd ends one epoll_wait() that waits, or else the next one: an edge.
//   2. Any other call, or a wait for a time that is neither none nor for ever, is a failure of the
//      test: no scenario needs one.
#pragma once

#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <utility>

#include "rt/platform/sync.h"
#include "rt/platform/sys.h"

namespace testkit {

class ModelKernel final : public rt::sys::Calls {
 public:
  ModelKernel() : before_(rt::sys::replace(this)) {}
  ~ModelKernel() override { rt::sys::replace(before_); }

  int epoll_create1(int) override { return kEpoll; }
  int eventfd(unsigned, int) override { return kEventfd; }
  int close(int) override { return 0; }

  int epoll_ctl(int, int operation, int fd, epoll_event* event) override {
    EXPECT_TRUE(operation == EPOLL_CTL_ADD && fd == kEventfd);
    const rt::sync::Lock lock(mutex_);
    tokens_.write().ours = event->data;
    return 0;
  }

  int eventfd_write(int, eventfd_t) override {
    const rt::sync::Lock lock(mutex_);
    tokens_.write().has_edge = true;
    condition_.notify_one();
    return 0;
  }

  int epoll_wait(int, epoll_event* events, int, int timeout_ms) override {
    EXPECT_LE(timeout_ms, 0);
    rt::sync::Lock lock(mutex_);
    while (timeout_ms < 0 && !tokens_.read().has_edge) condition_.wait(lock);
    if (!std::exchange(tokens_.write().has_edge, false)) return 0;
    events[0].events = EPOLLIN;
    events[0].data = tokens_.read().ours;
    return 1;
  }

 private:
  static constexpr int kEpoll = 1000;
  static constexpr int kEventfd = 1001;

  struct Tokens {
    Tokens() noexcept {}
    epoll_data_t ours{};
    bool has_edge = false;
  };

  rt::sys::Calls* const before_;
  rt::sync::Mutex mutex_;
  rt::sync::CondVar condition_;
  rt::sync::Cell<Tokens> tokens_{};  // Guarded by the mutex.
};

}  // namespace testkit
