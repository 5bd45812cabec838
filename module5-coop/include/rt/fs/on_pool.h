// OnPool: a call that blocks, as a future. It is made on a thread of the runtime's pool for
// blocking calls (rt/runtime/spawn_blocking.h) when the future is first polled.
//
// Thread safety: like any future, one thread at a time.
//
// Invariants
//   1. Nothing happens before the first poll.
//   2. Dropped before the call has begun: it will not be made. Dropped after that: it goes to its
//      end, and what it returns is dropped. So what it needs belongs to it.
//
// poll() throws what spawn_blocking() throws: std::logic_error outside of a Runtime; and Cancelled
// when the runtime has been shut down.
//
// The idea is that of tokio::fs.
#pragma once

#include <optional>
#include <stdexcept>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/poll.h"
#include "rt/runtime/spawn_blocking.h"
#include "rt/task/spawn.h"

namespace rt::fs {

template <class T>
class [[nodiscard]] OnPool {
 public:
  using Output = T;
  using Call = absl::AnyInvocable<T()>;

  explicit OnPool(Call call) : call_(std::move(call)) {}
  // Before the first poll only.
  OnPool(OnPool&& other) noexcept : call_(std::move(other.call_)) {}
  OnPool& operator=(OnPool&&) = delete;
  ~OnPool() {
    if (handle_.has_value()) handle_->abort();
  }

  Poll<T> poll(Context& cx) {
    if (!handle_.has_value()) handle_.emplace(spawn_blocking(std::move(call_)));
    return handle_->poll(cx);
  }

 private:
  Call call_;
  std::optional<JoinHandle<T>> handle_;
};

}  // namespace rt::fs
