// What stands beside the picture: the lesson, the questions, the comparison.

import { h } from "./dom";
import type { Chart } from "./measure";
import type { Stage } from "./stages";

export function lesson(stage: Stage): Node[] {
  return [
    ...stage.paragraphs.map((text) => h("p", {}, text)),
    ...stage.questions.map((q) => h("details", { class: "question" }, h("summary", {}, q.question), h("p", {}, q.answer))),
    h("p", { class: "quiet" }, "The lesson: ", h("code", {}, `scripts/course lesson ${stage.lesson.split("-")[0]}`)),
  ];
}

export function chart(data: Chart): Node[] {
  const most = Math.max(...data.bars.map((bar) => bar.value), 1e-9);
  return [
    h("h2", {}, data.title),
    h(
      "table",
      { class: "chart" },
      h(
        "tbody",
        {},
        ...data.bars.map((bar) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, bar.label),
            h("td", { class: "bar" }, h("span", { style: `width:${((100 * bar.value) / most).toFixed(1)}%` })),
            h("td", { class: "value" }, bar.shown),
          ),
        ),
      ),
    ),
  ];
}
