// Figures of a run, and the comparisons that the stages show beside the picture.

import type { Event } from "./events";
import type { Scenario } from "./sim/scenario";
import { simulate, type Run } from "./sim/simulate";
import type { Comparison } from "./stages";

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly shown: string;
}

export interface Chart {
  readonly title: string;
  readonly bars: readonly Bar[];
}

// For each time that a task was ready: how long until it was polled.
export function delays(events: readonly Event[]): number[] {
  const readyAt = new Map<number, number>();
  const result: number[] = [];
  for (const event of events) {
    if (event.kind === "push" && !readyAt.has(event.task)) readyAt.set(event.task, event.t);
    if (event.kind !== "poll") continue;
    const since = readyAt.get(event.task);
    readyAt.delete(event.task);
    if (since !== undefined) result.push(event.t - since);
  }
  return result.sort((a, b) => a - b);
}

export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
}

export function compare(kind: Comparison, scenario: Scenario, seed: number): Chart {
  const run = (changed: Partial<Scenario>): Run => simulate({ ...scenario, ...changed }, seed);
  switch (kind) {
    case "workers":
      return {
        title: "Polls in 100 ticks, against workers: this scenario, one queue",
        bars: [1, 2, 3, 4, 6, 8].map((workers) => {
          const { polls, ticks } = run({ workers });
          return bar(`${workers} worker${workers === 1 ? "" : "s"}`, ticks === 0 ? 0 : (100 * polls) / ticks, "");
        }),
      };
    case "queues":
      return {
        title: "Ticks until all is done: the same load, three ways",
        bars: [
          bar("stealing", run({ stealing: true }).ticks, "ticks"),
          bar("own queues, no stealing", run({ stealing: false }).ticks, "ticks"),
          bar("one shared queue", run({ queue: "shared" }).ticks, "ticks"),
        ],
      };
    case "budget": {
      const longest = (budget: number): number => quantile(delays(run({ budget }).events), 0.99);
      return {
        title: "How long a ready task waits for its turn (99 % wait less)",
        bars: [bar("no budget", longest(0), "ticks"), bar("budget 8", longest(8), "ticks"), bar("budget 2", longest(2), "ticks")],
      };
    }
    case "memory": {
      const connections = scenario.inputs.reduce((sum, input) => sum + (input.kind === "spawn" ? input.tasks.length : 0), 0);
      return {
        title: `Memory for ${connections} waiting connections (24 KiB a thread, 200 bytes an object)`,
        bars: [bar("a thread each", connections * 24, "KiB"), bar("an object each", (connections * 200) / 1024, "KiB")],
      };
    }
  }
}

function bar(label: string, value: number, unit: string): Bar {
  const shown = value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, "");
  return { label, value, shown: unit === "" ? shown : `${shown} ${unit}` };
}
