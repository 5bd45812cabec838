#include "testkit/internal/hang_watch.h"

#include <dirent.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "testkit/hang.h"
#include "testkit/internal/events.h"
#include "testkit/internal/printer.h"
#include "testkit/internal/stacks.h"
#include "testkit/steps.h"

namespace testkit {
namespace internal {
namespace {

constexpr int kSamples = 30;
constexpr timespec kBetweenSamples{0, 100'000'000};

struct Notes {
  std::mutex mutex;
  int next_id = 0;
  std::map<int, std::function<std::string()>> by_id;
};

// Never destroyed: the watch thread outlives main.
Notes& notes() {
  static Notes* const it = new Notes;
  return *it;
}

std::atomic<std::string (*)()> g_on_every_hang{nullptr};
std::atomic<long> g_cpu_at_test_start_ms{0};
std::atomic<bool> g_reports{false};

long cpu_ms() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<long>(t.tv_sec) * 1000 + t.tv_nsec / 1'000'000;
}

long cpu_limit_ms() {
  if (const char* const text = std::getenv("RT_TEST_CPU_SECONDS"); text != nullptr) {
    const double seconds = std::strtod(text, nullptr);
    if (seconds > 0) return static_cast<long>(seconds * 1000);
  }
  return 20'000;  // Several times what the longest test needs under a sanitizer.
}

pid_t this_thread() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

// ---- Looking at threads, through /proc ----

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<pid_t> threads_of(const std::string& process) {
  std::vector<pid_t> ids;
  DIR* const dir = ::opendir(("/proc/" + process + "/task").c_str());
  if (dir == nullptr) return ids;
  while (const dirent* entry = ::readdir(dir)) {
    const int id = std::atoi(entry->d_name);
    if (id > 0) ids.push_back(id);
  }
  ::closedir(dir);
  std::sort(ids.begin(), ids.end());
  return ids;
}

// Changes whenever the thread has run: its time on a CPU in ns or, where the kernel does not say,
// its context switches.
std::string how_much_it_ran(const std::string& task) {
  std::string text = read_file(task + "/schedstat");
  if (!text.empty()) return text;
  text = read_file(task + "/status");
  const std::size_t at = text.find("voluntary_ctxt_switches");
  return at == std::string::npos ? "?" : text.substr(at);
}

// 'S' for a thread that sleeps and can be woken, 'T' for one that a signal stopped. One that could
// run, one that waits for a disk and one that a debugger holds are other letters.
char state_of(const std::string& task) {
  const std::string stat = read_file(task + "/stat");
  const std::size_t name_end = stat.rfind(')');
  return name_end == std::string::npos || name_end + 2 >= stat.size() ? '?' : stat[name_end + 2];
}

struct Sample {
  bool all_asleep = true;
  std::map<pid_t, std::string> ran;
};

// Adds the threads of `process` and of all below it: a test that waits for a child that works does
// not hang.
void look_at(const std::string& process, const std::vector<pid_t>& but_not, Sample& sample) {
  for (const pid_t id : threads_of(process)) {
    const std::string task = "/proc/" + process + "/task/" + std::to_string(id);
    std::istringstream children(read_file(task + "/children"));
    for (std::string child; children >> child;) look_at(child, {}, sample);
    if (std::find(but_not.begin(), but_not.end(), id) != but_not.end()) continue;
    const char state = state_of(task);
    // A zombie child has ended, and whoever waits for it is about to be told. One that was stopped
    // sleeps until somebody continues it.
    if (state != 'S' && state != 'Z' && state != 'T') sample.all_asleep = false;
    sample.ran[id] = how_much_it_ran(task);
  }
}

// ---- The report ----

std::string count_of(std::size_t n, const std::string& thing) {
  return std::to_string(n) + " " + thing + (n == 1 ? "" : "s");
}

// What the notes say, each given two seconds.
std::string what_notes_say() {
  std::vector<std::function<std::string()>> all;
  {
    const UnseenByTsan unseen;
    const std::unique_lock lock(notes().mutex, std::try_to_lock);
    if (!lock.owns_lock()) return "";
    for (const auto& [id, note] : notes().by_id) all.push_back(note);
  }
  if (const auto describe = g_on_every_hang.load()) all.emplace_back(describe);
  std::string out;
  for (const std::function<std::string()>& note : all) {
    auto answer = std::make_shared<std::promise<std::string>>();
    std::future<std::string> said = answer->get_future();
    std::thread([note, answer] {
      const UnseenByTsan unseen;  // It reads what a thread that is stuck wrote.
      answer->set_value(note());
    }).detach();
    if (said.wait_for(std::chrono::seconds(2)) != std::future_status::ready) {
      out += "(A note of the test did not return: it waits for something that is stuck too.)\n";
      continue;
    }
    out += said.get();
    if (!out.empty() && out.back() != '\n') out += '\n';
  }
  return out;
}

void report_hang(const std::string& what_was_seen, const std::vector<pid_t>& threads) {
  const UnseenByTsan unseen;  // A race found now would end the process before the report is out.
  std::string report = what_was_seen + "\n";
  if (const std::string steps = steps_so_far(); !steps.empty()) report += "\n" + steps;
  std::size_t number = 0;
  for (const pid_t id : threads) {
    ++number;
    report += "\nThread " + std::to_string(number);
    if (id == ::getpid()) report += ", the test's own";
    report += ":\n" + describe_thread(id, "  ");
  }
  // First without the notes: they are the test's code, and may crash.
  std::fflush(stdout);
  std::fprintf(stderr, "\nThe test %s hangs.\n%s", current_test().c_str(), report.c_str());
  std::fflush(stderr);
  if (const std::string said = what_notes_say(); !said.empty()) {
    report += "\n" + said;
    std::fprintf(stderr, "\n%s", said.c_str());
    std::fflush(stderr);
  }
  send_hang(current_test(), report);
}

// For whoever hunts a hang that comes once in many thousand runs: in the folder that RT_CORES
// names, gdb's gcore keeps what the process is now.
void keep_core() {
  const char* const folder = std::getenv("RT_CORES");
  if (folder == nullptr) return;
  ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);  // A child may not attach to its parent otherwise.
  std::string tool = "gcore", option = "-o", name = std::string(folder) + "/" + current_test();
  std::string process = std::to_string(::getpid());
  char* const arguments[] = {tool.data(), option.data(), name.data(), process.data(), nullptr};
  pid_t child = 0;
  int status = ::posix_spawnp(&child, "gcore", nullptr, nullptr, arguments, ::environ);
  if (status == 0) ::waitpid(child, &status, 0);
  std::fprintf(stderr, status == 0 ? "\nA core is in %s.%s\n" : "\ngcore left no core in %s.%s\n",
               name.c_str(), process.c_str());
}

void watch(std::vector<pid_t> ignored) {
  const long limit = cpu_limit_ms();
  Sample before;
  before.all_asleep = false;
  int equal_samples = 0;
  while (true) {
    ::nanosleep(&kBetweenSamples, nullptr);
    Sample now;
    {
      const std::lock_guard lock(watch_files());
      look_at("self", ignored, now);
    }
    const bool slept = now.all_asleep && before.all_asleep && now.ran == before.ran;
    equal_samples = slept ? equal_samples + 1 : 0;
    before = std::move(now);

    const long used = cpu_ms() - g_cpu_at_test_start_ms.load(std::memory_order_relaxed);
    if (equal_samples < kSamples && used <= limit) continue;
    std::vector<pid_t> threads = threads_of("self");
    std::erase_if(threads, [&](pid_t id) {
      return std::find(ignored.begin(), ignored.end(), id) != ignored.end();
    });
    const bool one = threads.size() == 1;
    std::string seen =
        "It has used more than " + std::to_string(limit / 1000) + " s of CPU, and has not ended.";
    if (equal_samples >= kSamples) {
      seen = (one ? "Its only thread has" : "All " + count_of(threads.size(), "thread") + " have") +
             " been asleep for 3 seconds and used no CPU:\nnothing is left that could wake " +
             (one ? "it." : "them.");
    }
    g_reports.store(true, std::memory_order_relaxed);  // Before any signal is sent.
    report_hang(seen, threads);
    keep_core();
    // The system call itself: ThreadSanitizer's _exit() would look for more to report.
    ::syscall(SYS_exit_group, kHangExitCode);
  }
}

}  // namespace

std::mutex& watch_files() {
  static std::mutex mutex;
  return mutex;
}

void start_hang_watch() {
  std::atomic<bool> started{false};
  const pid_t main_thread = this_thread();
  std::thread([&started, main_thread] {
    // Whoever is here besides main was started by a sanitizer; this thread is not to be watched
    // either.
    std::vector<pid_t> ignored = threads_of("self");
    std::erase(ignored, main_thread);
    started.store(true, std::memory_order_release);
    started.notify_one();
    watch(std::move(ignored));
  }).detach();
  started.wait(false, std::memory_order_acquire);
}

void wait_if_hang_is_reported() {
  while (g_reports.load(std::memory_order_relaxed)) ::pause();
}

void watch_new_test() {
  g_cpu_at_test_start_ms.store(cpu_ms(), std::memory_order_relaxed);
  const UnseenByTsan unseen;
  const std::lock_guard lock(notes().mutex);
  notes().by_id.clear();
}

}  // namespace internal

namespace {

int add_note(std::function<std::string()> describe) {
  const UnseenByTsan unseen;
  internal::Notes& all = internal::notes();
  const std::lock_guard lock(all.mutex);
  const int id = all.next_id++;
  all.by_id.emplace(id, std::move(describe));
  return id;
}

}  // namespace

void on_hang(std::function<std::string()> describe) { add_note(std::move(describe)); }

bool on_every_hang(std::string (*describe)()) {
  internal::g_on_every_hang.store(describe);
  return true;
}

HangNote::HangNote(std::function<std::string()> describe) : id_(add_note(std::move(describe))) {}

HangNote::~HangNote() {
  const UnseenByTsan unseen;
  internal::Notes& all = internal::notes();
  const std::lock_guard lock(all.mutex);
  all.by_id.erase(id_);
}

}  // namespace testkit
