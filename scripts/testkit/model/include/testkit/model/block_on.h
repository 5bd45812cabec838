// block_on: polls a future on a model thread, and blocks that thread until the future's waker was
// woken. A wake that is lost is a deadlock, and the checker shows it.
//
// The checker's own, so that futures can be tested without the course's parkers and executors.
#pragma once

#include <utility>

#include "rt/future/context.h"
#include "rt/future/future.h"
#include "rt/future/waker.h"
#include "testkit/model/sync.h"

namespace testkit::model {
namespace detail {

// Its wakers count without an atomic: nothing can come between two lines of the checker's own.
class SignalWaker {
 public:
  static rt::Waker make(SignalWaker* self) noexcept {
    ++self->references_;
    return rt::Waker(self, &kVTable);
  }
  explicit SignalWaker(Place place) noexcept : signal_(place) {}
  void wait(Place place) { signal_.wait(place); }
  static void release(void* data) noexcept {
    auto* const self = static_cast<SignalWaker*>(data);
    if (--self->references_ == 0) delete self;
  }

 private:
  static void* clone(void* data) {
    ++static_cast<SignalWaker*>(data)->references_;
    return data;
  }
  static void wake_by_ref(void* data) { static_cast<SignalWaker*>(data)->signal_.set(Place()); }
  static void wake(void* data) {
    wake_by_ref(data);
    release(data);
  }
  static constexpr rt::WakerVTable kVTable{&clone, &wake, &wake_by_ref, &release};

  Signal signal_;
  int references_ = 1;
};

}  // namespace detail

template <rt::Future F>
rt::OutputOf<F> block_on(F future, Place place = Place::current()) {
  struct Owner {
    explicit Owner(Place p) : waker(new detail::SignalWaker(p)) {}
    ~Owner() { detail::SignalWaker::release(waker); }
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    detail::SignalWaker* waker;
  };
  const Owner owner(place);
  const rt::Waker waker = detail::SignalWaker::make(owner.waker);
  rt::Context cx(waker);
  for (;;) {
    auto result = future.poll(cx);
    if (result.is_ready()) return std::move(result).take();
    owner.waker->wait(place);
  }
}

}  // namespace testkit::model
