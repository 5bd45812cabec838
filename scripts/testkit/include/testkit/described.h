// The report of a hang says in what state the runtimes are that live: rt/platform/described.h.
#pragma once

#include "rt/platform/described.h"
#include "testkit/hang.h"

namespace testkit::internal {

inline const bool kSaysInWhatStateRuntimesAre = on_every_hang(&rt::Described::all);

}  // namespace testkit::internal
