// block_on over real threads: see model.h in this folder.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

#include "rt/future/arc_waker.h"
#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/waker.h"
#include "testkit/model/model.h"

namespace testkit::model {

namespace detail {

struct Signal {
  static void wake_by_ref(const rt::sync::Arc<Signal>& self) {
    {
      const std::lock_guard lock(self->mutex);
      self->is_set = true;
    }
    self->condition.notify_one();
  }
  void wait() {
    std::unique_lock lock(mutex);
    condition.wait(lock, [this] { return is_set; });
    is_set = false;
  }

  std::mutex mutex;
  std::condition_variable condition;
  bool is_set = false;
};

}  // namespace detail

template <rt::Future F>
rt::OutputOf<F> block_on(F future) {
  const auto signal = rt::sync::Arc<detail::Signal>::make();
  const rt::Waker waker = rt::waker_from(signal);
  rt::Context cx(waker);
  for (;;) {
    auto result = future.poll(cx);
    if (result.is_ready()) return std::move(result).take();
    signal->wait();
  }
}

}  // namespace testkit::model
