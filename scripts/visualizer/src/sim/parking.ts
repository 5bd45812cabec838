// What every scheduler of the simulation tells the loop about a step of a worker.

export type StepEnd = "ran" | "slept";
