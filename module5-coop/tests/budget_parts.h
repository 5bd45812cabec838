// What the tests of budgets share.
#pragma once

#include "rt/future/budget.h"

namespace budget_parts {

constexpr int kMany = 1000;  // More than any budget.

// How many units are left. Takes them, one by one, and gives all of them back; kMany if there is no
// end to them.
inline int left() {
  rt::coop::Unit first;
  if (!first.was_there()) return 0;
  int taken = 1;
  while (taken < kMany && rt::coop::Unit().was_there()) ++taken;
  first.give_back();
  return taken;
}

}  // namespace budget_parts
