// What a page's conversation asks and shows, with as much of a document as it touches: `node read_talk.mjs MANIFEST.json`.

import { readFileSync } from "node:fs";

class Element {
  constructor(kind) {
    Object.assign(this, { kind, children: [], hears: {}, style: {}, value: "", textContent: "" });
  }
  appendChild(child) {
    this.children.push(child);
    return child;
  }
  append(...more) {
    this.children.push(...more);
  }
  replaceChildren(...more) {
    this.children = more;
  }
  addEventListener(name, heard) {
    this.hears[name] = heard;
  }
}

globalThis.document = { createElement: (kind) => new Element(kind) };
const { Talk } = await import("talk.mjs");
const manifest = JSON.parse(readFileSync(process.argv[2], "utf8"));
const asked = [];
let fails = false;
const remote = {
  async *parts(question, request) {
    asked.push([question, structuredClone(request)]);
    yield "an ";
    if (fails) throw new Error("stopped");
    yield "answer";
  },
};
const section = new Element("section");
const talk = new Talk(section, remote, { manifest });
talk.text.value = " hello ";
await talk.send();
talk.system.value = "be brief";
fails = true;
talk.text.value = "again";
await talk.send();
const shown = talk.log.children.map(({ className, textContent }) => [className, textContent]);
const messages = talk.messages;
talk.reset();
console.log(JSON.stringify({ asked, shown, messages, note: talk.note.textContent, left: talk.log.children.length }));
