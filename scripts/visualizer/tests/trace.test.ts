import { describe, expect, it } from "vitest";

import { Frames } from "../src/frames";
import { BadTrace, load } from "../src/trace/load";
import { warningsOf } from "../src/trace/warnings";

const HEAD = '{"ph":"M","pid":1,"tid":0,"ts":0,"name":"process_name","args":{"name":"coro runtime","schema":"coro-trace/1","clock":"steady_ns","seed":"42","dropped":0}}';
const thread = (tid: number, name: string): string => `{"ph":"M","pid":1,"tid":${tid},"ts":0,"name":"thread_name","args":{"name":"${name}"}}`;
const moment = (tid: number, ts: number, name: string, args: object): string => JSON.stringify({ ph: "i", s: "t", pid: 1, tid, ts, name, cat: "x", args });
const slice = (tid: number, ts: number, dur: number, name: string, args: object): string => JSON.stringify({ ph: "X", dur, pid: 1, tid, ts, name, cat: "x", args });
const wake = (tid: number, ts: number, task: number, seq: number): string => JSON.stringify({ ph: "s", id: 1, pid: 1, tid, ts, name: "wake", cat: "waker", args: { task, op: "waker.wake", seq } });
const file = (...lines: string[]): string => `[\n${[HEAD, ...lines].join(",\n")}\n]\n`;

const TWO_WORKERS = file(
  thread(4, "worker 0"),
  thread(2, "worker 1"),
  moment(4, 1, "task.spawn", { task: 1030, seq: 0 }),
  moment(4, 2, "queue.push", { task: 1030, queue: "lifo", len: 1, seq: 1 }),
  moment(4, 3, "queue.pop", { task: 1030, queue: "lifo", len: 0, seq: 2 }),
  slice(4, 4, 10, "poll", { task: 1030, result: "pending", seq: 3 }),
  moment(4, 5, "task.spawn", { task: 1031, parent: 1030, seq: 4 }),
  moment(4, 6, "queue.push", { task: 1031, queue: "local", len: 1, seq: 5 }),
  slice(2, 0, 8, "worker.park", { seq: 0 }),
  moment(2, 9, "worker.steal", { n: 1, victim: 0, seq: 1 }),
  slice(2, 10, 4000, "poll", { task: 1031, result: "ready", seq: 2 }),
  wake(2, 11, 1030, 3),
  moment(2, 12, "queue.push", { task: 1030, queue: "lifo", len: 1, seq: 4 }),
);

describe("load", () => {
  it("puts workers in their order, and gives tasks numbers of their own", () => {
    const { lanes, events } = load(TWO_WORKERS, "t");
    expect(lanes).toEqual(["worker 0", "worker 1"]);
    expect(events.filter((event) => event.kind === "spawn").map((event) => [event.task, event.name, event.parent])).toEqual([
      [1, "task 1030", null],
      [2, "task 1031", 1],
    ]);
  });

  it("opens and closes what has a duration in the order of time", () => {
    const { events } = load(TWO_WORKERS, "t");
    expect(events.map((event) => `${event.worker} ${event.kind}`)).toEqual([
      "1 park", "0 spawn", "0 push", "0 pop", "0 poll", "0 spawn", "0 push", "1 awake", "1 steal", "1 poll", "1 wake", "1 push", "0 pollEnd", "1 pollEnd",
    ]);
  });

  it("moves a stolen task to the thief", () => {
    const { events, lanes } = load(TWO_WORKERS, "t");
    const frames = new Frames(events, lanes.length);
    const after = frames.at(events.findIndex((event) => event.kind === "steal") + 1);
    expect(after.tasks.get(1)!.place).toBe("hand:1");
    expect(after.queues.get("local:0")).toEqual([]);
  });

  it("keeps all whole lines of a file that was cut off, and says so", () => {
    const cut = TWO_WORKERS.slice(0, TWO_WORKERS.length - 20);
    const { events, notes } = load(cut, "t");
    expect(events.length).toBe(13);
    expect(notes.join()).toContain("cut off");
  });

  it("takes events in any order of lines", () => {
    const lines = TWO_WORKERS.trim().split("\n").slice(1, -1).map((line) => line.replace(/,$/, ""));
    const turned = `[\n${[...lines].reverse().join(",\n")}\n]\n`;
    expect(load(turned, "t").events).toEqual(load(TWO_WORKERS, "t").events);
  });

  it("shows a task that was never seen spawned", () => {
    const { events } = load(file(slice(1, 1, 2, "poll", { task: 7, result: "ready", seq: 0 })), "t");
    expect(events.map((event) => event.kind)).toEqual(["spawn", "poll", "pollEnd"]);
  });

  it.each([
    ["an empty file", "", "is empty"],
    ["another program's trace", '{"traceEvents":[{"ph":"X","name":"a","tid":1,"ts":1,"pid":1}]}', "another program"],
    ["a later schema", file().replace("coro-trace/1", "coro-trace/9"), "coro-trace/9"],
    ["no JSON at all", "hello\nyou\nthere", "line 1"],
  ])("says what is wrong with %s", (_, text, said) => {
    expect(() => load(text, "the file")).toThrow(BadTrace);
    expect(() => load(text, "the file")).toThrow(said);
  });

  it("says how many events were dropped", () => {
    expect(load(file().replace('"dropped":0', '"dropped":12'), "t").notes.join()).toContain("12 events are missing");
  });
});

describe("warnings", () => {
  it("tell of a poll that took long", () => {
    expect(warningsOf(load(TWO_WORKERS, "t").events).map((w) => w.text).join()).toContain("task 1031 was polled for 4.0 ms");
  });

  it("tell of a task that nobody woke again", () => {
    const { events } = load(file(slice(1, 1, 2, "poll", { task: 7, result: "pending", seq: 0 })), "t");
    expect(warningsOf(events).map((w) => w.text).join()).toContain("never woken again");
  });
});
