// The page's rules are the reference's: for each scenario here, what the C++ does stands beside it in
// truth/scenarios/NAME.txt, below the line of dashes. `scripts/course selftest visualizer` runs the
// C++ again and compares (truth/truth.cc); here the page is compared.

import { readdirSync, readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { OUTSIDE, type Event } from "../src/events";
import { parse } from "../src/sim/scenario";
import { simulate } from "../src/sim/simulate";

const folder = new URL("../truth/scenarios/", import.meta.url);

// As truth.cc prints it. What only the page tells of, such as a search, is left out.
function lineOf(event: Event): string | null {
  const who = event.worker === OUTSIDE ? "outside" : `worker ${event.worker}`;
  const said = ((): string | null => {
    switch (event.kind) {
      case "spawn":
        return `spawn ${event.task}${event.parent === null ? "" : ` by ${event.parent}`}`;
      case "wake":
        return `wake ${event.task}`;
      case "push":
      case "pop": {
        const queue = event.queue.split(":")[0]!;
        return `${event.kind} ${event.task} ${queue === "slot" ? "lifo" : queue}`;
      }
      case "poll":
        return `poll ${event.task}`;
      case "pollEnd":
        return `poll ${event.task} ${event.result}`;
      case "steal":
        return `steal ${event.count} from ${event.victim}`;
      case "unpark":
      case "park":
        return event.kind;
      default:
        return null;
    }
  })();
  return said === null ? null : `${who}: ${said}`;
}

describe("the page does what the reference does", () => {
  const names = readdirSync(folder).filter((name) => name.endsWith(".txt"));

  it.each(names)("%s", (name) => {
    const [text, expected] = readFileSync(new URL(name, folder), "utf8").split("---\n") as [string, string];
    const seed = Number(/^seed (\d+)$/m.exec(text)?.[1] ?? 0);
    const result = parse(text.replace(/^seed .*$/m, ""));
    if (!result.ok) throw new Error(JSON.stringify(result.errors));
    const { events } = simulate(result.scenario, seed, "stepped");
    expect(events.flatMap((event) => lineOf(event) ?? []).join("\n")).toBe(expected.trimEnd());
  });
});
