// rt/trace/trace.h and what it writes: given code that every module records with.
#include "rt/trace/trace.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rt/future/async.h"
#include "rt/runtime/local_runtime.h"
#include "rt/trace/trace_file.h"
#include "testkit/testkit.h"

namespace testkit {
namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::LocalExecutor;
using rt::Poll;
using rt::poll_fn;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;
namespace trace = rt::trace;

// A file that is gone when the test ends.
class TemporaryFile {
 public:
  TemporaryFile() {
    const char* folder = std::getenv("TMPDIR");
    std::string name = absl::StrCat(folder != nullptr ? folder : "/tmp", "/trace-XXXXXX");
    const int fd = ::mkstemp(name.data());
    EXPECT_GE(fd, 0);
    ::close(fd);
    path_ = name;
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// One line of a trace. Keys are found by name: none occurs twice in one event, but for "name".
class Line {
 public:
  explicit Line(std::string text) : text_(std::move(text)) {}

  const std::string& text() const { return text_; }
  bool has(const std::string& key) const { return absl::StrContains(text_, quoted(key)); }
  // The first value under the key, as it is written, without quotes.
  std::string get(const std::string& key) const {
    std::size_t at = text_.find(quoted(key));
    if (at == std::string::npos) return "";
    at += key.size() + 3;
    const bool is_text = text_[at] == '"';
    const std::size_t end = text_.find_first_of(is_text ? "\"" : ",}", at + 1);
    return text_.substr(is_text ? at + 1 : at, end - at - (is_text ? 1 : 0));
  }
  double number(const std::string& key) const { return std::atof(get(key).c_str()); }

 private:
  static std::string quoted(const std::string& key) { return absl::StrCat("\"", key, "\":"); }
  std::string text_;
};

std::string content(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<Line> read(const std::string& path) {
  std::ifstream file(path);
  std::vector<Line> lines;
  for (std::string line; std::getline(file, line);) {
    if (line == "[" || line == "]") continue;
    if (absl::EndsWith(line, ",")) line.pop_back();
    EXPECT_THAT(line, AllOf(StartsWith("{\"ph\":\""), EndsWith("}")));
    lines.emplace_back(line);
  }
  return lines;
}

std::vector<Line> of(const std::vector<Line>& lines, const std::string& ph,
                     const std::string& name) {
  std::vector<Line> result;
  for (const Line& line : lines) {
    if (line.get("ph") == ph && line.get("name") == name) result.push_back(line);
  }
  return result;
}

std::vector<std::string> values(const std::vector<Line>& lines, const std::string& key) {
  std::vector<std::string> result;
  for (const Line& line : lines) result.push_back(line.get(key));
  return result;
}

// A task that is woken once from another thread while the executor sleeps, and then is ready.
void run_a_task_that_waits(LocalExecutor& executor) {
  std::optional<std::thread> helper;
  executor.spawn(rt::BoxFuture<void>(poll_fn([&helper](Context& cx) -> Poll<void> {
    if (helper.has_value()) return kReady;
    helper.emplace([waker = cx.waker().clone()]() mutable {
      trace::name_thread("helper");
      std::move(waker).wake();
    });
    return kPending;
  })));
  executor.run();
  helper->join();
}

TEST(Trace, IsOffUntilStartedAndAfterItWasStopped) {
  EXPECT_FALSE(trace::enabled());
  trace::mark("nobody records this");
  TemporaryFile file;
  ASSERT_TRUE(trace::start(file.path()).ok());
  EXPECT_TRUE(trace::enabled());
  trace::mark("this one");
  EXPECT_TRUE(trace::stop().ok());
  EXPECT_FALSE(trace::enabled());
  trace::mark("nor this");
  EXPECT_TRUE(trace::stop().ok()) << "to stop what does not run is no error";
  EXPECT_THAT(values(of(read(file.path()), "i", "mark"), "text"), ElementsAre("this one"));
}

TEST(Trace, TheFirstLineSaysWhatTheFileIs) {
  TemporaryFile file;
  trace::Options options;
  options.seed = 42;
  trace::Session session(file.path(), options);
  trace::name_thread("main");
  trace::mark("x");
  ASSERT_TRUE(session.stop().ok());
  const std::vector<Line> lines = read(file.path());
  ASSERT_GE(lines.size(), 3U);
  EXPECT_EQ(lines[0].text(), R"({"ph":"M","pid":1,"tid":0,"ts":0,"name":"process_name","args":{)"
                             R"("name":"coro runtime","schema":"coro-trace/1","clock":"steady_ns",)"
                             R"("seed":"42","dropped":0}})");
  EXPECT_THAT(lines[1].text(),
              HasSubstr(R"("name":"thread_name","args":{"name":"main","os_tid":)"));
  EXPECT_THAT(lines[2].text(), HasSubstr(R"("name":"thread_sort_index","args":{"sort_index":1})"));
}

TEST(Trace, AnExecutorsLifeIsInIt) {
  TemporaryFile file;
  trace::Session session(file.path());
  {
    LocalExecutor executor;
    run_a_task_that_waits(executor);
  }
  ASSERT_TRUE(session.stop().ok());
  const std::vector<Line> lines = read(file.path());

  const std::vector<Line> spawned = of(lines, "i", "task.spawn");
  ASSERT_THAT(spawned, SizeIs(1));
  const std::string task = spawned[0].get("task");
  EXPECT_FALSE(spawned[0].has("parent"));
  const std::vector<Line> polls = of(lines, "X", "poll");
  EXPECT_THAT(values(polls, "task"), ElementsAre(task, task));
  EXPECT_THAT(values(polls, "result"), ElementsAre("pending", "ready"));
  EXPECT_THAT(values(of(lines, "i", "queue.push"), "queue"), ElementsAre("ready", "ready"));
  EXPECT_THAT(values(of(lines, "i", "queue.push"), "len"), ElementsAre("1", "1"));
  EXPECT_THAT(values(of(lines, "i", "queue.pop"), "len"), ElementsAre("0", "0"));
  EXPECT_THAT(of(lines, "b", "task " + task), SizeIs(1));
  EXPECT_THAT(of(lines, "e", "task " + task), SizeIs(1));
  EXPECT_THAT(of(lines, "C", "ready queue_depth"), SizeIs(4));
}

TEST(Trace, AWakeLeadsToThePollThatFollows) {
  TemporaryFile file;
  trace::Session session(file.path());
  {
    LocalExecutor executor;
    run_a_task_that_waits(executor);
  }
  ASSERT_TRUE(session.stop().ok());
  const std::vector<Line> lines = read(file.path());
  const std::vector<Line> from = of(lines, "s", "wake");
  const std::vector<Line> to = of(lines, "f", "wake");
  ASSERT_THAT(from, SizeIs(1));
  ASSERT_THAT(to, SizeIs(1));
  EXPECT_EQ(from[0].get("id"), to[0].get("id"));
  EXPECT_EQ(from[0].get("cat"), to[0].get("cat"));
  EXPECT_EQ(from[0].get("task"), to[0].get("task"));
  EXPECT_EQ(to[0].get("bp"), "e");
  EXPECT_LE(from[0].number("ts"), to[0].number("ts"));
  // A flow needs a slice at both ends: here one that was made for it, and the second poll.
  const std::vector<Line> slices = of(lines, "X", "wake");
  ASSERT_THAT(slices, SizeIs(1));
  EXPECT_EQ(slices[0].get("ts"), from[0].get("ts"));
  EXPECT_EQ(slices[0].get("tid"), from[0].get("tid"));
  const std::vector<Line> polls = of(lines, "X", "poll");
  ASSERT_THAT(polls, SizeIs(2));
  EXPECT_EQ(polls[1].get("ts"), to[0].get("ts"));
  EXPECT_EQ(polls[1].get("tid"), to[0].get("tid"));
}

TEST(Trace, AWakeThatLeadsToNoPollIsNoFlow) {
  TemporaryFile file;
  trace::Session session(file.path());
  trace::wake(7);
  ASSERT_TRUE(session.stop().ok());
  const std::vector<Line> lines = read(file.path());
  EXPECT_THAT(values(of(lines, "i", "wake"), "task"), ElementsAre("7"));
  EXPECT_THAT(of(lines, "s", "wake"), SizeIs(0));
}

TEST(Trace, SlicesOfAThreadNestAndSayHowTheyEnded) {
  TemporaryFile file;
  PausedClock clock;
  trace::Session session(file.path());
  clock.advance(absl::Microseconds(10));
  {
    trace::PollScope outer(1);
    clock.advance(absl::Microseconds(1));
    trace::spawn(2);
    try {
      trace::PollScope inner(2);
      clock.advance(absl::Nanoseconds(2500));
      throw std::runtime_error("x");
    } catch (const std::runtime_error&) {
    }
    EXPECT_EQ(trace::current_task(), 1U);
    clock.advance(absl::Microseconds(1));
    outer.ended(false);
  }
  EXPECT_EQ(trace::current_task(), 0U);
  trace::PollScope open(3);
  clock.advance(absl::Microseconds(5));
  ASSERT_TRUE(session.stop().ok());
  const std::vector<Line> lines = read(file.path());
  const std::vector<Line> polls = of(lines, "X", "poll");
  EXPECT_THAT(values(polls, "task"), ElementsAre("1", "2", "3"));
  EXPECT_THAT(values(polls, "ts"), ElementsAre("10.000", "11.000", "14.500"));
  EXPECT_THAT(values(polls, "dur"), ElementsAre("4.500", "2.500", "5.000"));
  EXPECT_THAT(values(polls, "result"), ElementsAre("pending", "threw", "running"));
  EXPECT_THAT(values(of(lines, "i", "task.spawn"), "parent"), ElementsAre("1"));
}

TEST(Trace, EveryKindOfEventHasItsLine) {
  TemporaryFile file;
  PausedClock clock;
  trace::Session session(file.path());
  trace::steal(3, 1);
  trace::io_register(5);
  trace::io_ready(5, "readable");
  trace::timer_set(9, rt::clock::now() + absl::Milliseconds(2));
  trace::timer_fire(9);
  trace::budget_spent();
  trace::forced_yield();
  { trace::JobScope job(4); }
  { trace::ParkScope park; }
  trace::unpark();
  ASSERT_TRUE(session.stop().ok());
  const std::string text = content(file.path());
  for (const char* expected : {
           R"("name":"worker.steal","cat":"worker","args":{"n":3,"victim":1,"seq":1})",
           R"("name":"io.register","cat":"io","args":{"fd":5,"seq":2})",
           R"("name":"io.ready","cat":"io","args":{"fd":5,"readiness":"readable","seq":3})",
           R"("name":"timer.set","cat":"timer","args":{"timer":9,"deadline_us":2000.000,"seq":4})",
           R"("name":"timer.fire","cat":"timer","args":{"timer":9,"seq":5})",
           R"("name":"budget.exhausted","cat":"coop","args":{"task":0,"seq":6})",
           R"("name":"budget.forced_yield","cat":"coop","args":{"task":0,"seq":7})",
           R"("name":"blocking.run","cat":"blocking","args":{"job":4,"seq":8})",
           R"("name":"worker.park","cat":"worker","args":{"seq":10})",
           R"("name":"worker.unpark","cat":"worker","args":{"seq":12})",
       }) {
    EXPECT_THAT(text, HasSubstr(expected));
  }
}

TEST(Trace, TextsAreEscaped) {
  TemporaryFile file;
  trace::Session session(file.path());
  {
    const std::string text = "a \"quote\", a \\ and a\nline; Füße";
    trace::mark(text);
  }
  std::thread([] { trace::name_thread("the \"second\""), trace::mark("x"); }).join();
  ASSERT_TRUE(session.stop().ok());
  const std::string text = content(file.path());
  EXPECT_THAT(text, HasSubstr(R"("text":"a \"quote\", a \\ and a\u000aline; Füße")"));
  EXPECT_THAT(text, HasSubstr(R"("args":{"name":"the \"second\"",)"));
}

TEST(Trace, AThreadThatHasEndedIsInIt) {
  TemporaryFile file;
  trace::Session session(file.path());
  for (int i = 0; i < 3; ++i) {
    std::thread([i] { trace::mark(absl::StrCat("thread ", i)); }).join();
  }
  ASSERT_TRUE(session.stop().ok());
  const std::vector<Line> marks = of(read(file.path()), "i", "mark");
  EXPECT_THAT(values(marks, "text"), ElementsAre("thread 0", "thread 1", "thread 2"));
  EXPECT_THAT(values(marks, "tid"), ElementsAre("1", "2", "3"));
  EXPECT_THAT(values(marks, "seq"), Each("1"));
}

TEST(Trace, AFullRingKeepsTheNewestAndCountsTheRest) {
  TemporaryFile file;
  trace::Options options;
  options.events_per_thread = 3;
  trace::Session session(file.path(), options);
  { trace::PollScope forgotten(1), also_forgotten(2); }
  for (int i = 1; i <= 5; ++i) trace::mark(absl::StrCat(i));
  {
    trace::PollScope half(3);
    trace::mark("6");
    trace::mark("7");
    trace::mark("8");
  }
  ASSERT_TRUE(session.stop().ok());
  const std::vector<Line> lines = read(file.path());
  EXPECT_EQ(lines[0].get("dropped"), "11");
  EXPECT_THAT(values(of(lines, "i", "mark"), "text"), ElementsAre("7", "8"));
  EXPECT_THAT(of(lines, "X", "poll"), SizeIs(0)) << "a poll whose begin is forgotten";
}

TEST(Trace, EachTraceHasItsOwnEvents) {
  TemporaryFile first, second;
  std::atomic<int> turn{0};
  std::thread other([&turn] {
    for (int i = 1; i <= 2; ++i) {
      turn.wait(2 * i - 2);
      trace::mark(absl::StrCat("other ", i));
      turn = 2 * i;
      turn.notify_all();
    }
  });
  for (int i = 1; i <= 2; ++i) {
    trace::Session session((i == 1 ? first : second).path());
    trace::mark(absl::StrCat("main ", i));
    turn = 2 * i - 1;
    turn.notify_all();
    turn.wait(2 * i - 1);
  }
  other.join();
  for (const auto& [file, i] : {std::pair(&first, 1), std::pair(&second, 2)}) {
    const std::vector<Line> marks = of(read(file->path()), "i", "mark");
    EXPECT_THAT(values(marks, "text"),
                ElementsAre(absl::StrCat("main ", i), absl::StrCat("other ", i)));
  }
}

TEST(Trace, AFileThatWasCutOffLoadsUpToItsLastWholeLine) {
  TemporaryFile file;
  trace::Session session(file.path());
  for (int i = 0; i < 20; ++i) trace::mark(absl::StrCat(i));
  ASSERT_TRUE(session.stop().ok());
  const std::string whole = content(file.path());
  EXPECT_THAT(whole, StartsWith("[\n{"));
  EXPECT_THAT(whole, EndsWith("}\n]\n"));
  const std::size_t cut = whole.find(",\n", whole.size() / 2) + 2;
  { std::ofstream(file.path(), std::ios::trunc) << whole.substr(0, cut); }
  const std::vector<Line> lines = read(file.path());  // Expects whole objects.
  EXPECT_GT(lines.size(), 10U);
}

TEST(Trace, ErrorsAreSaid) {
  const absl::Status bad = trace::start("/no/such/folder/trace.json");
  EXPECT_THAT(std::string(bad.message()), HasSubstr("open /no/such/folder/trace.json"));
  EXPECT_FALSE(trace::enabled());

  TemporaryFile file, another;
  ASSERT_TRUE(trace::start(file.path()).ok());
  const absl::Status second = trace::start(another.path());
  EXPECT_THAT(std::string(second.message()), HasSubstr(file.path()));
  {
    trace::Session inner(another.path());
    EXPECT_FALSE(inner.status().ok());
  }
  EXPECT_TRUE(trace::enabled()) << "a Session that did not start ends nothing";
  trace::mark("goes into the first");
  ASSERT_TRUE(trace::stop().ok());
  EXPECT_THAT(of(read(file.path()), "i", "mark"), SizeIs(1));

  ASSERT_TRUE(trace::start("/dev/full").ok());
  for (int i = 0; i < 100; ++i) trace::mark("a full disk");
  EXPECT_THAT(std::string(trace::stop().message()), HasSubstr("write /dev/full"));
}

// For ThreadSanitizer: traces come and go while threads record.
TEST(Trace, MayBeStartedAndStoppedWhileThreadsRecord) {
  TemporaryFile file;
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&done] {
      while (!done) {
        trace::PollScope poll(1);
        trace::mark("x");
        trace::wake(1);
      }
    });
  }
  trace::Options options;
  options.events_per_thread = 100;
  for (int i = 0; i < 20; ++i) {
    trace::Session session(file.path(), options);
    trace::mark("y");
    ASSERT_TRUE(session.stop().ok());
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  std::map<std::string, double> last_seq;
  for (const Line& line : read(file.path())) {
    if (line.get("ph") != "i") continue;
    EXPECT_GT(line.number("seq"), last_seq[line.get("tid")]);
    last_seq[line.get("tid")] = line.number("seq");
  }
}

}  // namespace
}  // namespace testkit
