// Frames: the frame after each event. It keeps every 64th and folds on from there, so that 100,000
// steps are in reach both ways, and in memory.

import type { Event } from "./events";
import { fold, firstFrame, type Frame } from "./frame";

const EVERY = 64;

export class Frames {
  private readonly kept: Frame[];
  private newest: Frame;

  constructor(
    readonly events: readonly Event[],
    workers: number,
  ) {
    this.newest = firstFrame(workers);
    this.kept = [this.newest];
    for (const event of events) {
      this.newest = fold(this.newest, event);
      if (this.newest.step % EVERY === 0) this.kept.push(this.newest);
    }
    this.newest = this.kept[0]!;
  }

  // Step 0 is before the first event, and the last one after the last.
  get last(): number {
    return this.events.length;
  }

  at(step: number): Frame {
    const wanted = Math.max(0, Math.min(this.last, Math.floor(step)));
    let frame = this.kept[Math.floor(wanted / EVERY)]!;
    if (this.newest.step <= wanted && this.newest.step > frame.step) frame = this.newest;
    while (frame.step < wanted) frame = fold(frame, this.events[frame.step]!);
    this.newest = frame;
    return frame;
  }
}
