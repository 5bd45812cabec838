// Module 3's pool: several workers take from one queue under one lock. (rt/runtime/shared_queue.h)

import { OUTSIDE } from "../events";
import type { StepEnd } from "./parking";
import type { Process, Scheduler, Task, World } from "./world";

const LOCKED = 1; // How many ticks the lock is held.

export class Shared implements Scheduler {
  readonly queuesDuringPoll = false;
  readonly isKernel = false;
  private readonly ready: Task[] = [];
  private readonly idle: number[] = []; // The last one fell asleep last.
  private roused: number | null = null;
  private readonly sinceLook: number[] = [];
  private freeAt = 0; // The tick at which the lock is free.

  constructor(
    private readonly world: World,
    private readonly takesTime: boolean,
  ) {}

  schedule(task: Task, worker: number): void {
    this.hold();
    const roused = this.rouse(worker);
    this.push(task, worker);
    if (roused !== null) this.unpark(roused, worker);
  }

  yield(task: Task, worker: number): void {
    this.hold();
    this.push(task, worker);
  }

  *step(worker: number): Process<StepEnd> {
    const wait = this.takesTime ? Math.max(0, this.freeAt - this.world.t) : 0;
    this.freeAt = this.world.t + wait + LOCKED;
    if (wait > 0) {
      this.world.emit(worker, { kind: "lockWait", ticks: wait });
      yield wait;
    }
    if (this.roused === worker) this.roused = null;
    this.takeOff(worker);
    let task = this.ready.shift();
    while (task?.state === "ended") task = this.ready.shift();
    if (task === undefined) {
      this.idle.push(worker);
      this.world.emit(worker, { kind: "park" });
      return "slept";
    }
    this.world.emit(worker, { kind: "pop", task: task.id, queue: "shared" });
    const roused = this.ready.length > 0 ? this.rouse(worker) : null;
    if (roused !== null) this.unpark(roused, worker);
    if (this.takesTime) yield LOCKED;
    yield* this.world.poll(task, worker);
    const polls = (this.sinceLook[worker] ?? 0) + 1;
    this.sinceLook[worker] = polls >= this.world.scenario.lookInterval ? 0 : polls;
    if (this.sinceLook[worker] === 0) {
      this.world.emit(worker, { kind: "look" });
      this.world.dispatch(worker);
    }
    return "ran";
  }

  private hold(): void {
    if (this.takesTime) this.freeAt = Math.max(this.freeAt, this.world.t) + LOCKED;
  }

  private push(task: Task, worker: number): void {
    this.ready.push(task);
    this.world.emit(worker, { kind: "push", task: task.id, queue: "shared" });
  }

  // The worker to unpark, if one has to be.
  private rouse(by: number): number | null {
    if (this.roused !== null || this.idle.length === 0) return null;
    const chosen = by !== OUTSIDE && this.idle.includes(by) ? by : this.idle.at(-1)!;
    this.roused = chosen;
    this.takeOff(chosen);
    return chosen;
  }

  private takeOff(worker: number): void {
    const at = this.idle.indexOf(worker);
    if (at >= 0) this.idle.splice(at, 1);
  }

  private unpark(target: number, worker: number): void {
    this.world.emit(worker, { kind: "unpark", target });
    this.world.unpark(target);
  }
}
