// A form for a model of a table's rows: sliders and menus for one example, in the ranges that the data have.

import { labelsOf, spareLabel } from "mai.mjs";
import { create } from "plane.mjs";

const STEPS = 200; // Places of a slider between its ends.
const MOST_SLIDERS = 24; // For the numbers of one vector.
const A_DAY = 86_400_000; // Milliseconds.

/** Whether a file answers for one row of a table: it draws nothing, and takes numbers and labels alone. */
export function isForm(manifest) {
  return !manifest.draws && !manifest.text && manifest.inputs.length > 0 && manifest.inputs.every((port) => isCell(port, manifest));
}

function isCell(port, manifest) {
  if (!port.shape.length) return port.dtype === "float32" || Boolean(port.classes);
  const facts = manifest.facts?.[port.name];
  return port.shape.length === 1 && port.shape[0] <= MOST_SLIDERS && facts?.low.length === port.shape[0];
}

/** The control of one input, which reads a batch of one example. */
export function cell(port, manifest, form) {
  if (port.classes) return menu(port, manifest, form);
  const inData = manifest.facts?.[port.name];
  const facts = inData && { ...inData, gaps: port.gaps ?? inData.gaps };
  if (!port.shape.length) {
    const read = facts ? number(port.name, facts, 0, form) : plain(port, form);
    return () => [read()];
  }
  const reads = facts.low.map((_, place) => number(facts.columns?.[place] ?? `${port.name}${place}`, facts, place, form));
  return () => [reads.map((read) => read())];
}

/** What reads one number: the days of a date that is picked, or a slider. */
function number(name, facts, place, form) {
  const written = facts.dates?.[place];
  return written ? picker(name, facts, place, written, form) : slider(name, facts, place, form);
}

/** A date, or a date with its time, as its text, or as days since 1970-01-01 among numbers that are no dates; empty where it is missing. */
function picker(name, facts, place, written, form) {
  const type = written === "day" ? "date" : "datetime-local";
  const label = written === "utc" ? `${name}, in UTC` : name;
  const field = labelled(label, form).appendChild(create("input", { type, value: dateOf(facts.middle[place], written) }));
  const days = (value) => Date.parse(written === "day" ? value : `${value}Z`) / A_DAY;
  const asText = (value) => (written === "utc" ? `${value}Z` : value);
  return () => valueOf(field, name, "date", facts.gaps, facts.dates.every(Boolean) ? asText : days);
}

/** What a field holds; empty, NaN where that `mayLack`. A browser says of a wrong text, as `1e999`, that it is bad, and empty. */
export function valueOf(field, name, kind, mayLack, read = Number) {
  if (field.validity?.badInput) throw new Error(`what is written for ${name} is no ${kind}`);
  if (field.value !== "") return read(field.value);
  if (mayLack) return NaN;
  throw new Error(`${name} has no ${kind}`);
}

/** Days since 1970-01-01 as fields of forms hold them. */
export function dateOf(days, written) {
  const near = written === "day" ? Math.floor(days) : roundest(days);
  return new Date(Math.round(near * A_DAY)).toISOString().slice(0, written === "day" ? 10 : 16);
}

/** Days to the hour, to quarters of it, five minutes, or the minute: the first that is the same number in 32 bits, as in Python. */
function roundest(days) {
  const near = [24, 96, 288].map((count) => Math.round(days * count) / count).find((each) => Math.fround(each) === Math.fround(days));
  return near ?? Math.round(days * 1440) / 1440;
}

/** The labels by their names; the one after those with names is for what is missing or not known. */
function menu(port, manifest, form) {
  const names = labelsOf(manifest, port);
  const spare = spareLabel(manifest, port);
  const unnamed = (label) => (label === spare ? "not known" : String(label));
  const select = labelled(port.name, form).appendChild(create("select"));
  select.append(...Array.from({ length: port.classes }, (_, label) => new Option(names[label] ?? unnamed(label), label)));
  return () => [Number(select.value)];
}

/** A slider from the least to the largest number of the data, and a field beside it for any other; empty where it is missing. */
function slider(name, facts, place, form) {
  const [low, high, middle] = [facts.low[place], facts.high[place], facts.middle[place]];
  const step = facts.whole ? 1 : stepOf(low, high);
  const [min, max] = [rounded(Math.floor(low / step), step), rounded(Math.ceil(high / step), step)]; // An arrow key goes a step, from these ends.
  const box = labelled(name, form).appendChild(create("div", { className: "slider" }));
  const range = box.appendChild(create("input", { type: "range", min, max, step }));
  const placeholder = facts.gaps ? "missing" : "";
  const written = box.appendChild(create("input", { type: "number", step, placeholder, ariaLabel: `${name}, as a number` }));
  range.value = middle;
  written.value = Number(middle.toPrecision(4));
  range.addEventListener("input", () => (written.value = rounded(Math.round(range.value / step), step)));
  written.addEventListener("input", () => written.value !== "" && (range.value = written.value));
  return () => valueOf(written, name, "number", facts.gaps);
}

function plain({ name, gaps }, form) {
  const written = labelled(name, form).appendChild(create("input", { type: "number", step: "any", value: 0, placeholder: gaps ? "missing" : "" }));
  return () => valueOf(written, name, "number", gaps);
}

/** A power of ten; that of JavaScript's `**` is 9.999999999999999e-5 for -4. */
export const tenTo = (exponent) => Number(`1e${exponent}`);

/** So many steps as a number that people would write. */
const rounded = (count, step) => Number((count * step).toPrecision(6));

/** A power of ten that goes some hundred times into a range. */
function stepOf(low, high) {
  return high > low ? tenTo(Math.floor(Math.log10((high - low) / STEPS) + 0.5)) : 1;
}

function labelled(textContent, form) {
  return form.appendChild(create("label", { textContent }));
}
