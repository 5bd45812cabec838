// libuv: an event loop on one thread, with callbacks and without tasks. So it has timers and the
// echo server, and WORKERS does not count.
#include <netinet/in.h>
#include <uv.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "common/program.h"

namespace {

using bench::Clock;
using bench::Size;

void check(int answer, const char* call) {
  if (answer >= 0) return;
  std::fprintf(stderr, "%s: %s\n", call, uv_strerror(answer));
  std::_Exit(1);
}

void timer(Size size) {
  uv_loop_t loop;
  check(uv_loop_init(&loop), "uv_loop_init");
  const double before = bench::heap_in_use();
  std::vector<uv_timer_t> timers;
  timers.reserve(size.n);
  const auto n = static_cast<double>(size.n);
  const Clock::time_point start = Clock::now();
  for (std::uint64_t i = 0; i < size.n; ++i) {
    uv_timer_t& timer = timers.emplace_back();
    uv_timer_init(&loop, &timer);
    uv_timer_start(
        &timer, [](uv_timer_t*) {}, bench::timer_ms(i), 0);
  }
  const double insert = bench::ns_since(start) / n, bytes = (bench::heap_in_use() - before) / n;
  const Clock::time_point middle = Clock::now();
  for (uv_timer_t& timer : timers) uv_timer_stop(&timer);
  const double cancel = bench::ns_since(middle) / n;
  bench::print({{"timer-insert", insert}, {"timer-cancel", cancel}, {"timer-bytes", bytes}});
}

// --- Echo ---

struct Connection {
  uv_tcp_t stream;
  char* own;  // Null: reads go into the loop's buffer.
};

void close_connection(uv_stream_t* stream) {
  uv_close(reinterpret_cast<uv_handle_t*>(stream), [](uv_handle_t* handle) {
    auto* const connection = static_cast<Connection*>(handle->data);
    delete[] connection->own;
    delete connection;
  });
}

// What the kernel does not take at once.
void write_rest(uv_stream_t* stream, const char* data, std::size_t size) {
  struct Write {
    uv_write_t request;
    std::string rest;
  };
  auto* const write = new Write{};
  write->rest.assign(data, size);
  write->request.data = write;
  uv_buf_t buffer = uv_buf_init(write->rest.data(), static_cast<unsigned>(write->rest.size()));
  uv_write(&write->request, stream, &buffer, 1,
           [](uv_write_t* request, int) { delete static_cast<Write*>(request->data); });
}

void give_buffer(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
  static std::array<char, bench::kEchoBuffer> shared;
  char* const own = static_cast<Connection*>(handle->data)->own;
  *buffer = uv_buf_init(own != nullptr ? own : shared.data(), bench::kEchoBuffer);
}

void pass(uv_stream_t* stream, ssize_t got, const uv_buf_t* buffer) {
  if (got < 0) return close_connection(stream);
  const auto size = static_cast<std::size_t>(got);
  uv_buf_t out = uv_buf_init(buffer->base, static_cast<unsigned>(size));
  const int put = uv_try_write(stream, &out, 1);
  const std::size_t done = put < 0 ? 0 : static_cast<std::size_t>(put);
  if (done < size) write_rest(stream, buffer->base + done, size - done);
}

void welcome(uv_stream_t* listener, int status) {
  if (status < 0) return;
  auto* const connection = new Connection{};
  uv_tcp_init(listener->loop, &connection->stream);
  connection->stream.data = connection;
  auto* const stream = reinterpret_cast<uv_stream_t*>(&connection->stream);
  if (listener->data != nullptr) connection->own = new char[bench::kEchoBuffer];
  if (uv_accept(listener, stream) != 0) return close_connection(stream);
  uv_tcp_nodelay(&connection->stream, 1);
  uv_read_start(stream, give_buffer, pass);
}

void serve(bool own_buffers) {
  uv_loop_t loop;
  uv_tcp_t listener;
  check(uv_loop_init(&loop), "uv_loop_init");
  check(uv_tcp_init(&loop, &listener), "uv_tcp_init");
  listener.data = own_buffers ? &listener : nullptr;
  sockaddr_in address{};
  check(uv_ip4_addr("127.0.0.1", 0, &address), "uv_ip4_addr");
  check(uv_tcp_bind(&listener, reinterpret_cast<sockaddr*>(&address), 0), "uv_tcp_bind");
  check(uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 4096, welcome), "uv_listen");
  int length = sizeof address;
  check(uv_tcp_getsockname(&listener, reinterpret_cast<sockaddr*>(&address), &length),
        "uv_tcp_getsockname");
  bench::end_with_stdin(ntohs(address.sin_port));
  uv_run(&loop, UV_RUN_DEFAULT);
}

void echo(Size) { serve(true); }
void echo_idle(Size) { serve(false); }

}  // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, {{"timer", timer}, {"echo", echo}, {"echo-idle", echo_idle}});
}
