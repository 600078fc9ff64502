// Pictures of results, as elements of a page.

import { labelsOf, product, rowsOf } from "mai.mjs";

const INK = "#20304a";
const ACCENT = "#d1495b";
const LIGHT = [243, 246, 250];
const DARK = [32, 48, 74];
// The colours of classes.
const PALETTE = [
  [32, 48, 74],
  [209, 73, 91],
  [237, 174, 73],
  [0, 121, 140],
  [159, 179, 200],
];
const SIDE = 420; // Pixels of a plane.
const MOST_NUMBERS = 60;
const MOST_BARS = 12;
const FILM = 2500; // Milliseconds that a path takes.

export function made(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

/** What suits a result: text, a path that moves, a map, points, images, bars of classes, or numbers. */
export function pictureOf(result, port, manifest, values) {
  if (typeof result === "string" || Array.isArray(result))
    return made("pre", { textContent: [result].flat().join("\n\n") });
  const shape = result.dims.slice(1);
  if (port.path !== null && port.path !== undefined) return film(framesOf(result, port.path));
  const [plane] = manifest.inputs;
  const inPlane = plane && isPlane(plane, manifest);
  const shares = shape.length === 1 && rowsOf(result).every(isProbability);
  if (inPlane && !shape.length) return map(result.data, values[plane.name]);
  if (inPlane && shares) return regions(rowsOf(result));
  if (sizesOf(shape)) return mosaic(result.data, sizesOf(shape), result.dims[0]);
  if (port.shape.length === 1 && port.shape[0] === 2)
    return still((context) => points(context, result.data, rangeOf(result.data)));
  if (shape.length === 2 && shape[1] === 2)
    return still((context) => points(context, rowsOf(result)[0], rangeOf(result.data)));
  if (shares) return bars(rowsOf(result), labelsOf(manifest, rowsOf(result)[0].length));
  return numbers(result);
}

const still = (draw) => drawn(SIDE, SIDE, draw);

function drawn(width, height, draw) {
  const canvas = made("canvas", { width, height });
  draw(canvas.getContext("2d"));
  return canvas;
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

function film(frames) {
  const shape = frames[0].dims.slice(1);
  const images = sizesOf(shape);
  const flat = shape.at(-1) === 2;
  if (!images && !flat) return numbers(frames.at(-1));
  const range = rangeOf(frames.flatMap((frame) => Array.from(frame.data)));
  const last = rangeOf(frames.at(-1).data);
  const canvas = images ? mosaic(frames[0].data, images, frames[0].dims[0]) : still(() => {});
  const context = canvas.getContext("2d");
  const slider = made("input", { type: "range", min: 0, max: frames.length - 1, value: 0 });
  const show = (step) => {
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (images) paint(context, frames[step].data, images, frames[step].dims[0], last);
    else
      points(
        context,
        shape.length === 2 ? rowsOf(frames[step])[0] : frames[step].data,
        range,
        step === frames.length - 1 ? ACCENT : INK,
      );
  };
  let began = null;
  const turn = (now) => {
    began ??= now;
    const step = Math.min(frames.length - 1, Math.floor(((now - began) / FILM) * frames.length));
    slider.value = step;
    show(step);
    if (step < frames.length - 1 && canvas.isConnected) playing = requestAnimationFrame(turn);
  };
  let playing = requestAnimationFrame(turn);
  slider.addEventListener(
    "input",
    (event) => (event.stopPropagation(), cancelAnimationFrame(playing), show(Number(slider.value))),
  );
  const held = made("div", { className: "film" });
  held.append(canvas, slider);
  return held;
}

/** The smallest square around numbers, for a plane whose axes are alike. */
function rangeOf(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return low < high ? [low, high] : [low - 1, low + 1];
}

function points(context, data, [low, high], colour = INK) {
  const { width } = context.canvas;
  const room = width * 0.04;
  const at = (value) => room + ((value - low) / (high - low)) * (width - 2 * room);
  const size = Math.max(1, Math.min(6, 160 / Math.sqrt(data.length)));
  context.fillStyle = colour;
  context.globalAlpha = 0.6;
  for (let row = 0; row + 1 < data.length; row += 2) {
    context.beginPath();
    context.arc(at(data[row]), width - at(data[row + 1]), size / 2, 0, 2 * Math.PI);
    context.fill();
  }
  context.globalAlpha = 1;
}

/** Channels, height and width, where a shape is that of an image. */
export function sizesOf(shape) {
  if (shape.length === 3 && (shape[0] === 1 || shape[0] === 3) && Math.min(shape[1], shape[2]) > 3) return shape;
  return shape.length === 2 && Math.min(...shape) > 3 ? [1, ...shape] : null;
}

function mosaic(data, sizes, count) {
  const columns = Math.min(count, 10);
  const scale = Math.max(1, Math.min(8, Math.floor(600 / (columns * (sizes[2] + 1)))));
  const rows = Math.ceil(count / columns);
  const canvas = made("canvas", {
    width: columns * (sizes[2] + 1),
    height: rows * (sizes[1] + 1),
    className: "pixels",
  });
  canvas.style.width = `${canvas.width * scale}px`;
  paint(canvas.getContext("2d"), data, sizes, count, rangeOf(data));
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

/** Numbers on the grid of `gridOf`: light where they are low, dark where they are high. What lies far below is all low. */
function map(values, grid) {
  const sorted = Float32Array.from(values).filter(Number.isFinite).sort();
  const [low, high] = [sorted[Math.floor(sorted.length * 0.4)], sorted.at(-1)];
  const scale = made("p", {
    className: "note",
    textContent: `light: ${low?.toPrecision(3)} and below, dark: ${high?.toPrecision(3)}, from ${grid[0][0]} to ${grid.at(-1)[0]}`,
  });
  const dark = (value) => Math.max(0, Math.min(1, (value - low) / (high - low)));
  const canvas = cells(Array.from(values, (value) => mixed([LIGHT, DARK], [1 - dark(value), dark(value)])));
  const held = made("div");
  held.append(canvas, scale);
  return held;
}

/** Where which class is how probable: the colours of the classes, mixed. */
const regions = (rows) => cells(rows.map((row) => mixed(PALETTE, Array.from(row))));

/** Colours on the grid of `gridOf`. */
function cells(colours) {
  const side = Math.sqrt(colours.length);
  const cell = SIDE / side;
  return drawn(SIDE, SIDE, (context) =>
    colours.forEach((colour, place) => {
      context.fillStyle = colour;
      context.fillRect((place % side) * cell, SIDE - (Math.floor(place / side) + 1) * cell, cell + 1, cell + 1);
    }),
  );
}

function mixed(colours, shares) {
  const mean = (channel) =>
    Math.round(shares.reduce((sum, share, k) => sum + share * colours[k % colours.length][channel], 0));
  return `rgb(${mean(0)},${mean(1)},${mean(2)})`;
}

function bars(rows, names) {
  const held = made("div", { className: "bars" });
  for (const row of rows.slice(0, MOST_BARS)) {
    const best = row.indexOf(Math.max(...row));
    const panel = held.appendChild(made("div"));
    row.forEach((share, k) => {
      const line = panel.appendChild(made("div", { className: k === best ? "bar best" : "bar" }));
      line.append(
        made("span", { textContent: names[k] ?? k }),
        made("i"),
        made("b", { textContent: `${(100 * share).toFixed(1)} %` }),
      );
      line.children[1].style.width = `${100 * share}px`;
    });
  }
  return held;
}

function numbers(result) {
  const rows = rowsOf(result).slice(0, MOST_NUMBERS);
  const text = rows
    .map((row) => Array.from(row.slice(0, MOST_NUMBERS), (value) => Number(value.toPrecision(5))).join("  "))
    .join("\n");
  return made("pre", { textContent: text });
}

const isProbability = (row) =>
  row.length > 1 && row.every((share) => share >= -1e-6) && Math.abs(row.reduce((a, b) => a + b, 0) - 1) < 1e-3;

/** Whether numbers are wanted for points of the plane: then they are those of a grid. */
export function isPlane(port, manifest) {
  const alone = manifest.inputs.length === 1 && port.kind === "input";
  return alone && port.dtype === "float32" && port.shape.length === 1 && port.shape[0] === 2;
}
