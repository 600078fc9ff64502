// Pictures of results, as elements of a page.

import { dateOf } from "forms.mjs";
import { labelsOf, product, rowsOf } from "mai.mjs";
import { create, legend, map, plane, points, rangeOf, regions } from "plane.mjs";

const MOST_NUMBERS = 60;
const MOST_BARS = 12;
const MOST_DAYS = 700_000; // From 1970.
const FILM = 2500; // Milliseconds that a path takes.

/** The same, with words for who hears the page: what is on a canvas cannot be read. */
export function described(element, name, { dims }) {
  const canvases = element.matches("canvas") ? [element] : element.querySelectorAll("canvas");
  for (const canvas of canvases) Object.assign(canvas, { role: "img", ariaLabel: `picture of ${name}: ${dims.join(" × ")} numbers` });
  return element;
}

/** What suits a result: text, likely tokens, a path that moves, a map, classes, images, points, or numbers. */
export function pictureOf(result, port, manifest, values) {
  if (typeof result === "string" || Array.isArray(result)) return writing([result].flat().join("\n\n"));
  if (result.likeliest) return chances(result.likeliest);
  const shape = result.dims.slice(1);
  const rows = rowsOf(result);
  const data = Array.isArray(result.data) ? Float32Array.from(result.data, Number) : result.data; // drawn, not written
  const [input] = manifest.inputs;
  const grid = input && isPlane(input, manifest) ? values[input.name] : null;
  if (typeof port.path === "number") return film(framesOf({ data, dims: result.dims }, port.path), askedFor(manifest, values));
  if (port.dates) return answer(rows.length, rows.map((row) => dates(row, port.dates)).join("\n"));
  if (port.classes && !shape.length) return labels(data, port, manifest, grid);
  if (grid && !shape.length) return map(data, grid);
  if (port.dtype === "bool") return truths(rows);
  if (port.dtype === "float32" && shape.length === 1 && rows.every(isProbability)) return classes(rows, port, manifest, grid);
  if (sizesOf(shape)) return mosaic(data, sizesOf(shape), result.dims[0]);
  if (port.shape.length === 1 && port.shape[0] === 2) return scatter(data, askedFor(manifest, values));
  if (port.shape.length === 2 && port.shape[1] === 2) return scatter(rowsOf({ data, dims: result.dims })[0]);
  return numbers(rows);
}

// What scrolls is reached by the keyboard.
const writing = (textContent) => create("pre", { textContent, tabIndex: 0 });

/** What is given: one value alone stands out. */
const answer = (count, textContent) => (count === 1 ? create("p", { className: "answer", textContent }) : writing(textContent));

/** Days since 1970-01-01 as the nearest days, or as times to the minute; as numbers where they are in no calendar. */
const dates = (days, form) => Array.from(days, (each) => (Math.abs(each) < MOST_DAYS ? dateOf(form === "day" ? Math.round(each) : each, form).replace("T", " ") : String(each))).join("  ");

const namesFor = (manifest, port, count) => {
  const names = labelsOf(manifest, port);
  return Array.from({ length: count }, (_, label) => names[label] ?? String(label));
};

function classes(rows, port, manifest, grid) {
  const names = namesFor(manifest, port, rows[0].length);
  return grid ? regions(rows, grid, names) : bars(rows, names);
}

/** Labels by their names; of the points of a grid as colours. */
function labels(data, port, manifest, grid) {
  const names = namesFor(manifest, port, port.classes);
  const certain = (label) => names.map((_, k) => Number(k === label));
  return grid
    ? regions(Array.from(data, certain), grid, names)
    : answer(data.length, Array.from(data, (label) => names[label]).join("  "));
}

/** The labels that examples were asked for, with their names, where there are any. */
function askedFor(manifest, values) {
  const port = manifest.inputs.find((port) => port.classes && !port.shape.length);
  return port ? { labels: values[port.name], names: namesFor(manifest, port, port.classes) } : {};
}

/** Points, coloured by what they were asked for. */
function scatter(data, { labels, names } = {}) {
  const range = rangeOf(data);
  return explained(plane(range, range, points(data, labels)), names);
}

function explained(picture, names) {
  const box = create("div");
  box.append(picture, ...(names ? [legend(names)] : []));
  return box;
}

/** A path [batch, ..., steps, ...] as one result a step. */
function framesOf({ data, dims }, path) {
  const axis = path + 1;
  const [outer, steps, inner] = [product(dims.slice(0, axis)), dims[axis], product(dims.slice(axis + 1))];
  const kept = dims.filter((_, place) => place !== axis);
  return Array.from({ length: steps }, (_, step) => {
    const frame = new Float32Array(outer * inner);
    for (let row = 0; row < outer; row++)
      frame.set(data.subarray((row * steps + step) * inner, (row * steps + step + 1) * inner), row * inner);
    return { data: frame, dims: kept };
  });
}

/** A path of points or of images, which plays once, and again when it is asked to. */
function film(frames, asked) {
  const shape = frames[0].dims.slice(1);
  const images = sizesOf(shape);
  if (!images && shape.at(-1) !== 2) return numbers(rowsOf(frames.at(-1)));
  const [canvas, draw] = images ? filmOfImages(frames, images) : filmOfPoints(frames, shape, asked.labels);
  const slider = create("input", { type: "range", min: 0, max: frames.length - 1, value: 0, ariaLabel: "step of the path" });
  const play = create("button", { type: "button", textContent: "play" });
  let playing = 0;
  const start = () => {
    const began = performance.now();
    const turn = (now) => {
      slider.value = Math.min(frames.length - 1, Math.floor(((now - began) / FILM) * frames.length));
      draw(Number(slider.value));
      if (Number(slider.value) < frames.length - 1) playing = requestAnimationFrame(turn);
    };
    cancelAnimationFrame(playing);
    playing = requestAnimationFrame(turn);
  };
  play.addEventListener("click", start);
  slider.addEventListener("input", () => (cancelAnimationFrame(playing), draw(Number(slider.value))));
  const box = create("div", { className: "film" });
  box.append(canvas, play, slider);
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) draw((slider.value = frames.length - 1));
  else start();
  return explained(box, images ? null : asked.names);
}

/** Colours span those of the last images, which are what becomes of the first. */
function filmOfImages(frames, sizes) {
  const span = spanOf(frames.at(-1).data);
  const canvas = mosaic(frames[0].data, sizes, frames[0].dims[0], span);
  return [canvas, (step) => paint(canvas.getContext("2d"), frames[step].data, sizes, frames[step].dims[0], span)];
}

/** All examples, or the points of the first. */
function filmOfPoints(frames, shape, labels) {
  const range = rangeOf(frames.flatMap((frame) => Array.from(frame.data)));
  const drawing = (step) => (shape.length === 2 ? points(rowsOf(frames[step])[0]) : points(frames[step].data, labels));
  const canvas = plane(range, range, drawing(0));
  return [canvas, (step) => canvas.again(drawing(step))];
}

/** Channels, height and width, where a shape is that of an image. */
export function sizesOf(shape) {
  if (shape.length === 3 && (shape[0] === 1 || shape[0] === 3) && Math.min(shape[1], shape[2]) > 3) return shape;
  return shape.length === 2 && Math.min(...shape) > 3 ? [1, ...shape] : null;
}

function mosaic(data, sizes, count, span = spanOf(data)) {
  const columns = Math.min(count, 10);
  const scale = Math.max(1, Math.min(8, Math.floor(600 / (columns * (sizes[2] + 1)))));
  const rows = Math.ceil(count / columns);
  const canvas = create("canvas", {
    width: columns * (sizes[2] + 1),
    height: rows * (sizes[1] + 1),
    className: "pixels",
  });
  canvas.style.width = `${canvas.width * scale}px`;
  paint(canvas.getContext("2d"), data, sizes, count, span);
  return canvas;
}

export function paint(context, data, [channels, height, width], count, [low, high]) {
  const columns = Math.min(count, 10);
  for (let image = 0; image < count; image++) {
    const pixels = context.createImageData(width, height);
    for (let place = 0; place < width * height; place++) {
      for (let colour = 0; colour < 3; colour++) {
        const value = data[(image * channels + (channels === 3 ? colour : 0)) * width * height + place];
        pixels.data[4 * place + colour] = (255 * (value - low)) / (high - low);
      }
      pixels.data[4 * place + 3] = 255;
    }
    context.putImageData(pixels, (image % columns) * (width + 1), Math.floor(image / columns) * (height + 1));
  }
}

function spanOf(data) {
  const seen = data.filter(Number.isFinite);
  return [seen.reduce((a, b) => Math.min(a, b), Infinity), seen.reduce((a, b) => Math.max(a, b), -Infinity)];
}

function bars(rows, names) {
  const box = create("div", { className: "bars" });
  for (const row of rows.slice(0, MOST_BARS)) {
    const best = row.indexOf(Math.max(...row));
    const panel = box.appendChild(create("div"));
    row.forEach((share, k) => {
      const line = panel.appendChild(create("div", { className: k === best ? "bar best" : "bar" }));
      line.append(
        create("span", { textContent: names[k] }),
        create("i"),
        create("b", { textContent: `${(100 * share).toFixed(1)} %` }),
      );
      line.children[1].style.width = `${100 * share}px`;
    });
  }
  return box;
}

/** The likeliest tokens of each place of a text, as a table. */
function chances(places) {
  const says = "the likeliest tokens at each place, by the softmax of their numbers";
  const table = create("table", { className: "chances" });
  for (const { word, best } of places) {
    const row = table.insertRow();
    row.append(create("th", { scope: "row", textContent: word }));
    for (const { word, share } of best) {
      const cell = row.insertCell();
      cell.append(create("span", { textContent: word }), create("b", { textContent: ` ${(100 * share).toFixed(1)} %` }));
    }
  }
  const wide = create("div", { className: "wider", role: "region", ariaLabel: says, tabIndex: 0 });
  wide.append(table);
  const box = create("div");
  box.append(create("p", { className: "note", textContent: says }), wide);
  return box;
}

function numbers(rows) {
  const text = rows
    .slice(0, MOST_NUMBERS)
    .map((row) => Array.from(row.slice(0, MOST_NUMBERS), written).join("  "))
    .join("\n");
  return answer(rows.length * rows[0].length, text);
}

/** A whole number as it is, any other with five digits. */
const written = (value) => (typeof value === "bigint" || Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5))));

function truths(rows) {
  const text = rows.slice(0, MOST_NUMBERS).map((row) => Array.from(row.slice(0, MOST_NUMBERS), (value) => String(Boolean(value))).join("  "));
  return answer(rows.length * rows[0].length, text.join("\n"));
}

const isProbability = (row) =>
  row.length > 1 && row.every((share) => share >= -1e-6) && Math.abs(row.reduce((a, b) => a + b, 0) - 1) < 1e-3;

/** Whether numbers are wanted for points of the plane: then they are those of a grid. */
export function isPlane(port, manifest) {
  const alone = manifest.inputs.length === 1 && port.kind === "input";
  return alone && port.dtype === "float32" && port.shape.length === 1 && port.shape[0] === 2;
}
