// What a page shows in an element, in a headless browser: node open_page.mjs NODE_MODULES CHROMIUM ADDRESS SELECTOR
import { createRequire } from "node:module";

const [modules, executablePath, address, selector] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/package.json`)("playwright-core");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const errors = [];
try {
  const page = await browser.newPage();
  page.on("pageerror", ({ message }) => errors.push(message));
  await page.goto(address);
  const shown = page.locator(`${selector}:not(:empty)`);
  await shown.waitFor({ timeout: 60_000 }).catch(({ message }) => errors.push(message));
  process.stdout.write(JSON.stringify({ shown: errors.length ? "" : await shown.textContent(), errors }));
} finally {
  await browser.close();
}
