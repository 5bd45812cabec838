// draw(picture): the SVG. An object keeps its element from frame to frame, so it moves instead of
// being drawn anew.

import { select, type Selection } from "d3-selection";
import "d3-transition";

import type { TaskView } from "../frame";
import { SLOTS } from "../sim/wheel";
import { GLYPHS, WORDS } from "./glyphs";
import type { Arrow, Bar, Box, Label, Mark, Picture, Ring } from "./layout";

type Layer = Selection<SVGGElement, unknown, null, undefined>;

const LAYERS = ["boxes", "rings", "bars", "labels", "marks", "arrows"] as const;

export class Drawing {
  private readonly svg: Selection<SVGSVGElement, unknown, null, undefined>;
  private readonly layers: Record<(typeof LAYERS)[number], Layer>;

  constructor(
    readonly element: SVGSVGElement,
    private readonly onTask: (task: TaskView) => void,
  ) {
    this.svg = select(element);
    const arrow = this.svg.append("defs").append("marker");
    arrow.attr("id", "head").attr("viewBox", "0 0 8 8").attr("refX", 6).attr("refY", 4).attr("markerWidth", 7).attr("markerHeight", 7).attr("orient", "auto");
    arrow.append("path").attr("d", "M0,0 L8,4 L0,8 Z").attr("class", "head");
    const layer = (name: string): Layer => this.svg.append("g").attr("class", name);
    this.layers = Object.fromEntries(LAYERS.map((name) => [name, layer(name)])) as typeof this.layers;
  }

  // `duration` of what moves, in milliseconds; 0 draws it where it is.
  draw(picture: Picture, duration: number): void {
    this.svg.attr("viewBox", `0 0 ${picture.width} ${picture.height}`).attr("width", picture.width).attr("height", picture.height);
    this.boxes(picture.boxes);
    this.rings(picture.rings);
    this.bars(picture.bars, duration);
    this.labels(picture.labels);
    this.marks(picture.marks, duration);
    this.arrows(picture.arrows);
  }

  private boxes(boxes: readonly Box[]): void {
    this.layers.boxes
      .selectAll<SVGGElement, Box>("g")
      .data(boxes, (box) => box.key)
      .join((enter) => {
        const g = enter.append("g");
        g.append("rect").attr("rx", 5);
        g.append("text").attr("x", 10).attr("y", 15);
        return g;
      })
      .attr("class", (box) => `box ${box.look}`)
      .attr("transform", (box) => `translate(${box.x},${box.y})`)
      .each(function (box) {
        const g = select(this);
        g.select("rect").attr("width", Math.max(0, box.width)).attr("height", box.height);
        g.select("text").text(box.title);
      });
  }

  private rings(rings: readonly Ring[]): void {
    const all = this.layers.rings
      .selectAll<SVGGElement, Ring>("g")
      .data(rings, (ring) => ring.key)
      .join((enter) => {
        const g = enter.append("g").attr("class", "ring");
        g.append("circle");
        g.append("path").attr("class", "ticks");
        g.append("line").attr("class", "hand");
        return g;
      })
      .attr("transform", (ring) => `translate(${ring.x},${ring.y})`);
    all.select("circle").attr("r", (ring) => ring.r);
    all.select("path").attr("d", (ring) => ticks(ring.r));
    all
      .select("line")
      .attr("y1", (ring) => -ring.r + 8)
      .attr("y2", (ring) => -ring.r - 8)
      .attr("transform", (ring) => `rotate(${(360 * ring.hand) / SLOTS})`);
  }

  private bars(bars: readonly Bar[], duration: number): void {
    const all = this.layers.bars
      .selectAll<SVGGElement, Bar>("g")
      .data(bars, (bar) => bar.key)
      .join((enter) => {
        const g = enter.append("g");
        g.append("title");
        g.append("rect").attr("class", "whole").attr("rx", 3);
        g.append("rect").attr("class", "done").attr("rx", 3);
        return g;
      })
      .attr("class", (bar) => `bar ${bar.look}`)
      .attr("transform", (bar) => `translate(${bar.x},${bar.y})`);
    const height = (bar: Bar): number => (bar.look === "channel" ? 12 : 6);
    all.select("title").text((bar) => bar.label);
    all.select(".whole").attr("width", (bar) => bar.width).attr("height", height);
    all.select<SVGRectElement>(".done").attr("height", height).transition("bar").duration(duration).attr("width", (bar) => bar.width * bar.done);
  }

  private labels(labels: readonly Label[]): void {
    this.layers.labels
      .selectAll<SVGTextElement, Label>("text")
      .data(labels, (label) => label.key)
      .join("text")
      .attr("x", (label) => label.x)
      .attr("y", (label) => label.y)
      .attr("text-anchor", (label) => label.anchor)
      .text((label) => label.text);
  }

  private marks(marks: readonly Mark[], duration: number): void {
    const onTask = this.onTask;
    const all = this.layers.marks
      .selectAll<SVGGElement, Mark>("g.task")
      .data(marks, (mark) => mark.key)
      .join((enter) => {
        const g = enter.append("g").attr("transform", (mark) => `translate(${mark.x},${mark.y})`);
        g.append("title");
        g.append("circle").attr("class", "body");
        g.append("text").attr("class", "name").attr("text-anchor", "middle").attr("dy", "0.35em");
        const badge = g.append("g").attr("class", "badge");
        badge.append("circle").attr("r", 6.5);
        badge.append("path");
        g.on("click", (_, mark) => onTask(mark.task));
        return g;
      })
      .attr("class", (mark) => `task ${mark.state}`);
    all.select("title").text((mark) => describe(mark.task));
    all.select(".body").attr("r", (mark) => mark.r);
    all
      .select(".name")
      .text((mark) => (mark.isNamed ? shortName(mark.task.name) : ""))
      .attr("font-size", (mark) => (shortName(mark.task.name).length > 3 ? 8 : 11));
    all
      .select(".badge")
      .attr("transform", (mark) => `translate(${mark.r * 0.72},${-mark.r * 0.72}) scale(${mark.isNamed ? 1 : 0.7})`)
      .select("path")
      .attr("d", (mark) => GLYPHS[mark.state]);
    all.order();
    if (duration === 0) {
      all.interrupt("move").attr("transform", (mark) => `translate(${mark.x},${mark.y})`);
      return;
    }
    all
      .transition("move")
      .duration(duration)
      .attr("transform", (mark) => `translate(${mark.x},${mark.y})`);
  }

  private arrows(arrows: readonly Arrow[]): void {
    const all = this.layers.arrows
      .selectAll<SVGGElement, Arrow>("g")
      .data(arrows, (arrow) => arrow.key)
      .join((enter) => {
        const g = enter.append("g");
        g.append("path").attr("marker-end", "url(#head)");
        g.append("text").attr("text-anchor", "middle");
        return g;
      })
      .attr("class", (arrow) => `arrow ${arrow.look}`);
    all.select("path").attr("d", bent);
    all
      .select("text")
      .attr("x", (arrow) => (arrow.x1 + arrow.x2) / 2 + bend(arrow).x)
      .attr("y", (arrow) => (arrow.y1 + arrow.y2) / 2 + bend(arrow).y - 4)
      .text((arrow) => arrow.label);
  }
}

// All that is known of a task, in a line each.
export function describe(task: TaskView): string {
  const known = [
    `${task.name}: ${WORDS[task.state]}`,
    task.waitsFor !== null ? `waits for: ${task.waitsFor}${task.until === null ? "" : `, until ${task.until}`}` : "",
    `polls: ${task.polls}, in all ${Math.round(task.worked * 10) / 10} long`,
    `wakes: ${task.wakes}, ${task.selfWakes} of them its own`,
    task.parent === null ? "spawned from outside" : `spawned by task ${task.parent}`,
  ];
  return known.filter((line) => line !== "").join("\n");
}

function shortName(name: string): string {
  const plain = name.replace(/^task /, "");
  return plain.length <= 5 ? plain : `${plain.slice(0, 4)}…`;
}

function ticks(r: number): string {
  return Array.from({ length: SLOTS }, (_, i) => {
    const angle = (2 * Math.PI * i) / SLOTS;
    const [x, y] = [Math.sin(angle), -Math.cos(angle)];
    const inner = i % 8 === 0 ? r - 6 : r - 3;
    return `M${(x * inner).toFixed(1)},${(y * inner).toFixed(1)}L${(x * r).toFixed(1)},${(y * r).toFixed(1)}`;
  }).join("");
}

function bend(arrow: Arrow): { x: number; y: number } {
  return { x: (arrow.y1 - arrow.y2) * 0.12, y: (arrow.x2 - arrow.x1) * 0.12 };
}

function bent(arrow: Arrow): string {
  const { x, y } = bend(arrow);
  const [mx, my] = [(arrow.x1 + arrow.x2) / 2 + 2 * x, (arrow.y1 + arrow.y2) / 2 + 2 * y];
  return `M${arrow.x1},${arrow.y1} Q${mx},${my} ${arrow.x2},${arrow.y2}`;
}
