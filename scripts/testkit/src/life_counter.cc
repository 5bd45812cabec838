#include "testkit/life_counter.h"

#include <gtest/gtest.h>

#include <deque>
#include <mutex>

#include "testkit/internal/stacks.h"

namespace testkit {

void Token::begin() noexcept {
  if (counts_ == nullptr) return;
  counts_->live.fetch_add(1, std::memory_order_relaxed);
  counts_->created.fetch_add(1, std::memory_order_relaxed);
}

void Token::end() noexcept {
  if (counts_ != nullptr) counts_->live.fetch_sub(1, std::memory_order_relaxed);
}

Token::Token(const Token& other) noexcept : counts_(other.counts_) { begin(); }

Token::Token(Token&& other) noexcept : counts_(std::exchange(other.counts_, nullptr)) {}

Token& Token::operator=(const Token& other) noexcept {
  Token copy(other);
  std::swap(counts_, copy.counts_);
  return *this;
}

Token& Token::operator=(Token&& other) noexcept {
  if (this == &other) return *this;
  end();
  counts_ = std::exchange(other.counts_, nullptr);
  return *this;
}

Token::~Token() {
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

Token::Counts* LifeCounter::new_counts(std::string name) {
  static std::mutex mutex;
  static auto* const all = new std::deque<Token::Counts>;
  const std::lock_guard lock(mutex);
  Token::Counts& counts = all->emplace_back();
  counts.name = std::move(name);
  return &counts;
}

}  // namespace testkit
