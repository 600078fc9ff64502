// The page: what is chosen, checked, drawn, run and shared.
import { Checker } from "./checker.mjs";
import { define, goTo, makeEditor, rename, setDark, setText, showDiagnostics, textOf } from "./editor.mjs";
import { asked, packed, unpacked } from "./share.mjs";
import { showShapes } from "./shapes.mjs";
import { makeTabs } from "./tabs.mjs";
import { element, markdown } from "./words.mjs";

const PAUSE = 150; // Milliseconds without a change after which a text is checked.
const get = (id) => document.getElementById(id);
const examples = await fetch("examples.json").then((response) => response.json());

let notice = ""; // What is said until the text is changed.
let example = examples[0];
let timer;
let isChecking = false;
let seen = null; // The text that was checked last, with what was said of it.

function say(words, isWrong = false) {
  get("status").textContent = words;
  get("status").classList.toggle("wrong", isWrong);
}

// ------------------------------------------------------------------ checking

const checker = new Checker((state, why) => {
  document.body.dataset.checker = state;
  if (state === "starting") say("The checker is starting…");
  if (state === "failed") say(`The checker did not start: ${why}`, true);
  if (state === "ready") say(notice, notice !== "");
});
const path = () => `/spec/${example?.name ?? "text"}.mai`;
const ask = (question) => checker.ask({ path: path(), text: textOf(view), ...question });

const view = makeEditor({
  parent: get("editor"), ask, changed,
  commands: { "Shift-Alt-f": format, "Mod-.": mendHere, F12: () => define(ask, view), F2: () => rename(ask, view, say) },
});

function changed() {
  notice = "";
  get("drawing").classList.add("old");
  clearTimeout(timer);
  timer = setTimeout(check, PAUSE);
}

/** Check the text, and again while it changes meanwhile; then look for edits, and draw. */
async function check() {
  if (isChecking) return;
  isChecking = true;
  let text;
  try {
    await checker.ready;
    do {
      text = textOf(view);
      const start = performance.now();
      const said = await ask({ ask: "check", text });
      seen = { text, ...said, milliseconds: performance.now() - start };
    } while (text !== textOf(view));
    shown();
  } catch (error) {
    nothingIsKnown(error.message);
  } finally {
    isChecking = false;
  }
  if (text !== textOf(view)) return check();
  document.body.dataset.checked = String(Number(document.body.dataset.checked ?? 0) + 1);
  if (seen?.text === text) await Promise.all([mend(text), draw(text)]).catch((error) => say(error.message, true));
}

function shown() {
  showShapes(view, seen.shapes);
  showProblems();
  const lines = seen.lines.join(", ");
  say([notice, `Checked in ${Math.round(seen.milliseconds)} ms.`, lines, ...seen.notes].filter(Boolean).join(" "));
  showExports(seen.exports);
}

function nothingIsKnown(why) {
  seen = null;
  showDiagnostics(view, [], apply);
  get("count").textContent = "";
  get("problems").replaceChildren();
  notice = why;
  say(why, true);
}

async function mend(text) {
  if (!seen.diagnostics.length) return;
  const { diagnostics } = await ask({ ask: "mend", text });
  if (text !== textOf(view)) return;
  seen.diagnostics = diagnostics;
  showProblems();
}

function showProblems() {
  showDiagnostics(view, seen.diagnostics, apply);
  const { length } = seen.diagnostics;
  get("count").textContent = length === 0 ? "Nothing is wrong" : length === 1 ? "One message" : `${length} messages`;
  get("problems").replaceChildren(...seen.diagnostics.map(problem));
}

function problem(each) {
  const link = element("a", "", element("span", "place", `${each.line}: `), each.text);
  link.href = "#";
  link.onclick = (event) => (event.preventDefault(), goTo(view, each));
  const why = element("button", "why", "Why?");
  const item = element("li", each.severity, link, ...(each.fix ? [mendButton(each)] : []), why);
  why.onclick = async () => {
    const { text } = await ask({ ask: "explain", code: each.code });
    why.replaceWith();
    item.append(element("pre", "", text));
  };
  return item;
}

function mendButton(each) {
  const button = element("button", "fix", each.fix.title);
  button.onclick = () => apply(each);
  return button;
}

/** Make an edit, in the text that it was found for. */
function apply(each) {
  if (seen?.text !== textOf(view)) return;
  view.dispatch({ changes: each.fix.changes, userEvent: "input.fix" });
  view.focus();
}

function mendHere() {
  const { head } = view.state.selection.main;
  const all = seen?.diagnostics.filter(({ fix }) => fix) ?? [];
  const each = all.find(({ from, to }) => from <= head && head <= to) ?? all[0];
  if (each) apply(each);
}

async function format() {
  const text = textOf(view);
  const answer = await ask({ ask: "format", text });
  if (answer === null) say("A text that is not of the language cannot be formatted.", true);
  else if (text === textOf(view)) setText(view, answer.text);
}

// ------------------------------------------------------------------- drawing

function showExports(names) {
  if (!names) return;
  const menu = get("export");
  const chosen = menu.value;
  menu.replaceChildren(...names.map((name) => new Option(name)));
  if (names.includes(chosen)) menu.value = chosen;
}

async function draw(text) {
  if (!seen.exports?.length) return;
  const answer = await ask({ ask: "draw", text, export: get("export").value });
  if (text !== textOf(view) || !answer) return;
  get("drawing").innerHTML = answer.svg;
  get("drawing").firstElementChild?.setAttribute("role", "img");
  get("drawing").firstElementChild?.setAttribute("aria-label", `Diagram of ${get("export").value}`);
  get("drawing").classList.remove("old");
}

get("export").onchange = () => draw(textOf(view));

// ------------------------------------------------------------------- running

function showRun() {
  const panel = get("run");
  if (panel.hidden) return;
  const title = example ? `${example.name}.mai` : "this text";
  if (!example?.page) {
    const words = markdown(`There is no compiled file of ${title} beside this page. Copy the text into a file, then:`);
    const name = example?.name.split("/").at(-1) ?? "spec";
    return panel.replaceChildren(words, element("pre", "", `mai train ${name}.mai\nmai page runs/${name}`));
  }
  if (panel.dataset.page === example.page && panel.querySelector("iframe")) return;
  panel.dataset.page = example.page;
  const frame = Object.assign(document.createElement("iframe"), { src: example.page, title: `${title}, compiled` });
  const words = `${title} as it is in the menu, trained and compiled; what you change here is not in it: \`mai train\` and \`mai page\` make yours.`;
  panel.replaceChildren(markdown(words), frame);
}

makeTabs(document.querySelector("[role=tablist]"), showRun);

// -------------------------------------------------------- examples and links

function showExamples() {
  const groups = Map.groupBy ? Map.groupBy(examples, ({ group }) => group) : new Map([["Examples", examples]]);
  for (const [label, each] of groups) {
    const group = Object.assign(document.createElement("optgroup"), { label });
    group.append(...each.map(({ name, title }) => Object.assign(new Option(name), { title })));
    get("examples").append(group);
  }
}

function open(each) {
  example = each;
  get("examples").value = each.name;
  seen = null;
  setText(view, each.text, true);
  changed();
  showRun();
}

/** Open what the address asks for, and say where it cannot be read. */
async function follow() {
  const { kind, value } = asked(location.hash);
  const named = examples.find(({ name }) => name === value);
  if (kind === "example" && named) return open(named);
  if (kind !== "text") return open(examples.find(({ name }) => name === "moons_flow") ?? examples[0]);
  const text = await unpacked(value).catch(() => null);
  if (text === null) {
    open(examples[0]);
    notice = "The text in this address is cut or was changed: here is an example instead.";
    return say(notice, true);
  }
  example = null;
  get("examples").selectedIndex = -1;
  setText(view, text, true);
  changed();
  return showRun();
}

get("examples").onchange = ({ target }) => {
  history.replaceState(null, "", `#example=${target.value}`);
  open(examples.find(({ name }) => name === target.value));
};
get("format").onclick = format;
get("share").onclick = async () => {
  history.replaceState(null, "", `#text=${await packed(textOf(view))}`);
  const isCopied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  notice = isCopied ? "A link with this text is in the clipboard." : "The address of this page now has the text.";
  say(notice);
};
addEventListener("hashchange", follow);

// --------------------------------------------------------------- dark, light

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  setDark(view, theme === "dark");
}
get("theme").onclick = () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("theme", theme); } catch { /* A page that may keep nothing has its theme until it is closed. */ }
  setTheme(theme);
};
prefersDark.onchange = () => stored() ?? setTheme(prefersDark.matches ? "dark" : "light");
setTheme(stored() ?? (prefersDark.matches ? "dark" : "light"));

showExamples();
await follow();
