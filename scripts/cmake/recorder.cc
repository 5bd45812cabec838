// Linked into every demo: with RT_TRACE=FILE in the environment, what the runtime does from the
// program's begin to its end is written to that file. `scripts/course visualize demo NAME` asks so.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "rt/trace/trace_file.h"

namespace {

bool record_on_request() {
  const char* const path = std::getenv("RT_TRACE");
  if (path == nullptr) return false;
  const absl::Status status = rt::trace::start(path);
  if (!status.ok()) std::fprintf(stderr, "RT_TRACE: %s\n", status.ToString().c_str());
  return status.ok();
}

[[maybe_unused]] const bool is_recorded = record_on_request();

}  // namespace
