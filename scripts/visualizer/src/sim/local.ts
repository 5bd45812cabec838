// Module 1's executor, with module 2's driver under it: one thread, one ready queue, first come,
// first served. (rt/runtime/local_executor.h, rt/runtime/local_runtime.h)

import { OUTSIDE } from "../events";
import type { StepEnd } from "./parking";
import type { Process, Scheduler, Task, World } from "./world";

export class Local implements Scheduler {
  readonly queuesDuringPoll = true;
  readonly isKernel = false;
  private readonly ready: Task[] = [];
  private isParked = false;
  private sinceLook = 0;

  constructor(private readonly world: World) {}

  schedule(task: Task, worker: number): void {
    this.ready.push(task);
    this.world.emit(worker, { kind: "push", task: task.id, queue: "ready" });
    if (!this.isParked) return;
    this.isParked = false;
    if (worker !== OUTSIDE) return; // It is the executor itself, back from epoll.
    this.world.emit(worker, { kind: "unpark", target: 0 });
    this.world.unpark(0);
  }

  yield(): void {
    throw new Error("this executor queues a task at once");
  }

  *step(worker: number): Process<StepEnd> {
    if (++this.sinceLook >= this.world.scenario.lookInterval) {
      this.sinceLook = 0;
      this.world.emit(worker, { kind: "look" });
      this.world.dispatch(worker);
    }
    let task = this.ready.shift();
    while (task?.state === "ended") task = this.ready.shift(); // It was cancelled in the queue.
    if (task === undefined) {
      this.isParked = true;
      this.world.emit(worker, { kind: "park" });
      return "slept";
    }
    this.world.emit(worker, { kind: "pop", task: task.id, queue: "ready" });
    yield* this.world.poll(task, worker);
    return "ran";
  }
}
