// TaskCell: a task: its header, and behind it its future. When the future has ended, what it left
// lies in the same memory. One allocation in all, and none for its wakers: a waker's data pointer
// is the header, and it holds one reference.
//
//   stage      in the place behind the cell
//   kFuture    the future                       from the beginning
//   kOutput    the output                       it was ready
//   kError     a std::exception_ptr             it threw
//   kCancelled nothing                          it was dropped before its end
//   kEmpty     nothing                          the output or the error was taken, or dropped
//
// Thread safety: as TaskHeader. The stage and the place belong to the thread that runs the task;
// when it is complete, to its JoinHandle, or without one to the thread that ran it.
//
// Invariants
//   1. What stands in the place is destroyed once, by whoever the place belongs to then. A waker
//      destroys nothing: it frees the memory when all else is gone.
//   2. The future is gone before its joiner is woken, and before what it left is constructed.
//   3. Nothing that a future throws leaves run(): it is stored for the joiner. What no joiner has
//      taken is told to the scheduler when it is destroyed: drop_error(). (Destructors must not
//      throw, here as everywhere.)
//   4. Whoever has given a reference away does not look at the task any more: the next line may
//      find it freed.
//
// Costs: one allocation for a task; see TaskState for the read-modify-writes.
//
// The idea is Tokio's runtime::task::{core, harness, waker}.
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <utility>

#include "rt/future/borrowed_waker.h"
#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/sync.h"
#include "rt/platform/todo.h"
#include "rt/task/poll_task.h"
#include "rt/task/spawn.h"
#include "rt/task/task_header.h"
#include "rt/task/task_memory.h"
#include "rt/trace/trace.h"

namespace rt {

class TaskCell final : public TaskHeader {
 public:
  // Moves the future at `future` into a new task of `scheduler`; polls nothing. The caller still
  // destroys what is left at `future`. With `joined`, there is a reference for a JoinHandle, and
  // what the future leaves is kept for it. Throws what the move throws.
  static NewTask create(void* future, const FutureVTable& vtable, TaskScheduler& scheduler,
                        bool joined) {
    const TaskMemory memory = memory_for(vtable);
    void* const raw = memory.allocate();
    try {
      vtable.move(future, static_cast<std::byte*>(raw) + memory.offset());
    } catch (...) {
      memory.deallocate(raw);
      throw;
    }
    auto* const task = new (raw) TaskCell(vtable, scheduler, joined);
    trace::spawn(task->id);
    scheduler.task_created();
    return NewTask(TaskRef::from_raw(task), TaskRef::from_raw(task),
                   joined ? TaskRef::from_raw(task) : TaskRef());
  }

 private:
  enum class Stage : std::uint8_t { kFuture, kOutput, kError, kCancelled, kEmpty };

  TaskCell(const FutureVTable& future, TaskScheduler& task_scheduler, bool joined) noexcept
      : TaskHeader(kTaskVTable, task_scheduler, joined), future_(future) {}
  ~TaskCell() = default;

  // --- The waker ---

  static TaskHeader& task_of(void* data) noexcept { return *static_cast<TaskHeader*>(data); }

  static void* clone_waker(void* data) {
    RT_TODO("3.3");
  }

  static void wake(void* data) {
    trace::wake(task_of(data).id);
    RT_TODO("3.3");
  }

  static void wake_by_ref(void* data) {
    trace::wake(task_of(data).id);
    RT_TODO("3.3");
  }

  static void drop_waker(void* data) {
    RT_TODO("3.3");
  }

  static constexpr WakerVTable kWakerVTable{&clone_waker, &wake, &wake_by_ref, &drop_waker};

  // --- What a TaskRef asks for: see TaskVTable ---

  static void run(TaskHeader& task) noexcept {
    RT_TODO("3.3");
  }

  static void shutdown(TaskHeader& task) noexcept {
    RT_TODO("3.3");
  }

  // Called once, when the task is complete and its output was neither taken nor dropped.
  static void take_output(TaskHeader& task, void* output) {
    RT_TODO("3.3");
  }

  static void drop_output(TaskHeader& task) noexcept {
    RT_TODO("3.3");
  }

  static void free(TaskHeader& task) noexcept {
    TaskCell& self = cell(task);
    RT_TODO("3.3");
    TaskScheduler& scheduler = *self.scheduler;
    const TaskMemory memory = memory_for(self.future_);
    self.~TaskCell();
    memory.deallocate(&self);
    scheduler.task_freed();
  }

  static constexpr TaskVTable kTaskVTable{&run, &shutdown, &free, &take_output, &drop_output};

  // --- What these are made of ---

  static TaskCell& cell(TaskHeader& task) noexcept { return static_cast<TaskCell&>(task); }
  static TaskMemory memory_for(const FutureVTable& vtable) noexcept {
    return TaskMemory(sizeof(TaskCell), alignof(TaskCell), vtable);
  }
  void* place() noexcept {
    return reinterpret_cast<std::byte*>(this) + memory_for(future_).offset();
  }

  // What the future threw, in its place.
  void keep_error(std::exception_ptr thrown) noexcept {
    new (place()) std::exception_ptr(std::move(thrown));
  }
  // At the joiner, which has heard of it then. What is left in the place still has to be dropped.
  [[noreturn]] void rethrow_error() { std::rethrow_exception(std::exchange(error(), nullptr)); }
  // Destroys it. If nobody has heard of it, the scheduler does. Not inline: that keeps what
  // destroys the place small.
  [[gnu::noinline]] void drop_error() noexcept {
    std::exception_ptr unheard = std::exchange(error(), nullptr);
    std::destroy_at(&error());
    if (unheard != nullptr) scheduler->unhandled(std::move(unheard));
  }
  std::exception_ptr& error() noexcept {
    return *std::launder(static_cast<std::exception_ptr*>(place()));
  }

  // Polls the future in its place, as poll_task() does. Throws what it throws; then it is gone.
  bool poll_in_place(Context& cx) {
    struct InPlace {
      using Output = void;
      explicit InPlace(TaskCell& t) noexcept : task(&t) {}
      Poll<void> poll(Context& c) {
        if (!task->future_.poll_in_place(task->place(), c)) return kPending;
        return kReady;
      }
      TaskCell* task;
    };
    InPlace future(*this);
    return poll_task(id, future, cx).is_ready();
  }

  // Lets go of `count` references. The task may be gone then.
  static void let_go(TaskHeader& task, TaskState::Bits count) noexcept {
    if (task.state.release(count)) free(task);
  }

  // Yours: what the functions above have in common. In which stage is the place, and who
  // destroys what stands in it?

  // First, so that it stands in what the header leaves over of its last word.
  sync::Cell<Stage> stage_{Stage::kFuture};
  const FutureVTable& future_;
};

}  // namespace rt
