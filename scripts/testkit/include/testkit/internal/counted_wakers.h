// What a CountingWaker and its wakers share. It knows nothing of the course's headers, so it stands
// in the library, and no test compiles it again.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "testkit/internal/stacks.h"

namespace testkit::internal {

struct CountedWakers {
  explicit CountedWakers(std::string n);

  // A waker's four functions; `data` is a CountedWakers.
  static void* clone(void* data);
  static void wake(void* data);
  static void wake_by_ref(void* data);
  static void drop(void* data);

  // The data of a new waker.
  void* new_waker();
  // An owner less: the CountingWaker, or a waker.
  void unreference();
  void wait_for_wakes(int n);

  const std::string name;
  std::atomic<int> live{0};
  std::atomic<int> clones{0};
  std::atomic<int> wakes{0};
  std::atomic<int> drops{0};
  std::function<void()> on_clone;
  std::function<void()> on_wake;
  std::function<void()> on_drop;

 private:
  std::string quoted() const;
  void reference();
  bool is_live(const char* deed) const;
  int give_back();
  std::string last_given_back() const;
  void count_wake();

  std::atomic<int> references_{1};  // The CountingWaker, and each live waker.
  mutable std::mutex mutex_;
  Stack last_give_back_;  // Under `mutex_`.
};

}  // namespace testkit::internal
