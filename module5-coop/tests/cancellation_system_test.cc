// Work that never waits, and what a server has in flight when it stops: rt/runtime/in_flight.h.
#include <cstddef>
#include <memory>
#include <stdexcept>

#include "rt/future/async.h"
#include "rt/future/future.h"
#include "rt/future/manual_event.h"
#include "rt/platform/clock.h"
#include "rt/runtime/in_flight.h"
#include "rt/runtime/runtime.h"
#include "rt/sync/cancellation_token.h"
#include "testkit/testkit.h"

namespace {

using rt::Async;
using rt::InFlight;

auto never() {
  return rt::poll_fn([](rt::Context&) { return rt::Poll<void>(rt::kPending); });
}

// Ready when `is_so()` is true. The task gives way meanwhile.
template <class Fn>
auto until(Fn is_so) {
  return rt::poll_fn([is_so](rt::Context& cx) {
    if (is_so()) return rt::Poll<void>(rt::kReady);
    cx.waker().wake_by_ref();
    return rt::Poll<void>(rt::kPending);
  });
}

std::unique_ptr<rt::Runtime> make() {
  return rt::Runtime::Builder()
      .worker_threads(2)
      .on_unhandled_exception([](auto&&...) noexcept {})
      .build()
      .value();
}

// Its budget ends each poll, and it is in the next one that it is told.
TEST(Cancellation, EndsWorkThatNeverHasToWait) {
  const std::unique_ptr<rt::Runtime> runtime = make();
  const rt::CancellationToken token;
  const auto never_waits = [&token]() -> Async<> {
    rt::ManualEvent event;
    event.set();
    for (int i = 0;; ++i) {
      co_await event.wait();
      if (i == 300) token.cancel();
    }
  };
  const auto output = runtime->block_on(runtime->spawn(token.run_until_cancelled(never_waits())));
  EXPECT_FALSE(output.has_value());
}

TEST(InFlight, WithoutAnyItEndsAtOnce) {
  const std::unique_ptr<rt::Runtime> runtime = make();
  InFlight requests;
  const InFlight::Ended ended =
      runtime->block_on(requests.finish_until(rt::Instant::infinite_future()));
  EXPECT_EQ(ended.finished + ended.failed + ended.aborted, 0u);
}

TEST(InFlight, IfAllFinishItDoesNotWaitForTheDeadline) {
  const std::unique_ptr<rt::Runtime> runtime = make();
  InFlight requests;
  const auto serve = [&]() -> Async<InFlight::Ended> {
    for (int i = 0; i < 50; ++i) requests.spawn(rt::ready(i));
    co_return co_await requests.finish_until(rt::Instant::infinite_future());
  };
  const InFlight::Ended ended = runtime->block_on(serve());
  EXPECT_EQ(ended.finished, 50u);
  EXPECT_EQ(ended.failed + ended.aborted, 0u);
}

TEST(InFlight, SaysHowManyOfEach) {
  const std::unique_ptr<rt::Runtime> runtime = make();
  testkit::LifeCounter life;
  InFlight requests;
  const auto fails = []() -> Async<> {
    throw std::runtime_error("broken");
    co_return;
  };
  const auto waits = [](testkit::Token) -> Async<> { co_await never(); };
  const auto serve = [&]() -> Async<InFlight::Ended> {
    for (int i = 0; i < 5; ++i) requests.spawn(rt::ready(i));
    for (int i = 0; i < 2; ++i) requests.spawn(fails());
    for (int i = 0; i < 3; ++i) requests.spawn(waits(life.token()));
    co_await until([&] { return requests.size() == 3; });
    co_return co_await requests.finish_until(rt::clock::now());
  };
  const InFlight::Ended ended = runtime->block_on(serve());
  EXPECT_EQ(ended.finished, 5u);
  EXPECT_EQ(ended.failed, 2u);
  EXPECT_EQ(ended.aborted, 3u);
  EXPECT_EQ(life.live(), 0) << "those that were aborted are gone";
}

TEST(InFlight, DestroyedItEndsWhatIsLeft) {
  const std::unique_ptr<rt::Runtime> runtime = make();
  testkit::LifeCounter life;
  const auto waits = [](testkit::Token) -> Async<> { co_await never(); };
  const auto serve = [&]() -> Async<> {
    {
      InFlight requests;
      requests.spawn(waits(life.token()));
    }
    co_await until([&] { return life.live() == 0; });
  };
  runtime->block_on(serve());
}

}  // namespace
