// Real threads, for ThreadSanitizer: what a sender did before it sent, the receiver can read.
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "rt/runtime/block_on.h"
#include "rt/sync/mpsc.h"
#include "testkit/testkit.h"

namespace {

namespace mpsc = rt::mpsc;
using testkit::LifeCounter;
using testkit::Token;

// From which sender, and its how manyth.
struct Message {
  Message(std::size_t s, int n) : sender(s), number(n) {}
  std::size_t sender;
  int number;
};
using Boxed = std::unique_ptr<Message>;

// Bugs it is here for: a lost wake on either side (it hangs); a value read before it is there; two
// in one slot; one lost, doubled, or out of its sender's order.
void send_and_count(std::size_t capacity, int each) {
  constexpr std::size_t kSenders = 2;
  auto [sender, receiver] = mpsc::channel<Boxed>(capacity);
  std::vector<std::thread> threads;
  for (std::size_t s = 0; s < kSenders; ++s) {
    threads.emplace_back([mine = sender.clone(), s, each]() mutable {
      for (int i = 0; i < each; ++i) {
        ASSERT_TRUE(rt::block_on(mine.send(std::make_unique<Message>(s, i))));
      }
    });
  }
  { const auto dropped = std::move(sender); }
  std::array<int, kSenders> next{};
  while (const std::optional<Boxed> message = rt::block_on(receiver.recv())) {
    ASSERT_EQ((*message)->number, next[(*message)->sender]++);
  }
  for (std::thread& thread : threads) thread.join();
  for (const int n : next) EXPECT_EQ(n, each);
}

TEST(MpscStress, OneSlot) { send_and_count(1, 1'500); }
TEST(MpscStress, TwoSlots) { send_and_count(2, 2'000); }
TEST(MpscStress, ManySlots) { send_and_count(64, 5'000); }

TEST(MpscStress, Unbounded) {
  constexpr int kEach = 5'000;
  auto [sender, receiver] = mpsc::unbounded_channel<Boxed>(2);
  std::vector<std::thread> threads;
  for (std::size_t s = 0; s < 2; ++s) {
    threads.emplace_back([mine = sender.clone(), s]() mutable {
      for (int i = 0; i < kEach; ++i) ASSERT_TRUE(mine.send(std::make_unique<Message>(s, i)));
    });
  }
  { const auto dropped = std::move(sender); }
  std::array<int, 2> next{};
  while (const std::optional<Boxed> message = rt::block_on(receiver.recv())) {
    ASSERT_EQ((*message)->number, next[(*message)->sender]++);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(next[0] + next[1], 2 * kEach);
}

// Bug it is here for: senders who wait, or are on their way in, when the receiver goes.
TEST(MpscStress, TheReceiverGoesInTheMiddle) {
  LifeCounter life("value");
  for (int round = 0; round < 200; ++round) {
    auto [sender, receiver] = mpsc::channel<Token>(2);
    std::vector<std::thread> threads;
    for (int s = 0; s < 2; ++s) {
      threads.emplace_back([mine = sender.clone(), &life]() mutable {
        while (rt::block_on(mine.send(life.token()))) {
        }
      });
    }
    for (int i = 0; i < round % 8; ++i) (void)rt::block_on(receiver.recv());
    { const auto dropped = std::move(receiver); }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(life.live(), 0) << "though a sender is still there";
  }
  EXPECT_EQ(life.destroyed_twice(), 0);
}

// Bug it is here for: a place in the queue that is left at the moment in which it is served.
TEST(MpscStress, ImpatientSenders) {
  constexpr int kRounds = 3'000;
  auto [sender, receiver] = mpsc::channel<int>(1);
  std::thread impatient([mine = sender.clone()]() mutable {
    testkit::TestTask task("impatient");
    for (int i = 0; i < kRounds; ++i) {
      mpsc::Send<int> sending = mine.send(-1);
      [[maybe_unused]] const bool sent = sending.poll(task.cx()).is_ready();
    }
  });
  std::thread patient([mine = std::move(sender)]() mutable {
    for (int i = 0; i < kRounds; ++i) ASSERT_TRUE(rt::block_on(mine.send(i)));
  });
  int next = 0;
  while (const std::optional<int> value = rt::block_on(receiver.recv())) {
    if (*value < 0) continue;  // The impatient one was quick.
    ASSERT_EQ(*value, next++);
  }
  EXPECT_EQ(next, kRounds);
  impatient.join();
  patient.join();
}

}  // namespace
