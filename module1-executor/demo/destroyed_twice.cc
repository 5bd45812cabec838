// destroyed_twice: shows what your compiler does to temporaries in an expression with co_await.
//
// g++ 12 destroys an aggregate there twice. A struct with a constructor, and an aggregate that has
// a name, are safe. Nothing is freed twice here: the destructors only count.
#include <cstdio>

#include "rt/async.h"
#include "rt/context.h"

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

void show(const char* what, rt::Async<> async) {
  made = destroyed = 0;
  rt::Context cx = rt::Context::without_waker();
  const bool ready = async.poll(cx).is_ready();
  std::printf("%-32s made %d, destroyed %d%s\n", what, made, destroyed,
              !ready              ? "  (and did not end)"
              : made != destroyed ? "  <- wrong"
                                  : "");
}

}  // namespace

int main() {
  std::printf("In an expression with co_await, by compiler version " __VERSION__ ":\n\n");
  show("a temporary aggregate", awaits_with_an_aggregate());
  show("a temporary with a constructor", awaits_with_a_constructor());
  show("an aggregate that has a name", awaits_with_a_name());
  return 0;
}
