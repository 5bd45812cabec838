// One future, polled by hand and then by block_on.
//
//   hello_future [--self-test]
//
// The future waits for a bell (a ManualEvent) and gives a greeting. It says whenever it is polled,
// so that one can see who does what, and on which thread.
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "rt/future/arc_waker.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/manual_event.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "rt/runtime/block_on.h"

namespace {

constexpr char kGreeting[] = "hello, future";

// A future written by hand: it hands its Context on to the future that it waits for.
class Hello {
 public:
  using Output = std::string;

  explicit Hello(rt::ManualEvent& bell) : rung_(bell.wait()) {}

  rt::Poll<std::string> poll(rt::Context& cx) {
    if (rung_.poll(cx).is_pending()) {
      std::printf("     the future   is polled: pending. The bell keeps the newest waker.\n");
      return rt::kPending;
    }
    std::printf("     the future   is polled: ready.\n");
    return std::string(kGreeting);
  }

 private:
  rt::ManualEvent::Wait rung_;
};

static_assert(rt::Future<Hello>);

// What our own waker points to. An executor would put a task into a queue here.
class Caller {
 public:
  static void wake_by_ref(const rt::sync::Arc<Caller>& self) {
    ++self->wakes_;
    std::printf("     our waker    is woken: \"poll that future again\".\n");
  }
  int wakes() const { return wakes_; }

 private:
  int wakes_ = 0;
};

bool by_hand() {
  std::printf("By hand, on one thread. We are the executor.\n\n");
  std::printf("  1  we           make the future. Nothing of it runs.\n");
  rt::ManualEvent bell;
  Hello hello(bell);
  const auto caller = rt::sync::Arc<Caller>::make();
  const rt::Waker waker = rt::waker_from(caller);
  rt::Context cx(waker);

  std::printf("  2  we           poll.\n");
  bool good = hello.poll(cx).is_pending();
  std::printf("  3  we           poll again, though nobody has woken us: legal, and of no use.\n");
  good = hello.poll(cx).is_pending() && good;
  std::printf("  4  we           ring the bell.\n");
  bell.set();
  good = caller->wakes() == 1 && good;
  std::printf("  5  we           poll, because now it is worth it.\n");
  rt::Poll<std::string> result = hello.poll(cx);
  if (result.is_pending()) return false;
  const std::string said = std::move(result).take();
  std::printf("  6  we           have the output: \"%s\".\n", said.c_str());
  return good && said == kGreeting;
}

bool by_block_on(std::chrono::milliseconds patience) {
  std::printf("\nBy block_on, and the bell is rung on another thread.\n\n");
  rt::ManualEvent bell;
  std::thread ringer([&bell, patience] {
    std::this_thread::sleep_for(patience);
    std::printf("  2  the ringer   rings, after %d ms. The thread in block_on is woken.\n",
                static_cast<int>(patience.count()));
    bell.set();
  });
  std::printf("  1  block_on     polls, and sleeps when there is nothing to do.\n");
  const std::string said = rt::block_on(Hello(bell));
  ringer.join();
  std::printf("  3  block_on     returns the output: \"%s\".\n", said.c_str());
  std::printf("\nNobody asked in a loop: two polls, and sleep in between.\n");
  return said == kGreeting;
}

}  // namespace

int main(int argc, char** argv) {
  const bool self_test = argc == 2 && std::string_view(argv[1]) == "--self-test";
  if (argc > 1 && !self_test) {
    std::fprintf(stderr, "usage: hello_future [--self-test]\n");
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  const bool good = by_hand();
  return by_block_on(std::chrono::milliseconds(self_test ? 10 : 1000)) && good ? 0 : 1;
}
