// The part of the address behind the #: which stage, which scenario, which step. It is all that a
// link has to carry.

export interface Link {
  readonly stage: string;
  readonly example: string | null; // null: `text` is the scenario
  readonly text: string | null;
  readonly seed: number;
  readonly step: number;
  readonly speed: number;
}

export const SPEEDS = [0.5, 1, 2, 4, 8, 16, 64, 256] as const;

export function toHash(link: Link): string {
  const parts = new URLSearchParams({ stage: link.stage });
  if (link.example !== null) parts.set("scenario", link.example);
  else if (link.text !== null) parts.set("text", link.text);
  parts.set("seed", String(link.seed));
  parts.set("step", String(link.step));
  parts.set("speed", String(link.speed));
  return `#${parts.toString()}`;
}

// What stands in a link, as far as it can be understood; `null` where it says nothing.
export function fromHash(hash: string): { readonly [K in keyof Link]: Link[K] | null } {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const number = (name: string, most: number): number | null => {
    const text = parts.get(name);
    const value = text === null || text === "" ? NaN : Number(text);
    return Number.isFinite(value) && value >= 0 && value <= most ? value : null;
  };
  const speed = number("speed", 256);
  const seed = number("seed", Number.MAX_SAFE_INTEGER);
  const step = number("step", Number.MAX_SAFE_INTEGER);
  return {
    stage: parts.get("stage"),
    example: parts.get("scenario"),
    text: parts.get("text"),
    seed: seed === null ? null : Math.floor(seed),
    step: step === null ? null : Math.floor(step),
    speed: speed !== null && SPEEDS.some((known) => known === speed) ? speed : null,
  };
}
