// Makes visualizer.html: one file with its script and its style in it, which works opened from disk.
// `node build.mjs --check` says whether the committed one is what a build would make.

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

async function page() {
  const { outputFiles } = await build({
    entryPoints: [here("src/app.ts")],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2022",
    minify: true,
    legalComments: "none",
    charset: "utf8",
    absWorkingDir: here("."),
  });
  const script = outputFiles[0].text.replaceAll("</script", "<\\/script");
  const style = await readFile(here("src/page.css"), "utf8");
  const html = await readFile(here("src/page.html"), "utf8");
  // Functions, since a text in place of these would have its $ signs replaced.
  return html.replace("/*CSS*/", () => `\n${style}`).replace("/*JS*/", () => script);
}

const made = await page();
if (process.argv.includes("--check")) {
  const committed = await readFile(here("visualizer.html"), "utf8").catch(() => "");
  if (committed !== made) {
    console.error("visualizer.html is not what its sources make: run `npm run build` in scripts/visualizer.");
    process.exit(1);
  }
} else {
  await writeFile(here("visualizer.html"), made);
}
