// What a person sees on the playground, as pictures one after the other: node record.mjs NODE_MODULES CHROMIUM ADDRESS FOLDER
// Writes FOLDER/SCENE/NNN.png; a picture that stays longer is written more often.
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, executablePath, address, folder] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/package.json`)("playwright-core");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });

class Film {
  constructor(page, name) {
    Object.assign(this, { page, name, count: 0 });
    mkdirSync(`${folder}/${name}`, { recursive: true });
  }

  /** What is seen now, for so many times. */
  async see(times = 1) {
    const picture = { style: "*, ::before, ::after { caret-color: transparent !important; transition: none !important; }" };
    for (; times > 0; times--) await this.page.screenshot({ ...picture, path: `${folder}/${this.name}/${String(this.count++).padStart(3, "0")}.png` });
  }

  async type(text, every = 3) {
    for (const [place, letter] of [...text].entries()) {
      await this.page.keyboard.type(letter);
      if (place % every === 0) await this.see();
    }
    await this.see();
  }
}

async function open(hash, viewport) {
  const page = await browser.newPage({ viewport });
  await page.goto(address + hash);
  await page.waitForFunction(() => document.body.dataset.checked > 0, null, { timeout: 120_000 });
  return page;
}

async function checked(page, act) {
  const before = await page.evaluate(() => Number(document.body.dataset.checked));
  await act();
  await page.waitForFunction((last) => document.body.dataset.checked > last, before);
}

/** Another text, with the cursor so many letters before its end. */
async function write(page, text, back = 0) {
  await page.locator(".cm-content").focus();
  await page.keyboard.press("Control+a");
  await checked(page, () => page.keyboard.insertText(text));
  for (; back > 0; back--) await page.keyboard.press("ArrowLeft");
}

const SMALL = { width: 620, height: 420 };
const SCENES = {
  async completion() {
    const page = await open("#example=mlp", SMALL);
    await write(page, "net f(x: [8]) -> [3] {\n  h = \n  return linear(h, 3)\n}\n", 25);
    const film = new Film(page, "completion");
    await film.see(4);
    await film.type("rms");
    await page.locator(".cm-tooltip-autocomplete li").first().waitFor();
    await film.see(8);
    await page.keyboard.press("Enter");
    await film.see(3);
    await checked(page, () => film.type("("));
    await page.locator(".signature").waitFor();
    await film.see(10);
    await checked(page, () => film.type("x"));
    await film.see(8);
  },

  async quick_fix() {
    const page = await open("#example=mlp", SMALL);
    await write(page, "net f(x: [8]) -> [3] {\n  h = rellu(linear(x, 64))\n  return linear(h, 3)\n}\n");
    await page.locator("#problems .fix").first().waitFor();
    const film = new Film(page, "quick_fix");
    await film.see(10);
    await page.locator("#problems .fix").first().hover();
    await film.see(5);
    await checked(page, () => page.locator("#problems .fix").first().click());
    await film.see(12);
  },

  async shapes() {
    const page = await open("#example=mlp", SMALL);
    await write(page, "export f(x: [3, 32, 32]) -> [10] {\n\n}\n", 3);
    const film = new Film(page, "shapes");
    await film.see(3);
    for (const line of ["  h = conv(x, 16, [3, 3])\n", "h = max_pool(relu(h), [2, 2])\n", "z = mean(h, axis = [1, 2])\n", "return linear(z, 10)"]) {
      await checked(page, () => film.type(line, 6));
      await film.see(6);
    }
    await film.see(6);
  },

  async playground() {
    const page = await open("#example=moons_flow", { width: 1000, height: 560 });
    await page.locator("#drawing:not(.old) svg").waitFor();
    const film = new Film(page, "playground");
    await film.see(8);
    await page.locator(".cm-line", { hasText: "const depth" }).click({ position: { x: 40, y: 8 } });
    await page.keyboard.press("End");
    await page.keyboard.press("Backspace");
    await checked(page, () => page.keyboard.type("2"));
    await page.locator("#drawing:not(.old) svg").waitFor();
    await film.see(8);
    await page.locator("#tab-run").click();
    const frame = page.frameLocator("#run iframe");
    await frame.getByText("on this machine").first().waitFor();
    await frame.locator("canvas").first().scrollIntoViewIfNeeded();
    await film.see(10);
  },
};

try {
  for (const play of Object.values(SCENES)) await play();
} finally {
  await browser.close();
}
