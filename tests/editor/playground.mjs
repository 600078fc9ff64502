// What a person does on the playground, in a headless browser: node playground.mjs NODE_MODULES CHROMIUM ADDRESS TEXTS.json
// Prints what was seen in each scene; most scenes share one page, whose Python takes seconds to start.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, executablePath, address, texts] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/package.json`)("playwright-core");
const PATIENCE = 120_000;
const errors = [];
const outside = [];

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
context.setDefaultTimeout(PATIENCE);
await context.route((url) => url.protocol.startsWith("http") && url.origin !== new URL(address).origin, (route) => {
  outside.push(route.request().url());
  return route.abort();
});

async function load(hash) {
  const page = await context.newPage();
  page.on("pageerror", ({ message }) => errors.push(message));
  await page.goto(address + hash);
  await page.waitForFunction(() => document.body.dataset.checked > 0);
  return page;
}

let shared;
async function open(hash) {
  if (!shared) return (shared = await load(hash));
  await shared.evaluate(() => history.replaceState(null, "", location.pathname));
  await afterCheck(shared, () => shared.evaluate((value) => (location.hash = value), hash));
  return shared;
}

/** Wait for a check after the one with this number, of the text as it is. */
const checks = (page) => page.evaluate(() => Number(document.body.dataset.checked));
async function afterCheck(page, act) {
  const number = await checks(page);
  await act();
  await page.waitForFunction((last) => document.body.dataset.checked > last, number);
}

const text = (page) => page.evaluate(() => document.querySelector(".cm-content").cmTile.view.state.doc.toString());
const problems = (page) => page.locator("#problems li").allTextContents();

/** Put the pointer on a word of a line of the editor. */
async function point(page, line, word) {
  const [x, y] = await page.evaluate(([begin, name]) => {
    const shown = [...document.querySelectorAll(".cm-line")].find((each) => each.textContent.trim().startsWith(begin));
    const walker = document.createTreeWalker(shown, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode()); ) {
      const place = node.data.indexOf(name);
      if (place < 0) continue;
      const range = document.createRange();
      range.setStart(node, place);
      range.setEnd(node, place + name.length);
      const { left, top, width, height } = range.getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    }
    return [0, 0];
  }, [line, word]);
  await page.mouse.move(x - 60, y + 60);
  await page.mouse.move(x, y, { steps: 4 });
}

/** Another text in the editor, at once. */
async function write(page, value) {
  await page.locator(".cm-content").focus();
  await page.keyboard.press("Control+a");
  await afterCheck(page, () => page.keyboard.insertText(value));
}

const SCENES = {
  /** A mistake is marked and mended by its edit, by the mouse and by keys. */
  async mistakes() {
    const page = await open("#example=mlp");
    const said = { first: await page.textContent("#count") };
    await write(page, "export f(x: [2]) -> [2] {\n  return tanhh(x)\n}\n");
    await page.locator("#problems .fix").first().waitFor();
    said.other = await page.evaluate(() => {
      const [menu, button] = [document.getElementById("examples"), document.querySelector("#problems .fix")];
      menu.value = "zoo/vit";
      menu.dispatchEvent(new Event("change"));
      button.click(); // Of the text before, which is gone.
      return document.querySelector(".cm-content").cmTile.view.state.doc.toString().includes("tanhh");
    });
    await write(page, "export f(x: [2]) -> [2] {\n  y = lineer(x, 2)\n  return tanhh(y)\n}\n");
    await page.locator("#problems .fix").first().waitFor();
    said.marks = await page.locator(".cm-lintRange-error").allTextContents();
    said.problems = await problems(page);
    await page.locator("#problems .why").first().click();
    said.why = await page.locator("#problems pre").first().textContent();
    await afterCheck(page, () => page.locator("#problems .fix").first().click());
    said.once = await text(page);
    await page.locator("#problems .fix").first().waitFor();
    await page.locator(".cm-content").focus();
    await afterCheck(page, () => page.keyboard.press("Control+."));
    said.twice = await text(page);
    said.last = await page.textContent("#count");
    return said;
  },

  /** What is said of a text: shapes behind names and under the pointer, what may be written, what a call takes, its form. */
  async words() {
    const page = await open("#example=moons_flow");
    const said = { shapes: await page.locator(".shape").allTextContents() };
    await point(page, "xs", "xs");
    const tooltip = page.locator(".cm-tooltip .words").first();
    await tooltip.waitFor();
    said.hover = await tooltip.textContent();
    await page.mouse.move(5, 5);
    await write(page, "net g(x: [2])->[3] {\n  return linear(x,3)\n}\n");
    await page.keyboard.press("Shift+Alt+f");
    await page.waitForFunction(() => document.querySelector(".cm-content").textContent.includes("linear(x, 3)"));
    said.formatted = await text(page);
    await page.keyboard.insertText("net h(x: [2]) -> [3] {\n  return rms");
    await page.keyboard.press("Control+Space");
    const options = page.locator(".cm-tooltip-autocomplete li");
    await options.first().waitFor();
    said.options = await options.allTextContents();
    await page.keyboard.press("Escape");
    await page.keyboard.insertText("_norm");
    await page.keyboard.type("(");
    await page.locator(".signature").waitFor();
    said.signature = await page.locator(".signature").textContent();
    return said;
  },

  /** Another name for one that stands several times; one that is taken is refused in words. */
  async names() {
    const page = await open("#example=mlp");
    await write(page, "export f(x: [2]) -> [2] {\n  h = 2 * x\n  return h + h\n}\n");
    const asked = [];
    let wanted = "twice";
    page.on("dialog", (dialog) => (asked.push(dialog.message()), dialog.accept(wanted)));
    const begin = async () => {
      await page.keyboard.press("Control+Home");
      await page.keyboard.press("ArrowDown");
      for (let k = 0; k < 2; k++) await page.keyboard.press("ArrowRight");
    };
    await page.locator(".cm-content").focus();
    await begin();
    await afterCheck(page, () => page.keyboard.press("F2"));
    const said = { once: await text(page) };
    wanted = "x";
    await begin();
    await page.keyboard.press("F2");
    await page.waitForFunction(() => document.getElementById("status").classList.contains("wrong"));
    return { ...said, asked, same: (await text(page)) === said.once, refused: await page.textContent("#status") };
  },

  /** The diagram follows the text, and stays while it is wrong; an example that was compiled runs. */
  async results() {
    const page = await open("#example=moons_flow");
    const drawing = page.locator("#drawing:not(.old) svg");
    await drawing.waitFor();
    const said = { drawn: await drawing.textContent(), exports: await page.locator("#export option").allTextContents() };
    await write(page, "export twice(x: [7]) -> [7] {\n  return x * 2\n}\n");
    await page.locator("#drawing:not(.old) svg", { hasText: "[7]" }).waitFor();
    await write(page, "export twice(x: [7]) -> [7] {\n  return x * \n}\n");
    said.kept = await page.locator("#drawing.old svg").textContent();
    await open("#example=moons_flow");
    await page.locator("#tab-diagram").focus();
    await page.keyboard.press("ArrowRight");
    said.tab = await page.evaluate(() => document.activeElement.id);
    const frame = page.frameLocator("#run iframe");
    await frame.locator("canvas, p.error").first().waitFor();
    said.run = { pictures: await frame.locator("canvas").count(), wrong: await frame.locator("p.error").allTextContents() };
    return said;
  },

  /** A link has the whole text; one that was cut is told; an old text is not lost in silence. */
  async links() {
    const page = await open("#example=mlp");
    const written = "# Größe 𝒳 → ∫\nexport f(x: [2]) -> [2] {\n  return 2 * x\n}\n";
    await write(page, written);
    await page.locator("#share").click();
    await page.waitForFunction(() => location.hash.startsWith("#text="));
    const hash = new URL(page.url()).hash;
    const other = await load(hash);
    const same = (await text(other)) === written;
    const count = await other.textContent("#count");
    const cut = [];
    for (const each of [hash.slice(0, 20), "#text=%E2%8"]) {
      await open(each);
      cut.push(await page.textContent("#status"));
    }
    return { hash: hash.length, same, count, cut };
  },

  /** Three widths, dark and light: nothing is wider than the page. */
  async looks() {
    const page = await open("#example=moons_flow");
    const widths = {};
    for (const width of [1280, 800, 390]) {
      await page.setViewportSize({ width, height: 780 });
      widths[width] = await page.evaluate(() => document.documentElement.scrollWidth);
    }
    const panels = await page.locator("[role=tabpanel]:visible").count();
    const colours = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await colours();
    await page.locator("#theme").click();
    const dark = await colours();
    const other = await load("#example=mlp");
    const kept = await other.evaluate(() => document.documentElement.dataset.theme);
    return { widths, panels, light, dark, kept, labels: await page.locator("button:not([aria-label]):empty, select:not([id])").count() };
  },

  /** What the browser's Python says of many texts: their diagnostics, each with its code, place and words. */
  async says() {
    const page = await open("#example=mlp");
    return page.evaluate(async (each) => {
      const worker = new Worker("worker.mjs", { type: "module" });
      const answers = {};
      for (const [path, value] of Object.entries(each)) {
        worker.postMessage({ number: path, question: { ask: "check", path, text: value } });
        answers[path] = await new Promise((resolve) => {
          worker.onmessage = ({ data }) => data.number === path && resolve(data);
        });
      }
      return answers;
    }, JSON.parse(readFileSync(texts, "utf8")));
  },

  /** Texts that nest deeply, or go on for long: something is said, and the next text is checked. */
  async depths() {
    const page = await open("#example=mlp");
    const said = {};
    for (const [name, value] of Object.entries({ brackets: `${"(".repeat(20000)}x${")".repeat(20000)}`, sum: `x${" + x".repeat(3000)}` })) {
      await write(page, `export f(x: [2]) -> [2] {\n  return ${value}\n}\n`);
      said[name] = [await problems(page), await page.textContent("#status")];
    }
    await page.waitForFunction(() => document.body.dataset.checker === "ready");
    await write(page, "export f(x: [2]) -> [2] {\n  return x\n}\n");
    return { ...said, count: await page.textContent("#count") };
  },
};

const seen = {};
try {
  for (const [name, play] of Object.entries(SCENES)) {
    seen[name] = await play().catch((error) => ({ failed: error.message }));
  }
  process.stdout.write(JSON.stringify({ seen, errors, outside }));
} finally {
  await browser.close();
}
