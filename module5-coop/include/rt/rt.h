// The whole runtime, for programs that use it: one header in place of many.
//
//   rt::Async<> greet(absl::Duration pause) {
//     co_await rt::sleep(pause);
//     absl::PrintF("hello\n");
//   }
//   int main() {
//     auto runtime = rt::Runtime::create(4);
//     if (!runtime.ok()) return 1;
//     (*runtime)->block_on(greet(absl::Seconds(1)));
//   }
//
// What a program finds where. What these are made of is in the same rooms, and not named here.
//
//   to run something
//     rt/runtime/runtime.h          Runtime, its Builder and its Handle: workers that steal
//     rt/runtime/io_executor.h      IoExecutor: a runtime on the calling thread alone
//     rt/runtime/block_on.h         block_on: one future, without a runtime
//     rt/task/spawn.h               spawn, JoinHandle, Cancelled
//     rt/runtime/spawn_blocking.h   spawn_blocking: functions that block
//     rt/runtime/in_flight.h        InFlight: what a server finishes before it ends
//     rt/runtime/runtime_watch.h    watch: names the task that keeps a worker
//     rt/runtime/metrics.h          RuntimeMetrics: what the workers have done
//   futures
//     rt/future/async.h             Async: a coroutine
//     rt/future/combinators.h       map, join, join_all, race, race_all
//     rt/future/select.h            select, select_biased, by_ref: the first of several
//     rt/future/future.h            Future, OutputOf, ready, poll_fn
//     rt/future/poll.h              Poll, kPending, kReady: for a future that is written by hand
//     rt/future/context.h           Context: what its poll() is given
//     rt/future/waker.h             Waker: says that it should be polled again
//     rt/future/box_future.h        BoxFuture: any future with a given output
//     rt/future/manual_event.h      ManualEvent: a flag that one task awaits
//     rt/future/yield_now.h         yield_now: lets others have their turn
//     rt/future/cooperative.h       coop::consume_budget, coop::unconstrained: for long loops
//   time
//     rt/time/sleep.h               sleep, sleep_until, timeout, interval
//     rt/platform/clock.h           Instant, clock::now, and a clock that a test can stop
//   between tasks
//     rt/sync/mpsc.h                mpsc: a channel, bounded or not
//     rt/sync/oneshot.h             oneshot: a channel for one value
//     rt/sync/mutex.h               Mutex: may be held across a co_await
//     rt/sync/semaphore.h           Semaphore: a number of permits
//     rt/sync/notify.h              Notify: says that something has happened
//     rt/sync/cancellation_token.h  CancellationToken: asks work to end
//   the world outside
//     rt/net/tcp.h                  TcpListener, TcpStream
//     rt/net/udp.h                  UdpSocket
//     rt/net/unix_stream.h          UnixListener, UnixStream
//     rt/net/socket_address.h       SocketAddress
//     rt/fs/fs.h                    fs::read, fs::write and what else is done with whole files
//     rt/fs/file.h                  fs::File: read and written at any place
//     rt/fs/stream.h                fs::Reader, fs::Writer: through a buffer
//     rt/fs/temp_file.h             fs::TempFile: vanishes by itself
//     rt/process/child.h            Child: another process
//     rt/process/signal.h           Signals: SIGINT and the like
//   a picture of what has happened
//     rt/trace/trace_file.h         trace::Session: records into a file
//     rt/trace/trace.h              trace::mark: a mark of the program's own
//
// Thread safety: each header says it of its own.
#pragma once

#include "rt/fs/file.h"
#include "rt/fs/fs.h"
#include "rt/fs/stream.h"
#include "rt/fs/temp_file.h"
#include "rt/future/async.h"
#include "rt/future/box_future.h"
#include "rt/future/combinators.h"
#include "rt/future/context.h"
#include "rt/future/cooperative.h"
#include "rt/future/future.h"
#include "rt/future/manual_event.h"
#include "rt/future/poll.h"
#include "rt/future/select.h"
#include "rt/future/waker.h"
#include "rt/future/yield_now.h"
#include "rt/net/socket_address.h"
#include "rt/net/tcp.h"
#include "rt/net/udp.h"
#include "rt/net/unix_stream.h"
#include "rt/platform/clock.h"
#include "rt/process/child.h"
#include "rt/process/signal.h"
#include "rt/runtime/block_on.h"
#include "rt/runtime/in_flight.h"
#include "rt/runtime/io_executor.h"
#include "rt/runtime/metrics.h"
#include "rt/runtime/runtime.h"
#include "rt/runtime/runtime_watch.h"
#include "rt/runtime/spawn_blocking.h"
#include "rt/sync/cancellation_token.h"
#include "rt/sync/mpsc.h"
#include "rt/sync/mutex.h"
#include "rt/sync/notify.h"
#include "rt/sync/oneshot.h"
#include "rt/sync/semaphore.h"
#include "rt/task/spawn.h"
#include "rt/time/sleep.h"
#include "rt/trace/trace.h"
#include "rt/trace/trace_file.h"
