// What a compiler does to a temporary beside co_await.
//
//   destroyed_twice [--self-test]
//
// g++ 12 destroys an aggregate there twice. A struct with a constructor, and an aggregate that has
// a name, are safe. Nothing is freed twice here: the destructors only count.
#include <cstdio>
#include <string_view>

#include "rt/future/async.h"
#include "rt/future/context.h"

namespace {

int made = 0;
int destroyed = 0;

struct Counted {
  Counted() { ++made; }
  Counted(const Counted&) { ++made; }
  ~Counted() { ++destroyed; }
};

struct Aggregate {
  Counted counted;
};

class WithConstructor {
 public:
  WithConstructor() {}

 private:
  Counted counted_;
};

template <class Options>
rt::Async<> takes(Options) {
  co_return;
}

rt::Async<> awaits_with_an_aggregate() { co_await takes(Aggregate{}); }

rt::Async<> awaits_with_a_constructor() { co_await takes(WithConstructor()); }

rt::Async<> awaits_with_a_name() {
  const Aggregate named;
  co_await takes(named);
}

// True if as many were destroyed as were made.
bool show(const char* what, rt::Async<> async) {
  made = destroyed = 0;
  rt::Context cx = rt::Context::without_waker();
  const bool ready = async.poll(cx).is_ready();
  std::printf("  %-32s made %d, destroyed %d%s\n", what, made, destroyed,
              !ready              ? "  (and did not end)"
              : made != destroyed ? "  <- wrong"
                                  : "");
  return ready && made == destroyed;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 || (argc == 2 && std::string_view(argv[1]) != "--self-test")) {
    std::fprintf(stderr, "usage: destroyed_twice [--self-test]\n");
    return 2;
  }
#ifdef __clang__
  std::printf("In an expression with co_await, compiled by clang %d:\n\n", __clang_major__);
#else
  std::printf("In an expression with co_await, compiled by g++ " __VERSION__ ":\n\n");
#endif
  const bool aggregate = show("a temporary aggregate", awaits_with_an_aggregate());
  const bool constructor = show("a temporary with a constructor", awaits_with_a_constructor());
  const bool name = show("an aggregate that has a name", awaits_with_a_name());
  std::printf("\n%s\n",
              aggregate ? "This compiler gets it right. Others that your code meets may not."
                        : "So: a constructor, or a name, for all that stands beside a co_await.");
  // The last two are what the course relies on. The first is up to the compiler.
  return constructor && name ? 0 : 1;
}
