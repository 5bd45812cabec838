// DriverParks: WorkerParks whose workers share a Driver: of those that have nothing to do, one
// sleeps in epoll.
//
// Thread safety: as WorkerParks.
//
// Invariants: as WorkerParks, and
//   1. Inside run() the driver is this thread's current one.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "rt/driver/driver.h"
#include "rt/driver/driver_handle.h"
#include "rt/platform/described.h"
#include "rt/platform/park.h"
#include "rt/runtime/shared_driver.h"
#include "rt/runtime/worker_parks.h"

namespace rt {

class DriverParks final : public WorkerParks {
 public:
  DriverParks(std::size_t workers, std::unique_ptr<Driver> driver)
      : driver_(std::move(driver)), shared_(*driver_), described_([this] { return describe(); }) {
    for (std::size_t i = 0; i < workers; ++i) parkers_.emplace_back(shared_);
  }

  Park& of(std::size_t worker) override { return parkers_[worker]; }
  void run(absl::FunctionRef<void()> work) override {
    const EnterDriver inside(driver_->handle());
    work();
  }
  bool nobody_waits() const noexcept override { return driver_->nobody_waits(); }
  Driver& driver() noexcept { return *driver_; }

 private:
  std::string describe() const {
    std::string text = driver_->describe_all();
    for (std::size_t i = 0; i < parkers_.size(); ++i) {
      const Park& park = parkers_[i];
      text += "Worker " + std::to_string(i) + "'s park: " + park.describe() + "\n";
    }
    return text;
  }

  const std::unique_ptr<Driver> driver_;
  SharedDriver shared_;
  std::deque<DriverParker> parkers_;
  const Described described_;
};

}  // namespace rt
