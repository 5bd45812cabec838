// Three tasks at work, written into a file for Perfetto.
//
//   executor_trace [FILE]       default: executor_trace.json, in this folder
//   executor_trace --self-test
//
// A guest, a waiter and a cook are tasks on one thread. They wait for each other by ManualEvents,
// and for the food by ThreadTimers. What they say is printed, and marked in the trace.
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rt/future/async.h"
#include "rt/future/manual_event.h"
#include "rt/future/thread_timer.h"
#include "rt/platform/clock.h"
#include "rt/runtime/local_runtime.h"
#include "rt/task/spawn.h"
#include "rt/trace/trace.h"
#include "rt/trace/trace_file.h"

namespace {

class Evening {
 public:
  rt::Async<> run() {
    rt::JoinHandle<void> cook = rt::spawn(cooks());
    rt::JoinHandle<void> waiter = rt::spawn(waits());
    rt::JoinHandle<void> guest = rt::spawn(dines());
    co_await guest;
    co_await waiter;
    co_await cook;
  }

 private:
  rt::Async<> dines() {
    say("guest", "reads the menu");
    co_await rt::ThreadTimer(absl::Milliseconds(10));
    say("guest", "orders");
    ordered_.set();
    co_await served_.wait();
    say("guest", "eats");
    co_await rt::ThreadTimer(absl::Milliseconds(10));
    say("guest", "leaves");
  }

  rt::Async<> waits() {
    say("waiter", "waits for an order");
    co_await ordered_.wait();
    say("waiter", "tells the cook");
    told_.set();
    co_await cooked_.wait();
    say("waiter", "serves");
    served_.set();
  }

  rt::Async<> cooks() {
    say("cook", "waits to be told");
    co_await told_.wait();
    say("cook", "chops, and keeps the thread to itself");
    work_for(absl::Milliseconds(8));
    say("cook", "puts it on the fire, and lets go of the thread");
    co_await rt::ThreadTimer(absl::Milliseconds(20));
    say("cook", "is done");
    cooked_.set();
  }

  // Keeps the processor busy.
  static void work_for(absl::Duration duration) {
    const rt::Instant end = rt::clock::now() + duration;
    while (rt::clock::now() < end) {
    }
  }

  void say(absl::string_view who, absl::string_view what) const {
    rt::trace::mark(absl::StrCat(who, ": ", what));
    std::printf("%6.1f ms  task %d  %-7s %s\n",
                absl::ToDoubleMilliseconds(rt::clock::now() - start_),
                static_cast<int>(rt::trace::current_task()), std::string(who).c_str(),
                std::string(what).c_str());
  }

  const rt::Instant start_ = rt::clock::now();
  rt::ManualEvent ordered_, told_, cooked_, served_;
};

absl::Status write_trace(const std::string& path) {
  rt::trace::name_thread("the executor's thread");
  rt::trace::Session session(path);
  if (!session.status().ok()) return session.status();
  {
    Evening evening;
    rt::LocalRuntime runtime;
    runtime.block_on(evening.run());
  }
  return session.stop();
}

void say_how_to_open(const std::string& path) {
  std::printf("\nThe trace is in %s\n", path.c_str());
  std::printf(
      "To see it: open https://ui.perfetto.dev in a browser, \"Open trace file\", and\n"
      "choose it. (It stays in your browser.) w and s zoom, a and d move. Each poll is\n"
      "a slice, and an arrow leads from a wake to the poll that came of it. Look for\n"
      "the longest poll: what did the others do meanwhile? And what is between polls?\n");
}

// Writes a trace to a place of its own, and looks into it.
bool self_test() {
  const char* const folder = ::getenv("TMPDIR");
  std::string path = absl::StrCat(folder != nullptr ? folder : "/tmp", "/executor_trace.XXXXXX");
  const int fd = ::mkstemp(path.data());
  if (fd < 0) {
    std::perror(path.c_str());
    return false;
  }
  ::close(fd);
  const absl::Status status = write_trace(path);
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  ::unlink(path.c_str());
  const bool good = status.ok() && absl::StartsWith(text, "[") && absl::EndsWith(text, "]\n") &&
                    absl::StrContains(text, "guest: leaves");
  std::printf("The trace is %s.\n", good ? "as it should be" : "wrong");
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  const std::string argument = argc > 1 ? argv[1] : "executor_trace.json";
  if (argc == 2 && argument == "--self-test") return self_test() ? 0 : 1;
  if (argc > 2 || argument.empty() || argument[0] == '-') {
    std::fprintf(stderr, "usage: executor_trace [FILE] [--self-test]\n");
    return 2;
  }
  const absl::Status status = write_trace(argument);
  if (!status.ok()) {
    std::fprintf(stderr, "executor_trace: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  say_how_to_open(argument);
  return 0;
}
