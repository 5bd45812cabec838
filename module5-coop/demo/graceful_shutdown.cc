// A server that is told to stop while it is at work.
//
//   graceful_shutdown              eight requests: five take a moment, three would take an hour
//   graceful_shutdown --self-test  the same
//
// It stops accepting at once, finishes what it can within half a second, and gives up the rest. Who
// asked for one of those sees that the connection has ended. Exercise 5.6 is what it takes.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "demo/listening.h"
#include "rt/future/async.h"
#include "rt/future/manual_event.h"
#include "rt/net/tcp.h"
#include "rt/platform/clock.h"
#include "rt/runtime/in_flight.h"
#include "rt/runtime/runtime.h"
#include "rt/sync/cancellation_token.h"
#include "rt/task/spawn.h"
#include "rt/time/sleep.h"

namespace {

using rt::Async;

constexpr int kShort = 5, kLong = 3;

class Server {
 public:
  // Until `stop` is cancelled.
  Async<absl::Status> accept_all(rt::CancellationToken stop, rt::TcpListener listener) {
    while (true) {
      auto next = co_await stop.run_until_cancelled(listener.accept());
      if (!next.has_value()) co_return absl::OkStatus();
      if (!next->ok()) co_return next->status();
      requests_.spawn(serve_one(**std::move(next)));
    }
  }

  Async<rt::InFlight::Ended> finish(absl::Duration grace) {
    return requests_.finish_until(rt::clock::now() + grace);
  }
  rt::ManualEvent::Wait all_have_begun() { return begun_.wait(); }

 private:
  // A request is one letter: 's' takes 20 milliseconds, and all others an hour.
  Async<> serve_one(rt::TcpStream stream) {
    std::array<char, 1> request;
    const absl::StatusOr<std::size_t> got = co_await stream.read(absl::MakeSpan(request));
    if (!got.ok() || *got == 0) co_return;
    if (count_.fetch_add(1) + 1 == kShort + kLong) begun_.set();
    co_await rt::sleep(request[0] == 's' ? absl::Milliseconds(20) : absl::Hours(1));
    static_cast<void>(co_await stream.write_all("done"));
  }

  rt::InFlight requests_;
  std::atomic<int> count_{0};
  rt::ManualEvent begun_;
};

// True if it was answered.
Async<bool> ask(uint16_t port, bool is_short) {
  absl::StatusOr<rt::TcpStream> stream =
      co_await rt::TcpStream::connect(rt::SocketAddress::loopback(port));
  if (!stream.ok()) co_return false;
  const absl::Status asked = co_await stream->write_all(is_short ? "s" : "l");
  if (!asked.ok()) co_return false;
  std::array<char, 8> answer;
  const absl::StatusOr<std::size_t> got = co_await stream->read(absl::MakeSpan(answer));
  co_return got.ok() && *got > 0;
}

// True if all went as it should.
Async<bool> day(Server& server, rt::TcpListener listener, uint16_t port) {
  const rt::CancellationToken stop;
  auto accepting = rt::spawn(server.accept_all(stop, std::move(listener)));
  std::vector<rt::JoinHandle<bool>> clients;
  for (int i = 0; i < kShort + kLong; ++i) clients.push_back(rt::spawn(ask(port, i < kShort)));
  co_await server.all_have_begun();

  absl::PrintF("%d requests are in flight. Stop!\n", kShort + kLong);
  stop.cancel();
  const absl::Status accepted = co_await std::move(accepting);
  const rt::InFlight::Ended ended = co_await server.finish(absl::Milliseconds(500));
  absl::PrintF("%d finished, %d failed, %d aborted\n", ended.finished, ended.failed, ended.aborted);

  int answered = 0;
  for (rt::JoinHandle<bool>& client : clients) {
    const bool was_answered = co_await std::move(client);
    answered += was_answered ? 1 : 0;
  }
  absl::PrintF("%d clients were answered\n", answered);
  co_return accepted.ok() && ended.finished == kShort&& ended.aborted == kLong&& answered == kShort;
}

}  // namespace

int main() {
  absl::StatusOr<std::unique_ptr<rt::Runtime>> runtime = rt::Runtime::create(2);
  if (!runtime.ok()) {
    absl::FPrintF(stderr, "graceful_shutdown: %s\n", runtime.status().ToString());
    return 1;
  }
  std::optional<rt::TcpListener> listener;
  const absl::StatusOr<uint16_t> port = demo::listen_on(0, (*runtime)->driver(), listener);
  if (!port.ok()) {
    absl::FPrintF(stderr, "graceful_shutdown: %s\n", port.status().ToString());
    return 1;
  }
  Server server;
  return (*runtime)->block_on(day(server, *std::move(listener), *port)) ? 0 : 1;
}
