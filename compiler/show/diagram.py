"""Block diagrams as Mermaid text or as an SVG drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from mai.compiler.program import Program
from mai.compiler.show.blocks import Box, Frame, Item, Panel, panels

BRACKETS = {"input": ("([", "])"), "output": ("([", "])"), "draw": (">", "]"), "net": ("[[", "]]")}
FILL = {
    "input": "#eef4ea", "output": "#eef4ea", "draw": "#f3edf7", "net": "#dce8f7", "layer": "#eef3f9",
    "operation": "#ffffff",
}  # fmt: skip
INK, GREY, LINE = "#20304a", "#5f7188", "#7d90a8"
WIDTH, HEIGHT, GAP = 176, 30, 18  # Of a box, and between two boxes, in pixels, as all sizes here.
MARGIN, INSET, HEAD, LANE = 24, 10, 20, 9  # Around a panel; of a frame and its title; between two lanes of arrows.
LETTERS = 27  # That fit into a box.
DEFS = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="6.5" markerHeight="6.5" orient="auto">'
    f'<path d="M0 0.5 L8 4 L0 7.5 z" fill="{LINE}"/></marker></defs>'
)


def mermaid(program: Program, exports: Sequence[str]) -> str:
    """A Mermaid flowchart: a subgraph for each export, each net and each loop."""
    shown = panels(program, exports)
    names = {box: f"b{i}" for i, box in enumerate(b for panel in shown for b in panel.boxes())}
    lines = ["flowchart TD"]
    for i, panel in enumerate(shown):
        lines += [
            f'  subgraph p{i}["{_quoted(panel.title)}"]',
            *_subgraph(panel.items, names, f"p{i}", "    "),
            "  end",
        ]
    lines += [f"  {names[source]} --> {name}" for box, name in names.items() for source in box.sources]
    return "\n".join(lines) + "\n"


def _subgraph(items: Sequence[Item], names: dict[Box, str], path: str, indent: str) -> list[str]:
    lines = []
    for i, item in enumerate(items):
        if isinstance(item, Box):
            opening, closing = BRACKETS.get(item.kind, ("[", "]"))
            text = "<br/>".join(_quoted(t) for t in (item.name, item.shape) if t)
            lines.append(f'{indent}{names[item]}{opening}"{text}"{closing}')
            continue
        inner = _subgraph(item.items, names, f"{path}_{i}", indent + "  ")
        lines += [f'{indent}subgraph {path}_{i}["{_quoted(item.title)}"]', *inner, f"{indent}end"]
    return lines


def _quoted(text: str) -> str:
    """Text escaped for Mermaid's quotes."""
    return text.replace('"', "#quot;").replace("<", "&lt;").replace(">", "&gt;")


def svg(program: Program, exports: Sequence[str]) -> str:
    """An SVG drawing: a column for each export and net, in which the computation goes down."""
    layouts = [Layout(panel) for panel in panels(program, exports)]
    parts, left = [], MARGIN
    for layout in layouts:
        parts.append(f'<g transform="translate({left} {MARGIN})">\n' + "\n".join(layout.elements()) + "\n</g>")
        left += layout.width + 2 * MARGIN
    width, height = left - MARGIN, 2 * MARGIN + max((layout.height for layout in layouts), default=0)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="11" fill="{INK}">'
    )
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', DEFS, *parts, "</svg>"]) + "\n"


@dataclass(frozen=True, slots=True)
class Outline:
    """The frame of a loop, from `top` to `bottom`, inside `depth` others."""

    title: str
    top: int
    bottom: int
    depth: int


@dataclass(slots=True)
class Layout:
    """The places of one panel's parts: boxes in a column, frames around them, arrows that skip boxes in lanes at the right.

    Attributes:
        tops: the upper edge of each box.
        outlines: the frames.
        lanes: for each box with an arrow that skips others, its lane, counted from the boxes outward.
    """

    panel: Panel
    tops: dict[Box, int] = field(default_factory=dict)
    outlines: list[Outline] = field(default_factory=list)
    lanes: dict[Box, int] = field(default_factory=dict)
    height: int = 0

    def __post_init__(self) -> None:
        self.height = self._place(self.panel.items, HEAD + 6, 0)
        self._assign_lanes()

    @property
    def deepest(self) -> int:
        """The largest number of frames inside each other."""
        return max((o.depth + 1 for o in self.outlines), default=0)

    @property
    def left(self) -> int:
        """The left edge of the boxes."""
        return INSET * self.deepest

    @property
    def width(self) -> int:
        """The width of the panel, frames and lanes included."""
        return 2 * self.left + WIDTH + LANE * (1 + max(self.lanes.values(), default=-1))

    def _place(self, items: Sequence[Item], y: int, depth: int) -> int:
        """Place items one below the other from `y`; the next free height is returned."""
        for item in items:
            if isinstance(item, Frame):
                bottom = self._place(item.items, y + HEAD, depth + 1) - GAP + INSET
                self.outlines.append(Outline(item.title, y, bottom, depth))
                y = bottom + GAP
            else:
                self.tops[item] = y
                y += HEIGHT + GAP
        return y

    def _skips(self) -> dict[Box, list[Box]]:
        """For each box, those that read it and are not the next one."""
        order = {box: i for i, box in enumerate(self.tops)}
        skips: dict[Box, list[Box]] = {}
        for box in self.tops:
            for source in box.sources:
                if order[box] - order[source] > 1:
                    skips.setdefault(source, []).append(box)
        return skips

    def _assign_lanes(self) -> None:
        """Give each arrow that skips boxes the innermost lane that is free over its height, short ones first."""
        occupied: list[list[tuple[int, int]]] = []
        skips = self._skips()
        for source in sorted(skips, key=lambda s: self.tops[skips[s][-1]] - self.tops[s]):
            top, bottom = self.tops[source], self.tops[skips[source][-1]]
            free = (i for i, spans in enumerate(occupied) if all(bottom <= a or b <= top for a, b in spans))
            lane = next(free, len(occupied))
            if lane == len(occupied):
                occupied.append([])
            occupied[lane].append((top, bottom))
            self.lanes[source] = lane

    def elements(self) -> list[str]:
        """The SVG elements, those that others lie upon first."""
        title = f'<text x="0" y="12" font-size="14" font-weight="bold">{escape(self.panel.title)}</text>'
        frames = [line for o in sorted(self.outlines, key=lambda o: o.depth) for line in self._frame(o)]
        skips = [line for source, targets in self._skips().items() for line in self._skip_arrows(source, targets)]
        return [title, *frames, *self._step_arrows(), *skips, *(line for box in self.tops for line in self._box(box))]

    def _frame(self, outline: Outline) -> list[str]:
        x = INSET * outline.depth
        width, height = 2 * (self.left - x) + WIDTH, outline.bottom - outline.top
        return [
            f'<rect x="{x}" y="{outline.top}" width="{width}" height="{height}" rx="8" '
            'fill="#fbf4ec" stroke="#d9b48f"/>',
            f'<text x="{x + 8}" y="{outline.top + 14}" fill="#8a5a2b">↻ {escape(outline.title)}</text>',
        ]

    def _box(self, box: Box) -> list[str]:
        x, y = self.left, self.tops[box]
        radius = HEIGHT // 2 if box.kind in ("input", "output") else 6
        name, shape = escape(_cut(box.name, LETTERS - len(box.shape))), escape(box.shape)
        return [
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="{radius}" '
            f'fill="{FILL[box.kind]}" stroke="#9fb3c8"/>',
            f'<text x="{x + 12}" y="{y + 19}"{_weight(box)}>{name}</text>',
            f'<text x="{x + WIDTH - 12}" y="{y + 19}" text-anchor="end" fill="{GREY}" font-size="10">{shape}</text>',
        ]

    def _step_arrows(self) -> list[str]:
        """Arrows from a box straight down to the next."""
        x = self.left + WIDTH // 2
        pairs = [(a, b) for a, b in pairwise(self.tops) if a in b.sources]
        return [_path(f"M{x} {self.tops[a] + HEIGHT} V{self.tops[b]}") for a, b in pairs]

    def _skip_arrows(self, source: Box, targets: list[Box]) -> list[str]:
        """Arrows from a box out to its lane, down, and back into each target."""
        right = self.left + WIDTH
        lane = right + self.left + LANE * (self.lanes[source] + 1) - 2
        y = self.tops[source] + HEIGHT // 2 + 5
        ends = [self.tops[t] + HEIGHT // 2 - 5 for t in targets]
        down = f"M{right} {y} H{lane - 4} Q{lane} {y} {lane} {y + 4} V"
        return [_path(f"{down}{end - 4} Q{lane} {end} {lane - 4} {end} H{right}") for end in ends]


def _weight(box: Box) -> str:
    return ' font-weight="bold"' if box.kind == "net" else ""


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(length - 1, 1)].rstrip() + "…"


def _path(shape: str) -> str:
    return f'<path d="{shape}" fill="none" stroke="{LINE}" stroke-width="1.1" marker-end="url(#tip)"/>'
