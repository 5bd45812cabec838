// What the reference does with a scenario of the visualizer: one event a line, on stdout. The
// page's simulation has to say the same (tests/truth.test.ts), so its rules are the reference's.
//
//   truth < SCENARIO
//
// The workers take their steps on one thread, in the order that a seed decides. Of the page's
// language it reads what needs no clock and no descriptor:
//
//   queue local | shared | stealing
//   workers N
//   seed N
//   spawn NAME: STEPS       busy N (does nothing here), yield, wait, wake NAME, forget,
//                           spawn N (STEPS)
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "rt/future/context.h"
#include "rt/future/poll.h"
#include "rt/future/waker.h"
#include "rt/platform/park.h"
#include "rt/runtime/local_executor.h"
#include "rt/runtime/shared_queue.h"
#include "rt/runtime/stealing_scheduler.h"
#include "rt/runtime/stepped_workers.h"
#include "rt/task/task_cell.h"
#include "rt/trace/trace.h"
#include "rt/trace/trace_file.h"

namespace {

using rt::Context;
using rt::kPending;
using rt::kReady;
using rt::Poll;

// --- Scenarios ---

struct Step {
  explicit Step(std::string v) : verb(std::move(v)) {}
  std::string verb;
  std::size_t count = 1;
  std::string name;         // Of wake.
  std::vector<Step> inner;  // Of the tasks that are spawned.
};
using Steps = std::vector<Step>;

struct Plan {
  std::string name;
  Steps steps;
};

struct Scenario {
  std::string queue = "local";
  std::size_t workers = 1;
  std::uint64_t seed = 0;
  std::vector<Plan> plans;
};

[[noreturn]] void give_up(absl::string_view text) {
  std::fprintf(stderr, "truth: cannot read \"%s\"\n", std::string(text).c_str());
  std::exit(2);
}

std::uint64_t number(absl::string_view text) {
  std::uint64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) give_up(text);
  return value;
}

// At the commas that are in no parentheses.
std::vector<std::string> parts_of(absl::string_view text) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (const char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ',' && depth == 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

Steps steps_of(absl::string_view text) {
  Steps steps;
  for (const std::string& part : parts_of(text)) {
    const absl::string_view words = absl::StripAsciiWhitespace(part);
    if (words.empty()) continue;
    const std::vector<absl::string_view> word = absl::StrSplit(words, absl::MaxSplits(' ', 2));
    Step step((std::string(word[0])));
    if (step.verb == "spawn") {
      step.count = number(word.at(1));
      if (word.size() > 2) {
        step.inner = steps_of(absl::StripSuffix(absl::StripPrefix(word[2], "("), ")"));
      }
    } else if (step.verb == "wake") {
      step.name = std::string(word.at(1));
    } else if (word.size() > 1) {
      step.count = number(word[1]);
    }
    const std::size_t times = step.verb == "yield" ? std::exchange(step.count, 1) : 1;
    steps.insert(steps.end(), times, step);
  }
  return steps;
}

Scenario read(std::istream& in) {
  Scenario scenario;
  for (std::string line; std::getline(in, line);) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty()) continue;
    const std::pair<absl::string_view, absl::string_view> word =
        absl::StrSplit(text, absl::MaxSplits(' ', 1));
    if (word.first == "queue") {
      scenario.queue = std::string(word.second);
    } else if (word.first == "workers") {
      scenario.workers = number(word.second);
    } else if (word.first == "seed") {
      scenario.seed = number(word.second);
    } else if (word.first == "spawn") {
      const std::pair<std::string, absl::string_view> named =
          absl::StrSplit(word.second, absl::MaxSplits(':', 1));
      scenario.plans.push_back({named.first, steps_of(named.second)});
    } else {
      give_up(text);
    }
  }
  return scenario;
}

// --- Tasks ---

// What a task that waits, and the one that wakes it, have in common.
struct Call {
  bool was_called = false;
  std::optional<rt::Waker> waker;
};

struct World {
  std::function<void(std::string name, Steps steps)> spawn;
  std::map<std::string, Call> calls;
};

// A task that goes through its steps.
class Walker {
 public:
  using Output = void;
  Walker(World& world, std::string name, Steps steps)
      : world_(&world), name_(std::move(name)), steps_(std::move(steps)) {}

  Poll<void> poll(Context& cx) {
    for (; at_ < steps_.size(); ++at_, has_begun_ = false) {
      if (!is_over(steps_[at_], cx)) return kPending;
    }
    return kReady;
  }

 private:
  bool is_over(const Step& step, Context& cx) {
    const bool is_first = !std::exchange(has_begun_, true);
    if (step.verb == "yield") {
      if (is_first) cx.waker().wake_by_ref();
      return !is_first;
    }
    if (step.verb == "spawn") {
      for (std::size_t i = 0; i < step.count; ++i) world_->spawn("", step.inner);
    } else if (step.verb == "wake") {
      Call& call = world_->calls[step.name];
      call.was_called = true;
      if (call.waker.has_value()) std::exchange(call.waker, std::nullopt)->wake_by_ref();
    } else if (step.verb == "wait") {
      Call& call = world_->calls[name_];
      if (call.was_called) return true;
      if (is_first) call.waker.emplace(cx.waker().clone());
      return false;
    } else if (step.verb == "forget") {
      return false;
    }
    return true;
  }

  World* world_;
  std::string name_;
  Steps steps_;
  std::size_t at_ = 0;
  bool has_begun_ = false;
};

// --- Runs ---

struct NoSleep final : rt::Park {
  void park() override {}
  void unpark() override {}
};

void run_local(const Scenario& scenario) {
  NoSleep park;
  World world;
  rt::LocalExecutor executor(park);
  world.spawn = [&](std::string name, Steps steps) {
    executor.spawn(rt::BoxFuture<void>(Walker(world, std::move(name), std::move(steps))));
  };
  for (const Plan& plan : scenario.plans) world.spawn(plan.name, plan.steps);
  rt::trace::mark("worker 0");
  while (executor.run_one()) {
  }
  executor.park();
  world.calls.clear();
  (void)rt::trace::stop();
}

// Of either pool: both have spawn(), close() and the same kind of tasks.
template <class Pool>
void spawn_on(Pool& pool, World& world, std::string name, Steps steps) {
  Walker walker(world, std::move(name), std::move(steps));
  rt::NewTask task = rt::TaskCell::create(&walker, rt::kFutureVTable<Walker>, pool, false);
  pool.spawn(std::move(task.owned), std::move(task.scheduled));
}

void run_shared(const Scenario& scenario) {
  auto parks = std::make_unique<rt::SteppedParks>(scenario.workers);
  rt::SteppedWorkers order(*parks, scenario.seed);
  auto* const queue = new rt::SharedQueue(scenario.workers, std::move(parks));
  World world;
  world.spawn = [&](std::string name, Steps steps) {
    spawn_on(*queue, world, std::move(name), std::move(steps));
  };
  for (const Plan& plan : scenario.plans) world.spawn(plan.name, plan.steps);
  order.run_until_stalled([&](std::size_t worker) {
    const rt::SharedQueue::Here here(*queue, &queue->worker(worker));
    return queue->step(queue->worker(worker));
  });
  (void)rt::trace::stop();
  queue->close();
  queue->drop_all();
  world.calls.clear();
  queue->leave();
}

void run_stealing(const Scenario& scenario) {
  rt::WorkerOptions options;
  options.seed = scenario.seed;
  auto parks = std::make_unique<rt::SteppedParks>(scenario.workers);
  rt::SteppedWorkers order(*parks, scenario.seed);
  auto* const scheduler = new rt::StealingScheduler(scenario.workers, std::move(parks), options);
  World world;
  world.spawn = [&](std::string name, Steps steps) {
    spawn_on(*scheduler, world, std::move(name), std::move(steps));
  };
  for (const Plan& plan : scenario.plans) world.spawn(plan.name, plan.steps);
  order.run_until_stalled([&](std::size_t worker) {
    const rt::StealingScheduler::Here here(*scheduler, worker);
    return scheduler->step(worker);
  });
  (void)rt::trace::stop();
  scheduler->close();
  for (std::size_t i = 0; i < scenario.workers; ++i) (void)scheduler->end_worker();
  world.calls.clear();
  scheduler->leave();
}

// --- What was recorded ---

void print(const std::vector<rt::trace::Event>& events) {
  using rt::trace::Kind;
  std::string worker = "outside";
  for (const rt::trace::Event& e : events) {
    const std::string task = std::to_string(e.task);
    std::string line;
    switch (e.kind) {
      case Kind::kMark:
        worker = e.text;
        continue;
      case Kind::kSpawn:
        line = "spawn " + task + (e.number == 0 ? "" : " by " + std::to_string(e.number));
        break;
      case Kind::kWake:
        line = "wake " + task;
        break;
      case Kind::kEnqueue:
      case Kind::kDequeue:
        if (absl::string_view(e.text) == "share" || absl::string_view(e.text) == "overflow" ||
            absl::string_view(e.text) == "events") {
          continue;  // It only passes through.
        }
        line = (e.kind == Kind::kEnqueue ? "push " : "pop ") + task + " " + e.text;
        break;
      case Kind::kPollBegin:
        line = "poll " + task;
        break;
      case Kind::kPollEnd:
        line = "poll " + task + " " + e.text;
        break;
      case Kind::kSteal:
        line = "steal " + task + " from " + std::to_string(e.number);
        break;
      case Kind::kUnpark:
        line = "unpark";
        break;
      case Kind::kParkBegin:
        line = "park";
        break;
      default:
        continue;
    }
    std::printf("%s: %s\n", worker.c_str(), line.c_str());
  }
}

}  // namespace

int main() {
  const Scenario scenario = read(std::cin);
  rt::trace::Options options;
  options.events_per_thread = std::size_t{1} << 20;
  if (!rt::trace::start("/dev/null", options).ok()) return 2;
  rt::trace::mark("outside");  // So that this thread has its ring.
  const std::shared_ptr<rt::trace::detail::Ring> ring = rt::trace::detail::registry().rings.at(0);
  if (scenario.queue == "local") {
    run_local(scenario);
  } else if (scenario.queue == "shared") {
    run_shared(scenario);
  } else if (scenario.queue == "stealing") {
    run_stealing(scenario);
  } else {
    give_up(scenario.queue);
  }
  print(ring->in_order());
  return 0;
}
