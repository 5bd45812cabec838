// waker_from: a Waker that holds one counted reference to the thing it wakes.
//
// W says what waking means in a static member function `wake_by_ref(const sync::Arc<W>& self)`,
// called by any thread, any number of times. The idea is Rust's std::task::Wake.
#pragma once

#include <utility>

#include "rt/future/waker.h"
#include "rt/platform/sync.h"

namespace rt {

template <class W>
concept Wake = requires(const sync::Arc<W>& self) {
  W::wake_by_ref(self);
};

namespace detail {

template <Wake W>
struct ArcWaker {
  static void* clone(void* data) noexcept {
    sync::Arc<W> mine = sync::Arc<W>::from_raw(data);
    sync::Arc<W> another = mine;
    std::move(mine).into_raw();  // `data` still belongs to the waker that is cloned.
    return std::move(another).into_raw();
  }
  static void wake(void* data) noexcept {
    const sync::Arc<W> mine = sync::Arc<W>::from_raw(data);
    W::wake_by_ref(mine);
  }
  static void wake_by_ref(void* data) noexcept {
    sync::Arc<W> mine = sync::Arc<W>::from_raw(data);
    W::wake_by_ref(mine);
    std::move(mine).into_raw();
  }
  static void drop(void* data) noexcept { sync::Arc<W>::from_raw(data); }

  static constexpr WakerVTable kVTable{&clone, &wake, &wake_by_ref, &drop};
};

}  // namespace detail

template <Wake W>
Waker waker_from(sync::Arc<W> target) {
  return Waker(std::move(target).into_raw(), &detail::ArcWaker<W>::kVTable);
}

}  // namespace rt
