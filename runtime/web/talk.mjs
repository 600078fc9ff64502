// A conversation on a page: a field for messages, and the answers as they grow.

import { button, controlFor } from "controls.mjs";
import { create } from "plane.mjs";
import { STOPPED } from "remote.mjs";

export class Talk {
  constructor(section, remote, { manifest }) {
    this.remote = remote;
    this.messages = [];
    this.log = create("div", { className: "log", role: "log", ariaLabel: "the conversation" });
    this.note = create("p", { className: "note", role: "status" });
    const form = create("form", { noValidate: true, className: "talk" });
    this.text = form.appendChild(create("textarea", { className: "wide", rows: 2, placeholder: "a message", ariaLabel: "a message" }));
    this.button = button(form, "send", () => (this.running ? this.remote.stop() : this.send()));
    button(form, "begin anew", () => this.reset());
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey) (event.preventDefault(), this.running || this.send());
    });
    const more = create("details");
    const settings = create("form", { noValidate: true });
    this.system = settings.appendChild(create("label", { textContent: "system" })).appendChild(create("textarea", { className: "wide", rows: 1 }));
    this.read = manifest.settings.map((port) => [port.name, controlFor(port, manifest, settings, () => {})]);
    this.count = manifest.text.count;
    more.append(create("summary", { textContent: "settings" }), settings);
    section.append(create("h2", { textContent: manifest.export }), this.log, form, more, this.note);
  }

  reset() {
    if (this.running) this.remote.stop();
    this.messages = [];
    this.log.replaceChildren();
    this._say("");
  }

  /** Send what stands in the field, and show the answer as it grows; one that is stopped stays as far as it came. */
  async send() {
    const content = this.text.value.trim();
    if (!content) return;
    this.text.value = "";
    const { messages } = this;
    messages.push({ role: "user", content });
    this._show("user", content);
    const shown = this._show("assistant", "");
    this._run(true);
    const began = performance.now();
    let count = 0;
    try {
      for await (const piece of this.remote.parts("chat", this._asked())) {
        shown.textContent += piece;
        count += 1;
      }
      this._say(`${((1000 * count) / (performance.now() - began)).toPrecision(2)} pieces a second, on this machine`);
    } catch (error) {
      this._say(error.message, error.message === STOPPED ? "" : "error");
    }
    if (shown.textContent || count) messages.push({ role: "assistant", content: shown.textContent });
    else messages.pop();
    this._run(false);
  }

  /** The messages with the system's, and the settings as the controls say. */
  _asked() {
    const values = Object.fromEntries(this.read.map(([name, read]) => [name, read()]));
    const { [this.count]: count, ...rest } = values;
    const system = this.system.value.trim();
    const messages = [...(system ? [{ role: "system", content: system }] : []), ...this.messages];
    return { messages, count, values: rest };
  }

  _show(role, textContent) {
    const ariaLabel = role === "user" ? "you" : "the answer";
    const element = this.log.appendChild(create("pre", { className: role, role: "article", ariaLabel, textContent }));
    element.scrollIntoView?.({ block: "nearest" });
    return element;
  }

  _run(running) {
    this.running = running;
    this.button.textContent = running ? "stop" : "send";
  }

  _say(text, kind = "") {
    this.note.textContent = text;
    this.note.className = `note ${kind}`;
  }
}
