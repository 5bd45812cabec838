// Every operator new and delete of a program, made of two functions. The one source file that
// includes this defines them.
//
// All twenty forms: a sanitizer has each of them of its own, and what its nothrow new gave must not
// come to our delete. libstdc++ calls that in std::stable_sort(), which GoogleTest calls.
#pragma once

#include <cstddef>
#include <new>

namespace testkit::internal {

void* replaced_new(std::size_t size, std::size_t alignment) noexcept;  // Null: no memory.
void replaced_delete(void* memory) noexcept;                           // Not of null.

inline constexpr std::size_t kNewAlignment = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

inline void* new_or_throw(std::size_t size, std::size_t alignment) {
  if (void* const memory = replaced_new(size, alignment)) return memory;
  throw std::bad_alloc();
}
inline void delete_unless_null(void* memory) noexcept {
  if (memory != nullptr) replaced_delete(memory);
}

}  // namespace testkit::internal

// `form`: new, or new[].
#define TESTKIT_REPLACE_NEW(form)                                                      \
  void* operator form(std::size_t size) {                                              \
    return testkit::internal::new_or_throw(size, testkit::internal::kNewAlignment);    \
  }                                                                                    \
  void* operator form(std::size_t size, std::align_val_t alignment) {                  \
    return testkit::internal::new_or_throw(size, static_cast<std::size_t>(alignment)); \
  }                                                                                    \
  void* operator form(std::size_t size, const std::nothrow_t&) noexcept {              \
    return testkit::internal::replaced_new(size, testkit::internal::kNewAlignment);    \
  }                                                                                    \
  void* operator form(std::size_t size, std::align_val_t alignment,                    \
                      const std::nothrow_t&) noexcept {                                \
    return testkit::internal::replaced_new(size, static_cast<std::size_t>(alignment)); \
  }

// `form`: delete, or delete[].
#define TESTKIT_REPLACE_DELETE(form)                                                           \
  void operator form(void* memory) noexcept { testkit::internal::delete_unless_null(memory); } \
  void operator form(void* memory, std::size_t) noexcept {                                     \
    testkit::internal::delete_unless_null(memory);                                             \
  }                                                                                            \
  void operator form(void* memory, std::align_val_t) noexcept {                                \
    testkit::internal::delete_unless_null(memory);                                             \
  }                                                                                            \
  void operator form(void* memory, std::size_t, std::align_val_t) noexcept {                   \
    testkit::internal::delete_unless_null(memory);                                             \
  }                                                                                            \
  void operator form(void* memory, const std::nothrow_t&) noexcept {                           \
    testkit::internal::delete_unless_null(memory);                                             \
  }                                                                                            \
  void operator form(void* memory, std::align_val_t, const std::nothrow_t&) noexcept {         \
    testkit::internal::delete_unless_null(memory);                                             \
  }

TESTKIT_REPLACE_NEW(new)
TESTKIT_REPLACE_NEW(new[])
TESTKIT_REPLACE_DELETE(delete)
TESTKIT_REPLACE_DELETE(delete[])

#undef TESTKIT_REPLACE_NEW
#undef TESTKIT_REPLACE_DELETE
