// What the model tests of queues share: tasks are pushed, and taken, and each is taken once.
#pragma once

#include <cstdint>
#include <utility>

#include "queue_parts.h"
#include "rt/runtime/local_queue.h"
#include "testkit/model/model.h"

namespace queue_parts {

static_assert(rt::TaskRing::kCapacity == 4);

// The task has come out of a queue. If somebody else has it too, that is a second time, or a race.
inline void take(rt::TaskRef task) {
  const bool is_taken_once = ++Task::of(*std::move(task).into_raw()).taken.write() == 1;
  MODEL_REQUIRE(is_taken_once);
}

// The reference to a task, which this thread has written to: who takes it has to see that.
inline rt::TaskRef written(Task& task) {
  task.taken.write() = 0;
  return task.scheduled();
}

inline bool push(rt::LocalQueue& queue, Task& task) {
  rt::TaskRef scheduled = written(task);
  if (queue.push(scheduled)) return true;
  std::move(scheduled).into_raw();
  return false;
}
inline void push_all(rt::LocalQueue& queue, Tasks& tasks, int first, int last) {
  for (int n = first; n <= last; ++n) MODEL_REQUIRE(push(queue, tasks[n]));
}
inline bool pop(rt::LocalQueue& queue) {
  rt::TaskRef task = queue.pop();
  if (!task) return false;
  take(std::move(task));
  return true;
}
inline void pop_all(rt::LocalQueue& queue) {
  while (pop(queue)) {
  }
}

// Takes the rest, when nobody steals any more. Then all slots are free.
inline void empty(rt::LocalQueue& queue) {
  pop_all(queue);
  MODEL_REQUIRE(queue.room() == rt::TaskRing::kCapacity);
}

// The test's own thief. How many he got.
inline std::uint32_t rob(rt::LocalQueue& queue, std::uint32_t most = rt::TaskRing::kCapacity) {
  Thief thief(queue.ring());
  const std::uint32_t count = thief.claim(most);
  if (count == 0) return 0;
  for (rt::TaskHeader* const task : thief.copy()) take(rt::TaskRef::from_raw(task));
  thief.free();
  return count;
}

// Each of the first `last` tasks was taken.
inline void expect_taken(Tasks& tasks, int last) {
  for (int n = 1; n <= last; ++n) MODEL_REQUIRE(tasks[n].taken.read() == 1);
}

}  // namespace queue_parts
