// What the kernel says of this process, and threads that help a test. Compiled once, in the
// library: a std::thread costs each test that starts one with a lambda of its own dearly.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>

namespace testkit {

// How many threads this process has now. (One that has ended may be counted a little longer.)
std::ptrdiff_t threads();

// How many descriptors this process has open now.
std::ptrdiff_t open_files();

// The kernel's number for the calling thread.
int this_thread_id();

// Returns when that thread sleeps, as in a wait on a condition variable, or when `other` is true.
void wait_until_asleep(int thread_id, const std::atomic<bool>& other);

// A thread that is joined at the end of the scope.
class HelperThread {
 public:
  explicit HelperThread(std::function<void()> body);
  HelperThread(const HelperThread&) = delete;
  HelperThread& operator=(const HelperThread&) = delete;
  ~HelperThread();

 private:
  std::thread thread_;
};

}  // namespace testkit
