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

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <utility>

#include "testkit/internal/stacks.h"

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

  void begin() noexcept {
    if (counts_ == nullptr) return;
    counts_->live.fetch_add(1, std::memory_order_relaxed);
    counts_->created.fetch_add(1, std::memory_order_relaxed);
  }
  void end() noexcept {
    if (counts_ != nullptr) counts_->live.fetch_sub(1, std::memory_order_relaxed);
  }

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
  static Token::Counts* new_counts(std::string name) {
    static std::mutex mutex;
    static auto* const all = new std::deque<Token::Counts>;
    const std::lock_guard lock(mutex);
    Token::Counts& counts = all->emplace_back();
    counts.name = std::move(name);
    return &counts;
  }

  Token::Counts* const counts_;
};

inline Token::Token(const Token& other) noexcept : counts_(other.counts_) { begin(); }

inline Token::Token(Token&& other) noexcept : counts_(std::exchange(other.counts_, nullptr)) {}

inline Token& Token::operator=(const Token& other) noexcept {
  Token copy(other);
  std::swap(counts_, copy.counts_);
  return *this;
}

inline Token& Token::operator=(Token&& other) noexcept {
  if (this == &other) return *this;
  end();
  counts_ = std::exchange(other.counts_, nullptr);
  return *this;
}

inline Token::~Token() {
  if (magic_ == kAlive) {
    magic_ = kDead;
    end();
    return;
  }
  // The rest of a dead token is read only if it still looks like one.
  if (magic_ != kDead) {
    ADD_FAILURE() << "A token was destroyed whose memory holds something else.\n"
                  << "What held it (a frame, a future, a closure) was destroyed twice, or was\n"
                  << "never constructed.\n"
                  << "This was done\n"
                  << internal::called_from("  ");
    return;
  }
  if (counts_ == nullptr) return;  // It had been moved from: nothing it stood for ends twice.
  counts_->destroyed_twice.fetch_add(1, std::memory_order_relaxed);
  ADD_FAILURE() << "\"" << counts_->name << "\" was destroyed twice.\n"
                << "What held it (a frame, a future, a closure) has two owners, or was destroyed\n"
                << "by hand as well as by its owner. The second time was\n"
                << internal::called_from("  ");
}

}  // namespace testkit
