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

void* allocate(std::size_t size, std::size_t alignment) noexcept {
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return std::malloc(size == 0 ? 1 : size);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void release(void* memory) noexcept {
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

#include "testkit/internal/replaced_new.h"

void* testkit::internal::replaced_new(std::size_t size, std::size_t alignment) noexcept {
  return model::detail::allocate(size, alignment);
}
void testkit::internal::replaced_delete(void* memory) noexcept { model::detail::release(memory); }

#else

namespace testkit::model::detail {
void give_back_deleted() noexcept {}
}  // namespace testkit::model::detail

#endif
