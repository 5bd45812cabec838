#include "fiber.h"

#include <cxxabi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// The checker itself may be built without AddressSanitizer for scenarios that are built with it:
// then it is told by TESTKIT_MODEL_ASAN.
#if defined(__SANITIZE_ADDRESS__) && !defined(TESTKIT_MODEL_ASAN)
#define TESTKIT_MODEL_ASAN
#elif defined(__has_feature) && !defined(TESTKIT_MODEL_ASAN)
#if __has_feature(address_sanitizer)
#define TESTKIT_MODEL_ASAN
#endif
#endif

#ifdef TESTKIT_MODEL_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifndef TESTKIT_MODEL_UCONTEXT

// Pushes the registers that a function must keep, leaves the stack pointer in *from, takes `to` for
// a stack pointer and pops them from there. Returns to whoever called it last on that stack.
extern "C" void testkit_model_switch(void** from, void* to);

#if defined(__x86_64__)
asm(R"(
.text
.p2align 4
.type testkit_model_switch, @function
testkit_model_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size testkit_model_switch, .-testkit_model_switch
)");
#else
asm(R"(
.text
.p2align 4
.type testkit_model_switch, %function
testkit_model_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size testkit_model_switch, .-testkit_model_switch
)");
#endif

#endif  // TESTKIT_MODEL_UCONTEXT

namespace testkit::model::detail {
namespace {

// GoogleTest's matchers and printers want more than 64 KiB. Pages that nobody touches cost nothing.
constexpr std::size_t kStackSize = 512 * 1024;

Fiber* g_from = nullptr;  // The two sides of the switch that goes on.
Fiber* g_to = nullptr;

}  // namespace

Fiber::Fiber() {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  mapping_size_ = kStackSize + page;
  void* const memory = ::mmap(nullptr, mapping_size_, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || ::mprotect(memory, page, PROT_NONE) != 0) {
    std::perror("model checker: no memory for a fiber's stack");
    std::abort();
  }
  mapping_ = static_cast<char*>(memory);
  bottom_ = mapping_ + page;
  size_ = kStackSize;
}

Fiber::~Fiber() {
  if (mapping_ == nullptr) return;
#ifdef TESTKIT_MODEL_ASAN
  __asan_unpoison_memory_region(bottom_, size_);
#endif
  ::munmap(mapping_, mapping_size_);
}

void Fiber::begin(void (*entry)(void*), void* argument) {
  entry_ = entry;
  argument_ = argument;
  exceptions_ = {};
  fake_stack_ = nullptr;
#ifdef TESTKIT_MODEL_ASAN
  // Frames that were left standing here have marked the space around their variables.
  __asan_unpoison_memory_region(bottom_, size_);
#endif
#ifdef TESTKIT_MODEL_UCONTEXT
  ::getcontext(&context_);
  context_.uc_stack.ss_sp = const_cast<void*>(bottom_);
  context_.uc_stack.ss_size = size_;
  context_.uc_link = nullptr;
  ::makecontext(&context_, &Fiber::enter, 0);
#else
  // As if enter() had been called from address 0, where stack traces end, and had then switched
  // away with its registers all zero.
  auto* top = reinterpret_cast<std::uintptr_t*>(mapping_ + mapping_size_);
#if defined(__x86_64__)
  *--top = 0;
  *--top = reinterpret_cast<std::uintptr_t>(&Fiber::enter);
  for (int i = 0; i < 6; ++i) *--top = 0;
#else
  for (int i = 0; i < 20; ++i) *--top = 0;
  top[11] = reinterpret_cast<std::uintptr_t>(&Fiber::enter);  // x30
#endif
  stack_pointer_ = top;
#endif
}

void Fiber::enter() noexcept {
  Fiber& self = *g_to;
  self.arrived();
  self.entry_(self.argument_);
  std::abort();
}

// The first thing to happen on a stack after a switch to it.
void Fiber::arrived() {
#ifdef TESTKIT_MODEL_ASAN
  const void* bottom = nullptr;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &size);
  g_from->bottom_ = bottom;  // So the host's stack becomes known.
  g_from->size_ = size;
#endif
  std::memcpy(abi::__cxa_get_globals(), exceptions_.data(), exceptions_.size());
}

void switch_fibers(Fiber& from, Fiber& to) {
  std::memcpy(from.exceptions_.data(), abi::__cxa_get_globals(), from.exceptions_.size());
  g_from = &from;
  g_to = &to;
#ifdef TESTKIT_MODEL_ASAN
  __sanitizer_start_switch_fiber(&from.fake_stack_, to.bottom_, to.size_);
#endif
#ifdef TESTKIT_MODEL_UCONTEXT
  ::swapcontext(&from.context_, &to.context_);
#else
  testkit_model_switch(&from.stack_pointer_, to.stack_pointer_);
#endif
  from.arrived();
}

}  // namespace testkit::model::detail
