// What the tests of this course use: GoogleTest, its matchers, and most of the test kit. Those that
// script system calls or open sockets include testkit/sys_script.h and testkit/sockets.h as well:
// they are long, and each test would wait for its compiler.
//
// A module's tests get what rests on the rt/ headers of that module and of those before it.
#pragma once

#include <gmock/gmock-more-matchers.h>
#include <gtest/gtest.h>

#include "testkit/hang.h"
#include "testkit/life_counter.h"
#include "testkit/steps.h"
#include "testkit/values.h"

#if __has_include("rt/future/poll.h")
#include "testkit/poll_matchers.h"
#endif
#if __has_include("rt/future/waker.h") && __has_include("rt/future/context.h") && \
                                                        __has_include("rt/future/future.h")
#include "testkit/counting_waker.h"
#include "testkit/test_task.h"
#endif
#if __has_include("rt/platform/described.h")
#include "testkit/described.h"
#endif
#if __has_include("rt/platform/clock.h")
#include "testkit/paused_clock.h"
#endif
