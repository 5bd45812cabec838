#include "testkit/internal/crash.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <typeinfo>

#include "absl/debugging/symbolize.h"
#include "testkit/internal/printer.h"
#include "testkit/internal/stacks.h"
#include "testkit/steps.h"

extern "C" {
void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));
void __asan_init() __attribute__((weak));
void __tsan_init() __attribute__((weak));
}

namespace testkit::internal {
namespace {

void print(const std::string& text) {
  std::fflush(stdout);
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

std::string steps_or_note() {
  const std::string steps = steps_so_far();
  return steps.empty() ? "" : "\n" + steps;
}

std::string demangled(const std::type_info& type) {
  int status = 0;
  char* const name = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string result = status == 0 && name != nullptr ? name : type.name();
  std::free(name);
  return result;
}

std::string what_was_thrown() {
  const std::type_info* const type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "std::terminate was called, and no exception was in flight.";
  const std::string caught = "Nobody caught an exception of type " + demangled(*type);
  try {
    throw;
  } catch (const std::exception& e) {
    return caught + ":\n  " + e.what();
  } catch (...) {
    return caught + ".";
  }
}

[[noreturn]] void on_terminate() {
  print("\nThe test " + current_test() + " was ended by std::terminate.\n" + what_was_thrown() +
        "\n" + steps_or_note() + "\nThe thread was\n" + called_from("  "));
  ::signal(SIGABRT, SIG_DFL);
  std::abort();
}

void on_fatal_signal(int number, siginfo_t*, void* ucontext) {
  ::signal(number, SIG_DFL);
  // Not all of this is allowed in a signal handler. The process is lost already, and if this fails
  // too, the default action of the signal ends it.
  print("\nThe test " + current_test() + " was ended by the signal " +
        (number == SIGABRT ? "SIGABRT: abort() was called" : ::strsignal(number)) + ".\n" +
        steps_or_note() + "\nThe thread was\n" + describe(capture_here(ucontext), "  "));
  ::raise(number);
}

void on_sanitizer_death() {
  std::string text;
  if (all_passed()) {
    text =
        "\nEvery expectation of the test held. What failed is in the report above, which was "
        "made\nwhen the test had ended.\n";
  }
  print(text + steps_or_note());
}

}  // namespace

void install_crash_reports() {
  absl::InitializeSymbolizer(nullptr);
  install_stack_capture();
  std::set_terminate(&on_terminate);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(&on_sanitizer_death);
  }
  // g++ has UndefinedBehaviorSanitizer in a library of its own, with its own copy of that function.
  using SetCallback = void (*)(void (*)());
  if (void* const ubsan = ::dlopen("libubsan.so.1", RTLD_LAZY | RTLD_NOLOAD); ubsan != nullptr) {
    void* const set = ::dlsym(ubsan, "__sanitizer_set_death_callback");
    if (set != nullptr) reinterpret_cast<SetCallback>(set)(&on_sanitizer_death);
  }

  struct sigaction action {};
  action.sa_sigaction = &on_fatal_signal;
  action.sa_flags = static_cast<int>(SA_SIGINFO | SA_RESETHAND | SA_ONSTACK);
  ::sigemptyset(&action.sa_mask);
  install_handler(SIGABRT, action);
  // AddressSanitizer and ThreadSanitizer report the others better themselves.
  if (__asan_init != nullptr || __tsan_init != nullptr) return;
  static char alternate_stack[1 << 16];
  stack_t stack{};
  stack.ss_sp = alternate_stack;
  stack.ss_size = sizeof alternate_stack;
  ::sigaltstack(&stack, nullptr);
  for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) install_handler(number, action);
}

}  // namespace testkit::internal
