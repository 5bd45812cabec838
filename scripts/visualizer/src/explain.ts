// explain(frame): what the last event was, and why it happened, in one or two sentences.

import { OUTSIDE, type Cause, type Event, type TaskId } from "./events";
import { queueOf, taskOf, type Frame } from "./frame";

export interface Caption {
  readonly what: string;
  readonly why: string;
}

export interface Setting {
  readonly units: "ticks" | "µs";
  readonly threads: boolean; // a thread for each task, as in module 0
}

const SIMULATION: Setting = { units: "ticks", threads: false };

const EVENT_OF: Record<Cause, string> = {
  io: "its socket",
  timer: "its timer",
  channel: "the channel",
  job: "a blocking thread",
  itself: "itself",
  task: "another task",
  unknown: "something",
};

export function explain(frame: Frame, setting: Setting = SIMULATION): Caption {
  const event = frame.last;
  if (!event) return { what: "Nothing has happened yet.", why: "Press play, or step forward." };
  const { what, why } = (setting.threads ? ofThreads(frame) : null) ?? ofTasks(frame, event, setting);
  return { what: capital(what), why };
}

function ofTasks(frame: Frame, event: Event, setting: Setting): Caption {
  const { units } = setting;
  const name = (id: TaskId | null): string => taskOf(frame, id)?.name ?? "?";
  const who = event.worker >= 0 ? `worker ${event.worker}` : event.worker === OUTSIDE ? "the outside" : "the driver";
  const Who = who.charAt(0).toUpperCase() + who.slice(1);
  switch (event.kind) {
    case "spawn":
      return event.parent === null
        ? { what: `${name(event.task)} is spawned from outside.`, why: "A task is a future that somebody has promised to run. Nothing of it has run yet." }
        : { what: `${name(event.parent)} spawns ${name(event.task)}.`, why: "It was spawned inside a poll, so it begins on the same worker, where its data is warm." };
    case "push":
      return { what: `${name(event.task)} goes into ${queueWords(event.queue)}.`, why: whyPushed(frame, event.queue) };
    case "pop":
      return { what: `${Who} takes ${name(event.task)} out of ${queueWords(event.queue)}.`, why: whyPopped(event.queue) };
    case "poll":
      return { what: `${Who} polls ${name(event.task)}.`, why: "Poll means: go on as far as you can. Until it returns, this thread runs nothing else." };
    case "pollEnd":
      return pollEnded(frame, event.task, event.result, event.lost);
    case "register":
      return {
        what: `${name(event.task)} leaves its waker with ${EVENT_OF[event.on]}${event.until === null ? "" : ` (due at ${event.until} ${units})`}.`,
        why: "The waker must be there before Pending is returned: an event that came in between would find nobody to wake.",
      };
    case "happen":
      return { what: `What ${name(event.task)} waits for has happened.`, why: "The kernel knows. The runtime hears of it when somebody asks epoll: a worker that has nothing to run sleeps there." };
    case "fire":
      return event.on === "timer"
        ? { what: `The timer of ${name(event.task)} is due.`, why: "The wheel gives out what has come due, and no other timer was looked at." }
        : { what: `epoll says: the socket of ${name(event.task)} is ready.`, why: "The reactor finds, by the number that the kernel gives back, who left a waker there." };
    case "cascade":
      return { what: `The wheel turns: ${event.tasks.map(name).join(", ")} ${event.tasks.length === 1 ? "comes" : "come"} down a level.`, why: "A slot of the inner ring stands for 64 ticks. When its time begins, its timers are sorted into the outer one." };
    case "wake":
      return {
        what: event.waker === event.task ? `${name(event.task)} wakes itself: it yields.` : `${event.waker === null ? capital(EVENT_OF[event.by]) : name(event.waker)} wakes ${name(event.task)}.`,
        why: event.waker === event.task ? "It could go on, and lets others have a turn. Its poll will say pending, and it is queued again." : "To wake is to put the task back into a queue. It is not polled here and now.",
      };
    case "steal":
      return { what: `${Who} steals ${event.count === 1 ? "a task" : `${event.count} tasks`} from worker ${event.victim}.`, why: "Half of the victim's queue, oldest first, so that the thief need not come again soon. The last of them it runs; the victim goes on undisturbed." };
    case "overflow":
      return { what: `The ring of ${who} is full: ${event.count} tasks leave it.`, why: "The newer half goes: tasks that were never polled to this worker's backlog, the others to the inject queue." };
    case "search":
      return { what: `${Who} has nothing to run, and searches.`, why: "It says so first: whoever pushes a task now need not wake anybody. At most half of the workers search." };
    case "searchEnd":
      return event.found
        ? { what: `${Who} has found a task and stops searching.`, why: "If it was the last one to search, it wakes another, in case there is more: others kept quiet because of it." }
        : { what: `${Who} has found nothing.`, why: "After it has said that it stops, it looks everywhere once more: somebody may have pushed in between." };
    case "park":
      return { what: `${Who} sleeps.`, why: asleepWhy(frame) };
    case "unpark":
      return { what: `${Who} wakes ${event.target === null ? "a worker" : `worker ${event.target}`}.`, why: "There is a task that any worker may take, one sleeps, and nobody is looking already. It takes a while until that thread runs." };
    case "quiet":
      return {
        what: `${Who} wakes nobody.`,
        why: `A task was pushed and ${count(event.asleep, "worker")} ${event.asleep === 1 ? "sleeps" : "sleep"}, but ${count(event.searching, "worker")} ${event.searching === 1 ? "is" : "are"} searching: the task will be found without paying for a wake-up.`,
      };
    case "awake":
      return { what: `${Who} is awake.`, why: "Its sleep has ended: it was unparked, or epoll has something for it." };
    case "lockWait":
      return { what: `${Who} waits at the lock for ${event.ticks} ${units}.`, why: "Another worker is at the queue. A core that waits for a lock does nothing for anybody." };
    case "look":
      return { what: `${Who} asks epoll, without sleeping.`, why: "It has been busy for many polls. Without this look the sockets would wait until it runs dry." };
    case "budget":
      return { what: `${name(event.task)} awaits something that is ready at once: ${event.left} left of its budget.`, why: "It goes on without a break. The budget counts these, since each might have been the moment to let others run." };
    case "forcedYield":
      return { what: `The budget of ${name(event.task)} is spent: it must yield.`, why: "The next await answers pending although it could go on. So a task that always has something to do still lets go." };
    case "send":
      return { what: `${name(event.task)} sends by channel ${event.channel} (${event.length} of ${event.room}).`, why: event.length === event.room ? "Now it is full: the next sender will have to wait. That is backpressure." : "There was room, so it need not wait." };
    case "receive":
      return { what: `${name(event.task)} receives from channel ${event.channel} (${event.length} of ${event.room} left).`, why: "A place is free again: a sender that waited for room is woken." };
    case "job":
      return event.begins
        ? { what: `${name(event.task)} hands blocking work to thread ${event.thread}.`, why: "That thread may block: no task shares it. The worker is free meanwhile." }
        : { what: `Blocking thread ${event.thread} is done for ${name(event.task)}.`, why: "It wakes the task from outside of the runtime." };
    case "cancel":
      return { what: `${name(event.task)} is cancelled: its future is dropped.`, why: "A task that waits holds no thread. To cancel it is to destroy an object, and its timers and wakers with it." };
    case "mark":
      return { what: event.text, why: "A mark, left by the program itself." };
    case "end":
      return event.waiting === 0
        ? { what: "All tasks have ended.", why: "Nothing is left to run." }
        : { what: `Nothing can happen any more, and ${count(event.waiting, "task")} ${event.waiting === 1 ? "has" : "have"} not ended.`, why: lostWhy(frame) };
  }
}

// Module 0 has threads where the others have tasks.
function ofThreads(frame: Frame): Caption | null {
  const event = frame.last;
  if (!event || !("task" in event)) return null;
  const name = taskOf(frame, event.task)?.name ?? "?";
  switch (event.kind) {
    case "spawn":
      return { what: `A client connects: thread ${name} is started for it.`, why: "From now on it has a stack in the process and another in the kernel, whatever it does." };
    case "poll":
      return { what: `Thread ${name} runs.`, why: "It has something to do. Threads that run share the cores; the kernel sees to that." };
    case "register":
      return { what: `Thread ${name} calls read, and nothing is there.`, why: "A blocking read does not return. The kernel notes who waits for this socket." };
    case "pollEnd":
      return event.result === "ready"
        ? { what: `The client of thread ${name} has gone: the thread ends.`, why: "Its stacks are given back." }
        : { what: `Thread ${name} waits in read.`, why: "It does nothing, and keeps both stacks. All they are for is to remember a place in the code." };
    case "happen":
      return { what: `The client of thread ${name} has sent a line.`, why: "The kernel knows which thread waits for this socket." };
    case "fire":
    case "wake":
      return { what: `The kernel lets thread ${name} go on.`, why: "To switch to it costs a microsecond or more, and its memory has gone cold." };
    default:
      return null;
  }
}

function pollEnded(frame: Frame, id: TaskId, result: string, lost: boolean): Caption {
  const task = taskOf(frame, id);
  const name = task?.name ?? "?";
  if (result === "ready") return { what: `${name} says ready: it has ended.`, why: "Its output is there. It will not be polled again." };
  if (result === "threw") return { what: `${name} has thrown an exception: it has ended.`, why: "Whoever joins it gets the exception." };
  if (result === "running") return { what: `${name} was still being polled when the trace ended.`, why: "If that took long, look what it does without awaiting." };
  if (lost) return { what: `${name} says pending, and has left no waker: it is lost.`, why: "Nobody will ever wake it, and an executor does not ask again by itself. This is the bug of a future that breaks its promise." };
  if (task?.state === "ready") return { what: `${name} says pending, and is queued again.`, why: "It was woken during its own poll. It stands behind all that were ready before." };
  if ((task?.waitsFor ?? "unknown") === "unknown") return { what: `${name} says pending: it waits.`, why: "It lets go of the thread, and comes back when its waker is called." };
  return { what: `${name} says pending: it waits for ${EVENT_OF[task?.waitsFor ?? "unknown"]}.`, why: "It lets go of the thread. It is not queued: it comes back when its waker is called, and not before." };
}

function queueWords(queue: string): string {
  const [kind, owner] = queue.split(":");
  switch (kind) {
    case "ready":
      return "the ready queue";
    case "shared":
      return "the shared queue";
    case "inject":
      return "the inject queue";
    case "local":
      return `the queue of worker ${owner}`;
    case "slot":
      return `the slot of worker ${owner}`;
    case "backlog":
      return `the backlog of worker ${owner}`;
    default:
      return `the queue ${kind}`;
  }
}

function whyPushed(frame: Frame, queue: string): string {
  const length = queueOf(frame, queue).length;
  switch (queue.split(":")[0]) {
    case "ready":
      return length === 1 ? "It is the only one that is ready." : `${length - 1} ${length === 2 ? "stands" : "stand"} before it. First come, first served.`;
    case "shared":
      return "All workers push and take here, under one lock.";
    case "inject":
      return "It comes from outside, or its worker has no room. This queue belongs to nobody, and has a lock.";
    case "slot":
      return "The newest is run next: it is what somebody waits for, and its data is in the cache. Nobody steals it.";
    case "backlog":
      return "The ring is full, and this task was never polled: it can wait in a bundle.";
    default:
      return "Its own worker's queue: no lock. It joins at the back; the owner and the thieves take from the front.";
  }
}

function whyPopped(queue: string): string {
  switch (queue.split(":")[0]) {
    case "ready":
      return "It has been ready longest.";
    case "shared":
      return "The first of the queue, under the lock.";
    case "inject":
      return "Its own queue is empty, or it is inject's turn: so that nothing waits there for ever.";
    case "slot":
      return "The slot comes first: what was made ready last.";
    case "backlog":
      return "The ring has run dry. A batch of the backlog comes before looking elsewhere.";
    default:
      return "The oldest of its own queue. That took no lock.";
  }
}

function asleepWhy(frame: Frame): string {
  if (frame.counts.waiting > 0) return "Nothing is ready. It sleeps in epoll, or until somebody unparks it, and costs nothing meanwhile.";
  return frame.counts.ready + frame.counts.running === 0 ? "No task is left." : "There is nothing for it to run. It costs nothing until it is woken.";
}

function lostWhy(frame: Frame): string {
  if (frame.counts.lost > 0) return "A task said pending without leaving its waker anywhere. It is lost for ever; no error is printed. That is why the promise of pending matters.";
  return "They wait for events that nobody will bring. (Make one happen with the buttons.)";
}

function count(n: number, what: string): string {
  return n === 0 ? `no ${what}` : `${n} ${what}${n === 1 ? "" : "s"}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
