// The strip under the picture: what each worker did at each step, on a canvas. A click goes there.

import { OUTSIDE, type Event } from "../events";

const ROW = 8;

type Doing = "idle" | "polls" | "searches" | "asleep" | "locked";

// What each worker did after each event, by rows.
function doings(events: readonly Event[], workers: number): Doing[][] {
  const now: Doing[] = Array.from({ length: workers }, () => "idle");
  const rows: Doing[][] = now.map(() => []);
  for (const event of events) {
    if (event.worker >= 0 && event.worker < workers && event.worker !== OUTSIDE) {
      if (event.kind === "poll") now[event.worker] = "polls";
      else if (event.kind === "search") now[event.worker] = "searches";
      else if (event.kind === "park") now[event.worker] = "asleep";
      else if (event.kind === "lockWait") now[event.worker] = "locked";
      else if (event.kind === "pollEnd" || event.kind === "awake" || event.kind === "searchEnd") now[event.worker] = "idle";
    }
    now.forEach((doing, i) => rows[i]!.push(doing));
  }
  return rows;
}

export class Overview {
  private rows: Doing[][] = [];
  private marks: number[] = [];
  private steps = 1;

  constructor(private readonly canvas: HTMLCanvasElement) {}

  load(events: readonly Event[], workers: number): void {
    this.rows = doings(events, Math.min(workers, 16));
    this.marks = events.flatMap((event, i) => (event.kind === "mark" ? [i] : []));
    this.steps = Math.max(1, events.length);
  }

  draw(step: number): void {
    const { canvas } = this;
    const width = Math.max(1, canvas.clientWidth);
    const height = Math.max(1, this.rows.length) * ROW + 6;
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    if (!context) return;
    context.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const color = (name: string): string => style.getPropertyValue(`--${name}`).trim();
    const colors: Record<Doing, string> = { idle: color("place"), polls: color("running"), searches: color("ready"), asleep: color("ended"), locked: color("waiting") };
    this.rows.forEach((row, y) => {
      let begin = 0;
      for (let i = 1; i <= row.length; ++i) {
        if (i < row.length && row[i] === row[begin]) continue;
        context.fillStyle = colors[row[begin]!];
        context.fillRect((begin / this.steps) * width, y * ROW + 3, Math.max(0.7, ((i - begin) / this.steps) * width), ROW - 2);
        begin = i;
      }
    });
    context.fillStyle = color("text");
    for (const mark of this.marks) context.fillRect((mark / this.steps) * width, 0, 1, height);
    context.fillRect(Math.min(width - 2, (step / this.steps) * width), 0, 2, height);
  }

  stepAt(x: number): number {
    return Math.round((x / Math.max(1, this.canvas.clientWidth)) * this.steps);
  }
}
