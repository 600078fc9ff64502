"""A program as blocks: nets, layers and loops, and what flows between them; as Mermaid text or as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ops.structure import Constant, SizeOf, Structural, WeightOf
from mai.compiler.program import Program

WIDTH, HEIGHT, GAP, MARGIN, COLUMN = 190, 34, 22, 24, 250
FILL = {"net": "#e8eef6", "loop": "#fbeee6", "input": "#eef4ea", "draw": "#f3edf7"}


@dataclass
class Block:
    """A box: consecutive operations of one layer, or an input. `level` is how many loops are around it."""

    name: str
    kind: str
    shape: str
    level: int
    into: list[int] = field(default_factory=list)


def blocks(graph: Graph) -> list[Block]:
    """The boxes of a graph, in the order of the computation."""
    made: list[Block] = []
    owner: dict[Value, int] = {}
    for value in graph.inputs:
        owner[value] = len(made)
        made.append(Block(value.name, "input", str(value.type.with_lead(())), 0))
    _collect(graph, 0, made, owner)
    return made


def _collect(region: Region, level: int, made: list[Block], owner: dict[Value, int]) -> None:
    for node in region.nodes:
        if node.regions:
            _loop(node, level, made, owner)
        elif node.op in (Constant, WeightOf, SizeOf) or (issubclass(node.op, Structural) and not node.inputs):
            continue
        else:
            _add(node, level, made, owner)


def _loop(node: Node, level: int, made: list[Block], owner: dict[Value, int]) -> None:
    title = node.attributes.get("method") or ("repeat" if node.op.name == "loop" else node.op.name)
    count = node.attributes.get("count") or node.attributes.get("steps")
    sources = sorted({owner[v] for v in node.inputs if v in owner})
    place = len(made)
    made.append(Block(f"{title} × {count}" if count is not None else title, "loop", "", level, sources))
    region = node.regions[0]
    owner.update(dict.fromkeys(region.inputs, place))
    _collect(region, level + 1, made, owner)
    last = max((owner[v] for v in region.outputs if v in owner), default=place)
    owner.update(dict.fromkeys(node.outputs, last))


def _add(node: Node, level: int, made: list[Block], owner: dict[Value, int]) -> None:
    """Put a node into the last box if it belongs to the same layer, else begin a new one."""
    sources = {owner[v] for v in node.inputs if v in owner}
    drawn = node.op.name.startswith("random")
    name = node.output.name if drawn or not node.scope else node.scope.replace(".{}", "")
    kind = "draw" if drawn else "net"
    if not sources and not drawn:
        return
    if not made or made[-1].name != name or made[-1].level != level:
        made.append(Block(name, kind, "", level))
    block, place = made[-1], len(made) - 1
    block.shape = str(node.output.type.with_lead(()))
    block.into = sorted({*block.into, *(s for s in sources if s != place)})
    owner.update(dict.fromkeys(node.outputs, place))


def mermaid(program: Program, exports: Sequence[str]) -> str:
    """A Mermaid flowchart, a subgraph an export."""
    lines = ["flowchart TD"]
    for name in exports:
        lines.append(f"  subgraph {name}")
        made = blocks(program.exports[name])
        for i, block in enumerate(made):
            shape = f"<br/>{block.shape}" if block.shape else ""
            opening, closing = {"loop": ("{{", "}}"), "input": ("([", "])"), "draw": (">", "]")}.get(block.kind, ("[", "]"))
            lines.append(f'    {name}_{i}{opening}"{block.name}{shape}"{closing}')
            lines += [f"    {name}_{j} --> {name}_{i}" for j in block.into]
        lines.append("  end")
    return "\n".join(lines) + "\n"


def svg(program: Program, exports: Sequence[str]) -> str:
    """The same as a drawing: an export a column, time downwards, loops indented."""
    columns = [(name, blocks(program.exports[name])) for name in exports]
    deepest = max((b.level for _, made in columns for b in made), default=0)
    height = 2 * MARGIN + 30 + max((len(made) for _, made in columns), default=0) * (HEIGHT + GAP)
    width = 2 * MARGIN + len(columns) * (COLUMN + 20 * deepest)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11" fill="#20304a">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#6b7f99"/></marker></defs>',
    ]
    for column, (name, made) in enumerate(columns):
        left = MARGIN + column * (COLUMN + 20 * deepest)
        parts.append(f'<text x="{left}" y="{MARGIN + 8}" font-size="14" font-weight="bold">{escape(name)}</text>')
        parts += _column(made, left)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _column(made: list[Block], left: int) -> list[str]:
    spots = [(left + 20 * b.level, MARGIN + 26 + i * (HEIGHT + GAP)) for i, b in enumerate(made)]
    parts = []
    for i, block in enumerate(made):
        parts += [_arrow(spots[j], spots[i], i - j) for j in block.into]
    for (x, y), block in zip(spots, made, strict=True):
        fill = FILL[block.kind]
        parts.append(f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="#9fb3c8"/>')
        parts.append(f'<text x="{x + 8}" y="{y + 14}">{escape(block.name[-30:])}</text>')
        parts.append(f'<text x="{x + 8}" y="{y + 27}" fill="#6b7f99" font-size="10">{escape(block.shape)}</text>')
    return parts


def _arrow(start: tuple[int, int], end: tuple[int, int], distance: int) -> str:
    """Straight down to the next box; around the side to one further on."""
    x0, y0, x1, y1 = start[0] + 40, start[1] + HEIGHT, end[0] + 40, end[1]
    if distance <= 1:
        path = f"M{x0} {y0} L{x1} {y1}"
    else:
        right = max(start[0], end[0]) + WIDTH + 6 + 4 * min(distance, 8)
        path = f"M{start[0] + WIDTH} {start[1] + HEIGHT // 2} C{right} {y0} {right} {y1} {end[0] + WIDTH} {y1 + HEIGHT // 2}"
    return f'<path d="{path}" fill="none" stroke="#6b7f99" stroke-width="1.1" marker-end="url(#tip)"/>'
