// FileWriter: makes the lines of a trace file out of what the threads recorded.
// rt/trace/trace_file.h uses it.
//
// A line is one event in Chrome Trace Event JSON. Times are microseconds since the trace began.
//
//   ph     name                        args
//   M      process_name                schema, clock, seed, dropped; the first line
//   M      thread_name                 os_tid; thread_sort_index follows
//   X      poll                        task, result (running: not over when the trace ended)
//   X      worker.park
//   X      blocking.run                job
//   X      wake                        task; a wake outside of any poll or park
//   s, f   wake                        task, op; from a wake to the poll that it led to
//   i      wake                        task, op; a wake that led to no poll
//   b, e   task N                      from its spawn to its end
//   i      task.spawn                  task, parent
//   i      queue.push, queue.pop       task, queue, len
//   C      QUEUE queue_depth           len
//   i      worker.steal                n, victim
//   i      worker.unpark
//   i      io.register, io.ready       fd, readiness
//   i      timer.set, timer.fire       timer, deadline_us
//   i      budget.exhausted            task
//   i      budget.forced_yield         task
//   i      mark                        text
//
// The args of X, i, s and f also have seq: the event's number among those of its thread, for X that
// of its begin. Sorted by ts, tid and seq, the events are in order.
//
// Thread safety: for one thread, after every ring was closed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rt/trace/trace_ring.h"

namespace rt::trace::detail {

// Text as it stands between the quotes of a JSON string. Bytes that are not ASCII are passed on.
inline std::string json_escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      result += absl::StrFormat("\\u%04x", static_cast<unsigned>(c));
    } else {
      result += c;
    }
  }
  return result;
}

// Makes the lines of the file out of the rings of a trace that was stopped.
class FileWriter {
 public:
  FileWriter(std::int64_t start_ns, std::int64_t stop_ns)
      : start_ns_(start_ns), stop_ns_(stop_ns) {}

  std::vector<std::string> lines(const std::vector<std::shared_ptr<Ring>>& rings,
                                 std::uint64_t seed) {
    std::uint64_t dropped = 0;
    for (const auto& ring : rings) dropped += ring->dropped();
    std::vector<std::string> result = {absl::StrFormat(
        R"({"ph":"M","pid":1,"tid":0,"ts":0,"name":"process_name","args":{"name":"coro runtime",)"
        R"("schema":"coro-trace/1","clock":"steady_ns","seed":"%d","dropped":%d}})",
        seed, dropped)};
    for (const auto& ring : rings) add_thread(*ring, result);
    for (const auto& ring : rings) add_ring(*ring);
    const auto in_time = [](const auto& a, const auto& b) {
      return std::tie(a.ns, a.thread, a.seq) < std::tie(b.ns, b.thread, b.seq);
    };
    std::stable_sort(flow_ends_.begin(), flow_ends_.end(), in_time);
    add_flows();
    std::stable_sort(lines_.begin(), lines_.end(), in_time);
    for (Line& line : lines_) result.push_back(std::move(line.text));
    return result;
  }

 private:
  struct Line {
    Line(std::int64_t n, std::uint32_t t, std::uint32_t s, std::string x)
        : ns(n), thread(t), seq(s), text(std::move(x)) {}
    std::int64_t ns;
    std::uint32_t thread;
    std::uint32_t seq;
    std::string text;
  };

  // A wake, or the begin of a poll.
  struct FlowEnd {
    FlowEnd(const Event& e, std::uint32_t t, bool i)
        : kind(e.kind), ns(e.ns), thread(t), seq(e.seq), task(e.task), in_slice(i) {}
    Kind kind;
    std::int64_t ns;
    std::uint32_t thread;
    std::uint32_t seq;
    TaskId task;
    bool in_slice;
  };

  static void add_thread(const Ring& ring, std::vector<std::string>& result) {
    const std::string name =
        ring.name().empty() ? absl::StrCat("thread ", ring.thread()) : json_escaped(ring.name());
    result.push_back(absl::StrFormat(
        R"({"ph":"M","pid":1,"tid":%d,"ts":0,"name":"thread_name","args":{"name":"%s","os_tid":%d}})",
        ring.thread(), name, ring.os_thread()));
    result.push_back(absl::StrFormat(
        R"({"ph":"M","pid":1,"tid":%d,"ts":0,"name":"thread_sort_index","args":{"sort_index":%d}})",
        ring.thread(), ring.thread()));
  }

  double us(std::int64_t ns) const { return static_cast<double>(ns - start_ns_) / 1000.0; }

  // `ph`: the phase, and what belongs to it; `rest`: what follows the category.
  void add_line(const Event& e, std::uint32_t thread, std::string_view ph, std::string_view name,
                std::string_view category, std::string_view rest) {
    lines_.emplace_back(
        e.ns, thread, e.seq,
        absl::StrFormat(R"({"ph":%s,"pid":1,"tid":%d,"ts":%.3f,"name":"%s","cat":"%s"%s})", ph,
                        thread, us(e.ns), name, category, rest));
  }
  // `args`: without seq.
  void add(const Event& e, std::uint32_t thread, std::string_view ph, std::string_view name,
           std::string_view category, std::string_view args) {
    add_line(e, thread, ph, name, category,
             absl::StrFormat(R"(,"args":{%s%s"seq":%d})", args, args.empty() ? "" : ",", e.seq));
  }
  void add_instant(const Event& e, std::uint32_t thread, std::string_view name,
                   std::string_view category, std::string_view args) {
    add(e, thread, R"("i","s":"t")", name, category, args);
  }
  void add_slice(const Event& begin, std::int64_t end_ns, std::uint32_t thread,
                 std::string_view name, std::string_view category, std::string_view args) {
    const double dur = static_cast<double>(end_ns - begin.ns) / 1000.0;
    add(begin, thread, absl::StrFormat(R"("X","dur":%.3f)", dur), name, category, args);
  }

  void add_ring(const Ring& ring) {
    const std::uint32_t thread = ring.thread();
    std::vector<Event> open;  // Polls, parks and jobs that have begun and not ended.
    for (const Event& e : ring.in_order()) {
      switch (e.kind) {
        case Kind::kPollBegin:
          flow_ends_.emplace_back(e, thread, true);
          [[fallthrough]];
        case Kind::kParkBegin:
        case Kind::kJobBegin:
          open.push_back(e);
          break;
        case Kind::kPollEnd:
        case Kind::kParkEnd:
        case Kind::kJobEnd:
          if (open.empty()) break;  // The ring has forgotten its begin.
          add_ended(open.back(), e, thread);
          open.pop_back();
          break;
        case Kind::kWake:
          flow_ends_.emplace_back(e, thread, !open.empty());
          break;
        default:
          add_moment(e, thread);
      }
    }
    for (const Event& begin : open) {
      const Event end(Kind::kPollEnd, begin.task, 0, "running");
      Event now = end;
      now.ns = std::max(begin.ns, stop_ns_);
      add_ended(begin, now, thread);
    }
  }

  void add_ended(const Event& begin, const Event& end, std::uint32_t thread) {
    if (begin.kind == Kind::kParkBegin) {
      add_slice(begin, end.ns, thread, "worker.park", "worker", "");
    } else if (begin.kind == Kind::kJobBegin) {
      add_slice(begin, end.ns, thread, "blocking.run", "blocking",
                absl::StrCat("\"job\":", begin.task));
    } else {
      add_slice(begin, end.ns, thread, "poll", "task",
                absl::StrFormat(R"("task":%d,"result":"%s")", begin.task, end.text));
      const std::string_view result = end.text;
      if (result == "ready" || result == "threw") add_life(end, thread, 'e');
    }
  }

  // One end of a task's whole life.
  void add_life(const Event& e, std::uint32_t thread, char phase) {
    add_line(e, thread, absl::StrFormat(R"("%c","id":"0x%x")", phase, e.task),
             absl::StrCat("task ", e.task), "task", "");
  }

  void add_moment(const Event& e, std::uint32_t thread) {
    const std::string task = absl::StrCat("\"task\":", e.task);
    const std::string fd = absl::StrCat("\"fd\":", e.number);
    const std::string timer = absl::StrCat("\"timer\":", e.task);
    switch (e.kind) {
      case Kind::kSpawn:
        add_instant(e, thread, "task.spawn", "task",
                    e.number == 0 ? task : absl::StrCat(task, ",\"parent\":", e.number));
        return add_life(e, thread, 'b');
      case Kind::kEnqueue:
      case Kind::kDequeue: {
        const char* const name = e.kind == Kind::kEnqueue ? "queue.push" : "queue.pop";
        add_instant(e, thread, name, "queue",
                    absl::StrFormat(R"(%s,"queue":"%s","len":%d)", task, e.text, e.number));
        return add_line(e, thread, R"("C")", absl::StrCat(e.text, " queue_depth"), "queue",
                        absl::StrFormat(R"(,"args":{"len":%d})", e.number));
      }
      case Kind::kSteal:
        return add_instant(e, thread, "worker.steal", "worker",
                           absl::StrFormat(R"("n":%d,"victim":%d)", e.task, e.number));
      case Kind::kUnpark:
        return add_instant(e, thread, "worker.unpark", "worker", "");
      case Kind::kIoRegister:
        return add_instant(e, thread, "io.register", "io", fd);
      case Kind::kIoReady:
        return add_instant(e, thread, "io.ready", "io",
                           absl::StrFormat(R"(%s,"readiness":"%s")", fd, e.text));
      case Kind::kTimerSet:
        return add_instant(e, thread, "timer.set", "timer",
                           absl::StrFormat(R"(%s,"deadline_us":%.3f)", timer, us(e.number)));
      case Kind::kTimerFire:
        return add_instant(e, thread, "timer.fire", "timer", timer);
      case Kind::kBudgetSpent:
        return add_instant(e, thread, "budget.exhausted", "coop", task);
      case Kind::kForcedYield:
        return add_instant(e, thread, "budget.forced_yield", "coop", task);
      case Kind::kMark:
        return add_instant(e, thread, "mark", "mark",
                           absl::StrFormat(R"("text":"%s")", json_escaped(e.text)));
      default:
        return;
    }
  }

  // Leads each wake to the first poll of its task that begins after it. A flow needs a slice at
  // both ends.
  void add_flows() {
    std::unordered_map<TaskId, std::vector<FlowEnd>> waiting;
    std::uint64_t last_id = 0;
    for (const FlowEnd& end : flow_ends_) {
      if (end.kind == Kind::kWake) {
        waiting[end.task].push_back(end);
        continue;
      }
      for (const FlowEnd& wake : std::exchange(waiting[end.task], {})) {
        if (!wake.in_slice) {
          add_slice(event_of(wake), wake.ns, wake.thread, "wake", "waker",
                    absl::StrCat("\"task\":", wake.task));
        }
        ++last_id;
        add(event_of(wake), wake.thread, absl::StrFormat(R"("s","id":%d)", last_id), "wake",
            "waker", wake_args(wake));
        add(event_of(end), end.thread, absl::StrFormat(R"("f","bp":"e","id":%d)", last_id), "wake",
            "waker", absl::StrCat("\"task\":", end.task));
      }
    }
    for (const auto& [task, wakes] : waiting) {
      for (const FlowEnd& wake : wakes) {
        add_instant(event_of(wake), wake.thread, "wake", "waker", wake_args(wake));
      }
    }
  }

  static std::string wake_args(const FlowEnd& wake) {
    return absl::StrFormat(R"("task":%d,"op":"waker.wake")", wake.task);
  }
  static Event event_of(const FlowEnd& end) {
    Event e(end.kind, end.task, 0, "");
    e.ns = end.ns;
    e.seq = end.seq;
    return e;
  }

  const std::int64_t start_ns_;
  const std::int64_t stop_ns_;
  std::vector<Line> lines_;
  std::vector<FlowEnd> flow_ends_;
};

}  // namespace rt::trace::detail
