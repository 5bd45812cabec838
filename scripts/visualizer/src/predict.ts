// "What happens next?": the next step's caption among others that might have been.

import { explain, type Setting } from "./explain";
import { taskOf, type Frame } from "./frame";

export interface Choice {
  readonly text: string;
  readonly isRight: boolean;
}

// The right one and two others, in an order that the step decides.
export function choicesFor(frame: Frame, next: Frame, setting: Setting): Choice[] {
  const right = explain(next, setting).what;
  const wrong = [...new Set(others(frame, next))].filter((text) => text !== right).slice(0, 2);
  const all = [...wrong.map((text) => ({ text, isRight: false }))];
  all.splice(frame.step % (all.length + 1), 0, { text: right, isRight: true });
  return all;
}

function others(frame: Frame, next: Frame): string[] {
  const event = next.last;
  const result: string[] = [];
  const id = event && "task" in event ? event.task : (frame.recentlyEnded.at(-1) ?? 1);
  const name = taskOf(next, id)?.name ?? "the task";
  const worker = event && event.worker >= 0 ? `Worker ${event.worker}` : "A worker";
  const ready = [...frame.tasks].filter((task) => task.state === "ready" && task.id !== id);
  if (event?.kind === "pop" && ready[0]) result.push(`${worker} takes ${ready.at(-1)!.name}.`);
  if (event?.kind === "pollEnd") result.push(`${name} says ${event.result === "ready" ? "pending" : "ready"}.`);
  if (event?.kind === "wake" || event?.kind === "fire") result.push(`${name} is polled here and now.`);
  if (event?.kind !== "pop" && ready.length > 0) result.push(`${worker} takes ${ready[0]!.name} and polls it.`);
  if (event?.kind !== "park") result.push(`${worker} sleeps.`);
  result.push(`${name} is queued again at once.`, `Another worker steals ${name}.`);
  return result;
}
