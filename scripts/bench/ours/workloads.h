// The workloads of common/program.h for a runtime of the course: spawn, channels, timers and TCP as
// the modules offer them, on whichever runtime is named.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/program.h"
#include "rt/driver/io_operation.h"
#include "rt/driver/io_source.h"
#include "rt/driver/readiness.h"
#include "rt/future/async.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/poll.h"
#include "rt/future/yield_now.h"
#include "rt/net/tcp.h"
#include "rt/platform/blocks.h"
#include "rt/platform/sys.h"
#include "rt/sync/mpsc.h"
#include "rt/sync/oneshot.h"
#include "rt/task/spawn.h"
#include "rt/time/sleep.h"

namespace bench {

template <class Runtime>
class OursWorkloads {
 public:
  static void spawn(Size size) {
    Runtime runtime(size.workers);
    print("spawn", runtime.run([&] { return spawn_main(size.n); }));
  }
  static void yield_one(Size size) {
    Runtime runtime(size.workers);
    print("yield-one", runtime.run([&] { return yield_one_main(size.n); }));
  }
  static void yield_many(Size size) {
    Runtime runtime(size.workers);
    print("yield-many", runtime.run([&] { return yield_many_main(size.n / kYielders); }));
  }
  static void ping_pong(Size size) {
    Runtime runtime(size.workers);
    print("ping-pong", runtime.run([&] { return ping_pong_main(size.n); }));
  }
  static void chain(Size size) {
    Runtime runtime(size.workers);
    print("chain", runtime.run([&] { return chain_main(size.n); }));
  }
  static void channel(Size size) {
    Runtime runtime(size.workers);
    print("channel", runtime.run([&] { return channel_main(size.n); }));
  }
  static void timer(Size size) {
    Runtime runtime(size.workers);
    print(runtime.run([&] { return timer_main(size.n); }));
  }
  static void idle(Size size) {
    waiting("idle", size, [](std::atomic<std::uint64_t>& count) { return Never(count); });
  }
  static void idle_async(Size size) { waiting("idle-async", size, &idle_one); }
  static void sleeping(Size size) { waiting("sleeping", size, &sleeping_one); }
  static void skynet(Size size) {
    Runtime runtime(size.workers);
    print("skynet", runtime.run([&] { return skynet_main(size.n); }));
  }
  static void start_stop(Size size) {
    const Clock::time_point start = Clock::now();
    for (std::uint64_t i = 0; i < size.n; ++i) {
      Runtime runtime(size.workers);
      runtime.run([] { return nothing(); });
    }
    print("start-stop", ns_since(start) / 1e3 / static_cast<double>(size.n));
  }
  static void greedy(Size size) {
    Runtime runtime(size.workers);
    print("greedy", runtime.run([&] { return greedy_main(size.n); }));
  }
  static void echo(Size size) { serve(size, &echo_one); }
  static void echo_idle(Size size) { serve(size, &echo_idle_one); }

 private:
  using Number = std::uint64_t;

  static double each(Clock::time_point start, std::uint64_t n) {
    return ns_since(start) / static_cast<double>(n);
  }

  static rt::Async<> nothing() { co_return; }

  static rt::Async<double> spawn_main(std::uint64_t n) {
    std::vector<rt::JoinHandle<void>> handles;
    handles.reserve(n);
    const Clock::time_point start = Clock::now();
    for (std::uint64_t i = 0; i < n; ++i) handles.push_back(rt::spawn(nothing()));
    for (rt::JoinHandle<void>& handle : handles) co_await handle;
    co_return each(start, n);
  }

  static rt::Async<double> yield_one_main(std::uint64_t n) {
    const Clock::time_point start = Clock::now();
    for (std::uint64_t i = 0; i < n; ++i) co_await rt::yield_now();
    co_return each(start, n);
  }

  static rt::Async<> yielder(std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) co_await rt::yield_now();
  }
  static rt::Async<double> yield_many_main(std::uint64_t times) {
    std::vector<rt::JoinHandle<void>> handles;
    handles.reserve(kYielders);
    const Clock::time_point start = Clock::now();
    for (std::uint64_t i = 0; i < kYielders; ++i) handles.push_back(rt::spawn(yielder(times)));
    for (rt::JoinHandle<void>& handle : handles) co_await handle;
    co_return each(start, kYielders * times);
  }

  static rt::Async<> there_and_back(std::uint64_t n, rt::mpsc::Sender<Number> there,
                                    rt::mpsc::Receiver<Number> back) {
    for (std::uint64_t i = 0; i < n; ++i) {
      co_await there.send(i);
      co_await back.recv();
    }
  }
  static rt::Async<> back_again(std::uint64_t n, rt::mpsc::Receiver<Number> there,
                                rt::mpsc::Sender<Number> back) {
    for (std::uint64_t i = 0; i < n; ++i) {
      const std::optional<Number> number = co_await there.recv();
      co_await back.send(number.value_or(0));
    }
  }
  static rt::Async<double> ping_pong_main(std::uint64_t n) {
    auto there = rt::mpsc::channel<Number>(1), back = rt::mpsc::channel<Number>(1);
    const Clock::time_point start = Clock::now();
    auto a = rt::spawn(there_and_back(n, std::move(there.first), std::move(back.second)));
    auto b = rt::spawn(back_again(n, std::move(there.second), std::move(back.first)));
    co_await a;
    co_await b;
    co_return each(start, n);
  }

  static rt::Async<> link(std::uint64_t left, rt::oneshot::Sender<bool> done) {
    if (left == 0) {
      std::move(done).send(true);
    } else {
      rt::spawn(link(left - 1, std::move(done))).detach();
    }
    co_return;
  }
  static rt::Async<double> chain_main(std::uint64_t n) {
    auto done = rt::oneshot::channel<bool>();
    const Clock::time_point start = Clock::now();
    rt::spawn(link(n, std::move(done.first))).detach();
    co_await done.second;
    co_return each(start, n);
  }

  static rt::Async<> produce(std::uint64_t n, rt::mpsc::Sender<Number> sender) {
    for (std::uint64_t i = 0; i < n; ++i) co_await sender.send(i);
  }
  static rt::Async<std::uint64_t> consume(rt::mpsc::Receiver<Number> receiver) {
    std::uint64_t sum = 0;
    while (true) {
      const std::optional<Number> number = co_await receiver.recv();
      if (!number.has_value()) co_return sum;
      sum += *number;
    }
  }
  static rt::Async<double> channel_main(std::uint64_t n) {
    auto ends = rt::mpsc::channel<Number>(kChannelCapacity);
    const Clock::time_point start = Clock::now();
    auto producer = rt::spawn(produce(n, std::move(ends.first)));
    auto consumer = rt::spawn(consume(std::move(ends.second)));
    co_await producer;
    const std::uint64_t sum = co_await consumer;
    const double ns = ns_since(start);
    check(sum == n * (n - 1) / 2, "channel: messages were lost");
    co_return static_cast<double>(n) * 1e3 / ns;
  }

  // Polls each of the sleeps once, with the waker of the task.
  class PollAll {
   public:
    using Output = void;
    PollAll(std::vector<rt::Sleep>& sleeps, std::uint64_t n) noexcept : sleeps_(sleeps), n_(n) {}
    rt::Poll<void> poll(rt::Context& cx) {
      for (std::uint64_t i = 0; i < n_; ++i) {
        sleeps_.emplace_back(absl::Milliseconds(static_cast<std::int64_t>(timer_ms(i))));
        check(sleeps_.back().poll(cx).is_pending(), "timer: a sleep of a minute is over");
      }
      return rt::kReady;
    }

   private:
    std::vector<rt::Sleep>& sleeps_;
    std::uint64_t n_;
  };
  static rt::Async<Values> timer_main(std::uint64_t n) {
    const double before = heap_in_use();
    std::vector<rt::Sleep> sleeps;
    sleeps.reserve(n);
    const Clock::time_point start = Clock::now();
    co_await PollAll(sleeps, n);
    const double insert = each(start, n);
    const double bytes = (heap_in_use() - before) / static_cast<double>(n);
    const Clock::time_point middle = Clock::now();
    sleeps.clear();
    const double cancel = each(middle, n);
    Values values;
    values.emplace_back("timer-insert", insert);
    values.emplace_back("timer-cancel", cancel);
    values.emplace_back("timer-bytes", bytes);
    co_return values;
  }

  // Pending for ever, and counts the task that waits for it.
  class Never {
   public:
    using Output = void;
    explicit Never(std::atomic<std::uint64_t>& waiting) noexcept : waiting_(waiting) {}
    rt::Poll<void> poll(rt::Context&) {
      waiting_.fetch_add(1);
      return rt::kPending;
    }

   private:
    std::atomic<std::uint64_t>& waiting_;
  };
  static rt::Async<> idle_one(std::atomic<std::uint64_t>& waiting) { co_await Never(waiting); }
  static rt::Async<> sleeping_one(std::atomic<std::uint64_t>& waiting) {
    waiting.fetch_add(1);
    co_await rt::sleep(absl::Hours(1));
  }
  // Of which blocks takes its own from the system, past malloc.
  static double memory_in_use() { return heap_in_use() + static_cast<double>(rt::blocks::taken()); }
  // `make`: a task, which counts itself.
  template <class Make>
  static void waiting(const char* name, Size size, Make make) {
    Runtime runtime(size.workers);
    std::atomic<std::uint64_t> count{0};
    print_and_leave(name, runtime.run([&] { return waiting_main(size.n, count, make); }));
  }
  template <class Make>
  static rt::Async<double> waiting_main(std::uint64_t n, std::atomic<std::uint64_t>& waiting,
                                        Make& make) {
    std::vector<rt::JoinHandle<void>> handles;
    handles.reserve(n);
    const double before = memory_in_use();
    for (std::uint64_t i = 0; i < n; ++i) handles.push_back(rt::spawn(make(waiting)));
    while (waiting.load() < n) co_await rt::yield_now();
    // The last may have counted itself, and not have come to its wait.
    co_await rt::sleep(absl::Milliseconds(20));
    co_return (memory_in_use() - before) / static_cast<double>(n);
  }

  static rt::Async<std::uint64_t> node(std::uint64_t first, std::uint64_t leaves) {
    if (leaves == 1) co_return first;
    const std::uint64_t step = leaves / 10;
    std::vector<rt::JoinHandle<std::uint64_t>> children;
    children.reserve(10);
    for (std::uint64_t i = 0; i < 10; ++i) {
      children.push_back(rt::spawn(node(first + i * step, step)));
    }
    std::uint64_t sum = 0;
    for (rt::JoinHandle<std::uint64_t>& child : children) sum += co_await child;
    co_return sum;
  }
  static rt::Async<double> skynet_main(std::uint64_t n) {
    const Clock::time_point start = Clock::now();
    const std::uint64_t sum = co_await rt::spawn(node(0, n));
    const double ns = ns_since(start);
    check(sum == n * (n - 1) / 2, "skynet: the sum is wrong");
    co_return ns / 1e6;
  }

  static rt::Async<> hog(const std::atomic<bool>& over) {
    while (!over.load(std::memory_order_relaxed)) {
    }
    co_return;
  }
  static rt::Async<double> watch(rt::mpsc::Receiver<Clock::time_point> receiver) {
    std::vector<double> waits;
    while (true) {
      const std::optional<Clock::time_point> sent = co_await receiver.recv();
      if (!sent.has_value()) co_return p99(std::move(waits)) / 1e3;
      waits.push_back(ns_since(*sent));
    }
  }
  static rt::Async<double> greedy_main(std::uint64_t n) {
    std::atomic<bool> over{false};
    auto ends = rt::mpsc::channel<Clock::time_point>(kChannelCapacity);
    auto greedy = rt::spawn(hog(over));
    auto watching = rt::spawn(watch(std::move(ends.second)));
    std::thread outside([n, &over, sender = std::move(ends.first)]() mutable {
      for (std::uint64_t i = 0; i < n; ++i) {
        std::this_thread::sleep_for(std::chrono::microseconds(kGreedyPauseUs));
        sender.try_send(Clock::now());
      }
      over.store(true);
    });
    const double worst = co_await watching;
    co_await greedy;
    outside.join();
    co_return worst;
  }

  // --- Echo ---

  using Serve = rt::Async<> (*)(rt::TcpStream);

  static rt::Async<> echo_one(rt::TcpStream stream) {
    std::array<char, kEchoBuffer> buffer;
    while (true) {
      const absl::StatusOr<std::size_t> got = co_await stream.read(absl::MakeSpan(buffer));
      if (!got.ok() || *got == 0) co_return;
      const absl::string_view data(buffer.data(), *got);
      const absl::Status written = co_await stream.write_all(data);
      if (!written.ok()) co_return;
    }
  }

  // One read into the stack of whoever polls, and one write of the same. What the kernel does not
  // take at once is kept.
  class EchoOnce {
   public:
    using Output = bool;  // False: the connection has ended.
    EchoOnce(rt::IoSource& source, std::string& rest) noexcept
        : operation_(source, rt::Direction::kRead), rest_(rest) {}
    rt::Poll<bool> poll(rt::Context& cx) {
      const rt::Poll<ssize_t> answer =
          operation_.poll(cx, kEchoBuffer, [this](int fd) { return pass(fd); });
      if (answer.is_pending()) return rt::kPending;
      return answer.value() > 0;
    }

   private:
    ssize_t pass(int fd) {
      std::array<char, kEchoBuffer> buffer;
      const ssize_t got = rt::sys::read(fd, buffer.data(), buffer.size());
      if (got <= 0) return got;
      const auto size = static_cast<std::size_t>(got);
      const ssize_t put = rt::sys::write(fd, buffer.data(), size);
      const std::size_t done = put < 0 ? 0 : static_cast<std::size_t>(put);
      if (done < size) rest_.assign(buffer.data() + done, size - done);
      return got;
    }
    rt::IoOperation operation_;
    std::string& rest_;
  };
  // Shows what a stream is made of.
  class OpenStream final : public rt::TcpStream {
   public:
    explicit OpenStream(rt::TcpStream stream) noexcept : rt::TcpStream(std::move(stream)) {}
    using rt::TcpStream::source;
  };
  static rt::Async<> echo_idle_one(rt::TcpStream given) {
    OpenStream stream(std::move(given));
    std::string rest;
    while (co_await EchoOnce(stream.source(), rest)) {
      if (rest.empty()) continue;
      const absl::Status written = co_await stream.write_all(rest);
      if (!written.ok()) co_return;
      rest.clear();
    }
  }

  static rt::Async<> accept_all(rt::TcpListener& listener, Serve serve_one) {
    while (true) {
      absl::StatusOr<rt::TcpStream> stream = co_await listener.accept();
      check(stream.ok(), "echo: accept failed");
      stream->set_nodelay(true).IgnoreError();
      rt::spawn(serve_one(*std::move(stream))).detach();
    }
  }
  static void serve(Size size, Serve serve_one) {
    Runtime runtime(size.workers);
    rt::TcpListener listener = runtime.bind();
    end_with_stdin(listener.local_address()->port());
    runtime.run([&] { return accept_all(listener, serve_one); });
  }

  static void check(bool fine, const char* otherwise) {
    if (fine) return;
    std::fprintf(stderr, "%s\n", otherwise);
    std::_Exit(1);
  }
};

template <class Runtime>
Workloads workloads() {
  using All = OursWorkloads<Runtime>;
  return {
      {"spawn", All::spawn},         {"yield-one", All::yield_one}, {"yield-many", All::yield_many},
      {"ping-pong", All::ping_pong}, {"chain", All::chain},         {"channel", All::channel},
      {"timer", All::timer},         {"idle", All::idle},           {"idle-async", All::idle_async},
      {"sleeping", All::sleeping},   {"skynet", All::skynet},       {"start-stop", All::start_stop},
      {"greedy", All::greedy},       {"echo", All::echo},           {"echo-idle", All::echo_idle},
  };
}

}  // namespace bench
