// Frame: everything that the picture shows at one step. fold() makes the next frame out of a frame
// and an event; no frame is ever changed. So a step back is an earlier frame, and nothing else.

import { DRIVER, type Cause, type Event, type QueueName, type TaskId } from "./events";
import { placeOf, type Place } from "./sim/wheel";
import { Table } from "./table";

export type TaskState = "ready" | "running" | "waiting" | "lost" | "ended";

export interface TaskView {
  readonly id: TaskId;
  readonly name: string;
  readonly parent: TaskId | null;
  readonly state: TaskState;
  readonly place: string; // a queue's name, "worker:0", "hand:0", "waiting", "job:0" or "ended"
  readonly next: QueueName | null; // the queue in which it stands already while it is polled
  readonly since: number; // the time of its last change of place
  readonly length: number; // of the poll that runs
  readonly waitsFor: Cause | null;
  readonly until: number | null; // its timer's tick
  readonly wheel: Place | null;
  readonly happened: boolean; // the kernel knows that it is ready, and the runtime does not yet
  readonly polls: number;
  readonly wakes: number;
  readonly selfWakes: number;
  readonly worked: number; // time in polls
  readonly budget: number | null;
}

export type WorkerState = "awake" | "polling" | "searching" | "asleep" | "locked";

export interface WorkerView {
  readonly index: number;
  readonly state: WorkerState;
  readonly task: TaskId | null;
  readonly since: number;
  readonly polls: number;
  readonly steals: number; // tasks that it stole
  readonly parks: number;
  readonly lockWait: number;
  readonly busy: number;
}

export interface Channel {
  readonly name: string;
  readonly length: number;
  readonly room: number;
}

export interface Frame {
  readonly step: number; // how many events led here
  readonly t: number;
  readonly last: Event | null;
  readonly tasks: Table<TaskView>;
  readonly workers: readonly WorkerView[];
  readonly queues: ReadonlyMap<QueueName, readonly TaskId[]>;
  readonly channels: readonly Channel[];
  readonly recentlyEnded: readonly TaskId[];
  readonly counts: Readonly<Record<TaskState, number>>; // of tasks in each state
  readonly threads: number; // that may block, and have been used
}

const KEPT_ENDED = 12;

export function firstFrame(workers: number): Frame {
  return {
    step: 0,
    t: 0,
    last: null,
    tasks: Table.empty(),
    workers: Array.from({ length: workers }, (_, i) => newWorker(i)),
    queues: new Map(),
    channels: [],
    recentlyEnded: [],
    counts: { ready: 0, running: 0, waiting: 0, lost: 0, ended: 0 },
    threads: 0,
  };
}

export function taskOf(frame: Frame, id: TaskId | null): TaskView | undefined {
  return id === null ? undefined : frame.tasks.get(id - 1);
}

export function queueOf(frame: Frame, name: QueueName): readonly TaskId[] {
  return frame.queues.get(name) ?? [];
}

export function fold(before: Frame, event: Event): Frame {
  const next = new Next(before, event);
  next.apply();
  return next.frame();
}

function newWorker(index: number): WorkerView {
  return { index, state: "awake", task: null, since: 0, polls: 0, steals: 0, parks: 0, lockWait: 0, busy: 0 };
}

function newTask(id: TaskId, name: string, parent: TaskId | null, t: number): TaskView {
  return {
    id,
    name,
    parent,
    state: "ready",
    place: "new",
    next: null,
    since: t,
    length: 1,
    waitsFor: null,
    until: null,
    wheel: null,
    happened: false,
    polls: 0,
    wakes: 0,
    selfWakes: 0,
    worked: 0,
    budget: null,
  };
}

function without(queue: readonly TaskId[], id: TaskId): TaskId[] {
  const at = queue.indexOf(id);
  return at <= 0 ? queue.slice(at + 1) : [...queue.slice(0, at), ...queue.slice(at + 1)];
}

// A frame in the making. What was not touched is shared with the frame before.
class Next {
  private tasks: Table<TaskView>;
  private workers: readonly WorkerView[];
  private queues: ReadonlyMap<QueueName, readonly TaskId[]>;
  private channels: readonly Channel[];
  private recentlyEnded: readonly TaskId[];
  private counts: Frame["counts"];
  private threads: number;

  constructor(
    private readonly before: Frame,
    private readonly event: Event,
  ) {
    this.tasks = before.tasks;
    this.workers = before.workers;
    this.queues = before.queues;
    this.channels = before.channels;
    this.recentlyEnded = before.recentlyEnded;
    this.counts = before.counts;
    this.threads = before.threads;
  }

  frame(): Frame {
    return {
      step: this.before.step + 1,
      t: Math.max(this.before.t, this.event.t),
      last: this.event,
      tasks: this.tasks,
      workers: this.workers,
      queues: this.queues,
      channels: this.channels,
      recentlyEnded: this.recentlyEnded,
      counts: this.counts,
      threads: this.threads,
    };
  }

  apply(): void {
    const { event } = this;
    switch (event.kind) {
      case "spawn":
        if (this.tasks.size < event.task) this.add(newTask(event.task, event.name, event.parent, event.t));
        return;
      case "push":
        return this.push(event.task, event.queue);
      case "pop":
        return this.place(event.task, { place: `hand:${event.worker}`, state: "ready" });
      case "poll":
        return this.poll(event.task, event.length);
      case "pollEnd":
        return this.pollEnd(event.task, event.result === "ready" || event.result === "threw", event.lost);
      case "register":
        return this.register(event.task, event.on, event.until);
      case "happen":
        return this.change(event.task, { happened: true });
      case "fire":
        return this.change(event.task, { happened: false, until: null, wheel: null });
      case "cascade":
        for (const task of event.tasks) this.intoWheel(task);
        return;
      case "wake": {
        const task = this.task(event.task);
        const isSelf = event.waker === event.task;
        return this.change(event.task, { wakes: task.wakes + 1, selfWakes: task.selfWakes + (isSelf ? 1 : 0) });
      }
      case "steal":
        return this.steal(event.victim, event.count);
      case "search":
        return this.worker({ state: "searching" });
      case "searchEnd":
      case "awake":
        return this.worker({ state: "awake" });
      case "park":
        return this.worker({ state: "asleep", task: null, parks: this.mine().parks + 1 });
      case "lockWait":
        return this.worker({ state: "locked", lockWait: this.mine().lockWait + event.ticks });
      case "budget":
        return this.change(event.task, { budget: event.left });
      case "forcedYield":
        return this.change(event.task, { budget: 0 });
      case "send":
      case "receive":
        this.channels = [...this.channels.filter((c) => c.name !== event.channel), { name: event.channel, length: event.length, room: event.room }].sort(
          (a, b) => a.name.localeCompare(b.name),
        );
        return;
      case "job":
        this.threads = Math.max(this.threads, event.thread + 1);
        return this.change(event.task, { place: event.begins ? `job:${event.thread}` : "waiting" });
      case "cancel":
        return this.end(event.task);
      case "unpark":
      case "quiet":
      case "overflow":
      case "look":
      case "mark":
      case "end":
        return;
    }
  }

  // --- Tasks ---

  private task(id: TaskId): TaskView {
    const known = this.tasks.get(id - 1);
    if (known) return known;
    // A recorded trace may have begun, or forgotten, in the middle of a task's life.
    const task = newTask(id, `task ${id}`, null, this.event.t);
    this.add(task);
    return task;
  }

  private add(task: TaskView): void {
    this.tasks = this.tasks.with(task.id - 1, task);
    this.counts = { ...this.counts, [task.state]: this.counts[task.state] + 1 };
  }

  private change(id: TaskId, changed: Partial<TaskView>): void {
    this.tasks = this.tasks.with(id - 1, { ...this.task(id), ...changed });
  }

  // Moves it, out of the queue where it stood.
  private place(id: TaskId, changed: Partial<TaskView> & { place: string; state: TaskState }): void {
    const task = this.task(id);
    const queue = this.queues.get(task.place);
    if (queue) this.setQueue(task.place, without(queue, id));
    const { state } = changed;
    if (state !== task.state) {
      this.counts = { ...this.counts, [task.state]: this.counts[task.state] - 1, [state]: this.counts[state] + 1 };
    }
    this.change(id, { since: this.event.t, ...changed });
  }

  private push(id: TaskId, queue: QueueName): void {
    const task = this.task(id);
    if (task.state === "ended") return;
    if (task.place.startsWith("worker:")) {
      // Woken during its poll: it stands in the queue from now on, while it is still polled.
      this.change(id, { next: queue, waitsFor: null });
      return this.setQueue(queue, [...(this.queues.get(queue) ?? []), id]);
    }
    this.place(id, { place: queue, state: "ready", waitsFor: null, until: null, wheel: null, happened: false });
    this.setQueue(queue, [...(this.queues.get(queue) ?? []), id]);
  }

  private poll(id: TaskId, length: number): void {
    const task = this.task(id);
    this.place(id, { place: `worker:${this.event.worker}`, state: "running", length, polls: task.polls + 1, budget: null, happened: false });
    this.worker({ state: "polling", task: id, polls: this.mine().polls + 1 });
  }

  private pollEnd(id: TaskId, isOver: boolean, lost: boolean): void {
    const task = this.task(id);
    const took = this.event.t - task.since;
    this.change(id, { worked: task.worked + took });
    if (isOver) this.end(id);
    else if (task.next !== null) this.place(id, { place: task.next, next: null, state: "ready" });
    else this.place(id, { place: task.place.startsWith("job:") ? task.place : "waiting", state: lost ? "lost" : "waiting" });
    this.worker({ state: "awake", task: null, busy: this.mine().busy + took });
  }

  private end(id: TaskId): void {
    if (this.task(id).state === "ended") return;
    this.place(id, { place: "ended", state: "ended", waitsFor: null, until: null, wheel: null, happened: false });
    this.recentlyEnded = [...this.recentlyEnded, id].slice(-KEPT_ENDED);
  }

  private register(id: TaskId, on: Cause, until: number | null): void {
    this.change(id, { waitsFor: on, until });
    if (until !== null) this.intoWheel(id);
  }

  private intoWheel(id: TaskId): void {
    const { until } = this.task(id);
    if (until !== null) this.change(id, { wheel: placeOf(this.event.t, until) });
  }

  // --- Workers and queues ---

  private mine(): WorkerView {
    return this.workers[this.event.worker] ?? newWorker(this.event.worker);
  }

  private worker(changed: Partial<WorkerView>): void {
    const { worker } = this.event;
    if (worker < 0 || worker === DRIVER) return;
    const workers = this.workers.slice();
    while (workers.length <= worker) workers.push(newWorker(workers.length));
    workers[worker] = { ...workers[worker]!, since: this.event.t, ...changed };
    this.workers = workers;
  }

  private steal(victim: number, count: number): void {
    const from = this.queues.get(`local:${victim}`) ?? [];
    const stolen = from.slice(0, count);
    const queue = `local:${this.event.worker}`;
    stolen.forEach((id, i) => {
      const isLast = i === count - 1;
      this.place(id, { place: isLast ? `hand:${this.event.worker}` : queue, state: "ready" });
      if (!isLast) this.setQueue(queue, [...(this.queues.get(queue) ?? []), id]);
    });
    this.worker({ steals: this.mine().steals + count });
  }

  private setQueue(name: QueueName, tasks: readonly TaskId[]): void {
    this.queues = new Map(this.queues).set(name, tasks);
  }
}
