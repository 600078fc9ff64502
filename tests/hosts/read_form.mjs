// What a page's form reads, with as much of a document as it touches: `node read_form.mjs MANIFEST.json`, prints the values.

import { readFileSync } from "node:fs";

class Element {
  constructor(kind) {
    Object.assign(this, { kind, children: [], hears: {}, style: {} });
  }
  appendChild(child) {
    this.children.push(child);
    return child;
  }
  append(...more) {
    this.children.push(...more);
    if (this.kind === "select" && this.value === undefined) this.value = more[0].value;
  }
  addEventListener(name, heard) {
    this.hears[name] = heard;
  }
}

globalThis.document = { createElement: (kind) => new Element(kind) };
globalThis.Option = function (textContent, value) {
  return Object.assign(new Element("option"), { textContent, value });
};

const { controlFor } = await import("controls.mjs");
const { cell, isForm } = await import("forms.mjs");
const { pictureOf } = await import("pictures.mjs");
const { boxOf, spanOf } = await import("photos.mjs");
const manifest = JSON.parse(readFileSync(process.argv[2], "utf8"));
const form = new Element("form");
const reads = manifest.inputs.map((port) => [port.name, cell(port, manifest, form)]);
const values = () => Object.fromEntries(reads.map(([name, read]) => [name, read()]));
const all = (element) => [element, ...element.children.flatMap(all)];
const first = values();
const [range, written] = ["range", "number"].map((type) => all(form).find((each) => each.type === type));
const grades = [range.min, range.max, range.step, written.step];
range.value = 33.4;
range.hears.input();
const moved = values();
written.value = "";
const refused = (change) => {
  Object.assign(written, change);
  try {
    return values();
  } catch (error) {
    return error.message;
  }
};
const bad = refused({ validity: { badInput: true } });
written.validity = { badInput: false };
const select = all(form).find((each) => each.kind === "select");
select.value = select.children.at(-1).value;
/** What the controls of a file that draws begin with, and the names of their fields. */
function drawing(...inputs) {
  const about = { draws: true, inputs, settings: [], labels: {}, outputs: [{ dtype: "float32", shape: [1, 8, 8], path: null }] };
  const fields = new Element("form");
  const initial = inputs.map((port) => controlFor(port, about, fields, () => {})());
  return { initial, fields: all(fields).filter(({ kind }) => kind === "label").map(({ textContent }) => textContent) };
}
/** How far arrow keys move a real setting with such a default, and from where. */
function settingOf(value) {
  const fields = new Element("form");
  controlFor({ name: "w", kind: "setting", dtype: "float32", default: value, minimum: value === 0.7 ? 1e-6 : 0 }, manifest, fields, () => {});
  const { min, step } = all(fields).find(({ type }) => type === "number");
  return [min, step];
}
const whole = (name, more) => ({ name, kind: "input", dtype: "int64", shape: [], classes: null, minimum: null, maximum: null, ...more });
console.log(
  JSON.stringify({
    numbered: drawing(whole("seed", { minimum: 0 }), whole("example"), whole("on", { dtype: "bool" }), whole("n", { minimum: 3 })),
    labelled: drawing(whole("y", { classes: 10 }), whole("example")),
    grades,
    settings: [1.5, 0.7, 0.001, 20].map(settingOf),
    isForm: isForm(manifest),
    first,
    moved,
    bad,
    pickers: all(form).filter(({ type }) => /^date/.test(type)).map(({ type, value }) => [type, value]),
    menu: select.children.map((each) => each.textContent),
    last: Object.fromEntries(Object.entries(values()).map(([name, value]) => [name, value.map(String)])),
    answered: ["day", "utc"].map((dates) => pictureOf({ data: Float32Array.of(19723.625, 19844 + 101 / 288, NaN), dims: [3] }, { dates, shape: [] }, manifest, {}).textContent),
    whole: pictureOf({ data: [2n ** 60n + 1n, 123456789, 0.1234567], dims: [3] }, { dtype: "int64", shape: [] }, { ...manifest, inputs: [] }, {}).textContent,
    crop: boxOf({}, 100, 50, 10, 10),
    pad: boxOf({ fit: "pad" }, 100, 50, 10, 10),
    cut: boxOf({ fit: "crop", resize: 20 }, 100, 50, 10, 10),
    squeezed: boxOf({ resize: [20, 30] }, 100, 50, 10, 10),
    spans: [spanOf(undefined), spanOf({ low: [-0.9], high: [1] }), spanOf({ low: [0], high: [255] })],
  }),
);
