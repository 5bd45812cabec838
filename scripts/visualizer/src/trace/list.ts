// The list of events beside the picture: those around the step that is shown, or those that match a
// search.

import { h } from "../dom";
import { explain } from "../explain";
import type { Frames } from "../frames";
import type { Event } from "../events";

const SHOWN = 60;
const BEFORE = 12;

export class EventList {
  private frames: Frames | null = null;
  private matching: readonly number[] | null = null; // Null: all.
  private step = 0;

  constructor(
    private readonly place: Element,
    private readonly onStep: (step: number) => void,
  ) {}

  load(frames: Frames): void {
    this.frames = frames;
    this.matching = null;
    this.step = 0;
  }

  // Words that must all be in an event: its kind, its task, its queue, its text.
  search(text: string): void {
    const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
    const events = this.frames?.events ?? [];
    this.matching = words.length === 0 ? null : events.flatMap((event, i) => (words.every((word) => textOf(event).includes(word)) ? [i + 1] : []));
    this.show(this.step);
  }

  show(step: number): void {
    this.step = step;
    const { frames } = this;
    if (!frames) return;
    const steps = this.matching ?? Array.from({ length: Math.min(SHOWN, frames.last) }, (_, i) => Math.max(1, Math.min(step - BEFORE, frames.last - SHOWN + 1)) + i);
    const from = this.matching === null ? 0 : Math.max(0, this.matching.findIndex((one) => one >= step) - BEFORE);
    const shown = steps.slice(from, from + SHOWN).filter((one) => one >= 1 && one <= frames.last);
    this.place.replaceChildren(
      ...shown.map((one) => {
        const button = h("button", { type: "button", click: () => this.onStep(one) }, `${one}  ${explain(frames.at(one), { units: "µs", threads: false }).what}`);
        if (one === step) button.setAttribute("aria-current", "step");
        return h("li", {}, button);
      }),
      ...(this.matching === null ? [] : [h("li", { class: "quiet" }, `${this.matching.length} events match.`)]),
    );
    const current = this.place.querySelector<HTMLElement>("[aria-current]");
    if (current) this.place.scrollTop = current.offsetTop - 60;
    frames.at(step);
  }
}

function textOf(event: Event): string {
  const parts = [event.kind, event.worker >= 0 ? `worker ${event.worker}` : "outside"];
  if ("task" in event) parts.push(`task ${event.task}`);
  if ("queue" in event) parts.push(event.queue);
  if ("result" in event) parts.push(event.result);
  if ("name" in event) parts.push(event.name);
  if (event.kind === "mark") parts.push(event.text);
  return parts.join(" ").toLowerCase();
}
