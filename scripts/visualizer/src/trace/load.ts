// load(text): the events of a recorded trace, as rt/trace/trace_writer.h writes it: Chrome Trace
// Event JSON, an array with one event a line. A file that was cut off loses its last line only.

import { OUTSIDE, type Cause, type Event, type Happening, type PollResult, type QueueName, type TaskId } from "../events";

export const MOST_EVENTS = 200_000;

export interface Recording {
  readonly name: string;
  readonly events: readonly Event[];
  readonly lanes: readonly string[]; // the threads that poll or sleep, by number
  readonly queues: ReadonlySet<string>;
  readonly seed: string;
  readonly dropped: number;
  readonly notes: readonly string[]; // what a reader should know of the file
}

// What is wrong with the file, in words for whoever opened it.
export class BadTrace extends Error {}

interface Raw {
  readonly ph: string;
  readonly name: string;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  readonly args?: Readonly<Record<string, unknown>>;
}

export function load(text: string, name: string): Recording {
  if (text.trim() === "") throw new BadTrace(`${name} is empty. A trace is written when its Session ends, or the program.`);
  const { raws, wasCut } = linesOf(text, name);
  const about = raws.find((raw) => raw.ph === "M" && raw.name === "process_name" && "schema" in (raw.args ?? {}));
  if (about === undefined) throw new BadTrace(`${name} is a trace of another program: no line of it names the schema coro-trace/1.`);
  if (about.args?.["schema"] !== "coro-trace/1") throw new BadTrace(`${name} has the schema ${String(about.args?.["schema"])}, and this page reads coro-trace/1.`);
  const maker = new Maker(raws);
  const all = maker.events();
  const dropped = Number(about.args["dropped"] ?? 0);
  const notes: string[] = [];
  if (wasCut) notes.push("The file ends in the middle of a line: the program was cut off. What is whole is shown.");
  if (dropped > 0) notes.push(`${dropped} events are missing: each thread keeps its newest, and its ring was full.`);
  if (all.length > MOST_EVENTS) notes.push(`The trace has ${all.length} events. The first ${MOST_EVENTS} are shown.`);
  if (all.length === 0) notes.push("Nothing was recorded in it.");
  return { name, events: all.slice(0, MOST_EVENTS), lanes: maker.lanes, queues: maker.queues, seed: String(about.args["seed"] ?? "0"), dropped, notes };
}

function linesOf(text: string, name: string): { raws: Raw[]; wasCut: boolean } {
  const lines = text.split("\n").map((line) => line.trim().replace(/,$/, "")).filter((line) => line !== "" && line !== "[" && line !== "]");
  const raws: Raw[] = [];
  for (let i = 0; i < lines.length; ++i) {
    const value = json(lines[i]!);
    if (isRaw(value)) {
      raws.push(value);
      continue;
    }
    if (value === undefined && i === lines.length - 1 && raws.length > 0) return { raws, wasCut: true };
    // Not a line for each event: perhaps another program's file.
    const whole = json(text);
    const list = Array.isArray(whole) ? whole : (whole as { traceEvents?: unknown } | undefined)?.traceEvents;
    if (Array.isArray(list)) return { raws: list.filter(isRaw), wasCut: false };
    throw new BadTrace(`${name} is not a trace: its line ${i + 1} is no event.`);
  }
  return { raws, wasCut: !/\]\s*$/.test(text) };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRaw(value: unknown): value is Raw {
  const raw = value as Raw | null;
  return typeof raw === "object" && raw !== null && typeof raw.ph === "string" && typeof raw.name === "string" && typeof (raw.tid ?? 0) === "number";
}

const number = (raw: Raw, key: string): number => Number(raw.args?.[key] ?? 0);
const string = (raw: Raw, key: string): string => String(raw.args?.[key] ?? "");

interface Timed {
  readonly ts: number;
  readonly tid: number;
  readonly raw: Raw;
  readonly isEnd: boolean;
}

class Maker {
  readonly lanes: readonly string[];
  readonly queues = new Set<string>();
  private readonly laneOf = new Map<number, number>();
  private readonly ids = new Map<number, TaskId>();
  private readonly polled = new Map<number, number>(); // by thread: the task that it polls
  private readonly parked = new Set<number>();
  private readonly waits = new Map<string, number>(); // "timer 7" or "fd 9": the task that waits for it
  private readonly backlog = new Map<number, QueueName>();
  private readonly result: Event[] = [];

  constructor(private readonly raws: readonly Raw[]) {
    const names = new Map<number, string>();
    for (const raw of raws) if (raw.ph === "M" && raw.name === "thread_name") names.set(raw.tid, string(raw, "name"));
    const busy = new Set(raws.filter((raw) => raw.ph === "X" && (raw.name === "poll" || raw.name === "worker.park")).map((raw) => raw.tid));
    const index = (tid: number): number => Number(/^worker (\d+)$/.exec(names.get(tid) ?? "")?.[1] ?? 1000 + tid);
    const tids = [...busy].sort((a, b) => index(a) - index(b));
    tids.forEach((tid, lane) => this.laneOf.set(tid, lane));
    this.lanes = tids.map((tid) => names.get(tid) ?? `thread ${tid}`);
  }

  events(): Event[] {
    for (const { ts, tid, raw, isEnd } of this.inOrder()) this.take(ts, tid, raw, isEnd);
    return this.result;
  }

  // Begins and ends of slices and moments, in the order in which they happened.
  private inOrder(): Timed[] {
    const threads = new Map<number, Raw[]>();
    for (const raw of this.raws) {
      if (!"Xis".includes(raw.ph) || (raw.ph === "X" && raw.name === "wake")) continue;
      const list = threads.get(raw.tid) ?? [];
      list.push(raw);
      threads.set(raw.tid, list);
    }
    const all: Timed[] = [];
    for (const [tid, raws] of threads) {
      raws.sort((a, b) => a.ts - b.ts || number(a, "seq") - number(b, "seq"));
      const open: Raw[] = [];
      const close = (until: number): void => {
        for (let top = open.at(-1); top && endOf(top) <= until && top.ts < until; top = open.at(-1)) {
          all.push({ ts: endOf(top), tid, raw: top, isEnd: true });
          open.pop();
        }
      };
      for (const raw of raws) {
        close(raw.ts);
        all.push({ ts: raw.ts, tid, raw, isEnd: false });
        if (raw.ph === "X") open.push(raw);
      }
      for (let top = open.pop(); top; top = open.pop()) all.push({ ts: endOf(top), tid, raw: top, isEnd: true });
    }
    // Stable: the events of a thread stay in their order.
    return all.map((one, i) => ({ one, i })).sort((a, b) => a.one.ts - b.one.ts || a.one.tid - b.one.tid || a.i - b.i).map(({ one }) => one);
  }

  private task(raw: number): TaskId {
    let id = this.ids.get(raw);
    if (id === undefined) {
      id = this.ids.size + 1;
      this.ids.set(raw, id);
      // One that the trace has not seen spawned.
    }
    return id;
  }

  private take(ts: number, tid: number, raw: Raw, isEnd: boolean): void {
    const lane = this.laneOf.get(tid) ?? OUTSIDE;
    const say = (happening: Happening): void => void this.result.push({ ...happening, t: ts, worker: lane });
    const current = this.polled.get(tid) ?? null;
    const task = number(raw, "task");
    switch (raw.name) {
      case "poll":
        if (isEnd) {
          this.polled.delete(tid);
          return say({ kind: "pollEnd", task: this.task(task), result: string(raw, "result") as PollResult, lost: false });
        }
        this.meet(task, ts, lane);
        this.polled.set(tid, task);
        return say({ kind: "poll", task: this.task(task), length: Math.max(raw.dur ?? 0, 0.001) });
      case "worker.park":
        if (isEnd) this.parked.delete(tid);
        else this.parked.add(tid);
        return say(isEnd ? { kind: "awake" } : { kind: "park" });
      case "blocking.run":
        return say({ kind: "mark", text: `blocking job ${number(raw, "job")} ${isEnd ? "ends" : "begins"}` });
      case "task.spawn": {
        const parent = raw.args?.["parent"] === undefined ? null : (this.ids.get(number(raw, "parent")) ?? null);
        return say({ kind: "spawn", task: this.task(task), name: `task ${task}`, parent });
      }
      case "wake": {
        this.meet(task, ts, lane);
        const by: Cause = current === task ? "itself" : this.parked.has(tid) ? "io" : current === null ? "unknown" : "task";
        return say({ kind: "wake", task: this.task(task), by, waker: current === null ? null : this.task(current) });
      }
      case "queue.push":
      case "queue.pop": {
        const queue = this.queue(string(raw, "queue"), lane, task, raw.name === "queue.push");
        if (queue === null) return;
        this.meet(task, ts, lane);
        return say({ kind: raw.name === "queue.push" ? "push" : "pop", task: this.task(task), queue });
      }
      case "worker.steal":
        return say({ kind: "steal", victim: number(raw, "victim"), count: number(raw, "n") });
      case "worker.unpark":
        return say({ kind: "unpark", target: null });
      case "io.register":
      case "timer.set": {
        const on: Cause = raw.name === "timer.set" ? "timer" : "io";
        if (current === null) return;
        this.waits.set(on === "timer" ? `timer ${number(raw, "timer")}` : `fd ${number(raw, "fd")}`, current);
        return say({ kind: "register", task: this.task(current), on, until: null });
      }
      case "io.ready":
      case "timer.fire": {
        const on: Cause = raw.name === "timer.fire" ? "timer" : "io";
        const waiting = this.waits.get(on === "timer" ? `timer ${number(raw, "timer")}` : `fd ${number(raw, "fd")}`);
        if (waiting === undefined) return;
        return say({ kind: "fire", task: this.task(waiting), on });
      }
      case "budget.exhausted":
      case "budget.forced_yield":
        if (!this.ids.has(task)) return;
        return say(raw.name === "budget.exhausted" ? { kind: "budget", task: this.task(task), left: 0 } : { kind: "forcedYield", task: this.task(task) });
      case "mark":
        return say({ kind: "mark", text: string(raw, "text") });
    }
  }

  // A task that the trace has not seen spawned is there from now on.
  private meet(task: number, t: number, worker: number): void {
    if (this.ids.has(task)) return;
    this.result.push({ kind: "spawn", task: this.task(task), name: `task ${task}`, parent: null, t, worker });
  }

  // Null: a list that a task only passes through, from one queue to another.
  private queue(name: string, lane: number, task: number, isPush: boolean): QueueName | null {
    switch (name) {
      case "lifo":
        this.queues.add("slot");
        return `slot:${lane}`;
      case "local":
        this.queues.add("slot");
        return `local:${lane}`;
      case "backlog": {
        if (isPush) this.backlog.set(task, `backlog:${lane}`);
        return this.backlog.get(task) ?? `backlog:${lane}`;
      }
      case "events":
      case "share":
      case "overflow":
        return null;
      default:
        this.queues.add(name);
        return name;
    }
  }
}

function endOf(raw: Raw): number {
  return raw.ts + (raw.dur ?? 0);
}
