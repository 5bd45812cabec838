// Real threads, under ThreadSanitizer. It counts, and never measures a time.
#include <atomic>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "io_parts.h"
#include "rt/driver/io_stream.h"

namespace {

using rt::IoStream;
using testkit::Fd;
using testkit::TestTask;

// Polls until it is ready; another thread turns the reactor.
template <class F>
rt::OutputOf<F> finish(F future) {
  TestTask task;
  for (int wakes = 1;; ++wakes) {
    rt::Poll<rt::OutputOf<F>> result = task.poll(future);
    if (result.is_ready()) return std::move(result).take();
    task.wait_for_wakes(wakes);
  }
}

// Bug it is here for: two halves that share more than the descriptor and its readiness; readiness
// that one thread clears while another sets it.
TEST(TcpStress, TheHalvesOnTwoThreadsAndTheReactorOnAThird) {
  constexpr std::size_t kBytes = 1 << 20;
  io_parts::OnAReactor on;
  auto [end, other] = testkit::socket_pair(SOCK_NONBLOCK);
  IoStream a(io_parts::source_of(std::move(end), "a"));
  IoStream b(io_parts::source_of(std::move(other), "b"));
  auto [a_reads, a_writes] = std::move(a).split();
  auto [b_reads, b_writes] = std::move(b).split();

  const auto send = [](IoStream::WriteHalf half) {
    const std::string part(1000, 'x');
    for (std::size_t sent = 0; sent < kBytes; sent += part.size()) {
      EXPECT_TRUE(finish(half.write_all(part)).ok());
    }
  };  // And the half goes: that is the end.
  const auto receive = [](IoStream::ReadHalf half) {
    char buffer[1500];
    std::size_t all = 0;
    for (;;) {
      const absl::StatusOr<std::size_t> count = finish(half.read(absl::MakeSpan(buffer)));
      EXPECT_TRUE(count.ok());
      if (!count.ok() || *count == 0) break;
      all += *count;
    }
    EXPECT_EQ(all, (kBytes + 999) / 1000 * 1000);
  };

  std::atomic<bool> done = false;
  std::thread turns([&] {
    while (!done) EXPECT_TRUE(on.reactor().turn(absl::InfiniteDuration()).ok());
  });
  {
    std::thread one(send, std::move(a_writes)), two(receive, std::move(b_reads));
    std::thread three(send, std::move(b_writes)), four(receive, std::move(a_reads));
    for (std::thread* thread : {&one, &two, &three, &four}) thread->join();
  }
  done = true;
  on.reactor().interrupt();
  turns.join();
}

}  // namespace
