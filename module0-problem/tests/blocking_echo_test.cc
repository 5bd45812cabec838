#include "rt/exercise/blocking_echo.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "testkit/sockets.h"
#include "testkit/sys_script.h"
#include "testkit/testkit.h"

namespace {

using testing::HasSubstr;
using testkit::Call;
using testkit::Fd;

// Bug it is here for: one write(2) per message, its result not looked at.
TEST(BlockingEcho, WritesTheRestAfterAPartialWrite) {
  auto [ours, theirs] = testkit::socket_pair();
  testkit::SysScript script;
  script.name(ours.get(), "connection");
  script.on_write(ours.get()).at_most(3).at_most(1);

  EXPECT_EQ(rt::write_all(ours.get(), "hello world"), absl::OkStatus());
  EXPECT_EQ(testkit::receive_now(theirs), "hello world");
}

// Bug it is here for: -1 taken for an error without a look at errno; or its bytes skipped.
TEST(BlockingEcho, RetriesAWriteInterruptedByASignal) {
  auto [ours, theirs] = testkit::socket_pair();
  testkit::SysScript script;
  script.name(ours.get(), "connection");
  script.on_write(ours.get()).fails(EINTR).at_most(2).fails(EINTR).fails(EINTR);

  EXPECT_EQ(rt::write_all(ours.get(), "hello world"), absl::OkStatus());
  EXPECT_EQ(testkit::receive_now(theirs), "hello world");
}

// Bug it is here for: any -1 made again, so that a broken connection keeps its thread for ever; or
// EAGAIN, which a socket with a time limit gives, made again like EINTR.
TEST(BlockingEcho, ReturnsTheErrorOfAWrite) {
  for (const int error : {ECONNRESET, EAGAIN, EIO}) {
    auto [ours, theirs] = testkit::socket_pair();
    testkit::SysScript script;
    script.name(ours.get(), "connection");
    script.on_write(ours.get()).at_most(5).fails(error);

    const absl::Status status = rt::write_all(ours.get(), "hello world");
    EXPECT_EQ(status.code(), absl::ErrnoToStatusCode(error)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("write"))
        << "the message says which call failed";
    EXPECT_EQ(script.count(Call::kWrite), 2u);
  }
}

// Bug it is here for: the first write to a closed connection ends the process with SIGPIPE.
TEST(BlockingEcho, APeerThatIsGoneIsAnErrorAndNotASignal) {
  auto [ours, theirs] = testkit::socket_pair();
  theirs.close();

  const absl::Status status = rt::write_all(ours.get(), "hello");
  EXPECT_EQ(status.code(), absl::ErrnoToStatusCode(EPIPE)) << status;
}

// Bug it is here for: read(2) giving 0 taken for "nothing yet", and asked again, for ever.
TEST(BlockingEcho, EchoesUntilThePeerEnds) {
  auto [ours, theirs] = testkit::socket_pair();
  testkit::SysScript script;
  script.name(ours.get(), "connection");
  script.on_read(ours.get()).gives("one ").gives("two ").gives("three").ends().forever();

  EXPECT_EQ(rt::echo_connection(ours.get()), absl::OkStatus());
  EXPECT_EQ(testkit::receive_now(theirs), "one two three");
  EXPECT_EQ(script.count(Call::kRead), 4u);
}

// Bug it is here for: the buffer treated as a C string, or written whole when it was half filled.
TEST(BlockingEcho, EchoesBytesOfEveryValueAndNoOthers) {
  auto [ours, theirs] = testkit::socket_pair();
  std::string bytes;
  for (int i = 0; i < 2560; ++i) bytes.push_back(static_cast<char>(i % 256));
  testkit::send_all(theirs, bytes);
  testkit::send_all(theirs, std::string("\0 end", 5));
  testkit::end_output(theirs);
  testkit::SysScript script;
  script.name(ours.get(), "connection");
  script.on_read(ours.get()).at_most(1).at_most(255).at_most(1000);

  EXPECT_EQ(rt::echo_connection(ours.get()), absl::OkStatus());
  EXPECT_EQ(testkit::receive_now(theirs), bytes + std::string("\0 end", 5));
}

// Bug it is here for: a timer's signal in the middle of read(2) ends the connection.
TEST(BlockingEcho, RetriesAReadInterruptedByASignal) {
  auto [ours, theirs] = testkit::socket_pair();
  testkit::send_all(theirs, "hello");
  testkit::end_output(theirs);
  testkit::SysScript script;
  script.name(ours.get(), "connection");
  script.on_read(ours.get()).fails(EINTR).at_most(2).fails(EINTR);

  EXPECT_EQ(rt::echo_connection(ours.get()), absl::OkStatus());
  EXPECT_EQ(testkit::receive_now(theirs), "hello");
}

// Bug it is here for: echo_connection writes by itself, without the loop that write_all has.
TEST(BlockingEcho, EchoesAllOfItWhenTheWritesArePartial) {
  auto [ours, theirs] = testkit::socket_pair();
  testkit::SysScript script;
  script.name(ours.get(), "connection");
  script.on_read(ours.get()).gives("hello ").gives("world").ends().forever();
  script.on_write(ours.get()).at_most(2).at_most(1).fails(EINTR).at_most(1);

  EXPECT_EQ(rt::echo_connection(ours.get()), absl::OkStatus());
  EXPECT_EQ(testkit::receive_now(theirs), "hello world");
}

// Bug it is here for: a connection that has no bytes left, and a peer that waits for its end.
TEST(BlockingEcho, TellsThePeerThatItIsDoneAndLeavesTheDescriptorOpen) {
  auto [ours, theirs] = testkit::socket_pair();
  testkit::send_all(theirs, "bye");
  testkit::end_output(theirs);
  testkit::SysScript script;

  EXPECT_EQ(rt::echo_connection(ours.get()), absl::OkStatus());
  EXPECT_EQ(testkit::receive_now(theirs), "bye");
  EXPECT_EQ(testkit::comes_next(theirs), "the end")
      << "shutdown(fd, SHUT_WR) is how the peer gets to know";
  EXPECT_NE(::fcntl(ours.get(), F_GETFD), -1) << "closing the descriptor is its owner's affair";
}

// Bug it is here for: an error of read(2) taken for the end, and reported as success; or EAGAIN
// made again like EINTR.
TEST(BlockingEcho, ReturnsTheErrorOfARead) {
  for (const int error : {ECONNRESET, EAGAIN, ETIMEDOUT}) {
    auto [ours, theirs] = testkit::socket_pair();
    testkit::SysScript script;
    script.name(ours.get(), "connection");
    script.on_read(ours.get()).gives("hello").fails(error).ends().forever();

    const absl::Status status = rt::echo_connection(ours.get());
    EXPECT_EQ(status.code(), absl::ErrnoToStatusCode(error)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("read"));
    EXPECT_EQ(testkit::receive_now(theirs), "hello");
  }
}

// Bug it is here for: the status of write_all dropped; the thread goes on for a peer that is gone.
TEST(BlockingEcho, StopsWhenThePeerTakesNoMore) {
  auto [ours, theirs] = testkit::socket_pair();
  testkit::SysScript script;
  script.name(ours.get(), "connection");
  script.on_read(ours.get()).gives("hello").forever();
  script.on_write(ours.get()).fails(EPIPE).forever();

  EXPECT_FALSE(rt::echo_connection(ours.get()).ok());
  EXPECT_EQ(script.count(Call::kRead), 1u);
}

// Whether that thread of this process sleeps in the kernel.
bool asleep(pid_t thread) {
  std::ifstream file(absl::StrCat("/proc/self/task/", thread, "/stat"));
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  return name_end != std::string::npos && line.compare(name_end, 3, ") S") == 0;
}

// How many threads there are before the server makes any. With the first that a process makes,
// ThreadSanitizer makes one for itself; so a first one comes and goes here.
std::ptrdiff_t threads_before() {
  std::atomic<pid_t> first{0};
  std::thread([&] { first = ::gettid(); }).join();
  while (std::filesystem::exists(absl::StrCat("/proc/self/task/", first.load()))) {
    std::this_thread::yield();
  }
  return testkit::threads();
}

// serve_blocking(), and then the end of every thread that it may have left behind. So what the test
// says next does not depend on how far such a thread has come, and none outlives the script. That
// there must be none is said once, by ReturnsOnlyWhenEveryConnectionHasEnded.
absl::Status serve_blocking(const Fd& listener) {
  const std::ptrdiff_t threads = threads_before();
  absl::Status status = rt::serve_blocking(listener.get());
  while (testkit::threads() > threads) std::this_thread::yield();
  return status;
}

// serve_blocking() with two clients, after which accept4(2) fails with `error`. They end when the
// server waits for the threads of their connections, or has failed to.
void returns_only_when_every_connection_has_ended(int error) {
  const Fd listener = testkit::listen_unix();
  const Fd first = testkit::connect_to(listener);
  const Fd second = testkit::connect_to(listener);
  testkit::SysScript script;
  script.name(listener.get(), "listener");
  script.on_accept(listener.get()).passes().passes().fails(error);

  const std::ptrdiff_t threads = threads_before();

  std::atomic<bool> returned{false};
  bool too_early = false;
  std::thread clients([&, server = ::gettid()] {
    // (One that sleeps before it has accepted both serves one after the other. That is for another
    // test.)
    for (int naps = 0; !returned && naps < 1000 && script.count(Call::kAccept) < 3;) {
      naps = asleep(server) ? naps + 1 : 0;
      std::this_thread::yield();
    }
    while (!returned && !asleep(server)) std::this_thread::yield();
    too_early = returned;
    testkit::step(too_early ? "serve_blocking has returned, and only now the clients end"
                            : "serve_blocking waits, and the clients end");
    testkit::end_output(first);
    testkit::end_output(second);
  });
  EXPECT_EQ(rt::serve_blocking(listener.get()).ok(), error == EINVAL);
  returned = true;
  clients.join();
  while (testkit::threads() > threads) std::this_thread::yield();  // one left over uses the script
  EXPECT_FALSE(too_early) << "serve_blocking returned while the threads of two connections were\n"
                             "running. It has to wait for every thread that it has started.";
}

// Bug it is here for: detached threads that nobody waits for: they outlive what they were given.
TEST(BlockingEcho, ReturnsOnlyWhenEveryConnectionHasEnded) {
  returns_only_when_every_connection_has_ended(EINVAL);
}

// Bug it is here for: a return in the middle of the loop, past the joins.
TEST(BlockingEcho, ReturnsOnlyWhenEveryConnectionHasEndedAlsoWithAnError) {
  returns_only_when_every_connection_has_ended(EMFILE);
}

// Bug it is here for: the server ends because one client hung up before it was accepted.
TEST(BlockingEcho, AcceptsOnAfterASignalAndAfterAClientThatHasGone) {
  const Fd listener = testkit::listen_unix();
  const Fd client = testkit::connect_to(listener);
  testkit::send_all(client, "hello");
  testkit::end_output(client);
  testkit::SysScript script;
  script.name(listener.get(), "listener");
  script.on_accept(listener.get()).fails(EINTR).fails(ECONNABORTED).passes().fails(EINVAL);

  EXPECT_EQ(serve_blocking(listener), absl::OkStatus());
  EXPECT_EQ(testkit::receive_now(client), "hello");
}

// Bug it is here for: no way to end the server; EINVAL made again for ever.
TEST(BlockingEcho, EndsWhenTheListenerIsShutDown) {
  for (const bool tcp : {false, true}) {
    const Fd listener = tcp ? testkit::listen_tcp() : testkit::listen_unix();
    testkit::SysScript script;
    ::shutdown(listener.get(), SHUT_RD);

    EXPECT_EQ(serve_blocking(listener), absl::OkStatus());
    EXPECT_NE(::fcntl(listener.get(), F_GETFD), -1) << "the listener is its owner's";
  }
}

// Bug it is here for: out of descriptors, accept4(2) fails every time: a loop at 100 % CPU. Or
// EAGAIN, which a listener with a time limit gives, made again like EINTR.
TEST(BlockingEcho, ReturnsTheErrorOfAccept) {
  for (const int error : {EMFILE, EAGAIN, EPERM}) {
    const Fd listener = testkit::listen_unix();
    const Fd client = testkit::connect_to(listener);
    testkit::end_output(client);
    testkit::SysScript script;
    script.name(listener.get(), "listener");
    script.on_accept(listener.get()).passes().fails(error).forever();
    script.limit(100);

    const absl::Status status = serve_blocking(listener);
    EXPECT_EQ(status.code(), absl::ErrnoToStatusCode(error)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("accept"));
    EXPECT_EQ(script.count(Call::kAccept), 2u);
  }
}

// Bug it is here for: descriptors that nobody closes.
TEST(BlockingEcho, ClosesWhatItHasAccepted) {
  const std::ptrdiff_t files_before = testkit::open_files();
  {
    const Fd listener = testkit::listen_unix();
    const Fd first = testkit::connect_to(listener);
    const Fd second = testkit::connect_to(listener);
    for (const Fd* client : {&first, &second}) {
      testkit::send_all(*client, "hello");
      testkit::end_output(*client);
    }
    testkit::SysScript script;
    script.name(listener.get(), "listener");
    script.on_accept(listener.get()).passes().passes().fails(EINVAL);

    EXPECT_EQ(serve_blocking(listener), absl::OkStatus());
    EXPECT_EQ(testkit::receive_now(first), "hello");
    EXPECT_EQ(testkit::receive_now(second), "hello");
  }
  EXPECT_EQ(testkit::open_files(), files_before)
      << "as many files are open as before; more: one that was accepted is not closed";
}

// Bug it is here for: a descriptor that is closed only if its connection came to a good end.
TEST(BlockingEcho, ClosesAConnectionThatHasFailed) {
  const std::ptrdiff_t files_before = testkit::open_files();
  {
    const Fd listener = testkit::listen_unix();
    const Fd client = testkit::connect_to(listener);
    testkit::SysScript script;
    script.name(listener.get(), "listener");
    script.on_accept(listener.get()).passes().fails(EINVAL);
    script.on_read().fails(ECONNRESET);

    EXPECT_EQ(serve_blocking(listener), absl::OkStatus()) << "a client's trouble is its own";
    EXPECT_EQ(testkit::comes_next(client), "the end");
  }
  EXPECT_EQ(testkit::open_files(), files_before)
      << "more files are open than before: the one of the connection that failed is not closed";
}

}  // namespace
