// The page in a real browser, opened from disk with the network off. CHROMIUM names the program;
// without one these tests are skipped.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

import AxeBuilder from "@axe-core/playwright";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { STAGES } from "../src/stages";

const program = process.env["CHROMIUM"] ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => existsSync(path)) ?? "";
const file = new URL("../visualizer.html", import.meta.url).href;

describe.skipIf(program === "")("the page", { timeout: 60_000 }, () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: program,
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-component-update", "--disable-sync"],
    });
  }, 60_000);
  afterAll(async () => browser?.close());

  async function withPage(hash: string, options: BrowserContextOptions, run: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext({ offline: true, reducedMotion: "reduce", viewport: { width: 1280, height: 900 }, ...options });
    try {
      const page = await context.newPage();
      const errors: string[] = [];
      const fetched: string[] = [];
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("request", (request) => fetched.push(request.url()));
      await page.goto(`${file}${hash}`);
      await run(page);
      expect(errors).toEqual([]);
      expect(fetched.filter((url) => !url.startsWith("file:") && !url.startsWith("blob:"))).toEqual([]);
    } finally {
      await context.close();
    }
  }

  const where = (page: Page): Promise<string | null> => page.textContent("#where");

  for (const stage of STAGES) {
    it(`stage ${stage.id}: axe finds nothing, in either theme`, async () => {
      await withPage(`#stage=${stage.id}&step=20`, { colorScheme: "light" }, async (page) => {
        // As a text, so that a failure says what was found.
        const found = async (run: AxeBuilder): Promise<string> =>
          (await run.analyze()).violations.map((v) => `${v.id}: ${v.nodes.map((node) => node.target.join(" ")).join(", ")}`).join("\n");
        expect(await found(new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]))).toBe("");
        await page.click("#theme");
        expect(await found(new AxeBuilder({ page }).withRules(["color-contrast"]))).toBe("");
      });
    });

    it(`stage ${stage.id} fits into 360 px`, async () => {
      await withPage(`#stage=${stage.id}&step=20`, { viewport: { width: 360, height: 740 } }, async (page) => {
        expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
      });
    });
  }

  it("opens at the step that a link names", async () => {
    await withPage("#stage=4&scenario=overflow&seed=7&step=31&speed=2", {}, async (page) => {
      expect(await where(page)).toContain("step 31 of");
      expect(await page.inputValue("#seed")).toBe("7");
      expect(await page.inputValue("#speed")).toBe("2");
      expect(await page.inputValue("#example")).toBe("overflow");
    });
  });

  it("says so when a link leads to nothing, and shows the nearest thing", async () => {
    await withPage("#stage=77&step=99999999", {}, async (page) => {
      const notice = await page.textContent("#notice");
      expect(notice).toContain("There is no stage 77.");
      expect(notice).toContain("this is the last one");
    });
  });

  it("is used by the keyboard alone", async () => {
    await withPage("#stage=1", {}, async (page) => {
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowRight");
      expect(await where(page)).toContain("step 2 of");
      await page.keyboard.press("ArrowLeft");
      expect(await where(page)).toContain("step 1 of");
      await page.keyboard.press("Shift+ArrowRight");
      expect(await where(page)).toContain("step 11 of");
      await page.keyboard.press("End");
      expect(await where(page)).toMatch(/step (\d+) of \1,/);
      await page.keyboard.press("Home");
      expect(await where(page)).toContain("step 0 of");
      await page.keyboard.press("Space");
      expect(await page.textContent("#play")).toContain("Pause");
      await page.keyboard.press("Space");
      expect(await page.textContent("#play")).toContain("Play");
    });
  });

  it("steps back to the picture that was there", async () => {
    await withPage("#stage=4&step=60", {}, async (page) => {
      const before = await page.innerHTML("#picture .marks");
      await page.click("#forward");
      await page.click("#back");
      expect(await page.innerHTML("#picture .marks")).toBe(before);
    });
  });

  it("keeps an object's element from step to step", async () => {
    await withPage("#stage=1&step=6", {}, async (page) => {
      await page.evaluate(() => document.querySelectorAll("#picture .task").forEach((task) => task.setAttribute("data-kept", "yes")));
      await page.click("#forward");
      expect(await page.locator("#picture .task:not([data-kept])").count()).toBe(0);
    });
  });

  it("shows an error at its line, and runs nothing in its place", async () => {
    await withPage("#stage=1&step=5", {}, async (page) => {
      const before = await where(page);
      await page.fill("#text", "queue local\nspawn A: dance 3");
      await page.click("#run");
      expect(await page.textContent("#errors")).toContain("Line 2:");
      expect(await page.textContent("#errors")).toContain("dance");
      expect(await where(page)).toBe(before);
    });
  });

  it("adds what a button spawns at this step, and changes nothing before it", async () => {
    await withPage("#stage=1&step=12", {}, async (page) => {
      const caption = await page.textContent("#what");
      await page.click("text=Spawn: leaves no waker");
      expect(await page.textContent("#what")).toBe(caption);
      expect(await where(page)).toContain("step 12 of");
      await page.keyboard.press("End");
      expect(await page.textContent("#why")).toContain("lost for ever");
    });
  });

  it("makes an event happen for a task that waits", async () => {
    await withPage("#stage=2&scenario=byhand&step=30", {}, async (page) => {
      await page.keyboard.press("End");
      await page.click("text=/Make . ?’s event happen|Make A’s event happen/");
      expect(await page.inputValue("#text")).toMatch(/at \d+ event A/);
    });
  });

  it("lets the learner predict, and then shows", async () => {
    await withPage("#stage=4&step=10", {}, async (page) => {
      await page.check("#predict");
      expect(await page.locator("#choices button").count()).toBeGreaterThan(1);
      await page.locator("#choices button").first().click();
      expect(await page.textContent("#choices")).toMatch(/Right|No: see/);
      expect(await where(page)).toContain("step 11 of");
    });
  });

  const trace = [
    '[{"ph":"M","pid":1,"tid":0,"ts":0,"name":"process_name","args":{"schema":"coro-trace/1","seed":"1","dropped":3}}',
    '{"ph":"i","s":"t","pid":1,"tid":1,"ts":1,"name":"mark","cat":"mark","args":{"text":"here it begins","seq":0}}',
    '{"ph":"X","dur":5000,"pid":1,"tid":1,"ts":2,"name":"poll","cat":"task","args":{"task":7,"result":"ready","seq":1}}',
    "",
  ].join(",\n");

  it("plays a recorded trace, finds its events and marks, and says what looks wrong", async () => {
    await withPage("#stage=own", {}, async (page) => {
      await page.setInputFiles("#file", { name: "run.json", mimeType: "application/json", buffer: Buffer.from(trace.replace("[{", "[\n{")) });
      await page.waitForFunction(() => document.querySelector("#about")?.textContent?.includes("run.json"));
      expect(await page.textContent("#warnings")).toContain("Task 7 was polled for 5.0 ms".replace("T", "t"));
      expect(await page.textContent("#warnings")).toContain("3 events are missing");
      await page.fill("#search", "poll task");
      await page.locator("#found button").first().click();
      expect(await page.textContent("#what")).toBe("Worker 0 polls task 7.");
      await page.selectOption("#marks", { index: 1 });
      expect(await page.textContent("#what")).toBe("Here it begins");
      const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]).analyze();
      expect(violations.map((v) => `${v.id}: ${v.nodes.map((node) => node.target.join(" ")).join(", ")}`).join("\n")).toBe("");
    });
  });

  it("says what is wrong with a file that is no trace", async () => {
    await withPage("#stage=own", {}, async (page) => {
      await page.setInputFiles("#file", { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("hello\nyou") });
      await page.waitForSelector("#notice:not([hidden])");
      expect(await page.textContent("#notice")).toContain("notes.txt is not a trace");
    });
  });

  it("saves the picture as SVG and as PNG", async () => {
    await withPage("#stage=2&step=20", { acceptDownloads: true }, async (page) => {
      for (const kind of ["svg", "png"]) {
        const [download] = await Promise.all([page.waitForEvent("download"), page.click(`#${kind}`)]);
        expect(download.suggestedFilename()).toBe(`stage-2-step-20.${kind}`);
      }
    });
  });

  it("moves nothing when less motion is wanted, and moves otherwise", async () => {
    for (const [reducedMotion, isMoving] of [["reduce", false], ["no-preference", true]] as const) {
      await withPage("#stage=1&step=6", { reducedMotion }, async (page) => {
        const places = async (): Promise<string> => page.evaluate(() => [...document.querySelectorAll("#picture .task")].map((task) => task.getAttribute("transform")).join());
        await page.click("#forward");
        const at = await places();
        await page.waitForTimeout(900);
        expect((await places()) !== at).toBe(isMoving);
      });
    }
  });
});

// The file must lie where the course's command looks for it.
it("visualizer.html is there", () => expect(existsSync(fileURLToPath(file))).toBe(true));
