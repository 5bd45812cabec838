// Which workers sleep, how many search, and who has to be woken: rt/runtime/idle.h.

export class Idle {
  private searching = 0;
  private readonly sleepers: number[] = []; // The last one fell asleep last.

  constructor(private readonly workers: number) {}

  get counts(): { searching: number; asleep: number } {
    return { searching: this.searching, asleep: this.sleepers.length };
  }

  workerToWake(): number | null {
    if (!this.isBad()) return null;
    const chosen = this.sleepers.pop()!;
    ++this.searching;
    return chosen;
  }

  trySearch(): boolean {
    if (2 * this.searching >= this.workers) return false;
    ++this.searching;
    return true;
  }

  // True: the caller looks through all queues.
  stopSearch(): boolean {
    --this.searching;
    return this.isBad();
  }

  // True: the caller looks through all queues before it sleeps.
  fallAsleep(worker: number, searches: boolean): boolean {
    this.sleepers.push(worker);
    if (searches) --this.searching;
    return this.isBad();
  }

  // True: it was chosen, and searches.
  wakeUp(worker: number): boolean {
    const at = this.sleepers.indexOf(worker);
    if (at < 0) return true;
    this.sleepers.splice(at, 1);
    return false;
  }

  // Somebody sleeps, and nobody searches.
  private isBad(): boolean {
    return this.sleepers.length > 0 && this.searching === 0;
  }
}
