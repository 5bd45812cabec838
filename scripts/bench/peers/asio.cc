// Asio: coroutines on an io_context that WORKERS threads run. It has no handles to join: who waits
// for many counts them down, and the last one tells.
#include <array>
#include <asio.hpp>
#include <asio/experimental/concurrent_channel.hpp>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/program.h"

namespace {

using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;
using bench::Clock;
using bench::Size;

using Channel = asio::experimental::concurrent_channel<void(asio::error_code, std::uint64_t)>;
using Times = asio::experimental::concurrent_channel<void(asio::error_code, Clock::time_point)>;

class Runtime {
 public:
  explicit Runtime(unsigned workers) : context_(static_cast<int>(workers)), work_(executor()) {
    for (unsigned i = 0; i < workers; ++i) threads_.emplace_back([this] { context_.run(); });
  }
  ~Runtime() {
    work_.reset();
    context_.stop();
    for (std::thread& thread : threads_) thread.join();
  }
  asio::io_context& context() { return context_; }
  // Runs it on a worker, and waits until it has ended.
  void run(awaitable<void> main) {
    asio::co_spawn(context_, std::move(main), asio::use_future).get();
  }

 private:
  asio::io_context::executor_type executor() { return context_.get_executor(); }

  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<std::thread> threads_;
};

// Tells the one who waits when `count` have come. It is never destroyed: when he goes on, the last
// who came may still be inside of it.
class Countdown {
 public:
  static Countdown& of(asio::any_io_executor executor, std::uint64_t count) {
    return *new Countdown(std::move(executor), count);
  }
  void come() {
    if (left_.fetch_sub(1) == 1) told_.try_send(asio::error_code(), std::uint64_t{0});
  }
  awaitable<void> wait() { co_await told_.async_receive(use_awaitable); }

 private:
  Countdown(asio::any_io_executor executor, std::uint64_t count)
      : left_(count), told_(std::move(executor), 1) {}

  std::atomic<std::uint64_t> left_;
  Channel told_;
};

awaitable<void> yield_now() {
  co_await asio::post(co_await asio::this_coro::executor, use_awaitable);
}

awaitable<void> nothing() {
  co_await asio::post(co_await asio::this_coro::executor, use_awaitable);
}

awaitable<void> spawn_main(std::uint64_t n) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Countdown& all = Countdown::of(executor, n);
  const Clock::time_point start = Clock::now();
  for (std::uint64_t i = 0; i < n; ++i) {
    asio::co_spawn(executor, nothing(), [&all](std::exception_ptr) { all.come(); });
  }
  co_await all.wait();
  bench::print("spawn", bench::ns_since(start) / static_cast<double>(n));
}

awaitable<void> yielder(std::uint64_t times) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  for (std::uint64_t i = 0; i < times; ++i) co_await asio::post(executor, use_awaitable);
}
awaitable<void> yield_one_main(std::uint64_t n) {
  const Clock::time_point start = Clock::now();
  co_await yielder(n);
  bench::print("yield-one", bench::ns_since(start) / static_cast<double>(n));
}
awaitable<void> yield_many_main(std::uint64_t times) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Countdown& all = Countdown::of(executor, bench::kYielders);
  const Clock::time_point start = Clock::now();
  for (std::uint64_t i = 0; i < bench::kYielders; ++i) {
    asio::co_spawn(executor, yielder(times), [&all](std::exception_ptr) { all.come(); });
  }
  co_await all.wait();
  bench::print("yield-many",
               bench::ns_since(start) / static_cast<double>(bench::kYielders * times));
}

awaitable<void> there_and_back(std::uint64_t n, Channel& there, Channel& back) {
  for (std::uint64_t i = 0; i < n; ++i) {
    co_await there.async_send(asio::error_code(), i, use_awaitable);
    co_await back.async_receive(use_awaitable);
  }
}
awaitable<void> back_again(std::uint64_t n, Channel& there, Channel& back) {
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t number = co_await there.async_receive(use_awaitable);
    co_await back.async_send(asio::error_code(), number, use_awaitable);
  }
}
awaitable<void> ping_pong_main(std::uint64_t n) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Channel there(executor, 1), back(executor, 1);
  Countdown& both = Countdown::of(executor, 2);
  auto come = [&both](std::exception_ptr) { both.come(); };
  const Clock::time_point start = Clock::now();
  asio::co_spawn(executor, there_and_back(n, there, back), come);
  asio::co_spawn(executor, back_again(n, there, back), come);
  co_await both.wait();
  bench::print("ping-pong", bench::ns_since(start) / static_cast<double>(n));
}

awaitable<void> link(std::uint64_t left, Countdown& end) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, use_awaitable);
  if (left == 0) {
    end.come();
    co_return;
  }
  asio::co_spawn(executor, link(left - 1, end), asio::detached);
}
awaitable<void> chain_main(std::uint64_t n) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Countdown& end = Countdown::of(executor, 1);
  const Clock::time_point start = Clock::now();
  asio::co_spawn(executor, link(n, end), asio::detached);
  co_await end.wait();
  bench::print("chain", bench::ns_since(start) / static_cast<double>(n));
}

awaitable<void> produce(std::uint64_t n, Channel& channel) {
  for (std::uint64_t i = 0; i < n; ++i) {
    co_await channel.async_send(asio::error_code(), i, use_awaitable);
  }
}
awaitable<void> consume(std::uint64_t n, Channel& channel, std::uint64_t& sum) {
  for (std::uint64_t i = 0; i < n; ++i) sum += co_await channel.async_receive(use_awaitable);
}
awaitable<void> channel_main(std::uint64_t n) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Channel channel(executor, bench::kChannelCapacity);
  Countdown& both = Countdown::of(executor, 2);
  std::uint64_t sum = 0;
  auto come = [&both](std::exception_ptr) { both.come(); };
  const Clock::time_point start = Clock::now();
  asio::co_spawn(executor, produce(n, channel), come);
  asio::co_spawn(executor, consume(n, channel, sum), come);
  co_await both.wait();
  const double ns = bench::ns_since(start);
  if (sum != n * (n - 1) / 2) std::abort();
  bench::print("channel", static_cast<double>(n) * 1e3 / ns);
}

awaitable<void> timer_main(std::uint64_t n) {
  const auto executor = co_await asio::this_coro::executor;
  const double before = bench::heap_in_use();
  std::vector<asio::steady_timer> timers;
  timers.reserve(n);
  const Clock::time_point start = Clock::now();
  for (std::uint64_t i = 0; i < n; ++i) {
    timers.emplace_back(executor, std::chrono::milliseconds(bench::timer_ms(i)))
        .async_wait([](asio::error_code) {});
  }
  const auto count = static_cast<double>(n);
  const double insert = bench::ns_since(start) / count;
  const double bytes = (bench::heap_in_use() - before) / count;
  const Clock::time_point middle = Clock::now();
  timers.clear();
  const double cancel = bench::ns_since(middle) / count;
  bench::print({{"timer-insert", insert}, {"timer-cancel", cancel}, {"timer-bytes", bytes}});
}

awaitable<void> sleeper(std::atomic<std::uint64_t>& waiting) {
  waiting.fetch_add(1);
  asio::steady_timer hour(co_await asio::this_coro::executor, std::chrono::hours(1));
  co_await hour.async_wait(use_awaitable);
}
awaitable<void> sleeping_main(std::uint64_t n) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  std::atomic<std::uint64_t> waiting{0};
  const double before = bench::heap_in_use();
  for (std::uint64_t i = 0; i < n; ++i) asio::co_spawn(executor, sleeper(waiting), asio::detached);
  while (waiting.load() < n) co_await yield_now();
  asio::steady_timer moment(executor, std::chrono::milliseconds(20));
  co_await moment.async_wait(use_awaitable);
  bench::print_and_leave("sleeping", (bench::heap_in_use() - before) / static_cast<double>(n));
}

void start_stop(Size size) {
  const Clock::time_point start = Clock::now();
  for (std::uint64_t i = 0; i < size.n; ++i) {
    Runtime runtime(size.workers);
    runtime.run(nothing());
  }
  bench::print("start-stop", bench::ns_since(start) / 1e3 / static_cast<double>(size.n));
}

awaitable<void> hog(const std::atomic<bool>& over) {
  co_await yield_now();
  while (!over.load(std::memory_order_relaxed)) {
  }
  co_return;
}
awaitable<void> watch(std::uint64_t n, Times& times) {
  std::vector<double> waits;
  for (std::uint64_t i = 0; i < n; ++i) {
    waits.push_back(bench::ns_since(co_await times.async_receive(use_awaitable)));
  }
  bench::print("greedy", bench::p99(std::move(waits)) / 1e3);
}
awaitable<void> greedy_main(std::uint64_t n) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  std::atomic<bool> over{false};
  Times times(executor, bench::kChannelCapacity);
  Countdown& both = Countdown::of(executor, 2);
  auto come = [&both](std::exception_ptr) { both.come(); };
  asio::co_spawn(executor, hog(over), come);
  asio::co_spawn(executor, watch(n, times), come);
  std::thread outside([n, &times, &over] {
    for (std::uint64_t i = 0; i < n; ++i) {
      std::this_thread::sleep_for(std::chrono::microseconds(bench::kGreedyPauseUs));
      times.try_send(asio::error_code(), Clock::now());
    }
    over.store(true);
  });
  co_await both.wait();
  outside.join();
}

// --- Echo ---

// co_await gives what there is, and leaves the error in `error`.
auto telling(asio::error_code& error) { return asio::redirect_error(use_awaitable, error); }

awaitable<void> echo_one(tcp::socket socket) {
  std::array<char, bench::kEchoBuffer> buffer;
  asio::error_code error;
  while (true) {
    const std::size_t got = co_await socket.async_read_some(asio::buffer(buffer), telling(error));
    if (error) co_return;
    co_await asio::async_write(socket, asio::buffer(buffer.data(), got), telling(error));
    if (error) co_return;
  }
}

// One read into the stack, and one write of the same. What the kernel does not take is kept.
bool pass(tcp::socket& socket, std::string& rest, asio::error_code& error) {
  std::array<char, bench::kEchoBuffer> buffer;
  const std::size_t got = socket.read_some(asio::buffer(buffer), error);
  if (error == asio::error::would_block) return true;
  if (error) return false;
  const std::size_t put = socket.write_some(asio::buffer(buffer.data(), got), error);
  rest.assign(buffer.data() + put, got - put);
  return !error || error == asio::error::would_block;
}
awaitable<void> echo_idle_one(tcp::socket socket) {
  socket.non_blocking(true);
  asio::error_code error;
  std::string rest;
  while (true) {
    co_await socket.async_wait(tcp::socket::wait_read, telling(error));
    if (error || !pass(socket, rest, error)) co_return;
    if (rest.empty()) continue;
    co_await asio::async_write(socket, asio::buffer(rest), telling(error));
    if (error) co_return;
  }
}

using Serve = awaitable<void> (*)(tcp::socket);

awaitable<void> accept_all(tcp::acceptor& acceptor, Serve serve_one) {
  while (true) {
    tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
    socket.set_option(tcp::no_delay(true));
    asio::co_spawn(socket.get_executor(), serve_one(std::move(socket)), asio::detached);
  }
}
void serve(Size size, Serve serve_one) {
  Runtime runtime(size.workers);
  tcp::acceptor acceptor(runtime.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  acceptor.listen(4096);
  bench::end_with_stdin(acceptor.local_endpoint().port());
  runtime.run(accept_all(acceptor, serve_one));
}

template <awaitable<void> (*kMain)(std::uint64_t)>
void in_runtime(Size size) {
  Runtime runtime(size.workers);
  runtime.run(kMain(size.n));
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv,
                    {{"spawn", in_runtime<spawn_main>},
                     {"yield-one", in_runtime<yield_one_main>},
                     {"yield-many",
                      [](Size size) {
                        in_runtime<yield_many_main>(Size(size.n / bench::kYielders, size.workers));
                      }},
                     {"ping-pong", in_runtime<ping_pong_main>},
                     {"chain", in_runtime<chain_main>},
                     {"channel", in_runtime<channel_main>},
                     {"timer", in_runtime<timer_main>},
                     {"sleeping", in_runtime<sleeping_main>},
                     {"start-stop", start_stop},
                     {"greedy", in_runtime<greedy_main>},
                     {"echo", [](Size size) { serve(size, echo_one); }},
                     {"echo-idle", [](Size size) { serve(size, echo_idle_one); }}});
}
