// The page: it holds the scenario and the step, and puts the pieces together.

import { byId, h } from "./dom";
import { explain, type Setting } from "./explain";
import { Frames } from "./frames";
import type { Frame } from "./frame";
import { fromHash, SPEEDS, toHash } from "./link";
import { compare } from "./measure";
import { chart, lesson } from "./panels";
import { Player } from "./player";
import { choicesFor } from "./predict";
import { parse, type Scenario } from "./sim/scenario";
import { simulate } from "./sim/simulate";
import { STAGES, type Stage } from "./stages";
import { GLYPHS, STATES, WORDS } from "./view/glyphs";
import { BadTrace, load, type Recording } from "./trace/load";
import { EventList } from "./trace/list";
import { textOf } from "./trace/read";
import { warningsOf } from "./trace/warnings";
import { layout, type Options } from "./view/layout";
import { Overview } from "./view/overview";
import { describe, Drawing } from "./view/picture";
import { pngOf, save, svgText } from "./view/export";

const HELP = `spawn 3                    three tasks that compute once
spawn A: busy 2, io 5      a task with steps
spawn 9 each: yield 2      nine of a kind
io A after 5               adds a step to A
poll B busy 10             adds a step to B
at 30 spawn 5              later, from outside
at 40 event A              what A waits for happens
at 50 cancel A             A's future is dropped

steps: busy N, yield N, io N, io, sleep N, await N,
  spawn N (steps), wait, wake A, send c, receive c,
  block N, forget

queue local | shared | stealing | threads
workers N · stealing on | off · budget N | off
ring N · room N · inject-every N · look-every N`;

const reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");

class Page {
  private stage: Stage = STAGES[1]!;
  private example: string | null = null;
  private scenario!: Scenario;
  private frames!: Frames;
  private seed = 1;
  private values: Record<string, number> = {};
  private chosen: number | null = null; // the task that was clicked
  private announced = 0;
  private recording: Recording | null = null; // Shown in place of the scenario, in the stage "own".
  private isOwn = false;
  private listed = 0;
  private readonly list = new EventList(byId("found"), (step) => this.player.goTo(step));

  private readonly svg = byId<SVGSVGElement>("picture");
  private readonly text = byId<HTMLTextAreaElement>("text");
  private readonly scrub = byId<HTMLInputElement>("scrub");
  private readonly predict = byId<HTMLInputElement>("predict");
  private readonly overview = new Overview(byId<HTMLCanvasElement>("overview"));
  private readonly player = new Player((moved) => this.show(moved));
  private readonly drawing = new Drawing(this.svg, (task) => {
    this.chosen = task.id;
    this.showTask(this.frames.at(this.player.step));
  });

  start(): void {
    this.chrome();
    const inside = document.getElementById("trace");
    if (inside?.textContent) this.loadTrace(inside.textContent, inside.dataset["name"] ?? "the trace", inside.dataset["about"] ?? "");
    else this.open(location.hash);
    window.addEventListener("hashchange", () => {
      if (location.hash !== this.hash()) this.open(location.hash);
    });
    window.addEventListener("resize", () => this.show(0));
    document.addEventListener("keydown", (event) => this.key(event));
  }

  // --- What is run ---

  // Goes where a link leads. What it says that is not there is said in the page.
  private open(hash: string): void {
    const link = fromHash(hash);
    if (link.speed !== null) this.player.speed = link.speed;
    byId<HTMLSelectElement>("speed").value = String(this.player.speed);
    if (link.stage === "own") return this.openOwn(link.step ?? 0);
    const complaints: string[] = [];
    let stage = STAGES.find((one) => one.id === link.stage);
    if (!stage) {
      if (link.stage !== null) complaints.push(`There is no stage ${link.stage}.`);
      stage = STAGES[1]!;
    }
    this.seed = link.seed ?? 1;
    byId<HTMLInputElement>("seed").value = String(this.seed);
    this.setStage(stage);
    const example = stage.examples.find((one) => one.id === link.example);
    if (link.example !== null && !example) complaints.push(`Stage ${stage.id} has no scenario ${link.example}.`);
    const first = example ?? stage.examples[0]!;
    this.example = link.text === null ? first.id : null;
    this.text.value = link.text ?? first.text;
    if (!this.run(link.step ?? 0)) {
      complaints.push("The scenario of this link has errors.");
      this.loadExample(first.id);
    }
    if (link.step !== null && link.step > this.player.last) complaints.push(`This run has ${this.player.last} steps, and the link asks for step ${link.step}: this is the last one.`);
    this.notice(complaints.join(" "));
  }

  private setStage(stage: Stage): void {
    this.stage = stage;
    this.setOwn(false);
    this.values = Object.fromEntries(stage.sliders.map((slider) => [slider.name, slider.value]));
    byId("title").textContent = stage.title;
    byId("lesson").replaceChildren(...lesson(stage));
    byId("sliders").replaceChildren(...stage.sliders.map((slider) => this.slider(slider.name)));
    byId("example").replaceChildren(...stage.examples.map((one) => h("option", { value: one.id }, one.title)), h("option", { value: "" }, "(your own)"));
    this.markStage(stage.id);
    document.title = `${stage.title}: see it run`;
  }

  private markStage(id: string): void {
    for (const link of document.querySelectorAll("#stages a")) {
      if (link.getAttribute("data-stage") === id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  // --- A recorded run ---

  private setOwn(isOwn: boolean): void {
    this.isOwn = isOwn;
    for (const id of ["tryit", "chart", "editor", "lesson"]) byId<HTMLElement>(id).hidden = isOwn;
    byId<HTMLElement>("own").hidden = !isOwn;
    this.chosen = null;
  }

  private openOwn(step: number): void {
    this.setOwn(true);
    this.markStage("own");
    byId("title").textContent = "Your own run";
    document.title = "Your own run: see it run";
    const recording = this.recording;
    const events = recording?.events ?? [];
    const lanes = recording?.lanes.length ?? 0;
    this.frames = new Frames(events, lanes);
    this.overview.load(events, lanes);
    this.player.load(events.length, step);
    this.scrub.max = String(events.length);
    const warnings = warningsOf(events);
    byId("about").textContent = recording === null ? "No trace is open." : `${recording.name}: ${events.length} events, ${recording.lanes.length === 1 ? "one thread" : `${recording.lanes.length} threads`}.`;
    byId("warnings").replaceChildren(
      ...(recording?.notes ?? []).map((note) => h("li", {}, note)),
      ...warnings.map((warning) => h("li", {}, warning.text, " ", h("button", { type: "button", click: () => this.player.goTo(warning.step) }, `Step ${warning.step}`))),
    );
    byId<HTMLElement>("nothing").hidden = recording === null || warnings.length > 0;
    const marks = events.flatMap((event, i) => (event.kind === "mark" ? [{ step: i + 1, text: event.text }] : []));
    byId("marks").replaceChildren(
      h("option", { value: "" }, marks.length === 0 ? "(the program left no marks)" : `${marks.length} marks`),
      ...marks.slice(0, 500).map((mark) => h("option", { value: mark.step }, `${mark.step}: ${mark.text}`)),
    );
    this.list.load(this.frames);
    this.notice("");
    this.show(0);
  }

  private loadTrace(text: string, name: string, about = ""): void {
    try {
      this.recording = load(text, name);
    } catch (error) {
      if (!(error instanceof BadTrace)) throw error;
      this.recording = null;
      this.openOwn(0);
      this.notice(error.message);
      return;
    }
    this.openOwn(Number(fromHash(location.hash).step ?? 0));
    if (about !== "") this.notice(about);
  }

  private async openFile(file: File | undefined): Promise<void> {
    if (!file) return;
    try {
      this.loadTrace(await textOf(file, file.name), file.name);
    } catch (error) {
      if (!(error instanceof BadTrace)) throw error;
      this.notice(error.message);
    }
  }

  private loadExample(id: string): void {
    const example = this.stage.examples.find((one) => one.id === id);
    if (!example) return;
    this.example = id;
    this.text.value = example.text;
    this.run(0);
  }

  // Runs what stands in the editor. False, and nothing changes: it has errors.
  private run(step: number): boolean {
    const result = parse(this.text.value);
    const errors = byId("errors");
    if (!result.ok) {
      errors.replaceChildren(...result.errors.slice(0, 5).map((error) => h("p", {}, h("strong", {}, `Line ${error.line}: `), error.message)));
      return false;
    }
    errors.replaceChildren();
    this.scenario = result.scenario;
    const { events } = simulate(this.scenario, this.seed);
    const workers = this.workers();
    this.frames = new Frames(events, workers);
    this.overview.load(events, workers);
    this.player.load(events.length, step);
    this.scrub.max = String(events.length);
    byId<HTMLSelectElement>("example").value = this.example ?? "";
    this.compare();
    this.show(0);
    return true;
  }

  private workers(): number {
    const { queue, workers } = this.scenario;
    return queue === "threads" ? 0 : queue === "local" ? 1 : workers;
  }

  private compare(): void {
    const place = byId("chart");
    if (this.stage.comparison === null) place.replaceChildren();
    else place.replaceChildren(...chart(compare(this.stage.comparison, this.scenario, this.seed)));
  }

  // Adds a line that happens at this step's time. All before it stays as it was.
  private add(line: string): void {
    const step = this.player.step;
    this.text.value = `${this.text.value.trimEnd()}\n${line}`;
    this.example = null;
    if (this.run(step)) this.player.goTo(step);
  }

  // --- What is shown ---

  private show(moved: number): void {
    const frame = this.frames.at(this.player.step);
    this.draw(frame, moved);
    this.scrub.value = String(frame.step);
    const time = this.isOwn ? `${(frame.t / 1000).toFixed(3)} ms` : `tick ${Math.round(frame.t)}`;
    byId("where").textContent = `step ${frame.step} of ${this.player.last}, ${time}`;
    this.scrub.setAttribute("aria-valuetext", `step ${frame.step} of ${this.player.last}`);
    byId("play").textContent = this.player.isPlaying ? "▮▮ Pause" : "▶ Play";
    byId<HTMLButtonElement>("back").disabled = frame.step === 0;
    byId<HTMLButtonElement>("forward").disabled = frame.step === this.player.last;
    this.showCaption(frame);
    this.showLegend(frame);
    this.showTask(frame);
    if (this.isOwn) this.showList(frame.step);
    else this.showEvents(frame);
    this.showChoices(frame);
    // Browsers refuse to have the address changed with every picture.
    if (!this.player.isPlaying) history.replaceState(null, "", this.hash());
  }

  // While it plays, a few times a second are enough to read.
  private showList(step: number): void {
    const now = Date.now();
    if (this.player.isPlaying && now - this.listed < 400) return;
    this.listed = now;
    this.list.show(step);
  }

  private draw(frame: Frame, moved: number): void {
    const jumps = Math.abs(moved) !== 1 || reducedMotion.matches;
    const duration = jumps ? 0 : Math.min(450, this.player.delay * 0.7);
    this.drawing.draw(layout(frame, this.options()), duration);
    this.overview.draw(frame.step);
  }

  private options(): Options {
    const width = Math.max(300, Math.min(900, byId("stage").clientWidth));
    if (this.isOwn) {
      const queues = this.recording?.queues ?? new Set<string>();
      const shared = ["inject", "shared", "ready"].find((name) => queues.has(name)) ?? null;
      return { width, threads: false, budget: 0, slots: queues.has("slot"), hasTimers: false, shared, names: this.recording?.lanes ?? null };
    }
    const { queue, budget } = this.scenario;
    const shared = queue === "local" ? "ready" : queue === "shared" ? "shared" : queue === "stealing" ? "inject" : null;
    return { width, threads: queue === "threads", budget, slots: queue === "stealing", hasTimers: this.usesTimers(), shared, names: null };
  }

  private setting(): Setting {
    if (this.isOwn) return { units: "µs", threads: false };
    return { units: "ticks", threads: this.scenario.queue === "threads" };
  }

  private usesTimers(): boolean {
    return this.stage.id === "2" || this.text.value.includes("sleep");
  }

  private showCaption(frame: Frame): void {
    const caption = explain(frame, this.setting());
    // Read aloud at most once a second while it plays.
    const now = Date.now();
    byId("caption").setAttribute("aria-live", this.player.isPlaying && now - this.announced < 1000 ? "off" : "polite");
    this.announced = now;
    byId("what").textContent = caption.what;
    byId("why").textContent = caption.why;
    this.svg.setAttribute("aria-label", `The runtime at step ${frame.step}: ${caption.what}`);
  }

  private showLegend(frame: Frame): void {
    const { counts } = frame;
    byId("legend").replaceChildren(
      ...STATES.filter((state) => state !== "lost" || counts.lost > 0).map((state) => {
        const item = h("li", {});
        item.innerHTML = `<svg width="26" height="20" viewBox="-10 -10 26 20" aria-hidden="true"><g class="${state}"><circle class="body" r="8" stroke="currentColor"/></g><g class="badge" transform="translate(8,-3)"><circle r="6.5"/><path d="${GLYPHS[state]}"/></g></svg>`;
        item.append(`${WORDS[state]}: ${counts[state]}`);
        return item;
      }),
    );
  }

  private showTask(frame: Frame): void {
    const task = this.chosen === null ? undefined : frame.tasks.get(this.chosen - 1);
    byId("task").textContent = task ? describe(task) : "Click a task to see all that is known of it.";
  }

  // A button for each task that waits for an event that only the outside brings.
  private showEvents(frame: Frame): void {
    const waiting = [...frame.tasks].filter((task) => task.place === "waiting" && task.waitsFor === "io" && !task.happened).slice(0, 6);
    byId("buttons").replaceChildren(
      ...this.stage.buttons.map((button) => h("button", { type: "button", click: () => this.add(button.line(this.now(frame))) }, button.label)),
      ...(this.stage.id === "0" ? [] : waiting.map((task) => h("button", { type: "button", click: () => this.add(`at ${this.now(frame)} event ${task.name}`) }, `Make ${task.name}’s event happen`))),
    );
  }

  // The next tick: what is added there changes nothing of what was seen.
  private now(frame: Frame): number {
    return Math.floor(frame.t) + 1;
  }

  private showChoices(frame: Frame): void {
    const place = byId<HTMLElement>("choices");
    const next = this.frames.events[frame.step];
    place.hidden = !this.predict.checked || next === undefined;
    if (place.hidden || !next) return;
    const answers = choicesFor(frame, this.frames.at(frame.step + 1), this.setting());
    place.replaceChildren(
      h("span", {}, "What happens next?"),
      ...answers.map((answer) =>
        h(
          "button",
          {
            type: "button",
            click: () => {
              this.player.goTo(frame.step + 1);
              byId("choices").prepend(h("strong", {}, answer.isRight ? "✓ Right." : "✗ No: see the caption."), " ");
            },
          },
          answer.text,
        ),
      ),
    );
  }

  private notice(text: string): void {
    const place = byId<HTMLElement>("notice");
    place.hidden = text === "";
    place.textContent = text;
  }

  private hash(): string {
    if (this.isOwn) return toHash({ stage: "own", example: null, text: null, seed: 0, step: this.player.step, speed: this.player.speed });
    return toHash({ stage: this.stage.id, example: this.example, text: this.text.value, seed: this.seed, step: this.player.step, speed: this.player.speed });
  }

  // --- Controls ---

  private slider(name: string): HTMLElement {
    const slider = this.stage.sliders.find((one) => one.name === name)!;
    const value = h("output", {}, String(slider.value));
    const input = h("input", {
      type: "range",
      min: slider.min,
      max: slider.max,
      value: slider.value,
      input: (event) => {
        const chosen = Number((event.target as HTMLInputElement).value);
        this.values[name] = chosen;
        value.textContent = String(chosen);
        this.text.value = this.stage.build(this.values);
        this.example = null;
        this.run(0);
      },
    });
    return h("label", { class: "slider" }, slider.label, input, value);
  }

  private chrome(): void {
    const { player } = this;
    byId("stages").replaceChildren(...STAGES.map((stage) => h("a", { href: `#stage=${stage.id}`, "data-stage": stage.id }, stage.short)), h("a", { href: "#stage=own", "data-stage": "own" }, "Your own run"));
    byId("speed").replaceChildren(...SPEEDS.map((speed) => h("option", { value: speed }, `${speed}×`)));
    byId<HTMLSelectElement>("speed").value = String(player.speed);
    byId("help").textContent = HELP;
    const on = (id: string, name: string, run: () => void): void => byId(id).addEventListener(name, run);
    on("first", "click", () => player.goTo(0));
    on("back", "click", () => player.goTo(player.step - 1));
    on("play", "click", () => player.toggle());
    on("forward", "click", () => player.goTo(player.step + 1));
    on("end", "click", () => player.goTo(player.last));
    on("scrub", "input", () => player.goTo(Number(this.scrub.value)));
    on("speed", "change", () => this.setSpeed(Number(byId<HTMLSelectElement>("speed").value)));
    on("predict", "change", () => this.show(0));
    on("run", "click", () => {
      this.example = null;
      this.run(0);
    });
    on("example", "change", () => this.loadExample(byId<HTMLSelectElement>("example").value));
    on("seed", "change", () => {
      const seed = Math.floor(Number(byId<HTMLInputElement>("seed").value));
      this.seed = Number.isSafeInteger(seed) && seed >= 0 ? seed : 1;
      byId<HTMLInputElement>("seed").value = String(this.seed);
      this.run(0);
    });
    on("file", "change", () => void this.openFile(byId<HTMLInputElement>("file").files?.[0]));
    on("marks", "change", () => {
      const step = Number(byId<HTMLSelectElement>("marks").value);
      if (step > 0) player.goTo(step);
    });
    on("search", "input", () => this.list.search(byId<HTMLInputElement>("search").value));
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      void this.openFile(event.dataTransfer?.files[0]);
    });
    on("link", "click", () => void this.copyLink());
    on("svg", "click", () => save(new Blob([svgText(this.svg)], { type: "image/svg+xml" }), `stage-${this.stage.id}-step-${player.step}.svg`));
    on("png", "click", () => void pngOf(this.svg).then((blob) => save(blob, `stage-${this.stage.id}-step-${player.step}.png`)));
    byId("overview").addEventListener("click", (event) => player.goTo(this.overview.stepAt((event as MouseEvent).offsetX)));
    this.theme();
  }

  private theme(): void {
    const root = document.documentElement;
    const button = byId("theme");
    const set = (theme: string): void => {
      root.dataset["theme"] = theme;
      button.textContent = theme === "dark" ? "Light" : "Dark";
    };
    set(window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    button.addEventListener("click", () => {
      set(root.dataset["theme"] === "dark" ? "light" : "dark");
      this.show(0);
    });
  }

  private setSpeed(speed: number): void {
    this.player.speed = speed;
    byId<HTMLSelectElement>("speed").value = String(speed);
    history.replaceState(null, "", this.hash());
  }

  private async copyLink(): Promise<void> {
    try {
      await navigator.clipboard.writeText(location.href);
      this.notice("The link to this step is in the clipboard.");
    } catch {
      this.notice(`The browser does not let this page write to the clipboard. The link: ${location.href}`);
    }
  }

  // Keys are the player's unless they belong to what has the focus.
  private key(event: KeyboardEvent): void {
    const target = event.target as Element;
    if (event.ctrlKey || event.altKey || event.metaKey || target.closest("textarea, select, input[type=number], input[type=range], input[type=search]")) return;
    const { player } = this;
    const far = event.shiftKey ? 10 : 1;
    const actions: Record<string, () => void> = {
      ArrowRight: () => player.goTo(player.step + far),
      ArrowLeft: () => player.goTo(player.step - far),
      Home: () => player.goTo(0),
      End: () => player.goTo(player.last),
      "[": () => this.setSpeed(SPEEDS[Math.max(0, SPEEDS.indexOf(player.speed as 1) - 1)]!),
      "]": () => this.setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(player.speed as 1) + 1)]!),
    };
    if (event.key === " " && !target.closest("button, summary, a, input")) actions[" "] = () => player.toggle();
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

new Page().start();
