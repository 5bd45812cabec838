// What happens in a runtime, one event at a time. The simulation makes them, and so does a recorded
// trace; frame.ts folds them into pictures and explain.ts says why each one happened.

export type TaskId = number;

// Who did it: a worker's number, or one of these.
export const OUTSIDE = -1;
export const DRIVER = -2;

// "ready", "shared" and "inject" belong to nobody; "slot:0", "local:0" and "backlog:0" to worker 0.
export type QueueName = string;

export type PollResult = "ready" | "pending" | "threw" | "running";

// What a waiting task waits for.
export type Cause = "io" | "timer" | "channel" | "job" | "itself" | "task" | "unknown";

export type Happening =
  | { readonly kind: "spawn"; readonly task: TaskId; readonly name: string; readonly parent: TaskId | null }
  | { readonly kind: "push"; readonly task: TaskId; readonly queue: QueueName }
  | { readonly kind: "pop"; readonly task: TaskId; readonly queue: QueueName }
  | { readonly kind: "poll"; readonly task: TaskId; readonly length: number }
  | { readonly kind: "pollEnd"; readonly task: TaskId; readonly result: PollResult; readonly lost: boolean }
  | { readonly kind: "register"; readonly task: TaskId; readonly on: Cause; readonly until: number | null }
  | { readonly kind: "happen"; readonly task: TaskId; readonly on: Cause }
  | { readonly kind: "fire"; readonly task: TaskId; readonly on: Cause }
  | { readonly kind: "cascade"; readonly slot: number; readonly tasks: readonly TaskId[] }
  | { readonly kind: "wake"; readonly task: TaskId; readonly by: Cause; readonly waker: TaskId | null }
  | { readonly kind: "steal"; readonly victim: number; readonly count: number }
  | { readonly kind: "overflow"; readonly count: number }
  | { readonly kind: "search" }
  | { readonly kind: "searchEnd"; readonly found: boolean }
  | { readonly kind: "park" }
  | { readonly kind: "unpark"; readonly target: number | null }
  | { readonly kind: "awake" }
  | { readonly kind: "quiet"; readonly searching: number; readonly asleep: number }
  | { readonly kind: "lockWait"; readonly ticks: number }
  | { readonly kind: "look" }
  | { readonly kind: "budget"; readonly task: TaskId; readonly left: number }
  | { readonly kind: "forcedYield"; readonly task: TaskId }
  | { readonly kind: "send"; readonly task: TaskId; readonly channel: string; readonly length: number; readonly room: number }
  | { readonly kind: "receive"; readonly task: TaskId; readonly channel: string; readonly length: number; readonly room: number }
  | { readonly kind: "job"; readonly task: TaskId; readonly thread: number; readonly begins: boolean }
  | { readonly kind: "cancel"; readonly task: TaskId }
  | { readonly kind: "mark"; readonly text: string }
  | { readonly kind: "end"; readonly waiting: number };

// `t` counts ticks in a simulation and microseconds in a recorded trace.
export type Event = Happening & { readonly t: number; readonly worker: number };
