// LifeCounter and Token: how many frames, futures and closures are alive.
//
//   LifeCounter life;
//   { auto future = make_future([token = life.token("the closure")] { … }); }
//   EXPECT_EQ(life.live(), 0);
//
// A Token is put into what is to be counted. Copies count; a moved-from Token does not, since what
// it stood for lives on elsewhere.
//
// Thread safety: tokens may be made, copied, moved and destroyed by any thread; one token belongs
// to one thread at a time, like any value.
//
// Invariants
//   1. live() = created() - the number of tokens destroyed.
//   2. A token that is destroyed a second time is a failure that names it, and is counted in
//      destroyed_twice(); live() is not changed by it. (AddressSanitizer sees this only where the
//      memory was freed, and a coroutine frame's is not.)
//   3. Tokens may outlive their LifeCounter.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

namespace testkit {

class LifeCounter;

class Token {
 public:
  Token(const Token& other) noexcept;
  Token(Token&& other) noexcept;
  Token& operator=(const Token& other) noexcept;
  Token& operator=(Token&& other) noexcept;
  ~Token();

 private:
  friend class LifeCounter;

  // Shared by a token and its copies; never freed, so that a dead token can still say its name.
  struct Counts {
    std::string name;
    std::atomic<int> live{0};
    std::atomic<int> created{0};
    std::atomic<int> destroyed_twice{0};
  };

  static constexpr std::uint64_t kAlive = 0xA11FE0A11FE0A11F;
  static constexpr std::uint64_t kDead = 0xDEADDEADDEADDEAD;

  explicit Token(Counts* counts) noexcept : counts_(counts) { begin(); }

  void begin() noexcept;
  void end() noexcept;

  // Volatile: else the compiler drops the store of kDead, since nobody may read it.
  volatile std::uint64_t magic_ = kAlive;
  Counts* counts_;  // Null: moved from.
};

class LifeCounter {
 public:
  explicit LifeCounter(std::string name = "token") : counts_(new_counts(std::move(name))) {}
  LifeCounter(const LifeCounter&) = delete;
  LifeCounter& operator=(const LifeCounter&) = delete;

  Token token() { return Token(counts_); }

  int live() const { return counts_->live.load(std::memory_order_relaxed); }
  int created() const { return counts_->created.load(std::memory_order_relaxed); }
  int destroyed_twice() const { return counts_->destroyed_twice.load(std::memory_order_relaxed); }

 private:
  static Token::Counts* new_counts(std::string name);

  Token::Counts* const counts_;
};

}  // namespace testkit
