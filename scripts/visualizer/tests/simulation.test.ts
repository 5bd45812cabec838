import fc from "fast-check";
import { describe, expect, it } from "vitest";

import type { Event } from "../src/events";
import { fold, firstFrame, taskOf, type Frame } from "../src/frame";
import { Frames } from "../src/frames";
import { explain } from "../src/explain";
import { parse, type Scenario } from "../src/sim/scenario";
import { simulate } from "../src/sim/simulate";
import { STAGES } from "../src/stages";

const steps = fc.oneof(
  fc.constantFrom("yield", "await 3", "sleep 70", "io 5", "block 6", "spawn 2", "spawn 3 (busy 1)", "send c", "receive c"),
  fc.integer({ min: 1, max: 9 }).map((n) => `busy ${n}`),
);
const scenarioText = fc
  .record({
    queue: fc.constantFrom("local", "shared", "stealing", "threads"),
    workers: fc.integer({ min: 1, max: 4 }),
    ring: fc.constantFrom(2, 4, 256),
    budget: fc.constantFrom("off", "2"),
    tasks: fc.array(fc.array(steps, { maxLength: 4 }), { minLength: 1, maxLength: 8 }),
  })
  .map(({ queue, workers, ring, budget, tasks }) =>
    [`queue ${queue}`, `workers ${workers}`, `ring ${ring}`, `budget ${budget}`, ...tasks.map((s, i) => (s.length ? `spawn T${i}: ${s.join(", ")}` : `spawn T${i}`))].join("\n"),
  );

function parsed(text: string): Scenario {
  const result = parse(text);
  if (!result.ok) throw new Error(`${JSON.stringify(result.errors)} in\n${text}`);
  return result.scenario;
}

function allFrames(events: readonly Event[], workers: number): Frame[] {
  const frames = [firstFrame(workers)];
  for (const event of events) frames.push(fold(frames.at(-1)!, event));
  return frames;
}

describe("simulate", () => {
  it("gives the same events for the same scenario and seed", () => {
    fc.assert(
      fc.property(scenarioText, fc.integer({ min: 0, max: 99 }), (text, seed) => {
        expect(simulate(parsed(text), seed).events).toEqual(simulate(parsed(text), seed).events);
      }),
      { numRuns: 40 },
    );
  });

  it("wakes nobody without a cause, and ends every task that nothing holds up", () => {
    fc.assert(
      fc.property(scenarioText, fc.integer({ min: 0, max: 99 }), (text, seed) => {
        const { events } = simulate(parsed(text), seed);
        const registered = new Set<number>();
        for (const event of events) {
          if (event.kind === "register") registered.add(event.task);
          if (event.kind !== "wake" || event.by === "itself") continue;
          expect(registered.has(event.task), `task ${event.task} was woken by ${event.by}`).toBe(true);
        }
        const end = events.at(-1)!;
        const usesChannels = /send|receive/.test(text);
        if (end.kind === "end" && !usesChannels) expect(end.waiting, text).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  it("polls a task on one worker at a time", () => {
    fc.assert(
      fc.property(scenarioText, fc.integer({ min: 0, max: 99 }), (text, seed) => {
        const polled = new Map<number, number>();
        for (const event of simulate(parsed(text), seed).events) {
          if (event.kind === "poll") {
            expect(polled.has(event.task)).toBe(false);
            polled.set(event.task, event.worker);
          }
          if (event.kind === "pollEnd") {
            expect(polled.get(event.task)).toBe(event.worker);
            polled.delete(event.task);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("never leaves a task in a queue while all sleep", () => {
    fc.assert(
      fc.property(scenarioText, fc.integer({ min: 0, max: 99 }), (text, seed) => {
        const scenario = parsed(text);
        const { events } = simulate(scenario, seed);
        if (events.at(-1)!.kind !== "end") return;
        const last = new Frames(events, scenario.workers).at(events.length);
        for (const [queue, tasks] of last.queues) expect(tasks, queue).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});

describe("fold", () => {
  it("is pure: folding again from any frame gives the same frames", () => {
    fc.assert(
      fc.property(scenarioText, (text) => {
        const scenario = parsed(text);
        const { events } = simulate(scenario, 1);
        const frames = allFrames(events, scenario.workers);
        const kept = JSON.stringify(frames.map((frame) => [...frame.tasks]));
        allFrames(events, scenario.workers);
        expect(JSON.stringify(frames.map((frame) => [...frame.tasks]))).toBe(kept);
      }),
      { numRuns: 20 },
    );
  });

  it("puts no task in two places", () => {
    fc.assert(
      fc.property(scenarioText, fc.integer({ min: 0, max: 9 }), (text, seed) => {
        const scenario = parsed(text);
        for (const frame of allFrames(simulate(scenario, seed).events, scenario.workers)) {
          const seen = new Set<number>();
          for (const [queue, tasks] of frame.queues) {
            for (const id of tasks) {
              expect(seen.has(id), `task ${id} twice`).toBe(false);
              seen.add(id);
              const task = taskOf(frame, id)!;
              expect([task.place, task.next]).toContain(queue);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("goes back to the very frames that it came by", () => {
    fc.assert(
      fc.property(scenarioText, fc.array(fc.nat({ max: 400 }), { maxLength: 12 }), (text, jumps) => {
        const scenario = parsed(text);
        const { events } = simulate(scenario, 3);
        const all = allFrames(events, scenario.workers);
        const frames = new Frames(events, scenario.workers);
        for (const jump of jumps) {
          const step = Math.min(jump, frames.last);
          expect({ ...frames.at(step), tasks: [...frames.at(step).tasks] }).toEqual({ ...all[step]!, tasks: [...all[step]!.tasks] });
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe("the stages", () => {
  for (const stage of STAGES) {
    for (const example of stage.examples) {
      it(`${stage.id}: ${example.title} runs to an end, and each step says why`, () => {
        const scenario = parsed(example.text);
        const { events } = simulate(scenario, 1);
        expect(events.at(-1)!.kind).toBe("end");
        expect(events.length).toBeGreaterThan(10);
        for (const frame of allFrames(events, scenario.workers)) {
          const caption = explain(frame, { units: "ticks", threads: scenario.queue === "threads" });
          expect(caption.what).not.toContain("?");
          expect(caption.why.length).toBeGreaterThan(10);
        }
      });
    }
  }
});

describe("a task that has handed its work to a blocking thread", () => {
  it("waits there, and runs on no worker", () => {
    const scenario = parsed("queue stealing\nspawn A: busy 1, block 9, busy 1");
    const { events } = simulate(scenario, 1);
    const waits = events.findIndex((event) => event.kind === "pollEnd") + 1;
    expect(new Frames(events, 1).at(waits).tasks.get(0)).toMatchObject({ place: "job:0", state: "waiting" });
  });
});

describe("without stealing", () => {
  it("each worker still runs what is its own, and the run ends", () => {
    const { events } = simulate(parsed("queue stealing\nworkers 3\nstealing off\nspawn A: busy 1, spawn 12 (busy 8), busy 4"), 1);
    expect(events.at(-1)).toMatchObject({ kind: "end", waiting: 0 });
    expect(events.some((event) => event.kind === "steal")).toBe(false);
  });
});
