// What the unit tests of the driver and of the executor on it share.
#pragma once

#include <cerrno>
#include <csignal>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "rt/driver/driver.h"
#include "rt/driver/driver_handle.h"
#include "rt/driver/reactor.h"
#include "rt/driver/timers.h"
#include "rt/platform/clock.h"
#include "rt/platform/sync.h"
#include "rt/platform/sys.h"
#include "rt/runtime/io_executor.h"
#include "testkit/sockets.h"
#include "testkit/testkit.h"

namespace driver_parts {

using rt::Context;
using rt::Direction;
using rt::Driver;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using testkit::Fd;
using testkit::step;

// A deadline is rounded up to a whole tick.
constexpr absl::Duration kTick = rt::Timers::kTick;

inline void on_another_thread(const std::function<void()>& work) {
  step("on another thread:");
  std::thread(work).join();
}

// Sleeps by the timers of this thread's driver, from its first poll on.
class Nap {
 public:
  using Output = void;

  explicit Nap(absl::Duration time) noexcept : time_(time) {}
  Nap(Nap&&) noexcept = default;  // Before its first poll only.
  Nap& operator=(Nap&&) = delete;
  ~Nap() {
    if (timers_) timers_->cancel(timer_);
  }

  Poll<void> poll(Context& cx) {
    if (!timers_) {
      timers_ = rt::current_timers("Nap");
      deadline_ = rt::clock::now() + time_;
    }
    return timers_->poll(timer_, deadline_, cx);
  }

 private:
  absl::Duration time_;
  rt::sync::Arc<rt::Timers> timers_;
  rt::Instant deadline_;
  rt::Timer timer_;
};

// Stands between the code and the kernel. No epoll_wait sleeps here.
class Kernel final : public rt::sys::Calls {
 public:
  Kernel() : before_(rt::sys::replace(this)) {}
  ~Kernel() override { rt::sys::replace(before_); }

  // What happens in the next sleep that has no plan yet, when the thread is as good as asleep.
  void during_sleep(std::function<void()> what) { plans_.push_back(std::move(what)); }
  // What happens in the next epoll_wait of no time.
  void during_look(std::function<void()> what) { look_ = std::move(what); }
  // The next epoll_wait fails: at its end, if it sleeps.
  void refuse(int error) { error_ = error; }

  int waits() const { return waits_; }    // How many epoll_wait.
  int sleeps() const { return sleeps_; }  // How many of them with time to sleep.
  int interrupts() const { return interrupts_; }
  int timeout() const { return timeout_; }  // Of the last sleep; -1 is for ever.

  int epoll_wait(int epoll, epoll_event* events, int size, int timeout) override {
    if (++waits_ > 10'000) throw std::logic_error("epoll_wait again and again");
    step("epoll_wait, timeout " + std::to_string(timeout));
    if (error_ != 0) {
      if (timeout != 0 && next_ < plans_.size()) plans_[next_++]();
      errno = std::exchange(error_, 0);
      return -1;
    }
    if (timeout != 0) {
      ++sleeps_;
      timeout_ = timeout;
      if (next_ < plans_.size()) plans_[next_++]();
    } else if (look_) {
      std::exchange(look_, nullptr)();
    }
    const int count = Calls::epoll_wait(epoll, events, size, 0);
    if (count == 0 && timeout < 0) {
      throw std::logic_error("the thread sleeps for ever: nobody has a reason to wake it");
    }
    return count;
  }

  int eventfd_write(int fd, eventfd_t value) override {
    step("the eventfd is written");
    ++interrupts_;
    return Calls::eventfd_write(fd, value);
  }

 private:
  rt::sys::Calls* const before_;
  std::vector<std::function<void()>> plans_;
  std::size_t next_ = 0;
  std::function<void()> look_;
  int error_ = 0;
  int waits_ = 0, sleeps_ = 0, interrupts_ = 0, timeout_ = 0;
};

// A driver, this thread in it, and the calls that a runtime makes.
class DriverTest : public testing::Test {
 protected:
  void park() {
    step("park()");
    driver->park();
  }
  void park_timeout(absl::Duration limit) {
    step("park_timeout(" + absl::FormatDuration(limit) + ")");
    driver->park_timeout(limit);
  }
  void look() {
    step("look()");
    driver->look();
  }
  void unpark() {
    step("unpark()");
    driver->unpark();
  }
  void unpark_by_another_thread() {
    on_another_thread([this] { unpark(); });
  }

  // A socket of this driver, whose peer may say something.
  class Socket {
   public:
    explicit Socket(const Driver& driver)
        : pair_(testkit::socket_pair(SOCK_NONBLOCK)),
          registration_(rt::Reactor::add(driver.handle().reactor, pair_.first.get()).value()) {}
    Poll<void> poll(Context& cx) {
      if (registration_.io().poll_ready(Direction::kRead, cx).is_pending()) return kPending;
      return kReady;
    }
    using Output = void;
    void peer_speaks() {
      step("bytes arrive");
      testkit::send_all(pair_.second, "x");
    }

   private:
    std::pair<Fd, Fd> pair_;
    rt::Registration registration_;
  };

  Kernel kernel;
  std::unique_ptr<Driver> driver = Driver::create().value();
  const rt::DriverHandle handle = driver->handle();
  rt::EnterDriver inside{handle};
};

}  // namespace driver_parts
