// Wheel: module 2's timer wheel, with the same slots: 64 of a tick each, 64 of 64 ticks, and so on.
// A timer stands in the level of the highest digit (in base 64) in which its tick differs from now.

const BITS = 6;
export const SLOTS = 1 << BITS;
const LEVELS = 6;

export interface Place {
  readonly level: number;
  readonly slot: number;
}

export function placeOf(elapsed: number, when: number): Place {
  for (let level = LEVELS - 1; level > 0; --level) {
    const unit = SLOTS ** level;
    if (Math.floor(elapsed / unit) !== Math.floor(when / unit)) return { level, slot: Math.floor(when / unit) % SLOTS };
  }
  return { level: 0, slot: when % SLOTS };
}

interface Node<T> {
  readonly item: T;
  readonly when: number;
  place: Place;
}

export class Wheel<T> {
  private elapsed = 0;
  private nodes: Node<T>[] = [];

  insert(item: T, when: number): void {
    this.nodes.push({ item, when, place: placeOf(this.elapsed, when) });
  }

  cancel(item: T): void {
    this.nodes = this.nodes.filter((node) => node.item !== item);
  }

  // The tick of the earliest timer.
  nextExpiry(): number | null {
    return this.nodes.reduce<number | null>((first, node) => (first === null || node.when < first ? node.when : first), null);
  }

  // Time has come to `now`: slots of the upper levels are opened on the way, and what is due fires.
  advance(now: number, fire: (item: T) => void, cascade: (slot: number, items: T[]) => void): void {
    for (;;) {
      const next = this.nextStart();
      if (next === null || next.start > now) break;
      this.elapsed = next.start;
      const opened = this.nodes.filter((node) => node.place.level === next.place.level && node.place.slot === next.place.slot);
      const due = opened.filter((node) => node.when <= this.elapsed);
      const moved = opened.filter((node) => node.when > this.elapsed);
      this.nodes = this.nodes.filter((node) => !due.includes(node));
      for (const node of moved) node.place = placeOf(this.elapsed, node.when);
      if (moved.length > 0) cascade(next.place.slot, moved.map((node) => node.item));
      for (const node of due) fire(node.item);
    }
    this.elapsed = Math.max(this.elapsed, now);
  }

  private nextStart(): { start: number; place: Place } | null {
    let first: { start: number; place: Place } | null = null;
    for (const node of this.nodes) {
      const unit = SLOTS ** node.place.level;
      const start = Math.floor(node.when / unit) * unit;
      if (first === null || start < first.start) first = { start, place: node.place };
    }
    return first;
  }
}
