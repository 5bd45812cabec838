// Real threads, for ThreadSanitizer: an owner and several thieves, in rings of 256. It counts, and
// never measures a time. A task that is lost is a hang.
#include <atomic>
#include <cstddef>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "queue_parts.h"
#include "rt/runtime/local_queue.h"
#include "rt/runtime/steal.h"
#include "testkit/testkit.h"

namespace {

using queue_parts::Task;
using queue_parts::Tasks;
using rt::LocalQueue;
using rt::Stolen;
using rt::TaskRef;

constexpr int kTasks = 20'000;

// All the tasks there are, and how many of them were taken.
struct Work {
  Tasks tasks{kTasks};
  std::atomic<int> taken{0};

  // No atomic: ThreadSanitizer sees two who take the same.
  void take(TaskRef task) {
    Task& one = Task::of(*std::move(task).into_raw());
    ++one.let_go;
    taken.fetch_add(1);
  }
  bool take_one(LocalQueue& queue) {
    TaskRef task = queue.pop();
    if (!task) return false;
    take(std::move(task));
    return true;
  }
  bool is_done() const { return taken.load() == kTasks; }
  void expect_each_once() {
    for (int n = 1; n <= kTasks; ++n) ASSERT_EQ(tasks[n].let_go, 1) << "task " << n;
  }
};

// Pushes them all; when the ring is full it takes one itself, and one in so many in any case.
void own(Work& work, LocalQueue& queue, int take_every) {
  for (int n = 1; n <= kTasks; ++n) {
    TaskRef task = work.tasks[n].scheduled();
    while (!queue.push(task)) {
      if (!work.take_one(queue)) std::this_thread::yield();  // The thief has them all.
    }
    if (n % take_every == 0) work.take_one(queue);
  }
  while (!work.is_done()) {
    if (!work.take_one(queue)) std::this_thread::yield();
  }
}

// Bugs it is here for: a task that two take, or none; a slot that is written while it is copied.
void owner_and_thieves(std::size_t thieves, int take_every) {
  Work work;
  LocalQueue victim;
  std::deque<LocalQueue> queues(thieves);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < thieves; ++t) {
    threads.emplace_back([&, t] {
      while (!work.is_done()) {
        // From the owner, and from the next thief.
        for (LocalQueue* const from : {&victim, &queues[(t + 1) % thieves]}) {
          if (from == &queues[t]) continue;
          Stolen stolen = rt::steal(*from, queues[t]);
          if (stolen.task) work.take(std::move(stolen.task));
          // Not all of them, so that there is something to take for the others.
          for (std::uint32_t i = 0; i < stolen.count / 2; ++i) work.take_one(queues[t]);
        }
        if (!work.take_one(queues[t])) std::this_thread::yield();
      }
    });
  }
  own(work, victim, take_every);
  for (std::thread& thread : threads) thread.join();
  work.expect_each_once();
}

TEST(StealStress, OneThief) { owner_and_thieves(1, 3); }
TEST(StealStress, ThreeThieves) { owner_and_thieves(3, 3); }
TEST(StealStress, ThreeThievesAndALazyOwner) { owner_and_thieves(3, kTasks); }

// The owner runs as fast as he can: pops meet claims, and the ring is nearly empty.
TEST(StealStress, AnOwnerWhoTakesNearlyAll) { owner_and_thieves(2, 1); }

}  // namespace
