// Player: where in the run we are, and how it goes on by itself.

export class Player {
  step = 0;
  last = 0;
  speed = 1; // 1: a step every STEP milliseconds
  private timer: ReturnType<typeof setTimeout> | null = null;

  // Called at each change of the step, or of playing; `moved` says by how many steps.
  constructor(private readonly onChange: (moved: number) => void) {}

  get isPlaying(): boolean {
    return this.timer !== null;
  }

  load(last: number, step: number): void {
    this.pause();
    this.last = last;
    this.step = Math.max(0, Math.min(last, step));
  }

  goTo(step: number): void {
    const wanted = Math.max(0, Math.min(this.last, Math.round(step)));
    const moved = wanted - this.step;
    this.step = wanted;
    this.onChange(moved);
  }

  play(): void {
    if (this.isPlaying) return;
    if (this.step >= this.last) this.step = 0;
    this.schedule();
    this.onChange(0);
  }

  pause(): void {
    if (this.timer === null) return;
    clearTimeout(this.timer);
    this.timer = null;
    this.onChange(0);
  }

  toggle(): void {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  get delay(): number {
    return STEP / this.speed;
  }

  private schedule(): void {
    // Faster than the screen shows pictures, it takes several steps at once.
    const steps = Math.max(1, Math.round(FRAME / this.delay));
    this.timer = setTimeout(() => {
      if (this.step < this.last) this.schedule();
      else this.timer = null;
      if (this.step < this.last) this.goTo(this.step + steps);
      else this.onChange(0);
    }, this.delay * steps);
  }
}

const STEP = 900;
const FRAME = 16;
