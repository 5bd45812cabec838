// Counts down twice: by hand, and with timers.
//
//   countdown [FROM]         default: 3
//   countdown --self-test    the same with short seconds
//
// The first half needs exercise 1.1 only. The second needs 1.2 to 1.8: there the future says who
// will poll it again, and the compiler writes the state machine.
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "rt/future/async.h"
#include "rt/future/context.h"
#include "rt/future/countdown.h"
#include "rt/future/thread_timer.h"
#include "rt/platform/clock.h"
#include "rt/runtime/block_on.h"

namespace {

constexpr int kMost = 3600;

// Returns how often the future was polled.
int by_hand(int from) {
  std::printf("Polled by hand, as fast as we can ask, because it tells nobody when to ask:\n\n");
  rt::Countdown countdown(from);
  rt::Context cx = rt::Context::without_waker();
  for (int polls = 1;; ++polls) {
    const rt::Poll<std::string> result = countdown.poll(cx);
    if (result.is_ready()) {
      std::printf("  poll %-4d ready:   \"%s\"\n", polls, result.value().c_str());
      return polls;
    }
    if (polls <= 3 || countdown.left() == 0) {
      std::printf("  poll %-4d pending, %d left\n", polls, countdown.left());
    } else if (polls == 4) {
      std::printf("  ...\n");
    }
  }
}

rt::Async<std::string> count_down(int from, absl::Duration second) {
  const rt::Instant start = rt::clock::now();
  for (int left = from; left > 0; --left) {
    std::printf("  %6.3f s  %d\n", absl::ToDoubleSeconds(rt::clock::now() - start), left);
    co_await rt::ThreadTimer(second);
  }
  std::printf("  %6.3f s  liftoff\n", absl::ToDoubleSeconds(rt::clock::now() - start));
  co_return "liftoff";
}

// Counts the polls of the future inside: one to begin with, then one for each wake.
template <rt::Future F>
class Counted {
 public:
  using Output = rt::OutputOf<F>;
  Counted(F future, int& polls) : future_(std::move(future)), polls_(polls) {}
  rt::Poll<Output> poll(rt::Context& cx) {
    ++polls_;
    return future_.poll(cx);
  }

 private:
  F future_;
  int& polls_;
};

bool by_timers(int from, absl::Duration second) {
  std::printf("\nA coroutine under block_on, which a timer wakes once a second:\n\n");
  int polls = 0;
  const std::string said = rt::block_on(Counted(count_down(from, second), polls));
  std::printf("\n%d polls, and between them this thread was asleep.\n", polls);
  // A poll too many is legal, one too few is not.
  return said == "liftoff" && polls >= from + 1;
}

}  // namespace

int main(int argc, char** argv) {
  const bool self_test = argc == 2 && std::string_view(argv[1]) == "--self-test";
  int from = 3;
  if (argc > 2 || (argc == 2 && !self_test &&
                   (!absl::SimpleAtoi(argv[1], &from) || from < 0 || from > kMost))) {
    std::fprintf(stderr, "usage: countdown [FROM] [--self-test], FROM from 0 to %d\n", kMost);
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  const bool good = by_hand(from) == from + 1;
  const absl::Duration second = self_test ? absl::Milliseconds(5) : absl::Seconds(1);
  return by_timers(from, second) && good ? 0 : 1;
}
