// N timers race. Who wins, and what does it cost?
//
//   timers_race [N]          default: 10
//   timers_race --self-test
//
// Each racer is a task on one LocalExecutor, and waits for a ThreadTimer: so all tasks share one
// thread, and each timer has one of its own. Every racer draws a time, and all deadlines count from
// one start, however long it takes to start the last.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "rt/future/async.h"
#include "rt/future/box_future.h"
#include "rt/future/thread_timer.h"
#include "rt/platform/clock.h"
#include "rt/runtime/local_executor.h"

namespace {

constexpr int kMost = 1'000'000;
constexpr int kShown = 10;

int count_of_threads() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int threads = 0;
    if (word == "Threads:" && status >> threads) return threads;
  }
  return 0;
}

class Race {
 public:
  Race(int racers, absl::Duration shortest, unsigned seed)
      : racers_(racers), shortest_(shortest), random_(seed), start_(rt::clock::now()) {}

  void run() {
    rt::LocalExecutor executor;
    for (int i = 1; i <= racers_; ++i) {
      executor.spawn(rt::BoxFuture<void>(racer(i, draw())));
    }
    // Each task was spawned ready and is polled once, which starts its timer.
    for (int i = 0; i < racers_; ++i) executor.run_one();
    std::printf("%d tasks, all started after %.1f ms.\n", racers_,
                milliseconds(rt::clock::now() - start_));
    std::printf("The tasks share one thread; with those of the timers there are %d.\n",
                count_of_threads());
    std::printf("\n place      timer      drew   arrived   too late by\n");
    executor.run();
    if (racers_ > kShown) std::printf("   ...\n");
    std::printf("\nAll %d are there. The one that came latest after its time: %.2f ms.\n", arrived_,
                milliseconds(worst_));
    std::printf("Threads now: %d.\n", count_of_threads());
  }

  bool good() const { return arrived_ == racers_ && !early_; }

 private:
  static double milliseconds(absl::Duration d) { return absl::ToDoubleMilliseconds(d); }

  absl::Duration draw() {
    return shortest_ * std::uniform_real_distribution<double>(1.0, 2.0)(random_);
  }

  rt::Async<> racer(int number, absl::Duration drawn) {
    const rt::Instant deadline = start_ + drawn;
    co_await rt::ThreadTimer(deadline - rt::clock::now());
    arrive(number, drawn, rt::clock::now() - deadline);
  }

  void arrive(int number, absl::Duration drawn, absl::Duration late) {
    ++arrived_;
    worst_ = std::max(worst_, late);
    early_ = early_ || late < absl::ZeroDuration();
    if (arrived_ > kShown) return;
    std::printf("%6d  %9s  %6.1f ms %6.1f ms   %6.2f ms%s\n", arrived_,
                ("#" + std::to_string(number)).c_str(), milliseconds(drawn),
                milliseconds(drawn + late), milliseconds(late),
                arrived_ == 1 ? "   <- the winner" : "");
  }

  const int racers_;
  const absl::Duration shortest_;
  std::mt19937 random_;
  const rt::Instant start_;
  int arrived_ = 0;
  absl::Duration worst_;
  bool early_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  const bool self_test = argc == 2 && std::string_view(argv[1]) == "--self-test";
  int racers = 10;
  if (argc > 2 || (argc == 2 && !self_test &&
                   (!absl::SimpleAtoi(argv[1], &racers) || racers < 1 || racers > kMost))) {
    std::fprintf(stderr, "usage: timers_race [N] [--self-test], N from 1 to %d\n", kMost);
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  // Long enough to have all of them started before the first arrives.
  const absl::Duration shortest = self_test
                                      ? absl::Milliseconds(20)
                                      : absl::Milliseconds(500) + racers * absl::Microseconds(100);
  Race race(racers, shortest, self_test ? 1 : std::random_device()());
  try {
    race.run();
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "timers_race: no thread for one more timer: %s.\n", error.what());
    std::fprintf(stderr, "Try it with fewer timers.\n");
    return 1;
  }
  return race.good() ? 0 : 1;
}
