// A program without traces: the same calls, and nothing behind them.
#define RT_NO_TRACE

#include "rt/runtime/local_runtime.h"
#include "rt/trace/trace.h"
#include "rt/trace/trace_file.h"
#include "testkit/testkit.h"

namespace testkit {
namespace {

namespace trace = rt::trace;

TEST(NoTrace, EveryCallCompilesAndDoesNothing) {
  EXPECT_FALSE(trace::start("/dev/null").ok());
  trace::name_thread("main");
  trace::mark("x");
  trace::spawn(1);
  trace::wake(1);
  trace::enqueue(1, "ready", 1);
  trace::dequeue(1, "ready", 0);
  trace::steal(1, 2);
  trace::unpark();
  trace::io_register(1);
  trace::io_ready(1, "readable");
  trace::timer_set(1, rt::clock::now());
  trace::timer_fire(1);
  trace::budget_spent();
  trace::forced_yield();
  {
    trace::PollScope poll(1);
    const trace::ParkScope park;
    const trace::JobScope job(1);
    EXPECT_EQ(trace::current_task(), 0U);
    poll.ended(true);
  }
  EXPECT_FALSE(trace::enabled());
  EXPECT_TRUE(trace::stop().ok());
}

TEST(NoTrace, ARuntimeRuns) {
  rt::LocalRuntime runtime;
  EXPECT_EQ(runtime.block_on(rt::ready(7)), 7);
}

}  // namespace
}  // namespace testkit
