// A page for compiled files: controls for what they take, and a picture, a film or a text of what they give.

import { byName } from "mai.mjs";
import { controlFor, GRIDS } from "controls.mjs";
import { isForm } from "forms.mjs";
import { described, isPlane, pictureOf } from "pictures.mjs";
import { create } from "plane.mjs";
import { Remote, STOPPED } from "remote.mjs";
import { Talk } from "talk.mjs";

const UNLOADED = "cannot be loaded"; // as worker.mjs says it of a module
const WAIT = 250; // Milliseconds after the last change before a file is run again.
const PATIENCE = 20000; // Milliseconds that a finer map may take without being asked for.

/**
 * Show files one below the other: `{ name, bytes, step, modules }` each, `step` the bytes of the file of one turn, `modules`
 * the names of what it needs beside mai.mjs, `claims` what those of its spec came to: `{ holds, words }` each. `wasm` says where
 * onnxruntime-web has its WebAssembly from. What is being opened is said in the `.opening` of the place, if there is one.
 */
export async function show(files, wasm, place) {
  const opening = place.querySelector(".opening") ?? create("p");
  let last = null;
  for (const { name, claims = [], ...file } of files) {
    const section = place.appendChild(create("section"));
    opening.textContent = `opens ${name} …`;
    place.append(opening);
    try {
      const remote = new Remote({ ...file, wasm });
      const opened = await remote.open();
      if (opened.spec !== last) section.append(...heading(opened, claims));
      last = opened.spec;
      if (opened.manifest.chat && opened.streams) new Talk(section, remote, opened);
      else new Panel(section, remote, opened).run();
    } catch (error) {
      section.append(create("p", { className: "error", textContent: `${name}: ${error.message}` }));
      if (error.message.includes(UNLOADED)) break; // The next file needs the same modules.
    }
  }
  opening.remove();
}

/** What is said once of the files of one spec. */
function heading({ manifest, spec }, claims) {
  const title = create("h1", { textContent: manifest.title || manifest.name });
  const text = create("pre", { textContent: spec, tabIndex: 0 });
  return [title, folded("the text that it was made from", text), ...(claims.length ? [claimed(claims)] : [])];
}

/** The claims of a spec, open where one fails. */
function claimed(claims) {
  const kept = claims.filter(({ holds }) => holds).length;
  const list = create("ul", { className: "claims" });
  for (const { holds, words } of claims)
    list.append(create("li", { className: holds ? "" : "error", textContent: `${holds ? "holds" : "FAILS"}: ${words}` }));
  const some = folded(`${kept} of ${claims.length} things that it claims hold`, list);
  some.open = kept < claims.length;
  return some;
}

function folded(summary, content) {
  const some = create("details");
  some.append(create("summary", { textContent: summary }), content);
  return some;
}

class Panel {
  constructor(section, remote, { manifest, streams }) {
    const form = create("form", { noValidate: true, className: isForm(manifest) ? "cells" : "" });
    const ports = [...manifest.inputs, ...manifest.settings];
    this.manifest = manifest;
    this.remote = remote;
    this.streams = streams;
    this.outputs = byName(manifest.outputs);
    this.output = create("div", { className: "output" });
    this.note = create("p", { className: "note", role: "status" });
    this.read = ports.map((port) => [port.name, controlFor(port, manifest, form, () => this._soon())]);
    this.grids = ports.some((port) => isPlane(port, manifest)) ? GRIDS : [null];
    this.button = form.appendChild(create("button", { type: "button", textContent: "run" }));
    this.button.addEventListener("click", () => (this.running ? this.stop() : this.run(Infinity)));
    form.addEventListener("submit", (event) => (event.preventDefault(), this.run(Infinity)));
    if (!manifest.text) form.addEventListener("input", () => this._soon());
    section.append(create("h2", { textContent: manifest.export }), form, this.output, this.note);
  }

  _soon() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.run(), WAIT);
  }

  stop() {
    clearTimeout(this.waiting);
    this.again = false;
    this.remote.stop();
  }

  /** Run the file on what the controls say. A run that goes on when they change is stopped for the next. */
  async run(patience = PATIENCE) {
    if (this.running) {
      this.again = true;
      return this.remote.stop();
    }
    this.running = true;
    this.button.textContent = "stop";
    this._say("runs …");
    this.output.classList.add("old");
    try {
      await this._refined(patience);
      this.output.classList.remove("old");
    } catch (error) {
      this._say(error.message, error.awaited ? "" : "error");
      if (error.message !== STOPPED) this.output.replaceChildren(); // An answer to other values would stand beside it.
    }
    this.running = false;
    this.button.textContent = "run";
    if (this.again) this._soon();
    this.again = false;
  }

  /** Every grid of a map, as long as the next one takes no more than `patience`; anything else once. */
  async _refined(patience) {
    for (const [place, side] of this.grids.entries()) {
      const values = Object.fromEntries(this.read.map(([name, read]) => [name, read(side)]));
      const began = performance.now();
      const count = this.streams ? await this._streamed(values) : await this._shown(values);
      const took = performance.now() - began;
      const next = took * ((this.grids[place + 1] ?? 0) / side) ** 2;
      const spent = `${count} in ${(took / 1000).toPrecision(2)} s, on this machine`;
      this._say(next > patience ? `${spent}; "run" makes the map finer` : next ? `${spent}; it becomes finer …` : spent);
      if (next > patience) break;
    }
  }

  _say(text, kind = "") {
    this.note.textContent = text;
    this.note.className = `note ${kind}`;
  }

  async _streamed(values) {
    const { [this.manifest.text.prompt]: prompt, ...settings } = values;
    const shown = create("pre", { textContent: typeof prompt === "string" ? prompt : "", tabIndex: 0 });
    let count = 0;
    for await (const piece of this.remote.parts("stream", { prompt, settings })) {
      if (!count) this._show(shown);
      shown.textContent += typeof piece === "number" ? ` ${piece}` : piece;
      count += piece.length ?? 1;
    }
    return `${count} ${typeof prompt === "string" ? "characters" : "tokens"}`;
  }

  async _shown(values) {
    const results = await this.remote.one("run", values);
    const several = Object.keys(results).length > 1;
    const pictures = Object.entries(results).flatMap(([name, result]) => [
      ...(several ? [create("h3", { textContent: name })] : []),
      described(pictureOf(result, this.outputs[name], this.manifest, values), name, result),
    ]);
    this._show(...pictures);
    const first = Object.values(results)[0];
    const count = typeof first === "string" ? 1 : (first.dims?.[0] ?? first.length);
    return `${count.toLocaleString("en")} example${count === 1 ? "" : "s"}`;
  }

  _show(...elements) {
    this.output.replaceChildren(...elements);
    this.output.classList.remove("old");
  }
}
