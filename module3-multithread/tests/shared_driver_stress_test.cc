// Real threads and the real kernel, for ThreadSanitizer: the driver changes hands all the time. It
// counts, and never measures a time. A sleep that is not ended is a hang.
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "rt/driver/driver.h"
#include "rt/driver/reactor.h"
#include "rt/runtime/shared_driver.h"
#include "testkit/sockets.h"
#include "testkit/testkit.h"

namespace {

using rt::Direction;
using rt::Driver;
using rt::DriverParker;
using rt::SharedDriver;
using testkit::TestTask;

constexpr std::size_t kWorkers = 3;

// Three workers that share a driver, each of which sleeps and sleeps again.
class Workers {
 public:
  Workers() {
    for (std::size_t i = 0; i < kWorkers; ++i) {
      threads_.emplace_back([this, i] {
        while (!done_.load()) {
          parkers_[i].park();
          heard[i].store(said[i].load());
        }
      });
    }
  }
  ~Workers() {
    done_.store(true);
    for (DriverParker& parker : parkers_) parker.unpark();
    for (std::thread& thread : threads_) thread.join();
  }

  DriverParker& operator[](std::size_t i) { return parkers_[i]; }
  const rt::DriverHandle& handle() const { return driver_->handle(); }

  std::array<std::atomic<int>, kWorkers> said{}, heard{};

 private:
  const std::unique_ptr<Driver> driver_ = Driver::create().value();
  SharedDriver shared_{*driver_};
  std::array<DriverParker, kWorkers> parkers_{DriverParker(shared_), DriverParker(shared_),
                                              DriverParker(shared_)};
  std::atomic<bool> done_{false};
  std::vector<std::thread> threads_;
};

// Bug it is here for: an unpark() that finds the worker between two steps: on its way into the
// driver, out of it, or to a sleep of its own.
TEST(SharedDriverStress, NoUnparkIsLost) {
  constexpr int kRounds = 1'000;
  Workers workers;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kWorkers; ++t) {
    threads.emplace_back([&workers, t] {
      for (int round = 1; round <= kRounds; ++round) {
        workers.said[t].store(round);
        workers[t].unpark();
        while (workers.heard[t].load() < round) std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Bug it is here for: whoever had the driver has left it, the others sleep on their own, and an
// event waits for ever.
TEST(SharedDriverStress, EventsAreTakenWhoeverHasTheDriver) {
  constexpr int kEvents = 400;
  Workers workers;
  std::atomic<bool> enough{false};
  std::thread rouser([&] {
    for (std::size_t i = 0; !enough.load(); ++i) {
      workers[i % kWorkers].unpark();
      std::this_thread::yield();
    }
  });
  auto [ours, theirs] = testkit::socket_pair(SOCK_NONBLOCK);
  for (int i = 0; i < kEvents; ++i) {
    TestTask task;
    rt::Registration registration = rt::Reactor::add(workers.handle().reactor, ours.get()).value();
    if (registration.io().poll_ready(Direction::kRead, task.cx()).is_pending()) {
      testkit::send_all(theirs, "x");
      task.wait_for_wakes(1);
    }
    if (i == kEvents / 2) {  // From here on nobody ends their sleep but the events.
      enough.store(true);
      rouser.join();
    }
  }
}

}  // namespace
