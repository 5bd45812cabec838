// The generator of rt/platform/fast_random.h, number for number: the same seed must give the same
// run here and in C++.

const MASK = (1n << 64n) - 1n;

export class FastRandom {
  private state: bigint;

  constructor(seed: number | bigint) {
    let x = (BigInt(seed) + 0x9e3779b97f4a7c15n) & MASK;
    x = ((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    x = ((x ^ (x >> 27n)) * 0x94d049bb133111ebn) & MASK;
    this.state = (x ^ (x >> 31n)) | 1n;
  }

  // A number below `n`, which is greater than 0.
  below(n: number): number {
    this.state ^= (this.state << 13n) & MASK;
    this.state ^= this.state >> 7n;
    this.state ^= (this.state << 17n) & MASK;
    return Number(((this.state >> 32n) * BigInt(n)) >> 32n);
  }
}
