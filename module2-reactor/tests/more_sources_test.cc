#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "io_parts.h"
#include "rt/driver/backoff.h"
#include "rt/net/socket_address.h"
#include "rt/net/udp.h"
#include "rt/net/unix_stream.h"
#include "rt/process/child.h"
#include "rt/process/signal.h"
#include "testkit/testkit.h"

namespace {

using io_parts::error_of;
using io_parts::Kernel;
using io_parts::same;
using rt::Child;
using rt::Signals;
using rt::SocketAddress;
using rt::UdpSocket;
using rt::UnixListener;
using rt::UnixStream;
using testkit::Fd;
using testkit::PausedClock;
using testkit::step;

// TestTask::live() counts the task's own waker too.
constexpr int kOnlyItsOwn = 1;

// --- UDP -----------------------------------------------------------------------------------------

class Udp : public testing::Test, public io_parts::OnAReactor {
 protected:
  // What a receive came to, in words.
  std::string text_of(const absl::StatusOr<UdpSocket::Received>& received) const {
    if (!received.ok()) return error_of(received);
    return absl::StrCat(absl::string_view(buffer, received->size),
                        received->is_cut ? " (cut)" : "");
  }
  std::string receive(std::size_t size = sizeof buffer) {
    return text_of(finish(b.receive_from(absl::MakeSpan(buffer, size))));
  }
  void send(absl::string_view data) {
    const absl::StatusOr<std::size_t> sent = finish(a.send_to(data, b.local_address()));
    ASSERT_TRUE(sent.ok()) << sent.status().ToString();
    EXPECT_EQ(*sent, data.size());
  }

  char buffer[64] = {};
  UdpSocket a = *UdpSocket::bind(SocketAddress::loopback(0));
  UdpSocket b = *UdpSocket::bind(SocketAddress::loopback(0));
};

TEST_F(Udp, ReceivesWhatWasSentAndKnowsFromWhom) {
  send("hello");
  const absl::StatusOr<UdpSocket::Received> received =
      finish(b.receive_from(absl::MakeSpan(buffer)));
  EXPECT_TRUE(same(text_of(received), "hello"));
  EXPECT_TRUE(same(received->from.to_string(), a.local_address().to_string()));
}

// Bug it is here for: a datagram that is shorter than the buffer taken for the last one. That is
// the rule for streams; the second of two datagrams would wait for a third.
TEST_F(Udp, AfterAShortDatagramItAsksForTheNext) {
  Kernel kernel;
  send("one");
  send("two");
  EXPECT_TRUE(same(receive(), "one"));
  const int receives = kernel.receives;
  UdpSocket::ReceiveFrom next = b.receive_from(absl::MakeSpan(buffer));
  const rt::Poll<absl::StatusOr<UdpSocket::Received>> result = task.poll(next);
  ASSERT_GT(kernel.receives, receives) << "One event may bring several datagrams: it has to ask.";
  const std::string two = text_of(result.is_ready() ? result.value() : finish_polled(next));
  EXPECT_TRUE(same(two, "two"));
}

TEST_F(Udp, WhatDoesNotFitIsLostAndThatIsSaid) {
  send("0123456789");
  send("next");
  EXPECT_TRUE(same(receive(4), "0123 (cut)"));
  EXPECT_TRUE(same(receive(4), "next")) << "It fits to its last byte, and is not cut.";
}

// Bug it is here for: a receive into nothing that is ready at once, as a read of a stream is. It
// says that there was a datagram.
TEST_F(Udp, WithoutRoomADatagramIsTakenAndCut) {
  UdpSocket::ReceiveFrom receive_from = b.receive_from({});
  ASSERT_TRUE(task.poll(receive_from).is_pending()) << "Nobody has sent anything.";
  send("lost");
  EXPECT_TRUE(same(text_of(finish_polled(receive_from)), " (cut)"));
  send("next");
  EXPECT_TRUE(same(receive(), "next"));
}

// Bug it is here for: an empty datagram taken for the end, or for nothing.
TEST_F(Udp, AnEmptyDatagramIsADatagram) {
  send("");
  send("more");
  ASSERT_TRUE(same(receive(), ""));
  EXPECT_TRUE(same(receive(), "more"));
}

// Bug it is here for: readiness taken for a promise. A datagram whose checksum is wrong makes the
// socket readable, and is gone when one looks.
TEST_F(Udp, ReadinessIsAHint) {
  Kernel kernel;
  kernel.receive_fails = {EAGAIN};
  UdpSocket::ReceiveFrom receive_from = b.receive_from(absl::MakeSpan(buffer));
  ASSERT_TRUE(task.poll(receive_from).is_pending());
  send("one");
  turn_until_woken(task, task.wakes() + 1);
  ASSERT_TRUE(task.poll(receive_from).is_pending());
  send("two");
  EXPECT_TRUE(same(text_of(finish_polled(receive_from)), "one"));
}

TEST_F(Udp, ADatagramThatIsTooLongIsAStatusThatNamesTheReceiver) {
  const std::string long_text(70'000, 'x');
  EXPECT_TRUE(same(error_of(finish(a.send_to(long_text, b.local_address()))),
                   absl::StrCat("sendto ", b.local_address().to_string(), ": Message too long")));
}

TEST_F(Udp, ADroppedReceiveHasReceivedNothing) {
  {
    UdpSocket::ReceiveFrom receive_from = b.receive_from(absl::MakeSpan(buffer));
    ASSERT_TRUE(task.poll(receive_from).is_pending());
  }
  EXPECT_EQ(task.live(), kOnlyItsOwn);
  send("hello");
  EXPECT_TRUE(same(receive(), "hello"));
}

// --- Unix sockets --------------------------------------------------------------------------------

class Unix : public testing::Test, public io_parts::OnAReactor {
 protected:
  ~Unix() override { ::unlink(path.c_str()); }

  std::string read(UnixStream& stream) {
    char buffer[64];
    const absl::StatusOr<std::size_t> count = finish(stream.read(absl::MakeSpan(buffer)));
    return count.ok() ? std::string(buffer, *count) : error_of(count);
  }

  const std::string path = absl::StrCat(testing::TempDir(), "/more_sources_", ::getpid());
};

TEST_F(Unix, ConnectsAcceptsAndTalks) {
  absl::StatusOr<UnixListener> listener = UnixListener::bind(path);
  ASSERT_TRUE(listener.ok()) << listener.status().ToString();
  absl::StatusOr<UnixStream> client = finish(UnixStream::connect(path));
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  absl::StatusOr<UnixStream> server = finish(listener->accept());
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  ASSERT_TRUE(finish(client->write_all("ping")).ok());
  EXPECT_TRUE(same(read(*server), "ping"));
  ASSERT_TRUE(finish(server->write_all("pong")).ok());
  EXPECT_TRUE(same(read(*client), "pong"));
  ASSERT_TRUE(client->shutdown_write().ok());
  EXPECT_TRUE(same(read(*server), ""));
}

TEST_F(Unix, WhereNobodyListensItSaysWhere) {
  EXPECT_TRUE(same(error_of(finish(UnixStream::connect(path))),
                   absl::StrCat("connect ", path, ": No such file or directory")));
  { const absl::StatusOr<UnixListener> gone = UnixListener::bind(path); }
  EXPECT_TRUE(same(error_of(finish(UnixStream::connect(path))),
                   absl::StrCat("connect ", path, ": Connection refused")));
  EXPECT_TRUE(same(error_of(UnixListener::bind(path)),
                   absl::StrCat("bind ", path, ": Address already in use")))
      << "Its name is still there.";
  const std::string too_long(200, 'x');
  EXPECT_TRUE(same(error_of(finish(UnixStream::connect(too_long))),
                   absl::StrCat("socket for ", too_long, ": File name too long")));
}

// Bug it is here for: a path that is left over. The next bind finds its address in use.
TEST_F(Unix, ABindThatFailsLeavesNoPath) {
  {
    Kernel kernel;
    kernel.epoll_add_fails = ENOSPC;
    EXPECT_FALSE(UnixListener::bind(path).ok());
  }
  absl::StatusOr<UnixListener> again = UnixListener::bind(path);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  const absl::StatusOr<UnixStream> client = finish(UnixStream::connect(path));
  EXPECT_TRUE(client.ok()) << client.status().ToString();
}

// Bug it is here for: EAGAIN of connect(2) taken for "under way", as EINPROGRESS is. No event
// comes.
TEST_F(Unix, AFullQueueIsTriedAgain) {
  PausedClock clock;
  const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  const Fd first = testkit::connect_to(listener);  // The queue has room for one.
  const std::ptrdiff_t files = testkit::open_files();
  UnixStream::Connect connect = UnixStream::connect(path);
  ASSERT_TRUE(task.poll(connect).is_pending());
  ASSERT_TRUE(task.poll(connect).is_pending()) << "Polled without a reason.";
  EXPECT_EQ(task.wakes(), 0) << "It pauses before it tries again.";
  clock.advance(rt::Backoff::kPause);
  task.wait_for_wakes(1);
  ASSERT_TRUE(task.poll(connect).is_pending()) << "The queue is still full.";
  EXPECT_LE(testkit::open_files(), files + 1) << "One socket, however often it is tried.";
  const Fd served(::accept(listener.get(), nullptr, nullptr));
  clock.advance(rt::Backoff::kPause);
  task.wait_for_wakes(2);
  rt::Poll<absl::StatusOr<UnixStream>> result = task.poll(connect);
  ASSERT_TRUE(result.is_ready()) << "There is room now.";
  EXPECT_TRUE(same(error_of(result.value()), "no error"));
}

// Bug it is here for: EINTR taken for the answer. This connect does not go on by itself.
TEST_F(Unix, AnInterruptedConnectIsMadeAgain) {
  absl::StatusOr<UnixListener> listener = UnixListener::bind(path);
  ASSERT_TRUE(listener.ok()) << listener.status().ToString();
  Kernel kernel;
  kernel.connect_fails = {EINTR, EINTR};
  EXPECT_TRUE(same(error_of(finish(UnixStream::connect(path))), "no error"));
}

TEST_F(Unix, AnAcceptThatFailsNamesThePath) {
  absl::StatusOr<UnixListener> listener = UnixListener::bind(path);
  ASSERT_TRUE(listener.ok()) << listener.status().ToString();
  Kernel kernel;
  kernel.accept_fails = {EINVAL};
  const absl::StatusOr<UnixStream> client = finish(UnixStream::connect(path));
  EXPECT_TRUE(same(error_of(finish(listener->accept())),
                   absl::StrCat("accept ", path, ": Invalid argument")));
}

// --- Signals -------------------------------------------------------------------------------------

class Signal : public testing::Test, public io_parts::OnAReactor {
 protected:
  static auto handler_of(int signal) {
    struct sigaction now {};
    ::sigaction(signal, nullptr, &now);
    return now.sa_handler;
  }

  Signals signals = *Signals::listen({SIGUSR1, SIGUSR2});
};

TEST_F(Signal, WaitsForASignal) {
  Signals::Next next = signals.next();
  ASSERT_TRUE(task.poll(next).is_pending());
  turn();
  ASSERT_TRUE(task.poll(next).is_pending());
  const int wakes = task.wakes();
  ::raise(SIGUSR2);
  turn();
  EXPECT_EQ(task.wakes(), wakes + 1);
  EXPECT_EQ(*finish_polled(next), SIGUSR2);
}

// Bug it is here for: one signal for each event; or the same one, again and again.
TEST_F(Signal, OneForEachKindThatHasCome) {
  ::raise(SIGUSR2);
  ::raise(SIGUSR1);
  ::raise(SIGUSR1);
  const int first = *finish(signals.next());
  Signals::Next second = signals.next();
  rt::Poll<absl::StatusOr<int>> result = task.poll(second);
  ASSERT_TRUE(result.is_ready()) << "One event may bring several signals: it has to ask.";
  EXPECT_EQ(first + *result.value(), SIGUSR1 + SIGUSR2);
  Signals::Next third = signals.next();
  EXPECT_TRUE(task.poll(third).is_pending()) << "Two of one kind, and nobody looked in between.";
}

TEST_F(Signal, ADroppedNextHasTakenNothing) {
  turn();
  {
    Signals::Next next = signals.next();
    ASSERT_TRUE(task.poll(next).is_pending());
    ::raise(SIGUSR1);
    turn();
    EXPECT_EQ(task.wakes(), 1);
  }
  EXPECT_EQ(*finish(signals.next()), SIGUSR1);
}

// Bug it is here for: one look for all. Whoever looks first takes the signal from the others.
TEST_F(Signal, EveryListenerHearsIt) {
  absl::StatusOr<Signals> others = Signals::listen({SIGUSR1, SIGUSR1});
  ASSERT_TRUE(others.ok()) << others.status().ToString();
  ::raise(SIGUSR1);
  EXPECT_EQ(*finish(signals.next()), SIGUSR1);
  Signals::Next theirs = others->next();
  const rt::Poll<absl::StatusOr<int>> heard = task.poll(theirs);
  ASSERT_TRUE(heard.is_ready()) << "The same turn has told both of it.";
  EXPECT_EQ(*heard.value(), SIGUSR1);
  Signals::Next again = others->next();
  EXPECT_TRUE(task.poll(again).is_pending()) << "It came once.";
  Signals late = *Signals::listen({SIGUSR1});
  Signals::Next next = late.next();
  turn();
  EXPECT_TRUE(task.poll(next).is_pending()) << "It came before anybody listened here.";
}

TEST_F(Signal, HearsOnlyWhatItListensTo) {
  Signals others = *Signals::listen({SIGHUP});
  ::raise(SIGUSR1);
  turn();
  Signals::Next next = others.next();
  EXPECT_TRUE(task.poll(next).is_pending());
}

// Bug it is here for: signals that are blocked in the thread that listens, and in those that it
// starts from then on. A thread that was there before gets the signal in the old way, and it ends
// the program.
TEST_F(Signal, ASignalThatAnOlderThreadGetsIsHeardToo) {
  sem_t end;
  ASSERT_EQ(::sem_init(&end, 0, 0), 0);
  bool was_interrupted = false;
  std::thread older([&] { was_interrupted = ::sem_wait(&end) != 0; });
  Signals later = *Signals::listen({SIGURG, SIGHUP});
  step("the thread that was there before gets SIGHUP");
  EXPECT_EQ(::pthread_kill(older.native_handle(), SIGHUP), 0);
  EXPECT_EQ(*finish(later.next()), SIGHUP);
  EXPECT_EQ(::sem_post(&end), 0);
  older.join();
  EXPECT_FALSE(was_interrupted) << "SA_RESTART: nobody else is to notice it.";
}

TEST_F(Signal, AfterTheListenersHaveGoneTheSignalStillEndsNobody) {
  ::raise(SIGUSR1);
  EXPECT_EQ(*finish(signals.next()), SIGUSR1);
  { const Signals gone = std::move(signals); }
  ::raise(SIGUSR1);
  EXPECT_NE(handler_of(SIGUSR1), SIG_DFL);
}

// Bug it is here for: SIGKILL is taken without a word, and never comes.
TEST_F(Signal, WhatNobodyCanListenToIsRefused) {
  for (const int number : {SIGKILL, SIGSTOP, SIGSEGV, SIGILL, SIGFPE, 0, -1, 32, 65, 1'000'000}) {
    const absl::StatusOr<Signals> refused = Signals::listen({SIGWINCH, number});
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument) << number;
    EXPECT_NE(refused.status().message().find(absl::StrCat("signal ", number)),
              absl::string_view::npos)
        << refused.status().ToString();
  }
  EXPECT_FALSE(Signals::listen({}).ok()) << "It would wait for ever.";
  EXPECT_EQ(handler_of(SIGWINCH), SIG_DFL) << "It stood beside one that was refused.";
  ::raise(SIGUSR1);
  EXPECT_EQ(*finish(signals.next()), SIGUSR1) << "A listener that was there before hears on.";
}

// Bug it is here for: what is done before the step that fails.
TEST_F(Signal, AListenThatFailsLeavesNothingBehind) {
  const std::ptrdiff_t files = testkit::open_files();
  sigset_t before, after;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
  {
    Kernel kernel;
    kernel.epoll_add_fails = ENOSPC;
    EXPECT_FALSE(Signals::listen({SIGCONT}).ok());
  }
  ::pthread_sigmask(SIG_BLOCK, nullptr, &after);
  EXPECT_EQ(sigismember(&before, SIGCONT), sigismember(&after, SIGCONT));
  EXPECT_EQ(handler_of(SIGCONT), SIG_DFL);
  EXPECT_EQ(testkit::open_files(), files);
  Signals later = *Signals::listen({SIGCONT});
  ::raise(SIGCONT);
  EXPECT_EQ(*finish(later.next()), SIGCONT) << "Nor is it in the way of the next.";
}

TEST(SignalOutside, AListenOutsideOfARuntimeThrowsAndLeavesNothingBehind) {
  EXPECT_THROW(Signals::listen({SIGTTOU}).IgnoreError(), std::logic_error);
  struct sigaction now {};
  ::sigaction(SIGTTOU, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
  io_parts::OnAReactor inside;
  Signals later = *Signals::listen({SIGTTOU});
  ::raise(SIGTTOU);
  EXPECT_EQ(*inside.finish(later.next()), SIGTTOU) << "Nor is it in the way of the next.";
}

// --- Children ------------------------------------------------------------------------------------

class Children : public testing::Test, public io_parts::OnAReactor {
 protected:
  static std::string text_of(const absl::StatusOr<Child::Exit>& exit) {
    if (!exit.ok()) return error_of(exit);
    return absl::StrCat("code ", exit->code, ", signal ", exit->signal);
  }
};

void reap_what_other_tests_left() {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

// Whether this process has a child, running or not waited for.
bool has_a_child() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

TEST_F(Children, AProcessThatEndsByItselfHasACode) {
  absl::StatusOr<Child> child = Child::spawn({"sh", "-c", "exit 7"});
  ASSERT_TRUE(child.ok()) << child.status().ToString();
  EXPECT_TRUE(same(text_of(finish(child->wait())), "code 7, signal 0"));
  EXPECT_TRUE(same(error_of(Child::spawn({"/no/such/program"})),
                   "spawn /no/such/program: No such file or directory"));
}

// Bug it is here for: the code and the signal are one number in siginfo_t, and si_code says which.
TEST_F(Children, AProcessThatASignalEndsHasASignal) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);  // In this thread, and not in the child.
  absl::StatusOr<Child> child = Child::spawn({"sleep", "1000"});
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  Child::Wait wait = child->wait();
  ASSERT_TRUE(task.poll(wait).is_pending());
  turn();
  ASSERT_TRUE(task.poll(wait).is_pending()) << "It sleeps.";
  ::kill(child->pid(), SIGTERM);
  EXPECT_TRUE(same(text_of(finish_polled(wait)), absl::StrCat("code 0, signal ", SIGTERM)));
}

// Bug it is here for: a process that runs on, of which nobody has the number.
TEST_F(Children, ASpawnThatFailsLeavesNoProcess) {
  reap_what_other_tests_left();
  const std::ptrdiff_t files = testkit::open_files();
  {
    Kernel kernel;
    kernel.pidfd_open_fails = EMFILE;
    step("pidfd_open fails: no descriptors are left");
    const absl::StatusOr<Child> child = Child::spawn({"sleep", "1000"});
    EXPECT_EQ(child.status().code(), absl::StatusCode::kResourceExhausted)
        << child.status().ToString();
    EXPECT_FALSE(has_a_child());
  }
  {
    Kernel kernel;
    kernel.epoll_add_fails = ENOSPC;
    step("the reactor cannot register it");
    EXPECT_FALSE(Child::spawn({"sleep", "1000"}).ok());
    EXPECT_FALSE(has_a_child());
  }
  EXPECT_EQ(testkit::open_files(), files);
  absl::StatusOr<Child> next = Child::spawn({"true"});
  EXPECT_TRUE(same(text_of(finish(next->wait())), "code 0, signal 0"));
}

TEST(ChildrenOutside, ASpawnOutsideOfARuntimeThrowsAndStartsNothing) {
  reap_what_other_tests_left();
  EXPECT_THROW(Child::spawn({"sleep", "1000"}).IgnoreError(), std::logic_error);
  EXPECT_FALSE(has_a_child());
  io_parts::OnAReactor inside;
  absl::StatusOr<Child> next = Child::spawn({"true"});
  EXPECT_TRUE(inside.finish(next->wait()).ok());
}

// Bug it is here for: readiness taken for a promise. waitid(2) with WNOHANG has no EAGAIN: it says
// 0.
TEST_F(Children, AProcessThatStillRunsHasNotEnded) {
  absl::StatusOr<Child> child = Child::spawn({"true"});
  Child::Wait wait = child->wait();
  ASSERT_TRUE(task.poll(wait).is_pending());
  turn_until_woken(task);
  Kernel kernel;
  kernel.still_running = 1;
  EXPECT_TRUE(task.poll(wait).is_pending()) << "It was called ready, and waitid(2) says: not yet.";
}

// Bug it is here for: a look (WNOWAIT) in place of a wait: the process stays a zombie.
TEST_F(Children, AWaitTakesTheRemainsAway) {
  absl::StatusOr<Child> child = Child::spawn({"true"});
  EXPECT_TRUE(same(text_of(finish(child->wait())), "code 0, signal 0"));
  EXPECT_EQ(::kill(child->pid(), 0), -1) << "The process is still there, as a zombie.";
  EXPECT_TRUE(same(text_of(finish(child->wait())),
                   absl::StrCat("waitid process ", child->pid(), ": No child processes")));
}

}  // namespace
