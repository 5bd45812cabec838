// io_error: a system call that failed, as a status.
//
// Thread safety: any thread.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rt {

// "connect 127.0.0.1:80: Connection refused", with the code that Abseil gives to the errno.
// `what` is the call and its subject. REQUIRES: error_number is not 0.
inline absl::Status io_error(int error_number, absl::string_view what) {
  return absl::ErrnoToStatus(error_number, what);
}

}  // namespace rt
