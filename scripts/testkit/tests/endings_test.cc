// How each kind of ending looks from outside: the exit code, the events, and the text a reader
// gets. The endings are those of the tests in acts.cc, each run as the course's runner does it.
#include <fcntl.h>
#include <gmock/gmock-more-matchers.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::string_view kFlavour = TESTKIT_FLAVOUR;
constexpr bool kAddress = kFlavour == "address" || kFlavour == "address_undefined";
constexpr bool kUndefined = kFlavour == "address_undefined";
constexpr bool kThread = kFlavour == "thread";
constexpr bool kHasLines = kFlavour != "none";  // In its stacks.

struct Ending {
  int code = -1;    // Of an exit.
  int signal = 0;   // Of a death by signal.
  std::string out;  // stdout and stderr, in the order of writing.
  std::string events;
};

std::string read_all(int fd) {
  std::string all;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = ::read(fd, buffer.data(), buffer.size())) > 0;) {
    all.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(fd);
  return all;
}

// Runs `test` of acts, or all whose names fit, and waits for its end. `also`: one more variable of
// its environment. `path`: where it finds other programs.
Ending run(const std::string& test, bool with_channel = true,
           std::string also = "RT_NOTHING=", std::string path = "PATH=/usr/bin:/bin") {
  int out[2];
  int events[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(events, O_CLOEXEC) != 0) std::abort();
  // All that needs memory comes before the fork.
  std::string program = TESTKIT_ACTS;
  std::string filter = "--gtest_filter=" + test;
  std::string cpu_limit = "RT_TEST_CPU_SECONDS=2";
  // Debian's clang looks for one of its own version, which need not be installed. g++ needs none.
  const std::string symbolizer = "SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer";
  std::string for_asan = "ASAN_" + symbolizer;
  std::string for_tsan = "TSAN_" + symbolizer;
  std::string channel = "RT_RESULT_FD=" + std::to_string(events[1]);
  char* const arguments[] = {program.data(), filter.data(), nullptr};
  char* const environment[] = {cpu_limit.data(), path.data(),
                               for_asan.data(),  for_tsan.data(),
                               also.data(),      with_channel ? channel.data() : nullptr,
                               nullptr};
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(out[1], STDERR_FILENO);
    ::fcntl(events[1], F_SETFD, 0);
    ::execve(TESTKIT_ACTS, arguments, environment);
    ::_exit(127);
  }
  ::close(out[1]);
  ::close(events[1]);
  Ending ending;
  std::thread reader([&] { ending.events = read_all(events[0]); });
  ending.out = read_all(out[0]);
  reader.join();
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status)) ending.code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) ending.signal = WTERMSIG(status);
  return ending;
}

Ending run_act(const std::string& act) { return run("Acts." + act); }

// What a reader sees must be readable in a narrow window. What the sanitizers and GoogleTest
// themselves say, and paths, are as long as they are.
std::string lines_of_ours_that_are_too_long(const std::string& text) {
  std::string found;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    const bool foreign = line.find('/') != std::string::npos || line[0] == '=' || line[0] == '[' ||
                         line.find("==") != std::string::npos;
    if (line.size() > 80 && !foreign) found += line + "\n";
    begin = end + 1;
  }
  return found;
}

std::string started(const std::string& act) {
  return "{\"event\":\"start\",\"test\":\"Acts." + act + "\"}\n";
}
std::string ended(const std::string& act, bool ok) {
  return "{\"event\":\"end\",\"test\":\"Acts." + act + "\",\"ok\":" + (ok ? "true" : "false") +
         "}\n";
}

TEST(Endings, APassHasAStartAndAnEnd) {
  const Ending it = run_act("Passes");
  EXPECT_EQ(it.code, 0) << it.out;
  EXPECT_EQ(it.events, started("Passes") + ended("Passes", true));
}

TEST(Endings, ASkippedTestIsNoFailure) {
  const Ending it = run_act("Skips");
  EXPECT_EQ(it.code, 0) << it.out;
  EXPECT_EQ(it.events, started("Skips") + ended("Skips", true));
}

TEST(Endings, WithoutAChannelNothingIsSent) {
  const Ending it = run("Acts.Passes", /*with_channel=*/false);
  EXPECT_EQ(it.code, 0) << it.out;
  EXPECT_THAT(it.events, IsEmpty());
}

TEST(Endings, NoTestIsNotAPassedTest) {
  const Ending it = run_act("ThatDoesNotExist");
  EXPECT_THAT(it.events, IsEmpty());
}

TEST(Endings, AFailureTellsTheStepsThenWhatWasExpected) {
  const Ending it = run_act("FailsAfterSteps");
  EXPECT_EQ(it.code, 1);
  EXPECT_THAT(it.out, HasSubstr("The steps so far:\n"
                                "  1. opened the door\n"
                                "  2. went in  (2 times)\n"
                                "\n"
                                "scripts/testkit/tests/acts.cc:"));
  EXPECT_THAT(it.out, HasSubstr("Failure\n"
                                "Expected equality of these values:\n"
                                "  1 + 1\n"
                                "    Which is: 2\n"
                                "  3\n"
                                "the sum is off\n"
                                "\n"
                                "The steps since then:\n"
                                "  3. sat down\n"));
  EXPECT_THAT(it.events,
              HasSubstr("{\"event\":\"failure\",\"test\":\"Acts.FailsAfterSteps\",\"file\":"
                        "\"scripts/testkit/tests/acts.cc\",\"line\":"));
  EXPECT_THAT(it.events, HasSubstr("\"message\":\"The steps so far:\\n  1. opened the door\\n"));
  EXPECT_THAT(it.events, HasSubstr(ended("FailsAfterSteps", false)));
  EXPECT_EQ(lines_of_ours_that_are_too_long(it.out), "");
}

TEST(Endings, AFailureInAThreadCountsAndNamesTheThread) {
  const Ending it = run_act("FailsInAThread");
  EXPECT_EQ(it.code, 1);
  EXPECT_THAT(it.out, AllOf(HasSubstr("  1. starting the thread\n  2. [thread 2] running\n"),
                            HasSubstr("Failure\nthe thread is unhappy\n")));
  EXPECT_THAT(it.events, HasSubstr(ended("FailsInAThread", false)));
}

TEST(Endings, AnExceptionInTheTestIsAFailure) {
  const Ending it = run_act("Throws");
  EXPECT_EQ(it.code, 1);
  EXPECT_THAT(it.out, AllOf(HasSubstr("1. about to throw"), HasSubstr("the disk is on fire")));
  // It has no place of its own, so it gets the test's.
  EXPECT_THAT(it.out, HasSubstr("\nscripts/testkit/tests/acts.cc:102: Failure\nC++ exception"));
  EXPECT_THAT(it.events, HasSubstr("\"file\":\"scripts/testkit/tests/acts.cc\",\"line\":102,"));
  EXPECT_THAT(it.events, HasSubstr(ended("Throws", false)));
}

TEST(Endings, AnExceptionInAThreadSaysWhatAndWhere) {
  const Ending it = run_act("ThrowsInAThread");
  EXPECT_EQ(it.signal, SIGABRT);
  EXPECT_THAT(it.out, HasSubstr("The test Acts.ThrowsInAThread was ended by std::terminate.\n"
                                "Nobody caught an exception of type std::runtime_error:\n"
                                "  the disk is on fire\n"
                                "\n"
                                "The steps so far:\n"
                                "  1. about to throw\n"
                                "\n"
                                "The thread was\n"
                                "  in learner::throw_here()\n"));
  EXPECT_EQ(it.events, started("ThrowsInAThread"));
  EXPECT_EQ(lines_of_ours_that_are_too_long(it.out), "");
}

TEST(Endings, AnAbortSaysWhere) {
  const Ending it = run_act("Aborts");
  EXPECT_EQ(it.signal, SIGABRT);
  EXPECT_THAT(it.out,
              AllOf(HasSubstr("SIGABRT: abort() was called."), HasSubstr("about to abort"),
                    HasSubstr("  in learner::abort_here()\n"), HasSubstr("test Acts.Aborts\n")));
}

TEST(Endings, AWildPointerSaysWhere) {
  const Ending it = run_act("WritesNull");
  if (kAddress || kThread) {
    EXPECT_EQ(it.code, 44);
  } else {
    EXPECT_EQ(it.signal, SIGSEGV);
  }
  EXPECT_THAT(it.out,
              AllOf(HasSubstr("learner::write_null()"), HasSubstr("about to write to null")));
  EXPECT_EQ(it.events, started("WritesNull"));
}

TEST(Endings, AStubIsNotAWrongAnswer) {
  const Ending it = run_act("Todo");
  EXPECT_EQ(it.code, 42);
  EXPECT_THAT(it.out, HasSubstr("exercise 1.6 is not written yet\n"));
  EXPECT_EQ(it.events, started("Todo"));
}

TEST(Endings, AStubInADeathTestIsNotAWrongAnswerEither) {
  const Ending it = run_act("TodoInADeathTest");
  EXPECT_EQ(it.code, 42);
  EXPECT_THAT(it.out, HasSubstr("exercise 1.6 is not written yet\n"));
  EXPECT_EQ(it.events, started("TodoInADeathTest"));
}

TEST(Endings, DeathTestsWork) {
  const Ending it = run_act("DiesAsItShould");
  EXPECT_EQ(it.code, 0) << it.out;
  EXPECT_EQ(it.events, started("DiesAsItShould") + ended("DiesAsItShould", true));
}

TEST(Endings, SeveralTestsInOneProcessRunUntilAStub) {
  const Ending it = run("Acts.Passes:Acts.FailsAfterSteps:Acts.Todo:Acts.Leaks");
  EXPECT_EQ(it.code, 42);
  EXPECT_THAT(it.events, HasSubstr(ended("Passes", true)));
  EXPECT_THAT(it.events, HasSubstr(ended("FailsAfterSteps", false) + started("Todo")));
  EXPECT_THAT(it.out, Not(HasSubstr("all is well"))) << "the steps of one test, told in another";
}

struct Hang {
  const char* act;
  std::vector<std::string> told;  // In this order.
  bool asleep = true;
};

void PrintTo(const Hang& hang, std::ostream* os) { *os << hang.act; }

class Hangs : public testing::TestWithParam<Hang> {};

TEST_P(Hangs, SayWhoWaitsForWhat) {
  const Hang& hang = GetParam();
  const Ending it = run_act(hang.act);
  EXPECT_EQ(it.code, 43) << it.out;
  EXPECT_THAT(it.out, HasSubstr(std::string("The test Acts.") + hang.act + " hangs.\n"));
  EXPECT_THAT(it.out, HasSubstr(hang.asleep ? "asleep for 3 seconds and used no CPU"
                                            : "It has used more than 2 s of CPU"));
  std::size_t at = 0;
  for (const std::string& text : hang.told) {
    const std::size_t found = it.out.find(text, at);
    EXPECT_NE(found, std::string::npos) << "\"" << text << "\" is missing, or out of order, in\n"
                                        << it.out;
    if (found != std::string::npos) at = found;
  }
  if (kHasLines) {
    EXPECT_THAT(it.out, HasSubstr("scripts/testkit/tests/acts.cc:"));
  }
  EXPECT_THAT(it.out, Not(AnyOf(HasSubstr("testing::"), HasSubstr("start_thread"),
                                HasSubstr("std::__"), HasSubstr("testkit::internal"))));
  EXPECT_THAT(it.events, HasSubstr(std::string("{\"event\":\"hang\",\"test\":\"Acts.") + hang.act +
                                   "\",\"report\":\""));
  EXPECT_THAT(it.events, Not(HasSubstr("\"event\":\"end\"")));
  EXPECT_EQ(lines_of_ours_that_are_too_long(it.out), "");
}

INSTANTIATE_TEST_SUITE_P(
    Endings, Hangs,
    testing::Values(
        Hang{"HangsOnACondVar",
             {"All 2 threads", "The steps so far:\n  1. waiting for what never comes\n",
              "Thread 1, the test's own:\n  waits for another thread to end\n",
              "  in test Acts.HangsOnACondVar\n", "Thread 2:\n  waits on a condition variable\n",
              "  in learner::wait_for_ever("}},
        Hang{"HangsOnAMutex",
             {"Its only thread", "  waits for a mutex\n", "learner::lock_twice(", "test Acts."}},
        Hang{"HangsInRead", {"  waits in read\n", "test Acts.HangsInRead"}},
        Hang{"WaitsForAStoppedChild", {"Its only thread", "1. waiting for the child"}},
        Hang{"HangsInPause", {"Its only thread", "1. pausing"}},
        Hang{"HangsOnAnAtomic", {"  waits for an atomic to change\n", "test Acts.HangsOnAnAtomic"}},
        Hang{"SpinsOnAnAtomic", {"1. spinning", "learner::spin_on_atomic()"}, false},
        Hang{"SpinsOnNothing", {"Thread 2:\n", "learner::spin_on_nothing()"}, false},
        Hang{"HangsWithANote",
             {"learner::lock_twice(", "task 1 waits for task 2\n",
              "A note of the test did not return"}},
        Hang{"HangsInARuntime",
             {"The driver: asleep\nIts timers: next at tick ", ", a sleep until tick ",
              "\nThe clock: paused, at tick "}},
        Hang{"HangsInAThreadedRuntime",
             {"The driver: asleep\nIts timers: next at tick ", "\nThe clock: paused, at tick ",
              "Worker 0's park: driving\n"}},
        Hang{"WaitsForAWakeThatNeverComes",
             {"1. waker \"a\" woken\n  2. waiting until waker \"a\" has been woken twice",
              "waits for an atomic to change"}}),
    [](const auto& hang) { return std::string(hang.param.act); });

// The real gcore takes a debugger and seconds. This one writes what it was asked for.
TEST(Endings, AHangLeavesACoreWhereOneIsAskedFor) {
  const std::string folder = testing::TempDir() + "cores-" + std::to_string(::getpid());
  ASSERT_EQ(::mkdir(folder.c_str(), 0700), 0);
  {
    std::ofstream tool(folder + "/gcore");
    tool << "#!/bin/sh\necho \"asked for $2 of $3\"\n";
  }
  ASSERT_EQ(::chmod((folder + "/gcore").c_str(), 0700), 0);
  const Ending it = run("Acts.HangsInPause", true, "RT_CORES=" + folder, "PATH=" + folder);
  EXPECT_EQ(it.code, 43) << it.out;
  EXPECT_THAT(it.out, HasSubstr("asked for " + folder + "/Acts.HangsInPause of "));
  EXPECT_THAT(it.out, HasSubstr("\nA core is in " + folder + "/Acts.HangsInPause."));
  std::filesystem::remove_all(folder);
}

TEST(Endings, WaitingForABusyChildIsNoHang) {
  const Ending it = run_act("WaitsForABusyChild");
  EXPECT_EQ(it.code, 0) << it.out;
  EXPECT_THAT(it.events, HasSubstr(ended("WaitsForABusyChild", true)));
}

TEST(Endings, ALeakIsReportedWithTheSteps) {
  if (!kAddress) GTEST_SKIP() << "only AddressSanitizer looks for leaks";
  const Ending it = run_act("Leaks");
  EXPECT_EQ(it.code, 44);
  EXPECT_THAT(it.out, AllOf(HasSubstr("detected memory leaks"),
                            HasSubstr("Every expectation of the test held."),
                            HasSubstr("1. about to leak")));
}

TEST(Endings, FreedMemoryIsReportedWithTheSteps) {
  if (!kAddress) GTEST_SKIP() << "only AddressSanitizer looks for that";
  const Ending it = run_act("ReadsFreedMemory");
  EXPECT_EQ(it.code, 44);
  EXPECT_THAT(it.out, AllOf(HasSubstr("heap-use-after-free"), HasSubstr("learner::read_freed()"),
                            HasSubstr("1. about to read freed memory")));
}

TEST(Endings, UndefinedBehaviourIsReported) {
  if (!kUndefined) GTEST_SKIP() << "only UndefinedBehaviorSanitizer looks for that";
  const Ending it = run_act("OverflowsAnInt");
  EXPECT_EQ(it.code, 44);
  EXPECT_THAT(it.out, AllOf(HasSubstr("signed integer overflow"), HasSubstr("learner::overflow("),
                            HasSubstr("1. about to overflow")));
}

// Bug it is here for: a step log whose lock orders what the code under test leaves unordered.
TEST(Endings, TheStepLogDoesNotHideARace) {
  if (!kThread) GTEST_SKIP() << "only ThreadSanitizer looks for races";
  const Ending it = run_act("Races");
  EXPECT_EQ(it.code, 44) << it.out;
  EXPECT_THAT(it.out, AllOf(HasSubstr("data race"), HasSubstr("[thread 2] wrote\n  2. reading")));
}

TEST(Endings, APollIsToldByItsValue) {
  const Ending it = run_act("ExpectsReady");
  EXPECT_EQ(it.code, 1);
  EXPECT_THAT(it.out, HasSubstr("  1. waker \"a\" cloned (2 alive)\n"
                                "  2. waker \"a\" dropped (1 alive)\n"
                                "  3. task \"a\" polled: pending\n"));
  EXPECT_THAT(it.out, HasSubstr("Value of: task.poll(future)\n"
                                "Expected: ready with a value that is equal to 7\n"
                                "  Actual: pending\n"));
  EXPECT_THAT(it.out, HasSubstr("Expected: ready with a value that is > 9\n"
                                "  Actual: ready with 7\n"));
  EXPECT_THAT(it.out, HasSubstr("Expected: pending\n"
                                "  Actual: ready with 7\n"));
}

TEST(Endings, AWakerDroppedTwiceSaysWhere) {
  const Ending it = run_act("DropsAWakerTwice");
  EXPECT_EQ(it.code, 1);
  EXPECT_THAT(it.out,
              HasSubstr("waker \"a\" was dropped, but every one of its wakers had been given "
                        "back already.\n"));
  if (kHasLines) {  // Else it is inlined.
    EXPECT_THAT(it.out, HasSubstr("This was done\n  in rt::Waker::~Waker()\n"));
    EXPECT_THAT(it.out, HasSubstr("The last of them had been given back\n"
                                  "  in rt::Waker::~Waker()\n"));
  }
  EXPECT_THAT(it.out, Not(HasSubstr("counted_wakers."))) << "the line of the test is what helps";
  EXPECT_THAT(it.events, HasSubstr("\"file\":\"scripts/testkit/tests/acts.cc\""));
  EXPECT_EQ(lines_of_ours_that_are_too_long(it.out), "");
}

TEST(Endings, ATokenDestroyedTwiceSaysWhere) {
  const Ending it = run_act("DestroysATokenTwice");
  EXPECT_EQ(it.code, 1);
  EXPECT_THAT(it.out, HasSubstr("\"the frame\" was destroyed twice.\n"));
  EXPECT_THAT(it.out, HasSubstr("test Acts.DestroysATokenTwice\n"));
  EXPECT_EQ(lines_of_ours_that_are_too_long(it.out), "");
}

TEST(Endings, OfManyStepsTheFirstAndTheLastAreTold) {
  const Ending it = run_act("LogsManySteps");
  EXPECT_THAT(it.out, HasSubstr("     1. step 1\n"));
  EXPECT_THAT(it.out,
              HasSubstr("    20. step 20\n  … 940 steps are left out here …\n   961. step 961\n"));
  EXPECT_THAT(it.out, HasSubstr("  1000. step 1000\n"));
}

TEST(Endings, EventsAreJsonWhateverTheMessageHolds) {
  const Ending it = run_act("SaysWhatIsNotUtf8");
  EXPECT_THAT(it.events,
              HasSubstr("bytes: \\ufffd\\ufffd\\ufffd \\u0001 \\\"quoted\\\" back\\\\slash é"));
}

}  // namespace
