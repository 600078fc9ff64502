// A page for compiled files: controls for what they take, and a picture, a film or a text of what they give.

import { byName } from "mai.mjs";
import { controlFor, GRIDS } from "controls.mjs";
import { isPlane, made, pictureOf } from "pictures.mjs";
import { Remote } from "remote.mjs";

const WAIT = 250; // Milliseconds after the last change before a file is run again.

/**
 * Show files one below the other: `{ name, bytes, step, modules }` each, `step` the bytes of the file of one turn, `modules`
 * the names of what it needs beside mai.mjs. `wasm` says where onnxruntime-web has its WebAssembly from.
 */
export async function show(files, wasm, place) {
  let last = null;
  for (const { name, ...file } of files) {
    const section = place.appendChild(made("section"));
    try {
      const remote = new Remote({ ...file, wasm });
      const opened = await remote.open();
      if (opened.spec !== last) section.append(...heading(opened));
      last = opened.spec;
      new Panel(section, remote, opened).run();
    } catch (error) {
      section.append(made("p", { className: "error", textContent: `${name}: ${error.message}` }));
    }
  }
}

/** What is said once of the files of one spec. */
function heading({ manifest, spec }) {
  const text = made("details");
  text.append(made("summary", { textContent: "the text that it was made from" }), made("pre", { textContent: spec }));
  return [made("h1", { textContent: manifest.title || manifest.name }), text];
}

class Panel {
  constructor(section, remote, { manifest, streams }) {
    const form = made("form");
    const ports = [...manifest.inputs, ...manifest.settings];
    this.manifest = manifest;
    this.remote = remote;
    this.streams = streams;
    this.outputs = byName(manifest.outputs);
    this.output = made("div", { className: "output" });
    this.note = made("p", { className: "note" });
    this.read = ports.map((port) => [port.name, controlFor(port, manifest, form, () => this._soon())]);
    this.grids = ports.some((port) => isPlane(port, manifest)) ? GRIDS : [null];
    this.button = form.appendChild(made("button", { type: "submit", textContent: "run" }));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.running) remote.stop();
      else this.run();
    });
    if (!manifest.text) form.addEventListener("input", () => this._soon());
    section.append(made("h2", { textContent: manifest.export }), form, this.output, this.note);
  }

  _soon() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.run(), WAIT);
  }

  /** Run the file on what the controls say. Changes on the way are run after; only one run goes on at a time. */
  async run() {
    if (this.running) return void (this.again = true);
    this.running = true;
    this.button.textContent = "stop";
    const began = performance.now();
    try {
      for (const side of this.grids) {
        const values = Object.fromEntries(this.read.map(([name, read]) => [name, read(side)]));
        this.note.textContent = "runs …";
        this.note.className = "note";
        const count = this.streams ? await this._streamed(values) : await this._shown(values);
        this.note.textContent = `${count} in ${((performance.now() - began) / 1000).toPrecision(2)} s, on this machine`;
        if (this.again) break;
      }
    } catch (error) {
      this.note.textContent = error.message;
      this.note.className = "note error";
    }
    this.running = false;
    this.button.textContent = "run";
    if (this.again) this._soon();
    this.again = false;
  }

  async _streamed(values) {
    const { [this.manifest.text.prompt]: prompt, ...settings } = values;
    const shown = made("pre", { textContent: typeof prompt === "string" ? prompt : "" });
    this.output.replaceChildren(shown);
    let count = 0;
    for await (const piece of this.remote.parts("stream", { prompt, settings })) {
      shown.textContent += typeof piece === "number" ? ` ${piece}` : piece;
      count += piece.length ?? 1;
    }
    return `${count} ${typeof prompt === "string" ? "characters" : "tokens"}`;
  }

  async _shown(values) {
    const results = await this.remote.one("run", values);
    this.output.replaceChildren();
    for (const [name, result] of Object.entries(results)) {
      if (Object.keys(results).length > 1) this.output.append(made("h3", { textContent: name }));
      this.output.append(pictureOf(result, this.outputs[name], this.manifest, values));
    }
    const first = Object.values(results)[0];
    const count = typeof first === "string" ? 1 : (first.dims?.[0] ?? first.length);
    return `${count.toLocaleString("en")} example${count === 1 ? "" : "s"}`;
  }
}
