// What a message costs: the bounded and the unbounded channel of module 3, and a locked deque
// beside them.
//
//   in_one_thread/N    N messages in, N messages out, and so on: what the steps cost by themselves
//   between_threads/N  one thread sends, another receives, over a channel of capacity N
//   ping_pong          two channels of capacity 1 in one thread: a round trip, without any executor
//   …/wait             the same between two threads that sleep whenever they have to wait
//
//   M_per_s            millions of messages a second
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "rt/future/arc_waker.h"
#include "rt/future/context.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "rt/runtime/block_on.h"
#include "rt/sync/mpsc.h"

namespace {

using Message = std::uint64_t;

struct Nobody {
  static void wake_by_ref(const rt::sync::Arc<Nobody>&) {}
};

// What futures are polled with here.
struct Task {
  rt::Waker waker = rt::waker_from(rt::sync::Arc<Nobody>::make());
  rt::Context cx{waker};
};

void count(benchmark::State& state, std::int64_t messages) {
  state.SetItemsProcessed(messages);
  state.counters["M_per_s"] =
      benchmark::Counter(static_cast<double>(messages) / 1e6, benchmark::Counter::kIsRate);
}

// --- In one thread -------------------------------------------------------------------------------

void bounded_in_one_thread(benchmark::State& state) {
  const auto batch = static_cast<std::size_t>(state.range(0));
  auto ends = rt::mpsc::channel<Message>(batch);
  Task task;
  for (auto _ : state) {
    for (std::size_t i = 0; i < batch; ++i) {
      rt::mpsc::Send<Message> sending = ends.first.send(i);
      benchmark::DoNotOptimize(sending.poll(task.cx).is_ready());
    }
    for (std::size_t i = 0; i < batch; ++i) {
      rt::mpsc::Recv<Message> receiving = ends.second.recv();
      benchmark::DoNotOptimize(receiving.poll(task.cx).value());
    }
  }
  count(state, state.iterations() * state.range(0));
}
BENCHMARK(bounded_in_one_thread)->Arg(1)->Arg(16)->Arg(1024);

void unbounded_in_one_thread(benchmark::State& state) {
  const auto batch = static_cast<std::size_t>(state.range(0));
  auto ends = rt::mpsc::unbounded_channel<Message>();
  Task task;
  for (auto _ : state) {
    for (std::size_t i = 0; i < batch; ++i) benchmark::DoNotOptimize(ends.first.send(Message{i}));
    for (std::size_t i = 0; i < batch; ++i) {
      rt::mpsc::Recv<Message> receiving = ends.second.recv();
      benchmark::DoNotOptimize(receiving.poll(task.cx).value());
    }
  }
  count(state, state.iterations() * state.range(0));
}
BENCHMARK(unbounded_in_one_thread)->Arg(16)->Arg(1024);

// The least that a channel could be: no wakers, and nobody waits.
void locked_deque_in_one_thread(benchmark::State& state) {
  const auto batch = static_cast<std::size_t>(state.range(0));
  std::mutex mutex;
  std::deque<Message> messages;
  for (auto _ : state) {
    for (std::size_t i = 0; i < batch; ++i) {
      const std::lock_guard lock(mutex);
      messages.push_back(i);
    }
    for (std::size_t i = 0; i < batch; ++i) {
      const std::lock_guard lock(mutex);
      benchmark::DoNotOptimize(messages.front());
      messages.pop_front();
    }
  }
  count(state, state.iterations() * state.range(0));
}
BENCHMARK(locked_deque_in_one_thread)->Arg(16)->Arg(1024);

// --- Between threads -----------------------------------------------------------------------------

constexpr std::int64_t kMessages = 4'000'000;

void bounded_between_threads(benchmark::State& state) {
  for (auto _ : state) {
    auto ends = rt::mpsc::channel<Message>(static_cast<std::size_t>(state.range(0)));
    std::thread sender([sender = std::move(ends.first)]() mutable {
      for (std::int64_t i = 0; i < kMessages; ++i) {
        if (sender.try_send(static_cast<Message>(i)) == rt::mpsc::TrySend::kSent) continue;
        rt::block_on(sender.send(static_cast<Message>(i)));
      }
    });
    std::int64_t received = 0;
    while (true) {
      const rt::Poll<std::optional<Message>> ready = ends.second.try_recv();
      if (ready.is_pending() ? !rt::block_on(ends.second.recv()).has_value()
                             : !ready.value().has_value()) {
        break;
      }
      ++received;
    }
    sender.join();
    if (received != kMessages) state.SkipWithError("messages were lost");
  }
  count(state, state.iterations() * kMessages);
}
BENCHMARK(bounded_between_threads)->Arg(64)->Arg(1024)->UseRealTime()->Iterations(3);

void unbounded_between_threads(benchmark::State& state) {
  for (auto _ : state) {
    auto ends = rt::mpsc::unbounded_channel<Message>();
    std::thread sender([sender = std::move(ends.first)]() mutable {
      for (std::int64_t i = 0; i < kMessages; ++i) sender.send(static_cast<Message>(i));
    });
    std::int64_t received = 0;
    while (true) {
      const rt::Poll<std::optional<Message>> ready = ends.second.try_recv();
      if (ready.is_pending() ? !rt::block_on(ends.second.recv()).has_value()
                             : !ready.value().has_value()) {
        break;
      }
      ++received;
    }
    sender.join();
    if (received != kMessages) state.SkipWithError("messages were lost");
  }
  count(state, state.iterations() * kMessages);
}
BENCHMARK(unbounded_between_threads)->UseRealTime()->Iterations(3);

// --- Ping-pong -----------------------------------------------------------------------------------

// Each receive is polled before its message is there, so each message stores a waker and wakes.
void ping_pong(benchmark::State& state) {
  auto there = rt::mpsc::channel<Message>(1), back = rt::mpsc::channel<Message>(1);
  Task a, b;
  for (auto _ : state) {
    rt::mpsc::Recv<Message> at_b = there.second.recv(), at_a = back.second.recv();
    benchmark::DoNotOptimize(at_b.poll(b.cx).is_pending());
    rt::mpsc::Send<Message> ping = there.first.send(1);
    benchmark::DoNotOptimize(ping.poll(a.cx).is_ready());
    benchmark::DoNotOptimize(at_a.poll(a.cx).is_pending());
    benchmark::DoNotOptimize(at_b.poll(b.cx).value());
    rt::mpsc::Send<Message> pong = back.first.send(2);
    benchmark::DoNotOptimize(pong.poll(b.cx).is_ready());
    benchmark::DoNotOptimize(at_a.poll(a.cx).value());
  }
}
BENCHMARK(ping_pong);

void ping_pong_between_threads(benchmark::State& state) {
  auto there = rt::mpsc::channel<Message>(1), back = rt::mpsc::channel<Message>(1);
  std::thread other([&there, sender = std::move(back.first)]() mutable {
    while (std::optional<Message> message = rt::block_on(there.second.recv())) {
      rt::block_on(sender.send(*message));
    }
  });
  for (auto _ : state) {
    rt::block_on(there.first.send(1));
    benchmark::DoNotOptimize(rt::block_on(back.second.recv()));
  }
  { const rt::mpsc::Sender<Message> last = std::move(there.first); }
  other.join();
}
BENCHMARK(ping_pong_between_threads)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
