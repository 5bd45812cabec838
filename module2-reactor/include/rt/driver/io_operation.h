// IoOperation: one thing to do with a descriptor, tried when it may be ready and not before. Every
// read, write, accept and connect of a socket is made of one.
//
//   poll_ready -> pending               pending; the waker is stored
//              -> ready -> the call:
//                            EINTR      again
//                            EAGAIN     clear, and poll_ready once more
//                            shorter    clear, and that is the answer: the next call would only
//                                       say EAGAIN (but see `full`)
//                            else       that is the answer
//
// Thread safety: like any future. A read and a write of one source may be polled by different
// threads; at most one operation waits in each direction.
//
// Invariants
//   1. Pending means that the newest waker is stored, and that the call was made in vain since the
//      last event, or that there was no event.
//   2. EINTR and EAGAIN are never the answer. What is the answer ends the loop: nothing that the
//      call has got is lost.
//   3. Dropped while it waits, it takes its waker back. Dropped after its answer, it takes nothing:
//      a waker that is there is another's.
//   4. Once the runtime is gone, the answer is -ECANCELED, without a call.
//
// The idea is Tokio's Registration::poll_io, and AsyncFd::async_io.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "rt/driver/io_source.h"
#include "rt/driver/readiness.h"
#include "rt/driver/scheduled_io.h"
#include "rt/future/context.h"
#include "rt/future/leaf.h"
#include "rt/future/poll.h"
#include "rt/platform/todo.h"

namespace rt {

class IoOperation {
 public:
  // `source` outlives it, and stays where it is.
  IoOperation(IoSource& source, Direction direction) noexcept
      : source_(&source), direction_(direction) {}

  // Before the first poll only.
  IoOperation(IoOperation&& other) noexcept
      : source_(other.source_), direction_(other.direction_) {}
  IoOperation& operator=(IoOperation&&) = delete;

  ~IoOperation() {
    RT_TODO("2.4");
  }

  // Calls call(fd), which answers as a system call does: -1 and errno, or a number. Ready with that
  // number, or with -errno. A number from 1 to `full` - 1 says that there is no more for now,
  // unless the event has kPriority: a call may stop in front of urgent data, and what lies behind
  // it brings no event. With `full` = 0 no number says so. May be polled again after an answer:
  // that is a new try.
  template <class Call>
  Poll<ssize_t> poll(Context& cx, std::size_t full, Call call) {
    return as_leaf(cx, [&] { return poll_call(cx, full, std::move(call)); });
  }

  IoSource& source() const noexcept { return *source_; }

 private:
  // What poll() does: as_leaf() calls it once, and counts it in the budget of its task.
  template <class Call>
  Poll<ssize_t> poll_call(Context& cx, std::size_t full, Call call) {
    RT_TODO("2.4");
  }

  IoSource* source_;
  Direction direction_;
  // Yours: what the destructor has to know.
};

}  // namespace rt
