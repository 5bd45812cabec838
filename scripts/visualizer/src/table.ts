// Table: an immutable array that is cheap to change in one place. A frame keeps its tasks in one, so
// that 100,000 frames share almost all of what they hold.

const WIDTH = 64;

export class Table<V> {
  private constructor(
    private readonly chunks: readonly (readonly V[])[],
    readonly size: number,
  ) {}

  static empty<V>(): Table<V> {
    return new Table<V>([], 0);
  }

  get(index: number): V | undefined {
    return this.chunks[Math.floor(index / WIDTH)]?.[index % WIDTH];
  }

  // A table that differs at `index`. An index equal to the size appends.
  with(index: number, value: V): Table<V> {
    if (index < 0 || index > this.size) throw new RangeError(`no place ${index} in ${this.size}`);
    const at = Math.floor(index / WIDTH);
    const chunk = (this.chunks[at] ?? []).slice();
    chunk[index % WIDTH] = value;
    const chunks = this.chunks.slice();
    chunks[at] = chunk;
    return new Table<V>(chunks, Math.max(this.size, index + 1));
  }

  // Without an iterator, since a frame of a long trace holds tens of thousands.
  filter(keep: (value: V) => boolean): V[] {
    const kept: V[] = [];
    for (const chunk of this.chunks) for (const value of chunk) if (keep(value)) kept.push(value);
    return kept;
  }

  *[Symbol.iterator](): IterableIterator<V> {
    for (const chunk of this.chunks) yield* chunk;
  }
}
