// The stages of the page, one for each module: what to read, what to run, what can be changed.

export interface Example {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

export interface Slider {
  readonly name: string;
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly value: number;
}

export interface Button {
  readonly label: string;
  readonly line: (at: number) => string; // added to the scenario, so that it happens now
}

export interface Question {
  readonly question: string;
  readonly answer: string;
}

export type Comparison = "workers" | "queues" | "budget" | "memory";

export interface Stage {
  readonly id: string;
  readonly short: string;
  readonly title: string;
  readonly lesson: string; // the folder whose README goes with it
  readonly paragraphs: readonly string[];
  readonly questions: readonly Question[];
  readonly examples: readonly Example[];
  readonly sliders: readonly Slider[];
  readonly build: (values: Readonly<Record<string, number>>) => string; // the sliders' scenario
  readonly buttons: readonly Button[];
  readonly comparison: Comparison | null;
}

const lines = (...all: string[]): string => all.join("\n");

const problem: Stage = {
  id: "0",
  short: "0 Threads",
  title: "A thread each",
  lesson: "module0-problem",
  paragraphs: [
    "A server gives each connection a thread. The thread reads, answers and reads again. Between two lines of a client it does nothing; but it is there, with a stack in your process and a second one in the kernel.",
    "Every circle is a thread. Watch how few of them run at any moment. Then add connections, and look at the bill.",
  ],
  questions: [
    {
      question: "A thread for each of thousands of connections: what runs out?",
      answer: "Not the processor: almost all threads wait. Memory and the kernel's tables run out. A waiting thread remembers a few dozen bytes (where it is, what it still has to send) and keeps tens of kilobytes of stack for that. So keep the place, and give back the thread.",
    },
  ],
  examples: [
    { id: "few", title: "Twelve connections", text: lines("queue threads", "spawn 5 each: io 9, busy 2, io 24, busy 1", "spawn 4 each: busy 1, io 31, busy 1, io 23, busy 1", "spawn 3 each: io 17, busy 1, io 5, busy 3") },
    { id: "slow", title: "One client sends nothing for a long time", text: lines("queue threads", "spawn Slow: busy 1, io 200, busy 1", "spawn 8 each: io 7, busy 1, io 12, busy 2") },
  ],
  sliders: [{ name: "connections", label: "Connections", min: 1, max: 1000, value: 100 }],
  build: (v) => {
    const each = Math.floor(v["connections"]! / 4);
    const kinds = ["io 11, busy 1, io 31", "io 17, busy 1, io 5", "io 29, busy 2", "io 41, busy 1"];
    const counts = kinds.map((_, i) => (i === 0 ? v["connections"]! - 3 * each : each));
    return lines("queue threads", ...kinds.flatMap((kind, i) => (counts[i]! > 0 ? [`spawn ${counts[i]} each: ${kind}`] : [])));
  },
  buttons: [{ label: "Add 10 connections", line: (at) => `at ${at} spawn 10 each: io 15, busy 1, io 40, busy 1` }],
  comparison: "memory",
};

const executor: Stage = {
  id: "1",
  short: "1 Executor",
  title: "One executor",
  lesson: "module1-executor",
  paragraphs: [
    "A future is work with one function: poll. It never waits. It answers ready (it has ended) or pending: I cannot go on, and I have arranged that somebody calls my waker when I can.",
    "A task is a future that an executor has promised to run. The executor takes the first task of its ready queue, polls it, and takes the next. Nothing else runs meanwhile.",
  ],
  questions: [
    {
      question: "An async function is called: who runs it?",
      answer: "Nobody, yet. The call makes an object that is at its beginning. It runs when something polls it: the future that awaits it, or an executor, after spawn or block_on.",
    },
    {
      question: "A poll says pending: is the task queued again at once?",
      answer: "No. Then the executor would poll it again and again and burn the processor. It is queued again when its waker is called. That is why the waker must be left somewhere before pending is returned: a task that leaves none is never polled again.",
    },
  ],
  examples: [
    { id: "first", title: "Three tasks: ready, pending, yields", text: lines("queue local", "spawn A: busy 3", "spawn B: busy 1, io 6, busy 2", "spawn C: busy 1, yield, busy 1") },
    { id: "lost", title: "A task that leaves no waker", text: lines("queue local", "spawn A: busy 2", "spawn Lost: busy 1, forget", "spawn B: busy 1, io 4, busy 1") },
    { id: "wakes", title: "One task wakes another", text: lines("queue local", "spawn Waits: wait, busy 2", "spawn Wakes: busy 3, wake Waits, busy 1") },
    { id: "inside", title: "A task spawns tasks", text: lines("queue local", "spawn A: busy 1, spawn 3 (busy 1), busy 2", "spawn B: busy 2") },
  ],
  sliders: [
    { name: "tasks", label: "Tasks", min: 1, max: 12, value: 4 },
    { name: "yields", label: "Yields of each", min: 0, max: 4, value: 1 },
  ],
  build: (v) => lines("queue local", `spawn ${v["tasks"]} each: busy 1${v["yields"]! > 0 ? `, yield ${v["yields"]}` : ""}, busy 1`),
  buttons: [
    { label: "Spawn: says ready", line: (at) => `at ${at} spawn 1 each: busy 2` },
    { label: "Spawn: says pending", line: (at) => `at ${at} spawn 1 each: busy 1, io 8, busy 1` },
    { label: "Spawn: yields", line: (at) => `at ${at} spawn 1 each: busy 1, yield 2, busy 1` },
    { label: "Spawn: leaves no waker", line: (at) => `at ${at} spawn 1 each: busy 1, forget` },
  ],
  comparison: null,
};

const reactor: Stage = {
  id: "2",
  short: "2 Reactor",
  title: "The reactor",
  lesson: "module2-reactor",
  paragraphs: [
    "A task that reads from an empty socket leaves its waker with the reactor and says pending. When no task is ready, the thread sleeps in one place: epoll_wait, until a socket is ready, the next timer is due, or somebody wakes it.",
    "Timers stand in a wheel. The outer ring has a slot for each of the next ticks; the inner ring has one for every 64. When the time of an inner slot begins, its timers move out.",
  ],
  questions: [
    {
      question: "A task waits for the outside: does the whole thread?",
      answer: "No. The task is an object in the waiting area. The thread goes on with whatever is ready, and sleeps only when nothing is.",
    },
    {
      question: "The kernel says “ready”: how does the task come back to the queue?",
      answer: "epoll gives back a number. The reactor finds under that number who left a waker, and calls it. The wake puts the task into the ready queue, and later the executor polls it: it tries its read again, and now there are bytes.",
    },
  ],
  examples: [
    { id: "sockets", title: "Three sockets, one thread", text: lines("queue local", "spawn A: busy 1, io 12, busy 2", "spawn B: busy 1, io 6, busy 1, io 9, busy 1", "spawn C: busy 4") },
    { id: "timers", title: "Timers, near and far", text: lines("queue local", "spawn Near: sleep 9", "spawn Next: sleep 30, busy 1", "spawn Far: sleep 100, busy 1", "spawn Farther: sleep 170") },
    { id: "busy", title: "An event while the thread is busy", text: lines("queue local", "spawn A: busy 1, io 4, busy 1", "spawn Busy: busy 25", "spawn B: busy 1, io 8, busy 1") },
    { id: "byhand", title: "Make the events happen yourself", text: lines("queue local", "spawn A: io, busy 1", "spawn B: io, busy 1", "spawn C: io, busy 1", "spawn Clock: sleep 300") },
  ],
  sliders: [
    { name: "sockets", label: "Sockets", min: 0, max: 12, value: 4 },
    { name: "timers", label: "Timers", min: 0, max: 8, value: 3 },
  ],
  build: (v) =>
    lines(
      "queue local",
      ...Array.from({ length: v["sockets"]! }, (_, i) => `spawn S${i + 1}: busy 1, io ${5 + ((i * 7) % 23)}, busy 1`),
      ...Array.from({ length: v["timers"]! }, (_, i) => `spawn T${i + 1}: sleep ${8 + i * 27}`),
      ...(v["sockets"]! + v["timers"]! === 0 ? ["spawn A: busy 1"] : []),
    ),
  buttons: [
    { label: "Set a timer: 10 ticks", line: (at) => `at ${at} spawn 1 each: sleep 10` },
    { label: "Set a timer: 90 ticks", line: (at) => `at ${at} spawn 1 each: sleep 90` },
    { label: "Spawn a task that reads", line: (at) => `at ${at} spawn 1 each: io, busy 1` },
  ],
  comparison: null,
};

const threads: Stage = {
  id: "3",
  short: "3 Shared queue",
  title: "Several workers, one queue",
  lesson: "module3-multithread",
  paragraphs: [
    "A thread for each core, and all of them take from one queue. Now several polls happen at once. A task is in the queue at most once, however many wake it, so it is never polled on two threads.",
    "The queue has a lock. While the polls are long nobody notices. Make them short: the workers wait for each other at the lock, and more workers do no more work.",
  ],
  questions: [
    {
      question: "One thread is busy: how do we use the other cores?",
      answer: "Start a worker on each core, and let any of them poll any task. Then a task must be able to move between threads, and one word in it decides who may poll it.",
    },
    {
      question: "They share one queue: what do they wait for?",
      answer: "For its lock, and for the cache line that the lock lies on: it wanders from core to core with each task. With polls that are short, that is most of what the workers do.",
    },
  ],
  examples: [
    { id: "long", title: "Three workers, long polls", text: lines("queue shared", "workers 3", "spawn 12 each: busy 12") },
    { id: "short", title: "Four workers, short polls", text: lines("queue shared", "workers 4", "spawn 12 each: busy 1, yield 2, busy 1") },
    { id: "waits", title: "Workers that wait, one of them in epoll", text: lines("queue shared", "workers 3", "spawn 6 each: busy 2, io 15, busy 3") },
  ],
  sliders: [
    { name: "workers", label: "Workers", min: 1, max: 8, value: 3 },
    { name: "length", label: "Length of a poll", min: 1, max: 30, value: 2 },
    { name: "tasks", label: "Tasks", min: 1, max: 60, value: 16 },
  ],
  build: (v) => lines("queue shared", `workers ${v["workers"]}`, `spawn ${v["tasks"]} each: busy ${v["length"]}, yield, busy ${v["length"]}`),
  buttons: [
    { label: "Spawn 5 tasks", line: (at) => `at ${at} spawn 5 each: busy 4` },
    { label: "Spawn one long task", line: (at) => `at ${at} spawn 1 each: busy 40` },
  ],
  comparison: "workers",
};

const stealing: Stage = {
  id: "4",
  short: "4 Stealing",
  title: "Work stealing",
  lesson: "module4-stealing",
  paragraphs: [
    "Each worker has a queue of its own, and a slot for the task that was made ready last. Both cost no lock. What comes from outside goes to the inject queue.",
    "A worker that runs dry takes a share of inject, and if that is empty it searches: it takes the older half of another worker's queue, from the end at which the owner takes too, without a lock. A worker that finds nothing sleeps, and looks once more before it does.",
  ],
  questions: [
    {
      question: "A worker runs dry beside a busy one: what does it do?",
      answer: "It steals half of the busy one's queue. Half, so that it need not come again soon; the oldest, since the newest are warm in the owner's cache. Nobody else is woken while one searches.",
    },
  ],
  examples: [
    { id: "steal", title: "One worker spawns, the others steal", text: lines("queue stealing", "workers 3", "spawn A: busy 1, spawn 12 (busy 8), busy 4") },
    { id: "overflow", title: "A ring of four overflows", text: lines("queue stealing", "workers 2", "ring 4", "spawn A: busy 1, spawn 9 (busy 3), busy 6") },
    { id: "inject", title: "Everything comes from outside", text: lines("queue stealing", "workers 3", "spawn 9 each: busy 5", "at 12 spawn 6 each: busy 5") },
    { id: "slot", title: "Two tasks that wake each other, by the slot", text: lines("queue stealing", "workers 2", "room 1", "spawn Ping: send a, receive b, send a, receive b, send a, receive b", "spawn Pong: receive a, send b, receive a, send b, receive a, send b") },
  ],
  sliders: [
    { name: "workers", label: "Workers", min: 1, max: 8, value: 3 },
    { name: "tasks", label: "Tasks", min: 1, max: 60, value: 18 },
    { name: "imbalance", label: "Spawned by one task, of ten", min: 0, max: 10, value: 8 },
    { name: "gap", label: "Ticks between arrivals", min: 0, max: 20, value: 2 },
    { name: "steal", label: "Stealing (0 off, 1 on)", min: 0, max: 1, value: 1 },
  ],
  build: (v) => {
    const inside = Math.round((v["tasks"]! * v["imbalance"]!) / 10);
    const outside = v["tasks"]! - inside;
    return lines(
      "queue stealing",
      `workers ${v["workers"]}`,
      `stealing ${v["steal"] === 1 ? "on" : "off"}`,
      ...(inside > 0 ? [`spawn Root: busy 1, spawn ${inside} (busy 6), busy 2`] : []),
      ...Array.from({ length: outside }, (_, i) => `at ${i * v["gap"]!} spawn 1 each: busy 6`),
    );
  },
  buttons: [
    { label: "Spawn 6 from outside", line: (at) => `at ${at} spawn 6 each: busy 6` },
    { label: "Spawn one that spawns 8", line: (at) => `at ${at} spawn 1 each: busy 1, spawn 8 (busy 6), busy 3` },
  ],
  comparison: "queues",
};

const coop: Stage = {
  id: "5",
  short: "5 Budgets",
  title: "Good tasks and bad tasks",
  lesson: "module5-coop",
  paragraphs: [
    "A poll cannot be interrupted. A good task awaits often, and lets go when it must wait. A bad one computes for long, or awaits only what is always ready at once, and its worker's other tasks get no turn.",
    "The budget ends the second kind: each await that is ready at once costs one, and when the budget is spent the next one says pending. Against a long computation it does not help: nothing asks. That work belongs to a thread that may block.",
  ],
  questions: [
    {
      question: "A task is long: who else gets a turn?",
      answer: "On its worker nobody, until it awaits. What stands in that worker's queue can be stolen by others, if there are others; its slot cannot.",
    },
    {
      question: "A task never awaits: who stops it?",
      answer: "Nobody. A runtime without preemption can only ask where it is called: at an await. So spawn_blocking moves such work to a thread of its own, and a watchdog may complain.",
    },
  ],
  examples: [
    { id: "greedy", title: "A task whose awaits are always ready: no budget", text: lines("queue stealing", "workers 1", "budget off", "spawn Bad: await 30", "spawn 4 each: busy 1, yield, busy 1") },
    { id: "budget", title: "The same, with a budget of 6", text: lines("queue stealing", "workers 1", "budget 6", "spawn Bad: await 30", "spawn 4 each: busy 1, yield, busy 1") },
    { id: "blocking", title: "Long work, given to a blocking thread", text: lines("queue stealing", "workers 1", "budget 6", "spawn Long: busy 1, block 30, busy 1", "spawn 4 each: busy 2, yield 2, busy 1") },
    { id: "compute", title: "Long work on the worker itself", text: lines("queue stealing", "workers 2", "budget 6", "spawn Long: busy 40", "spawn 6 each: busy 2, yield 2, busy 1") },
  ],
  sliders: [
    { name: "good", label: "Good tasks", min: 1, max: 20, value: 6 },
    { name: "bad", label: "Bad tasks", min: 0, max: 4, value: 1 },
    { name: "budget", label: "Budget (0: off)", min: 0, max: 32, value: 0 },
    { name: "workers", label: "Workers", min: 1, max: 2, value: 1 },
  ],
  build: (v) =>
    lines(
      "queue stealing",
      `workers ${v["workers"]}`,
      `budget ${v["budget"] === 0 ? "off" : v["budget"]}`,
      ...(v["bad"]! > 0 ? [`spawn ${v["bad"]} each: await 40`] : []),
      `spawn ${v["good"]} each: busy 1, yield 2, busy 1`,
    ),
  buttons: [
    { label: "Spawn a good task", line: (at) => `at ${at} spawn 1 each: busy 1, yield 2, busy 1` },
    { label: "Spawn a bad task", line: (at) => `at ${at} spawn 1 each: await 40` },
    { label: "Spawn blocking work", line: (at) => `at ${at} spawn 1 each: busy 1, block 25, busy 1` },
  ],
  comparison: "budget",
};

const more: Stage = {
  id: "more",
  short: "More",
  title: "Channels, cancellation",
  lesson: "module3-multithread",
  paragraphs: [
    "A bounded channel has room for a few values. A sender that finds it full waits, and is woken when the receiver makes room. So a fast sender goes no faster than the slow receiver: that is backpressure.",
    "To cancel a task is to destroy its future. It holds no thread, so nothing has to be interrupted.",
  ],
  questions: [],
  examples: [
    { id: "channel", title: "A fast sender, a slow receiver", text: lines("queue local", "room 2", "spawn Sender: send c, send c, send c, send c, send c, send c", "spawn Receiver: receive c, busy 4, receive c, busy 4, receive c, busy 4, receive c, busy 4, receive c, busy 4, receive c") },
    { id: "origin", title: "Spawned from inside, and from outside", text: lines("queue stealing", "workers 2", "spawn Inside: busy 1, spawn 4 (busy 4), busy 2", "at 3 spawn 4 each: busy 4") },
    { id: "cancel", title: "Cancelled while it sleeps", text: lines("queue local", "spawn Sleeper: sleep 80, busy 5", "spawn A: busy 2, io 10, busy 1", "at 20 cancel Sleeper") },
  ],
  sliders: [{ name: "room", label: "Room of the channel", min: 1, max: 8, value: 2 }],
  build: (v) =>
    lines("queue local", `room ${v["room"]}`, `spawn Sender: ${Array.from({ length: 8 }, () => "send c").join(", ")}`, `spawn Receiver: ${Array.from({ length: 8 }, () => "receive c, busy 3").join(", ")}`),
  buttons: [{ label: "Spawn a task", line: (at) => `at ${at} spawn 1 each: busy 3` }],
  comparison: null,
};

export const STAGES: readonly Stage[] = [problem, executor, reactor, threads, stealing, coop, more];
