// Real threads, for ThreadSanitizer: what the sender did before it sent, the receiver can read.
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "rt/runtime/block_on.h"
#include "rt/sync/oneshot.h"
#include "testkit/testkit.h"

namespace {

namespace oneshot = rt::oneshot;
using testkit::LifeCounter;
using testkit::Token;

constexpr std::size_t kRounds = 2'000;

// Bugs it is here for: a lost wake (it hangs), and a value or a waker that two threads touch.
TEST(OneshotStress, EachValueArrives) {
  using Ends = std::pair<oneshot::Sender<std::unique_ptr<std::size_t>>,
                         oneshot::Receiver<std::unique_ptr<std::size_t>>>;
  std::vector<Ends> channels;
  for (std::size_t i = 0; i < kRounds; ++i) {
    channels.push_back(oneshot::channel<std::unique_ptr<std::size_t>>());
  }
  std::thread sender([&channels] {
    for (std::size_t i = 0; i < kRounds; ++i) {
      std::move(channels[i].first).send(std::make_unique<std::size_t>(i));
    }
  });
  for (std::size_t i = 0; i < kRounds; ++i) {
    const auto got = rt::block_on(std::move(channels[i].second));
    ASSERT_EQ(**got, i);
  }
  sender.join();
}

// Bug it is here for: both ends go at the same time, and the value goes twice, or not at all.
TEST(OneshotStress, SendingRacesWithDroppingTheReceiver) {
  LifeCounter life("value");
  std::vector<std::pair<oneshot::Sender<Token>, oneshot::Receiver<Token>>> channels;
  for (std::size_t i = 0; i < kRounds; ++i) channels.push_back(oneshot::channel<Token>());
  std::atomic<std::size_t> turn{0};
  std::thread receiver([&] {
    for (std::size_t i = 0; i < kRounds; ++i) {
      turn.store(i);
      const auto dropped = std::move(channels[i].second);
    }
    turn.store(kRounds);
  });
  for (std::size_t i = 0; i < kRounds; ++i) {
    while (turn.load() < i) std::this_thread::yield();
    const std::optional<Token> back = std::move(channels[i].first).send(life.token());
  }
  receiver.join();
  EXPECT_EQ(life.live(), 0);
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// Bug it is here for: closed() that misses the end of its receiver.
TEST(OneshotStress, TheSenderIsTold) {
  std::vector<std::pair<oneshot::Sender<int>, oneshot::Receiver<int>>> channels;
  for (std::size_t i = 0; i < kRounds; ++i) channels.push_back(oneshot::channel<int>());
  std::thread receiver([&channels] {
    for (auto& ends : channels) {
      const auto dropped = std::move(ends.second);
    }
  });
  for (auto& ends : channels) rt::block_on(ends.first.closed());
  receiver.join();
}

}  // namespace
