#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "rt/future/poll.h"
#include "rt/sync/cancellation_token.h"
#include "testkit/testkit.h"

// clang's ThreadSanitizer has an operator new of its own, which nothing can take the place of.
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define CANCELLATION_TEST_COUNTS_NOTHING
#endif
#endif

static std::atomic<int> allocations = 0, live_blocks = 0;
static std::atomic<bool> memory_is_out = false;

#ifndef CANCELLATION_TEST_COUNTS_NOTHING
#include "testkit/internal/replaced_new.h"

// Counted. malloc() is still AddressSanitizer's.
void* testkit::internal::replaced_new(std::size_t size, std::size_t alignment) noexcept {
  if (memory_is_out) return nullptr;
  ++allocations;
  ++live_blocks;
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return std::malloc(size);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
void testkit::internal::replaced_delete(void* memory) noexcept {
  --live_blocks;
  std::free(memory);
}
#endif

namespace {

using rt::CancellationToken;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using testkit::step;
using testkit::TestTask;

constexpr int kOnlyItsOwn = 1;  // TestTask::live() counts the task's own waker too.

struct Waits {
  Waits(std::string name, const CancellationToken& token)
      : task(std::move(name)), future(token.cancelled()) {}

  bool poll() { return task.poll(*future).is_ready(); }
  void drop() {
    step(task.name() + "'s cancelled() is dropped");
    future.reset();
  }

  TestTask task;
  std::optional<CancellationToken::Cancelled> future;
};

// Each hook of a waker may do this: it takes the mutex of the tree, and changes nothing.
void use_the_tree(const CancellationToken& token) {
  const CancellationToken child = token.child_token();
  child.cancel();
}

// --- One token -----------------------------------------------------------------------------------

TEST(CancellationToken, IsCancelledOnceAndForAll) {
  const CancellationToken token;
  EXPECT_FALSE(token.is_cancelled());
  token.cancel();
  EXPECT_TRUE(token.is_cancelled());
  token.cancel();
  EXPECT_TRUE(token.is_cancelled());
}

TEST(CancellationToken, CopiesAreTheSameToken) {
  const CancellationToken token;
  const CancellationToken copy = token;
  copy.cancel();
  EXPECT_TRUE(token.is_cancelled());
  const CancellationToken other;
  EXPECT_FALSE(other.is_cancelled());
}

TEST(CancellationToken, CancelledBeforeItIsAskedFor) {
  const CancellationToken token;
  token.cancel();
  Waits a("a", token);
  EXPECT_TRUE(a.poll());
  EXPECT_EQ(a.task.live(), kOnlyItsOwn) << "nobody has to be woken";
}

TEST(CancellationToken, CancelledBeforeTheFirstPoll) {
  const CancellationToken token;
  Waits a("a", token);
  token.cancel();
  EXPECT_TRUE(a.poll());
}

TEST(CancellationToken, WakesAllWhoWait) {
  const CancellationToken token;
  Waits a("a", token), b("b", token), c("c", token);
  for (Waits* const one : {&a, &b, &c}) EXPECT_FALSE(one->poll());
  EXPECT_FALSE(b.poll()) << "a poll for nothing";
  token.cancel();
  for (Waits* const one : {&a, &b, &c}) {
    EXPECT_EQ(one->task.wakes(), 1);
    EXPECT_EQ(one->task.live(), kOnlyItsOwn);
    EXPECT_TRUE(one->poll());
  }
}

TEST(CancellationToken, WakesTheNewestWakerOnly) {
  const CancellationToken token;
  Waits a("a", token);
  TestTask other("other");
  EXPECT_FALSE(a.poll());
  EXPECT_TRUE(other.poll(*a.future).is_pending());
  EXPECT_EQ(a.task.live(), kOnlyItsOwn);
  token.cancel();
  EXPECT_EQ(a.task.wakes(), 0);
  EXPECT_EQ(other.wakes(), 1);
}

TEST(CancellationToken, PolledAfterReadyIsAnError) {
  const CancellationToken token;
  token.cancel();
  Waits a("a", token);
  EXPECT_TRUE(a.poll());
  EXPECT_THROW((void)a.future->poll(a.task.cx()), std::logic_error);
}

// Bug it is here for: a future that goes and leaves its place in the list, or its waker, behind.
TEST(CancellationToken, WhoGoesIsNotWoken) {
  const CancellationToken token;
  Waits a("a", token), b("b", token), c("c", token);
  for (Waits* const one : {&a, &b, &c}) EXPECT_FALSE(one->poll());
  b.drop();
  EXPECT_EQ(b.task.live(), kOnlyItsOwn);
  token.cancel();
  EXPECT_EQ(a.task.wakes(), 1);
  EXPECT_EQ(b.task.wakes(), 0);
  EXPECT_EQ(c.task.wakes(), 1);
}

// A Cancelled is a copy of the token: it may be the last.
TEST(CancellationToken, WhoWaitsKeepsTheTokenInItsTree) {
  const CancellationToken root;
  std::optional<CancellationToken> child = root.child_token();
  Waits a("a", *child);
  EXPECT_FALSE(a.poll());
  child.reset();
  root.cancel();
  EXPECT_EQ(a.task.wakes(), 1);
  EXPECT_TRUE(a.poll());
}

// --- Children ------------------------------------------------------------------------------------

TEST(CancellationToken, CancelsAllThatDescendFromIt) {
  const CancellationToken root;
  const CancellationToken a = root.child_token(), b = root.child_token(), c = a.child_token();
  Waits waits_c("waits for c", c), waits_b("waits for b", b);
  EXPECT_FALSE(waits_c.poll());
  EXPECT_FALSE(waits_b.poll());
  root.cancel();
  for (const CancellationToken* const one : {&a, &b, &c}) EXPECT_TRUE(one->is_cancelled());
  EXPECT_EQ(waits_c.task.wakes(), 1);
  EXPECT_EQ(waits_b.task.wakes(), 1);
  EXPECT_TRUE(waits_c.poll());
}

TEST(CancellationToken, AChildDoesNotCancelItsParentOrItsSiblings) {
  const CancellationToken root;
  const CancellationToken older = root.child_token(), child = root.child_token(),
                          younger = root.child_token(), grandchild = child.child_token();
  Waits waits("waits for the root", root);
  EXPECT_FALSE(waits.poll());
  child.cancel();
  EXPECT_TRUE(grandchild.is_cancelled());
  for (const CancellationToken* const one : {&root, &older, &younger}) {
    EXPECT_FALSE(one->is_cancelled());
  }
  EXPECT_EQ(waits.task.wakes(), 0);
  root.cancel();
  EXPECT_TRUE(older.is_cancelled());
  EXPECT_TRUE(younger.is_cancelled());
}

TEST(CancellationToken, AChildOfACancelledTokenIsBornCancelled) {
  const CancellationToken root;
  root.cancel();
  const CancellationToken child = root.child_token();
  EXPECT_TRUE(child.is_cancelled());
  EXPECT_TRUE(child.child_token().is_cancelled());
  Waits waits("waits", child);
  EXPECT_TRUE(waits.poll());
}

// A cancelled child is out of the tree: a sibling's place must not go with it.
TEST(CancellationToken, CancelledChildrenMayGoInAnyOrder) {
  const CancellationToken root;
  std::vector<std::optional<CancellationToken>> children;
  for (int i = 0; i < 6; ++i) children.emplace_back(root.child_token());
  children[2]->cancel();
  children[3].reset();
  children[2].reset();
  children[5].reset();
  children[0]->cancel();
  root.cancel();
  EXPECT_TRUE(children[1]->is_cancelled());
  EXPECT_TRUE(children[4]->is_cancelled());
  children[4].reset();
  children[0].reset();
}

// Bug it is here for: a token that goes, and takes its children out of the tree.
TEST(CancellationToken, TheChildrenOfOneThatIsGoneHangFromItsParent) {
  const CancellationToken root;
  std::optional<CancellationToken> middle = root.child_token();
  const CancellationToken sibling = root.child_token();
  const CancellationToken a = middle->child_token(), b = middle->child_token();
  Waits waits("waits for b", b);
  EXPECT_FALSE(waits.poll());
  step("the token between the root and a, b is dropped");
  middle.reset();
  a.cancel();
  EXPECT_FALSE(b.is_cancelled());
  EXPECT_FALSE(sibling.is_cancelled());
  root.cancel();
  EXPECT_TRUE(b.is_cancelled());
  EXPECT_EQ(waits.task.wakes(), 1);
}

TEST(CancellationToken, TheChildrenOfARootThatIsGoneGoOnAlone) {
  std::optional<CancellationToken> root(std::in_place);
  const CancellationToken a = root->child_token(), b = root->child_token();
  root.reset();
  EXPECT_FALSE(a.is_cancelled());
  const CancellationToken child = a.child_token();
  a.cancel();
  EXPECT_TRUE(child.is_cancelled());
  EXPECT_FALSE(b.is_cancelled());
  b.cancel();
  EXPECT_TRUE(b.child_token().is_cancelled());
}

// --- A great many --------------------------------------------------------------------------------

constexpr int kMany = 200'000;  // More than a stack has room for, at 40 bytes a call.

std::vector<CancellationToken> chain(int length) {
  std::vector<CancellationToken> tokens(1);
  while (tokens.size() < static_cast<std::size_t>(length)) {
    tokens.push_back(tokens.back().child_token());
  }
  return tokens;
}

// Bug it is here for: a cancel() that calls itself for each child. If this crashes, that is why.
TEST(CancellationToken, ADeepTreeIsCancelledWithoutRecursion) {
  const std::vector<CancellationToken> tokens = chain(kMany);
  tokens[1].cancel();
  EXPECT_FALSE(tokens[0].is_cancelled());
  for (std::size_t i = 1; i < tokens.size(); ++i) ASSERT_TRUE(tokens[i].is_cancelled()) << i;
}

// Bug it is here for: a child that holds its parent, and lets go of it at its own end.
TEST(CancellationToken, ADeepTreeIsDroppedWithoutRecursion) {
  for (const bool root_first : {false, true}) {
    std::vector<CancellationToken> tokens = chain(kMany);
    const CancellationToken last = tokens.back();
    if (root_first) {
      for (CancellationToken& one : tokens) one = last;
    } else {
      while (!tokens.empty()) tokens.pop_back();
    }
    EXPECT_FALSE(last.is_cancelled());
    last.cancel();
    EXPECT_TRUE(last.is_cancelled());
  }
}

TEST(CancellationToken, AWideTreeIsCancelledAndDropped) {
  const CancellationToken root;
  std::vector<CancellationToken> children;
  for (int i = 0; i < kMany; ++i) children.push_back(root.child_token());
  root.cancel();
  for (const CancellationToken& child : children) ASSERT_TRUE(child.is_cancelled());
}

// --- Memory --------------------------------------------------------------------------------------

// Bug it is here for: a child that holds its parent, and a parent that remembers each child.
TEST(CancellationToken, ATokenThatIsGoneIsFreedAtOnce) {
  const CancellationToken root;
  CancellationToken last = root.child_token();
  const int before = live_blocks;
  for (int i = 0; i < 100; ++i) {
    last = last.child_token();  // Only the last one is left.
    { const CancellationToken sibling = root.child_token(); }
    if (i % 2 == 0) root.child_token().cancel();
  }
  EXPECT_EQ(live_blocks, before);
  root.cancel();
  EXPECT_TRUE(last.is_cancelled());
}

TEST(CancellationToken, ToCancelAllocatesNothing) {
  const CancellationToken root;
  const std::vector<CancellationToken> tokens = chain(100);
  std::vector<CancellationToken> children;
  for (int i = 0; i < 100; ++i) children.push_back(root.child_token());
  const int before = allocations;
  tokens[0].cancel();
  root.cancel();
  EXPECT_EQ(allocations, before);
}

TEST(CancellationToken, AChildForWhichThereIsNoMemoryChangesNothing) {
  const CancellationToken root;
  const CancellationToken child = root.child_token();
  [[maybe_unused]] bool threw = false;
  memory_is_out = true;
  try {
    (void)root.child_token();
  } catch (const std::bad_alloc&) {
    threw = true;
  }
  memory_is_out = false;
#ifndef CANCELLATION_TEST_COUNTS_NOTHING
  EXPECT_TRUE(threw);
#endif
  EXPECT_FALSE(root.is_cancelled());
  root.cancel();
  EXPECT_TRUE(child.is_cancelled());
}

// --- What wakers do ------------------------------------------------------------------------------

// Bug it is here for: waking with the mutex held. If it hangs, that is why.
TEST(CancellationToken, WakesWithoutHoldingTheLock) {
  const CancellationToken root;
  const CancellationToken child = root.child_token();
  Waits a("a", child);
  bool inside = false;
  a.task.on_wake([&] {
    inside = a.poll();
    root.cancel();
    EXPECT_TRUE(root.child_token().is_cancelled());
    use_the_tree(child);
  });
  EXPECT_FALSE(a.poll());
  root.cancel();
  EXPECT_TRUE(inside);
  a.task.on_wake(nullptr);
}

// The same for a waker that is cloned, and for one that is dropped: when another takes its place,
// and when its future goes.
TEST(CancellationToken, ClonesAndDropsWakersWithoutHoldingTheLock) {
  const CancellationToken token;
  Waits a("a", token);
  TestTask other("other");
  int drops = 0;
  for (TestTask* const task : {&a.task, &other}) {
    task->on_clone([&] { use_the_tree(token); });
    task->on_drop([&] {
      ++drops;
      use_the_tree(token);
    });
  }
  EXPECT_FALSE(a.poll());
  EXPECT_TRUE(other.poll(*a.future).is_pending());
  EXPECT_EQ(drops, 1) << "the waker of the task a";
  a.drop();
  EXPECT_EQ(drops, 2);
  for (TestTask* const task : {&a.task, &other}) task->on_drop(nullptr);
}

// Bug it is here for: no second look after the waker was cloned.
TEST(CancellationToken, CancelledWhileTheWakerIsClonedIsNotLost) {
  const CancellationToken token;
  Waits a("a", token);
  a.task.on_clone([&] { token.cancel(); });
  const bool is_ready = a.poll();
  EXPECT_TRUE(is_ready || a.task.wakes() > 0) << "pending, and nobody was woken";
  EXPECT_TRUE(is_ready || a.poll());
}

// One of those who are being told ends the others, and the last copy of the token with them.
TEST(CancellationToken, AWakeMayDropTheOthersAndTheToken) {
  auto token = std::make_unique<CancellationToken>();
  Waits a("a", *token), b("b", *token), c("c", token->child_token());
  for (Waits* const one : {&a, &b, &c}) EXPECT_FALSE(one->poll());
  const auto drop_all = [&] {
    for (Waits* const one : {&a, &b, &c}) one->drop();
    token.reset();
  };
  for (Waits* const one : {&a, &b, &c}) one->task.on_wake(drop_all);
  token->cancel();
  EXPECT_GE(a.task.wakes() + b.task.wakes() + c.task.wakes(), 1);
  EXPECT_EQ(a.task.live() + b.task.live() + c.task.live(), 3 * kOnlyItsOwn);
  for (Waits* const one : {&a, &b, &c}) one->task.on_wake(nullptr);
}

// Bug it is here for: one that calls "cancelled" only what it has woken already.
TEST(CancellationToken, AllAreCancelledBeforeTheFirstIsWoken) {
  const CancellationToken root;
  const CancellationToken child = root.child_token(), grandchild = child.child_token();
  Waits a("a", root), b("b", child), c("c", grandchild);
  int seen = 0;
  for (Waits* const one : {&a, &b, &c}) {
    EXPECT_FALSE(one->poll());
    one->task.on_wake([&] {
      if (seen++ > 0) return;
      for (const CancellationToken* const token : {&root, &child, &grandchild}) {
        EXPECT_TRUE(token->is_cancelled());
        EXPECT_TRUE(token->child_token().is_cancelled());
      }
      for (Waits* const other : {&a, &b, &c}) EXPECT_TRUE(other->poll());
      for (Waits* const other : {&a, &b, &c}) other->drop();
    });
  }
  root.cancel();
  EXPECT_GE(seen, 1);
  for (Waits* const one : {&a, &b, &c}) {
    EXPECT_EQ(one->task.live(), kOnlyItsOwn);
    one->task.on_wake(nullptr);
  }
}

// --- run_until_cancelled() -----------------------------------------------------------------------

// A future whose every poll the test writes. It has no copies; while it lives, `life` counts it.
template <class T>
class Scripted {
 public:
  using Output = T;
  using Script = std::function<Poll<T>()>;

  Scripted(Script script, testkit::LifeCounter& life, std::function<void()> at_its_end = nullptr)
      : script_(std::move(script)),
        at_its_end_(std::move(at_its_end)),
        alive_(std::make_unique<testkit::Token>(life.token())) {}
  Scripted(Scripted&&) noexcept = default;
  Scripted& operator=(Scripted&&) = delete;
  ~Scripted() {
    if (alive_ != nullptr && at_its_end_ != nullptr) at_its_end_();
  }

  Poll<T> poll(rt::Context&) { return script_(); }

 private:
  Script script_;
  std::function<void()> at_its_end_;
  std::unique_ptr<testkit::Token> alive_;  // Null: moved from.
};

class RunUntilCancelled : public testing::Test {
 protected:
  template <class T = int>
  CancellationToken::RunUntilCancelled<Scripted<T>> run(
      std::type_identity_t<std::function<Poll<T>()>> script,
      std::function<void()> at_its_end = {}) {
    return token_.run_until_cancelled(Scripted<T>(std::move(script), life_, std::move(at_its_end)));
  }

  CancellationToken token_;
  testkit::LifeCounter life_;
  TestTask task_;
  int polls_ = 0;
};

TEST_F(RunUntilCancelled, GivesWhatTheFutureGives) {
  auto run_it = run<std::unique_ptr<int>>([&]() -> Poll<std::unique_ptr<int>> {
    if (++polls_ < 3) return kPending;
    return std::make_unique<int>(7);
  });
  EXPECT_TRUE(task_.poll(run_it).is_pending());
  EXPECT_TRUE(task_.poll(run_it).is_pending());
  auto result = task_.poll(run_it);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(life_.live(), 0) << "the future is destroyed first";
  EXPECT_EQ(task_.live(), kOnlyItsOwn) << "and nothing waits for the token any more";
  EXPECT_EQ(**std::move(result).take(), 7);
  token_.cancel();
  EXPECT_EQ(task_.wakes(), 0);
}

TEST_F(RunUntilCancelled, NothingThatIsReadyIsSomething) {
  auto run_it = run<void>([] { return Poll<void>(kReady); });
  auto result = task_.poll(run_it);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(std::move(result).take(), std::optional(std::monostate()));
}

// Bug it is here for: work that is begun after it was cancelled.
TEST_F(RunUntilCancelled, CancelledBeforeItPollsNothing) {
  auto run_it = run([&]() -> Poll<int> { return ++polls_; });
  token_.cancel();
  auto result = task_.poll(run_it);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(polls_, 0);
  EXPECT_EQ(life_.live(), 0);
  EXPECT_EQ(std::move(result).take(), std::nullopt);
}

TEST_F(RunUntilCancelled, CancelledWhileItWaitsItIsWokenAndDropsTheFuture) {
  const auto poll = [&]() -> Poll<int> { return ++polls_, kPending; };
  auto run_it = run(poll);
  EXPECT_TRUE(task_.poll(run_it).is_pending());
  token_.cancel();
  EXPECT_EQ(task_.wakes(), 1);
  auto result = task_.poll(run_it);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(polls_, 1) << "not polled once it is cancelled";
  EXPECT_EQ(life_.live(), 0);
  EXPECT_EQ(task_.live(), kOnlyItsOwn);
  EXPECT_EQ(std::move(result).take(), std::nullopt);
}

// Bug it is here for: an output that is thrown away because somebody cancelled a moment before.
TEST_F(RunUntilCancelled, WhatItGivesCountsAlsoIfItCancelsInThatPoll) {
  auto run_it = run([&]() -> Poll<int> {
    token_.cancel();
    return 7;
  });
  auto result = task_.poll(run_it);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(std::move(result).take(), 7);
}

// Bug it is here for: one that looks at the token before the poll only, and then waits for ever.
TEST_F(RunUntilCancelled, OneThatCancelsAndWaitsIsCancelled) {
  auto run_it = run([&]() -> Poll<int> {
    token_.cancel();
    return kPending;
  });
  auto result = task_.poll(run_it);
  EXPECT_TRUE(result.is_ready() || task_.wakes() > 0) << "pending, and nobody was woken";
  if (result.is_pending()) result = task_.poll(run_it);
  ASSERT_TRUE(result.is_ready());
  EXPECT_EQ(life_.live(), 0);
  EXPECT_EQ(std::move(result).take(), std::nullopt);
}

TEST_F(RunUntilCancelled, LetsOutWhatTheFutureThrows) {
  {
    auto run_it = run([&]() -> Poll<int> {
      if (++polls_ == 1) return kPending;
      throw std::runtime_error("broken");
    });
    EXPECT_TRUE(task_.poll(run_it).is_pending());
    EXPECT_THROW((void)task_.poll(run_it), std::runtime_error);
  }
  EXPECT_EQ(life_.live(), 0);
  EXPECT_EQ(task_.live(), kOnlyItsOwn);
  token_.cancel();
  EXPECT_EQ(task_.wakes(), 0);
}

TEST_F(RunUntilCancelled, DroppedHalfWayItLeavesNothingBehind) {
  {
    auto run_it = run([&]() -> Poll<int> { return kPending; });
    EXPECT_TRUE(task_.poll(run_it).is_pending());
  }
  EXPECT_EQ(life_.live(), 0);
  EXPECT_EQ(task_.live(), kOnlyItsOwn);
  token_.cancel();
  EXPECT_EQ(task_.wakes(), 0);
}

// Bug it is here for: a destructor that runs with the mutex held. If it hangs, that is why.
TEST_F(RunUntilCancelled, TheFutureMayUseTheTreeWhenItIsDestroyed) {
  auto run_it = run([&]() -> Poll<int> { return kPending; }, [&] { use_the_tree(token_); });
  EXPECT_TRUE(task_.poll(run_it).is_pending());
  token_.cancel();
  EXPECT_TRUE(task_.poll(run_it).is_ready());
  EXPECT_EQ(life_.live(), 0);
}

TEST_F(RunUntilCancelled, PolledAfterReadyIsAnError) {
  auto run_it = run([&]() -> Poll<int> { return ++polls_; });
  EXPECT_TRUE(task_.poll(run_it).is_ready());
  EXPECT_THROW((void)task_.poll(run_it), std::logic_error);
  EXPECT_EQ(polls_, 1);
}

// --- drop_guard() --------------------------------------------------------------------------------

TEST(DropGuard, CancelsAtTheEndOfItsScope) {
  const CancellationToken token;
  {
    const auto guard = token.drop_guard();
    EXPECT_FALSE(token.is_cancelled());
  }
  EXPECT_TRUE(token.is_cancelled());
}

TEST(DropGuard, CancelsAlsoIfItsScopeThrows) {
  const CancellationToken token;
  const auto work = [&] {
    const auto guard = token.drop_guard();
    throw std::runtime_error("broken");
  };
  EXPECT_THROW(work(), std::runtime_error);
  EXPECT_TRUE(token.is_cancelled());
}

TEST(DropGuard, DisarmedOrMovedFromItDoesNothing) {
  const CancellationToken token;
  {
    auto guard = token.drop_guard();
    std::optional moved(std::move(guard));
    step("the guard that was moved from is still there");
    moved->disarm();
  }
  EXPECT_FALSE(token.is_cancelled());
  {
    auto guard = std::make_unique<CancellationToken::DropGuard>(token.drop_guard());
    auto moved = std::make_unique<CancellationToken::DropGuard>(std::move(*guard));
    guard.reset();
    EXPECT_FALSE(token.is_cancelled()) << "the one that has the token now is still there";
  }
  EXPECT_TRUE(token.is_cancelled());
}

}  // namespace
