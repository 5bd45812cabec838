// Many tasks, each of which awaits a timer and a channel, for as long as one likes: is any lost,
// does any run twice, does memory grow?
//
//   soak [TASKS] [SECONDS] [WORKERS]     a million, a minute, two
//
// TASKS numbers are on their way at any time. For each, a task sleeps for up to a tenth of a
// second, sends the number through a bounded channel, which it mostly has to wait for, and ends.
// Whoever receives it spawns the next task, with the same number and the next round: so the rounds
// of one number arrive one by one, each exactly once. When the time is over there is no next, and
// all that are on their way must arrive. Exit code 1 if one did not, or arrived twice; if a task
// took more memory at the end of the time than in its middle; or if memory is left when all have
// ended. The last line is JSON, as that of the other programs.
//
// Also built with ThreadSanitizer: -DCMAKE_CXX_FLAGS=-fsanitize=thread, and fewer tasks.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/program.h"
#include "rt/future/async.h"
#include "rt/platform/clock.h"
#include "rt/runtime/runtime.h"
#include "rt/sync/mpsc.h"
#include "rt/task/spawn.h"
#include "rt/time/sleep.h"

namespace {

constexpr double kMegabyte = 1024 * 1024;

struct Message {
  Message(std::uint32_t n, std::uint32_t r) noexcept : number(n), round(r) {}
  std::uint32_t number;
  std::uint32_t round;
};
using Sender = rt::mpsc::Sender<Message>;
using Receiver = rt::mpsc::Receiver<Message>;

rt::Async<> one(Sender sender, Message mine) {
  const std::uint64_t us = (mine.number * 7919ull + mine.round * 104'729ull) % 100'000;
  co_await rt::sleep(absl::Microseconds(static_cast<std::int64_t>(us)));
  const bool sent = co_await sender.send(mine);
  if (!sent) std::abort();
}

double resident() {
  long pages = 0;
  if (std::FILE* const file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

// Prints what there is, and gives the heap in use: of each task, or in all if there is none.
double report(const char* when, std::uint64_t arrived, std::size_t alive) {
  const double heap = bench::heap_in_use();
  std::printf("%-7s %12llu arrived %10zu alive %9.1f MB heap %9.1f MB resident\n", when,
              static_cast<unsigned long long>(arrived), alive, heap / kMegabyte,
              resident() / kMegabyte);
  std::fflush(stdout);
  return heap / static_cast<double>(std::max<std::size_t>(alive, 1));
}

class Soak {
 public:
  Soak(rt::Runtime::Handle runtime, std::uint32_t tasks, absl::Duration time)
      : runtime_(std::move(runtime)), next_round_(tasks, 0), time_(time) {}

  rt::Async<> run() {
    start_ = report("start", 0, 0);
    auto ends = rt::mpsc::channel<Message>(bench::kChannelCapacity);
    Sender sender(std::move(ends.first));
    Receiver receiver(std::move(ends.second));
    const auto tasks = static_cast<std::uint32_t>(next_round_.size());
    for (std::uint32_t i = 0; i < tasks; ++i)
      rt::spawn(one(sender.clone(), Message(i, 0))).detach();
    const rt::Instant start = rt::clock::now();
    std::uint32_t left = tasks;
    bool is_over = false;
    while (left > 0) {
      const std::optional<Message> got = co_await receiver.recv();
      if (!got.has_value() || got->round != next_round_[got->number]) {
        ++wrong_;
        if (!got.has_value()) break;
      }
      ++next_round_[got->number];
      if (++arrived_ % 1024 == 0 || tasks < 1024) {  // Not for each: to ask the time costs.
        const absl::Duration since = rt::clock::now() - start;
        if (!middle_ && since >= time_ / 2) middle_ = report("middle", arrived_, runtime_.alive());
        if (!is_over && since >= time_) {
          is_over = true;
          end_ = report("end", arrived_, runtime_.alive());
        }
      }
      if (is_over) {
        --left;
      } else {
        rt::spawn(one(sender.clone(), Message(got->number, next_round_[got->number]))).detach();
      }
    }
  }

  // Says what is wrong, if anything is.
  bool is_fine() {
    const double after = report("after", arrived_, runtime_.alive());
    std::uint64_t rounds = 0;
    for (const std::uint32_t round : next_round_) rounds += round;
    if (rounds != arrived_) ++wrong_;
    if (wrong_ > 0) {
      std::fprintf(stderr, "%llu arrived out of turn, or not at all\n",
                   static_cast<unsigned long long>(wrong_));
    }
    const bool grows = end_ > 1.2 * middle_.value_or(end_);
    if (grows) std::fprintf(stderr, "a task takes more and more memory\n");
    const bool leaks = after > start_ + kMegabyte;
    if (leaks) std::fprintf(stderr, "memory is left when all tasks have ended\n");
    const rt::WorkerMetrics all = runtime_.metrics().total();
    bench::print({{"arrived", static_cast<double>(arrived_)},
                  {"polls", static_cast<double>(all.polls)},
                  {"parks", static_cast<double>(all.parks)},
                  {"steals", static_cast<double>(all.steals)},
                  {"steal_operations", static_cast<double>(all.steal_operations)},
                  {"overflows", static_cast<double>(all.overflows)}});
    return wrong_ == 0 && !grows && !leaks;
  }

 private:
  const rt::Runtime::Handle runtime_;
  std::vector<std::uint32_t> next_round_;  // Of each number: what has to arrive next.
  const absl::Duration time_;
  std::uint64_t arrived_ = 0;
  std::uint64_t wrong_ = 0;
  double start_ = 0;  // Bytes of heap in use; the next two for each task.
  std::optional<double> middle_;
  double end_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, unsigned long otherwise) {
    return argc > i ? std::strtoul(argv[i], nullptr, 10) : otherwise;
  };
  const auto tasks = static_cast<std::uint32_t>(argument(1, 1'000'000));
  const double seconds = argc > 2 ? std::strtod(argv[2], nullptr) : 60;
  const unsigned long workers = argument(3, 2);
  auto runtime = rt::Runtime::create(workers);
  if (tasks == 0 || seconds <= 0 || !runtime.ok()) {
    std::fprintf(stderr, "usage: soak [TASKS] [SECONDS] [WORKERS]\n");
    return 2;
  }
  Soak soak((*runtime)->handle(), tasks, absl::Seconds(seconds));
  (*runtime)->block_on((*runtime)->spawn(soak.run()));
  const bool is_fine = soak.is_fine();
  (*runtime)->shutdown();
  return is_fine ? 0 : 1;
}
