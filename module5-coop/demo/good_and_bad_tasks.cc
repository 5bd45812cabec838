// What one bad task does to a hundred good ones, and what helps.
//
//   good_and_bad_tasks              for about three seconds
//   good_and_bad_tasks --self-test  the same in a tenth of the time
//
// A hundred good tasks sleep for five milliseconds, again and again, and note how late they wake
// up. All are on one worker, beside a bad task of one of two kinds: one that awaits all the time
// and never has to wait, and one that computes and awaits nothing.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "demo/compute.h"
#include "rt/future/async.h"
#include "rt/future/cooperative.h"
#include "rt/future/manual_event.h"
#include "rt/platform/clock.h"
#include "rt/runtime/runtime.h"
#include "rt/runtime/runtime_watch.h"
#include "rt/task/spawn.h"
#include "rt/time/sleep.h"

namespace {

using rt::Async;

constexpr int kGoodTasks = 100;
constexpr absl::Duration kNap = absl::Milliseconds(5);

// --- The bad task --------------------------------------------------------------------------------

Async<> nobody() { co_return; }

// Awaits an event that is set: the loop of a server whose client sends faster than it can read.
Async<> never_waits(absl::Duration how_long) {
  const rt::Instant end = rt::clock::now() + how_long;
  rt::ManualEvent event;
  event.set();
  while (rt::clock::now() < end) co_await event.wait();
}

// --- The good ones -------------------------------------------------------------------------------

using Delays = std::vector<absl::Duration>;

// Until it is aborted.
Async<> good_task(Delays& delays) {
  while (true) {
    const rt::Instant due = rt::clock::now() + kNap;
    co_await rt::sleep(kNap);
    delays.push_back(rt::clock::now() - due);
  }
}

// How late the good tasks were beside the bad one, in order.
Async<Delays> beside(Async<> bad, absl::Duration how_long) {
  Delays delays;
  std::vector<rt::JoinHandle<void>> good;
  for (int i = 0; i < kGoodTasks; ++i) good.push_back(rt::spawn(good_task(delays)));
  co_await rt::sleep(kNap);  // They have begun.
  rt::JoinHandle<void> at_work = rt::spawn(std::move(bad));
  co_await rt::sleep(how_long);
  co_await at_work;
  co_await rt::sleep(2 * kNap);  // Each has had its turn again.
  for (rt::JoinHandle<void>& task : good) {
    task.abort();
    try {
      co_await task;
    } catch (const rt::Cancelled&) {
    }
  }
  std::sort(delays.begin(), delays.end());
  co_return delays;
}

std::string in_ms(absl::Duration delay) {
  return absl::StrFormat("%.2f", absl::ToDoubleMilliseconds(delay));
}

void print(const char* what, const Delays& delays) {
  const auto quantile = [&delays](double q) {
    return in_ms(delays[static_cast<std::size_t>(q * static_cast<double>(delays.size() - 1))]);
  };
  absl::PrintF("%-44s %9s %9s %9s\n", what, quantile(0.5), quantile(0.99), quantile(1));
}

}  // namespace

int main(int argc, char** argv) {
  const bool is_short = argc > 1 && std::string_view(argv[1]) == "--self-test";
  const absl::Duration how_long = absl::Milliseconds(is_short ? 50 : 500);
  absl::StatusOr<std::unique_ptr<rt::Runtime>> runtime = rt::Runtime::create(1);
  if (!runtime.ok()) {
    std::fprintf(stderr, "%s\n", std::string(runtime.status().message()).c_str());
    return EXIT_FAILURE;
  }
  std::mutex mutex;
  std::string named;  // By the watchdog: the last one.
  rt::WatchdogOptions options;
  options.limit = how_long / 4;
  options.tell = [&](const rt::StuckTask& stuck) {
    std::string place = stuck.spawned_at.file_name();
    place.erase(0, place.rfind('/') + 1);
    const std::lock_guard lock(mutex);
    named += absl::StrFormat("  task %d, spawned at %s:%d\n", stuck.task, place,
                             stuck.spawned_at.line());
  };
  const auto watch = rt::watch(**runtime, std::move(options));

  const auto run = [&](const char* what, Async<> bad) {
    print(what, (*runtime)->block_on((*runtime)->spawn(beside(std::move(bad), how_long))));
  };
  absl::PrintF("A hundred tasks sleep for 5 ms each time. How late they wake up, in ms:\n\n");
  absl::PrintF("%-44s %9s %9s %9s\n", "beside a task that", "p50", "p99", "max");
  run("ends at once", nobody());
  {
    // Named, and moved: g++ 12 destroys some temporaries twice.
    auto without = [](absl::Duration limit) -> Async<> {
      co_await rt::coop::unconstrained(never_waits(limit));
    };
    run("never has to wait, without a budget", without(how_long));
  }
  run("never has to wait, with its budget", never_waits(how_long));
  run("computes", demo::computes(how_long));
  run("computes by spawn_blocking", demo::computes_on_the_pool(how_long));
  const std::lock_guard lock(mutex);
  absl::PrintF("\nWhom the watchdog has named, of those that kept the worker:\n%s", named);
  return EXIT_SUCCESS;
}
