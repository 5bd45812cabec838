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
  private strip: HTMLCanvasElement | null = null;
  private look = "";

  constructor(private readonly canvas: HTMLCanvasElement) {}

  load(events: readonly Event[], workers: number): void {
    this.rows = doings(events, Math.min(workers, 16));
    this.marks = events.flatMap((event, i) => (event.kind === "mark" ? [i] : []));
    this.steps = Math.max(1, events.length);
    this.strip = null;
  }

  // The strip itself is drawn once, for a width and a theme; what moves is the step's line.
  draw(step: number): void {
    const { canvas } = this;
    const width = Math.max(1, canvas.clientWidth);
    const height = Math.max(1, this.rows.length) * ROW + 6;
    const style = getComputedStyle(canvas);
    const look = `${width} ${style.getPropertyValue("--text")}`;
    if (this.strip === null || this.look !== look) {
      this.strip = this.drawn(width, height, style);
      this.look = look;
      canvas.width = this.strip.width;
      canvas.height = this.strip.height;
      canvas.style.height = `${height}px`;
    }
    const context = canvas.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(this.strip, 0, 0);
    const scale = canvas.width / width;
    context.fillStyle = style.getPropertyValue("--text").trim();
    context.fillRect(Math.min(width - 2, (step / this.steps) * width) * scale, 0, 2 * scale, canvas.height);
  }

  private drawn(width: number, height: number, style: CSSStyleDeclaration): HTMLCanvasElement {
    const strip = document.createElement("canvas");
    const scale = window.devicePixelRatio || 1;
    strip.width = width * scale;
    strip.height = height * scale;
    const context = strip.getContext("2d");
    if (!context) return strip;
    context.scale(scale, scale);
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
    return strip;
  }

  stepAt(x: number): number {
    return Math.round((x / Math.max(1, this.canvas.clientWidth)) * this.steps);
  }
}
