// Real threads, for ThreadSanitizer: who is cancelled sees what was done before.
#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "rt/runtime/block_on.h"
#include "rt/sync/cancellation_token.h"
#include "testkit/testkit.h"

namespace {

using rt::CancellationToken;

TEST(CancellationStress, EachWhoWaitsIsTold) {
  for (int round = 0; round < 300; ++round) {
    const CancellationToken root;
    int work = 0;  // Plain: only the token orders the threads.
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&root, &work] {
        rt::block_on(root.child_token().cancelled());
        EXPECT_EQ(work, 1);
      });
    }
    work = 1;
    root.cancel();
    for (std::thread& thread : threads) thread.join();
  }
}

// Bug it is here for: two that make and drop children of one token, and another that cancels it.
TEST(CancellationStress, ChildrenComeAndGoWhileTheTreeIsCancelled) {
  for (int round = 0; round < 200; ++round) {
    const CancellationToken root;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&root] {
        testkit::TestTask task;
        CancellationToken token = root.child_token();
        while (!token.is_cancelled()) {
          token = token.child_token();  // The one before goes, and this one takes its place.
          CancellationToken::Cancelled waits = token.cancelled();
          (void)waits.poll(task.cx());
          const CancellationToken other = root.child_token();
        }
      });
    }
    if (round % 2 == 0) std::this_thread::yield();
    root.cancel();
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
