// A hog on the only worker, and what to do about it: the watchdog names it, and spawn_blocking()
// takes it out of the way.
//
//   name_the_hog              for about two seconds
//   name_the_hog --self-test  the same in a tenth of the time
//
// A good task sleeps for a millisecond, again and again, and notes how late it was at worst. The
// hog computes, first in a task, and then in a function on the pool for blocking calls.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "demo/compute.h"
#include "rt/future/async.h"
#include "rt/platform/clock.h"
#include "rt/runtime/runtime.h"
#include "rt/runtime/runtime_watch.h"
#include "rt/task/spawn.h"
#include "rt/time/sleep.h"

namespace {

using rt::Async;

// Until it is aborted.
Async<> good_task(absl::Duration& latest) {
  while (true) {
    const rt::Instant due = rt::clock::now() + absl::Milliseconds(1);
    co_await rt::sleep(absl::Milliseconds(1));
    latest = std::max(latest, rt::clock::now() - due);
  }
}

// How late the good task was at worst, beside this one.
Async<absl::Duration> beside(Async<> other) {
  absl::Duration latest;
  rt::JoinHandle<void> good = rt::spawn(good_task(latest));
  co_await rt::sleep(absl::Milliseconds(5));  // It has begun.
  co_await rt::spawn(std::move(other));
  co_await rt::sleep(absl::Milliseconds(5));  // It has its turn again.
  good.abort();
  try {
    co_await std::move(good);
  } catch (const rt::Cancelled&) {
  }
  co_return latest;
}

}  // namespace

int main(int argc, char** argv) {
  const bool is_short = argc > 1 && std::string_view(argv[1]) == "--self-test";
  const absl::Duration how_long = absl::Milliseconds(is_short ? 100 : 1000);
  absl::StatusOr<std::unique_ptr<rt::Runtime>> runtime = rt::Runtime::create(1);
  if (!runtime.ok()) {
    std::fprintf(stderr, "%s\n", std::string(runtime.status().message()).c_str());
    return EXIT_FAILURE;
  }
  rt::WatchdogOptions options;
  options.limit = how_long / 4;
  options.tell = [](const rt::StuckTask& stuck) {
    std::string place = stuck.spawned_at.file_name();
    place.erase(0, place.rfind('/') + 1);
    absl::PrintF("watchdog: task %d, spawned at %s:%d,\n          has kept worker %d for %s\n",
                 stuck.task, place, stuck.spawned_at.line(), stuck.worker,
                 absl::FormatDuration(absl::Trunc(stuck.held, absl::Milliseconds(1))));
  };
  const auto watch = rt::watch(**runtime, std::move(options));

  const auto late = [&](Async<> other) {
    const absl::Duration latest = (*runtime)->block_on((*runtime)->spawn(beside(std::move(other))));
    return absl::FormatDuration(absl::Trunc(latest, absl::Microseconds(10)));
  };
  absl::PrintF("the hog in a task:  the good task is late by %s\n", late(demo::computes(how_long)));
  absl::PrintF("the hog on the pool: it is late by %s\n",
               late(demo::computes_on_the_pool(how_long)));
  return EXIT_SUCCESS;
}
