// ErasedFuture and ErasedOutput: a future of any type and its output, as bytes and the functions of
// a FutureVTable. Here is all the placement new and the alignment, so that whoever keeps a task has
// only its states to think about.
//
// Thread safety: plain values. One thread at a time.
//
// Invariants
//   1. What is constructed in one of these is destroyed once.
//   2. The bytes do not move when the ErasedFuture or the ErasedOutput does.
#pragma once

#include <cstddef>
#include <new>
#include <optional>
#include <utility>

#include "rt/future/context.h"
#include "rt/task/spawn.h"

namespace rt {
namespace detail {

// Memory of a given size and alignment.
class Bytes {
 public:
  Bytes(std::size_t size, std::size_t align)
      : align_(align), data_(::operator new(size, std::align_val_t(align))) {}
  Bytes(Bytes&& other) noexcept
      : align_(other.align_), data_(std::exchange(other.data_, nullptr)) {}
  Bytes& operator=(Bytes&& other) noexcept {
    std::swap(align_, other.align_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~Bytes() {
    if (data_ != nullptr) ::operator delete(data_, std::align_val_t(align_));
  }
  void* get() const noexcept { return data_; }

 private:
  std::size_t align_;
  void* data_;
};

}  // namespace detail

// A place for one output, empty or full.
class ErasedOutput {
 public:
  explicit ErasedOutput(const FutureVTable& vtable)
      : vtable_(&vtable), bytes_(vtable.output_size, vtable.output_align) {}
  ErasedOutput(ErasedOutput&& other) noexcept
      : vtable_(other.vtable_),
        bytes_(std::move(other.bytes_)),
        is_full_(std::exchange(other.is_full_, false)) {}
  ErasedOutput& operator=(ErasedOutput&& other) noexcept {
    std::swap(vtable_, other.vtable_);
    std::swap(bytes_, other.bytes_);
    std::swap(is_full_, other.is_full_);
    return *this;
  }
  ~ErasedOutput() {
    if (is_full_) vtable_->destroy_output(bytes_.get());
  }

  bool is_full() const noexcept { return is_full_; }

  // Move-constructs the output at `place`; what is left here is destroyed with this object.
  // REQUIRES: is_full().
  void move_to(void* place) { vtable_->move_output(bytes_.get(), place); }

 private:
  friend class ErasedFuture;

  const FutureVTable* vtable_;
  detail::Bytes bytes_;
  bool is_full_ = false;
};

class ErasedFuture {
 public:
  // Moves the future at `future` in. The caller still destroys what is left there.
  ErasedFuture(void* future, const FutureVTable& vtable)
      : vtable_(&vtable), bytes_(vtable.size, vtable.align), output_(vtable) {
    vtable_->move(future, bytes_.get());
    is_alive_ = true;
  }
  ErasedFuture(ErasedFuture&& other) noexcept
      : vtable_(other.vtable_),
        bytes_(std::move(other.bytes_)),
        output_(std::move(other.output_)),
        is_alive_(std::exchange(other.is_alive_, false)) {}
  ErasedFuture& operator=(ErasedFuture&&) = delete;
  ~ErasedFuture() { reset(); }

  // The output when the future is ready; nothing while it is pending. Throws what it throws.
  // REQUIRES: not reset, and not polled after it was ready.
  std::optional<ErasedOutput> poll(Context& cx) {
    if (!vtable_->poll(bytes_.get(), cx, output_.bytes_.get())) return std::nullopt;
    output_.is_full_ = true;
    return std::optional<ErasedOutput>(std::move(output_));
  }

  // Destroys the future, unless that was done.
  void reset() noexcept {
    if (std::exchange(is_alive_, false)) vtable_->destroy(bytes_.get());
  }

 private:
  const FutureVTable* vtable_;
  detail::Bytes bytes_;
  ErasedOutput output_;
  bool is_alive_ = false;
};

}  // namespace rt
