#include "testkit/internal/stacks.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
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

extern "C" void __sanitizer_symbolize_pc(void* pc, const char* format, char* out, std::size_t size)
    __attribute__((weak));

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
  return reinterpret_cast<void*>(static_cast<ucontext_t*>(ucontext)->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return reinterpret_cast<void*>(static_cast<ucontext_t*>(ucontext)->uc_mcontext.pc);
#else
  return nullptr;
#endif
}

TESTKIT_UNINSTRUMENTED _Unwind_Reason_Code add_frame(_Unwind_Context* context, void* to) {
  Stack& stack = *static_cast<Stack*>(to);
  void* const pc = reinterpret_cast<void*>(_Unwind_GetIP(context));
  if (pc == nullptr || stack.size == kMaxFrames) return _URC_END_OF_STACK;
  stack.pcs[stack.size++] = pc;
  return _URC_NO_REASON;
}

// The unwinder itself, since the sanitizers intercept backtrace().
TESTKIT_UNINSTRUMENTED void capture_into(Stack& stack, void* ucontext) {
  stack.size = 0;
  ::_Unwind_Backtrace(&add_frame, &stack);
  const int size = stack.size;
  void* const pc = interrupted_pc(ucontext);
  int first = 0;  // Above it are the signal handler's own frames.
  while (first < size && stack.pcs[first] != pc) ++first;
  if (pc == nullptr || first == size) first = 0;
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

Frame parse(std::string_view text) {
  Frame frame;
  const std::size_t tab = text.find('\t');
  frame.function = text.substr(0, tab);
  if (tab != std::string_view::npos) {
    const std::string_view place = text.substr(tab + 1);
    const std::size_t colon = place.rfind(':');
    frame.file = place.substr(0, colon);
    if (colon != std::string_view::npos) frame.line = place.substr(colon + 1);
  }
  if (frame.file == "<null>" || frame.file == "??") frame.file.clear();
  if (frame.function == "<null>" || frame.function == "??") frame.function.clear();
  return frame;
}

// The function that holds `pc`, after those that were inlined into it there, innermost first.
std::vector<Frame> symbolize(void* pc, bool is_return_address) {
  // A return address may already belong to the next line, or to the next function.
  if (is_return_address) pc = static_cast<char*>(pc) - 1;
  std::vector<Frame> frames;
  std::array<char, 8192> text{};
  if (__sanitizer_symbolize_pc != nullptr) {
    // Several strings, each with its NUL, and an empty one at the end.
    __sanitizer_symbolize_pc(pc, "%f\t%s:%l", text.data(), text.size());
    text.back() = '\0';
    for (const char* next = text.data(); *next != '\0'; next += std::string_view(next).size() + 1) {
      frames.push_back(parse(next));
    }
  }
  if (frames.empty()) frames.emplace_back();
  // g++'s debug information calls each lambda and each local function by its last name only.
  Frame& frame = frames.back();
  if (frame.function.find("::") == std::string::npos &&
      absl::Symbolize(pc, text.data(), static_cast<int>(text.size()))) {
    frame.function = text.data();
  }
  return frames;
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Functions in which a thread waits, and what for. The first that fits counts.
struct Wait {
  std::string_view function;
  std::string_view words;
};
// A part of the name that the C library, the C++ library or a sanitizer uses.
constexpr Wait kWaitsByPart[] = {
    {"pthread_cond_timedwait", "waits on a condition variable, with a deadline"},
    {"pthread_cond_clockwait", "waits on a condition variable, with a deadline"},
    {"condition_variable::wait_", "waits on a condition variable, with a deadline"},
    {"pthread_cond_wait", "waits on a condition variable"},
    {"condition_variable::wait", "waits on a condition variable"},
    {"mutex_lock", "waits for a mutex"},
    {"std::mutex::lock", "waits for a mutex"},
    {"rwlock_rdlock", "waits for a reader lock"},
    {"rwlock_wrlock", "waits for a writer lock"},
    {"pthread_join", "waits for another thread to end"},
    {"pthread_clockjoin", "waits for another thread to end"},
    {"std::thread::join", "waits for another thread to end"},
    {"std::__atomic_wait_address", "waits for an atomic to change"},
    {"_M_do_wait", "waits for an atomic to change"},
};
// The whole name of a system call's function, without its arguments and its prefixes.
constexpr Wait kWaitsByName[] = {
    {"epoll_wait", "waits in epoll_wait"},
    {"epoll_pwait", "waits in epoll_wait"},
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
    {"sem_wait", "waits for a semaphore"},
    {"nanosleep", "sleeps"},
    {"clock_nanosleep", "sleeps"},
    {"sigwait", "waits for a signal"},
    {"syscall", "waits for an atomic to change"},  // The futex call of std::atomic, inlined.
    {"waitpid", "waits for a child process"},
    {"wait4", "waits for a child process"},
};

// "__interceptor_read(int, …)" and "__GI___libc_read" are "read".
std::string_view bare_name(std::string_view function) {
  for (const std::string_view prefix :
       {"__interceptor_", "___interceptor_", "__GI_", "__libc_", "___libc_", "___", "__"}) {
    if (starts_with(function, prefix)) function.remove_prefix(prefix.size());
  }
  return function.substr(0, function.find_first_of("@("));
}

// "" if it is not known to wait.
std::string_view waits_for(const Frame& frame) {
  for (const Wait& wait : kWaitsByPart) {
    if (contains(frame.function, wait.function)) return wait.words;
  }
  const std::string_view name = bare_name(frame.function);
  for (const Wait& wait : kWaitsByName) {
    if (name == wait.function) return wait.words;
  }
  return "";
}

// A frame that a reader of this course did not write and need not see.
bool is_foreign(const Frame& frame) {
  const std::string_view f = frame.function;
  const std::string_view file = frame.file;
  if (f.empty()) return true;
  if (contains(file, "scripts/testkit/src/") || contains(file, "scripts/testkit/main.cc")) {
    return true;
  }
  if (contains(f, "testkit::internal::") || starts_with(f, "testing::") ||
      contains(f, " testing::internal::") || starts_with(f, "std::") ||
      starts_with(f, "__gnu_cxx::") || starts_with(f, "__cxxabiv1::") || starts_with(f, "__") ||
      starts_with(f, "_Unwind") || contains(f, " std::__") || contains(f, "__interceptor")) {
    return true;
  }
  // The course is compiled by absolute paths; what has others came with the system.
  if (!file.empty()) {
    return file.front() != '/' || starts_with(file, "/usr/") || contains(file, "/libsanitizer/") ||
           contains(file, "/compiler-rt/");
  }
  // Without files (in a build without a sanitizer), what has a plain C name is libc's.
  return __sanitizer_symbolize_pc != nullptr || !(contains(f, "::") || contains(f, "("));
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
  for (const std::string_view lambda : {"::{lambda", "::$_", "::'lambda"}) {
    if (const std::size_t at = f.find(lambda); at != std::string_view::npos) {
      return "a lambda in " + readable(f.substr(0, at));
    }
  }
  constexpr std::string_view kAnonymous = "(anonymous namespace)::";
  std::string out;
  int depth = 0;
  for (std::size_t i = 0; i < f.size(); ++i) {
    if (f.substr(i, kAnonymous.size()) == kAnonymous) {
      i += kAnonymous.size() - 1;
      continue;
    }
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

std::vector<Frame> symbolize_all(const Stack& stack) {
  std::vector<Frame> frames;
  for (int i = 0; i < stack.size; ++i) {
    std::vector<Frame> more = symbolize(stack.pcs[i], i != 0);
    std::move(more.begin(), more.end(), std::back_inserter(frames));
  }
  if (std::getenv("TESTKIT_RAW_STACKS") != nullptr) {  // For work on is_foreign().
    for (const Frame& f : frames) {
      std::fprintf(stderr, "raw: %s %s:%s\n", f.function.c_str(), f.file.c_str(), f.line.c_str());
    }
  }
  return frames;
}

// For a stack that has no function of ours: whatever is known of it.
std::string all_names(const std::vector<Frame>& frames, const std::string& indent) {
  constexpr std::size_t kMost = 8;
  std::string out;
  for (std::size_t i = 0; i < std::min(frames.size(), kMost); ++i) {
    const std::string& function = frames[i].function;
    out += indent + (i == 0 ? "in " : "   ") + (function.empty() ? "?" : readable(function)) + "\n";
  }
  return out;
}

std::string our_frames(const std::vector<Frame>& frames, const std::string& indent) {
  constexpr int kMost = 24;
  std::string out;
  int shown = 0;
  for (const Frame& frame : frames) {
    if (is_foreign(frame)) continue;
    if (++shown > kMost) return out + indent + "   … and so on\n";
    out += indent + (shown == 1 ? "in " : "   ") + readable(frame.function) + "\n";
    if (!frame.file.empty()) {
      out += indent + "     " + short_path(frame.file) + ":" + frame.line + "\n";
    }
  }
  return out;
}

std::string describe(const std::vector<Frame>& frames, const std::string& indent) {
  // What the foreign function that our code called waits for: the outermost one knows best.
  const auto first = std::find_if_not(frames.begin(), frames.end(), &is_foreign);
  std::string_view waiting;
  for (auto it = frames.begin(); it != first; ++it) {
    if (const std::string_view words = waits_for(*it); !words.empty()) waiting = words;
  }
  std::string out;
  if (!waiting.empty()) out += indent + std::string(waiting) + "\n";
  if (first != frames.end()) return out + our_frames(frames, indent);
  return waiting.empty() ? all_names(frames, indent) : out;
}

}  // namespace

void install_handler(int signal_number, const struct sigaction& action) {
  using Sigaction = int (*)(int, const struct sigaction*, struct sigaction*);
  Sigaction install = &::sigaction;
  if (void* const libc = ::dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD); libc != nullptr) {
    if (void* const found = ::dlsym(libc, "sigaction"); found != nullptr) {
      install = reinterpret_cast<Sigaction>(found);
    }
  }
  install(signal_number, &action, nullptr);
}

void install_stack_capture() {
  // The first call may set the unwinder up, which is not for a signal handler.
  static_cast<void>(capture_here(nullptr));

  struct sigaction action {};
  action.sa_sigaction = &on_capture_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigfillset(&action.sa_mask);
  install_handler(capture_signal(), action);
}

std::string describe_thread(pid_t id, const std::string& indent) {
  // A thread that runs may be met where nothing can be unwound, such as inside a sanitizer.
  constexpr int kTries = 10;
  for (int i = 1;; ++i) {
    if (!ask(id)) return indent + "(its stack could not be taken)\n";
    const std::vector<Frame> frames = symbolize_all(g_request.stack);
    if (i == kTries || !std::all_of(frames.begin(), frames.end(), &is_foreign)) {
      return describe(frames, indent);
    }
  }
}

Stack capture_here(void* ucontext) {
  Stack stack;
  capture_into(stack, ucontext);
  return stack;
}

std::string describe(const Stack& stack, const std::string& indent) {
  return describe(symbolize_all(stack), indent);
}

std::string called_from(const std::string& indent) {
  return called_from(capture_here(nullptr), indent);
}

std::string called_from(const Stack& stack, const std::string& indent) {
  std::vector<Frame> frames = symbolize_all(stack);
  const auto begin = std::find_if(frames.begin(), frames.end(), [](const Frame& frame) {
    return !is_foreign(frame) && !starts_with(frame.function, "testkit::");
  });
  frames.erase(frames.begin(), begin);
  return our_frames(frames, indent);
}

Place place_in_test() {
  const std::vector<Frame> frames = symbolize_all(capture_here(nullptr));
  const auto is_body = [](const Frame& frame) { return contains(frame.function, "::TestBody"); };
  const auto is_in_a_test = [](const Frame& frame) { return contains(frame.file, "_test.cc"); };
  auto found = std::find_if(frames.begin(), frames.end(), is_body);
  if (found == frames.end()) found = std::find_if(frames.begin(), frames.end(), is_in_a_test);
  if (found == frames.end() || found->file.empty()) return {};
  return {found->file, std::atoi(found->line.c_str())};
}

}  // namespace testkit::internal
