// TaskMemory: how a task and its future lie in one piece of memory.
//
//   +------------------------------+---------+------------------------------+
//   | TaskCell                     | padding | future, or output, or error  |
//   +------------------------------+---------+------------------------------+
//
// Thread safety: plain values and functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>

#include "rt/platform/blocks.h"
#include "rt/task/spawn.h"

namespace rt {

class TaskMemory {
 public:
  // For a cell of this size and alignment, and what `future` may need behind it.
  TaskMemory(std::size_t cell_size, std::size_t cell_align, const FutureVTable& future) noexcept {
    // A power of two: no division.
    offset_ = (cell_size + future.place_align - 1) & ~(future.place_align - 1);
    size_ = offset_ + future.place_size;
    align_ = std::max(cell_align, future.place_align);
  }

  std::size_t offset() const noexcept { return offset_; }  // Of the future, from the cell.

  // Throws std::bad_alloc. An alignment that blocks have anyway is not asked for: asking makes it
  // slow.
  void* allocate() const {
    if (is_plain()) return blocks::allocate(size_);
    return ::operator new(size_, std::align_val_t(align_));
  }
  // Without the size, since clang 16 has no sized delete unless told to; and not by `?:`, of which
  // it calls both sides.
  void deallocate(void* memory) const noexcept {
    if (is_plain()) {
      blocks::deallocate(memory, size_);
    } else {
      ::operator delete(memory, std::align_val_t(align_));
    }
  }

 private:
  bool is_plain() const noexcept { return align_ <= __STDCPP_DEFAULT_NEW_ALIGNMENT__; }

  std::size_t offset_;
  std::size_t size_;
  std::size_t align_;
};

}  // namespace rt
