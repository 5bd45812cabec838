#include "testkit/process.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <utility>

#include "testkit/internal/hang_watch.h"

namespace testkit {
namespace {

std::ptrdiff_t entries_of(const char* directory) {
  return std::distance(std::filesystem::directory_iterator(directory), {});
}

bool is_asleep(int thread_id) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread_id) + "/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t end_of_name = line.rfind(')');
  return end_of_name != std::string::npos && line.compare(end_of_name, 3, ") S") == 0;
}

}  // namespace

std::ptrdiff_t threads() { return entries_of("/proc/self/task"); }

std::ptrdiff_t open_files() {
  const std::lock_guard lock(internal::watch_files());
  return entries_of("/proc/self/fd");
}

int this_thread_id() { return static_cast<int>(::syscall(SYS_gettid)); }

void wait_until_asleep(int thread_id, const std::atomic<bool>& other) {
  while (!other && !is_asleep(thread_id)) std::this_thread::yield();
}

HelperThread::HelperThread(std::function<void()> body) : thread_(std::move(body)) {}

HelperThread::~HelperThread() { thread_.join(); }

}  // namespace testkit
