// The program's operator new and delete. What a scenario deletes is given back only at the end of
// the execution, so that no address stands for two objects in one execution: what is used after its
// end is recognized, and what compares addresses comes to the same result each time.
//
// Not with AddressSanitizer: it has operators of its own, which do more.
#ifndef TESTKIT_MODEL_ASAN

#include <cstddef>
#include <cstdlib>
#include <new>

#include "engine.h"

namespace testkit::model::detail {
namespace {

// Deleted in this execution. Not a vector: that would allocate and delete.
void** g_deleted = nullptr;
std::size_t g_count = 0;
std::size_t g_room = 0;

void* allocate(std::size_t size) {
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

void* allocate(std::size_t size, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  if (void* const memory = std::aligned_alloc(unit, (size + unit - 1) / unit * unit)) return memory;
  throw std::bad_alloc();
}

void release(void* memory) noexcept {
  if (memory == nullptr) return;
  if (!Engine::is_running_here()) return std::free(memory);
  for (std::size_t i = 0; i < g_count; ++i) {
    if (g_deleted[i] == memory) Engine::get().deleted_twice();
  }
  if (g_count == g_room) {
    const std::size_t room = g_room == 0 ? 256 : 2 * g_room;
    void* const larger = std::realloc(g_deleted, room * sizeof(void*));
    if (larger == nullptr) return;  // Lost; there is no room to remember it.
    g_deleted = static_cast<void**>(larger);
    g_room = room;
  }
  g_deleted[g_count++] = memory;
}

}  // namespace

void give_back_deleted() noexcept {
  while (g_count > 0) std::free(g_deleted[--g_count]);
}

}  // namespace testkit::model::detail

using testkit::model::detail::allocate;
using testkit::model::detail::release;

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, std::align_val_t unit) { return allocate(size, unit); }
void* operator new[](std::size_t size, std::align_val_t unit) { return allocate(size, unit); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

#else

namespace testkit::model::detail {
void give_back_deleted() noexcept {}
}  // namespace testkit::model::detail

#endif
