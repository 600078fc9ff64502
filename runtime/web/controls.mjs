// Controls for what a file takes: each is put into a form, and returns what reads its value.

import { cell, isForm, tenTo, valueOf } from "forms.mjs";
import { labelsOf } from "mai.mjs";
import { photos, spanOf } from "photos.mjs";
import { isPlane, paint, sizesOf } from "pictures.mjs";
import { create } from "plane.mjs";

export const GRIDS = [10, 20, 40]; // Points a side of a map, which becomes finer.
const REACH = 2.5; // How far a map's grid reaches from 0, at first.
const FREE = 8; // How long an axis of any length is, at first.
const ROWS = 40; // Images where a label is chosen.
const SEEDS = 2 ** 31;
const COUNTS = new WeakMap(); // The field for the number of examples, by its form.
const [MANY, SOME, IMAGES] = [1000, 300, 20]; // Points, paths and images where their number is a setting.

/** The control that suits an input or a setting; `changed` is called where a control hears of changes by itself. */
export function controlFor(port, manifest, form, changed) {
  if (isPlane(port, manifest)) return plane(port, form);
  if (port.kind === "setting") return setting(port, manifest, form, changed);
  if (isForm(manifest)) return cell(port, manifest, form);
  if (port.dtype === "float32" && pixelsOf(port.shape))
    return image(port, pixelsOf(port.shape), manifest.facts?.[port.name], form, changed);
  if (port.classes && port.shape.length === 1) return tokens(port, manifest, form);
  if (port.classes && !port.shape.length) return label(port, manifest, form);
  if (isNumbering(port, manifest)) return numbering(manifest, form);
  return port.shape.length ? numbers(port, form) : single(port, form, changed);
}

/** The corners of a grid of points. */
function plane(port, form) {
  const corners = ["0 from", "0 to", "1 from", "1 to"].map((name, place) =>
    number(form, `${port.name}${name}`, place % 2 ? REACH : -REACH, { step: 0.5 }),
  );
  return (side) => {
    const [left, right, low, high] = corners.map((read) => read());
    if (left >= right || low >= high) throw new Error("a map goes from a smaller number to a larger one");
    return gridOf([left, right], [low, high], side);
  };
}

function setting(port, manifest, form, changed) {
  const value = port.name === "batch" ? usualBatch(manifest) : Number(port.default);
  const step = port.dtype === "int64" ? 1 : stepFor(value);
  const limits = { min: Number.isInteger(port.minimum / step) ? (port.minimum ?? "") : "", max: port.maximum ?? "", step };
  const read = number(form, port.name, value, limits);
  if (port.name === "seed") another(read.field, form, changed);
  return () => (port.dtype === "bool" ? Boolean(read()) : read());
}

/** How far an arrow key moves a setting: a power of ten, from a 50th to a 5th of its default. */
function stepFor(value) {
  return tenTo(Math.floor(Math.log10(Math.abs(value || 1) / 5)));
}

/** One number that stands for all examples. */
function single(port, form, changed) {
  const [low, high] = port.dtype === "bool" ? [0, 1] : [port.minimum ?? "", port.maximum ?? ""];
  const read = number(form, port.name, Number(low), { min: low, max: high, step: port.dtype === "float32" ? "any" : 1 }, port.gaps);
  if (port.name === "seed") another(read.field, form, changed);
  return () => [port.dtype === "bool" ? Boolean(read()) : read()];
}

/** A button for another seed. */
function another(field, form, changed) {
  button(form, "another", () => ((field.value = Math.floor(SEEDS * Math.random())), changed()));
}

/** Whether an input numbers the examples, as the language calls it where each has draws of its own. */
function isNumbering(port, manifest) {
  return manifest.draws && !manifest.text && port.name === "example" && port.dtype === "int64" && !port.shape.length;
}

function numbering(manifest, form) {
  const count = examples(form, usualBatch(manifest));
  return () => Array.from({ length: count() }, (_, row) => row);
}

/** How many examples there are: one field of a form, for all of its controls that ask. */
function examples(form, usual) {
  if (!COUNTS.has(form)) COUNTS.set(form, number(form, "examples", usual, { min: 1, step: 1 }));
  return COUNTS.get(form);
}

/** An image: drawn where it is grey, dropped, chosen, or seen by the camera. */
function image(port, sizes, facts, form, changed) {
  const [channels, height, width] = sizes;
  const span = spanOf(facts);
  const values = new Float32Array(channels * height * width).fill(span[0]);
  let isChosen = false;
  const ways = channels === 1 ? "draw, or drop an image" : "drop an image";
  const box = form.appendChild(create("div", { className: "image" }));
  box.append(create("span", { textContent: `${port.name}: ${ways}` }));
  const canvas = box.appendChild(create("canvas", { width, height, className: "pixels pad", role: "img", ariaLabel: `the image for ${port.name}` }));
  const show = () => paint(canvas.getContext("2d"), values, sizes, 1, span);
  const put = () => ((isChosen = true), show(), changed());
  if (channels === 1) drawn(canvas, values, sizes, span, put);
  const forget = photos(values, sizes, { span, fit: facts?.fit, resize: facts?.resize }, box, put);
  button(box, "clear", () => (forget(), values.fill(span[0]), put()));
  show();
  return () => {
    if (!isChosen) throw Object.assign(new Error(`${ways} for ${port.name}`), { awaited: true });
    return values.slice();
  };
}

/** A pen for grey images. */
function drawn(canvas, values, [, height, width], [low, high], put) {
  const touch = ({ clientX, clientY, buttons }) => {
    if (!buttons) return;
    const box = canvas.getBoundingClientRect();
    const x = ((clientX - box.left) / box.width) * width - 0.5;
    const y = ((clientY - box.top) / box.height) * height - 0.5;
    values.forEach((value, place) => {
      const far = Math.hypot((place % width) - x, Math.floor(place / width) - y);
      values[place] = Math.max(value, low + (high - low) * Math.max(0, Math.min(1, 1.4 - far)));
    });
    put();
  };
  canvas.addEventListener("pointerdown", touch);
  canvas.addEventListener("pointermove", touch);
}

/** A text where the file has a tokenizer for it, else lists of tokens. */
function tokens(port, manifest, form) {
  const text = Boolean(manifest.tokenizer);
  const value = text ? "The " : "[1, 2]";
  const entry = field(form, port.name, create("input", { type: "text", className: "wide", value }));
  return () => (text ? entry.value : parsed(port, entry.value));
}

/** A label, or all of them in turn. */
function label(port, manifest, form) {
  const names = labelsOf(manifest, port);
  const labels = Array.from({ length: port.classes }, (_, place) => place);
  const select = field(form, port.name, create("select"));
  select.append(new Option("all", ""), ...labels.map((place) => new Option(names[place] ?? place, place)));
  const usual = usualBatch(manifest) === MANY ? MANY : ROWS;
  const count = examples(form, usual);
  const label = (row, rows) => (select.value === "" ? Math.floor((row * labels.length) / rows) : Number(select.value));
  return () => Array.from({ length: count() }, (_, row) => label(row, count()));
}

/** Numbers as they are written in JSON. */
function numbers(port, form) {
  const sizes = port.shape.map((size) => (typeof size === "number" ? size : FREE));
  const value = JSON.stringify(nested([1, ...sizes], port));
  const entry = field(form, port.name, create("textarea", { value, rows: 3 }));
  return () => parsed(port, entry.value);
}

function parsed(port, text) {
  try {
    return JSON.parse(text);
  } catch {
    const example = JSON.stringify(
      nested(
        port.shape.map((size) => (typeof size === "number" ? size : 2)),
        port,
      ),
    );
    throw new Error(`${port.name} is written as JSON: ${example}, or a list of such examples`);
  }
}

/** A field for a number; what reads it has it as `field`. */
function number(form, label, value, limits, mayLack = false) {
  const element = field(form, label, create("input", { type: "number", value, ...limits }));
  return Object.assign(() => valueOf(element, label, "number", mayLack), { field: element });
}

function field(form, textContent, element) {
  form.appendChild(create("label", { textContent })).append(element);
  return element;
}

export function button(form, textContent, clicked) {
  const element = form.appendChild(create("button", { type: "button", textContent }));
  element.addEventListener("click", clicked);
  return element;
}

/** The points of a grid in the plane, row by row from below: the middles of its cells. */
function gridOf([left, right], [low, high], side) {
  const along = (from, to, place) => from + ((to - from) * (place + 0.5)) / side;
  const point = (place) => [along(left, right, place % side), along(low, high, Math.floor(place / side))];
  return Array.from({ length: side * side }, (_, place) => point(place));
}

/** How many examples to begin with: many points, some images. */
function usualBatch(manifest) {
  const [port] = manifest.outputs;
  const moves = typeof port.path === "number";
  const shape = port.shape.filter((_, axis) => axis !== port.path);
  if (shape.length === 1) return moves ? SOME : MANY;
  return sizesOf(shape) ? IMAGES : 1;
}

/** The sizes of an image that is taken: one or three channels, or a square number of pixels in a row. */
function pixelsOf(shape) {
  const side = Math.sqrt(shape[0]);
  if (shape.length === 1) return Number.isInteger(side) && side > 3 ? [1, side, side] : null;
  const sizes = shape.every((size) => typeof size === "number") && sizesOf(shape);
  return sizes || null;
}

/** Nested lists of values that look drawn: true or false, whole numbers, of labels those that there are, or numbers between -1 and 1. */
function nested(sizes, port, count = { values: 0 }) {
  if (sizes.length) return Array.from({ length: sizes[0] }, () => nested(sizes.slice(1), port, count));
  const wave = Math.sin(12.9898 * ++count.values);
  const below = port.classes ?? 10;
  if (port.dtype === "bool") return wave > 0;
  return port.dtype === "int64" ? Math.floor(((wave + 1) / 2) * below) % below : Number(wave.toFixed(2));
}
