// Fiber: a stack of its own, on which a scenario's thread runs until it hands the processor on.
//
// Thread safety: all fibers of a process live on one thread of the system.
//
// Invariants
//   1. switch_fibers() saves and restores what the calling convention wants kept, and the
//      exceptions that are being handled: these belong to a thread of the system, not to a fiber.
//   2. A stack ends at a page that may not be touched. An overflow is a crash, never a silent
//   write.
//   3. AddressSanitizer is told of every switch, and of a stack that begins anew.
#pragma once

#include <array>
#include <cstddef>

#if !defined(TESTKIT_MODEL_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define TESTKIT_MODEL_UCONTEXT  // Slower by 150 ns a switch: it asks the system for the signal
                                // mask.
#endif

#ifdef TESTKIT_MODEL_UCONTEXT
#include <ucontext.h>
#endif

namespace testkit::model::detail {

class Fiber {
 public:
  struct Host {};

  explicit Fiber(Host) noexcept {}  // The stack that the program runs on already.
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The next switch to this fiber calls entry(argument), which must never return. Whatever was on
  // the stack is forgotten; no destructor runs.
  void begin(void (*entry)(void*), void* argument);

 private:
  friend void switch_fibers(Fiber& from, Fiber& to);
  static void enter() noexcept;
  void arrived();

  char* mapping_ = nullptr;  // The guard page, then the stack.
  std::size_t mapping_size_ = 0;
  const void* bottom_ = nullptr;  // As AddressSanitizer wants to be told.
  std::size_t size_ = 0;
  void* fake_stack_ = nullptr;
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
  std::array<std::byte, 2 * sizeof(void*)> exceptions_{};
#ifdef TESTKIT_MODEL_UCONTEXT
  ucontext_t context_{};
#else
  void* stack_pointer_ = nullptr;
#endif
};

// Goes on in `to`; returns when somebody switches to `from`. REQUIRES: the caller runs in `from`.
void switch_fibers(Fiber& from, Fiber& to);

}  // namespace testkit::model::detail
