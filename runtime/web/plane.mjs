// The plane: points, colours on a grid, and axes with numbers.

export const INK = "#20304a";
const QUIET = "#9fb3c8";
const LIGHT = [243, 246, 250];
const DARK = [32, 48, 74];
// The colours of labels.
const PALETTE = [
  [32, 48, 74],
  [209, 73, 91],
  [237, 174, 73],
  [0, 121, 140],
  [159, 179, 200],
  [110, 68, 130],
];
const SIDE = 420; // Pixels of the plane, inside its axes.
const EDGE = 34; // Pixels for the numbers of an axis.
const TICKS = 5;
const LOW = 0.4; // The share of a map's numbers that are all shown as low.

export function create(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

/** A plane that shows [left, right] and [low, high]; `draw(context, at)` draws on it, `at(x, y)` being pixels. */
export function plane([left, right], [low, high], draw) {
  const canvas = create("canvas", { width: SIDE + EDGE, height: SIDE + EDGE });
  const context = canvas.getContext("2d");
  const at = (x, y) => [EDGE + (SIDE * (x - left)) / (right - left), SIDE - (SIDE * (y - low)) / (high - low)];
  const again = (drawing) => {
    context.clearRect(0, 0, canvas.width, canvas.height);
    drawing(context, at);
    axes(context, at, [left, right], [low, high]);
  };
  again(draw);
  return Object.assign(canvas, { again });
}

function axes(context, at, across, up) {
  context.strokeStyle = QUIET;
  context.strokeRect(EDGE, 0.5, SIDE - 0.5, SIDE);
  context.fillStyle = INK;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "center";
  for (const tick of ticks(across)) context.fillText(tick, at(tick, 0)[0], SIDE + 16);
  context.textAlign = "right";
  for (const tick of ticks(up)) context.fillText(tick, EDGE - 6, at(0, tick)[1] + 4);
}

/** Some round numbers of a range, apart by 1, 2 or 5 times a power of 10. */
function ticks([low, high]) {
  const rough = (high - low) / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const apart = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(low / apart + 0.2);
  const count = Math.floor((high - low) / apart) + 1;
  const all = Array.from({ length: count }, (_, k) => Number(((first + k) * apart).toPrecision(6)));
  return all.filter((tick) => tick < high - 0.2 * apart);
}

/** The smallest range around numbers, with some room. */
export function rangeOf(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const room = 0.05 * (high - low);
  return low < high ? [low - room, high + room] : Number.isFinite(low) ? [low - 1, low + 1] : [-1, 1];
}

/** Draws points [n, 2]; the ones of label k have its colour. */
export function points(data, labels) {
  const size = Math.max(1, Math.min(3.5, 100 / Math.sqrt(data.length)));
  return (context, at) => {
    context.globalAlpha = 0.6;
    for (let row = 0; 2 * row + 1 < data.length; row++) {
      context.fillStyle = colourOf(labels?.[row] ?? 0);
      context.beginPath();
      context.arc(...at(data[2 * row], data[2 * row + 1]), size, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
  };
}

const colourOf = (label) => `rgb(${PALETTE[label % PALETTE.length].join(",")})`;

/** Which colour is which label. */
export function legend(names) {
  const line = create("p", { className: "note legend" });
  names.forEach((name, label) => {
    const dot = line.appendChild(create("i"));
    dot.style.background = colourOf(label);
    line.append(create("span", { textContent: name }));
  });
  return line;
}

/** Numbers of the points of a grid: light where they are low, dark where they are high. What lies far below is all low. */
export function map(values, grid) {
  const sorted = Float32Array.from(values).filter(Number.isFinite).sort();
  const [low, high] = [sorted[Math.floor(sorted.length * LOW)] ?? 0, sorted.at(-1) ?? 0];
  const dark = (value) => (high > low ? Math.max(0, Math.min(1, (value - low) / (high - low))) : 0);
  const colours = Array.from(values, (value) => mixed([LIGHT, DARK], [1 - dark(value), dark(value)]));
  const textContent = `light: ${low.toPrecision(3)} and below, dark: ${high.toPrecision(3)}`;
  const box = create("div");
  box.append(cells(colours, grid), create("p", { className: "note", textContent }));
  return box;
}

/** Where which class is how probable: the colours of the classes, mixed. */
export function regions(rows, grid, names) {
  const box = create("div");
  box.append(
    cells(
      rows.map((row) => mixed(PALETTE, Array.from(row))),
      grid,
    ),
    legend(names),
  );
  return box;
}

/** Colours of the cells of a grid, row by row from below, whose middles are given. */
function cells(colours, grid) {
  const side = Math.sqrt(colours.length);
  const [first, last] = [grid[0], grid.at(-1)];
  const half = first.map((from, axis) => (last[axis] - from) / (2 * (side - 1)));
  const range = (axis) => [first[axis] - half[axis], last[axis] + half[axis]];
  const cell = SIDE / side;
  return plane(range(0), range(1), (context, at) =>
    grid.forEach((point, place) => {
      const [x, y] = at(...point);
      context.fillStyle = colours[place];
      context.fillRect(Math.floor(x - cell / 2), Math.floor(y - cell / 2), Math.ceil(cell) + 1, Math.ceil(cell) + 1);
    }),
  );
}

function mixed(colours, shares) {
  const mean = (channel) =>
    Math.round(shares.reduce((sum, share, k) => sum + share * colours[k % colours.length][channel], 0));
  return `rgb(${mean(0)},${mean(1)},${mean(2)})`;
}
