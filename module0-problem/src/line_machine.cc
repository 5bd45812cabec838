#include "rt/exercise/line_machine.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rt/exercise/nonblocking_io.h"
#include "rt/platform/todo.h"

namespace rt {

Wants LineMachine::resume() {
  RT_TODO("0.3");
}

bool LineMachine::take_line() {
  RT_TODO("0.3");
}

bool LineMachine::read_some() {
  RT_TODO("0.3");
}

bool LineMachine::write_some() {
  RT_TODO("0.3");
}

void LineMachine::finish(absl::Status status) {
  RT_TODO("0.3");
}

}  // namespace rt
