// simulate(scenario, seed): the events of a run. Same scenario and seed, same events.

import { OUTSIDE, type Event } from "../events";
import { Local } from "./local";
import type { StepEnd } from "./parking";
import type { Scenario } from "./scenario";
import { Shared } from "./shared";
import { Stealing } from "./stealing";
import { Threads } from "./threads";
import { World, type Process } from "./world";

export const MOST_EVENTS = 20_000;
const WAKING = 3; // The ticks from an unpark until the worker runs.

// "timed": a poll takes its ticks, and workers run side by side. "stepped": one worker's step after
// another, in the order of rt/runtime/stepped_workers.h, so that it can be compared with the C++.
export type Order = "timed" | "stepped";

export interface Run {
  readonly events: readonly Event[];
  readonly ticks: number;
  readonly polls: number;
}

interface Runner {
  step(worker: number): Process<StepEnd>;
}

interface WorkerState {
  process: Process<StepEnd> | null; // Null: between two steps.
  nextAt: number;
  isAsleep: boolean;
  hasToken: boolean;
  hasSlept: boolean; // Its last step ended in a sleep.
}

export function simulate(scenario: Scenario, seed: number, order: Order = "timed"): Run {
  const world = new World(scenario, seed);
  const runner = runnerFor(world, order);
  const count = scenario.queue === "local" ? 1 : scenario.queue === "threads" ? 0 : scenario.workers;
  const workers = Array.from({ length: count }, (): WorkerState => ({ process: null, nextAt: 0, isAsleep: false, hasToken: false, hasSlept: false }));

  world.unpark = (index) => {
    const worker = workers[index];
    if (!worker) return;
    if (!worker.isAsleep) {
      worker.hasToken = true;
      return;
    }
    worker.isAsleep = false;
    worker.nextAt = world.t + (order === "timed" ? WAKING : 0);
  };

  while (world.events.length < MOST_EVENTS) {
    if (order === "stepped") {
      const able = workers.map((_, i) => i).filter((i) => !workers[i]!.isAsleep);
      // What was there before the first step, such as spawns, comes first; else the outside waits
      // until all sleep.
      if (world.nextOutside() === 0 && world.t === 0) world.runOutside();
      else if (able.length > 0) finish(able[world.random.below(able.length)]!);
      else if (!outsideOrTimer()) break;
      continue;
    }
    const soonest = Math.min(...workers.filter((w) => !w.isAsleep).map((w) => w.nextAt), Infinity);
    const outside = nextFromOutside();
    if (outside !== null && outside <= soonest) {
      outsideOrTimer();
    } else if (soonest < Infinity) {
      world.t = Math.max(world.t, soonest);
      const able = workers.map((_, i) => i).filter((i) => !workers[i]!.isAsleep && workers[i]!.nextAt <= world.t);
      advance(able[able.length === 1 ? 0 : world.random.below(able.length)]!);
    } else {
      break;
    }
  }
  const isOver = world.events.length < MOST_EVENTS;
  if (isOver) world.emit(OUTSIDE, { kind: "end", waiting: world.waiting });
  else world.emit(OUTSIDE, { kind: "mark", text: `The simulation stops after ${MOST_EVENTS} events.` });
  return { events: world.events, ticks: world.t, polls: world.polls };

  // The next moment at which something comes from outside, the timer of a worker that sleeps in
  // epoll among it.
  function nextFromOutside(): number | null {
    const outside = world.nextOutside();
    const sleeper = world.driverSleeper;
    const timer = sleeper !== null && workers[sleeper]!.isAsleep ? world.wheel.nextExpiry() : null;
    if (outside === null || timer === null) return outside ?? timer;
    return Math.min(outside, timer);
  }

  function outsideOrTimer(): boolean {
    const next = nextFromOutside();
    if (next === null) return false;
    world.t = Math.max(world.t, next);
    if (world.nextOutside() === next) world.runOutside();
    else world.unpark(world.driverSleeper!);
    return true;
  }

  // Goes on with a worker until it lets time pass.
  function advance(index: number): void {
    const worker = workers[index]!;
    if (worker.process === null) {
      leaveDriver(index);
      worker.process = runner.step(index);
    }
    const answer = worker.process.next();
    if (!answer.done) {
      worker.nextAt = world.t + answer.value;
      return;
    }
    worker.process = null;
    worker.nextAt = world.t;
    if (answer.value === "slept") fallAsleep(index);
  }

  // Takes a whole step, in no time.
  function finish(index: number): void {
    leaveDriver(index);
    const process = runner.step(index);
    let answer = process.next();
    while (!answer.done) answer = process.next();
    ++world.t;
    if (answer.value === "slept") fallAsleep(index);
  }

  function fallAsleep(index: number): void {
    const worker = workers[index]!;
    worker.hasSlept = true;
    if (worker.hasToken) {
      worker.hasToken = false;
      return;
    }
    worker.isAsleep = true;
    world.driverSleeper ??= index;
    if (world.driverSleeper === index && world.hasEvents()) world.unpark(index);
  }

  // The first thing after a sleep: what epoll_wait has brought.
  function leaveDriver(index: number): void {
    const worker = workers[index]!;
    if (worker.hasSlept) world.emit(index, { kind: "awake" });
    worker.hasSlept = false;
    if (world.driverSleeper !== index) return;
    world.driverSleeper = null;
    if (runner instanceof Stealing) runner.collect(index);
    else world.dispatch(index);
    // Whoever else sleeps takes its place in epoll.
    const next = workers.findIndex((other, i) => i !== index && other.isAsleep);
    if (next >= 0) world.driverSleeper = next;
  }
}

function runnerFor(world: World, order: Order): Runner {
  const make = {
    threads: () => new Threads(world),
    local: () => new Local(world),
    shared: () => new Shared(world, order === "timed"),
    stealing: () => new Stealing(world),
  }[world.scenario.queue];
  const runner = make();
  world.scheduler = runner;
  return runner;
}
