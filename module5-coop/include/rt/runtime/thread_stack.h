// stack_of_thread: which functions another thread is in, from a signal handler in that thread.
//
// What it is good for, and what not: the thread is interrupted, once, wherever it is. System calls
// that do not go on after a signal (nanosleep, epoll_wait; signal(7) has the list) fail with EINTR
// there. A thread that blocks all signals, or that the kernel does not let run, gives no stack in
// time. A function that was inlined is not seen; one of the program itself has a name only where
// the program has a symbol for it, and else an address for addr2line.
//
// The handler calls the unwinder, which with gcc 12 and glibc 2.35 or newer (Debian 12) takes no
// lock. Before these it may wait for a lock of the dynamic linker, if the thread was just loading a
// library: then the whole program hangs.
//
// Thread safety: by any thread, one at a time (a lock sees to that); not of the thread itself.
#pragma once

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <mutex>
#include <string>

#include "absl/debugging/symbolize.h"
#include "absl/strings/str_cat.h"

namespace rt {
namespace detail {

// Std types: a signal handler is no business of a model checker.
class StackRequest {
 public:
  static constexpr int kMostFrames = 64;
  // Of the real-time signals the last but five: debuggers and libraries take the first ones.
  static int signal_number() noexcept { return SIGRTMAX - 5; }

  static StackRequest& the_one() {
    static StackRequest request;
    return request;
  }

  std::string stack_of(int thread) {
    const std::lock_guard lock(mutex_);
    size_ = 0;
    is_done_.store(false);
    wanted_.store(thread);  // Seq_cst: the handler sees what was written before.
    if (::syscall(SYS_tgkill, ::getpid(), thread, signal_number()) != 0) {
      wanted_.store(0);
      return "    (the thread has ended)\n";
    }
    // A real wait, for another thread to run a few instructions.
    for (int i = 0; i < kMostWaits && !is_done_.load(); ++i) {
      const timespec one_ms{0, 1'000'000};
      ::nanosleep(&one_ms, nullptr);
    }
    // Takes the request back, unless the handler has it: then that will be done in a moment.
    int still = thread;
    if (wanted_.compare_exchange_strong(still, 0)) return "    (the thread took no signal)\n";
    while (!is_done_.load()) ::sched_yield();
    return text();
  }

 private:
  static constexpr int kMostWaits = 500;

  StackRequest() {
    struct sigaction action {};
    action.sa_sigaction = &on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    ::sigaction(signal_number(), &action, nullptr);
    pointer_.store(this);
    _Unwind_Backtrace(&add_frame, this);  // What it loads, it loads here.
  }

  static void on_signal(int, siginfo_t*, void* context) {
    StackRequest* const request = pointer_.load();
    int self = static_cast<int>(::syscall(SYS_gettid));
    const int saved = errno;
    if (request != nullptr && request->wanted_.compare_exchange_strong(self, 0)) {
      request->take(context);
      request->is_done_.store(true);
    }
    errno = saved;
  }
  void take(void* context) noexcept {
    size_ = 0;
    _Unwind_Backtrace(&add_frame, this);
    // Before the interrupted function come the handler's own.
    void* const here = interrupted_at(context);
    first_ = 0;
    while (first_ < size_ && frames_[static_cast<std::size_t>(first_)] != here) ++first_;
    if (first_ == size_) first_ = 0;
  }
  static _Unwind_Reason_Code add_frame(_Unwind_Context* context, void* to) {
    auto& request = *static_cast<StackRequest*>(to);
    const auto pc = reinterpret_cast<void*>(_Unwind_GetIP(context));
    if (pc == nullptr || request.size_ == kMostFrames) return _URC_END_OF_STACK;
    request.frames_[static_cast<std::size_t>(request.size_++)] = pc;
    return _URC_NO_REASON;
  }
  static void* interrupted_at(void* context) noexcept {
#if defined(__x86_64__)
    return reinterpret_cast<void*>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
    return reinterpret_cast<void*>(static_cast<ucontext_t*>(context)->uc_mcontext.pc);
#else
    return nullptr;
#endif
  }

  std::string text() const {
    std::string text;
    for (int i = first_; i < size_; ++i) {
      char* const pc = static_cast<char*>(frames_[static_cast<std::size_t>(i)]);
      // A return address may already be the next function's.
      void* const inside = i == first_ ? pc : pc - 1;
      std::array<char, 512> name{};
      const bool known = absl::Symbolize(inside, name.data(), static_cast<int>(name.size()));
      absl::StrAppend(&text, "    ", absl::Hex(reinterpret_cast<std::uintptr_t>(inside)), " ",
                      known ? name.data() : "?", "\n");
    }
    return text;
  }

  static inline std::atomic<StackRequest*> pointer_{nullptr};

  std::mutex mutex_;
  std::atomic<int> wanted_{0};  // A thread; 0: none, or the handler has it.
  std::atomic<bool> is_done_{false};
  std::array<void*, kMostFrames> frames_{};
  int first_ = 0;
  int size_ = 0;
};

}  // namespace detail

// Of the thread that the kernel numbers so, of this process; innermost first, a line for each
// function. In brackets why there is none.
inline std::string stack_of_thread(int thread) {
  return detail::StackRequest::the_one().stack_of(thread);
}

}  // namespace rt
