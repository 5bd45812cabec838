// A shape and a word for each state, so that colour never carries the meaning alone.

import type { TaskState } from "../frame";

export const STATES: readonly TaskState[] = ["ready", "running", "waiting", "ended", "lost"];

// Paths in a square from -4 to 4.
export const GLYPHS: Record<TaskState, string> = {
  ready: "M-3,-4 L4,0 L-3,4 Z",
  running: "M1,-4 L-3,1 L0,1 L-1,4 L3,-1 L0,-1 Z",
  waiting: "M-3,-4 H-1 V4 H-3 Z M1,-4 H3 V4 H1 Z",
  ended: "M-4,0 L-1.5,3 L4,-3 L3,-4 L-1.5,1 L-3,-1 Z",
  lost: "M-4,-3 L-3,-4 L0,-1 L3,-4 L4,-3 L1,0 L4,3 L3,4 L0,1 L-3,4 L-4,3 L-1,0 Z",
};

export const WORDS: Record<TaskState, string> = {
  ready: "ready",
  running: "running",
  waiting: "waiting",
  ended: "ended",
  lost: "lost",
};
