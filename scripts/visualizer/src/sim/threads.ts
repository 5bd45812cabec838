// Module 0's server: a thread for each connection. Whoever waits keeps its thread.

import { OUTSIDE } from "../events";
import type { StepEnd } from "./parking";
import type { Process, Scheduler, Task, World } from "./world";

export class Threads implements Scheduler {
  readonly queuesDuringPoll = false;
  readonly isKernel = true;

  constructor(private readonly world: World) {}

  // The kernel runs the thread; how many ticks of work it has pass on the outside's clock.
  schedule(task: Task): void {
    this.run(task, this.world.poll(task, OUTSIDE));
  }

  yield(task: Task): void {
    this.schedule(task);
  }

  step(): Process<StepEnd> {
    throw new Error("there are no workers");
  }

  private run(task: Task, process: Process<void>): void {
    const answer = process.next();
    if (answer.done) return;
    this.world.after(answer.value, () => this.run(task, process));
  }
}
