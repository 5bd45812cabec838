// World: the tasks of a simulation, its clock and its outside, and the list of what has happened.
// The schedulers (local.ts, shared.ts, stealing.ts) decide who runs; here is what a task does while
// it runs, and how it is woken.

import { DRIVER, OUTSIDE, type Cause, type Event, type Happening, type PollResult, type TaskId } from "../events";
import { FastRandom } from "./random";
import { letterName, type Scenario, type Step, type TaskPlan } from "./scenario";
import { Wheel } from "./wheel";

// A process of the simulation: it yields how many ticks pass until it goes on.
export type Process<R> = Generator<number, R, undefined>;

export interface Task {
  readonly id: TaskId;
  readonly name: string;
  readonly steps: readonly Step[];
  at: number; // the step that it is in
  entered: boolean; // it has begun that step, and was suspended in it
  isDone: boolean; // what it waits for has happened
  waitsFor: Cause | null;
  state: "idle" | "queued" | "running" | "notified" | "ended";
  isNew: boolean; // never polled
}

export interface Scheduler {
  // The task is ready. `worker` made it so, or OUTSIDE.
  schedule(task: Task, worker: number): void;
  // The same for a task that was woken during its own poll, after that poll.
  yield(task: Task, worker: number): void;
  // Module 1's executor queues a task that is woken during its own poll at once; the later ones
  // note it in the task's word, and queue it after the poll.
  readonly queuesDuringPoll: boolean;
  // Module 0 has no driver: the kernel itself lets the thread go on.
  readonly isKernel: boolean;
}

interface Channel {
  length: number;
  readonly senders: Task[];
  readonly receivers: Task[];
}

interface Later {
  readonly t: number;
  readonly order: number;
  readonly run: () => void;
}

export class World {
  t = 0;
  readonly events: Event[] = [];
  readonly random: FastRandom;
  readonly wheel = new Wheel<Task>();
  readonly kernel: Task[] = []; // their descriptors are ready, and nobody has looked yet
  driverSleeper: number | null = null; // the worker that sleeps in epoll
  scheduler!: Scheduler;
  unpark: (worker: number) => void = () => {};
  polls = 0;

  private readonly tasks: Task[] = [];
  private readonly byName = new Map<string, Task>();
  private readonly channels = new Map<string, Channel>();
  private readonly later: Later[] = [];
  private readonly jobs: (TaskId | null)[] = [];
  private orders = 0;

  constructor(
    readonly scenario: Scenario,
    readonly seed: number,
  ) {
    this.random = new FastRandom(seed);
    for (const input of scenario.inputs) {
      this.after(input.at, () => {
        if (input.kind === "spawn") for (const plan of input.tasks) this.spawn(plan, OUTSIDE, null);
        if (input.kind === "event") this.happenNow(input.name);
        if (input.kind === "cancel") this.cancel(input.name);
      });
    }
  }

  emit(worker: number, happening: Happening): void {
    this.events.push({ ...happening, t: this.t, worker });
  }

  // --- The outside ---

  after(ticks: number, run: () => void): void {
    const item: Later = { t: this.t + ticks, order: this.orders++, run };
    let i = this.later.length;
    while (i > 0 && this.later[i - 1]!.t > item.t) --i;
    this.later.splice(i, 0, item);
  }

  nextOutside(): number | null {
    return this.later[0]?.t ?? null;
  }

  runOutside(): void {
    const item = this.later.shift();
    if (item === undefined) return;
    this.t = Math.max(this.t, item.t);
    item.run();
  }

  get waiting(): number {
    return this.tasks.filter((task) => task.state !== "ended").length;
  }

  // --- Tasks ---

  spawn(plan: TaskPlan, worker: number, parent: TaskId | null): void {
    const task: Task = {
      id: this.tasks.length + 1,
      name: plan.name,
      steps: plan.steps,
      at: 0,
      entered: false,
      isDone: false,
      waitsFor: null,
      state: "queued",
      isNew: true,
    };
    this.tasks.push(task);
    this.byName.set(task.name, task);
    this.emit(worker, { kind: "spawn", task: task.id, name: task.name, parent });
    this.scheduler.schedule(task, worker);
  }

  wake(task: Task, by: Cause, worker: number, waker: TaskId | null): void {
    this.emit(worker, { kind: "wake", task: task.id, by, waker });
    if (task.state === "idle") {
      task.state = "queued";
      this.scheduler.schedule(task, worker);
    } else if (task.state === "running") {
      task.state = "notified";
      if (this.scheduler.queuesDuringPoll) this.scheduler.schedule(task, worker);
    }
  }

  private cancel(name: string): void {
    const task = this.byName.get(name);
    if (!task || task.state === "ended" || task.state === "running" || task.state === "notified") return;
    task.state = "ended";
    this.wheel.cancel(task);
    this.emit(OUTSIDE, { kind: "cancel", task: task.id });
  }

  // --- Polls ---

  *poll(task: Task, worker: number): Process<void> {
    ++this.polls;
    task.state = "running";
    task.isNew = false;
    const length = this.lengthOfPoll(task);
    this.emit(worker, { kind: "poll", task: task.id, length });
    const before = this.t;
    const result = yield* this.goOn(task, worker);
    if (this.t === before) yield 1;
    // Woken, or to be woken by something that has its waker.
    const isLost = result === "pending" && (task.state as string) !== "notified" && task.waitsFor === "unknown";
    this.emit(worker, { kind: "pollEnd", task: task.id, result, lost: isLost });
    if (result === "ready") {
      task.state = "ended";
      return;
    }
    const isNotified = (task.state as string) === "notified";
    task.state = isNotified ? "queued" : "idle";
    if (isNotified && !this.scheduler.queuesDuringPoll) this.scheduler.yield(task, worker);
  }

  private lengthOfPoll(task: Task): number {
    let length = 0;
    let budget = this.scenario.budget === 0 ? Infinity : this.scenario.budget;
    for (let i = task.at; i < task.steps.length; ++i) {
      const step = task.steps[i]!;
      if (step.kind === "busy") length += step.ticks;
      else if (step.kind === "await" && budget > 0) --budget, ++length;
      else if (step.kind === "spawn" || step.kind === "wake") continue;
      else if (i > task.at || !task.entered) break;
    }
    return Math.max(length, 1);
  }

  private *goOn(task: Task, worker: number): Process<PollResult> {
    let budget = this.scenario.budget;
    for (; task.at < task.steps.length; ++task.at, task.entered = false) {
      const step = task.steps[task.at]!;
      switch (step.kind) {
        case "busy":
          yield step.ticks;
          break;
        case "await":
          if (this.scenario.budget > 0 && budget-- === 0) {
            this.emit(worker, { kind: "forcedYield", task: task.id });
            this.wake(task, "itself", worker, task.id);
            return "pending";
          }
          yield 1;
          if (this.scenario.budget > 0) this.emit(worker, { kind: "budget", task: task.id, left: budget });
          break;
        case "spawn":
          for (let i = 0; i < step.count; ++i) this.spawn({ name: this.freeName(), steps: step.steps }, worker, task.id);
          break;
        case "wake": {
          const other = this.byName.get(step.name);
          if (other) {
            other.isDone = true;
            // A waker that was never left cannot be called. The other will see that it was.
            if (other.waitsFor === "task") this.wake(other, "task", worker, task.id);
          }
          break;
        }
        default:
          if (this.isOver(task, step, worker)) break;
          return "pending";
      }
    }
    return "ready";
  }

  // Of a step that may suspend the task: whether it is over. The first time it leaves the waker.
  private isOver(task: Task, step: Step, worker: number): boolean {
    const isFirst = !task.entered;
    task.entered = true;
    switch (step.kind) {
      case "yield":
        if (isFirst) this.wake(task, "itself", worker, task.id);
        return !isFirst;
      case "forget":
        if (isFirst) task.waitsFor = "unknown";
        return false;
      case "send":
      case "receive":
        return this.passes(task, step.kind, step.channel, worker);
    }
    if (isFirst) this.begin(task, step, worker);
    if (!task.isDone) return false;
    task.isDone = false;
    task.waitsFor = null;
    return true;
  }

  private begin(task: Task, step: Step, worker: number): void {
    if (step.kind === "io") {
      this.register(task, "io", worker, null);
      if (step.after !== null) this.after(step.after, () => this.happen(task));
    } else if (step.kind === "sleep") {
      const until = this.t + step.ticks;
      this.register(task, "timer", worker, until);
      this.wheel.insert(task, until);
      if (this.scheduler.isKernel) this.after(step.ticks, () => this.dispatch(OUTSIDE));
    } else if (step.kind === "wait") {
      if (!task.isDone) this.register(task, "task", worker, null);
    } else if (step.kind === "block") {
      this.register(task, "job", worker, null);
      this.beginJob(task, step.ticks, worker);
    }
  }

  private register(task: Task, on: Cause, worker: number, until: number | null): void {
    task.waitsFor = on;
    this.emit(worker, { kind: "register", task: task.id, on, until });
  }

  private beginJob(task: Task, ticks: number, worker: number): void {
    let thread = this.jobs.indexOf(null);
    if (thread < 0) thread = this.jobs.length;
    this.jobs[thread] = task.id;
    this.emit(worker, { kind: "job", task: task.id, thread, begins: true });
    this.after(ticks, () => {
      this.jobs[thread] = null;
      this.emit(OUTSIDE, { kind: "job", task: task.id, thread, begins: false });
      task.isDone = true;
      this.wake(task, "job", OUTSIDE, null);
    });
  }

  private passes(task: Task, way: "send" | "receive", name: string, worker: number): boolean {
    const room = this.scenario.room;
    const channel = this.channels.get(name) ?? { length: 0, senders: [], receivers: [] };
    this.channels.set(name, channel);
    const mine = way === "send" ? channel.senders : channel.receivers;
    const others = way === "send" ? channel.receivers : channel.senders;
    if (way === "send" ? channel.length >= room : channel.length === 0) {
      if (!mine.includes(task)) mine.push(task);
      this.register(task, "channel", worker, null);
      return false;
    }
    channel.length += way === "send" ? 1 : -1;
    task.waitsFor = null;
    this.emit(worker, { kind: way, task: task.id, channel: name, length: channel.length, room });
    const next = others.shift();
    if (next) this.wake(next, "channel", worker, task.id);
    return true;
  }

  private freeName(): string {
    let i = this.tasks.length;
    while (this.byName.has(letterName(i))) ++i;
    return letterName(i);
  }

  // --- Events ---

  private happenNow(name: string): void {
    const task = this.byName.get(name);
    if (task && task.waitsFor === "io" && !task.isDone) this.happen(task);
  }

  // A descriptor has become ready. The kernel knows; the runtime hears of it when somebody asks.
  private happen(task: Task): void {
    if (task.state === "ended" || task.isDone || this.kernel.includes(task)) return;
    this.kernel.push(task);
    this.emit(OUTSIDE, { kind: "happen", task: task.id, on: "io" });
    if (this.scheduler.isKernel) this.dispatch(OUTSIDE);
    else if (this.driverSleeper !== null) this.unpark(this.driverSleeper);
  }

  hasEvents(): boolean {
    const next = this.wheel.nextExpiry();
    return this.kernel.length > 0 || (next !== null && next <= this.t);
  }

  // What epoll_wait and the wheel give, to whoever called them.
  dispatch(worker: number): void {
    for (const task of this.kernel.splice(0)) this.fire(task, "io", worker);
    this.wheel.advance(
      this.t,
      (task) => this.fire(task, "timer", worker),
      (slot, tasks) => this.emit(DRIVER, { kind: "cascade", slot, tasks: tasks.map((task) => task.id) }),
    );
  }

  private fire(task: Task, on: Cause, worker: number): void {
    if (task.state === "ended") return;
    task.isDone = true;
    this.emit(worker, { kind: "fire", task: task.id, on });
    this.wake(task, on, worker, null);
  }
}
