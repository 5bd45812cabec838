// What looks wrong in a recorded run, in plain words.

import type { Event, TaskId } from "../events";

export interface Warning {
  readonly text: string;
  readonly step: number; // where to look
}

const LONG_POLL = 1000; // microseconds
const LONG_WAIT = 10_000;
const MANY_WAKES = 8;

interface Seen {
  name: string;
  polls: number;
  longest: number;
  longestStep: number;
  wakes: number;
  own: number;
  readySince: number | null;
  longestWait: number;
  waitStep: number;
  pendingAt: number | null; // the step at which it began to wait
}

export function warningsOf(events: readonly Event[]): Warning[] {
  const tasks = new Map<TaskId, Seen>();
  const begun = new Map<number, number>();
  const seen = (id: TaskId): Seen => {
    let task = tasks.get(id);
    if (!task) tasks.set(id, (task = { name: `task ${id}`, polls: 0, longest: 0, longestStep: 0, wakes: 0, own: 0, readySince: null, longestWait: 0, waitStep: 0, pendingAt: null }));
    return task;
  };
  events.forEach((event, i) => {
    if (!("task" in event)) return;
    const task = seen(event.task);
    if (event.kind === "spawn") task.name = event.name;
    if (event.kind === "push") task.readySince ??= event.t;
    if (event.kind === "wake") {
      ++task.wakes;
      if (event.waker === event.task) ++task.own;
      task.pendingAt = null;
    }
    if (event.kind === "poll") {
      ++task.polls;
      task.pendingAt = null;
      begun.set(event.worker, event.t);
      const wait = event.t - (task.readySince ?? event.t);
      task.readySince = null;
      if (wait > task.longestWait) [task.longestWait, task.waitStep] = [wait, i + 1];
    }
    if (event.kind === "pollEnd") {
      const took = event.t - (begun.get(event.worker) ?? event.t);
      if (took > task.longest) [task.longest, task.longestStep] = [took, i];
      task.pendingAt = event.result === "pending" && task.readySince === null ? i + 1 : null;
    }
  });
  const all = [...tasks.values()];
  return [
    ...most(all, (t) => t.longest, LONG_POLL).map((t) => ({ text: `${t.name} was polled for ${ms(t.longest)} without a break. Meanwhile its thread ran nothing else.`, step: t.longestStep })),
    ...most(all, (t) => t.longestWait, LONG_WAIT).map((t) => ({ text: `${t.name} was ready for ${ms(t.longestWait)} before it was polled. Who kept the workers busy?`, step: t.waitStep })),
    ...most(all.filter((t) => t.own >= MANY_WAKES && 2 * t.own > t.wakes), (t) => t.own, 0).map((t) => ({ text: `${t.name} woke itself ${t.own} times of ${t.wakes}: it asks again and again instead of waiting for an event.`, step: 0 })),
    ...stillWaiting(all),
  ];
}

function stillWaiting(all: readonly Seen[]): Warning[] {
  const waiting = all.filter((t) => t.pendingAt !== null);
  if (waiting.length === 0) return [];
  const names = waiting.slice(0, 3).map((t) => t.name).join(", ");
  const more = waiting.length > 3 ? ` and ${waiting.length - 3} more` : "";
  return [{ text: `${names}${more} said pending and ${waiting.length === 1 ? "was" : "were"} never woken again before the trace ended. Perhaps the event did not come; perhaps a waker was lost.`, step: waiting[0]!.pendingAt! }];
}

function most(all: readonly Seen[], key: (task: Seen) => number, above: number): Seen[] {
  return all.filter((task) => key(task) > above).sort((a, b) => key(b) - key(a)).slice(0, 3);
}

function ms(us: number): string {
  return us >= 1000 ? `${(us / 1000).toFixed(1)} ms` : `${us.toFixed(0)} µs`;
}
