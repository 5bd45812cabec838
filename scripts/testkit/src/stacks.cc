#include "testkit/internal/stacks.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "absl/debugging/symbolize.h"
#include "testkit/internal/printer.h"

// The handler below interrupts a thread anywhere, a sanitizer's runtime included, so the compiler
// must add no calls to that runtime.
#if defined(__clang__)
#define TESTKIT_UNINSTRUMENTED __attribute__((disable_sanitizer_instrumentation))
#else
#define TESTKIT_UNINSTRUMENTED \
  __attribute__((no_sanitize_thread, no_sanitize_address, no_sanitize_undefined))
#endif

extern "C" void __sanitizer_symbolize_pc(void* pc, const char* format, char* out,
                                         std::size_t size) __attribute__((weak));

namespace testkit::internal {
namespace {

// ---- Taking a stack ----

int capture_signal() { return SIGRTMIN + 9; }

// One request at a time: the asker sets wanted, the thread with that id fills stack, then done.
struct Request {
  int wanted = 0;
  int done = 0;
  Stack stack;
};
Request g_request;

TESTKIT_UNINSTRUMENTED void* interrupted_pc(void* ucontext) {
  if (ucontext == nullptr) return nullptr;
#if defined(__x86_64__)
  return reinterpret_cast<void*>(
      static_cast<ucontext_t*>(ucontext)->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return reinterpret_cast<void*>(static_cast<ucontext_t*>(ucontext)->uc_mcontext.pc);
#else
  return nullptr;
#endif
}

TESTKIT_UNINSTRUMENTED void capture_into(Stack& stack, void* ucontext) {
  const int size = ::backtrace(stack.pcs, kMaxFrames);
  void* const pc = interrupted_pc(ucontext);
  int first = 0;
  while (first < size && stack.pcs[first] != pc) ++first;
  if (first == size) first = 0;
  for (int i = first; i < size; ++i) stack.pcs[i - first] = stack.pcs[i];
  stack.size = size - first;
}

TESTKIT_UNINSTRUMENTED void on_capture_signal(int, siginfo_t*, void* ucontext) {
  const int id = static_cast<int>(::syscall(SYS_gettid));
  if (__atomic_load_n(&g_request.wanted, __ATOMIC_ACQUIRE) != id) return;
  capture_into(g_request.stack, ucontext);
  __atomic_store_n(&g_request.done, id, __ATOMIC_RELEASE);
}

TESTKIT_UNINSTRUMENTED bool ask(pid_t id) {
  __atomic_store_n(&g_request.wanted, id, __ATOMIC_RELEASE);
  if (::syscall(SYS_tgkill, ::getpid(), id, capture_signal()) != 0) return false;
  for (int i = 0; i < 300; ++i) {
    if (__atomic_load_n(&g_request.done, __ATOMIC_ACQUIRE) == id) return true;
    const timespec ten_ms{0, 10'000'000};
    ::nanosleep(&ten_ms, nullptr);
  }
  return false;
}

// ---- Naming its frames ----

struct Frame {
  std::string function;
  std::string file;  // "" if not known.
  std::string line;
};

Frame symbolize(void* pc, bool is_return_address) {
  // A return address may already belong to the next line, or to the next function.
  if (is_return_address) pc = static_cast<char*>(pc) - 1;
  Frame frame;
  std::array<char, 4096> text{};
  if (__sanitizer_symbolize_pc != nullptr) {
    __sanitizer_symbolize_pc(pc, "%f\t%s\t%l", text.data(), text.size());
    const std::string_view all(text.data());
    const std::size_t tab = all.find('\t');
    const std::size_t tab2 = tab == std::string_view::npos ? tab : all.find('\t', tab + 1);
    if (tab2 != std::string_view::npos) {
      frame.function = all.substr(0, tab);
      frame.file = all.substr(tab + 1, tab2 - tab - 1);
      frame.line = all.substr(tab2 + 1);
      if (frame.file == "<null>" || frame.file == "??") frame.file.clear();
    } else {
      frame.function = all;
    }
    if (frame.function == "<null>" || frame.function == "??") frame.function.clear();
  }
  if (frame.function.empty() && absl::Symbolize(pc, text.data(), static_cast<int>(text.size()))) {
    frame.function = text.data();
  }
  return frame;
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Functions in which a thread waits, and what for. The first that fits counts.
struct Wait {
  const char* function;  // The whole name, without its arguments.
  const char* words;
};
constexpr Wait kWaits[] = {
    {"pthread_cond_wait", "waits on a condition variable"},
    {"pthread_cond_timedwait", "waits on a condition variable, with a deadline"},
    {"pthread_cond_clockwait", "waits on a condition variable, with a deadline"},
    {"pthread_mutex_lock", "waits for a mutex"},
    {"pthread_rwlock_rdlock", "waits for a reader lock"},
    {"pthread_rwlock_wrlock", "waits for a writer lock"},
    {"pthread_join", "waits for another thread to end"},
    {"pthread_clockjoin_ex", "waits for another thread to end"},
    {"std::thread::join", "waits for another thread to end"},
    {"std::condition_variable::wait", "waits on a condition variable"},
    {"sem_wait", "waits for a semaphore"},
    {"epoll_wait", "waits in epoll_wait"},
    {"poll", "waits in poll"},
    {"ppoll", "waits in poll"},
    {"select", "waits in select"},
    {"accept", "waits in accept"},
    {"accept4", "waits in accept"},
    {"connect", "waits in connect"},
    {"read", "waits in read"},
    {"readv", "waits in read"},
    {"recv", "waits in recv"},
    {"recvfrom", "waits in recv"},
    {"recvmsg", "waits in recv"},
    {"write", "waits in write"},
    {"writev", "waits in write"},
    {"send", "waits in send"},
    {"sendto", "waits in send"},
    {"sendmsg", "waits in send"},
    {"nanosleep", "sleeps"},
    {"clock_nanosleep", "sleeps"},
    {"usleep", "sleeps"},
    {"sigwait", "waits for a signal"},
    {"waitpid", "waits for a child process"},
    {"wait4", "waits for a child process"},
    {"std::__atomic_wait_address", "waits for an atomic to change"},
};

// "__interceptor_pthread_cond_wait@GLIBC_2.3" → "pthread_cond_wait".
std::string_view bare_name(std::string_view function) {
  for (const std::string_view prefix :
       {"__interceptor_", "___interceptor_", "__GI_", "__libc_", "___", "__"}) {
    if (starts_with(function, prefix)) function.remove_prefix(prefix.size());
  }
  return function.substr(0, function.find_first_of("@("));
}

const char* waits_for(const Frame& frame) {
  const std::string_view name = bare_name(frame.function);
  for (const Wait& wait : kWaits) {
    if (name == wait.function) return wait.words;
  }
  if (contains(frame.function, "std::__atomic_wait_address")) {
    return "waits for an atomic to change";
  }
  return nullptr;
}

// A frame that a reader of this course did not write and need not see.
bool is_foreign(const Frame& frame) {
  const std::string_view f = frame.function;
  if (f.empty()) return true;
  if (contains(f, "testkit::internal::") || starts_with(f, "testing::") ||
      contains(f, " testing::internal::") || starts_with(f, "std::") ||
      starts_with(f, "__gnu_cxx::") || starts_with(f, "__cxxabiv1::") || starts_with(f, "__") ||
      starts_with(f, "_Unwind") || contains(f, " std::__invoke") || contains(f, "__interceptor")) {
    return true;
  }
  if (starts_with(frame.file, "/usr/") || contains(frame.file, "libsanitizer") ||
      contains(frame.file, "compiler-rt") || contains(frame.file, "sysdeps/") ||
      starts_with(frame.file, "./nptl") || starts_with(frame.file, "../") ||
      contains(frame.file, "/c++/") || contains(frame.file, "scripts/testkit/main.cc")) {
    return true;
  }
  // With files known for our own code, a function without one is a library's. Without any
  // (a build that has no sanitizer), what C names alone is libc's.
  if (frame.file.empty()) {
    return __sanitizer_symbolize_pc != nullptr ||
           (!contains(f, "::") && !contains(f, "(") && !contains(f, "_Test"));
  }
  return false;
}

// Template arguments and parameters below the first level are left out, and "TEST_F" bodies are
// called by the test's name.
std::string readable(std::string_view f) {
  constexpr std::string_view kBody = "_Test::TestBody";
  if (const std::size_t body = f.find(kBody); body != std::string_view::npos) {
    const std::size_t scope = f.rfind("::", body);
    std::string name(f.substr(scope == std::string_view::npos ? 0 : scope + 2));
    name.resize(name.find(kBody));
    const bool in_lambda = contains(f, "lambda") || contains(f, "$_") || contains(f, "operator()");
    if (const std::size_t space = name.rfind(' '); space != std::string::npos) {
      name.erase(0, space + 1);
    }
    const std::size_t underscore = name.find('_');
    if (underscore != std::string::npos) name[underscore] = '.';
    return (in_lambda ? "a lambda in test " : "test ") + name;
  }
  std::string out;
  int depth = 0;
  for (std::size_t i = 0; i < f.size(); ++i) {
    const char c = f[i];
    const bool is_operator = i >= 8 && f.substr(i - 8, 8) == "operator";
    if ((c == '<' || c == '(') && !is_operator) {
      const bool empty = i + 1 < f.size() && (f[i + 1] == '>' || f[i + 1] == ')');
      if (depth++ == 0) out += empty ? std::string(1, c) : std::string(1, c) + "…";
      continue;
    }
    if (c == '>' && i > 0 && f[i - 1] == '-') continue;
    if ((c == '>' || c == ')') && depth > 0) {
      if (--depth == 0) out += c;
      continue;
    }
    if (depth == 0) out += c;
  }
  return out;
}

}  // namespace

void install_stack_capture() {
  // The first call loads libgcc, which a signal handler must not do.
  std::array<void*, 4> warm_up{};
  static_cast<void>(::backtrace(warm_up.data(), static_cast<int>(warm_up.size())));

  // The C library's own sigaction: that of ThreadSanitizer would hold the signal back until the
  // thread next calls into its runtime, which a thread that waits for a mutex never does.
  using Sigaction = int (*)(int, const struct sigaction*, struct sigaction*);
  Sigaction install = &::sigaction;
  if (void* const libc = ::dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD); libc != nullptr) {
    if (void* const found = ::dlsym(libc, "sigaction"); found != nullptr) {
      install = reinterpret_cast<Sigaction>(found);
    }
  }
  struct sigaction action {};
  action.sa_sigaction = &on_capture_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigfillset(&action.sa_mask);
  install(capture_signal(), &action, nullptr);
}

Stack capture_thread(pid_t id) {
  Stack stack;
  if (ask(id)) stack = g_request.stack;
  return stack;
}

Stack capture_here(void* ucontext) {
  Stack stack;
  capture_into(stack, ucontext);
  return stack;
}

std::string describe(const Stack& stack, const std::string& indent) {
  if (stack.size == 0) return indent + "(its stack could not be taken)\n";
  std::vector<Frame> frames;
  for (int i = 0; i < stack.size; ++i) frames.push_back(symbolize(stack.pcs[i], i != 0));

  const auto is_ours = [](const Frame& f) { return !is_foreign(f); };
  const auto first = std::find_if(frames.begin(), frames.end(), is_ours);
  // The outermost of the foreign frames that says what the thread waits for: it is the one that our
  // code called.
  const char* waiting = nullptr;
  for (auto it = frames.begin(); it != first; ++it) {
    if (const char* const words = waits_for(*it); words != nullptr) waiting = words;
  }
  std::string out;
  if (waiting != nullptr) out += indent + waiting + "\n";
  if (first == frames.end()) {
    if (waiting != nullptr) return out;
    for (std::size_t i = 0; i < std::min<std::size_t>(frames.size(), 8); ++i) {
      out += indent + "in " + (frames[i].function.empty() ? "?" : readable(frames[i].function)) +
             "\n";
    }
    return out;
  }
  std::size_t shown = 0;
  constexpr std::size_t kMost = 24;
  for (auto it = first; it != frames.end(); ++it) {
    if (is_foreign(*it)) continue;
    if (++shown > kMost) {
      out += indent + "… and more\n";
      break;
    }
    out += indent + (shown == 1 ? "in " : "   ") + readable(it->function) + "\n";
    if (!it->file.empty()) {
      out += indent + "      " + short_path(it->file) + ":" + it->line + "\n";
    }
  }
  return out;
}

}  // namespace testkit::internal
