// BoxFuture: any future with the given Output, behind one pointer, so that futures of different
// types can stand in one queue.
//
// Thread safety: that of the future inside. The boxed future does not move when the BoxFuture does.
//
// The idea is Rust's Pin<Box<dyn Future>>.
#pragma once

#include <memory>
#include <utility>

#include "rt/future/future.h"

namespace rt {

template <class T>
class [[nodiscard]] BoxFuture {
 public:
  using Output = T;

  // Allocates once and moves `future` in. (That F is another type comes first, so that moving a
  // BoxFuture does not ask whether it is a Future, which asks whether it can be moved.)
  template <class F>
  requires(!std::same_as<F, BoxFuture> && Future<F> &&
           std::same_as<OutputOf<F>, T>) explicit BoxFuture(F future)
      : box_(std::make_unique<Box<F>>(std::move(future))) {}

  Poll<T> poll(Context& cx) { return box_->poll(cx); }

 private:
  struct AnyBox {
    AnyBox() = default;
    AnyBox(const AnyBox&) = delete;
    AnyBox& operator=(const AnyBox&) = delete;
    virtual ~AnyBox() = default;
    virtual Poll<T> poll(Context& cx) = 0;
  };

  template <class F>
  struct Box final : AnyBox {
    explicit Box(F f) : future(std::move(f)) {}
    Poll<T> poll(Context& cx) override { return future.poll(cx); }
    F future;
  };

  std::unique_ptr<AnyBox> box_;
};

}  // namespace rt
