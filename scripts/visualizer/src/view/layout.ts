// layout(frame, …): where everything of a frame is drawn. Pure, so that it is tested without a page.

import { DRIVER, OUTSIDE, type QueueName } from "../events";
import { queueOf, taskOf, type Frame, type TaskState, type TaskView } from "../frame";
import { SLOTS } from "../sim/wheel";

export interface Box {
  readonly key: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly title: string;
  readonly look: "area" | "worker" | "place" | "slot" | "flash" | "asleep" | "searching";
}

export interface Mark {
  readonly key: string;
  readonly task: TaskView;
  readonly x: number;
  readonly y: number;
  readonly r: number;
  readonly state: TaskState;
  readonly isNamed: boolean;
}

export interface Bar {
  readonly key: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly done: number; // of the whole, from 0 to 1
  readonly look: "poll" | "budget" | "channel";
  readonly label: string;
}

export interface Arrow {
  readonly key: string;
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  readonly look: "wake" | "register" | "steal" | "unpark" | "event";
  readonly label: string;
}

export interface Label {
  readonly key: string;
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly anchor: "start" | "middle" | "end";
}

export interface Ring {
  readonly key: string;
  readonly x: number;
  readonly y: number;
  readonly r: number;
  readonly hand: number; // the slot at which it stands
}

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly marks: readonly Mark[];
  readonly bars: readonly Bar[];
  readonly arrows: readonly Arrow[];
  readonly labels: readonly Label[];
  readonly rings: readonly Ring[];
}

export interface Options {
  readonly width: number;
  readonly threads: boolean; // stage 0: a thread for each task
  readonly budget: number; // 0: none
  readonly slots: boolean; // workers have a slot, a ring and a backlog
  readonly hasTimers: boolean;
  readonly shared: QueueName | null; // the queue that all workers take from
  readonly names: readonly string[] | null; // of the workers; null: by number
}

interface Point {
  readonly x: number;
  readonly y: number;
}

const R = 13;
const PLACE = 30;
const GAP = 12;
const TITLE = 22;

export function layout(frame: Frame, options: Options): Picture {
  const draft = new Draft(frame, options);
  if (options.threads) draft.threads();
  else draft.runtime();
  return draft.picture();
}

class Draft {
  private readonly boxes: Box[] = [];
  private readonly marks: Mark[] = [];
  private readonly bars: Bar[] = [];
  private readonly arrows: Arrow[] = [];
  private readonly labels: Label[] = [];
  private readonly rings: Ring[] = [];
  private readonly at = new Map<string, Point>(); // of boxes, for arrows
  private y = 0;
  // Those that stand neither in a queue nor among the ended.
  private readonly loose: readonly TaskView[];

  constructor(
    private readonly frame: Frame,
    private readonly options: Options,
  ) {
    this.loose = frame.tasks.filter((task) => task.state !== "ended" && !frame.queues.has(task.place));
  }

  picture(): Picture {
    return {
      width: this.options.width,
      height: this.y,
      boxes: this.boxes,
      marks: this.marks,
      bars: this.bars,
      arrows: this.arrows,
      labels: this.labels,
      rings: this.rings,
    };
  }

  // --- Stage 0 ---

  threads(): void {
    const tasks = [...this.frame.tasks];
    const { width } = this.options;
    const cell = tasks.length <= 40 ? 44 : tasks.length <= 200 ? 26 : 16;
    const columns = Math.max(1, Math.floor((width - 2 * GAP) / cell));
    const height = Math.max(1, Math.ceil(tasks.length / columns)) * cell + GAP;
    const running = tasks.filter((task) => task.state === "running").length;
    this.area("threads", 0, width, TITLE + height + GAP, `${count(tasks.length, "thread")}, ${running} running`);
    tasks.forEach((task, i) => {
      const x = GAP + cell / 2 + (i % columns) * cell;
      const y = TITLE + GAP + cell / 2 + Math.floor(i / columns) * cell;
      this.mark(task, x, y, Math.min(R, cell / 2 - 2));
    });
    this.y = TITLE + height + GAP;
    this.causes();
  }

  // --- Stages 1 to 5 ---

  runtime(): void {
    if (this.options.shared !== null) this.queue(this.options.shared);
    this.workers();
    this.waiting();
    this.jobs();
    this.channels();
    this.ended();
    this.causes();
  }

  private queue(name: QueueName): void {
    const tasks = queueOf(this.frame, name);
    const { width } = this.options;
    const places = Math.floor((width - 2 * GAP) / PLACE);
    const titles: Record<string, string> = { ready: "ready queue", shared: "shared queue, with a lock", inject: "inject queue, for tasks from outside" };
    const isFlashing = this.frame.last?.kind === "lockWait";
    this.area(name, this.y, width, TITLE + PLACE + GAP, `${titles[name] ?? name}: ${tasks.length}`, isFlashing ? "flash" : "area");
    this.row(name, tasks, GAP, this.y + TITLE, places);
    this.labels.push({ key: `${name}-ends`, x: width - GAP, y: this.y + 15, text: "← out          in →".replace(/ +/, "  "), anchor: "end" });
    this.y += TITLE + PLACE + 2 * GAP;
  }

  // A row of places with tasks in them; what has no room is a number.
  private row(key: string, tasks: readonly number[], x: number, y: number, places: number): void {
    const fits = tasks.length <= places ? places : places - 1;
    for (let i = 0; i < places; ++i) {
      const isNumber = tasks.length > places && i === places - 1;
      const left = x + i * PLACE;
      if (!isNumber) this.boxes.push({ key: `${key}-${i}`, x: left + 1, y, width: PLACE - 2, height: PLACE, title: "", look: "place" });
      else this.labels.push({ key: `${key}-more`, x: left + PLACE / 2, y: y + 19, text: `+${tasks.length - fits}`, anchor: "middle" });
    }
    tasks.slice(0, fits).forEach((id, i) => {
      const task = taskOf(this.frame, id);
      if (task && task.next === null) this.mark(task, x + i * PLACE + PLACE / 2, y + PLACE / 2);
    });
  }

  private workers(): void {
    const { width, slots } = this.options;
    const workers = this.frame.workers;
    const least = slots ? 4 * PLACE + 2 * GAP : 100;
    const columns = Math.max(1, Math.min(workers.length, Math.floor((width + GAP) / (least + GAP))));
    const column = (width - (columns - 1) * GAP) / columns;
    const places = Math.max(2, Math.floor((Math.min(column, 400) - 2 * GAP) / PLACE));
    const rows = slots ? Math.max(2, Math.min(4, Math.ceil(Math.max(...workers.map((w) => queueOf(this.frame, `local:${w.index}`).length)) / places))) : 0;
    const height = TITLE + 62 + (slots ? 24 + PLACE + 24 + rows * PLACE + 8 : 0) + GAP / 2;
    workers.forEach((worker, i) => {
      const x = (i % columns) * (column + GAP);
      const y = this.y + Math.floor(i / columns) * (height + GAP);
      const words: Record<string, string> = { awake: "awake", polling: "polls", searching: "searches", asleep: "asleep", locked: "waits at the lock" };
      const look = worker.state === "asleep" ? "asleep" : worker.state === "searching" ? "searching" : worker.state === "locked" ? "flash" : "worker";
      const owner = this.options.names?.[worker.index] ?? (workers.length === 1 ? "the one thread" : `worker ${worker.index}`);
      this.boxes.push({ key: `worker:${worker.index}`, x, y, width: column, height, title: `${owner}: ${words[worker.state]}`, look });
      this.at.set(`worker:${worker.index}`, { x: x + column / 2, y: y + TITLE + 18 });
      this.pollSpot(worker.index, x, y + TITLE, column);
      if (slots) this.ownQueues(worker.index, x, y + TITLE + 62, places, rows);
    });
    this.y += Math.ceil(workers.length / columns) * (height + GAP);
  }

  private pollSpot(worker: number, x: number, y: number, width: number): void {
    const middle = x + width / 2;
    this.boxes.push({ key: `spot-${worker}`, x: middle - 20, y, width: 40, height: 36, title: "", look: "slot" });
    for (const task of this.loose) {
      // Taken out of a queue: to be polled next, or by the task that is polled, on its way.
      const isPolling = this.frame.workers[worker]?.state === "polling";
      if (task.place === `hand:${worker}`) this.mark(task, middle + (isPolling ? 42 : 0), y + 18);
      if (task.place !== `worker:${worker}`) continue;
      this.mark(task, middle, y + 18, 15);
      const bar = Math.min(width - 2 * GAP, 160);
      const done = Math.max(0, Math.min(1, (this.frame.t - task.since) / task.length));
      this.bars.push({ key: `poll-${worker}`, x: middle - bar / 2, y: y + 42, width: bar, done, look: "poll", label: `poll: ${Math.round(100 * done)} %` });
      if (this.options.budget > 0) {
        const left = task.budget ?? this.options.budget;
        this.bars.push({ key: `budget-${worker}`, x: middle - bar / 2, y: y + 51, width: bar, done: left / this.options.budget, look: "budget", label: `budget: ${left} of ${this.options.budget}` });
      }
    }
  }

  private ownQueues(worker: number, x: number, y: number, places: number, rows: number): void {
    const left = x + GAP;
    const slot = queueOf(this.frame, `slot:${worker}`);
    const backlog = queueOf(this.frame, `backlog:${worker}`);
    const ring = queueOf(this.frame, `local:${worker}`);
    this.labels.push({ key: `slot-title-${worker}`, x: left, y: y + 16, text: "slot", anchor: "start" });
    this.boxes.push({ key: `slot-${worker}`, x: left + 1, y: y + 22, width: PLACE - 2, height: PLACE, title: "", look: "slot" });
    slot.forEach((id) => {
      const task = taskOf(this.frame, id);
      if (task && task.next === null) this.mark(task, left + PLACE / 2, y + 22 + PLACE / 2);
    });
    if (backlog.length > 0) {
      const room = Math.max(1, Math.min(places - 2, 6));
      this.labels.push({ key: `backlog-title-${worker}`, x: left + 2 * PLACE, y: y + 16, text: "backlog", anchor: "start" });
      this.row(`backlog:${worker}`, backlog, left + 2 * PLACE, y + 22, room);
    }
    const top = y + 22 + PLACE + 22;
    this.labels.push({ key: `ring-title-${worker}`, x: left, y: top - 6, text: `own queue: ${ring.length}`, anchor: "start" });
    this.at.set(`local:${worker}`, { x: left + PLACE / 2, y: top + PLACE / 2 });
    const capacity = places * rows;
    const fits = ring.length > capacity ? capacity - 1 : capacity;
    for (let i = 0; i < fits; ++i) {
      this.boxes.push({ key: `local:${worker}-${i}`, x: left + (i % places) * PLACE + 1, y: top + Math.floor(i / places) * PLACE, width: PLACE - 2, height: PLACE - 1, title: "", look: "place" });
    }
    ring.slice(0, fits).forEach((id, i) => {
      const task = taskOf(this.frame, id);
      if (task && task.next === null) this.mark(task, left + (i % places) * PLACE + PLACE / 2, top + Math.floor(i / places) * PLACE + PLACE / 2);
    });
    if (ring.length > capacity) {
      this.labels.push({ key: `ring-more-${worker}`, x: left + (places - 0.5) * PLACE, y: top + (rows - 0.5) * PLACE + 4, text: `+${ring.length - fits}`, anchor: "middle" });
    }
  }

  private waiting(): void {
    const { width, hasTimers } = this.options;
    const isUsed = hasTimers || this.loose.some((task) => task.place === "waiting" || task.waitsFor !== null);
    if (!isUsed && this.frame.counts.lost === 0) return;
    const tasks = this.loose.filter((task) => task.place === "waiting");
    const wheelSize = hasTimers ? Math.min(230, width - 2 * GAP) : 0;
    const isNarrow = width < 500;
    const room = isNarrow || !hasTimers ? width : width - wheelSize - GAP;
    const columns = Math.max(1, Math.floor((room - 2 * GAP) / 44));
    const shown = tasks.filter((task) => task.wheel === null).slice(0, columns * 4);
    const rows = Math.max(1, Math.ceil(shown.length / columns));
    const ownHeight = TITLE + rows * 52 + GAP;
    const height = isNarrow ? ownHeight + wheelSize : Math.max(ownHeight, wheelSize + TITLE);
    const hidden = tasks.filter((task) => task.wheel === null).length - shown.length;
    this.area("waiting", this.y, width, height, `${hasTimers ? "the reactor's waiting area" : "waiting area"}: ${this.kept(tasks)}${hidden > 0 ? ` (${hidden} not shown)` : ""}`);
    this.at.set("waiting", { x: 20, y: this.y + TITLE });
    shown.forEach((task, i) => {
      const x = GAP + 22 + (i % columns) * 44;
      const y = this.y + TITLE + 16 + Math.floor(i / columns) * 52;
      this.mark(task, x, y);
      const what = task.state === "lost" ? "lost!" : task.happened ? "ready!" : (task.waitsFor === null || task.waitsFor === "unknown" ? "waits" : task.waitsFor);
      this.labels.push({ key: `waits-${task.id}`, x, y: y + 27, text: what, anchor: "middle" });
    });
    if (hasTimers) this.wheel(isNarrow ? width / 2 : width - wheelSize / 2 - GAP, this.y + (isNarrow ? ownHeight : TITLE) + wheelSize / 2 - 6, wheelSize / 2 - 20);
    this.y += height + GAP;
  }

  private kept(tasks: readonly TaskView[]): string {
    const lost = tasks.filter((task) => task.state === "lost").length;
    const kept = tasks.length - lost;
    const parts = [kept > 0 ? `${count(kept, "waker")} kept` : "", lost > 0 ? `${count(lost, "task")} that nobody will wake` : ""];
    return parts.filter((part) => part !== "").join(", ") || "empty";
  }

  // Two rings: a slot for each tick, and inside a slot for every 64.
  private wheel(x: number, y: number, r: number): void {
    const t = this.frame.t;
    this.rings.push({ key: "level0", x, y, r, hand: t % SLOTS }, { key: "level1", x, y, r: r * 0.5, hand: Math.floor(t / SLOTS) % SLOTS });
    this.labels.push({ key: "wheel-t", x, y: y + 4, text: `tick ${Math.floor(t)}`, anchor: "middle" });
    this.labels.push({ key: "wheel-0", x, y: y + r + 19, text: "outer: a tick each · inner: 64 ticks each", anchor: "middle" });
    const placed: Point[] = [];
    for (const task of this.loose) {
      if (task.wheel === null || task.place !== "waiting") continue;
      const angle = (2 * Math.PI * task.wheel.slot) / SLOTS - Math.PI / 2;
      const at = (radius: number): Point => ({ x: x + radius * Math.cos(angle), y: y + radius * Math.sin(angle) });
      let radius = task.wheel.level === 0 ? r : r * 0.5;
      // Those of the same slot, or of one beside it, stand behind each other.
      while (radius >= 0 && placed.some((other) => Math.hypot(other.x - at(radius).x, other.y - at(radius).y) < 19)) radius += task.wheel.level === 0 ? -10 : 10;
      if (radius < 0) radius = r;
      placed.push(at(radius));
      this.mark(task, at(radius).x, at(radius).y, 11);
    }
  }

  private jobs(): void {
    const { threads } = this.frame;
    if (threads === 0) return;
    this.area("jobs", this.y, this.options.width, TITLE + PLACE + GAP, "threads that may block");
    for (let i = 0; i < threads; ++i) {
      this.boxes.push({ key: `job-${i}`, x: GAP + i * 44, y: this.y + TITLE, width: 40, height: PLACE, title: "", look: "slot" });
    }
    for (const task of this.loose) {
      const match = /^job:(\d+)$/.exec(task.place);
      if (match) this.mark(task, GAP + Number(match[1]) * 44 + 20, this.y + TITLE + PLACE / 2);
    }
    this.y += TITLE + PLACE + 2 * GAP;
  }

  private channels(): void {
    for (const channel of this.frame.channels) {
      this.area(`channel-${channel.name}`, this.y, this.options.width, TITLE + 20, `channel ${channel.name}: ${channel.length} of ${channel.room}`);
      this.bars.push({ key: `channel-${channel.name}`, x: GAP, y: this.y + TITLE, width: Math.min(channel.room * 40, this.options.width - 2 * GAP), done: channel.length / channel.room, look: "channel", label: `${channel.length} of ${channel.room} places taken` });
      this.y += TITLE + 20 + GAP;
    }
  }

  private ended(): void {
    const { recentlyEnded, counts } = this.frame;
    const { width } = this.options;
    const places = Math.max(1, Math.min(12, Math.floor((width - 2 * GAP) / PLACE)));
    this.area("ended", this.y, width, TITLE + PLACE + 4, `ended: ${counts.ended}${counts.ended > places ? `, the last ${places}` : ""}`);
    recentlyEnded.slice(-places).forEach((id, i) => {
      const task = taskOf(this.frame, id);
      if (task) this.mark(task, GAP + PLACE / 2 + i * PLACE, this.y + TITLE + PLACE / 2 - 2, 11);
    });
    this.y += TITLE + PLACE + 4;
  }

  // --- Arrows ---

  // What the last event was, as an arrow from its cause.
  private causes(): void {
    const event = this.frame.last;
    if (!event) return;
    const mark = (id: number): Point | undefined => this.marks.find((m) => m.task.id === id);
    const worker = this.at.get(`worker:${event.worker}`);
    const outside: Point = { x: this.options.width, y: 8 };
    const from = event.worker === OUTSIDE || event.worker === DRIVER ? outside : worker;
    switch (event.kind) {
      case "wake": {
        const waker = event.waker === null ? undefined : mark(event.waker);
        const source = waker ?? (event.by === "io" || event.by === "timer" ? this.at.get("waiting") : undefined) ?? from;
        if (event.waker !== event.task) this.arrow("wake", source, mark(event.task), "wakes");
        return;
      }
      case "register":
        return this.arrow("register", mark(event.task), this.at.get("waiting"), "leaves its waker");
      case "steal":
        return this.arrow("steal", this.at.get(`local:${event.victim}`), worker, `steals ${event.count}`);
      case "unpark":
        return this.arrow("unpark", from, event.target === null ? undefined : this.at.get(`worker:${event.target}`), "wakes");
      case "happen": {
        const to = mark(event.task);
        return this.arrow("event", to && { x: Math.min(to.x + 110, this.options.width), y: to.y - 6 }, to, "event");
      }
      default:
        return;
    }
  }

  private arrow(look: Arrow["look"], from: Point | undefined, to: Point | undefined, label: string): void {
    if (!from || !to) return;
    const length = Math.hypot(to.x - from.x, to.y - from.y);
    if (length < 2 * R) return;
    const [dx, dy] = [(to.x - from.x) / length, (to.y - from.y) / length];
    this.arrows.push({ key: `${look}-${this.frame.step}`, x1: from.x + dx * R, y1: from.y + dy * R, x2: to.x - dx * (R + 5), y2: to.y - dy * (R + 5), look, label });
  }

  // --- Pieces ---

  private area(key: string, y: number, width: number, height: number, title: string, look: Box["look"] = "area"): void {
    this.boxes.push({ key, x: 0, y, width, height, title, look });
    if (!this.at.has(key)) this.at.set(key, { x: 20, y: y + TITLE });
  }

  private mark(task: TaskView, x: number, y: number, r = R): void {
    this.marks.push({ key: String(task.id), task, x, y, r, state: task.state, isNamed: r >= 10 });
  }
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
