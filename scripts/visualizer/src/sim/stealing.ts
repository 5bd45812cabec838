// Module 4's workers: a slot, a ring and a backlog each, the inject queue, and half a ring stolen at
// a time. The rows of a step are those of the table in rt/runtime/worker.h.

import { OUTSIDE } from "../events";
import { Idle } from "./idle";
import type { StepEnd } from "./parking";
import { FastRandom } from "./random";
import type { Process, Scheduler, Task, World } from "./world";

const OLDEST_TURN = 1024;

interface Seat {
  slot: Task | null;
  ring: Task[];
  backlog: Task[][]; // The newest batch is the last.
  events: Task[] | null; // While events are collected, what they have made ready.
  random: FastRandom;
  sinceLook: number;
  sinceInject: number;
  turns: number;
  isSearching: boolean;
  isAsleep: boolean;
}

export class Stealing implements Scheduler {
  readonly queuesDuringPoll = false;
  readonly isKernel = false;
  private readonly seats: Seat[];
  private readonly inject: Task[] = [];
  private readonly idle: Idle;

  constructor(private readonly world: World) {
    const workers = world.scenario.workers;
    this.idle = new Idle(workers);
    this.seats = Array.from({ length: workers }, (_, i) => ({
      slot: null,
      ring: [],
      backlog: [],
      events: null,
      random: new FastRandom(world.seed + i),
      sinceLook: 0,
      sinceInject: 0,
      turns: 0,
      isSearching: false,
      isAsleep: false,
    }));
  }

  // --- A task becomes ready ---

  schedule(task: Task, worker: number): void {
    const seat = worker === OUTSIDE ? undefined : this.seats[worker];
    if (!seat) {
      this.inject.push(task);
      this.world.emit(worker, { kind: "push", task: task.id, queue: "inject" });
      return this.notify(worker);
    }
    if (seat.events) {
      seat.events.push(task);
      return;
    }
    const before = this.takeSlot(worker);
    this.fillSlot(worker, task);
    if (before === null) return;
    this.pushBack(worker, before);
    this.notify(worker);
  }

  yield(task: Task, worker: number): void {
    if (this.hasNothing(worker)) return this.fillSlot(worker, task);
    this.pushBack(worker, task);
    this.notify(worker);
  }

  // --- A step ---

  *step(worker: number): Process<StepEnd> {
    const seat = this.seats[worker]!;
    if (seat.isAsleep) this.wakeUp(worker);
    if (++seat.sinceLook >= this.world.scenario.lookInterval) {
      seat.sinceLook = 0;
      this.world.emit(worker, { kind: "look" });
      this.collect(worker);
      this.takeEvents(worker);
    }
    let task = this.nextTask(worker);
    if (task === null && this.maySearch(worker)) {
      yield 1;
      task = this.search(worker);
    }
    if (task === null) {
      this.sleep(worker);
      return "slept";
    }
    if (seat.isSearching) this.stopSearch(worker);
    if (task.state !== "ended") yield* this.world.poll(task, worker);
    return "ran";
  }

  // This worker's Park has ended: the events that it brought are kept for its next step.
  collect(worker: number): void {
    const seat = this.seats[worker]!;
    seat.events ??= [];
    this.world.dispatch(worker);
  }

  private nextTask(worker: number): Task | null {
    const seat = this.seats[worker]!;
    if (++seat.sinceInject >= this.world.scenario.injectInterval) {
      seat.sinceInject = 0;
      const task = this.takeInTurn(worker);
      if (task) return task;
    }
    if (seat.slot) return this.takeSlot(worker);
    const own = seat.ring.shift();
    if (own) {
      this.world.emit(worker, { kind: "pop", task: own.id, queue: `local:${worker}` });
      return own;
    }
    return this.keep(worker, this.popBacklog(worker, worker, "newest", this.most(worker))) ?? this.takeShare(worker);
  }

  private takeInTurn(worker: number): Task | null {
    const seat = this.seats[worker]!;
    ++seat.turns;
    if (seat.turns % OLDEST_TURN === 0) {
      const [task] = this.popBacklog(worker, worker, "oldest", 1);
      if (task) return task;
    }
    if (seat.turns % 2 === 0) {
      const [task] = this.popInject(worker, 1);
      if (task) return task;
    }
    return this.popBacklog(worker, worker, "newest", 1)[0] ?? this.popInject(worker, 1)[0] ?? null;
  }

  private takeShare(worker: number): Task | null {
    const share = Math.floor(this.inject.length / this.seats.length) + 1;
    return this.keep(worker, this.popInject(worker, Math.min(share, this.most(worker))));
  }

  private most(worker: number): number {
    const { ring } = this.world.scenario;
    return 1 + Math.min(ring / 2, ring - this.seats[worker]!.ring.length);
  }

  // One task to run; the others into its own queue.
  private keep(worker: number, batch: readonly Task[]): Task | null {
    const [first, ...others] = batch;
    if (others.length > 0) {
      for (const task of others) this.pushLocal(worker, task);
      this.notify(worker);
    }
    return first ?? null;
  }

  // --- Stealing ---

  private maySearch(worker: number): boolean {
    const seat = this.seats[worker]!;
    if (!this.world.scenario.stealing) return false;
    if (!seat.isSearching) seat.isSearching = this.idle.trySearch();
    if (seat.isSearching) this.world.emit(worker, { kind: "search" });
    return seat.isSearching;
  }

  private search(worker: number): Task | null {
    const workers = this.seats.length;
    const first = this.seats[worker]!.random.below(workers);
    for (let i = 0; i < workers; ++i) {
      const victim = (first + i) % workers;
      if (victim === worker) continue;
      const task = this.stealFrom(worker, victim) ?? this.keep(worker, this.popBacklog(worker, victim, "oldest", this.most(worker)));
      if (task) return task;
    }
    return null;
  }

  // The older half of the victim's ring, rounded up: the newest of them to run, the others queued.
  private stealFrom(worker: number, victim: number): Task | null {
    const ring = this.seats[victim]!.ring;
    const own = this.seats[worker]!.ring;
    if (this.world.scenario.ring - own.length < this.world.scenario.ring / 2) return null;
    const stolen = ring.splice(0, ring.length - Math.floor(ring.length / 2));
    const last = stolen.pop();
    if (last === undefined) return null;
    own.push(...stolen);
    this.world.emit(worker, { kind: "steal", victim, count: stolen.length + 1 });
    return last;
  }

  private stopSearch(worker: number): void {
    this.seats[worker]!.isSearching = false;
    this.world.emit(worker, { kind: "searchEnd", found: true });
    if (this.idle.stopSearch() && this.hasWork()) this.notify(worker);
  }

  // --- Sleep ---

  private sleep(worker: number): void {
    const seat = this.seats[worker]!;
    const searched = seat.isSearching;
    seat.isSearching = false;
    if (searched) this.world.emit(worker, { kind: "searchEnd", found: false });
    const looks = this.idle.fallAsleep(worker, searched);
    if (looks && this.hasWork()) this.notify(worker);
    seat.isAsleep = true;
    this.world.emit(worker, { kind: "park" });
  }

  private wakeUp(worker: number): void {
    const seat = this.seats[worker]!;
    seat.isAsleep = false;
    seat.isSearching = this.idle.wakeUp(worker);
    this.takeEvents(worker);
  }

  private takeEvents(worker: number): void {
    const seat = this.seats[worker]!;
    const events = seat.events ?? [];
    seat.events = null;
    if (events.length === 0) return;
    if (events.length === 1 && this.hasNothing(worker)) return this.fillSlot(worker, events[0]!);
    if (events.length <= this.world.scenario.ring - seat.ring.length && this.inject.length === 0) {
      for (const task of events) this.pushLocal(worker, task);
    } else {
      for (const task of events) {
        this.inject.push(task);
        this.world.emit(worker, { kind: "push", task: task.id, queue: "inject" });
      }
    }
    this.notify(worker);
  }

  private notify(by: number): void {
    const before = this.idle.counts;
    const target = this.idle.workerToWake();
    if (target === null) {
      if (before.asleep > 0) this.world.emit(by, { kind: "quiet", ...before });
      return;
    }
    this.world.emit(by, { kind: "unpark", target });
    this.world.unpark(target);
  }

  private hasWork(): boolean {
    if (this.inject.length > 0) return true;
    // What nobody may steal is work for its owner only.
    return this.world.scenario.stealing && this.seats.some((seat) => seat.ring.length > 0 || seat.backlog.length > 0);
  }

  // --- Places ---

  private hasNothing(worker: number): boolean {
    const seat = this.seats[worker]!;
    return seat.slot === null && seat.ring.length === 0 && seat.backlog.length === 0;
  }

  private takeSlot(worker: number): Task | null {
    const seat = this.seats[worker]!;
    const task = seat.slot;
    seat.slot = null;
    if (task) this.world.emit(worker, { kind: "pop", task: task.id, queue: `slot:${worker}` });
    return task;
  }

  private fillSlot(worker: number, task: Task): void {
    this.seats[worker]!.slot = task;
    this.world.emit(worker, { kind: "push", task: task.id, queue: `slot:${worker}` });
  }

  private pushLocal(worker: number, task: Task): void {
    this.seats[worker]!.ring.push(task);
    this.world.emit(worker, { kind: "push", task: task.id, queue: `local:${worker}` });
  }

  // To the back of its own ring; if that is full, the newer half leaves with the task that comes:
  // what was never polled to the backlog, the rest to inject.
  private pushBack(worker: number, task: Task): void {
    const seat = this.seats[worker]!;
    if (seat.ring.length < this.world.scenario.ring) return this.pushLocal(worker, task);
    const half = seat.ring.splice(this.world.scenario.ring / 2);
    const leaving = [...half, task];
    this.world.emit(worker, { kind: "overflow", count: leaving.length });
    for (const one of half) this.world.emit(worker, { kind: "pop", task: one.id, queue: `local:${worker}` });
    const fresh = leaving.filter((one) => one.isNew);
    if (fresh.length > 0) seat.backlog.push(fresh);
    for (const one of fresh) this.world.emit(worker, { kind: "push", task: one.id, queue: `backlog:${worker}` });
    for (const one of leaving.filter((other) => !other.isNew)) {
      this.inject.push(one);
      this.world.emit(worker, { kind: "push", task: one.id, queue: "inject" });
    }
  }

  private popBacklog(worker: number, owner: number, end: "newest" | "oldest", most: number): Task[] {
    const batches = this.seats[owner]!.backlog;
    const batch = end === "newest" ? batches.at(-1) : batches[0];
    if (!batch) return [];
    const taken = batch.splice(0, most);
    if (batch.length === 0) batches.splice(batches.indexOf(batch), 1);
    for (const task of taken) this.world.emit(worker, { kind: "pop", task: task.id, queue: `backlog:${owner}` });
    return taken;
  }

  private popInject(worker: number, most: number): Task[] {
    const taken = this.inject.splice(0, most);
    for (const task of taken) this.world.emit(worker, { kind: "pop", task: task.id, queue: "inject" });
    return taken;
  }
}
