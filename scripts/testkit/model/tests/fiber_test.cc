// The context switch. Built twice: with the switch in assembly, and with ucontext.
#include "fiber.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace testkit::model::detail {
namespace {

// One fiber beside the test's own stack.
class Pair {
 public:
  explicit Pair(std::function<void(Pair&)> body) : body_(std::move(body)) { begin(); }

  void begin() { fiber_.begin(&Pair::run, this); }
  void to_fiber() { switch_fibers(host_, fiber_); }
  void to_host() { switch_fibers(fiber_, host_); }

 private:
  static void run(void* self) {
    Pair& pair = *static_cast<Pair*>(self);
    pair.body_(pair);
    for (;;) pair.to_host();
  }

  std::function<void(Pair&)> body_;
  Fiber host_{Fiber::Host()};
  Fiber fiber_;
};

TEST(ModelFiber, GoesOnWhereItStopped) {
  std::vector<int> seen;
  Pair pair([&](Pair& p) {
    for (int i = 0; i < 3; ++i) {
      seen.push_back(i);
      p.to_host();
    }
  });
  for (int i = 10; i < 13; ++i) {
    pair.to_fiber();
    seen.push_back(i);
  }
  EXPECT_EQ(seen, (std::vector<int>{0, 10, 1, 11, 2, 12}));
}

TEST(ModelFiber, BeginsAnewAndForgetsWhatStoodThere) {
  int begun = 0;
  Pair pair([&](Pair& p) {
    ++begun;
    // Marked by AddressSanitizer all around; left standing.
    volatile char frame[2048];
    frame[0] = 1;
    frame[2047] = frame[0];
    p.to_host();
    ADD_FAILURE() << "went on in a frame that was forgotten";
  });
  for (int i = 0; i < 3; ++i) {
    pair.begin();
    pair.to_fiber();
  }
  EXPECT_EQ(begun, 3);
}

TEST(ModelFiber, KeepsRegistersAndFloatingPoint) {
  // More values than there are registers, so all of those that a callee has to keep are in use.
  const auto churn = [](std::uint64_t seed, const std::function<void()>& away) {
    std::uint64_t a = seed, b = seed * 3, c = seed * 5, d = seed * 7, e = seed * 11, f = seed * 13;
    double x = 0.5 * static_cast<double>(seed), y = 1.5, z = 2.5;
    for (int i = 0; i < 100; ++i) {
      a += b, b ^= c, c += d, d ^= e, e += f, f ^= a;
      x += y * z, y = -y, z += 1.0;
      away();
    }
    std::uint64_t bits = 0;
    std::memcpy(&bits, &x, sizeof bits);
    return a ^ b ^ c ^ d ^ e ^ f ^ bits;
  };
  const std::uint64_t alone_1 = churn(1, [] {});
  const std::uint64_t alone_2 = churn(2, [] {});
  std::uint64_t in_fiber = 0;
  Pair pair([&](Pair& p) { in_fiber = churn(2, [&] { p.to_host(); }); });
  const std::uint64_t in_host = churn(1, [&] { pair.to_fiber(); });
  pair.to_fiber();
  EXPECT_EQ(in_host, alone_1);
  EXPECT_EQ(in_fiber, alone_2);
}

TEST(ModelFiber, HasRoomForGoogleTest) {
  std::string text;
  Pair pair([&](Pair&) {
    text = testing::PrintToString(std::vector<std::string>(50, std::string(50, 'x')));
    volatile char large[100'000];
    large[0] = 1;
    large[99'999] = large[0];
  });
  pair.to_fiber();
  EXPECT_GT(text.size(), 1500U);
}

TEST(ModelFiber, ThrowsAndCatches) {
  std::string caught;
  Pair pair([&](Pair& p) {
    try {
      p.to_host();
      throw std::runtime_error("of the fiber");
    } catch (const std::exception& e) {
      caught = e.what();
    }
  });
  pair.to_fiber();
  pair.to_fiber();
  EXPECT_EQ(caught, "of the fiber");
}

// Which exceptions are being handled belongs to the system's thread: without saving it, the
// `throw;` of one fiber rethrows what another one caught.
TEST(ModelFiber, EachHandlesItsOwnException) {
  int in_fiber = 0;
  int in_host = 0;
  Pair pair([&](Pair& p) {
    try {
      throw 1;
    } catch (...) {
      p.to_host();
      try {
        throw;
      } catch (int value) {
        in_fiber = value;
      }
    }
    p.to_host();
  });
  try {
    throw 2;
  } catch (...) {
    pair.to_fiber();
    pair.to_fiber();
    try {
      throw;
    } catch (int value) {
      in_host = value;
    }
  }
  EXPECT_EQ(in_fiber, 1);
  EXPECT_EQ(in_host, 2);
}

TEST(ModelFiber, CountsItsOwnUncaughtExceptions) {
  struct Switches {
    Pair* pair;
    ~Switches() { pair->to_fiber(); }
  };
  int in_fiber = -1;
  int in_host = -1;
  Pair pair([&](Pair&) { in_fiber = std::uncaught_exceptions(); });
  try {
    const Switches during{&pair};
    throw 1;
  } catch (int) {
    in_host = std::uncaught_exceptions();
  }
  EXPECT_EQ(in_fiber, 0);  // It was switched to while the host unwinds.
  EXPECT_EQ(in_host, 0);
}

TEST(ModelFiberDeathTest, AnOverflowIsACrash) {
  struct Recursion {
    static int deep(int n) {
      volatile char frame[4096];
      frame[0] = static_cast<char>(n);
      return n == 0 ? frame[0] : deep(n - 1) + frame[0];
    }
  };
  Pair pair([](Pair&) { Recursion::deep(1 << 20); });
  EXPECT_DEATH(pair.to_fiber(), "");
}

}  // namespace
}  // namespace testkit::model::detail
