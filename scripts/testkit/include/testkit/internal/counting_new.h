// Counts what a program allocates. The one source file that includes this replaces operator new.
//
// clang's ThreadSanitizer has an operator new of its own, which nothing can take the place of:
// there nothing is counted, and TESTKIT_COUNTS_NEW is not defined.
//
// Thread safety: none; for tests with one thread.
#pragma once

#include <cstddef>

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define TESTKIT_NEW_IS_TAKEN
#endif
#endif

namespace testkit::internal {

inline std::size_t allocations = 0;

}  // namespace testkit::internal

#ifndef TESTKIT_NEW_IS_TAKEN
#define TESTKIT_COUNTS_NEW

#include <cstdlib>

#include "testkit/internal/replaced_new.h"

// malloc() is still AddressSanitizer's.
void* testkit::internal::replaced_new(std::size_t size, std::size_t alignment) noexcept {
  ++allocations;
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return std::malloc(size);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
void testkit::internal::replaced_delete(void* memory) noexcept { std::free(memory); }

#endif
