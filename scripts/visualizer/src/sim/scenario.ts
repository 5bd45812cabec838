// Scenario: what a simulation runs, as a few lines of text that a learner can write.
//
//   workers 2
//   spawn 3                       three tasks that compute once
//   spawn A: busy 2, io 5, busy 1 a task with steps of its own
//   spawn 20 each: yield 3        twenty of the same kind
//   io A after 5                  adds a step to A: wait for an event that comes 5 ticks later
//   poll B busy 10                adds a step to B: compute for 10 ticks
//   at 30 spawn 5                 later, from outside of the runtime
//   at 40 event A                 what A waits for happens now
//
// A semicolon is as good as a new line, and # begins a comment. A line that cannot be understood is
// an error of that line; nothing runs in its place.

export type Step =
  | { readonly kind: "busy"; readonly ticks: number }
  | { readonly kind: "yield" }
  | { readonly kind: "io"; readonly after: number | null } // null: only `event` makes it happen
  | { readonly kind: "sleep"; readonly ticks: number }
  | { readonly kind: "await" } // on something that is ready at once
  | { readonly kind: "forget" } // pending, and no waker left
  | { readonly kind: "spawn"; readonly count: number; readonly steps: readonly Step[] }
  | { readonly kind: "wake"; readonly name: string }
  | { readonly kind: "wait" } // until another task wakes it
  | { readonly kind: "send"; readonly channel: string }
  | { readonly kind: "receive"; readonly channel: string }
  | { readonly kind: "block"; readonly ticks: number };

export interface TaskPlan {
  readonly name: string;
  readonly steps: readonly Step[];
}

export type Input =
  | { readonly at: number; readonly kind: "spawn"; readonly tasks: readonly TaskPlan[]; readonly line: number }
  | { readonly at: number; readonly kind: "event"; readonly name: string; readonly line: number }
  | { readonly at: number; readonly kind: "cancel"; readonly name: string; readonly line: number };

export type QueueKind = "threads" | "local" | "shared" | "stealing";

export interface Scenario {
  readonly queue: QueueKind;
  readonly workers: number;
  readonly stealing: boolean; // false: nobody steals, and the picture shows what that costs
  readonly budget: number; // 0: none
  readonly ring: number; // the places of a worker's own queue
  readonly room: number; // of a channel
  readonly injectInterval: number;
  readonly lookInterval: number;
  readonly inputs: readonly Input[];
}

export interface LineError {
  readonly line: number; // counted from 1
  readonly message: string;
}

export type Parsed =
  | { readonly ok: true; readonly scenario: Scenario }
  | { readonly ok: false; readonly errors: readonly LineError[] };

export const MOST_TASKS = 2000;
const MOST_LINES = 1000;
const MOST_TICKS = 100_000;

class Complaint extends Error {}

export function parse(text: string): Parsed {
  const reader = new Reader();
  const lines = text.split(/\r?\n/);
  if (lines.length > MOST_LINES) {
    const message = `A scenario has at most ${MOST_LINES} lines, and this one has ${lines.length}.`;
    return { ok: false, errors: [{ line: MOST_LINES + 1, message }] };
  }
  const errors: LineError[] = [];
  lines.forEach((whole, index) => {
    for (const part of whole.replace(/#.*/, "").split(";")) {
      if (part.trim() === "") continue;
      try {
        reader.statement(part.trim(), index + 1);
      } catch (error) {
        if (!(error instanceof Complaint)) throw error;
        errors.push({ line: index + 1, message: error.message });
      }
    }
  });
  for (const late of reader.unknownNames()) errors.push(late);
  errors.sort((a, b) => a.line - b.line);
  return errors.length > 0 ? { ok: false, errors } : { ok: true, scenario: reader.scenario() };
}

// A, B, …, Z, A1, B1, …
export function letterName(index: number): string {
  const round = Math.floor(index / 26);
  return String.fromCharCode(65 + (index % 26)) + (round === 0 ? "" : String(round));
}

interface Draft {
  readonly name: string;
  readonly steps: Step[];
}

class Reader {
  private settings = {
    queue: "local" as QueueKind,
    workers: 1,
    stealing: true,
    budget: 0,
    ring: 256,
    room: 2,
    injectInterval: 31,
    lookInterval: 61,
  };
  private readonly inputs: { at: number; line: number; kind: "spawn" | "event" | "cancel"; name: string; tasks: Draft[] }[] = [];
  private readonly drafts = new Map<string, Draft>();
  private readonly mentioned: { name: string; line: number }[] = [];
  private named = 0;
  private total = 0;

  statement(text: string, line: number): void {
    let at = 0;
    let rest = text;
    const timed = /^at\s+(\S+)\s+(.*)$/.exec(text);
    if (timed) {
      at = number(timed[1]!, "at", 0, MOST_TICKS);
      rest = timed[2]!;
    }
    const [verb, ...words] = rest.split(/\s+/);
    switch (verb) {
      case "queue":
        return this.queue(words[0] ?? "");
      case "workers":
        this.settings.workers = number(words[0], "workers", 1, 8);
        return;
      case "budget":
        this.settings.budget = words[0] === "off" ? 0 : number(words[0], "budget", 1, 1000);
        return;
      case "stealing":
        if (words[0] !== "on" && words[0] !== "off") throw new Complaint("stealing is `on` or `off`.");
        this.settings.stealing = words[0] === "on";
        return;
      case "ring":
        this.settings.ring = number(words[0], "ring", 2, 256);
        if (this.settings.ring % 2 !== 0) throw new Complaint("ring must be even: half of it leaves when it is full.");
        return;
      case "room":
        this.settings.room = number(words[0], "room", 1, 64);
        return;
      case "inject-every":
        this.settings.injectInterval = number(words[0], "inject-every", 1, 1000);
        return;
      case "look-every":
        this.settings.lookInterval = number(words[0], "look-every", 1, 1000);
        return;
      case "spawn":
        this.inputs.push({ at, line, kind: "spawn", name: "", tasks: this.spawn(rest.slice(5).trim()) });
        return;
      case "event":
      case "cancel":
        this.inputs.push({ at, line, kind: verb, name: this.mention(words[0], line), tasks: [] });
        return;
      case "io":
      case "poll":
      case "sleep":
      case "yield":
      case "forget":
      case "block":
        if (timed) throw new Complaint(`\`at\` goes with spawn, event and cancel, not with ${verb}.`);
        return this.added(verb, words);
      default:
        throw new Complaint(
          `Nothing here is called ${JSON.stringify(verb ?? "")}. Lines begin with spawn, io, poll, sleep, yield, block, forget, at, event, cancel, workers, queue, budget, stealing, ring or room.`,
        );
    }
  }

  unknownNames(): LineError[] {
    return this.mentioned
      .filter((m) => !this.drafts.has(m.name))
      .map((m) => ({ line: m.line, message: `No line spawns a task ${m.name}.` }));
  }

  scenario(): Scenario {
    const inputs = this.inputs
      .map((draft): Input =>
        draft.kind === "spawn"
          ? { at: draft.at, line: draft.line, kind: "spawn", tasks: draft.tasks.map((t) => ({ name: t.name, steps: t.steps.slice() })) }
          : { at: draft.at, line: draft.line, kind: draft.kind, name: draft.name },
      )
      .sort((a, b) => a.at - b.at);
    return { ...this.settings, inputs };
  }

  private queue(kind: string): void {
    if (kind !== "threads" && kind !== "local" && kind !== "shared" && kind !== "stealing") {
      throw new Complaint("queue is `threads`, `local`, `shared` or `stealing`.");
    }
    this.settings.queue = kind;
  }

  private mention(name: string | undefined, line: number): string {
    if (name === undefined) throw new Complaint("Here a task's name is missing, such as A.");
    this.mentioned.push({ name, line });
    return name;
  }

  private draft(name: string): Draft {
    if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(name)) throw new Complaint(`A task cannot be called ${JSON.stringify(name)}: a letter, then letters and digits.`);
    if (this.drafts.has(name)) throw new Complaint(`There is a task ${name} already.`);
    if (++this.total > MOST_TASKS) throw new Complaint(`A scenario spawns at most ${MOST_TASKS} tasks.`);
    const draft: Draft = { name, steps: [] };
    this.drafts.set(name, draft);
    return draft;
  }

  private nextName(): string {
    while (this.drafts.has(letterName(this.named))) ++this.named;
    return letterName(this.named);
  }

  // "3", "3 each: STEPS", "A" or "A: STEPS".
  private spawn(words: string): Draft[] {
    const match = /^(\S+?)(\s+each)?\s*(?::\s*(.*))?$/.exec(words);
    if (!match) throw new Complaint("spawn what? `spawn 3`, `spawn A: busy 2, io 5` or `spawn 4 each: yield`.");
    const [, what, each, text] = match;
    const steps = text === undefined ? [] : stepsOf(text);
    if (/^\d+$/.test(what!)) {
      if (text !== undefined && !each) throw new Complaint(`Say \`spawn ${what} each: …\`, for steps of several tasks.`);
      const count = number(what, "spawn", 1, MOST_TASKS);
      return Array.from({ length: count }, () => {
        const draft = this.draft(this.nextName());
        draft.steps.push(...steps);
        return draft;
      });
    }
    const draft = this.draft(what!);
    draft.steps.push(...steps);
    return [draft];
  }

  // "io A after 5", "poll B busy 10", "sleep A for 5", "yield A", "forget A", "block A for 9".
  private added(verb: string, words: readonly string[]): void {
    const name = words[0];
    if (name === undefined) throw new Complaint(`${verb} whom? Name a task, such as \`${verb} A\`.`);
    const draft = this.drafts.get(name);
    if (!draft) throw new Complaint(`No line above spawns a task ${name}.`);
    const numbers = words.slice(1).filter((word) => !["after", "busy", "for", "times"].includes(word));
    const kind = verb === "poll" ? "busy" : verb;
    draft.steps.push(...stepsOf([kind, ...numbers].join(" ")));
  }
}

function number(word: string | undefined, what: string, least: number, most: number): number {
  if (word === undefined || !/^\d+$/.test(word)) throw new Complaint(`${what} needs a number, and here is ${word === undefined ? "nothing" : JSON.stringify(word)}.`);
  const value = Number(word);
  if (value < least || value > most) throw new Complaint(`${what} is between ${least} and ${most}, not ${word}.`);
  return value;
}

// "busy 2, io 5, yield 3". In parentheses the steps of a task that this one spawns.
export function stepsOf(text: string): Step[] {
  const steps: Step[] = [];
  for (const part of split(text)) {
    const inner = /^spawn\s+(\d+)?\s*\((.*)\)$/.exec(part);
    if (inner) {
      steps.push({ kind: "spawn", count: number(inner[1] ?? "1", "spawn", 1, MOST_TASKS), steps: stepsOf(inner[2]!) });
      continue;
    }
    const [verb, word, extra] = part.split(/\s+/);
    if (extra !== undefined) throw new Complaint(`Too many words in the step ${JSON.stringify(part)}. Steps are separated by commas.`);
    steps.push(...stepOf(verb ?? "", word));
  }
  return steps;
}

function stepOf(verb: string, word: string | undefined): Step[] {
  const times = (what: Step): Step[] => Array.from({ length: word === undefined ? 1 : number(word, verb, 1, 1000) }, () => what);
  switch (verb) {
    case "busy":
      return [{ kind: "busy", ticks: number(word, verb, 1, 10_000) }];
    case "yield":
      return times({ kind: "yield" });
    case "io":
      return [{ kind: "io", after: word === undefined ? null : number(word, verb, 1, MOST_TICKS) }];
    case "sleep":
      return [{ kind: "sleep", ticks: number(word, verb, 1, MOST_TICKS) }];
    case "await":
      return times({ kind: "await" });
    case "forget":
      return [{ kind: "forget" }];
    case "block":
      return [{ kind: "block", ticks: number(word, verb, 1, 10_000) }];
    case "spawn":
      return [{ kind: "spawn", count: word === undefined ? 1 : number(word, verb, 1, MOST_TASKS), steps: [] }];
    case "wait":
      return [{ kind: "wait" }];
    case "wake":
      if (word === undefined) throw new Complaint("wake whom? `wake A`.");
      return [{ kind: "wake", name: word }];
    case "send":
    case "receive":
      if (word === undefined) throw new Complaint(`${verb} by which channel? \`${verb} c\`.`);
      return [{ kind: verb, channel: word }];
    default:
      throw new Complaint(
        `No step is called ${JSON.stringify(verb)}. There are busy, yield, io, sleep, await, spawn, wait, wake, send, receive, block and forget.`,
      );
  }
}

// At the commas that are in no parentheses.
function split(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = "";
  for (const c of text) {
    if (c === "(") ++depth;
    if (c === ")") --depth;
    if (depth < 0) throw new Complaint("A closing parenthesis has no opening one.");
    if (c === "," && depth === 0) {
      parts.push(part.trim());
      part = "";
    } else {
      part += c;
    }
  }
  if (depth > 0) throw new Complaint("A parenthesis is not closed.");
  parts.push(part.trim());
  return parts.filter((p) => p !== "");
}
