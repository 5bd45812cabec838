// Parks for workers that a test steps by hand. For tests from module 3 on.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "rt/platform/park.h"
#include "rt/runtime/worker_parks.h"
#include "testkit/steps.h"

namespace testkit {

// Parks that never sleep, and count.
class FakeParks : public rt::WorkerParks {
 public:
  struct FakePark final : rt::Park {
    void park() override {
      step("worker " + name + " sleeps");
      ++sleeps;
      if (in_sleep) std::exchange(in_sleep, nullptr)();
    }
    void unpark() override {
      step("worker " + name + " is unparked");
      ++unparks;
      if (on_unpark) on_unpark();
    }
    void look() override {
      ++looks;
      if (in_look) std::exchange(in_look, nullptr)();
    }

    std::string name;
    int sleeps = 0, unparks = 0, looks = 0;
    std::function<void()> in_sleep, in_look;  // What happens in the next one.
    std::function<void()> on_unpark;          // What happens in each.
  };

  explicit FakeParks(std::size_t workers) : parks_(workers) {
    for (std::size_t i = 0; i < workers; ++i) parks_[i].name = std::to_string(i);
  }
  FakePark& of(std::size_t worker) override { return parks_[worker]; }
  int unparks() const {
    int all = 0;
    for (const FakePark& park : parks_) all += park.unparks;
    return all;
  }

 private:
  std::vector<FakePark> parks_;
};

}  // namespace testkit
