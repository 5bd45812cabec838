// Every interleaving of a thread in block_on and those who wake it.
#include "rt/runtime/block_on.h"

#include <optional>
#include <utility>

#include "testkit/model/model.h"
#include "testkit/testkit.h"

namespace {

using rt::block_on;
using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;
using rt::ThreadParker;
using rt::Waker;
using testkit::model::check;
using testkit::model::Thread;

// Bugs it is here for: an unpark that falls between the look at the token and the sleep; a sleep
// that ends for no reason, and is taken for a token.
TEST(ThreadParkerModel, UnparkBetweenTheLookAndTheSleepIsNotLost) {
  check([] {
    ThreadParker parker;
    rt::sync::Cell<bool> said(false);
    Thread other([&] {
      said.write() = true;
      parker.unpark();
    });
    parker.park();
    MODEL_REQUIRE(said.read());
    other.join();
  });
}

// Bug it is here for: a parker that is right once. The same token serves each sleep.
TEST(ThreadParkerModel, TwoThreadsTakeTurns) {
  check([] {
    ThreadParker ping, pong;
    rt::sync::Cell<int> turn(0);
    Thread other([&] {
      for (int i = 0; i < 2; ++i) {
        pong.park();
        ++turn.write();
        ping.unpark();
      }
    });
    for (int i = 0; i < 2; ++i) {
      MODEL_REQUIRE(turn.read() == 2 * i);
      ++turn.write();
      pong.unpark();
      ping.park();
    }
    MODEL_REQUIRE(turn.read() == 4);
    other.join();
  });
}

// Bug it is here for: the token looked at in one step and taken in another. What comes between the
// two is taken along, unseen.
TEST(ThreadParkerModel, TwoUnparkersAndEachIsSeen) {
  check([] {
    ThreadParker parker;
    // Relaxed: it is the token that has to make them visible.
    rt::sync::Atomic<bool> one_said(false), two_said(false);
    const auto say = [&parker](rt::sync::Atomic<bool>& said) {
      said.store(true, std::memory_order_relaxed);
      parker.unpark();
    };
    Thread one([&] { say(one_said); });
    Thread two([&] { say(two_said); });
    while (!one_said.load(std::memory_order_relaxed) || !two_said.load(std::memory_order_relaxed)) {
      parker.park();
    }
    one.join();
    two.join();
  });
}

// A cell that other threads fill and one future waits for.
class Mailbox {
 public:
  void put() {
    std::optional<Waker> waker;
    {
      const rt::sync::Lock lock(mutex_);
      ++letters_.write();
      waker.swap(waker_.write());
    }
    if (waker.has_value()) std::move(*waker).wake();
  }

  // Ready when so many have been put. Keeps a waker of each pending poll: the newest.
  Poll<void> poll(int letters, Context& cx) {
    std::optional<Waker> newest(cx.waker().clone());
    const rt::sync::Lock lock(mutex_);
    if (letters_.read() >= letters) return kReady;
    newest.swap(waker_.write());
    return kPending;
  }

  // The waker of the last pending poll, for somebody who uses it late.
  std::optional<Waker> take_waker() {
    std::optional<Waker> waker;
    const rt::sync::Lock lock(mutex_);
    waker.swap(waker_.write());
    return waker;
  }

 private:
  rt::sync::Mutex mutex_;
  rt::sync::Cell<int> letters_{0};
  rt::sync::Cell<std::optional<Waker>> waker_{};
};

class Letters {
 public:
  using Output = void;
  Letters(Mailbox& mailbox, int letters) noexcept : mailbox_(mailbox), letters_(letters) {}
  Poll<void> poll(Context& cx) { return mailbox_.poll(letters_, cx); }

 private:
  Mailbox& mailbox_;
  const int letters_;
};

// Bugs it is here for: a wake during a poll is lost; a wake between the poll and the sleep is lost.
TEST(BlockOnModel, EachWakeLeadsToAPoll) {
  check([] {
    Mailbox mailbox;
    Thread one([&] { mailbox.put(); });
    Thread two([&] { mailbox.put(); });
    block_on(Letters(mailbox, 2));
    one.join();
    two.join();
  });
}

// Bug it is here for: a waker that points into the call of block_on. It may be used when that call
// has returned.
TEST(BlockOnModel, AWakerIsUsedWhenBlockOnHasReturned) {
  check([] {
    Mailbox mailbox;
    Thread other([&] {
      std::optional<Waker> waker = mailbox.take_waker();
      mailbox.put();
      if (waker.has_value()) std::move(*waker).wake();
    });
    block_on(Letters(mailbox, 0));
    // A thread that has taken the waker of this poll wakes it itself.
    std::optional<Letters> letters(std::in_place, mailbox, 1);
    block_on(*std::move(letters));
    other.join();
  });
}

}  // namespace
